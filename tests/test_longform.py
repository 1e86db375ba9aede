import itertools

import numpy as np
import pyarrow.parquet as pq
import pytest

from helpers import audio, catalog, longform, metrics

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def book():
    """Three segments of the audiobook with five seconds of silence after the first, and their texts."""
    data = catalog.dataset("facebook/multilingual_librispeech", "spanish", split="dev", streaming=True)
    rows = list(data.take(3))
    clips = [audio.read(row["audio"]) for row in rows]
    clips.insert(1, np.zeros(5 * RATE, np.float32))
    return audio.concatenate(clips), " ".join(row["transcript"] for row in rows), len(clips[0])


@pytest.fixture(scope="module")
def model():
    from faster_whisper import WhisperModel

    return WhisperModel(catalog.faster_whisper(), device="cpu", compute_type="int8", cpu_threads=2)


def test_windows_are_ordered_apart_and_short(book):
    samples, _, _ = book
    found = longform.windows(samples, seconds=8)
    assert found[0].start >= 0 and found[-1].end <= len(samples)
    assert all(0 < window.end - window.start <= 8 * RATE for window in found)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))


def test_longer_windows_are_fewer(book):
    samples, _, _ = book
    assert len(longform.windows(samples, seconds=28)) < len(longform.windows(samples, seconds=6))


def test_a_window_ends_before_a_long_silence(book):
    samples, _, first = book
    assert not any(w.start < first + RATE and w.end > first + 4 * RATE for w in longform.windows(samples, 6))


@pytest.mark.parametrize("seconds", [0, 0.5, 31, float("nan")])
def test_window_lengths_whisper_cannot_hold(book, seconds):
    with pytest.raises(ValueError, match="choose 1 to 30"):
        longform.windows(book[0], seconds)


def test_nobody_speaks(model):
    silence = np.zeros(3 * RATE, np.float32)
    noise = 0.02 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    for samples in (silence, noise):
        assert longform.windows(samples) == []
        assert longform.transcribe(model, samples, "es") == []


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(RATE, np.nan), np.ones(100), "story.wav"])
def test_bad_clips_give_one_sentence(samples):
    with pytest.raises(audio.AudioError) as error:
        longform.windows(samples)
    assert "\n" not in str(error.value)


def test_features_are_as_long_as_the_longest_window(book, model):
    batch = [longform.Window(0, 9 * RATE), longform.Window(9 * RATE, 12 * RATE)]
    assert longform.features(model, book[0], batch, tail=0.5).shape == (2, 80, 950)
    assert longform.features(model, book[0], batch[1:], tail=0.5).shape == (1, 80, 800)
    assert longform.features(model, book[0], [longform.Window(0, 40 * RATE)]).shape == (1, 80, 3000)


def test_short_clips_are_not_said_twice(model):
    """Without a shortest spectrogram Whisper says 3 of these 18 sentences twice."""
    rows = pq.read_table(catalog.asset("banking-calls") / "data.parquet").to_pylist()
    clips = [(audio.read(row["audio"]), row["transcription"]) for row in rows]
    short = [(clip, said) for clip, said in clips if RATE < len(clip) <= 3 * RATE]
    assert len(short) >= 15
    for clip, said in short:
        heard = " ".join(segment.text for segment in longform.transcribe(model, clip, "en"))
        assert len(heard.split()) <= 1.5 * len(said.split()) + 1, f"{said!r} is heard as {heard!r}"


def test_text_in_order_and_time(book, model):
    samples, reference, _ = book
    found = longform.transcribe(model, samples, "es", seconds=8, batch_size=2)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    assert found[-1].end <= len(samples) / RATE
    assert metrics.wer(reference, " ".join(segment.text for segment in found), "es") < 0.2


def test_language_is_detected(book, model):
    samples = book[0][: 9 * RATE]
    assert longform.transcribe(model, samples) == longform.transcribe(model, samples, "es")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "sing"}, "Unknown task"),
        ({"language": "spanish"}, "Unknown language"),
        ({"batch_size": 0}, "1 or more"),
        ({"beam_size": 0}, "1 or more"),
    ],
)
def test_bad_options(book, model, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        longform.transcribe(model, book[0], **options)
