"""How fast can it be: every method of lesson 3 over the same five minutes, each run in a process of its own.

`python -m tools.bench` measures all methods, prints the table and stores it, for the lesson to show, in
helpers/assets/bench/long_form.json. `python -m tools.bench METHOD ... --runs 5` measures some of them anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib import metadata
from pathlib import Path

os.environ.setdefault("ASR_SOURCE", "offline")

from helpers import catalog
from helpers.audio import SAMPLE_RATE, read
from helpers.metrics import normalise

STORE = catalog.asset("bench") / "long_form.json"
SECONDS = 300
WARM_UP_SECONDS = 12
LANGUAGE = "es"


def pipeline_method(
    chunked=True, batch_size=8, dtype="float32", attention="sdpa", compiled=False, **generate
):
    """The Transformers pipeline: chunks of 30 s, or the sequential algorithm."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    recognise = transformers.pipeline(
        "automatic-speech-recognition",
        model=catalog.model("openai/whisper-base"),
        dtype=getattr(torch, dtype),
        device="cpu",
        model_kwargs={"attn_implementation": attention},
    )
    if compiled:
        recognise.model.model.encoder.forward = torch.compile(recognise.model.model.encoder.forward)
    options = {"chunk_length_s": 30, "batch_size": batch_size} if chunked else {"return_timestamps": True}
    options["generate_kwargs"] = {"language": "spanish", **generate}

    def run(samples):
        return recognise({"array": samples, "sampling_rate": SAMPLE_RATE}, **options)["text"]

    return run


def _whisper_model(compute_type: str):
    from faster_whisper import WhisperModel

    return WhisperModel(
        catalog.model("Systran/faster-whisper-base"),
        device="cpu",
        compute_type=compute_type,
        cpu_threads=os.cpu_count(),
    )


def faster_whisper_method(compute_type: str, batched: bool, **options):
    """faster-whisper: window after window, or batched with voice activity detection."""
    from faster_whisper import BatchedInferencePipeline

    model = _whisper_model(compute_type)
    recognise = BatchedInferencePipeline(model=model) if batched else model

    def run(samples):
        segments, _ = recognise.transcribe(samples, language=LANGUAGE, **options)
        return " ".join(segment.text for segment in segments)

    return run


def longform_method(compute_type: str, **options):
    """helpers.longform: packed windows, no padding."""
    from helpers import longform

    model = _whisper_model(compute_type)

    def run(samples):
        return " ".join(segment.text for segment in longform.transcribe(model, samples, LANGUAGE, **options))

    return run


METHODS: dict[str, Callable[[], Callable]] = {
    "pipeline, chunks, batch 8, 5 beams (the options of the earlier course)": lambda: pipeline_method(),
    "pipeline, chunks, batch 8, greedy": lambda: pipeline_method(num_beams=1),
    "pipeline, chunks, batch 1, greedy": lambda: pipeline_method(batch_size=1, num_beams=1),
    "pipeline, chunks, batch 8, greedy, eager attention": lambda: pipeline_method(
        attention="eager", num_beams=1
    ),
    "pipeline, chunks, batch 8, greedy, bfloat16": lambda: pipeline_method(dtype="bfloat16", num_beams=1),
    "pipeline, chunks, batch 8, greedy, compiled encoder": lambda: pipeline_method(
        compiled=True, num_beams=1
    ),
    "pipeline, sequential, greedy": lambda: pipeline_method(chunked=False, num_beams=1),
    "faster-whisper float32, 5 beams": lambda: faster_whisper_method("float32", False),
    "faster-whisper int8, 5 beams": lambda: faster_whisper_method("int8", False),
    "faster-whisper int8, greedy": lambda: faster_whisper_method("int8", False, beam_size=1),
    "faster-whisper int8, greedy, VAD": lambda: faster_whisper_method(
        "int8", False, beam_size=1, vad_filter=True
    ),
    "faster-whisper batched float32, 5 beams": lambda: faster_whisper_method("float32", True, batch_size=16),
    "faster-whisper batched int8, 5 beams": lambda: faster_whisper_method("int8", True, batch_size=16),
    "faster-whisper batched int8, greedy": lambda: faster_whisper_method(
        "int8", True, batch_size=16, beam_size=1
    ),
    "packed windows, int8, 2 beams": lambda: longform_method("int8"),
    "packed windows, int8, greedy": lambda: longform_method("int8", beam_size=1),
    "packed windows, int8, 5 beams": lambda: longform_method("int8", beam_size=5),
    "packed windows, float32, 2 beams": lambda: longform_method("float32"),
}


def clip(folder: Path) -> float:
    """Write five minutes of the Spanish audiobook and its text into a folder; returns their seconds."""
    import numpy as np
    from datasets import Audio, load_dataset

    found = catalog.data("facebook/multilingual_librispeech", "spanish")
    data = load_dataset(**found, split="dev", streaming=True).cast_column("audio", Audio(decode=False))
    clips, texts, seconds = [], [], 0.0
    for row in data:
        clips.append(read(row["audio"]))
        texts.append(row["transcript"])
        seconds += len(clips[-1]) / SAMPLE_RATE
        if seconds >= SECONDS:
            break
    np.save(folder / "clip.npy", np.concatenate(clips))
    (folder / "text.txt").write_text(" ".join(texts), encoding="utf-8")
    return seconds


def measure(method: str, folder: Path) -> dict:
    """One run in this process. Loading and a warm-up on the first seconds are not timed."""
    import jiwer
    import numpy as np

    samples = np.load(folder / "clip.npy")
    run = METHODS[method]()
    run(samples[: WARM_UP_SECONDS * SAMPLE_RATE].copy())
    begin = time.perf_counter()
    text = run(samples)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    said = (folder / "text.txt").read_text(encoding="utf-8")
    rate = jiwer.wer(normalise(said, LANGUAGE), normalise(text, LANGUAGE))
    return {"seconds": seconds, "memory": peak, "wer": rate}


def processor() -> str:
    """The processor's name, where the system tells it, and the number of cores."""
    names = []
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def table(store: dict) -> str:
    """The stored results as text."""
    slowest = next(iter(store["methods"].values()))["seconds"]
    lines = [f"{store['machine']}, {store['date']}; {store['clip']}; {store['versions']}", ""]
    lines.append(
        f"{'method':72}{'s':>8}{'x real time':>13}{'x original':>12}{'MB peak':>9}{'WER':>8}{'runs':>6}"
    )
    for method, row in store["methods"].items():
        lines.append(
            f"{method:72}{row['seconds']:8.1f}{store['seconds'] / row['seconds']:13.1f}"
            f"{slowest / row['seconds']:12.1f}{row['memory']:9.0f}{row['wer']:8.2%}{row['runs']:6}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help="beginnings of the methods' names; none: all")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--in-folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_folder:
        print(json.dumps(measure(arguments.methods[0], arguments.in_folder)))
        return 0
    chosen = [method for method in METHODS if method.startswith(tuple(arguments.methods) or "")]
    stored = json.loads(STORE.read_text(encoding="utf-8"))["methods"] if STORE.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        seconds = clip(Path(name))
        for method in chosen:
            runs = []
            for _ in range(arguments.runs):
                command = [sys.executable, "-m", "tools.bench", method, "--in-folder", name]
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                runs.append(json.loads(result.stdout.splitlines()[-1]))
                print(f"{method}: {runs[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
            stored[method] = {
                key: round(statistics.median(run[key] for run in runs), 4)
                for key in ("seconds", "memory", "wer")
            }
            stored[method]["runs"] = len(runs)
            packages = ("torch", "transformers", "ctranslate2", "faster-whisper")
            store = {
                "machine": processor(),
                "date": date.today().isoformat(),
                "clip": f"{seconds:.0f} s of the Spanish audiobook; loading and a warm-up are not timed",
                "seconds": round(seconds, 2),
                "versions": ", ".join(f"{package} {metadata.version(package)}" for package in packages),
                "methods": {method: stored[method] for method in METHODS if method in stored},
            }
            STORE.parent.mkdir(exist_ok=True)
            STORE.write_text(json.dumps(store, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(store))
    return 0


if __name__ == "__main__":
    sys.exit(main())
