"""Segments with times -> SubRip (.srt) and WebVTT (.vtt) subtitles."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from .segments import Segment, read_segments

LINE_CHARACTERS = 42
LINES = 2
"""What fits a screen and can be read in time; the limits most broadcasters set."""


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
    needed = len(_wrap(text, LINE_CHARACTERS))
    lines = _balance(text, needed if needed <= LINES else math.ceil(needed / LINES) * LINES)
    return ["\n".join(lines[first : first + LINES]) for first in range(0, len(lines), LINES)]


def _balance(text: str, lines: int) -> list[str]:
    """Wrap into lines as even as the words permit, rather than a full one and a lonely word."""
    widths = range(min(LINE_CHARACTERS, max(map(columns, text.split()))), LINE_CHARACTERS + 1)
    return next(
        (found for width in widths if len(found := _wrap(text, width)) <= lines), _wrap(text, widths[-1])
    )


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; a word that is longer (Chinese has no spaces) is cut."""
    lines = [""]
    for word in text.split():
        if lines[-1] and columns(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if columns(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines


def columns(text: str) -> int:
    """Columns in a fixed-width font: combining marks take none, East Asian wide characters two."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)


def _clock(milliseconds: int, decimal: str) -> str:
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{decimal}{milliseconds % 1000:03}"
