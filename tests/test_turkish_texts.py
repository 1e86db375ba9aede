"""The Turkish and French data sets as they ship: letters, splits, columns, cards."""

import io
import re

import pyarrow.parquet as pq
import pytest
import soundfile

from helpers import audio, catalog
from helpers.supply.files import sha256
from tools.data import french_everyday, french_medical, turkish_sentences

ALPHABET = "abcçdefgğhıiklmnoöprsştuüvyz"  # j stands in loan words only, and in none of ours
ROWS = turkish_sentences.rows()


def parts():
    folder = catalog.asset("turkish-sentences")
    return {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in turkish_sentences.SPLITS}


def test_sentences_differ_and_hold_the_alphabet():
    texts = [row["text"] for row in ROWS]
    assert len(set(texts)) == len(texts) == 393
    assert set(ALPHABET) <= set("".join(map(turkish_sentences.transcript, texts)))
    assert not set("qwx") & set("".join(texts).lower())
    assert all(text[-1] in ".?!" for text in texts)


def test_turkish_casing_and_punctuation():
    assert turkish_sentences.transcript("Irmak'ta, İzmir'de!") == "ırmakta izmirde"
    assert turkish_sentences.transcript('"Işık söndü." dedi.') == "ışık söndü dedi"
    written = "".join(row["text"] for row in ROWS)
    assert {"'", '"', "İ", "I", "?"} <= set(written)


def test_splits_as_they_ship_share_no_sentence():
    texts = {name: {row["raw_transcription"] for row in rows} for name, rows in parts().items()}
    assert {name: len(found) for name, found in texts.items()} == {
        "test": 60,
        "validation": 40,
        "train": 293,
    }
    assert len(set.union(*texts.values())) == 393


def test_letters_of_the_test_split_are_in_training_too():
    letters = {name: set("".join(row["transcription"] for row in rows)) for name, rows in parts().items()}
    assert letters["test"] | letters["validation"] <= letters["train"]


def test_clips_have_the_length_they_say():
    for row in parts()["test"][:5]:
        samples = audio.read(row["audio"], sampling_rate=None)
        assert soundfile.info(io.BytesIO(row["audio"]["bytes"])).samplerate == 16_000
        assert abs(len(samples) - row["num_samples"]) <= 1


@pytest.mark.parametrize("name", ["french-medical", "french-everyday", "turkish-sentences"])
def test_cards_state_the_hash_the_licence_and_that_nobody_speaks(name):
    folder = catalog.asset(name)
    card = (folder / "README.md").read_text(encoding="utf-8")
    for file in folder.glob("*.parquet"):
        assert sha256(file) in card
    assert "license: cc-by-4.0" in card
    assert "synthetic speech" in card


@pytest.mark.parametrize("dataset", [french_medical, french_everyday], ids=["medical", "everyday"])
def test_french_clips_are_the_texts_in_order(dataset):
    table = pq.read_table(catalog.asset(dataset.NAME) / "data.parquet")
    assert table.column("sentence").to_pylist() == [row["text"] for row in dataset.rows()]
    assert table.column("number").to_pylist() == [row["number"] for row in dataset.rows()]


def test_the_list_of_terms_is_that_of_the_texts():
    listed = (catalog.asset("french-medical") / "terms.txt").read_text(encoding="utf-8").splitlines()
    assert listed == list(french_medical.terms())
    words = re.compile(r"\w")
    assert all(words.search(term) for term in listed)
