"""Read any recording, check it, and compress it: always mono float32, where 1 is full scale."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from .decode import AudioError, content, decode

SAMPLE_RATE = 16_000
"""What every checkpoint of the course expects, in Hz."""

_INTEGER_SCALE = {np.dtype(np.int16): 2.0**15, np.dtype(np.int32): 2.0**31}
_SHORTEST = 0.1  # seconds
_SILENCE = 1e-4
"""Peak below which a clip counts as silent: -80 dB of full scale, under the noise of any microphone."""
_CONTAINERS = {
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "wav": {"format": "WAV", "subtype": "PCM_16"},
}


class SilentError(AudioError):
    """A clip in which nothing can be heard."""


def read(source, sampling_rate: int | None = SAMPLE_RATE) -> np.ndarray:
    """Read a clip from wherever it is, as mono float32, resampled.

    Args:
        source: a path; the bytes of an audio file; a row's audio cell of `datasets` with decoding off
            (`{"bytes": ..., "path": ...}`); or an array with its rate
            (`{"array": ..., "sampling_rate": ...}`).
            The content decides the format, not the name: libsndfile reads wav, flac, ogg (Vorbis, Opus), mp3
            and aiff, PyAV what phones and browsers record (m4a, mp4, webm, 3gp). Neither needs FFmpeg.
        sampling_rate: rate of the result in Hz; None keeps the clip's own.

    Returns:
        float32 array of shape (samples,). 1 is full scale; a compressed or float file may exceed it a little.
        Several channels are averaged.

    Raises:
        AudioError: missing, empty or undecodable file, unknown kind of source, NaN, wrong shape or type.
    """
    if isinstance(source, np.ndarray):
        raise AudioError(
            "An array alone does not say its rate: pass {'array': samples, 'sampling_rate': 16000} instead."
        )
    if isinstance(source, Mapping) and source.get("array") is not None:
        if source.get("sampling_rate") is None:
            raise AudioError("The clip has an 'array' but no 'sampling_rate': add it, in Hz.")
        samples, rate = to_mono_float(source["array"]), _checked_rate(source["sampling_rate"])
    else:
        samples, rate = decode(*content(source))
        samples = to_mono_float(samples)
    if sampling_rate is None or rate == _checked_rate(sampling_rate):
        return samples
    import soxr

    return soxr.resample(samples, rate, sampling_rate).astype(np.float32, copy=False)


def to_mono_float(samples, name="the clip") -> np.ndarray:
    """Turn samples of any usual kind into mono float32, 1 being full scale.

    Args:
        samples: shape (samples,), (channels, samples) or (samples, channels), the longer axis being time;
            float, or int16 / int32 at full scale (unscaled, Whisper hears them as noise).
        name: what to call the clip in a message.

    Returns:
        float32 array of shape (samples,).

    Raises:
        AudioError: empty, NaN or infinite, more than two axes, or not numbers.
    """
    name = "The clip" if name == "the clip" else f"Clip {name}"
    try:
        samples = np.asarray(samples)
    except ValueError as error:
        raise AudioError(f"{name} is ragged: pass one clip at a time.") from error
    if samples.dtype in _INTEGER_SCALE:
        samples = samples / _INTEGER_SCALE[samples.dtype]
    elif samples.dtype.kind != "f":
        raise AudioError(f"{name} holds {samples.dtype}: pass float samples in [-1, 1], or int16.")
    if samples.ndim == 2:
        samples = samples.mean(axis=int(np.argmin(samples.shape)))
    if samples.ndim != 1:
        raise AudioError(f"{name} has shape {samples.shape}: pass one clip of shape (samples,).")
    if samples.size == 0:
        raise AudioError(f"{name} holds no samples: record it again.")
    if not np.isfinite(samples).all():
        raise AudioError(f"{name} holds NaN or infinite samples: read it again from its file.")
    return samples.astype(np.float32, copy=False)


def check(samples, sampling_rate: int = SAMPLE_RATE, max_seconds: float | None = None) -> np.ndarray:
    """Refuse what a checkpoint would swallow and answer with nonsense.

    Args:
        samples: shape (samples,), see `to_mono_float`.
        sampling_rate: the clip's own, in Hz.
        max_seconds: the longest clip that is taken; None for no limit.

    Returns:
        The samples, float32 of shape (samples,).

    Raises:
        AudioError: not 16 kHz, integer scale, under 0.1 s, too long, and all of `to_mono_float`.
        SilentError: nothing but a constant, zero or another.
    """
    samples = to_mono_float(samples)
    if _checked_rate(sampling_rate) != SAMPLE_RATE:
        raise AudioError(
            f"The clip has {sampling_rate} Hz and {SAMPLE_RATE} Hz is needed: "
            f"call soxr.resample(samples, {sampling_rate}, {SAMPLE_RATE}), or audio.read."
        )
    seconds = len(samples) / sampling_rate
    if seconds < _SHORTEST:
        raise AudioError(f"The clip lasts {seconds:.3f} s and at least {_SHORTEST} s are needed.")
    if max_seconds is not None and seconds > max_seconds:
        raise AudioError(
            f"The clip lasts {seconds:.1f} s and at most {max_seconds:g} s fit: cut it, or transcribe it "
            "as long audio (lesson 3)."
        )
    if np.ptp(samples) < 2 * _SILENCE:
        raise SilentError("The clip is silent: check the microphone, or the channel that was read.")
    peak = float(np.abs(samples).max())
    if peak > 8:
        raise AudioError(
            f"The clip peaks at {peak:.0f} where 1 is full scale: divide integer samples by 32768."
        )
    return samples


def _checked_rate(rate) -> int:
    try:
        whole = int(rate)
    except (TypeError, ValueError, OverflowError):
        raise AudioError(f"A sampling rate of {rate!r} is not a number of Hz.") from None
    if whole != rate or not 1_000 <= whole <= 768_000:
        raise AudioError(f"A sampling rate of {rate} Hz is not plausible: speech has 8000 to 48000 Hz.")
    return whole


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
    if format not in _CONTAINERS:
        raise AudioError(f"Unknown format {format!r}: choose one of {', '.join(_CONTAINERS)}.")
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples, _checked_rate(sampling_rate), **_CONTAINERS[format])
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{format} cannot hold {sampling_rate} Hz: resample to {SAMPLE_RATE} Hz first."
        ) from error
    return buffer.getvalue()
