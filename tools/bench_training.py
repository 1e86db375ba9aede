"""Three ways to fine-tune Whisper, the same steps on each, every one in a process of its own.

`python -m tools.bench_training` measures all, prints the table and stores it, for lesson 5 to show, in
helpers/assets/bench/whisper_training.json. `python -m tools.bench_training WAY` measures one anew. What is
measured are the lesson's own functions: its cells tagged "tested" are executed here.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib import metadata
from pathlib import Path

os.environ.setdefault("ASR_SOURCE", "offline")

from helpers import audio, catalog, corpus, course, metrics
from tools.bench import processor as cpu_name

STORE = catalog.asset("bench") / "whisper_training.json"
STEPS = 30
WINDOW = 10  # seconds: the lesson's, from its longest clip
RATES = {"all weights": 3e-5, "encoder once": 1e-4, "LoRA": 1e-3}
"""Learning rates: the fewer weights learn, the larger the steps they bear."""


def lesson(folder: str) -> dict:
    """The lesson's functions over its data: what its untagged cells would have prepared."""
    import jupytext
    import pyarrow.parquet as pq
    from sklearn.model_selection import train_test_split
    from transformers import WhisperProcessor, logging

    from tools.notebooks import NOTEBOOKS

    logging.set_verbosity_error()
    shipped = catalog.asset("french-medical")
    pairs = corpus.pairs(corpus.unpack(shipped / "data.parquet", Path(folder) / "medical"))
    train_rows, test_rows = train_test_split(pairs, test_size=0.2, random_state=42)
    mixed_in = pq.read_table(catalog.asset("french-everyday") / "data.parquet").to_pylist()[40:]
    checkpoint = catalog.model("openai/whisper-base")
    names = {
        "runs": tempfile.TemporaryDirectory(dir=folder),
        "course": course,
        "audio": audio,
        "metrics": metrics,
        "WhisperProcessor": WhisperProcessor,
        "checkpoint": checkpoint,
        "processor": WhisperProcessor.from_pretrained(checkpoint, language="french", task="transcribe"),
        "train_rows": train_rows + mixed_in,
        "test_rows": test_rows,
        "wer": metrics.load("wer"),
    }
    for cell in jupytext.read(NOTEBOOKS / "source" / "05_whisper_fine_tuning.py").cells:
        if "tested" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def measure(way: str, folder: str) -> dict:
    """Train on one road in this process; encoding the clips counts as training where it replaces it."""
    names = lesson(folder)
    model = names["fresh_model"]()
    start = model.config.decoder_start_token_id
    names["collator"] = names["DataCollatorSpeechSeq2Seq"](names["processor"], start)
    names["encoded_collator"] = names["DataCollatorEncoded"](names["processor"], start)
    encoding = time.perf_counter()
    if way == "encoder once":
        states = names["encode"](names["ear"](WINDOW), names["train_rows"])
        names["encoded"] = [
            {**row, "states": state} for row, state in zip(names["train_rows"], states, strict=True)
        ]
    encoding = time.perf_counter() - encoding
    del model

    run = names["few_steps"](way, STEPS, RATES[way])
    learn = run.get_num_trainable_parameters()  # merging LoRA leaves none to count
    seconds = run.train().metrics["train_runtime"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    trained = run.model.merge_and_unload() if way == "LoRA" else run.model
    texts = names["transcribe"](trained.eval(), names["encode"](trained.model.encoder, names["test_rows"]))
    targets = [row["sentence"] for row in names["test_rows"]]
    return {
        "minutes": round((encoding + seconds) / 60, 2),
        "samples a second": round(4 * STEPS / seconds, 3),
        "peak MB": round(peak),
        "weights that learn": learn,
        "WER": round(metrics.wer(targets, texts, "fr"), 4),
    } | _term_recall(names["train_rows"], targets, texts)


def _term_recall(train_rows: list[dict], targets: list[str], texts: list[str]) -> dict:
    terms = (catalog.asset("french-medical") / "terms.txt").read_text(encoding="utf-8").splitlines()
    said = " ".join(row["sentence"] for row in train_rows)
    seen = [term for term in terms if _says(said, term)]
    unseen = [term for term in terms if term not in seen]
    return {
        "terms, seen": round(metrics.term_recall(targets, texts, seen, "fr"), 4),
        "terms, unseen": round(metrics.term_recall(targets, texts, unseen, "fr"), 4),
    }


def _says(text: str, term: str) -> bool:
    try:
        return metrics.term_recall(text, text, [term], "fr") == 1
    except ValueError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="*", default=list(RATES), help=f"of {', '.join(RATES)}; none: all")
    parser.add_argument("--in-folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.ways) - set(RATES):
        parser.error(f"unknown way {unknown}: choose of {', '.join(RATES)}")
    if arguments.in_folder:
        print(json.dumps(measure(arguments.ways[0], arguments.in_folder)))
        return 0
    stored = json.loads(STORE.read_text(encoding="utf-8"))["ways"] if STORE.exists() else {}
    for way in arguments.ways:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tools.bench_training", way, "--in-folder", folder]
            result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        stored[way] = json.loads(result.stdout.splitlines()[-1])
        print(f"{way}: {stored[way]}", flush=True)
        packages = ("torch", "transformers", "peft")
        store = {
            "machine": cpu_name() + f", threads: {os.environ.get('OMP_NUM_THREADS', 'all')}",
            "date": date.today().isoformat(),
            "steps": STEPS,
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in packages),
            "ways": {name: stored[name] for name in RATES if name in stored},
        }
        STORE.write_text(json.dumps(store, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
