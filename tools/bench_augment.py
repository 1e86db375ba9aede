"""What each way of augmenting is worth: CTC trainings on the calls of lesson 6, one change at a time.

`python -m tools.bench_augment` trains without augmentation, with each of four changes alone and with all of
them, for one pair of test callers after the other, and stores each test clip's word errors in
helpers/assets/bench/ctc_augmentation.json, for lesson 6 to show. What changes the sound are the lesson's own
functions: its cells tagged "tested" are executed here.
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
import soxr
import torch

from helpers import audio, catalog, course
from helpers.alignment import align
from helpers.ctc import DataCollatorCTCWithPadding, quicken
from tools.bench import processor as cpu_name

STORE = Path(catalog.asset("bench")) / "ctc_augmentation.json"
STEPS, BATCH, RATE, WARM, FROZEN = 48, 8, 2e-4, 8, 3
CALLERS = ((10, 11), (8, 9), (6, 7))
"""Callers of the test set; each pair has trainings of its own, and its place is their seed."""
WAYS = {
    "nothing": (),
    "telephone": ("telephone",),
    "noise": ("noise",),
    "speed": ("speed",),
    "SpecAugment": ("masks",),
    "all four": ("speed", "noise", "telephone", "masks"),
}
TESTS = ("clean", "voices behind", "hiss behind")


def load():
    """The lesson's functions, the processor, and of every call the sound, the text and the caller."""
    from datasets import Audio, load_dataset
    from transformers import AutoProcessor

    from tests.cells import tested

    processor = AutoProcessor.from_pretrained(catalog.model("facebook/wav2vec2-base"))
    given = {"np": np, "soxr": soxr, "torch": torch, "course": course, "processor": processor}
    lesson = tested("06_wav2vec2_ctc_fine_tuning", **given, device="cpu", Counter=None, __name__="lesson")
    rows = load_dataset(**catalog.data("PolyAI/minds14", "en-US"), split="train")
    rows = rows.cast_column("audio", Audio(decode=False)).shuffle(seed=42)
    calls = [
        (audio.read(row["audio"]), lesson.clean(row["transcription"]), caller)
        for row, caller in zip(rows, lesson.callers(rows["path"]), strict=True)
    ]
    return lesson, processor, calls


def changed(lesson, sound, voices, ways, drawn) -> np.ndarray:
    """A training clip, changed anew at every step in the ways asked for; SpecAugment is the model's."""
    if "speed" in ways:
        sound = lesson.pace(sound, drawn)
    if "noise" in ways:
        sound = lesson.mix(sound, lesson.babble(voices, drawn), drawn.uniform(5, 20))
    if "telephone" in ways:
        sound = lesson.telephone(sound, drawn.uniform(200, 500), drawn.uniform(2200, 3600))
    return sound


def tests(lesson, sounds, voices) -> dict[str, list]:
    """The test clips as they are, with voices 15 dB under them that no training had, and with white noise."""
    drawn = np.random.default_rng(7)
    return {
        "clean": sounds,
        "voices behind": [lesson.mix(sound, lesson.babble(voices, drawn), 15) for sound in sounds],
        "hiss behind": [lesson.mix(sound, drawn.normal(size=len(sound)), 15) for sound in sounds],
    }


def train(lesson, processor, rows, ways, seed):
    """A model trained on rows (sound, text) in the ways asked for, and its last loss; all in one order."""
    from transformers import AutoModelForCTC, logging, set_seed

    logging.set_verbosity_error()
    set_seed(seed)
    masks = 0.05 if "masks" in ways else 0.0
    checkpoint = catalog.model("facebook/wav2vec2-base")
    model = AutoModelForCTC.from_pretrained(
        checkpoint, ctc_loss_reduction="mean", ctc_zero_infinity=True, mask_time_prob=masks
    )
    quicken(model).freeze_feature_encoder()
    lesson.freeze_lower(model, FROZEN)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / WARM, (STEPS - step) / (STEPS - WARM))
    )
    collator, voices = DataCollatorCTCWithPadding(processor), [sound for sound, _ in rows]
    drawn, shuffled, order = np.random.default_rng(seed), np.random.default_rng(seed), []
    model.train()
    for _ in range(STEPS):
        order = order or shuffled.permutation(len(rows)).tolist()
        batch, order = order[:BATCH], order[BATCH:]
        clips = []
        for number in batch:
            sound, text = rows[number]
            values = processor(changed(lesson, sound, voices, ways, drawn), sampling_rate=16_000)
            clips.append({"input_values": values.input_values[0], "labels": processor(text=text).input_ids})
        loss = model(**collator(clips)).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
    return model.eval(), round(loss.item(), 3)


@torch.inference_mode()
def word_errors(processor, model, sounds, texts) -> list[int]:
    """Wrong words of each clip, transcribed one by one."""
    errors = []
    for sound, text in zip(sounds, texts, strict=True):
        values = processor(sound, sampling_rate=16_000, return_tensors="pt").input_values
        written = processor.batch_decode(model(values).logits.argmax(-1))[0]
        errors.append(sum(edit.kind != "equal" for edit in align(text, written)))
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=len(CALLERS), help="pairs of test callers")
    pairs = CALLERS[: parser.parse_args().pairs]
    lesson, processor, calls = load()
    words, errors = [], {way: {test: [] for test in TESTS} for way in WAYS}
    for seed, pair in enumerate(pairs):
        tested = [(sound, text) for sound, text, caller in calls if caller in pair]
        others = [(sound, text) for sound, text, caller in calls if caller not in pair]
        heard = tests(lesson, [sound for sound, _ in tested], [sound for sound, _ in others[:20]])
        for way, changes in WAYS.items():
            begin = time.perf_counter()
            model, loss = train(lesson, processor, others[20:], changes, seed)
            for test, sounds in heard.items():
                errors[way][test] += word_errors(processor, model, sounds, [text for _, text in tested])
            total = {test: sum(found) for test, found in errors[way].items()}
            print(f"{pair} {way}: {total}, loss {loss}, {time.perf_counter() - begin:.0f} s", flush=True)
        words += [len(text.split()) for _, text in tested]
        packages = ("torch", "transformers")
        store = {
            "machine": cpu_name() + f", threads: {torch.get_num_threads()}",
            "date": date.today().isoformat(),
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in packages),
            "steps": STEPS,
            "calls": len(others) - 20,
            "test callers": pairs[: seed + 1],
            "words": words,
            "errors": errors,
        }
        STORE.write_text(json.dumps(store) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
