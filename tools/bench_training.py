"""What lesson 5 cannot measure while it is read: three ways to fine-tune, settings, and how much data.

`python -m tools.bench_training` measures all, each training of a way in a process of its own, and stores it
for the lesson to show in helpers/assets/bench/whisper_{training,sweep,data}.json. `python -m
tools.bench_training ways "LoRA"`, `sweep` or `data` measure a part anew. What is measured are the lesson's
own functions over its own data: its cells tagged "tested" or "data" are executed here. Settings are chosen
on the validation clips; the test clips only judge.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import resource
import subprocess
import sys
import time
from datetime import date
from importlib import metadata

os.environ.setdefault("ASR_SOURCE", "offline")

from helpers import catalog
from helpers.metrics import confidence_interval
from tools.bench import processor as cpu_name

STORES = {part: catalog.asset("bench") / f"whisper_{part}.json" for part in ("training", "sweep", "data")}
STEPS = 30
WAYS = {"all weights": 3e-5, "encoder once": 2e-4, "encoder once, equal minutes": 2e-4, "LoRA": 1e-3}
"""Learning rates: the fewer weights learn, the larger the steps they bear."""
SETTINGS = [(steps, rate) for steps in (60, 120, 240) for rate in (5e-5, 1e-4, 2e-4)]
SHARES = (0.6, 0.8, 1.0)
TIMES, CHOSEN = 3, (120, 2e-4)
PARTS = (8, 4, 2, 1)
"""How much data: one eighth of the training clips, a quarter, a half, all."""


def lesson() -> dict:
    """What the lesson's cells define up to its functions, the data among it."""
    import jupytext
    from transformers import logging

    from tools.notebooks import NOTEBOOKS

    logging.set_verbosity_error()
    from helpers import course

    names = {"course": course}
    for cell in jupytext.read(NOTEBOOKS / "source" / "05_whisper_fine_tuning.py").cells:
        if {"tested", "data"} & set(cell.metadata.get("tags", [])):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(cell.source, names)
    names["targets"] = {name: part["sentence"][:] for name, part in names["data"].items()}
    names["encoded_collator"] = names["DataCollatorEncoded"](
        names["processor"], names["config"].decoder_start_token_id
    )
    return names


def encode(names: dict, *parts: str) -> None:
    """Store the encoder's states of these parts of the data."""
    longest = max(max(part["seconds"]) for part in names["data"].values())
    encoder = names["short_encoder"](math.ceil(longest))
    names["encoded"] = {part: names["encode"](encoder, names["data"][part]) for part in parts}


def measure(way: str) -> dict:
    """Train in one way in this process; encoding the clips counts as training where it replaces it."""
    names = lesson()
    data, steps, encoding = names["data"], STEPS, 0.0
    if way.startswith("encoder once"):
        begin = time.perf_counter()
        encode(names, "train")
        encoding = time.perf_counter() - begin
        prepared = names["on_states"]()
        if "equal" in way:
            known = stored_ways()
            pace = 4 / known["encoder once"]["samples a second"]
            steps = int((60 * known["all weights"]["minutes"] - encoding) / pace)
    elif way == "LoRA":
        prepared = names["with_lora"]()
    else:
        prepared = names["fresh_model"](), data["train"], names["collator"]
    run = names["few_steps"](*prepared, steps, WAYS[way], checkpointing=way == "all weights" or None)
    learn = run.get_num_trainable_parameters()  # merging LoRA leaves none to count
    seconds = run.train().metrics["train_runtime"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    trained = (run.model.merge_and_unload() if way == "LoRA" else run.model).eval()
    found = {
        "steps": steps,
        "minutes": round((encoding + seconds) / 60, 2),
        "samples a second": round(4 * steps / seconds, 3),
        "peak MB": round(peak),
        "weights that learn": learn,
    }
    for part, label in (("validation", "WER, validation"), ("test", "WER, test")):
        texts = names["transcribe"](trained, data[part], names["collator"])
        found[label] = round(names["normalised_wer"](names["targets"][part], texts), 4)
    return found


def train(names: dict, rows: list[dict], steps: int, rate: float):
    """A decoder trained on stored states as the lesson does it: a model for its weights, and the weights."""
    model, bf16 = names["freeze_all_but_decoder"](names["fresh_model"]()), names["bfloat16_pays"]()
    names["few_steps"](model, rows, names["encoded_collator"], steps, rate, bf16=bf16).train()
    return names["fresh_model"](), model.state_dict()


def figures(names: dict, model, part: str, everyday: str) -> tuple[dict, list[str]]:
    """The lesson's report on a part of the data, the WER on everyday sentences with it; and the texts."""
    texts = {
        each: names["transcribe"](model, names["encoded"][each], names["encoded_collator"])
        for each in (part, everyday)
    }
    found = names["report"](names["targets"][part], texts[part])
    found["WER, everyday"] = names["normalised_wer"](names["targets"][everyday], texts[everyday])
    return {name: [*x] if isinstance(x, tuple) else round(x, 4) for name, x in found.items()}, texts[part]


def by_shares(names: dict, model, weights: dict, shares=SHARES) -> dict:
    """{share of the new weights: figures on the validation clips}."""
    old, found = names["fresh_model"]().state_dict(), {}
    for share in shares:
        model.load_state_dict(names["mean_of_weights"](old, weights, share))
        found[share] = figures(names, model, "validation", "everyday, validation")[0]
    return found


def sweep(names: dict):
    """A training for each setting, with its own schedule: figures on the validation clips."""
    old = names["fresh_model"]()
    yield {"steps": 0, "shares": by_shares(names, old, old.state_dict(), (0,))}
    rows = names["encoded"]["train"] + TIMES * names["encoded"]["mixed in"]
    for steps, rate in SETTINGS:
        shares = by_shares(names, *train(names, rows, steps, rate))
        yield {"steps": steps, "rate": rate, "shares": shares}


def portions(names: dict):
    """The same training on a part of the clips: figures on the test clips, share chosen on validation."""
    import numpy as np

    clips, seconds = names["encoded"]["train"], names["data"]["train"]["seconds"][:]
    order = np.random.default_rng(42).permutation(len(clips))
    for part in (None, *PARTS):
        model, some, share = names["fresh_model"](), order[: len(clips) // part] if part else [], 0
        if part:
            rows = [clips[place] for place in some] + TIMES * names["encoded"]["mixed in"]
            model, weights = train(names, rows, *CHOSEN)
            found = {0: names["baseline"]} | by_shares(names, model, weights)
            share = names["best_share"](found)
            old = names["fresh_model"]().state_dict()
            model.load_state_dict(names["mean_of_weights"](old, weights, share))
        else:
            names["baseline"] = by_shares(names, model, model.state_dict(), (0,))[0]
        found, texts = figures(names, model, "test", "everyday")
        _, *interval = confidence_interval(names["targets"]["test"], texts, names["code"])
        said = names["normalised"]([names["data"]["train"]["sentence"][int(place)] for place in some])
        heard = [term for term in names["trained"] if names["occurrences"](term, said)]
        yield {
            "clips": len(some),
            "minutes": round(sum(seconds[place] for place in some) / 60, 2),
            "terms trained": len(heard),
            "share": share,
            "WER interval": [round(edge, 4) for edge in interval],
        } | found


def stored_ways() -> dict:
    """The ways that were measured before, by name."""
    if not STORES["training"].exists():
        return {}
    return json.loads(STORES["training"].read_text(encoding="utf-8"))["ways"]


def store(part: str, more: dict) -> None:
    packages = ("torch", "transformers", "peft")
    head = {
        "machine": cpu_name() + f", threads: {os.environ.get('OMP_NUM_THREADS', 'all')}",
        "date": date.today().isoformat(),
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in packages),
    }
    STORES[part].write_text(json.dumps(head | more, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    all_parts = ["ways", "sweep", "data"]
    parser.add_argument("parts", nargs="*", default=all_parts, help="ways, sweep, data; none: all")
    parser.add_argument("--way", action="append", choices=WAYS, help="measure this way only")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(all_parts):
        parser.error(f"unknown {unknown}: choose of {', '.join(all_parts)}")
    if arguments.here:
        print(json.dumps(measure(arguments.way[0])))
        return 0
    if "ways" in arguments.parts:
        known = stored_ways()
        for way in arguments.way or WAYS:
            command = [sys.executable, "-m", "tools.bench_training", "ways", "--way", way, "--here"]
            result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            known[way] = json.loads(result.stdout.splitlines()[-1])
            print(f"{way}: {known[way]}", flush=True)
            store("training", {"ways": {name: known[name] for name in WAYS if name in known}})
    rest = {part: {"sweep": sweep, "data": portions}[part] for part in arguments.parts if part != "ways"}
    if rest:
        names = lesson()
        encode(names, *names["data"])
    for part, measured in rest.items():
        rows = []
        for row in measured(names):
            rows.append(row)
            print(json.dumps(row, ensure_ascii=False), flush=True)
            store(part, {"rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
