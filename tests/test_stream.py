"""Sound in pieces: nothing lost, nothing twice, and a clear word where there is no microphone."""

import itertools

import numpy as np
import pytest

from helpers import audio, stream

TONE = 0.5 * np.sin(np.arange(40_000) / 20).astype(np.float32)


def test_pieces_are_the_clip():
    pieces = list(stream.from_samples(TONE, seconds=1.0))
    assert [len(piece) for piece in pieces] == [16_000, 16_000, 8_000]
    assert np.array_equal(np.concatenate(pieces), TONE)


@pytest.mark.parametrize(
    ("samples", "seconds", "told"),
    [
        (TONE, 0, "too short"),
        (0 * TONE, 1, "silent"),
        (np.full(20_000, np.nan), 1, "NaN"),
        ([], 1, "no samples"),
    ],
)
def test_what_cannot_be_streamed(samples, seconds, told):
    with pytest.raises(audio.AudioError, match=told):
        next(stream.from_samples(np.asarray(samples, dtype=np.float32), seconds))


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """A recording program of our own, the only one to be found; returns a function that writes it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(script):
        (tmp_path / "arecord").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "arecord").chmod(0o755)

    return write


def test_the_microphone_in_pieces(recorder):
    recorder("while :; do printf '\\000\\100'; done")
    pieces = list(itertools.islice(stream.from_microphone(seconds=0.01), 3))
    assert [piece.shape for piece in pieces] == [(160,)] * 3
    assert np.allclose(pieces, 0.5)


def test_a_microphone_that_is_not_there(recorder):
    recorder("exit 1")
    with pytest.raises(audio.AudioError, match="arecord has stopped: check that a microphone"):
        next(stream.from_microphone())


def test_no_program_to_record_with(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(audio.AudioError, match="install alsa-utils"):
        next(stream.from_microphone())
