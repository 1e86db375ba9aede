"""What lesson 6 writes in its own cells (tagged "tested")."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import ctc
from tests import cells

LETTERS = {"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4, "L": 5}


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    vocabulary = tmp_path_factory.mktemp("vocabulary") / "vocab.json"
    vocabulary.write_text(json.dumps(LETTERS), encoding="utf-8")
    tokens = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": None, "eos_token": None}
    tokenizer = Wav2Vec2CTCTokenizer(vocabulary, **tokens)
    return Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=False), tokenizer)


@pytest.fixture(scope="module")
def lesson(processor):
    from collections import Counter

    given = {"np": np, "Counter": Counter, "processor": processor, "__name__": __name__}
    return cells.tested("06_wav2vec2_ctc_fine_tuning", **given)


def row(samples, text):
    sound = np.sin(np.arange(samples) / 5, dtype=np.float32)
    return {"input_values": sound, "labels": [LETTERS[letter] for letter in text]}


def test_the_lessons_collator_is_that_of_the_helpers(lesson, processor):
    rows = [row(4000, "ABBA"), row(6000, "B"), row(5000, "A|BALL")]
    taught = lesson.DataCollatorCTCWithPadding(processor)(rows)
    shared = ctc.DataCollatorCTCWithPadding(processor)(rows)
    assert taught.keys() == shared.keys()
    assert all(torch.equal(taught[name], shared[name]) for name in taught)


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Um, I'd like to, to pay.", "UM I'D LIKE TO TO PAY"),
        ("my gas-bill", "MY GAS BILL"),
        ("  It’s   MINE  ", "IT'S MINE"),
        ("...", ""),
    ],
)
def test_only_letters_apostrophes_and_single_spaces_are_left(lesson, written, cleaned):
    assert lesson.clean(written) == cleaned
    assert lesson.usable(written) == (cleaned != "")


@pytest.mark.parametrize("written", ["42 pounds", "on the 3rd", "£5.20", "٤٢ pounds"])
def test_digits_are_refused_not_dropped(lesson, written):
    assert not lesson.usable(written)
    with pytest.raises(ValueError, match="has digits: write the number in words"):
        lesson.clean(written)


def test_padding_is_the_share_of_what_is_computed(lesson):
    assert lesson.padding([[2.0, 2.0]]) == 0
    assert lesson.padding([[1.0, 3.0], [4.0]]) == pytest.approx(2 / 10)
    assert lesson.in_eights(list(range(10))) == [list(range(8)), [8, 9]]


def test_doubled_letters_of_a_target_survive_and_a_path_collapses(lesson):
    outcome = SimpleNamespace(
        label_ids=np.array([[3, 5, 5, -100], [3, 2, 4, 3]]),
        predictions=np.array([[3, 5, 0, 5, -100], [3, 3, 2, 4, 4]]),
    )
    targets, texts = lesson.texts_of(outcome)
    assert targets == ["ALL", "A BA"] and texts == ["ALL", "A B"]


def test_missed_counts_words_that_a_text_lacks(lesson):
    counts = lesson.missed(["A B A", "L"], ["A L", "L L"])
    assert counts == {"A": 1, "B": 1}
    assert lesson.missed(["A"], ["A"]).total() == 0
