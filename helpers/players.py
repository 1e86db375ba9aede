"""Sound players: one with a name, one with captions that follow, one whose words can be heard one by one."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from . import audio
from .segments import Segment, read_segments
from .show import Rendered, box, heading

# One voice at a time: a player that starts stops the others on the page.
_ALONE = "document.querySelectorAll('audio').forEach(a=>{if(a!==this)a.pause()})"
_WINDOW_SECONDS = 30


def listen(array, sampling_rate: int, title: str) -> Rendered:
    """A player with a name.

    Args:
        array: samples, shape (samples,), floats in [-1, 1].
        sampling_rate: Hz.
        title: what is to be heard.

    Returns:
        Rendered, with the sound inside as MP3.

    Raises:
        audio.AudioError: the sound cannot be encoded.
        ValueError: no title.
    """
    player, note, _ = _player(array, sampling_rate, title)
    return Rendered(box("sound", player), note)


def captioned_player(array, sampling_rate: int, segments, title: str = "Sound with captions") -> Rendered:
    """A player whose caption follows the sound; a click on a segment jumps there.

    Without scripts the player still plays and the segments stand below it with their times.

    Args:
        array: samples, shape (samples,), floats in [-1, 1].
        sampling_rate: Hz.
        segments: as for `subtitles.read_segments`, in seconds; a last end of None means the end of the clip.
        title: a line above.

    Returns:
        Rendered, with the sound inside as MP3.

    Raises:
        audio.AudioError: the sound cannot be encoded.
        TypeError, ValueError: as `subtitles.read_segments`; no title; times far beyond the end of the sound.
    """
    player, note, duration = _player(array, sampling_rate, title)
    segments = read_segments(segments, duration)
    _check_inside(segments, duration)
    items = "".join(
        f'<li data-start="{start:.3f}" data-end="{end:.3f}"><span class="asr-time">{_minutes(start)}</span> '
        f'<span class="asr-text">{escape(text)}</span></li>'
        for start, end, text in segments
    )
    html = f'{player}<div class="asr-caption"></div><ol>{items}</ol>'
    lines = [f"{_minutes(segment.start)}  {segment.text}" for segment in segments]
    return Rendered(box("captions", html), "\n".join([note, *lines]))


def word_player(
    array,
    sampling_rate: int,
    words: Iterable[Sequence],
    title: str = "Word by word",
    unsure_below: float = 0.5,
) -> Rendered:
    """A text whose words can be heard one by one: by click, or by Tab and Enter.

    Without scripts the player still plays the whole, and the words stand below it.

    Args:
        array: samples, shape (samples,), floats in [-1, 1].
        sampling_rate: Hz.
        words: (word, start, end) or (word, start, end, confidence), times in seconds; confidence a
            probability in [0, 1], or None when there is none.
        title: a line above.
        unsure_below: words of less confidence are underlined.

    Returns:
        Rendered, with the sound inside as MP3.

    Raises:
        audio.AudioError: the sound cannot be encoded.
        TypeError: words of another form.
        ValueError: as `subtitles.read_segments`; times far beyond the end of the sound; a confidence outside
            [0, 1]; no title.
    """
    player, note, duration = _player(array, sampling_rate, title)
    if isinstance(words, (str, Mapping)) or not isinstance(words, Iterable):
        raise TypeError(
            f"The words are {type(words).__name__}: pass a list of (word, start, end, confidence)."
        )
    segments, confidences = [], []
    for number, word in enumerate(words):
        if not isinstance(word, (tuple, list)) or len(word) not in (3, 4) or not isinstance(word[0], str):
            raise TypeError(f"Word {number} is {word!r}: pass (word, start, end, confidence or None).")
        confidence = word[3] if len(word) == 4 else None
        if confidence is not None and not 0 <= confidence <= 1:
            raise ValueError(f"The confidence of word {number} is {confidence}: give a probability, 0 to 1.")
        if word[0].strip():
            segments.append((word[1], word[2], word[0]))
            confidences.append(confidence)
    segments = read_segments(segments, duration)
    _check_inside(segments, duration)
    spans, lines = [], [note]
    for segment, confidence in zip(segments, confidences, strict=True):
        sure = "" if confidence is None else f"{confidence:.0%}"
        unsure = confidence is not None and confidence < unsure_below
        text = f"<u>{escape(segment.text)}</u>" if unsure else escape(segment.text)
        spans.append(
            f'<span class="asr-word" title="{segment.start:.2f}–{segment.end:.2f} s'
            f'{", " + sure + " sure" if sure else ""}" data-start="{segment.start:.3f}" '
            f'data-end="{segment.end:.3f}">{text}</span>'
        )
        lines.append(f"{segment.start:7.2f} {segment.end:7.2f}  {segment.text}  {sure}".rstrip())
    legend = f'<div class="asr-note"><u>underlined</u>: confidence below {unsure_below:.0%}</div>'
    legend = legend if any("<u>" in span for span in spans) else ""
    return Rendered(box("words", f"{player}<div>{' '.join(spans)}</div>{legend}"), "\n".join(lines))


def _player(array, sampling_rate: int, title: str) -> tuple[str, str, float]:
    """HTML of the player under its title, the line of text that stands for it, and its length in seconds."""
    if not isinstance(title, str) or not title.strip():
        raise ValueError("The player has no title: say in a few words what is to be heard.")
    sound = base64.b64encode(audio.encode(array, sampling_rate, "mp3")).decode()
    duration = len(audio.to_mono_float(array)) / sampling_rate
    html = (
        f'{heading(title)}<audio controls preload="metadata" aria-label="{escape(title)}" '
        f'onplay="{_ALONE}" src="data:audio/mpeg;base64,{sound}"></audio>'
    )
    return html, f"[sound] {title}, {duration:.1f} s", duration


def _check_inside(segments: list[Segment], duration: float) -> None:
    for number, segment in enumerate(segments):
        # Whisper hears 30 s at a time and may put words into the silence that fills up a shorter clip.
        if segment.start > duration + _WINDOW_SECONDS:
            raise ValueError(
                f"Segment {number} starts at {segment.start:.2f} s and the sound ends at {duration:.2f} s: "
                "give times in seconds."
            )


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
