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


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: d / "missing.wav", "There is no file"),
        (lambda d: d, "is a folder"),
        (lambda d: "~no-such-user/clip.wav", "There is no file ~no-such-user/clip.wav"),
        (lambda d: "https://example.org/a.wav", "is an address: download the file"),
        (lambda d: "a" * 5_000, "cannot be read"),
        (lambda d: empty_file(d), "is empty"),
        (lambda d: b"not audio at all", "these bytes: it is damaged, or no sound"),
        (lambda d: {"bytes": b"none", "path": "x.wav"}, "Cannot decode x.wav"),
        (lambda d: {"bytes": b"none", "path": None}, "Cannot decode these bytes"),
        (lambda d: b"PK\x03\x04 and so on", "a zip archive"),
        (lambda d: file_bytes(tone(), RATE, format="FLAC")[:50], "damaged, or no sound"),
        (lambda d: file_bytes(np.zeros(0, np.float32), RATE, format="WAV"), "no sound"),
        (lambda d: {"array": None, "bytes": None, "path": None}, "pass it a copy"),
        (lambda d: {}, "pass it a copy"),
        (lambda d: {"array": tone()}, "no 'sampling_rate'"),
        (lambda d: {"array": tone(), "sampling_rate": 0}, "not plausible"),
        (lambda d: {"array": tone(), "sampling_rate": "fast"}, "not a number"),
        (lambda d: {"array": tone(), "sampling_rate": float("inf")}, "not a number"),
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
        (tone(rate=8_000), 8_000, {}, "soxr.resample"),
        (tone(0.05), RATE, {}, "at least 0.1 s"),
        (tone(2), RATE, {"max_seconds": 1}, "at most 1 s"),
        (np.zeros(RATE), RATE, {}, "silent"),
        (np.full(RATE, 0.5), RATE, {}, "silent"),
        (tone() * 20_000, RATE, {}, "divide integer samples"),
        (np.array([]), RATE, {}, "no samples"),
    ],
)
def test_check_refuses_what_a_model_would_swallow(samples, rate, limits, says):
    with pytest.raises(audio.AudioError, match=says):
        audio.check(samples, rate, **limits)


def test_check_returns_good_samples_unchanged():
    np.testing.assert_array_equal(audio.check(tone(), max_seconds=30), tone())


@pytest.mark.parametrize("format", ["mp3", "opus", "flac", "wav"])
def test_encode_can_be_read_back(format):
    read = audio.read(audio.encode(tone(), format=format))
    assert loudest_hertz(read) == pytest.approx(440, abs=5)


def test_encode_refuses_unknown_formats_and_rates():
    with pytest.raises(audio.AudioError, match="choose one of"):
        audio.encode(tone(), format="aac")
    with pytest.raises(audio.AudioError, match="resample"):
        audio.encode(tone(rate=9_000), 9_000, "opus")


PHONES = {"m4a": ("ipod", "aac"), "mp4": ("mp4", "aac"), "3gp": ("3gp", "aac"), "webm": ("webm", "libopus")}


def phone_bytes(samples, container, codec, rate=48_000):
    """A recording as phones and browsers make it, written by PyAV."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size or 960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", PHONES)
def test_what_phones_and_browsers_record_is_read_by_content(suffix, tmp_path):
    data = phone_bytes(tone(rate=48_000), *PHONES[suffix])
    misnamed = tmp_path / "recording.wav"
    misnamed.write_bytes(data)
    for source in (data, misnamed, {"bytes": data, "path": f"x.{suffix}"}):
        read = audio.read(source)
        assert read.ndim == 1 and abs(len(read) / RATE - 1) < 0.15
        assert loudest_hertz(read) == pytest.approx(440, abs=5)


def test_a_wav_whose_header_says_nothing_of_its_samples_is_read():
    data = bytearray(file_bytes(tone(), RATE, format="WAV", subtype="PCM_16"))
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)
    assert loudest_hertz(audio.read(bytes(data))) == pytest.approx(440, abs=5)


def test_zeros_in_front_of_an_mp3_do_not_hide_it():
    data = bytes(2_000) + file_bytes(tone(3), RATE, format="MP3")
    assert loudest_hertz(audio.read(data)) == pytest.approx(440, abs=5)


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "clip.wav").write_bytes(file_bytes(tone(), RATE, format="WAV"))
    assert len(audio.read("~/clip.wav")) == RATE


def test_the_limits_of_a_check():
    assert len(audio.check(tone(0.1))) == 1_600
    assert len(audio.check(tone(1), RATE, 1)) == RATE
    assert len(audio.check(tone(1) * 8 / np.abs(tone(1)).max())) == RATE
    assert len(audio.check(np.array([0.5, 0.50021] * 800))) == 1_600
    for bad in (tone(0.099), np.array([0.5, 0.50019] * 800), tone(1) * 30):
        with pytest.raises(audio.AudioError):
            audio.check(bad)
    for rate in (1_000, 768_000):
        assert len(audio.read({"array": tone(), "sampling_rate": rate}, sampling_rate=None)) == RATE
    for rate in (999, 768_001, 16_000.5):
        with pytest.raises(audio.AudioError, match="not plausible"):
            audio.read({"array": tone(), "sampling_rate": rate})


def test_a_file_that_exceeds_full_scale_is_clipped_when_it_is_written():
    assert np.abs(audio.read(audio.encode(np.array([3.0, -3.0, 0.5] * 800), format="wav"))).max() <= 1


@pytest.mark.parametrize(("share", "cut"), [(0.95, False), (0.85, True)])
def test_a_tenth_of_an_mp3_may_be_missing(share, cut):
    from helpers.decode import is_cut_short

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE)
    data = file_bytes(noise, RATE, format="MP3")
    assert is_cut_short(data[: round(len(data) * share)]) is cut
    wav = file_bytes(noise, RATE, format="WAV")
    assert not is_cut_short(wav) and not is_cut_short(wav[:-1]) and is_cut_short(wav[:-2])


def test_what_is_no_sound_is_named():
    kinds = {b"%PDF-1.7": "a PDF", b"\x89PNG": "a picture", b"\xff\xd8\xff\xe0": "a picture"}
    kinds |= {
        b"\n<!doctype html>": "a web page",
        b"version https://git-lfs.github.com": "a pointer of Git LFS",
    }
    for start, kind in kinds.items():
        with pytest.raises(audio.AudioError, match=f"Cannot decode these bytes: it is {kind}, no sound"):
            audio.read(start + bytes(20))
