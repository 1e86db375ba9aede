"""What lesson 7 writes in its own cells (tagged "tested"), and a training that is killed and goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import evaluate
import numpy as np
import pandas as pd
import pytest

from helpers import audio, catalog, ctc
from tests import cells
from tools import bench_ctc
from tools.notebooks import ROOT

SIZES = {"train": 100, "validation": 3, "test": 5}


@pytest.fixture(scope="module")
def lesson():
    return cells.tested("07_xlsr_ctc_fine_tuning")


def test_the_trainers_score_is_the_error_rate_of_the_texts_and_the_share_of_blanks():
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(catalog.model("facebook/wav2vec2-base-100h"))
    metrics = {name: evaluate.load(catalog.metric(name)) for name in ("wer", "cer")}
    lesson = cells.defined("07_xlsr_ctc_fine_tuning", "score", processor=processor, np=np, **metrics)
    pad, a, b, gap = processor.tokenizer.convert_tokens_to_ids(["<pad>", "A", "B", "|"])
    labels = np.array([[a, gap, b, a], [a, b, -100, -100]])
    frames = np.array([[a, pad, gap, b, b, b], [a, a, b, -100, -100, -100]])
    found = lesson.score(SimpleNamespace(label_ids=labels, predictions=frames))
    assert found == {"wer": 1 / 3, "cer": 1 / 6, "blank": 1 / 9}


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Irmak'ta, İzmir'de!", "ırmakta izmirde"),
        ('"Işık söndü." dedi.', "ışık söndü dedi"),
        ("I\u0307zmir 1923_te", "izmir te"),
        ("Kâğıt  gu\u0308l", "kâğıt gül"),
        ("... 42", ""),
    ],
)
def test_turkish_is_cleaned_by_its_own_rules(lesson, written, cleaned):
    assert lesson.clean(written) == cleaned


# ---- Common Voice ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """24 clips of 8 speakers, 20 sentences."""
    sound = audio.encode(0.1 * np.sin(np.arange(16_000) / 9), format="mp3")
    (tmp_path / "clips").mkdir()
    lines = ["client_id\tpath\tsentence\tup_votes"]
    for number in range(24):
        (tmp_path / "clips" / f"{number}.mp3").write_bytes(sound)
        lines.append(f'speaker{number // 3}\t{number}.mp3\t"Cümle {"abcdefghijklmnoprstu"[number % 20]}"\t2')
    (tmp_path / "validated.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def table(rows):
    """Clips as `read_common_voice` gives them, from (speaker, text) pairs."""
    clips = pd.DataFrame(rows, columns=["client_id", "text"])
    return clips.assign(sentence=clips["text"], audio=[f"{number}.mp3" for number in range(len(clips))])


def check_apart(parts, sizes):
    for column in ("client_id", "text"):
        seen = [set(rows[column]) for rows in parts.values()]
        assert sum(map(len, seen)) == len(set.union(*seen)), column
    for name, rows in parts.items():
        assert 0 < len(rows) <= sizes[name]


def test_every_clip_is_read_with_its_quotation_marks(lesson, folder, capsys):
    clips = lesson.read_common_voice(folder)
    assert len(clips) == 24
    assert clips["sentence"][0] == '"Cümle a"' and clips["text"][0] == "cümle a"
    assert len(audio.read(clips["audio"][0])) >= 16_000
    assert "0 of 24 clips left out" in capsys.readouterr().out


def test_clips_without_sound_or_text_are_left_out_and_told(lesson, folder, capsys):
    (folder / "clips" / "3.mp3").unlink()
    (folder / "clips" / "5.mp3").write_bytes(b"")
    (folder / "clips" / "7.mp3").write_bytes(audio.encode(np.zeros(1), format="wav")[:44])
    path = folder / "validated.tsv"
    path.write_text(path.read_text(encoding="utf-8").replace('"Cümle i"', "..."), encoding="utf-8")
    clips = lesson.read_common_voice(folder)
    assert sorted(set(range(24)) - set(clips.index)) == [3, 5, 7, 8]
    assert "4 of 24 clips left out" in capsys.readouterr().out


def test_no_table(lesson, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no .*validated\.tsv: name the folder"):
        lesson.read_common_voice(tmp_path)


def test_a_column_that_is_missing(lesson, folder):
    (folder / "validated.tsv").write_text("path\tsentence\n0.mp3\tBir.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no column client_id: unpack"):
        lesson.read_common_voice(folder)


def test_an_empty_table_leaves_nothing(lesson, folder):
    (folder / "validated.tsv").write_text("client_id\tpath\tsentence\n", encoding="utf-8")
    with pytest.raises(ValueError, match="0 clips of 0 speakers leave nothing for test and validation and"):
        lesson.split(lesson.read_common_voice(folder), SIZES)


def test_parts_share_neither_speaker_nor_sentence(lesson, folder):
    for seed in range(20):
        parts = lesson.split(lesson.read_common_voice(folder), SIZES, seed=seed)
        assert list(parts) == ["test", "validation", "train"]
        check_apart(parts, SIZES)


def test_a_sentence_that_many_read_stays_in_one_part(lesson):
    rows = [(f"speaker{n}", f"text {n % 7}") for n in range(60)]
    rows += [(f"speaker{n}", f"own {n}") for n in range(60)]
    for seed in range(20):
        check_apart(lesson.split(table(rows), SIZES, seed=seed), SIZES)


def test_a_speaker_of_most_clips_trains_and_no_part_grows(lesson):
    rows = [("often", f"long {n}") for n in range(500)] + [(f"rare{n}", f"short {n}") for n in range(30)]
    sizes = {"train": 1000, "validation": 10, "test": 10}
    for seed in range(20):
        parts = lesson.split(table(rows), sizes, seed=seed)
        check_apart(parts, sizes)
        assert len(parts["validation"]) == len(parts["test"]) == 10
        assert (parts["train"]["client_id"] == "often").sum() == 500


def test_the_same_seed_gives_the_same_parts(lesson):
    rows = [(f"speaker{n % 9}", f"text {n}") for n in range(60)]
    first, second, other = (lesson.split(table(rows), SIZES, seed=seed) for seed in (1, 1, 2))
    assert all(first[name].equals(second[name]) for name in first)
    assert not all(first[name].equals(other[name]) for name in first)


def test_many_clips_are_split_in_linear_time(lesson):
    def seconds(count):
        clips = table([(f"speaker{n % (count // 5)}", f"text {n}") for n in range(count)])
        begin = time.perf_counter()
        lesson.split(clips, SIZES)
        return time.perf_counter() - begin

    seconds(1000)
    assert seconds(200_000) < 40 * max(seconds(20_000), 0.02)


def test_too_few_speakers(lesson):
    with pytest.raises(ValueError, match="40 clips of 2 speakers leave nothing for train: ask for smaller"):
        lesson.split(table([(f"speaker{n % 2}", f"text {n}") for n in range(40)]), SIZES)


# ---- error rates of two systems ----------------------------------------------------------------------------


def test_word_errors_are_counted_by_clip(lesson):
    found = lesson.word_errors(["bir iki", "üç", "dört"], ["bir", "üç", "beş altı"])
    assert found.tolist() == [1, 0, 2]


def test_the_interval_of_a_pair_follows_the_clips_in_which_they_differ(lesson):
    lengths = np.full(40, 10)
    same = np.arange(40) % 4
    assert lesson.paired_interval(same, same, lengths) == (0, 0, 0)
    rate, low, high = lesson.paired_interval(same + 1, same, lengths)
    assert rate == low == high == pytest.approx(0.1)  # one error more in every clip, whichever are drawn
    first = np.where(np.arange(40) < 20, 2, 0)
    rate, low, high = lesson.paired_interval(first, 2 - first, lengths)
    assert rate == 0 and low == pytest.approx(-high, abs=0.02) and 0.05 < high < 0.1


# ---- the stored trainings ----------------------------------------------------------------------------------


def test_the_stored_trainings_are_whole():
    bench = json.loads(bench_ctc.STORE.read_text(encoding="utf-8"))
    assert list(bench["runs"]) == bench_ctc.RUNS
    for name, stored in bench["runs"].items():
        assert len(stored["test errors"]) == len(bench["test letters"]) == 60
        steps = bench["steps"][name.split("-")[1]]
        assert list(stored["validation CER"]) == [
            str(step) for step in range(0, steps + 1, steps // bench_ctc.LOOKS)
        ]


def test_states_that_are_computed_once_give_what_the_whole_model_gives():
    import torch
    from transformers import Wav2Vec2FeatureExtractor

    tokens = ["[PAD]", " ", *"abc"]
    sounds = [np.sin(np.arange(samples) / 9).astype(np.float32) for samples in (8_000, 12_000)]
    model = bench_ctc.fresh(tokens, "random").eval()
    extract = Wav2Vec2FeatureExtractor.from_pretrained(catalog.model("facebook/wav2vec2-large-xlsr-53"))
    states = bench_ctc.frozen_states(model, sounds)
    with torch.no_grad():
        together, lengths = bench_ctc.emit(model, states)
        for sound, scores, frames in zip(sounds, together, lengths, strict=True):
            values = extract(sound, sampling_rate=16_000, return_tensors="pt").input_values
            alone = model(values).logits[0].log_softmax(-1)
            assert torch.allclose(scores[:frames], alone, atol=1e-3)


def test_only_the_layers_that_learn_start_from_other_weights():
    tokens = ["[PAD]", " ", *"abc"]
    one, other = (bench_ctc.fresh(tokens, start).state_dict() for start in ("pretrained", "random"))
    differ = {name for name in one if not one[name].equal(other[name])}
    layers = {name.split(".")[3] for name in differ}
    assert all(name.startswith("wav2vec2.encoder.layers.") for name in differ)
    assert layers == {str(number) for number in range(bench_ctc.FROZEN, 6)}


# ---- killed and resumed ------------------------------------------------------------------------------------

LETTERS = {"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4, "L": 5}


def make_processor(folder):
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    (folder / "vocab.json").write_text(json.dumps(LETTERS), encoding="utf-8")
    tokens = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": None, "eos_token": None}
    tokenizer = Wav2Vec2CTCTokenizer(folder / "vocab.json", **tokens)
    return Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=False), tokenizer)


def row(samples, text):
    sound = np.sin(np.arange(samples) / 5, dtype=np.float32)
    return {"input_values": sound, "labels": [LETTERS[letter] for letter in text]}


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
        data_collator=ctc.DataCollatorCTCWithPadding(make_processor(folder)),
        callbacks=[PowerCut()] if killed else [],
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=resume)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_the_imported_collator_keeps_every_row(tmp_path):
    batch = ctc.DataCollatorCTCWithPadding(make_processor(tmp_path))([row(4000, "A"), row(6000, "BALL")])
    assert batch["input_values"].shape == (2, 6000)
    assert batch["labels"].tolist() == [[3, -100, -100, -100], [4, 3, 5, 5]]


def test_training_survives_being_killed_and_resumes_to_the_same_loss(tmp_path):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    code = "import pathlib; from tests.test_lesson_07 import train; "
    code += f"train(pathlib.Path({str(tmp_path / 'cut')!r}), killed=True)"
    dead = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert (tmp_path / "cut" / "run" / f"checkpoint-{KILLED_AFTER}").is_dir()
    resumed = train(tmp_path / "cut", resume=True)
    whole = train(tmp_path / "whole")
    assert len(resumed) == len(whole) == STEPS
    assert resumed == pytest.approx(whole, rel=1e-4)
    assert len(set(whole)) == STEPS
