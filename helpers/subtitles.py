"""Segments with times -> SubRip (.srt) and WebVTT (.vtt) subtitles."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

LINE_CHARACTERS = 42
LINES = 2
"""What fits a screen and can be read in time; the limits most broadcasters set."""

_READING_SPEED = 15
"""Characters a second, to guess how long a last segment without an end stays."""


class Segment(NamedTuple):
    """A stretch of speech: start and end in seconds, and what is said there."""

    start: float
    end: float
    text: str


def read_segments(segments, duration: float | None = None) -> list[Segment]:
    """Bring segments of any usual form into one, and check them.

    Args:
        segments: what the Transformers pipeline gives (its whole result, the list under "chunks", or dicts
            with "timestamp": (start, end) and "text"), tuples (start, end, text), dicts or objects with
            start, end and text (faster-whisper). Times in seconds; the last end may be None.
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
        segments = segments.get("chunks")
        if segments is None:
            raise ValueError("The result has no 'chunks': call the pipeline with return_timestamps=True.")
    if isinstance(segments, str) or not isinstance(segments, Iterable):
        raise TypeError(f"Cannot read segments from {type(segments).__name__}: pass a list of them.")
    parts = [_parts(segment, number) for number, segment in enumerate(segments)]
    checked, earliest = [], 0.0
    for number, (start, end, text) in enumerate(parts):
        text = " ".join(text.split())
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


def to_srt(segments, duration: float | None = None) -> str:
    """Write segments as SubRip, the format every video player reads.

    A text that does not fit two lines of 42 characters becomes several cues, which share its time by
    length.

    Args:
        segments, duration: see `read_segments`.

    Returns:
        The content of an .srt file.

    Raises:
        TypeError, ValueError: as `read_segments`.
    """
    cues = []
    for number, cue in enumerate(_cues(read_segments(segments, duration)), start=1):
        # SubRip has no escapes, and players take an arrow for a line of times.
        text = cue.text.replace("-->", "→")
        cues.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n")
    return "\n".join(cues)


def to_webvtt(segments, duration: float | None = None) -> str:
    """Write segments as WebVTT, the format of the HTML5 <track> element. Otherwise like `to_srt`.

    Source: WebVTT: The Web Video Text Tracks Format, W3C, 2019.
    """
    cues = ["WEBVTT\n"]
    for cue in _cues(read_segments(segments, duration)):
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{text}\n")
    return "\n".join(cues)


def write(segments, path: str | os.PathLike, duration: float | None = None) -> Path:
    """Write segments to a file whose ending says the format: .srt or .vtt. The file is whole or not there.

    Args:
        segments, duration: see `read_segments`.
        path: in a folder that exists; an existing file is replaced.

    Returns:
        The path.

    Raises:
        TypeError: as `read_segments`.
        ValueError: as `read_segments`, and another ending.
        FileNotFoundError: there is no such folder.
    """
    path = Path(path)
    formats = {".srt": to_srt, ".vtt": to_webvtt}
    if path.suffix.lower() not in formats:
        raise ValueError(f"{path.name} does not end in .srt or .vtt: one of them says which format you want.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}: make it first.")
    content = formats[path.suffix.lower()](segments, duration)
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(content, encoding="utf-8", newline="\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


class _Cue(NamedTuple):
    start: int  # ms
    end: int  # ms
    text: str


def _cues(segments: list[Segment]) -> Iterator[_Cue]:
    for start, end, text in segments:
        screens = _screens(text)
        share = (end - start) / sum(map(len, screens))
        for screen in screens:
            until = start + share * len(screen)
            first = round(start * 1000)
            # A cue without duration is against both formats; models do give such segments.
            yield _Cue(first, max(round(until * 1000), first + 1), screen)
            start = until


def _screens(text: str) -> list[str]:
    needed = len(textwrap.wrap(text, LINE_CHARACTERS))
    lines = _balance(text, needed if needed <= LINES else math.ceil(needed / LINES) * LINES)
    return ["\n".join(lines[first : first + LINES]) for first in range(0, len(lines), LINES)]


def _balance(text: str, lines: int) -> list[str]:
    """Wrap into lines as even as the words permit, rather than a full one and a lonely word."""
    longest = min(LINE_CHARACTERS, max(map(len, text.split())))
    for width in range(longest, LINE_CHARACTERS):
        wrapped = textwrap.wrap(text, width)
        if len(wrapped) <= lines:
            return wrapped
    return textwrap.wrap(text, LINE_CHARACTERS)


def _clock(milliseconds: int, decimal: str) -> str:
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{decimal}{milliseconds % 1000:03}"
