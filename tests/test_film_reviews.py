"""The film review sentences that stand in for imdb: clean text, true labels, the same rows every time."""

import io
import tarfile

import pytest
from datasets import ClassLabel, Value, load_dataset

from helpers import catalog
from helpers.supply import packages


@pytest.fixture(scope="module", params=["train", "test"])
def reviews(request):
    return load_dataset(**catalog.data("stanfordnlp/imdb"), split=request.param)


def test_columns_are_imdbs(reviews):
    assert reviews.features == {"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])}


def test_texts_are_clean(reviews):
    for text in reviews["text"]:
        assert text == text.strip() and len(text) > 1
        assert not any(sign in text for sign in ("\t", "\n", "<br", "\ufffd", "-LRB-"))


def test_labels_follow_the_ratings_and_neutral_sentences_are_left_out(reviews):
    archive = packages.fetch(["vaderSentiment"])["vaderSentiment"]
    inner = packages.read(archive, "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(inner)) as packed:
        data = packed.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").read()
    rows = [line.split("\t") for line in data.decode("utf-8").splitlines()]
    ratings = {}
    for _, rating, text in rows:
        ratings.setdefault(text.strip(), set()).add(float(rating))
    for row in reviews:
        side = 1 if row["label"] else -1
        assert any(side * rating >= 1 for rating in ratings[row["text"]]), row


def test_a_class_is_not_rarer_than_the_other(reviews):
    assert 0.45 < sum(reviews["label"]) / len(reviews) < 0.55


def test_the_offline_stand_in_names_itself(capsys):
    load_dataset(**catalog.data("stanfordnlp/imdb"), split="test")
    assert "stanfordnlp/imdb is replaced by film-reviews" in capsys.readouterr().out


def test_streaming_gives_the_same_rows():
    streamed = load_dataset(**catalog.data("stanfordnlp/imdb"), split="test", streaming=True)
    loaded = load_dataset(**catalog.data("stanfordnlp/imdb"), split="test")
    assert list(streamed.take(5)) == loaded.to_list()[:5]


def test_splits_are_apart():
    train, test = [load_dataset(**catalog.data("stanfordnlp/imdb"), split=part) for part in ("train", "test")]
    assert len(train) > 8_000 and len(test) > 900
    assert len(set(train["text"]) & set(test["text"])) < 0.01 * len(test)
