"""What lesson 5 writes in its own cells, executed from the cells tagged "tested", and resuming a training."""

import itertools
import json
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from datasets import Audio, Dataset, load_dataset
from transformers import (
    GenerationConfig,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from helpers import audio, catalog, corpus, course
from tests import cells
from tools import bench_training
from tools.notebooks import NOTEBOOKS

START = 50258


@pytest.fixture(scope="module")
def checkpoint():
    return catalog.model("openai/whisper-base")


@pytest.fixture(scope="module")
def processor(checkpoint):
    return WhisperProcessor.from_pretrained(checkpoint, language="french", task="transcribe")


@pytest.fixture(scope="module")
def lesson(processor, checkpoint, tmp_path_factory):
    return cells.tested(
        "05_whisper_fine_tuning",
        audio=audio,
        catalog=catalog,
        course=course,
        tempfile=tempfile,
        Path=Path,
        processor=processor,
        checkpoint=checkpoint,
        language="french",
        groups={},
        runs=SimpleNamespace(name=str(tmp_path_factory.mktemp("runs"))),
        WhisperProcessor=WhisperProcessor,
    )


@pytest.fixture(scope="module")
def shipped():
    rows = load_dataset(**catalog.data("french-medical"), split="train")
    return rows.cast_column("audio", Audio(decode=False))


def tone(seconds):
    samples = 0.1 * np.sin(np.arange(round(16_000 * seconds)) / 20)
    return audio.encode(samples, format="wav")


@pytest.fixture(scope="module")
def rows(lesson):
    """Two rows as the lesson trains on: what `prepare_dataset` makes of a short and a longer clip."""
    told = [("un.wav", 1, "Une gonarthrose."), ("deux.wav", 2, "Une arthroplastie totale du genou.")]
    raw = [
        {"audio": {"path": path, "bytes": tone(seconds)}, "sentence": text} for path, seconds, text in told
    ]
    data = Dataset.from_list(raw).map(lesson.prepare_dataset, remove_columns="audio")
    return data.with_format("torch", columns=["input_features"], output_all_columns=True)


def test_the_shipped_set_becomes_a_folder_that_the_check_takes(lesson, shipped, tmp_path):
    folder = lesson.write_folder(shipped, tmp_path / "medical")
    pairs = corpus.pairs(folder)
    assert [row["sentence"] for row in pairs] == shipped["sentence"][:]
    assert (folder / "audio" / "226.ogg").read_bytes() == shipped[225]["audio"]["bytes"]
    train, test = lesson.split(pairs)
    assert (len(train), len(test)) == (180, 46)
    assert lesson.split(pairs) == [train, test]


def test_a_folder_that_is_there_is_left_alone(lesson, shipped, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    with pytest.raises(FileExistsError, match="mine exists already: name a new folder"):
        lesson.write_folder(shipped.select(range(2)), tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["kept"]


def test_ten_pairs_can_be_split_and_nine_cannot(lesson):
    pairs = [{"audio": f"{number}.wav", "sentence": str(number)} for number in range(10)]
    train, test = lesson.split(pairs)
    assert (len(train), len(test)) == (8, 2)
    assert sorted(row["sentence"] for row in train + test) == [row["sentence"] for row in pairs]
    with pytest.raises(ValueError, match=r"9 pairs are too few .* record at least ten"):
        lesson.split(pairs[:9])


def test_the_last_voice_is_set_aside_and_without_voices_the_first_fifth(lesson):
    numbers = ["1", "2", "3", "4", "5", "6"]
    voices = {"1": "a", "2": "b", "3": "a", "5": "b", "6": "a", "7": "c"}
    assert lesson.set_aside(numbers, voices) == ([0, 2, 3, 5], [1, 4], "b")
    assert lesson.set_aside(numbers, {"1": "a", "2": "a"}) == ([1, 2, 3, 4, 5], [0], None)
    assert lesson.set_aside(numbers, {}) == ([1, 2, 3, 4, 5], [0], None)
    many = [str(number) for number in range(180)]
    train, validation, _ = lesson.set_aside(many, {})
    assert (len(train), validation) == (164, list(range(16)))
    train, validation, _ = lesson.set_aside(many, {number: "ab"[int(number) < 30] for number in many})
    assert (len(train), len(validation)) == (150, 24)


def test_a_prompt_takes_as_many_terms_as_fit(lesson, processor):
    terms = ["hernie", "gonarthrose", "arthroplastie"]
    assert lesson.prompt_of(terms) == "hernie, gonarthrose, arthroplastie"
    room = len(processor.tokenizer("hernie, gonarthrose", add_special_tokens=False).input_ids)
    assert lesson.prompt_of(terms, room) == "hernie, gonarthrose"
    assert lesson.prompt_of([]) == lesson.prompt_of(terms, room=1) == ""


def test_the_share_is_the_best_for_both_kinds_of_speech(lesson):
    sweep = {0: (0.35, 0.10), 0.5: (0.25, 0.11), 0.7: (0.20, 0.12), 1: (0.15, 0.19)}
    sweep = {share: {"WER": rate, "WER, everyday": everyday} for share, (rate, everyday) in sweep.items()}
    assert lesson.best_share(sweep) == 0.7
    assert lesson.best_share({share: {"WER": row["WER"]} for share, row in sweep.items()}) == 1
    assert lesson.best_share({0: {"WER": 0.2}, 0.5: {"WER": 0.2}}) == 0


def test_a_row_gets_what_the_model_reads_and_writes(rows, processor):
    row = rows[1]
    assert row["input_features"].shape == (80, 3000)
    assert row["seconds"] == 2
    assert row["labels"][0] == START
    text = processor.tokenizer.decode(row["labels"], skip_special_tokens=True)
    assert text == row["sentence"] == "Une arthroplastie totale du genou."


def test_a_missing_clip_is_told_by_name(lesson):
    with pytest.raises(audio.AudioError, match=r"There is no file nowhere\.wav"):
        lesson.prepare_dataset({"audio": {"bytes": None, "path": "nowhere.wav"}, "sentence": "Rien."})


def test_labels_end_with_the_end_of_text_and_padding_is_left_out(lesson, processor, rows):
    batch = lesson.DataCollatorSpeechSeq2Seq(processor, START)([rows[0], rows[1]])
    labels = batch["labels"]
    assert batch["input_features"].shape == (2, 80, 3000)
    short = labels[0][labels[0] != -100]
    assert short[-1] == processor.tokenizer.eos_token_id == processor.tokenizer.pad_token_id
    assert labels[0][-1] == -100
    assert labels[1][-1] == processor.tokenizer.eos_token_id
    assert processor.tokenizer.decode(short, skip_special_tokens=True) == "Une gonarthrose."


def test_the_start_token_is_cut_and_the_language_stays(lesson, processor, rows):
    labels = lesson.DataCollatorSpeechSeq2Seq(processor, START)([rows[0]])["labels"]
    tokens = processor.tokenizer.convert_ids_to_tokens(labels[0, :3])
    assert tokens == ["<|fr|>", "<|transcribe|>", "<|notimestamps|>"]
    kept = lesson.DataCollatorSpeechSeq2Seq(processor, start_token=1)([rows[0]])["labels"]
    assert kept[0, 0] == START


def test_stored_states_take_the_place_of_sound(lesson, processor, rows):
    states = torch.ones(100, 4, dtype=torch.float16)
    encoded = [{"encoder_outputs": states, "labels": row["labels"]} for row in rows]
    batch = lesson.DataCollatorEncoded(processor, START)(encoded)
    assert batch["encoder_outputs"].last_hidden_state.shape == (2, 100, 4)
    assert batch["encoder_outputs"].last_hidden_state.dtype == torch.float32
    sound = lesson.DataCollatorSpeechSeq2Seq(processor, START)([rows[0], rows[1]])
    assert torch.equal(batch["labels"], sound["labels"])


def test_a_short_window_has_the_first_positions_of_a_long_one(lesson, rows):
    short, whole = lesson.short_encoder(4), lesson.fresh_model().model.encoder
    assert torch.equal(short.embed_positions.weight, whole.embed_positions.weight[:200])
    encoded = lesson.encode(short, rows)
    assert [row["encoder_outputs"].shape for row in encoded] == [(200, 512)] * 2
    assert [row["labels"] for row in encoded] == rows["labels"][:]
    assert lesson.encode(whole, rows.select([0]))[0]["encoder_outputs"].shape == (1500, 512)


def test_sound_and_stored_states_give_the_same_text(lesson, processor, shipped):
    data = shipped.select([0]).map(lesson.prepare_dataset, remove_columns=["audio", "number"])
    data = data.with_format("torch", columns=["input_features"], output_all_columns=True)
    model = lesson.fresh_model()
    heard = lesson.transcribe(model, data, lesson.DataCollatorSpeechSeq2Seq(processor, START))
    encoded = lesson.encode(model.model.encoder, data)
    assert lesson.transcribe(model, encoded, lesson.DataCollatorEncoded(processor, START)) == heard
    assert heard[0].startswith("La radiographie du genou")


def test_only_the_decoder_learns_and_not_its_embeddings(lesson, tiny):
    names = {name for name, weight in lesson.freeze_all_but_decoder(tiny()).named_parameters()
             if weight.requires_grad}  # fmt: skip
    assert names and all(name.startswith("model.decoder.") for name in names)
    assert not any("embed_tokens" in name for name in names)


def test_bfloat16_is_taken_where_it_is_measured_to_be_faster(lesson, monkeypatch):
    clock = iter([0, 1.0, 1.0, 1.6])  # float32 takes 1 s, bfloat16 0.6 s
    monkeypatch.setattr(lesson.time, "perf_counter", lambda: next(clock))
    assert lesson.bfloat16_pays(size=2, times=1)
    clock = iter([0, 1.0, 1.0, 1.9])
    assert not lesson.bfloat16_pays(size=2, times=1)


def test_a_mean_of_weights_lies_between_old_and_new(lesson):
    old, new = {"weight": torch.tensor([0.0, 2.0])}, {"weight": torch.tensor([1.0, 4.0])}
    for share, between in ((0.0, [0.0, 2.0]), (0.5, [0.5, 3.0]), (1.0, [1.0, 4.0])):
        assert lesson.mean_of_weights(old, new, share)["weight"].tolist() == between
    assert new["weight"].tolist() == [1.0, 4.0]


def test_the_score_of_the_trainer_is_the_normalised_word_error_rate(lesson, processor):
    def ids(texts):
        return processor.tokenizer(texts, padding=True, return_tensors="np").input_ids

    labels = ids(["Une Gonarthrose !", "Rien."])
    labels = np.where(labels == processor.tokenizer.pad_token_id, -100, labels)
    evaluation = SimpleNamespace(label_ids=labels, predictions=ids(["une gonarthrose", "rien du"]))
    assert lesson.compute_metrics(evaluation) == {"wer": 1 / 3}


def test_the_report_counts_terms_where_there_are_any(lesson):
    targets, texts = ["Une gonarthrose.", "Deux gonarthroses !"], ["Une gonarthrose.", "Deux genoux."]
    lesson.groups.clear()
    figures = {"WER, as written": 2 / 5, "WER": 1 / 4, "CER": 9 / 32}
    assert lesson.report(targets, texts) == pytest.approx(figures)
    lesson.groups |= {"trained terms": ["gonarthrose", "gonarthroses"], "new terms": ["hernie"]}
    found = lesson.report(targets, texts)
    lesson.groups.clear()
    assert found["trained terms"] == (1, 2)
    assert "new terms" not in found


def test_a_term_is_counted_as_a_whole(lesson):
    sentences = lesson.normalised(["Hernie, hernie hiatale et hernies.", "L'hernie."])
    assert lesson.occurrences("hernie", sentences) == 3
    assert lesson.occurrences("Hernie hiatale", sentences) == 1
    assert lesson.occurrences("hiat", sentences) == 0


@pytest.fixture
def tiny():
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16}
    sizes |= {"decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}

    def build():
        torch.manual_seed(0)
        return WhisperForConditionalGeneration(WhisperConfig(**sizes))

    return build


def test_a_few_steps_from_sound_and_by_lora(lesson, processor, rows, tiny):
    collator = lesson.DataCollatorSpeechSeq2Seq(processor, START)
    for model in (tiny(), lesson.get_peft_model(tiny(), lesson.LORA)):
        before = {name: weight.clone() for name, weight in model.named_parameters()}
        run = lesson.few_steps(model, rows, collator, 2, learning_rate=1e-2)
        run.train()
        assert run.state.global_step == 2
        assert any(not torch.equal(before[name], weight) for name, weight in model.named_parameters())


class PowerCut(TrainerCallback):
    def on_save(self, args, state, control, **_):
        control.should_training_stop = True


def test_an_interrupted_training_resumes_to_the_same_loss(lesson, processor, rows, tiny, tmp_path):
    encoded = [{"encoder_outputs": torch.randn(100, 16).half(), "labels": row["labels"]} for row in rows] * 4
    collator = lesson.DataCollatorEncoded(processor, START)

    def train(name, callbacks=(), resume=False):
        arguments = Seq2SeqTrainingArguments(
            output_dir=tmp_path / name, max_steps=4, save_steps=2, logging_steps=1, seed=42, report_to="none",
            per_device_train_batch_size=2, disable_tqdm=True, dataloader_pin_memory=False, use_cpu=True,
            learning_rate=1e-2,
        )  # fmt: skip
        run = Seq2SeqTrainer(
            model=tiny(),
            args=arguments,
            train_dataset=encoded,
            data_collator=collator,
            callbacks=[*callbacks],
        )
        run.train(resume_from_checkpoint=resume)
        return {entry["step"]: entry["loss"] for entry in run.state.log_history if "loss" in entry}

    whole = train("whole")
    first = train("cut", [PowerCut()])
    assert list(first) == [1, 2]
    resumed = train("cut", resume=True)
    assert resumed == pytest.approx(whole, rel=1e-4)
    assert whole[4] < whole[1]


def test_a_converted_folder_transcribes_alone(lesson, processor, shipped, tmp_path):
    from faster_whisper import WhisperModel

    lesson.fresh_model().save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    folder = lesson.to_ctranslate2(tmp_path / "saved", tmp_path / "int8", "int8")
    names = {path.name for path in folder.iterdir()}
    assert {"model.bin", "config.json", "tokenizer.json", "preprocessor_config.json"} <= names
    assert (folder / "model.bin").stat().st_size < 90e6
    engine = WhisperModel(str(folder), device="cpu", compute_type="int8")
    segments, _ = engine.transcribe(audio.read(shipped[0]["audio"]), language="fr", beam_size=1)
    assert re.match(r"\s*La radiographie du genou", "".join(segment.text for segment in segments))


def test_a_conversion_refuses_what_is_there_and_what_is_not_whole(lesson, tmp_path):
    (tmp_path / "saved").mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no tokenizer\.json: save the processor there too"):
        lesson.to_ctranslate2(tmp_path / "saved", tmp_path / "int8", "int8")
    (tmp_path / "saved" / "tokenizer.json").touch()
    with pytest.raises(FileExistsError, match="saved exists already: name a new folder"):
        lesson.to_ctranslate2(tmp_path / "saved", tmp_path / "saved", "int8")
    assert [path.name for path in tmp_path.rglob("*")] == ["saved", "tokenizer.json"]


def stored(part):
    return json.loads(bench_training.STORES[part].read_text(encoding="utf-8"))


def test_the_lesson_trains_with_the_settings_that_the_sweep_chose(lesson):
    start, *rows = stored("sweep")["rows"]
    assert [(row["steps"], row["rate"]) for row in rows] == bench_training.SETTINGS

    def lowest(row):
        shares = start["shares"] | row["shares"]
        return min(figures["WER"] + figures["WER, everyday"] for figures in shares.values())

    best = min(rows, key=lowest)
    source = (NOTEBOOKS / "source" / "05_whisper_fine_tuning.py").read_text(encoding="utf-8")
    steps, rate = re.search(r"max_steps=(\d+), seed=42, learning_rate=([\d.e-]+),", source).groups()
    assert (int(steps), float(rate)) == (best["steps"], best["rate"]) == bench_training.CHOSEN


def test_more_clips_are_more_minutes_and_every_amount_is_judged_by_the_same_terms():
    rows = stored("data")["rows"]
    assert [row["clips"] for row in rows] == [0] + [146 // part for part in bench_training.PARTS]
    for less, more in itertools.pairwise(rows):
        assert less["minutes"] < more["minutes"] and less["terms trained"] < more["terms trained"]
    assert len({row["trained terms"][1] for row in rows}) == 1
    for row in rows:
        low, high = row["WER interval"]
        assert low < row["WER"] < high and row["trained terms"][0] <= row["trained terms"][1]


def test_stored_states_train_eight_times_as_many_samples_a_second():
    ways = stored("training")["ways"]
    assert {"all weights", "encoder once", "LoRA"} <= set(ways) <= set(bench_training.WAYS)
    assert ways["encoder once"]["samples a second"] > 8 * ways["all weights"]["samples a second"]


@pytest.fixture(scope="module")
def turkish():
    rows = load_dataset(**catalog.data("google/fleurs", "tr_tr"), split="train")
    return rows.cast_column("audio", Audio(decode=False)).select(range(10))


def recorded(lesson, rows, folder):
    """A learner's folder: clips and texts, nothing else."""
    told = [
        {"number": f"{place:02}", "audio": row["audio"], "sentence": row["raw_transcription"]}
        for place, row in enumerate(rows)
    ]
    return lesson.write_folder(told, folder)


def whole_lesson(folder, language, checkpoint):
    """All code of the lesson, solutions included, with two lines changed, and the checkpoint: a tiny one."""
    cells_ = jupytext.read(NOTEBOOKS / "source" / "05_whisper_fine_tuning.py").cells
    code = [c for c in cells_ if c.cell_type == "code" and "wrong" not in c.metadata.get("tags", [])]
    changes = {
        'folder = Path(runs.name) / "medical"': f"folder = Path({str(folder)!r})",
        'language = "french"': f"language = {language!r}",
        'checkpoint = catalog.model("openai/whisper-base")': f"checkpoint = {str(checkpoint)!r}",
    }
    names = {"__name__": "lesson"}
    for cell in code:
        source = cell.source
        for line in [line for line in changes if line in source]:
            source = source.replace(line, changes.pop(line))
        exec(compile(source, "lesson 5", "exec"), names)
    assert not changes
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def tiny_checkpoint(processor, checkpoint, tmp_path_factory):
    """A random Whisper of one narrow layer that soon ends its texts, saved with its processor."""
    folder = tmp_path_factory.mktemp("tiny")
    sizes = {"d_model": 64, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32}
    sizes |= {"decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"decoder_start_token_id": START}
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(WhisperConfig(**sizes))
    end = model.model.decoder.embed_tokens.weight[processor.tokenizer.eos_token_id]
    model.model.decoder.layer_norm.bias.data += 28 * end.detach()
    model.generation_config = GenerationConfig.from_pretrained(checkpoint)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_ten_recordings_of_ones_own_run_the_whole_lesson(
    lesson, turkish, tiny_checkpoint, tmp_path, monkeypatch
):
    kept = tmp_path / "kept"
    monkeypatch.setattr(course, "mine", lambda name: kept / name)
    folder = recorded(lesson, turkish, tmp_path / "my-recordings")
    found = whole_lesson(folder, "turkish", tiny_checkpoint)
    assert {name: part.num_rows for name, part in found.parts.items()} == {
        "train": 7, "validation": 1, "test": 2
    }  # fmt: skip
    assert found.code == "tr" and found.terms == [] and found.voice is None
    assert found.second.state.global_step == found.quick.max_steps
    assert found.second.state.log_history[0]["loss"] > found.second.state.log_history[-3]["loss"]
    assert set(found.scores) == {"before", "trained"}
    assert found.again == found.after["test"]
    heard, figures = found.judge(found.plain.model, found.data, found.collator)  # as on a GPU, from sound
    assert len(heard["test"]) == 2 and {"WER", "CER"} <= figures.keys()
    assert (kept / "whisper-medical-ctranslate2" / "model.bin").is_file()
    assert sorted(path.name for path in folder.iterdir()) == ["audio", "reports"]


def test_one_recording_too_few_is_told(lesson, turkish, tmp_path):
    folder = recorded(lesson, turkish.select(range(9)), tmp_path / "my-recordings")
    with pytest.raises(ValueError, match=r"9 pairs are too few .* record at least ten"):
        whole_lesson(folder, "turkish", tmp_path)
