"""What `tools.bench` measures on: recordings of the course, and those of a folder that may not be shipped.

A folder holds KIND.LANGUAGE.wav (telephone.fr.wav) with KIND.LANGUAGE.txt, one line of text a segment: the
recording is the segments in this order. The text stays there; only figures are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers import catalog
from helpers.audio import SAMPLE_RATE, read

PAUSE_SECONDS = 1.0


class Recording(NamedTuple):
    """Samples of shape (samples,) at 16 kHz, and what is said in them, one text a segment."""

    kind: str
    language: str
    source: str
    samples: np.ndarray
    texts: list[str]

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.language}"


def _joined(rows: Iterator[tuple[object, str]], seconds: float, pause: float) -> tuple[np.ndarray, list[str]]:
    """Clips one after another until there are so many seconds, a pause after each, and their texts."""
    parts, texts, length = [], [], 0.0
    for sound, text in rows:
        clip = read(sound)
        parts += [clip, np.zeros(round(pause * SAMPLE_RATE), np.float32)]
        texts.append(text)
        length += len(clip) / SAMPLE_RATE + pause
        if length >= seconds:
            break
    return np.concatenate(parts), texts


def of_the_course() -> list[Recording]:
    """The book as in lesson 3, calls joined with pauses, and the five sentences that a person reads."""
    from datasets import Audio, load_dataset

    def rows(where: dict, split: str, text: str):
        data = load_dataset(**where, split=split, streaming=True).cast_column("audio", Audio(decode=False))
        return ((row["audio"], row[text]) for row in data)

    book = rows(catalog.data("facebook/multilingual_librispeech", "spanish"), "dev", "transcript")
    calls = rows(catalog.data("PolyAI/minds14", "en-US"), "train", "transcription")
    reading = rows(catalog.data("sense-and-sensibility"), "test", "text")
    return [
        Recording("book", "es", "spanish-audiobook, synthetic voices", *_joined(book, 190, 0)),
        Recording(
            "calls", "en", "banking-calls joined, synthetic voices", *_joined(calls, 100, PAUSE_SECONDS)
        ),
        Recording("reading", "en", "LibriVox, one person", *_joined(reading, 60, PAUSE_SECONDS)),
    ]


def of_a_folder(folder: Path) -> list[Recording]:
    """The recordings of a folder.

    Raises:
        ValueError: no recording, a name of another form, a text that is missing or empty.
    """
    found = []
    for sound in sorted(folder.glob("*.wav")):
        kind, _, language = sound.stem.rpartition(".")
        if not kind or len(language) != 2:
            raise ValueError(f"{sound.name}: name it KIND.LANGUAGE.wav, such as telephone.fr.wav.")
        text = sound.with_suffix(".txt")
        lines = text.read_text(encoding="utf-8").splitlines() if text.exists() else []
        if not any(line.strip() for line in lines):
            raise ValueError(f"{sound.name} needs {text.name} with what is said, one line a segment.")
        found.append(
            Recording(
                kind, language, "people, not shipped", read(sound), [line for line in lines if line.strip()]
            )
        )
    if not found:
        raise ValueError(f"{folder} holds no recording named KIND.LANGUAGE.wav.")
    return found
