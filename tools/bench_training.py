"""Three ways to fine-tune Whisper, the same steps on each, every one in a process of its own.

`python -m tools.bench_training` measures all, prints the table and stores it, for lesson 5 to show, in
helpers/assets/bench/whisper_training.json. `python -m tools.bench_training WAY` measures one anew. What is
measured are the lesson's own functions: its cells tagged "tested" are executed here.
"""

from __future__ import annotations

import argparse
import csv
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
    from datasets import Audio, Dataset, DatasetDict, load_dataset
    from transformers import WhisperConfig, WhisperProcessor, logging

    from tools.notebooks import NOTEBOOKS

    logging.set_verbosity_error()
    checkpoint = catalog.model("openai/whisper-base")
    names = {
        "runs": tempfile.TemporaryDirectory(dir=folder),
        "tempfile": tempfile,
        "Path": Path,
        "course": course,
        "audio": audio,
        "catalog": catalog,
        "WhisperProcessor": WhisperProcessor,
        "checkpoint": checkpoint,
        "language": "french",
        "groups": {},
        "processor": WhisperProcessor.from_pretrained(checkpoint, language="french", task="transcribe"),
    }
    for cell in jupytext.read(NOTEBOOKS / "source" / "05_whisper_fine_tuning.py").cells:
        if "tested" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    shipped, everyday = (
        load_dataset(**catalog.data(name), split="train").cast_column("audio", Audio(decode=False))
        for name in ("french-medical", "french-everyday")
    )
    pairs = corpus.pairs(names["write_folder"](shipped, Path(folder) / "medical"))
    train, test = names["split"](pairs)
    with (catalog.asset("french-medical") / "voices.csv").open(encoding="utf-8") as file:
        voices = {row["number"]: row["voice"] for row in csv.DictReader(file)}
    places, _, _ = names["set_aside"]([Path(row["audio"]).stem for row in train], voices)
    mixed_in = everyday.select_columns(["audio", "sentence"]).to_list()[48:]
    trained, test = (
        [{"audio": {"path": row["audio"], "bytes": None}, "sentence": row["sentence"]} for row in part]
        for part in ([train[place] for place in places], test)
    )
    raw = DatasetDict(train=Dataset.from_list(trained + mixed_in), test=Dataset.from_list(test))
    data = raw.map(names["prepare_dataset"], remove_columns="audio")
    names["data"] = data.with_format("torch", columns=["input_features"], output_all_columns=True)
    start = WhisperConfig.from_pretrained(checkpoint).decoder_start_token_id
    names["collator"] = names["DataCollatorSpeechSeq2Seq"](names["processor"], start)
    names["encoded_collator"] = names["DataCollatorEncoded"](names["processor"], start)
    return names


def measure(way: str, folder: str) -> dict:
    """Train in one way in this process; encoding the clips counts as training where it replaces it."""
    names = lesson(folder)
    data = names["data"]
    encoding = time.perf_counter()
    if way == "encoder once":
        names["encoded"] = {"train": names["encode"](names["short_encoder"](WINDOW), data["train"])}
        prepared = names["on_states"]()
    elif way == "LoRA":
        prepared = names["with_lora"]()
    else:
        prepared = names["fresh_model"](), data["train"], names["collator"]
    encoding = time.perf_counter() - encoding if way == "encoder once" else 0.0

    run = names["few_steps"](*prepared, STEPS, RATES[way], checkpointing=way == "all weights" or None)
    learn = run.get_num_trainable_parameters()  # merging LoRA leaves none to count
    seconds = run.train().metrics["train_runtime"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    trained = run.model.merge_and_unload() if way == "LoRA" else run.model
    encoded = names["encode"](trained.eval().model.encoder, data["test"])
    texts = names["transcribe"](trained, encoded, names["encoded_collator"])
    targets = data["test"]["sentence"][:]
    return {
        "minutes": round((encoding + seconds) / 60, 2),
        "samples a second": round(4 * STEPS / seconds, 3),
        "peak MB": round(peak),
        "weights that learn": learn,
        "WER": round(names["normalised_wer"](targets, texts), 4),
    } | _term_recall(names, data["train"]["sentence"], targets, texts)


def _term_recall(names: dict, trained: list[str], targets: list[str], texts: list[str]) -> dict:
    terms = (catalog.asset("french-medical") / "terms.txt").read_text(encoding="utf-8").splitlines()
    said = names["normalised"](trained)
    known = [term for term in terms if names["occurrences"](term, said)]
    return {
        "trained terms": round(metrics.term_recall(targets, texts, known, "fr"), 4),
        "new terms": round(metrics.term_recall(targets, texts, set(terms) - set(known), "fr"), 4),
    }


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
