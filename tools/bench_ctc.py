"""What pre-trained layers are worth: CTC training from pre-trained and from random ones, two sizes of data.

`python -m tools.bench_ctc` trains four times and stores, for lesson 7 to show, the error rates on the way and
the test clips' errors in helpers/assets/bench/ctc_pretraining.json. `python -m tools.bench_ctc random-293`
repeats one training. The frozen parts give the same states at every step, so they compute them once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import date
from importlib import metadata
from pathlib import Path

os.environ.setdefault("ASR_SOURCE", "offline")

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein

from helpers import audio, catalog, course
from tools.bench import processor as cpu_name

STORE = Path(catalog.asset("bench")) / "ctc_pretraining.json"
FROZEN, BATCH, RATE, SEED, LOOKS = 3, 8, 5e-4, 42, 12
STEPS = {73: 60, 293: 240}
"""Sentences to steps: every sentence is seen between six and seven times."""
RUNS = [f"{start}-{size}" for size in STEPS for start in ("pretrained", "random")]


def load() -> tuple[dict, dict, list[str]]:
    """Clips and cleaned texts of each part, and the tokens; token 0 is the blank."""
    from datasets import Audio, load_dataset

    from tests.cells import tested

    clean = tested("07_xlsr_ctc_fine_tuning").clean
    source = catalog.data("google/fleurs", "tr_tr")
    sounds, texts = {}, {}
    for part in ("train", "validation", "test"):
        rows = load_dataset(**source, split=part).cast_column("audio", Audio(decode=False)).shuffle(seed=42)
        sounds[part] = [audio.read(cell) for cell in rows["audio"]]
        texts[part] = [clean(text) for text in rows["raw_transcription"]]
    letters = sorted(set("".join(texts["train"])) - {" "})
    return sounds, texts, ["[PAD]", " ", *letters]


def fresh(tokens: list[str], start: str):
    """Wav2Vec2ForCTC with a new head; with "random", the layers that learn are new too."""
    from transformers import AutoConfig, Wav2Vec2ForCTC, logging, set_seed

    logging.set_verbosity_error()
    checkpoint = catalog.model("facebook/wav2vec2-large-xlsr-53")
    head = {"vocab_size": len(tokens), "pad_token_id": 0}
    set_seed(SEED)
    model = Wav2Vec2ForCTC.from_pretrained(checkpoint, **head)
    if start == "random":
        other = Wav2Vec2ForCTC(AutoConfig.from_pretrained(checkpoint, **head))
        new = other.wav2vec2.encoder.layers[FROZEN:]
        model.wav2vec2.encoder.layers[FROZEN:].load_state_dict(new.state_dict())
    return model


@torch.no_grad()
def frozen_states(model, sounds: list[np.ndarray]) -> list[torch.Tensor]:
    """What the frozen parts make of each clip, one at a time, shape (frames, width)."""
    from transformers import Wav2Vec2FeatureExtractor

    from helpers.ctc import quicken

    extract = Wav2Vec2FeatureExtractor.from_pretrained(catalog.model("facebook/wav2vec2-large-xlsr-53"))
    body, states = quicken(model).eval().wav2vec2, []
    for sound in course.progress(sounds, "frozen part"):
        values = extract(sound, sampling_rate=16_000, return_tensors="pt").input_values
        frames = body.feature_projection(body.feature_extractor(values).transpose(1, 2))[0]
        frames = frames + body.encoder.pos_conv_embed(frames)
        for layer in body.encoder.layers[:FROZEN]:
            frames = layer(frames)
        states.append(frames[0])
    return states


def emit(model, states: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Log probabilities (clips, frames, tokens) by the layers that learn, and the clips' frames (clips,)."""
    lengths = torch.tensor([len(each) for each in states])
    frames = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
    seen = torch.arange(frames.shape[1])[None] < lengths[:, None]
    for layer in model.wav2vec2.encoder.layers[FROZEN:]:
        frames = layer(frames, attention_mask=seen[:, None, None])
    return model.lm_head(model.wav2vec2.encoder.layer_norm(frames)).log_softmax(-1), lengths


def spell(model, states: list[torch.Tensor], tokens: list[str]) -> list[str]:
    """Texts by the best token of each frame."""
    from itertools import groupby

    texts = []
    with torch.inference_mode():
        for first in range(0, len(states), BATCH):
            scores, lengths = emit(model, states[first : first + BATCH])
            for path, length in zip(scores.argmax(-1), lengths, strict=True):
                kept = [token for token, _ in groupby(path[:length].tolist()) if token]
                texts.append(" ".join("".join(tokens[token] for token in kept).split()))
    return texts


def letter_errors(targets: list[str], texts: list[str]) -> list[int]:
    """Letters to change, add or drop in each clip."""
    return [Levenshtein.distance(*pair) for pair in zip(targets, texts, strict=True)]


def train(run: str, states: dict, texts: dict, tokens: list[str]) -> dict:
    """One training: validation CER by step, and the test clips' letter errors at its end."""
    start, size = run.split("-")
    steps = STEPS[int(size)]
    model, labels = fresh(tokens, start), {token: number for number, token in enumerate(tokens)}
    model.requires_grad_(False)
    learning = [model.wav2vec2.encoder.layers[FROZEN:], model.wav2vec2.encoder.layer_norm, model.lm_head]
    weights = [weight for part in learning for weight in part.requires_grad_(True).parameters()]
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)
    warm = steps // 10
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, (steps - step) / (steps - warm))
    )
    order, draw, curve, begin = [], np.random.default_rng(SEED), {}, time.perf_counter()
    for step in range(steps + 1):
        if step % (steps // LOOKS) == 0:
            edits = letter_errors(texts["validation"], spell(model, states["validation"], tokens))
            curve[step] = round(sum(edits) / sum(map(len, texts["validation"])), 4)
            print(f"{run}, step {step}: CER {curve[step]:.1%}", flush=True)
        if step == steps:
            break
        order = order or draw.permutation(int(size)).tolist()
        batch, order = order[:BATCH], order[BATCH:]
        scores, lengths = emit(model, [states["train"][number] for number in batch])
        targets = [torch.tensor([labels[letter] for letter in texts["train"][number]]) for number in batch]
        sizes = torch.tensor([len(target) for target in targets])
        loss = torch.nn.functional.ctc_loss(
            scores.transpose(0, 1), torch.cat(targets), lengths, sizes, zero_infinity=True
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
    edits = letter_errors(texts["test"], spell(model, states["test"], tokens))
    minutes = round((time.perf_counter() - begin) / 60, 1)
    return {"validation CER": curve, "test errors": edits, "minutes": minutes}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", default=RUNS, help=f"of {', '.join(RUNS)}; none: all")
    arguments = parser.parse_args()
    if unknown := set(arguments.runs) - set(RUNS):
        parser.error(f"unknown run {unknown}: choose of {', '.join(RUNS)}")
    sounds, texts, tokens = load()
    sounds["train"] = sounds["train"][: max(int(run.split("-")[1]) for run in arguments.runs)]
    states = {part: frozen_states(fresh(tokens, "pretrained"), clips) for part, clips in sounds.items()}
    stored = json.loads(STORE.read_text(encoding="utf-8"))["runs"] if STORE.exists() else {}
    for run in arguments.runs:
        stored[run] = train(run, states, texts, tokens)
        store = {
            "machine": cpu_name() + f", threads: {torch.get_num_threads()}",
            "date": date.today().isoformat(),
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers")),
            "layers": {"learning": 6 - FROZEN, "all": 6},
            "steps": STEPS,
            "test letters": [len(text) for text in texts["test"]],
            "runs": {name: stored[name] for name in RUNS if name in stored},
        }
        STORE.write_text(json.dumps(store, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
