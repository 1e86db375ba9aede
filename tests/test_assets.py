"""The data sets that ship with the course: columns, texts, sound, cards."""

import importlib
import json
import re
from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest

from helpers import audio
from helpers.supply.files import sha256

ASSETS = resources.files("helpers") / "assets"

ENGLISH, SPANISH = "english-read", "spanish-audiobook"

AUDIO = {"_type": "Audio"}
STRING, INTEGER, FLOAT = ({"_type": "Value", "dtype": dtype} for dtype in ("string", "int64", "float64"))
# As on the Hub: the dataset_info of the cards of librispeech_asr_dummy and multilingual_librispeech.
FEATURES = {
    ENGLISH: {
        "file": STRING,
        "audio": AUDIO | {"sampling_rate": 16_000},
        "text": STRING,
        "speaker_id": INTEGER,
        "chapter_id": INTEGER,
        "id": STRING,
    },
    SPANISH: {
        "audio": AUDIO,
        "original_path": STRING,
        "begin_time": FLOAT,
        "end_time": FLOAT,
        "transcript": STRING,
        "audio_duration": FLOAT,
        "speaker_id": STRING,
        "chapter_id": STRING,
        "file": STRING,
        "id": STRING,
    },
}
TEXT = {ENGLISH: "text", SPANISH: "transcript"}
ALPHABET = {ENGLISH: r"[A-Z' ]+", SPANISH: r"[a-záéíóúüñ ]+"}
CLIPS = {ENGLISH: 73, SPANISH: 34}
SECONDS = {ENGLISH: (3.5, 13.0), SPANISH: (10.0, 20.0)}
MINUTES = {ENGLISH: 7.0, SPANISH: 6.5}
VOICES = {ENGLISH: 12, SPANISH: 2}
MEGABYTES = 8  # the two together

DATA_SETS = sorted(FEATURES)


def table(name):
    return pq.read_table(ASSETS / name / "data.parquet")


@pytest.fixture(scope="module", params=DATA_SETS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def rows(name):
    return table(name).to_pylist()


@pytest.fixture(scope="module")
def clips(rows):
    return [audio.read(row["audio"], sampling_rate=None) for row in rows]


def test_columns_and_feature_types_are_those_of_the_hub(name):
    from datasets import Features

    schema = table(name).schema
    features = Features.from_arrow_schema(schema).to_dict()
    assert list(features) == list(FEATURES[name])
    for column, expected in FEATURES[name].items():
        assert {key: features[column][key] for key in expected} == expected
    assert features["audio"].get("sampling_rate") == FEATURES[name]["audio"].get("sampling_rate")


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_loads_it_with_an_audio_column(name, streaming, tmp_path):
    from datasets import Audio, load_dataset

    path = str(ASSETS / name / "data.parquet")
    loaded = load_dataset(
        "parquet", data_files=path, split="train", streaming=streaming, cache_dir=str(tmp_path)
    )
    assert isinstance(loaded.features["audio"], Audio)
    first = next(iter(loaded.cast_column("audio", Audio(decode=False))))
    assert set(first["audio"]) == {"bytes", "path"}
    assert len(audio.read(first["audio"])) > audio.SAMPLE_RATE


def test_number_of_clips_and_voices(name, rows):
    assert len(rows) == CLIPS[name]
    assert len({row["speaker_id"] for row in rows}) == VOICES[name]


def test_texts_keep_to_the_alphabet_and_are_unique(name, rows):
    texts = [row[TEXT[name]] for row in rows]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert re.fullmatch(ALPHABET[name], text), text
        assert text == " ".join(text.split())


def test_ids_are_unique_and_name_speaker_and_chapter(name, rows):
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert re.split("[-_]", row["id"])[:2] == [str(row["speaker_id"]), str(row["chapter_id"])]
        assert row["audio"]["path"].startswith(row["id"])


def test_clips_decode_without_ffmpeg_to_16_khz_mono(rows):
    import io

    import soundfile

    for row in rows:
        info = soundfile.info(io.BytesIO(row["audio"]["bytes"]))
        assert (info.samplerate, info.channels, info.format, info.subtype) == (16_000, 1, "OGG", "OPUS")


def test_clips_last_as_long_as_said(name, clips):
    seconds = np.array([len(clip) for clip in clips]) / audio.SAMPLE_RATE
    shortest, longest = SECONDS[name]
    assert shortest <= seconds.min() and seconds.max() <= longest
    assert seconds.sum() / 60 >= MINUTES[name]


def test_no_clip_is_silent_clipped_or_cut_off(clips):
    for clip in clips:
        edge = audio.SAMPLE_RATE // 20
        assert 10 ** (-32 / 20) < np.sqrt(np.mean(clip**2)) < 10 ** (-18 / 20)
        assert np.abs(clip).max() < 0.99
        assert np.abs(clip[:edge]).max() < 0.02 and np.abs(clip[-edge:]).max() < 0.02


def test_clips_begin_soon(clips):
    for clip in clips:
        assert np.flatnonzero(np.abs(clip) > 0.03)[0] < 0.6 * audio.SAMPLE_RATE


def test_card_states_the_file_it_describes(name, rows):
    card = (ASSETS / name / "README.md").read_text("utf-8")
    assert f"`{sha256(ASSETS / name / 'data.parquet')}`" in card
    for fact in ("CC BY 4.0", "Apache-2.0", "stand", "synthetic", "Whisper base", f"{len(rows)}"):
        assert fact in card


def test_size_stays_within_its_share():
    size = sum((ASSETS / name / "data.parquet").stat().st_size for name in (ENGLISH, SPANISH))
    assert size < MEGABYTES * 1e6


def test_the_third_english_clip_holds_the_words_of_lesson_1():
    text = table(ENGLISH).column("text")[2].as_py()
    assert all(words in text for words in ("CHRISTMAS", "ROAST BEEF", "SIMILES"))


def test_spanish_segments_follow_one_another():
    rows = table(SPANISH).to_pylist()
    assert rows[0]["begin_time"] == 0
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        length = len(audio.read(row["audio"])) / audio.SAMPLE_RATE
        assert row["audio_duration"] == length
        assert row["end_time"] - row["begin_time"] == pytest.approx(length)
        assert following is None or following["begin_time"] == row["end_time"]


def test_spanish_parquet_can_be_streamed_in_parts():
    assert pq.ParquetFile(ASSETS / SPANISH / "data.parquet").num_row_groups >= 4


def test_spanish_translation_belongs_to_the_first_three_segments():
    translation = json.loads((ASSETS / SPANISH / "translation.json").read_text("utf-8"))
    assert list(translation) == table(SPANISH).column("id").to_pylist()[:3]
    assert all(text.isascii() or "Inés" in text for text in translation.values())


@pytest.mark.parametrize("module", importlib.import_module("tools.data.__main__").DATA_SETS)
def test_the_tools_write_the_yaml_by_which_a_card_is_loaded(module):
    made = importlib.import_module(f"tools.data.{module}")
    text = (ASSETS / made.NAME / "README.md").read_text("utf-8")
    assert text.startswith(made.FRONT + "\n# ")
