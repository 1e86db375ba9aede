"""The texts the data sets are made from, before any of them is read aloud."""

import re

import pytest
from sklearn.model_selection import train_test_split

from tools.data import english_read, french_everyday, french_medical, spanish_audiobook


@pytest.mark.parametrize("dataset", [english_read, spanish_audiobook], ids=["english", "spanish"])
def test_texts_differ_and_end_like_sentences(dataset):
    texts = [row["text"] for row in dataset.rows()]
    assert len(set(texts)) == len(texts)
    assert all(re.search(r"[.?!]$", text) for text in texts)


def test_french_sentences_are_226_and_differ():
    rows = french_medical.rows()
    assert [row["number"] for row in rows] == [f"{number:03d}" for number in range(1, 227)]
    assert len({row["text"] for row in rows}) == 226
    assert all(row["terms"] and row["text"].endswith(".") for row in rows)


def test_french_split_is_that_of_the_lesson():
    _, test = train_test_split(
        [row["number"] for row in french_medical.rows()], test_size=0.2, random_state=42
    )
    assert set(test) == french_medical.test_numbers()
    assert len(test) == 46


def test_a_french_term_is_unseen_or_stands_in_training_too():
    test, terms, unseen = french_medical.test_numbers(), french_medical.terms(), french_medical.unseen_terms()
    assert len(terms) >= 380 and 30 <= len(unseen) <= 40
    for term, numbers in terms.items():
        if term not in unseen:
            assert len(set(numbers)) >= 2
            assert not test.issuperset(numbers)


def test_french_terms_are_marked_wherever_they_stand():
    terms = french_medical.terms()
    for row in french_medical.rows():
        rest = row["text"]
        for term in sorted(row["terms"], key=len, reverse=True):
            rest = rest.replace(term, "", 1)
        for term in terms:
            assert not re.search(rf"\b{re.escape(term)}\b", rest), (row["number"], term)


def test_french_words_for_the_ear_all_stand_in_the_sentences():
    words = {word for row in french_medical.rows() for word in re.findall(r"\w+", row["text"])}
    for row in french_medical._table(french_medical.LEXICON):
        assert words & {row["word"], row["word"].capitalize()}, row["word"]


def test_french_everyday_sentences_hold_no_medical_term():
    texts = [row["text"] for row in french_everyday.rows()]
    assert len(set(texts)) == 80
    for term in french_medical.terms():
        assert not any(re.search(rf"\b{re.escape(term)}\b", text) for text in texts), term
