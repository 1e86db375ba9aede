"""Telephone banking: the texts, the line they go through, and the data set made of them."""

import io
import re
from collections import Counter
from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from helpers import audio
from helpers.supply.files import sha256
from tools.data import banking_calls

FOLDER = resources.files("helpers") / "assets" / banking_calls.NAME
RESERVED = {"bf_lily", "am_eric", "af_jessica", "bm_lewis"}


@pytest.fixture(scope="module")
def rows():
    return pq.read_table(FOLDER / "data.parquet").to_pylist()


@pytest.fixture(scope="module")
def clips(rows):
    return [audio.read(row["audio"], sampling_rate=None) for row in rows]


# ---- texts -------------------------------------------------------------------------------------------------


def test_120_requests_differ_and_end_like_sentences():
    texts = [row["text"] for row in banking_calls.rows()]
    assert len(texts) == len(set(texts)) == 120
    assert all(re.fullmatch(r"[A-Z][A-Za-z', ]+[.?]", text) for text in texts)


def test_all_fourteen_intents_have_their_share():
    counts = Counter(row["intent"] for row in banking_calls.rows())
    assert set(counts) == set(banking_calls.INTENTS) and len(counts) == 14
    assert min(counts.values()) >= 8


def test_callers_hesitate_and_start_anew():
    texts = [row["text"].lower() for row in banking_calls.rows()]
    fillers = [text for text in texts if re.search(r"\b(um|uh|well)\b", text)]
    false_starts = [text for text in texts if re.search(r"\b(\w+(?: \w+)*), \1\b", text)]
    assert len(fillers) >= 20 and len(false_starts) >= 8


def test_voices_are_american_and_british_and_two_are_reserved():
    voices = Counter(row["voice"] for row in banking_calls.rows())
    assert len(voices) == 12 and min(voices.values()) == 10
    assert {voice[:2] for voice in voices} == {"af", "am", "bf", "bm"}
    assert len(RESERVED & set(voices)) == 2


# ---- the line ----------------------------------------------------------------------------------------------


def tone(frequency):
    return (0.1 * np.sin(2 * np.pi * frequency * np.arange(16_000) / 16_000)).astype(np.float32)


def test_the_line_has_half_the_samples_and_levels_of_eight_bits():
    heard = banking_calls.telephone(tone(1000), seed=0)
    assert heard.dtype == np.float32 and heard.shape == (8000,)
    assert len(np.unique(heard)) <= 255
    assert np.array_equal(heard, banking_calls.telephone(tone(1000), seed=0))


@pytest.mark.parametrize("frequency", [60, 3900])
def test_the_line_keeps_to_its_band(frequency):
    mixed = banking_calls.telephone(tone(1000) + tone(frequency), seed=0)
    power = np.abs(np.fft.rfft(mixed)) ** 2
    assert power[frequency] < 0.05 * power[1000]


# ---- the data set ------------------------------------------------------------------------------------------


def test_columns_and_types_are_those_of_minds14():
    from datasets import Features

    features = Features.from_arrow_schema(pq.read_schema(FOLDER / "data.parquet"))
    columns = ["path", "audio", "transcription", "english_transcription", "intent_class", "lang_id"]
    assert list(features) == columns
    assert features["audio"].sampling_rate == 8000
    assert features["intent_class"].names == list(banking_calls.INTENTS)
    assert len(features["lang_id"].names) == 14 and features["lang_id"].names[4] == "en-US"


def test_rows_say_what_the_texts_say(rows):
    for row, text in zip(rows, banking_calls.rows(), strict=True):
        assert row["transcription"] == row["english_transcription"] == text["text"][:-1]
        assert banking_calls.INTENTS[row["intent_class"]] == text["intent"]
        assert banking_calls.LOCALES[row["lang_id"]] == "en-US"
        assert row["path"] == row["audio"]["path"] == f"en-US~{text['intent'].upper()}/{text['id']}.ogg"


def test_clips_are_8_khz_and_read_as_such(rows, clips):
    for row, clip in zip(rows, clips, strict=True):
        info = soundfile.info(io.BytesIO(row["audio"]["bytes"]))
        assert (info.samplerate, info.channels, info.format, info.subtype) == (8000, 1, "OGG", "OPUS")
        assert soundfile.info(io.BytesIO(row["audio"]["bytes"])).samplerate == 8000
        assert len(audio.read(row["audio"])) == pytest.approx(2 * len(clip), abs=2)


def test_clips_are_neither_silent_nor_clipped_nor_long(clips):
    seconds = np.array([len(clip) for clip in clips]) / 8000
    assert seconds.min() > 1.9 and seconds.max() < 12 and seconds.sum() > 6.5 * 60
    for clip in clips:
        assert 10 ** (-32 / 20) < np.sqrt(np.mean(clip**2)) < 10 ** (-18 / 20)
        assert np.abs(clip).max() < 0.99


def test_clips_hold_a_telephone_band(clips):
    power = sum(np.abs(np.fft.rfft(clip, 8 * 8000)) ** 2 for clip in clips)
    frequency = np.fft.rfftfreq(8 * 8000, 1 / 8000)
    assert power[(frequency < 200) | (frequency > 3600)].sum() < 0.02 * power.sum()


def test_card_states_the_file_it_describes():
    card = (FOLDER / "README.md").read_text("utf-8")
    assert f"`{sha256(FOLDER / 'data.parquet')}`" in card
    for fact in ("CC BY 4.0", "Apache-2.0", "stand in", "synthetic", "Whisper base", "120", "8 kHz"):
        assert fact in card
