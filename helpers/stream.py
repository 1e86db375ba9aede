"""Sound as it comes: pieces of a clip, or of the microphone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import numpy as np

from .audio import SAMPLE_RATE, AudioError, check


def from_samples(samples, seconds: float = 1.0) -> Iterator[np.ndarray]:
    """A clip in pieces, as a stream would bring them; without waiting between them.

    Args:
        samples: shape (samples,), 16 kHz.
        seconds: length of a piece; the last one may be shorter.

    Yields:
        float32 arrays of shape (up to seconds * 16000,).

    Raises:
        AudioError: pieces of no length, and all of `audio.check`.
    """
    samples, size = check(samples), round(seconds * SAMPLE_RATE)
    if size < 1:
        raise AudioError(f"Pieces of {seconds} s are too short: 1 s is usual.")
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def from_microphone(seconds: float = 1.0) -> Iterator[np.ndarray]:
    """The microphone in pieces, until the loop over them is left (in a notebook: interrupt the kernel).

    The recording program is `arecord` (Linux, package alsa-utils) or SoX's `rec` (macOS, `brew install sox`).

    Args:
        seconds: length of a piece.

    Yields:
        float32 arrays of shape (seconds * 16000,), 16 kHz, in [-1, 1].

    Raises:
        AudioError: no recording program, or it ended (no microphone, or the system forbids it).
    """
    raw = ["-r", str(SAMPLE_RATE), "-c", "1", "-t", "raw"]
    commands = {
        "arecord": ["arecord", "-q", "-f", "S16_LE", *raw],
        "rec": ["rec", "-q", "-b", "16", "-e", "signed-integer", *raw, "-"],
    }
    command = next((commands[name] for name in commands if shutil.which(name)), None)
    if command is None:
        raise AudioError(
            "There is no program to record with: install alsa-utils (Linux) or sox (macOS), "
            "or use stream.from_samples."
        )
    recorder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        while True:
            piece = recorder.stdout.read(2 * round(seconds * SAMPLE_RATE))
            if not piece:
                raise AudioError(
                    f"{command[0]} has stopped: check that a microphone is there and that it may be used."
                )
            yield np.frombuffer(piece[: len(piece) // 2 * 2], "<i2").astype(np.float32) / 2**15
    finally:
        recorder.kill()
        recorder.wait()
