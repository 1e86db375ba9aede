"""What lesson 6 writes in its own cells (tagged "tested"), and a training that is killed and goes on."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch

from helpers import collators
from tools.notebooks import NOTEBOOKS, ROOT

LETTERS = {"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4, "L": 5}


def make_processor(folder):
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    (folder / "vocab.json").write_text(json.dumps(LETTERS), encoding="utf-8")
    tokens = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": None, "eos_token": None}
    tokenizer = Wav2Vec2CTCTokenizer(folder / "vocab.json", **tokens)
    return Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=False), tokenizer)


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    return make_processor(tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture(scope="module")
def lesson(processor):
    cells = jupytext.read(NOTEBOOKS / "source" / "06_wav2vec2_ctc_fine_tuning.py").cells
    tagged = [cell for cell in cells if "tested" in cell.metadata.get("tags", [])]
    assert len(tagged) == 4
    names = {"np": np, "processor": processor, "__name__": __name__}
    for cell in tagged:
        exec(cell.source, names)
    return SimpleNamespace(**names)


def row(samples, text):
    sound = np.sin(np.arange(samples) / 5, dtype=np.float32)
    return {"input_values": sound, "labels": [LETTERS[letter] for letter in text]}


ROWS = [row(4000, "ABBA"), row(6000, "B"), row(5000, "A|BALL")]


def test_the_lessons_collator_is_that_of_the_helpers(lesson, processor):
    taught = lesson.DataCollatorCTCWithPadding(processor)(ROWS)
    shared = collators.DataCollatorCTCWithPadding(processor)(ROWS)
    assert taught.keys() == shared.keys()
    assert all(torch.equal(taught[name], shared[name]) for name in taught)


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Um, I'd like to, to pay.", "UM I'D LIKE TO TO PAY"),
        ("my gas-bill", "MY GAS BILL"),
        ("  It’s   MINE  ", "IT'S MINE"),
        ("42 pounds", "POUNDS"),
        ("...", ""),
    ],
)
def test_only_letters_apostrophes_and_single_spaces_are_left(lesson, written, cleaned):
    assert lesson.clean(written) == cleaned


def test_padding_is_the_share_of_what_is_computed(lesson):
    assert lesson.padding([[2.0, 2.0]]) == 0
    assert lesson.padding([[1.0, 3.0], [4.0]]) == pytest.approx(2 / 10)
    assert lesson.in_eights(list(range(10))) == [list(range(8)), [8, 9]]


def test_doubled_letters_of_a_target_survive_and_a_path_collapses(lesson):
    outcome = SimpleNamespace(
        label_ids=np.array([[3, 5, 5, -100], [3, 2, 4, 3]]),
        predictions=np.array([[3, 5, 0, 5, -100], [3, 3, 2, 4, 4]]),
    )
    targets, texts = lesson.texts_of(outcome)
    assert targets == ["A BA", "ALL"] and texts == ["A B", "ALL"]


def test_rows_are_the_same_in_whatever_order_predict_gives_them(lesson):
    labels = np.array([[3, 5, 5, -100], [3, 2, 4, 3], [4, -100, -100, -100]])
    predictions = np.array([[3, 5, 0, 5, -100], [3, 3, 2, 4, 4], [4, 0, 0, 0, 0]])
    rows = [
        lesson.texts_of(SimpleNamespace(label_ids=labels[order], predictions=predictions[order]))
        for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0])
    ]
    assert rows[0] == rows[1] == rows[2] == (["A BA", "ALL", "B"], ["A B", "ALL", "B"])


# ---- killed and resumed ------------------------------------------------------------------------------------

STEPS, KILLED_AFTER = 6, 4


def train(folder, resume=False, killed=False):
    """Train a tiny Wav2Vec2; the loss of each step. `killed` ends this process as a power cut would."""
    from datasets import Dataset
    from transformers import (
        Trainer,
        TrainerCallback,
        TrainingArguments,
        Wav2Vec2Config,
        Wav2Vec2ForCTC,
        set_seed,
    )

    class PowerCut(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):
            if state.global_step == KILLED_AFTER:
                os.kill(os.getpid(), signal.SIGKILL)

    set_seed(42)
    config = Wav2Vec2Config(
        vocab_size=6, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_kernel=(10, 3), conv_stride=(5, 2), num_feat_extract_layers=2,
        num_conv_pos_embeddings=3, num_conv_pos_embedding_groups=1, pad_token_id=0,
        ctc_loss_reduction="mean", ctc_zero_infinity=True, layerdrop=0.0,
    )  # fmt: skip
    settings = TrainingArguments(
        output_dir=str(folder / "run"), max_steps=STEPS, per_device_train_batch_size=2, learning_rate=1e-2,
        logging_steps=1, save_steps=2, seed=42, report_to="none", disable_tqdm=True, use_cpu=True,
        train_sampling_strategy="group_by_length", remove_unused_columns=False, dataloader_pin_memory=False,
    )  # fmt: skip
    rows = [row(3000 + 500 * n, "ABBA"[: 1 + n % 4]) | {"length": 3000 + 500 * n} for n in range(8)]
    trainer = Trainer(
        model=Wav2Vec2ForCTC(config), args=settings, train_dataset=Dataset.from_list(rows),
        data_collator=collators.DataCollatorCTCWithPadding(make_processor(folder)),
        callbacks=[PowerCut()] if killed else [],
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=resume)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_training_survives_being_killed_and_resumes_to_the_same_loss(tmp_path):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    code = "import pathlib; from tests.test_wav2vec2_lesson import train; "
    code += f"train(pathlib.Path({str(tmp_path / 'cut')!r}), killed=True)"
    dead = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert (tmp_path / "cut" / "run" / f"checkpoint-{KILLED_AFTER}").is_dir()
    resumed = train(tmp_path / "cut", resume=True)
    whole = train(tmp_path / "whole")
    assert len(resumed) == len(whole) == STEPS
    assert resumed == pytest.approx(whole, rel=1e-4)
    assert len(set(whole)) == STEPS
