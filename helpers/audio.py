"""Read, check, resample, join, compress and play speech: always mono float32 in [-1, 1]."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000
"""What every checkpoint of the course expects, in Hz."""

_INTEGER_SCALE = {np.dtype(np.int16): 2.0**15, np.dtype(np.int32): 2.0**31}
_SILENCE = 1e-4
"""Peak below which a clip counts as silent: -80 dB of full scale, under the noise of any microphone."""


class AudioError(ValueError):
    """A clip that cannot be used as it is. The message says what to do."""


class SilentError(AudioError):
    """A clip in which nothing can be heard."""


def read(source, sampling_rate: int | None = SAMPLE_RATE) -> np.ndarray:
    """Read a clip from wherever it is, as mono float32, resampled.

    Args:
        source: a path; the bytes of an audio file; a row's audio cell of `datasets` with decoding off
            (`{"bytes": ..., "path": ...}`); or an array with its rate
            (`{"array": ..., "sampling_rate": ...}`).
            Formats: wav, flac, ogg (Vorbis, Opus), mp3, aiff, by libsndfile, so without FFmpeg.
        sampling_rate: rate of the result in Hz; None keeps the clip's own.

    Returns:
        float32 array of shape (samples,) in [-1, 1]. Several channels are averaged.

    Raises:
        AudioError: missing, empty or undecodable file, unknown kind of source, NaN, wrong shape or type.
    """
    samples, own_rate = load(source)
    return samples if sampling_rate is None else resample(samples, own_rate, sampling_rate)


def load(source) -> tuple[np.ndarray, int]:
    """Like `read`, at the clip's own rate.

    Returns:
        (float32 array of shape (samples,), rate in Hz).

    Raises:
        AudioError: as `read`.
    """
    if isinstance(source, Mapping):
        return _load_mapping(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(io.BytesIO(bytes(source)), "these bytes")
    if isinstance(source, (str, os.PathLike)):
        return _load_file(Path(source))
    if isinstance(source, np.ndarray):
        raise AudioError(
            "An array alone does not say its rate: pass {'array': samples, 'sampling_rate': 16000} instead."
        )
    raise AudioError(
        f"Cannot read audio from {type(source).__name__}: pass a path, bytes, or a dict with "
        "'bytes' or with 'array' and 'sampling_rate'."
    )


def _load_mapping(source: Mapping) -> tuple[np.ndarray, int]:
    if source.get("array") is not None:
        rate = source.get("sampling_rate")
        if rate is None:
            raise AudioError("The clip has an 'array' but no 'sampling_rate': add it, in Hz.")
        return to_mono_float(source["array"]), _checked_rate(rate)
    if source.get("bytes") is not None:
        return _decode(io.BytesIO(source["bytes"]), source.get("path") or "these bytes")
    if source.get("path"):
        return _load_file(Path(source["path"]))
    raise AudioError(
        "The clip has neither 'array', 'bytes' nor 'path': a pipeline empties the dict it is given, "
        "so pass it a copy."
    )


def _load_file(path: Path) -> tuple[np.ndarray, int]:
    if not path.exists():
        raise AudioError(f"There is no file {path}: check the name and the folder.")
    if path.is_dir():
        raise AudioError(f"{path} is a folder: name one audio file in it.")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty (0 bytes): record or copy it again.")
    return _decode(path, path)


def _decode(file, name) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise AudioError(
            f"Cannot decode {name}: it is damaged or not audio. Convert it to wav, flac, ogg or mp3."
        ) from error
    return to_mono_float(samples.mean(axis=1), name), rate


def to_mono_float(samples, name="the clip") -> np.ndarray:
    """Turn samples of any usual kind into mono float32 in [-1, 1].

    Args:
        samples: shape (samples,), (channels, samples) or (samples, channels), the longer axis being time;
            float, or int16 / int32 at full scale (unscaled, Whisper hears them as noise).

    Returns:
        float32 array of shape (samples,).

    Raises:
        AudioError: empty, NaN or infinite, more than two axes, or not numbers.
    """
    try:
        samples = np.asarray(samples)
    except ValueError as error:
        raise AudioError(f"{_named(name)} is ragged: pass one clip at a time.") from error
    if samples.dtype in _INTEGER_SCALE:
        samples = samples / _INTEGER_SCALE[samples.dtype]
    elif samples.dtype.kind != "f":
        raise AudioError(f"{_named(name)} holds {samples.dtype}: pass float samples in [-1, 1], or int16.")
    if samples.ndim == 2:
        samples = samples.mean(axis=int(np.argmin(samples.shape)))
    if samples.ndim != 1:
        raise AudioError(f"{_named(name)} has shape {samples.shape}: pass one clip of shape (samples,).")
    if samples.size == 0:
        raise AudioError(f"{_named(name)} holds no samples: record it again.")
    if not np.isfinite(samples).all():
        raise AudioError(f"{_named(name)} holds NaN or infinite samples: read it again from its file.")
    return samples.astype(np.float32, copy=False)


def _named(name) -> str:
    return "The clip" if name == "the clip" else f"Clip {name}"


def check(
    samples: np.ndarray,
    sampling_rate: int = SAMPLE_RATE,
    *,
    expected_rate: int = SAMPLE_RATE,
    min_seconds: float = 0.1,
    max_seconds: float | None = None,
) -> np.ndarray:
    """Refuse what a checkpoint would swallow and answer with nonsense.

    Args:
        samples: shape (samples,), see `to_mono_float`.
        sampling_rate, expected_rate: Hz; the clip's own, and the one the checkpoint was trained on.
        min_seconds, max_seconds: limits on the length in seconds; None for no upper one.

    Returns:
        The samples, float32 of shape (samples,).

    Raises:
        AudioError: wrong rate, integer scale, silent, too short, too long, and all of `to_mono_float`.
    """
    samples = to_mono_float(samples)
    if _checked_rate(sampling_rate) != expected_rate:
        raise AudioError(
            f"The clip has {sampling_rate} Hz and {expected_rate} Hz is needed: "
            f"call audio.resample(samples, {sampling_rate}, {expected_rate})."
        )
    seconds = len(samples) / sampling_rate
    if seconds < min_seconds:
        raise AudioError(f"The clip lasts {seconds:.3f} s and at least {min_seconds} s are needed.")
    if max_seconds is not None and seconds > max_seconds:
        raise AudioError(
            f"The clip lasts {seconds:.1f} s and at most {max_seconds:g} s fit: cut it, or transcribe it "
            "as long audio (lesson 3)."
        )
    peak = float(np.abs(samples).max())
    if peak < _SILENCE:
        raise SilentError("The clip is silent: check the microphone, or the channel that was read.")
    if peak > 8:
        raise AudioError(
            f"The clip peaks at {peak:.0f} where 1 is full scale: divide integer samples by 32768."
        )
    return samples


def resample(samples, original_rate: int, target_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Change the sampling rate by band-limited interpolation (the SoX resampler).

    Args:
        samples: shape (samples,).
        original_rate, target_rate: Hz.

    Returns:
        float32 array of shape (round(samples * target_rate / original_rate),).

    Raises:
        AudioError: a rate outside 1 kHz to 768 kHz, and all of `to_mono_float`.
    """
    samples = to_mono_float(samples)
    original_rate, target_rate = _checked_rate(original_rate), _checked_rate(target_rate)
    if original_rate == target_rate:
        return samples
    import soxr

    return soxr.resample(samples, original_rate, target_rate).astype(np.float32, copy=False)


def _checked_rate(rate) -> int:
    try:
        whole = int(rate)
    except (TypeError, ValueError):
        raise AudioError(f"A sampling rate of {rate!r} is not a number of Hz.") from None
    if whole != rate or not 1_000 <= whole <= 768_000:
        raise AudioError(f"A sampling rate of {rate} Hz is not plausible: speech has 8000 to 48000 Hz.")
    return whole


def concatenate(
    clips: Iterable[np.ndarray], gap_seconds: float = 0.0, sampling_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Join clips of one rate, with silence between them.

    Args:
        clips: arrays of shape (samples,), all at `sampling_rate` (Hz).
        gap_seconds: silence between two clips, in seconds.

    Returns:
        float32 array of shape (sum of samples and gaps,).

    Raises:
        AudioError: no clip, a negative gap, and all of `to_mono_float`.
    """
    if gap_seconds < 0:
        raise AudioError(f"A gap of {gap_seconds} s is negative: pass 0 or more.")
    gap = np.zeros(round(gap_seconds * sampling_rate), np.float32)
    pieces = []
    for clip in clips:
        pieces += [to_mono_float(clip), gap]
    if not pieces:
        raise AudioError("There is no clip to join.")
    return np.concatenate(pieces[:-1])


def encode(samples, sampling_rate: int = SAMPLE_RATE, format: str = "mp3") -> bytes:
    """Compress a clip, for a player or a parquet cell.

    Args:
        samples: shape (samples,).
        sampling_rate: Hz. MP3 needs 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 or 48000.
        format: "mp3", "opus" (in OGG), "flac" or "wav".

    Returns:
        The bytes of the audio file.

    Raises:
        AudioError: unknown format, a rate the format cannot hold, and all of `to_mono_float`.
    """
    import soundfile

    samples = np.clip(to_mono_float(samples), -1, 1)
    containers = {
        "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
        "opus": {"format": "OGG", "subtype": "OPUS"},
        "flac": {"format": "FLAC", "subtype": "PCM_16"},
        "wav": {"format": "WAV", "subtype": "PCM_16"},
    }
    if format not in containers:
        raise AudioError(f"Unknown format {format!r}: choose one of {', '.join(containers)}.")
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples, _checked_rate(sampling_rate), **containers[format])
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{format} cannot hold {sampling_rate} Hz: resample to {SAMPLE_RATE} Hz first."
        ) from error
    return buffer.getvalue()


def play(samples, sampling_rate: int = SAMPLE_RATE):
    """A sound player for a notebook, with the clip inside as MP3 (a fifteenth of a wav's size).

    Args:
        samples: shape (samples,).
        sampling_rate: Hz; see `encode`.

    Returns:
        IPython.display.Audio.

    Raises:
        AudioError: as `encode`.
    """
    from IPython.display import Audio

    player = Audio(data=encode(samples, sampling_rate, "mp3"))
    player.mimetype = "audio/mpeg"
    return player
