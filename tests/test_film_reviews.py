"""The film review sentences that stand in for imdb: clean text, true labels, the same rows every time."""

import csv

import pytest
from datasets import ClassLabel, Value

from helpers import catalog, offline


@pytest.fixture(scope="module", params=["train", "test"])
def reviews(request):
    return catalog.dataset("stanfordnlp/imdb", split=request.param)


def test_columns_are_imdbs(reviews):
    assert reviews.features == {"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])}


def test_texts_are_clean(reviews):
    for text in reviews["text"]:
        assert text == text.strip() and len(text) > 1
        assert not any(sign in text for sign in ("\t", "\n", "<br", "\ufffd", "-LRB-"))


def test_labels_follow_the_ratings_and_neutral_sentences_are_left_out(reviews):
    path = offline.path("film-reviews") / "reviews.tsv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    ratings = {}
    for _, rating, text in rows:
        ratings.setdefault(text.strip(), set()).add(float(rating))
    for row in reviews:
        side = 1 if row["label"] else -1
        assert any(side * rating >= 1 for rating in ratings[row["text"]]), row


def test_a_class_is_not_rarer_than_the_other(reviews):
    assert 0.45 < sum(reviews["label"]) / len(reviews) < 0.55


def test_the_offline_stand_in_names_itself(capsys):
    catalog.dataset("stanfordnlp/imdb", split="test")
    assert "stanfordnlp/imdb is replaced by film-reviews" in capsys.readouterr().out


def test_streaming_gives_the_same_rows():
    streamed = catalog.dataset("stanfordnlp/imdb", split="test", streaming=True)
    loaded = catalog.dataset("stanfordnlp/imdb", split="test")
    assert list(streamed.take(5)) == loaded.to_list()[:5]
