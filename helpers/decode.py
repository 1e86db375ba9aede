"""The bytes of any recording, as samples: libsndfile first, then the decoders that PyAV brings."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np


class AudioError(ValueError):
    """A clip that cannot be used as it is. The message says what to do."""


def content(source) -> tuple[bytes, str]:
    """The bytes of an audio file, and what to call it in a message.

    Args:
        source: a path, bytes, or a dict with "bytes" or "path".

    Raises:
        AudioError: no such file, a folder, not to be read, or something else.
    """
    if isinstance(source, Mapping):
        if source.get("bytes") is not None:
            return source["bytes"], str(source.get("path") or "these bytes")
        if not source.get("path"):
            raise AudioError(
                "The clip has neither 'array', 'bytes' nor 'path': a pipeline empties the dict it is given, "
                "so pass it a copy."
            )
        source = source["path"]
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "these bytes"
    if not isinstance(source, (str, os.PathLike)):
        raise AudioError(
            f"Cannot read audio from {type(source).__name__}: pass a path, bytes, or a dict with "
            "'bytes' or with 'array' and 'sampling_rate'."
        )
    path = Path(os.path.expanduser(source))
    if "://" in str(source):
        raise AudioError(f"{source} is an address: download the file, and name it here.")
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder: name one audio file in it.")
        return path.read_bytes(), str(path)
    except FileNotFoundError:
        raise AudioError(f"There is no file {path}: check the name and the folder.") from None
    except OSError as error:
        raise AudioError(f"{path} cannot be read ({error.strerror}): check who may read it.") from error


def decode(data: bytes, name: str) -> tuple[np.ndarray, int]:
    """The sound of an audio file, whatever its name says it is.

    Args:
        data: content of the file.
        name: what to call it in a message.

    Returns:
        (float32 array of shape (samples,), channels averaged; rate in Hz).

    Raises:
        AudioError: empty, damaged, or no sound.
    """
    if not data:
        raise AudioError(f"{name} is empty (0 bytes): record or copy it again.")
    for attempt in (_by_soundfile, _by_pyav):
        samples, rate = attempt(data)
        if len(samples):
            return samples, rate
    kind = _kind(data)
    raise AudioError(
        f"Cannot decode {name}: {f'it is {kind}, no sound' if kind else 'it is damaged, or no sound'}. "
        "Record or copy it again, or convert it to wav, flac, mp3 or m4a."
    )


def is_cut_short(data: bytes) -> bool:
    """Whether an audio file ends before its own header says: a copy or an upload that broke off.

    Formats whose header does not say (Ogg, raw MP3) are taken as whole.
    """
    import soundfile

    if data[:4] == b"RIFF":
        promised = int.from_bytes(data[4:8], "little") + 8
        return len(data) + 1 < promised < 0xFFFF_FF00  # what streams write when they do not know
    try:
        promised = soundfile.info(io.BytesIO(data)).frames
    except soundfile.LibsndfileError:
        samples, rate = _by_pyav(data)
        return len(samples) < 0.9 * _promised_seconds(data) * rate
    try:
        return len(soundfile.read(io.BytesIO(data))[0]) < 0.9 * promised
    except soundfile.LibsndfileError:
        return True


def _by_soundfile(data: bytes) -> tuple[np.ndarray, int]:
    """Mono samples and rate; none where libsndfile does not know the format."""
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        return np.zeros(0, np.float32), 0
    return samples.mean(axis=1), rate


def _by_pyav(data: bytes) -> tuple[np.ndarray, int]:
    """As `_by_soundfile`, with the decoders that PyAV brings, as far as the file is whole."""
    import av

    pieces, rate = [], 0
    try:
        with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
            rate = container.streams.audio[0].rate
            resampler = av.AudioResampler("flt", "mono", rate)
            for frame in container.decode(audio=0):
                pieces += [each.to_ndarray()[0] for each in resampler.resample(frame)]
            pieces += [each.to_ndarray()[0] for each in resampler.resample(None)]
    except (av.FFmpegError, IndexError, ValueError):
        pass
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32), rate


def _promised_seconds(data: bytes) -> float:
    """Length that the header of a file for PyAV states; 0.0 where it states none, as in a live recording."""
    import av

    try:
        with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
            return (container.duration or 0) / av.time_base
    except (av.FFmpegError, ValueError):
        return 0.0


def _kind(data: bytes) -> str | None:
    """What a file is that holds no sound, by its first bytes, where people mix things up."""
    starts = {b"PK\x03\x04": "a zip archive", b"%PDF": "a PDF", b"\x89PNG": "a picture", b"<": "a web page"}
    starts |= {b"\xff\xd8\xff": "a picture", b"version https://git-lfs": "a pointer of Git LFS"}
    return next((kind for start, kind in starts.items() if data.lstrip().startswith(start)), None)
