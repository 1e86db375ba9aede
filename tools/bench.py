"""How fast and how well: every method of lesson 3 on several kinds of recording, each in its own process.

`python -m tools.bench` measures what is not stored yet, prints the table and stores it, for the lesson to
show, in helpers/assets/bench/long_form.json. `python -m tools.bench METHOD ... --again` measures anew what
begins so. `--recordings FOLDER` adds recordings that may not be shipped (tools/bench_recordings.py),
`--engines FOLDER` libraries that need an environment of their own (tools/bench_engines.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib import metadata
from pathlib import Path

os.environ.setdefault("ASR_SOURCE", "offline")

import numpy as np

from helpers import catalog
from helpers.normalising import normalise
from tools.bench_engines import LANGUAGES, RATE, convert, measure
from tools.bench_recordings import Recording, of_a_folder, of_the_course

STORE = catalog.asset("bench") / "long_form.json"
CONVERTED = Path(__file__).resolve().parent.parent / "build" / "bench"


def transformers_method(
    threads, chunked=True, batch_size=8, stamps=False, dtype="float32", attention="sdpa", beams=1
):
    """The Transformers pipeline: chunks of 30 s, or the sequential algorithm."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    recognise = transformers.pipeline(
        "automatic-speech-recognition",
        model=catalog.model("openai/whisper-base"),
        dtype=getattr(torch, dtype),
        device="cpu",
        model_kwargs={"attn_implementation": attention},
    )
    options = {"chunk_length_s": 30, "batch_size": batch_size} if chunked else {}
    if stamps or not chunked:
        options["return_timestamps"] = True

    def run(samples, language):
        options["generate_kwargs"] = {"language": LANGUAGES[language], "num_beams": beams}
        return recognise({"array": samples, "sampling_rate": RATE}, **options)["text"]

    return run


def _whisper_model(compute_type: str, threads: int):
    from faster_whisper import WhisperModel

    folder = catalog.model("Systran/faster-whisper-base")
    return WhisperModel(folder, device="cpu", compute_type=compute_type, cpu_threads=threads)


def faster_whisper_method(threads, compute_type="int8", batched=False, **options):
    """faster-whisper: window after window, or batches of the windows that its VAD finds."""
    from faster_whisper import BatchedInferencePipeline

    model = _whisper_model(compute_type, threads)
    recognise = BatchedInferencePipeline(model=model) if batched else model

    def run(samples, language):
        segments, _ = recognise.transcribe(samples, language=language, **{"beam_size": 1, **options})
        return " ".join(segment.text.strip() for segment in segments)

    return run


def longform_method(threads, compute_type="int8", shortest=None, **options):
    """helpers.longform: packed windows, padded to `shortest` seconds at least."""
    from helpers import longform

    model = _whisper_model(compute_type, threads)
    longform.SHORTEST_SECONDS = shortest or longform.SHORTEST_SECONDS

    def run(samples, language):
        found = longform.transcribe(model, samples, language, **{"beam_size": 1, **options})
        return " ".join(segment.text for segment in found)

    return run


_fast, _pipe, _packed = faster_whisper_method, transformers_method, longform_method
METHODS: dict[str, Callable[[int], Callable]] = {
    "Transformers, chunks, batch 8, 5 beams": partial(_pipe, beams=5),
    "Transformers, chunks, batch 8": partial(_pipe),
    "Transformers, chunks, batch 1": partial(_pipe, batch_size=1),
    "Transformers, chunks, batch 8, eager attention": partial(_pipe, attention="eager"),
    "Transformers, chunks, batch 8, bfloat16": partial(_pipe, dtype="bfloat16"),
    "Transformers, chunks, batch 8, time stamps": partial(_pipe, stamps=True),
    "Transformers, sequential": partial(_pipe, chunked=False),
    "faster-whisper, sequential": partial(_fast),
    "faster-whisper, sequential, VAD": partial(_fast, vad_filter=True),
    "faster-whisper, VAD windows, batch 16": partial(_fast, batched=True, batch_size=16),
    "faster-whisper, VAD windows, batch 1": partial(_fast, batched=True, batch_size=1),
    "faster-whisper, VAD windows, batch 1, time stamps": partial(
        _fast, batched=True, batch_size=1, without_timestamps=False
    ),
    "faster-whisper, sequential, 5 beams": partial(_fast, beam_size=5),
    "faster-whisper float32, sequential": partial(_fast, compute_type="float32"),
    "packed windows": partial(_packed),
    "packed windows, 2 beams": partial(_packed, beam_size=2),
    "packed windows, padded to 30 s": partial(_packed, shortest=30),
}
ENGINES = {
    "OpenVINO GenAI, sequential": ("openvino", "openvino-int8", "int8"),
    "OpenVINO GenAI float32, sequential": ("openvino", "openvino-float32", "fp32"),
    "ONNX Runtime float32, sequential": ("onnxruntime", "onnx", None),
    "whisper.cpp float16, sequential": ("whispercpp", "ggml-base.bin", None),
}
"""Each a method of tools/bench_engines.py, the name of what is converted for it, and its number format."""

BOOK_ONLY = ("5 beams", "batch 1", "eager attention", "bfloat16")
"""Rows of the Transformers pipeline that are measured on the book only; the others on one recording a kind.

They take long.
"""


def wanted(method: str, name: str) -> bool:
    """Is this recording, KIND.LANGUAGE, measured with this method?"""
    kind, _, language = name.rpartition(".")
    if not method.startswith("Transformers") or kind == "book":
        return True
    return language == "en" and kind != "calls" and not method.endswith(BOOK_ONLY)


def score(recording: Recording, text: str) -> list[int]:
    """Word errors of a text against each segment of a recording, as lesson 3 counts them."""
    from tests.cells import tested

    with contextlib.redirect_stdout(None):  # a cell of the lesson prints
        count = tested("03_whisper_long_form", np=np, RATE=RATE).errors_per_segment
    said = [normalise(line, recording.language) for line in recording.texts]
    return [int(number) for number in count(said, normalise(text, recording.language))]


def words(recording: Recording) -> list[int]:
    """Words in each segment of a recording."""
    return [len(normalise(line, recording.language).split()) for line in recording.texts]


def processor() -> str:
    """The processor's name, where the system tells it, and the number of cores."""
    names = []
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def command(method: str, threads: int, folder: Path, engines: Path | None) -> list[str] | None:
    """What runs a method over the recordings in a folder; None where its environment is missing."""
    if method in METHODS:
        return [
            sys.executable,
            "-m",
            "tools.bench",
            method,
            "--threads",
            str(threads),
            "--in-folder",
            str(folder),
        ]
    engine, target, weights = ENGINES[method]
    python = (engines / engine / "bin" / "python").absolute() if engines else None
    if python is None or not python.exists():
        return None
    CONVERTED.mkdir(parents=True, exist_ok=True)
    convert(engine, str(python), catalog.model("openai/whisper-base"), CONVERTED / target, weights)
    script = Path(__file__).with_name("bench_engines.py")
    return [str(python), str(script), engine, str(CONVERTED / target), str(folder), str(threads)]


def run(
    method: str, recordings: list[Recording], threads: int, engines: Path | None
) -> dict[str, dict] | None:
    """Measure one method in a process of its own; figures by recording."""
    with tempfile.TemporaryDirectory() as name:
        arguments = command(method, threads, Path(name), engines)
        if arguments is None:
            return None
        for recording in recordings:
            np.save(Path(name) / f"{recording.name}.npy", recording.samples)
        settings = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
        settings.pop("PYTHONPATH", None) if method in ENGINES else None
        result = subprocess.run(arguments, capture_output=True, text=True, env=settings)
    if result.returncode:
        raise SystemExit(f"{method} stopped:\n{result.stderr[-2000:]}")
    by_name = {recording.name: recording for recording in recordings}
    rows = {}
    for line in result.stdout.splitlines():
        if line.startswith("@"):
            row = json.loads(line[1:])
            errors = score(by_name[row["recording"]], row["text"])
            rows[row["recording"]] = {
                "seconds": round(row["seconds"], 2),
                "memory": round(row["memory"]),
                "errors": errors,
            }
    return rows


def table(store: dict) -> str:
    """The stored results as text."""
    names = list(store["recordings"])
    lines = [f"{store['machine']}, {store['threads']} thread(s), {store['date']}; {store['versions']}", ""]
    lines.append(f"{'method':52}{'MB peak':>8}" + "".join(f"{name:>22}" for name in names))
    for method, rows in store["methods"].items():
        cells = []
        for name in names:
            if row := rows.get(name):
                rate = sum(row["errors"]) / sum(store["recordings"][name]["words"])
                speed = store["recordings"][name]["seconds"] / row["seconds"]
                cells.append(f"{f'{rate:.1%} {speed:.1f}x':>22}")
            else:
                cells.append(f"{'–':>22}")
        lines.append(f"{method:52}{max(row['memory'] for row in rows.values()):8}" + "".join(cells))
    return "\n".join(lines)


def stored(recordings: list[Recording], threads: int) -> dict:
    """What is stored, without figures of other texts, other lengths or another number of threads."""
    found = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    kept = found.get("recordings", {}) if found.get("threads") == threads else {}
    described = {
        recording.name: {
            "source": recording.source,
            "seconds": round(len(recording.samples) / RATE, 1),
            "words": words(recording),
        }
        for recording in recordings
    }
    same = {name for name, row in kept.items() if described.get(name, row) == row}
    methods = {
        method: {name: row for name, row in rows.items() if name in same}
        for method, rows in (found.get("methods", {}).items() if same else ())
    }
    return {
        "recordings": {**{name: kept[name] for name in kept if name in same}, **described},
        "methods": methods,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help="beginnings of the methods' names; none: all")
    parser.add_argument("--again", action="store_true", help="measure anew what is stored already")
    parser.add_argument("--recordings", type=Path, help="a folder with KIND.LANGUAGE.wav and .txt")
    parser.add_argument("--engines", type=Path, help="a folder with environments of other libraries")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--in-folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_folder:
        measure(METHODS[arguments.methods[0]](arguments.threads), arguments.in_folder, arguments.threads)
        return 0
    recordings = of_the_course() + (of_a_folder(arguments.recordings) if arguments.recordings else [])
    store = stored(recordings, arguments.threads)
    packages = ("torch", "transformers", "ctranslate2", "faster-whisper")
    head = {"machine": processor(), "threads": arguments.threads, "date": date.today().isoformat()}
    head["versions"] = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    for method in [*METHODS, *ENGINES]:
        if not method.startswith(tuple(arguments.methods) or ""):
            continue
        known = {} if arguments.again else store["methods"].get(method, {})
        missing = [one for one in recordings if one.name not in known and wanted(method, one.name)]
        if not missing:
            continue
        rows = run(method, missing, arguments.threads, arguments.engines)
        if rows is None:
            print(f"{method}: no environment, see tools/bench_engines.py; left as it was", file=sys.stderr)
            continue
        print(f"{method}: {sum(row['seconds'] for row in rows.values()):.0f} s", file=sys.stderr, flush=True)
        # Read again: another run may have stored methods meanwhile.
        store = stored(recordings, arguments.threads)
        store["methods"][method] = {**store["methods"].get(method, {}), **rows}
        ordered = {name: store["methods"][name] for name in [*METHODS, *ENGINES] if name in store["methods"]}
        store = {**head, "recordings": store["recordings"], "methods": ordered}
        STORE.parent.mkdir(exist_ok=True)
        STORE.write_text(json.dumps(store, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table({**head, **store}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
