import io

import numpy as np
import pytest
import soundfile

from helpers import audio

RATE = audio.SAMPLE_RATE


def tone(seconds=1.0, rate=RATE, hertz=440.0):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def file_bytes(samples, rate, **format):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **format)
    return buffer.getvalue()


def loudest_hertz(samples, rate=RATE):
    return np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)


FORMATS = [
    {"format": "WAV", "subtype": "PCM_16"},
    {"format": "WAV", "subtype": "FLOAT"},
    {"format": "FLAC"},
    {"format": "OGG", "subtype": "VORBIS"},
    {"format": "OGG", "subtype": "OPUS"},
    {"format": "MP3"},
]


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("format", FORMATS, ids=lambda f: "-".join(f.values()))
@pytest.mark.parametrize("channels", [1, 2])
def test_read_gives_mono_at_16_khz_from_any_format(rate, format, channels):
    samples = np.stack([tone(rate=rate)] * channels, axis=1)
    read = audio.read(file_bytes(samples, rate, **format))
    assert read.dtype == np.float32 and read.ndim == 1
    assert abs(len(read) / RATE - 1) < 0.15  # lossy formats pad
    assert loudest_hertz(read) == pytest.approx(440, abs=5)


def test_read_takes_path_bytes_and_dicts(tmp_path):
    data = file_bytes(tone(), RATE, format="FLAC")
    path = tmp_path / "a clip.flac"
    path.write_bytes(data)
    cell = {"bytes": data, "path": "clip.flac"}
    sources = [path, str(path), data, cell, {"bytes": None, "path": str(path)}]
    sources.append({"array": audio.read(path), "sampling_rate": RATE})
    for source in sources:
        np.testing.assert_array_equal(audio.read(source), audio.read(path))


def test_read_keeps_the_own_rate_on_request():
    data = file_bytes(tone(rate=8_000), 8_000, format="WAV")
    assert len(audio.read(data, sampling_rate=None)) == 8_000
    assert audio.load(data)[1] == 8_000


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: d / "missing.wav", "There is no file"),
        (lambda d: d, "is a folder"),
        (lambda d: empty_file(d), "is empty"),
        (lambda d: b"not audio at all", "damaged or not audio"),
        (lambda d: file_bytes(tone(), RATE, format="FLAC")[:50], "damaged or not audio|holds no samples"),
        (lambda d: file_bytes(np.zeros(0, np.float32), RATE, format="WAV"), "holds no samples"),
        (lambda d: {"array": None, "bytes": None, "path": None}, "pass it a copy"),
        (lambda d: {}, "pass it a copy"),
        (lambda d: {"array": tone()}, "no 'sampling_rate'"),
        (lambda d: {"array": tone(), "sampling_rate": 0}, "not plausible"),
        (lambda d: {"array": tone(), "sampling_rate": "fast"}, "not a number"),
        (lambda d: tone(), "does not say its rate"),
        (lambda d: 3.5, "Cannot read audio from float"),
        (lambda d: {"array": [[1.0], [1.0, 2.0]], "sampling_rate": RATE}, "ragged"),
        (lambda d: {"array": ["a"], "sampling_rate": RATE}, "pass float samples"),
        (lambda d: {"array": np.full(RATE, np.nan), "sampling_rate": RATE}, "NaN"),
        (lambda d: {"array": np.zeros((2, 2, 2)), "sampling_rate": RATE}, "one clip of shape"),
    ],
)
def test_read_refuses_in_one_sentence(make, says, tmp_path):
    with pytest.raises(audio.AudioError, match=says) as caught:
        audio.read(make(tmp_path))
    assert "\n" not in str(caught.value)


def empty_file(folder):
    path = folder / "empty.wav"
    path.touch()
    return path


@pytest.mark.parametrize("shape", ["samples first", "channels first"])
def test_stereo_is_averaged_whatever_the_layout(shape):
    stereo = np.stack([np.full(1_000, 0.5), np.full(1_000, -0.1)], axis=1 if shape == "samples first" else 0)
    np.testing.assert_allclose(audio.to_mono_float(stereo), np.full(1_000, 0.2), atol=1e-7)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_integer_samples_are_scaled(dtype):
    full = np.iinfo(dtype).max
    np.testing.assert_allclose(audio.to_mono_float(np.array([0, full], dtype)), [0, 1], atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "rate", "limits", "says"),
    [
        (tone(rate=8_000), 8_000, {}, "call audio.resample"),
        (tone(0.05), RATE, {}, "at least 0.1 s"),
        (tone(2), RATE, {"max_seconds": 1}, "at most 1 s"),
        (np.zeros(RATE), RATE, {}, "silent"),
        (tone() * 20_000, RATE, {}, "divide integer samples"),
        (np.array([]), RATE, {}, "no samples"),
    ],
)
def test_check_refuses_what_a_model_would_swallow(samples, rate, limits, says):
    with pytest.raises(audio.AudioError, match=says):
        audio.check(samples, rate, **limits)


def test_check_returns_good_samples_unchanged():
    np.testing.assert_array_equal(audio.check(tone(), max_seconds=30), tone())


def test_resample_keeps_length_and_pitch():
    there = audio.resample(tone(rate=8_000), 8_000)
    assert len(there) == RATE and there.dtype == np.float32
    assert loudest_hertz(there) == pytest.approx(440, abs=1)


def test_concatenate_puts_silence_between():
    joined = audio.concatenate([np.ones(10), np.ones(10)], gap_seconds=5 / RATE)
    np.testing.assert_array_equal(joined, [1] * 10 + [0] * 5 + [1] * 10)


def test_concatenate_refuses_nothing_and_negative_gaps():
    with pytest.raises(audio.AudioError, match="no clip"):
        audio.concatenate([])
    with pytest.raises(audio.AudioError, match="negative"):
        audio.concatenate([tone()], gap_seconds=-1)


@pytest.mark.parametrize("format", ["mp3", "opus", "flac", "wav"])
def test_encode_can_be_read_back(format):
    read = audio.read(audio.encode(tone(), format=format))
    assert loudest_hertz(read) == pytest.approx(440, abs=5)


def test_encode_refuses_unknown_formats_and_rates():
    with pytest.raises(audio.AudioError, match="choose one of"):
        audio.encode(tone(), format="aac")
    with pytest.raises(audio.AudioError, match="resample"):
        audio.encode(tone(rate=9_000), 9_000, "opus")


def test_play_embeds_compressed_audio():
    html = audio.play(tone(5))._repr_html_()
    assert "audio/mpeg" in html
    assert len(html) < 5 * RATE  # a wav would take 2.7 bytes a sample in base64
