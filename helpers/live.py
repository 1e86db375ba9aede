"""A page for the microphone: the browser's sound comes in, words go back, on this machine only.

What listens is lesson 8's own. For the page it is an object with `hear(samples)`, float32 at 16 kHz;
`finish()`; `words`, the confirmed ones, and `times`, their starts and ends in seconds; `tentative`, a text;
and `language`, a code or None.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from html import escape
from http import HTTPStatus

import numpy as np

from . import subtitles
from .audio import SAMPLE_RATE
from .loopback import Refused, Server, on_colab
from .segments import captions
from .show import WEB, Rendered

IDLE_SECONDS = 300.0
"""After that long without a request a session is dropped: a browser that was killed says nothing."""
MOST_SESSIONS = 8


class _Session:
    """One page that is being heard: its listener, and its sound on the way to 16 kHz."""

    def __init__(self, listener, rate: int):
        import soxr

        self.listener, self.last = listener, time.monotonic()
        self.stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def answer(self, have: int) -> dict:
        listener = self.listener
        said = {"tentative": listener.tentative, "language": listener.language}
        return said | {"words": listener.words[have:]}

    def files(self) -> dict:
        """The transcript as text, SubRip and WebVTT; "" where nothing was said."""
        segments = captions(self.listener.words, self.listener.times)
        if not segments:
            return dict.fromkeys(("txt", "srt", "vtt"), "")
        text = "".join(f"{segment.text}\n" for segment in segments)
        return {"txt": text, "srt": subtitles.to_srt(segments), "vtt": subtitles.to_webvtt(segments)}


class Page:
    """A page on 127.0.0.1, served from now on; leaving a `with` block, or `stop`, ends it.

    Args:
        listen: (language, task) -> what listens to one browser tab. The language is a code, "each" to detect
            it for every utterance, or None to detect it once; the task "transcribe" or "translate".
        languages: codes that the page offers.
        idle: see IDLE_SECONDS.

    Attributes:
        url: its address, with the token without which nothing is served.
        sessions: those that are open, by id.
    """

    def __init__(self, listen: Callable, languages: Iterable[str], idle: float = IDLE_SECONDS):
        self.listen, self.languages, self.idle = listen, sorted(languages), idle
        self.sessions, self.lock = {}, threading.Lock()
        self.server = Server(self.html, self.answer, self.drop_idle)
        self.url = self.server.url

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def show(self, height: int = 480) -> None:
        """A link to the page; on Colab the page itself, by Colab's proxy, the only way to it there."""
        from IPython.display import display

        if on_colab():
            from google.colab import output

            output.serve_kernel_port_as_iframe(self.server.port, path=self.server.path, height=height)
        else:
            link = f'<a href="{escape(self.url)}" target="_blank" rel="noopener">Open the page</a>'
            display(Rendered(link, f"The page: {self.url}"))

    def stop(self) -> None:
        """Serve nothing more, and forget what was heard. May be called twice."""
        self.server.stop()
        with self.lock:
            self.sessions.clear()

    def html(self) -> bytes:
        """The page: one file that loads nothing."""
        parts = {name: (WEB / f"live.{name}").read_text("utf-8") for name in ("html", "css", "js")}
        parts["codes"] = json.dumps(self.languages)
        return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], parts["html"]).encode()

    def answer(self, what: str, values: dict[str, str], body: bytes) -> dict:
        """What a request is answered: "hear" (samples in, words out), "stop" (also the files), "end".

        Raises:
            Refused: a request that the page would not send, too many sessions, or one that has gone.
        """
        name = values.get("session", "")
        if what not in ("hear", "stop", "end") or not re.fullmatch(r"[0-9a-f]{32}", name):
            raise Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")
        samples = np.frombuffer(body[: len(body) // 4 * 4], "<f4")
        if not np.isfinite(samples).all():
            raise Refused(HTTPStatus.BAD_REQUEST, "The sound holds NaN or infinite samples.")
        with self.lock:
            if what == "end":
                self.sessions.pop(name, None)
                return {}
            have = _whole(values, "have", 0, 10**7)
            session = self.sessions.get(name) or self._begin(name, values, have)
            session.last = time.monotonic()
            session.listener.hear(session.stream.resample_chunk(samples, last=what == "stop"))
            if what == "hear":
                return session.answer(have)
            session.listener.finish()
            del self.sessions[name]
            return session.answer(have) | session.files()

    def drop_idle(self) -> None:
        """Forget the sessions of pages that have not been heard of for `idle` seconds."""
        if self.lock.acquire(blocking=False):  # while it is held, somebody is being heard
            limit = time.monotonic() - self.idle
            self.sessions = {name: each for name, each in self.sessions.items() if each.last > limit}
            self.lock.release()

    def _begin(self, name: str, values: dict[str, str], have: int) -> _Session:
        if have:
            raise Refused(HTTPStatus.GONE, "This session was idle for too long and has ended: start again.")
        if len(self.sessions) >= MOST_SESSIONS:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages listen: stop one, start again.")
        language, task = values.get("language", "auto"), values.get("task", "transcribe")
        if language not in ("auto", "each", *self.languages) or task not in ("transcribe", "translate"):
            raise Refused(HTTPStatus.BAD_REQUEST, f"No language {language!r} or no task {task!r} here.")
        rate = _whole(values, "rate", 8_000, 384_000)
        self.sessions[name] = _Session(self.listen(None if language == "auto" else language, task), rate)
        return self.sessions[name]


def _whole(values: dict[str, str], name: str, low: int, high: int) -> int:
    text = values.get(name, "")
    if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} is {text!r}, not a number from {low} to {high}.")
    return int(text)
