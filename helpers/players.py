"""Sound players: one with a name, one with captions that follow, one whose words can be heard one by one."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .show import STYLE, Rendered, heading
from .subtitles import Segment, read_segments


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
    _check_title(title)
    player = _audio(array, sampling_rate, title)
    html = f'<style>{STYLE}</style><div class="asr-box">{heading(title)}{player}</div>'
    return Rendered(html, f"[sound] {title}, {_duration(array, sampling_rate):.1f} s")


_CAPTION_STYLE = """
.asr-box.asr-captions ol{list-style:none;margin:0;padding:0;max-height:15em;overflow-y:auto}
.asr-captions li,.asr-captions li button{display:flex;gap:.8em;width:100%;text-align:left}
.asr-captions li button{border-color:transparent}
.asr-captions .asr-time{opacity:.7;font-variant-numeric:tabular-nums;white-space:nowrap}
.asr-captions [aria-current]{background:#56b4e944;border-left:3px solid #56b4e9}
.asr-caption{min-height:2.8em;font-size:1.15em;font-weight:bold;padding:.3em 0}
"""
# Each script wakes every player on the page that still sleeps: no identifiers, so none can clash.
_CAPTION_SCRIPT = """
document.querySelectorAll(".asr-captions:not([data-awake])").forEach(function (box) {
  box.dataset.awake = "";
  var sound = box.querySelector("audio"), caption = box.querySelector(".asr-caption");
  var list = box.querySelector("ol");
  var items = Array.from(box.querySelectorAll("li"), function (item) {
    var button = document.createElement("button");
    button.type = "button";
    button.append.apply(button, Array.from(item.childNodes));
    item.append(button);
    var found = {button: button, start: +item.dataset.start, end: +item.dataset.end};
    found.text = button.querySelector(".asr-text").textContent;
    button.addEventListener("click", function () { sound.currentTime = found.start; sound.play(); });
    return found;
  });
  var shown = null;
  function follow() {
    var time = sound.currentTime + 0.01, now = null;
    items.forEach(function (item) { if (item.start <= time && time < item.end) now = item; });
    if (now === shown) return;
    if (shown) shown.button.removeAttribute("aria-current");
    shown = now;
    caption.textContent = now ? now.text : "";
    if (!now) return;
    now.button.setAttribute("aria-current", "true");
    var top = now.button.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - now.button.offsetHeight)
      list.scrollTop = top - 20;
  }
  function frame() { follow(); if (!sound.paused) requestAnimationFrame(frame); }
  sound.addEventListener("play", frame);
  sound.addEventListener("timeupdate", follow);
  sound.addEventListener("seeked", follow);
});
"""


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
    _check_title(title)
    duration = _duration(array, sampling_rate)
    segments = read_segments(segments, duration)
    _check_inside(segments, duration)
    items = "".join(
        f'<li data-start="{start:.3f}" data-end="{end:.3f}"><span class="asr-time">{_minutes(start)}</span> '
        f'<span class="asr-text">{escape(text)}</span></li>'
        for start, end, text in segments
    )
    html = (
        f"<style>{STYLE}{_CAPTION_STYLE}</style>"
        f'<div class="asr-box asr-captions">{heading(title)}{_audio(array, sampling_rate, title)}'
        f'<div class="asr-caption"></div><ol>{items}</ol></div><script>{_CAPTION_SCRIPT}</script>'
    )
    lines = [f"{_minutes(segment.start)}  {segment.text}" for segment in segments]
    return Rendered(html, "\n".join([f"[sound] {title}, {duration:.1f} s", *lines]))


_WORD_STYLE = """
.asr-word{display:inline-block;margin:0 .15em .3em 0;padding:.05em .3em}
.asr-words [aria-pressed=true]{background:#56b4e966}
.asr-unsure{text-decoration:underline dotted 2px #d55e00;text-underline-offset:.2em}
"""
_WORD_SCRIPT = """
document.querySelectorAll(".asr-words:not([data-awake])").forEach(function (box) {
  box.dataset.awake = "";
  var sound = box.querySelector("audio"), context = null, decoded = null, turn = 0;
  var stop = function () {};
  sound.addEventListener("play", function () { turn++; stop(); });
  function load() {
    if (decoded) return decoded;
    context = new (window.AudioContext || window.webkitAudioContext)();
    var bytes = Uint8Array.from(atob(sound.src.split(",")[1]), function (c) { return c.charCodeAt(0); });
    return decoded = context.decodeAudioData(bytes.buffer);
  }
  Array.from(box.querySelectorAll("span.asr-word")).forEach(function (word) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = word.className;
    button.title = word.title;
    button.textContent = word.textContent;
    button.dataset.start = word.dataset.start;
    button.dataset.end = word.dataset.end;
    word.replaceWith(button);
    button.addEventListener("click", function () {
      var start = +button.dataset.start, length = Math.max(+button.dataset.end - start, 0.02);
      var mine = ++turn;
      sound.pause();
      stop();
      load().then(function (buffer) {
        if (mine !== turn) return;
        context.resume();
        var source = context.createBufferSource();
        source.buffer = buffer;
        source.connect(context.destination);
        var off = function () { button.setAttribute("aria-pressed", "false"); };
        stop = function () { source.onended = null; source.stop(); off(); };
        source.onended = off;
        button.setAttribute("aria-pressed", "true");
        source.start(0, start, length);
        box.dataset.played = start + " " + length;
      });
    });
  });
});
"""


def word_player(
    array,
    sampling_rate: int,
    words: Iterable[Sequence],
    title: str = "Click a word to hear it",
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
        unsure_below: words of less confidence are underlined with dots.

    Returns:
        Rendered, with the sound inside as MP3.

    Raises:
        audio.AudioError: the sound cannot be encoded.
        TypeError: words of another form.
        ValueError: as `subtitles.read_segments`; times far beyond the end of the sound; a confidence outside
            [0, 1]; no title.
    """
    _check_title(title)
    if isinstance(words, (str, Mapping)) or not isinstance(words, Iterable):
        raise TypeError(
            f"The words are {type(words).__name__}: pass a list of (word, start, end, confidence)."
        )
    duration = _duration(array, sampling_rate)
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
    spans = " ".join(
        _word_span(segment, confidence, unsure_below)
        for segment, confidence in zip(segments, confidences, strict=True)
    )
    unsure = sum(confidence is not None and confidence < unsure_below for confidence in confidences)
    note = (
        '<div class="asr-note"><span class="asr-unsure">dotted</span>: '
        f"confidence below {unsure_below:.0%}</div>"
    )
    html = (
        f"<style>{STYLE}{_WORD_STYLE}</style>"
        f'<div class="asr-box asr-words">{heading(title)}{_audio(array, sampling_rate, title)}'
        f"<div>{spans}</div>{note if unsure else ''}</div><script>{_WORD_SCRIPT}</script>"
    )
    lines = [
        f"{segment.start:7.2f} {segment.end:7.2f}  {segment.text}"
        + ("" if confidence is None else f"  {confidence:.0%}")
        for segment, confidence in zip(segments, confidences, strict=True)
    ]
    return Rendered(html, "\n".join([f"[sound] {title}, {duration:.1f} s", *lines]))


def _word_span(word: Segment, confidence: float | None, unsure_below: float) -> str:
    unsure = confidence is not None and confidence < unsure_below
    hint = f"{word.start:.2f}–{word.end:.2f} s" + ("" if confidence is None else f", {confidence:.0%} sure")
    return (
        f'<span class="asr-word{" asr-unsure" if unsure else ""}" title="{hint}" '
        f'data-start="{word.start:.3f}" data-end="{word.end:.3f}">{escape(word.text)}</span>'
    )


def _audio(array, sampling_rate: int, title: str) -> str:
    from . import audio

    sound = base64.b64encode(audio.encode(array, sampling_rate, "mp3")).decode()
    return (
        f'<audio controls preload="metadata" aria-label="{escape(title)}" '
        f'src="data:audio/mpeg;base64,{sound}"></audio>'
    )


def _duration(array, sampling_rate: int) -> float:
    from . import audio

    return len(audio.to_mono_float(array)) / sampling_rate


def _check_title(title: str) -> None:
    if not isinstance(title, str) or not title.strip():
        raise ValueError("The player has no title: say in a few words what is to be heard.")


def _check_inside(segments: list[Segment], duration: float) -> None:
    for number, segment in enumerate(segments):
        # Whisper hears 30 s at a time and may put words into the silence that fills up a shorter clip.
        if segment.start > duration + 30:
            raise ValueError(
                f"Segment {number} starts at {segment.start:.2f} s and the sound ends at {duration:.2f} s: "
                "give times in seconds."
            )


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
