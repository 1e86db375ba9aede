"""Segments of speech: what pipelines and libraries give, in one form and checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

_READING_SPEED = 15
"""Characters a second, to guess how long a last segment without an end stays."""


_WITH_TIMES = "call the pipeline with return_timestamps=True"


class Segment(NamedTuple):
    """A stretch of speech: start and end in seconds, and what is said there."""

    start: float
    end: float
    text: str


def read_segments(segments, duration: float | None = None) -> list[Segment]:
    """Bring segments of any usual form into one, and check them.

    Args:
        segments: what the Transformers pipeline gives (its whole result, the list under "chunks", or dicts
            with "timestamp": (start, end) and "text"), what OpenAI's whisper gives (a dict with
            "segments"), tuples (start, end, text), dicts or objects with start, end and text
            (faster-whisper). Times in seconds; the last end may be None.
        duration: length of the clip in seconds; the end of a last segment that has none. Without it that
            segment stays as long as its text takes to read, at least one second.

    Returns:
        Segments in the order given, white space in the texts reduced to single spaces, without empty texts.

    Raises:
        TypeError: not a series of segments.
        ValueError: no segment with text; a time that is missing, negative, NaN or infinite; an end before
            its start; a start before the start of the segment before. The message names the segment.
    """
    if isinstance(segments, Mapping):
        segments = segments.get("chunks", segments.get("segments"))
        if segments is None:
            raise ValueError(f"The result has no 'chunks': {_WITH_TIMES}.")
    if isinstance(segments, str) or not isinstance(segments, Iterable):
        raise TypeError(f"Cannot read segments from {type(segments).__name__}: pass a list of them.")
    if isinstance(segments, tuple) and len(segments) == 2 and isinstance(segments[0], Iterator):
        raise TypeError("faster-whisper gives (segments, info): pass the first of the two.")
    parts = [_parts(segment, number) for number, segment in enumerate(segments)]
    checked, earliest = [], 0.0
    for number, (start, end, text) in enumerate(parts):
        text = " ".join(text.split())
        if start is None and end is None:
            raise ValueError(f"Segment {number} has no times: {_WITH_TIMES}.")
        start = _seconds(start, number, "start")
        if start < earliest:
            raise ValueError(
                f"Segment {number} starts at {start} s, before the one ahead of it: sort them by time."
            )
        if end is None and number == len(parts) - 1:
            end = start + max(1.0, len(text) / _READING_SPEED) if duration is None else max(start, duration)
        end = _seconds(end, number, "end")
        if end < start:
            raise ValueError(
                f"Segment {number} ends at {end} s, before its start at {start} s: check its times."
            )
        earliest = start
        if text:
            checked.append(Segment(start, end, text))
    if not checked:
        raise ValueError("There is no segment with text: is the clip silent, or return_timestamps missing?")
    return checked


def _parts(segment, number: int) -> tuple[object, object, str]:
    if isinstance(segment, Mapping):
        times, text = (
            segment.get("timestamp", (segment.get("start"), segment.get("end"))),
            segment.get("text"),
        )
        if not isinstance(times, (tuple, list)) or len(times) != 2:
            raise TypeError(f"Segment {number} has the timestamp {times!r}: give (start, end).")
        start, end = times
    elif all(hasattr(segment, name) for name in ("start", "end", "text")):
        start, end, text = segment.start, segment.end, segment.text
    elif isinstance(segment, (tuple, list)) and len(segment) == 3:
        start, end, text = segment
    else:
        raise TypeError(f"Segment {number} is {segment!r}: pass (start, end, text), or a dict with them.")
    if not isinstance(text, str):
        raise TypeError(f"The text of segment {number} is {type(text).__name__}: pass a string.")
    return start, end, text


def _seconds(time, number: int, name: str) -> float:
    try:
        time = float(time)
    except (TypeError, ValueError):
        raise ValueError(f"The {name} of segment {number} is {time!r}: give it in seconds.") from None
    if not math.isfinite(time) or time < 0:
        raise ValueError(f"The {name} of segment {number} is {time} s: give 0 or more.")
    return time


_PAUSE, _LONGEST = 0.8, 6.0  # seconds
_FEW, _MANY = 20, 84  # letters: "Mr." ends no caption; two lines of a subtitle are full


def captions(words: Sequence[str], times: Sequence[tuple[float, float]]) -> list[Segment]:
    """Words as segments to be read: a new one after a pause or a sentence, or where one is long enough.

    Args:
        words: with the space ahead of each, as Whisper writes them; punctuation may be words of its own.
        times: start and end of each, in seconds.

    Returns:
        Segments in order, without overlap; their texts hold all the words.
    """
    found: list[Segment] = []
    for word, (start, end) in zip(words, times, strict=True):
        if found and not (_may_part(found[-1], word) and _is_whole(found[-1], word, start, end)):
            first, last, text = found[-1]
            found[-1] = Segment(first, max(last, end), text + word)
        else:
            start = max(start, found[-1].end) if found else start
            found.append(Segment(start, max(start, end), word))
    return [Segment(start, end, text.strip()) for start, end, text in found if text.strip()]


def _may_part(segment: Segment, word: str) -> bool:
    """Whether a segment may end before a word: at a space, or anywhere in a script that has none."""
    return word.startswith(" ") or (word.strip().isalnum() and " " not in segment.text.strip())


def _is_whole(segment: Segment, word: str, start: float, end: float) -> bool:
    ended = len(segment.text) >= _FEW and segment.text.rstrip().endswith((".", "?", "!", "…"))
    long = end - segment.start > _LONGEST or len(segment.text) + len(word) > _MANY
    return ended or long or start - segment.end > _PAUSE
