"""What lesson 5 writes in its own cells, executed from the cells tagged "tested", and resuming a training."""

from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from transformers import (
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from helpers import audio, catalog, course, metrics
from tools.notebooks import NOTEBOOKS


@pytest.fixture(scope="module")
def processor():
    checkpoint = catalog.checkpoint("openai/whisper-base")
    return WhisperProcessor.from_pretrained(checkpoint, language="french", task="transcribe")


@pytest.fixture(scope="module")
def lesson(processor, tmp_path_factory):
    cells = jupytext.read(NOTEBOOKS / "source" / "05_whisper_fine_tuning.py").cells
    names = {
        "audio": audio,
        "WhisperProcessor": WhisperProcessor,
        "course": course,
        "metrics": metrics,
        "processor": processor,
        "checkpoint": catalog.checkpoint("openai/whisper-base"),
        "wer": metrics.load("wer"),
        "runs": SimpleNamespace(name=str(tmp_path_factory.mktemp("runs"))),
    }
    for cell in cells:
        if "tested" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return SimpleNamespace(**names)


def clip(seconds=1.0):
    samples = 0.1 * np.sin(np.arange(round(16_000 * seconds)) / 20)
    return {"array": samples, "sampling_rate": 16_000}


ROWS = [
    {"audio": clip(), "sentence": "Une gonarthrose."},
    {"audio": clip(2), "sentence": "Une arthroplastie totale du genou."},
]


def test_labels_end_with_the_end_of_text_and_padding_is_left_out(lesson, processor):
    labels = lesson.DataCollatorSpeechSeq2Seq(processor, 50258)(ROWS)["labels"]
    short = labels[0][labels[0] != -100]
    assert short[-1] == processor.tokenizer.eos_token_id == processor.tokenizer.pad_token_id
    assert labels[0][-1] == -100
    assert labels[1][-1] == processor.tokenizer.eos_token_id
    assert processor.tokenizer.decode(short, skip_special_tokens=True) == "Une gonarthrose."


def test_the_start_token_is_cut_and_the_language_stays(lesson, processor):
    labels = lesson.DataCollatorSpeechSeq2Seq(processor, 50258)(ROWS)["labels"]
    tokens = processor.tokenizer.convert_ids_to_tokens(labels[0, :3])
    assert tokens == ["<|fr|>", "<|transcribe|>", "<|notimestamps|>"]
    kept = lesson.DataCollatorSpeechSeq2Seq(processor, start_token=1)(ROWS)["labels"]
    assert kept[0, 0] == 50258


def test_a_missing_clip_is_told_by_name(lesson, processor):
    rows = [{"audio": {"bytes": None, "path": "nowhere.wav"}, "sentence": "Rien."}]
    with pytest.raises(audio.AudioError, match=r"There is no file nowhere\.wav"):
        lesson.DataCollatorSpeechSeq2Seq(processor, 50258)(rows)


def test_stored_states_take_the_place_of_sound(lesson, processor):
    rows = [{**row, "states": torch.ones(100, 4, dtype=torch.float16)} for row in ROWS]
    batch = lesson.DataCollatorEncoded(processor, 50258)(rows)
    assert batch["encoder_outputs"].last_hidden_state.shape == (2, 100, 4)
    assert batch["encoder_outputs"].last_hidden_state.dtype == torch.float32


def test_a_short_window_has_the_first_positions_of_a_long_one(lesson):
    short, whole = lesson.ear(4), lesson.fresh_model().model.encoder
    assert torch.equal(short.embed_positions.weight, whole.embed_positions.weight[:200])
    assert [state.shape for state in lesson.encode(short, ROWS)] == [(200, 512)] * 2
    assert [state.shape for state in lesson.encode(whole, ROWS[:1])] == [(1500, 512)]


def test_a_mean_of_weights_lies_between_old_and_new(lesson):
    old, new = {"weight": torch.tensor([0.0, 2.0])}, {"weight": torch.tensor([1.0, 4.0])}
    for share, between in ((0.0, [0.0, 2.0]), (0.5, [0.5, 3.0]), (1.0, [1.0, 4.0])):
        assert lesson.mean_of_weights(old, new, share)["weight"].tolist() == between


def test_the_score_is_the_normalised_word_error_rate(lesson, processor):
    def ids(texts):
        return processor.tokenizer(texts, padding=True, return_tensors="np").input_ids

    labels = ids(["Une Gonarthrose !", "Rien."])
    labels = np.where(labels == processor.tokenizer.pad_token_id, -100, labels)
    evaluation = SimpleNamespace(label_ids=labels, predictions=ids(["une gonarthrose", "rien du"]))
    assert lesson.score(evaluation) == {"wer": 1 / 3}


class PowerCut(TrainerCallback):
    def on_save(self, args, state, control, **_):
        control.should_training_stop = True


@pytest.fixture
def tiny():
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16}
    sizes |= {"decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}

    def build():
        torch.manual_seed(0)
        return WhisperForConditionalGeneration(WhisperConfig(**sizes))

    return build


def test_an_interrupted_training_resumes_to_the_same_loss(lesson, processor, tiny, tmp_path):
    rows = [{**row, "states": torch.randn(100, 16).half()} for row in ROWS * 4]
    collator = lesson.DataCollatorEncoded(processor, 50258)

    def train(name, callbacks=(), resume=False):
        arguments = Seq2SeqTrainingArguments(
            output_dir=tmp_path / name, max_steps=4, save_steps=2, logging_steps=1, seed=42, report_to="none",
            per_device_train_batch_size=2, remove_unused_columns=False, label_names=["labels"],
            disable_tqdm=True, dataloader_pin_memory=False, use_cpu=True, learning_rate=1e-2,
        )  # fmt: skip
        run = Seq2SeqTrainer(
            model=tiny(), args=arguments, train_dataset=rows, data_collator=collator, callbacks=[*callbacks]
        )
        run.train(resume_from_checkpoint=resume)
        return {entry["step"]: entry["loss"] for entry in run.state.log_history if "loss" in entry}

    whole = train("whole")
    first = train("cut", [PowerCut()])
    assert list(first) == [1, 2]
    resumed = train("cut", resume=True)
    assert resumed == pytest.approx(whole, rel=1e-4)
    assert whole[4] < whole[1]
