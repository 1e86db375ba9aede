"""Forty minutes through the page of lesson 8, as fast as the machine computes: memory and confirmed words.

`python -m tools.bench_live` stores, for lesson 8 to show, the memory of the process every two minutes of
sound in helpers/assets/bench/live_memory.json. The page gets pieces of 250 ms at 48 kHz, as a browser sends
them; what listens is the lesson's own `Listener`, with the real model. Every second round of the clips has no
pauses between them. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import date
from importlib import metadata
from pathlib import Path

os.environ.setdefault("ASR_SOURCE", "offline")

import numpy as np
import soxr

from helpers import audio, catalog, live, metrics
from tools.bench import processor as cpu_name

STORE = Path(catalog.asset("bench")) / "live_memory.json"
READ = ("hf-internal-testing/librispeech_asr_dummy", "clean")
MINUTES, LOOK, BROWSER_RATE = 40, 2, 48_000


def clips() -> list[np.ndarray]:
    """The English clips of the lesson, read by synthetic voices, and five sentences read by a person."""
    from datasets import Audio, load_dataset

    sounds = []
    for where in (catalog.data("sense-and-sensibility"), catalog.data(*READ)):
        rows = next(iter(load_dataset(**where).values()))
        sounds += [audio.read(row["audio"]) for row in rows.cast_column("audio", Audio(decode=False))]
    return sounds


def pieces(sounds: list[np.ndarray], seconds: float) -> Iterator[np.ndarray]:
    """`seconds` of the sounds, again and again, in 250 ms of float32 at 48 kHz."""
    silence, rest, sent, round_ = np.zeros(BROWSER_RATE, np.float32), np.zeros(0, np.float32), 0.0, 0
    while True:
        for sound in sounds:
            high = soxr.resample(sound, audio.SAMPLE_RATE, BROWSER_RATE).astype(np.float32)
            rest = np.concatenate([rest, high] if round_ % 2 else [rest, high, silence])
            while len(rest) >= BROWSER_RATE // 4:
                yield rest[: BROWSER_RATE // 4]
                rest, sent = rest[BROWSER_RATE // 4 :], sent + 0.25
                if sent >= seconds:
                    return
        round_ += 1


def megabytes() -> int:
    """What this process holds in memory now (VmRSS)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return round(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)


def measure(minutes: int) -> dict:
    """Memory by minutes of sound, the words, and the longest buffer; stops if a confirmed word changes."""
    from faster_whisper import WhisperModel

    from tests.cells import tested

    lesson = tested("08_live_transcription", np=np, RATE=audio.SAMPLE_RATE, metrics=metrics, passes=[])
    checkpoint = catalog.model("Systran/faster-whisper-base")
    model = WhisperModel(checkpoint, device="cpu", compute_type="int8", cpu_threads=1)
    sounds, held, shown, longest, memory = clips(), None, 0, 0, {}

    def listen(language, task):
        nonlocal held
        held = lesson.Listener(model, language, task)
        return held

    values = {"session": "0" * 32, "rate": str(BROWSER_RATE), "language": "en", "task": "transcribe"}
    begin, confirmed = time.perf_counter(), []
    with live.Page(listen, model.supported_languages) as page:
        for number, piece in enumerate(pieces(sounds, 60 * minutes), start=1):
            answer = page.answer("hear", values | {"have": str(shown)}, piece.tobytes())
            confirmed += answer["words"]
            shown, longest = len(confirmed), max(longest, len(held.sound))
            if number % (240 * LOOK) == 0 or number == 240:
                memory[number // 240] = megabytes()
                print(f"{number // 240} min: {memory[number // 240]} MB, {shown} words", flush=True)
        answer = page.answer("stop", values | {"have": str(shown)}, b"")
        if held.words[:shown] != confirmed:
            raise AssertionError("A confirmed word has changed.")
    return {
        "minutes of sound": minutes,
        "MB": memory,
        "words": len(held.words),
        "longest buffer, s": round(longest / audio.SAMPLE_RATE, 1),
        "computed for, minutes": round((time.perf_counter() - begin) / 60, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=MINUTES, help="minutes of sound")
    minutes = parser.parse_args().minutes
    found = measure(minutes)
    packages = ("faster-whisper", "ctranslate2")
    store = {
        "machine": cpu_name() + ", threads: 1",
        "date": date.today().isoformat(),
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in packages),
        "model": "whisper-base, int8",
    } | found
    print(json.dumps(store))
    if minutes == MINUTES:
        STORE.write_text(json.dumps(store, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
