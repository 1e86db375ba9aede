"""The scripts that learners take with them: alone, on a folder, without the course's helpers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    pipeline,
)

from helpers import audio, catalog

SCRIPTS = Path(__file__).parents[1] / "notebooks" / "scripts"


def run(script, *arguments, folder, by=(sys.executable, "-I")):
    """Run a script in another folder, where no `helpers` can be imported."""
    ran = subprocess.run(
        [*by, str(SCRIPTS / script), *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_a_script_needs_nothing_of_the_course(script):
    text = (SCRIPTS / script).read_text(encoding="utf-8")
    assert not re.search(r"\bhelpers\b|\btools\b", text)
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 10 <= len(lines) <= 75


def test_a_folder_becomes_texts_and_subtitles(speech, tmp_path):
    for name in ("a.mp3", "b.WAV"):
        format = name[-3:].lower()
        (tmp_path / name).write_bytes(audio.encode(speech, format=format))
    (tmp_path / "notes.md").write_text("no sound")
    arguments = [tmp_path, "--model", catalog.model("openai/whisper-base"), "--language", "english"]
    said = run("transcribe_folder.py", *arguments, folder=tmp_path)
    assert said.count("\n") == 2
    for name in ("a", "b"):
        assert len((tmp_path / f"{name}.txt").read_text(encoding="utf-8").split()) > 5
        assert re.match(r"1\n00:00:00,\d{3} --> 00:00:\d\d,\d{3}\n\w", (tmp_path / f"{name}.srt").read_text())
    assert run("transcribe_folder.py", *arguments, folder=tmp_path) == ""


def test_words_come_with_times_and_confidence(speech, tmp_path):
    (tmp_path / "a.wav").write_bytes(audio.encode(speech, format="wav"))
    model = catalog.model("facebook/wav2vec2-base-100h")
    said = run("words_with_confidence.py", tmp_path / "a.wav", "--model", model, folder=tmp_path)
    head, *rows = [line.split("\t") for line in said.splitlines()]
    assert head == ["start", "end", "word", "confidence", "unsure"]
    assert len(rows) > 5
    times = [float(row[0]) for row in rows]
    assert times == sorted(times) and times[-1] < len(speech) / 16_000
    assert all(0 < float(row[3]) <= 1 and (row[4] == "*") == (float(row[3]) < 0.6) for row in rows)


LAUNCH = (Path(sys.executable).parent / "accelerate", "launch", "--cpu", "--num_processes", "2")
LAUNCH += ("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
ALONE = (sys.executable, "-I")


@pytest.fixture(scope="module")
def tiny_whisper(tmp_path_factory):
    """A random Whisper of one narrow layer, in a folder as `save_pretrained` writes, in float16."""
    folder, base = tmp_path_factory.mktemp("tiny"), catalog.model("openai/whisper-base")
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16}
    sizes |= {"decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(WhisperConfig(decoder_start_token_id=50258, **sizes))
    model.generation_config = GenerationConfig.from_pretrained(base)
    model.half().save_pretrained(folder)
    WhisperProcessor.from_pretrained(base).save_pretrained(folder)
    return folder


def recorded(folder, clips, table=False):
    """A learner's folder of tones: audio/NN.wav and reports/NN.txt, or a metadata.csv."""
    (folder / "audio").mkdir(parents=True)
    (folder / "reports").mkdir()
    for place in range(clips):
        samples = 0.1 * torch.sin(torch.arange(16_000) / (20 + place)).numpy()
        (folder / "audio" / f"{place:02}.wav").write_bytes(audio.encode(samples, format="wav"))
        if not table:
            (folder / "reports" / f"{place:02}.txt").write_text(f"Ton numéro {place}.", encoding="utf-8")
    if table:
        lines = [f"audio/{place:02}.wav,Ton numéro {place}." for place in range(clips)]
        (folder / "metadata.csv").write_text("\n".join(["file_name,sentence", *lines]), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("by", "more"), [(ALONE, []), (LAUNCH, []), (LAUNCH, ["--lora"])])
def test_a_folder_fine_tunes_whisper_alone_and_by_two_processes(
    by, more, tiny_whisper, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = recorded(tmp_path / "mine", 12, table=by is ALONE)
    arguments = [folder, "out", "--language", "french", "--model", tiny_whisper, "--batch", 2, "--rate", 1e-2]
    said = run("finetune_whisper.py", *arguments, "--steps", 2, *more, folder=tmp_path, by=by)
    assert said.count("out: trained on 10 clips, loss ") == 1  # one process of the two tells and saves
    if not more:
        run("finetune_whisper.py", *arguments, "--steps", 3, "--resume", folder=tmp_path, by=by)
        assert (tmp_path / "out" / "checkpoint-3").is_dir()
    trained = WhisperForConditionalGeneration.from_pretrained(tmp_path / "out")
    untouched = WhisperForConditionalGeneration.from_pretrained(tiny_whisper, dtype=torch.float32)
    name = "model.decoder.layers.0.self_attn.q_proj.weight"
    assert trained.dtype == torch.float32
    assert not torch.equal(trained.state_dict()[name], untouched.state_dict()[name])
    assert not any("lora" in name for name in trained.state_dict())
    assert trained.generation_config.language == "french"
    asr = pipeline("automatic-speech-recognition", model=str(tmp_path / "out"))
    assert "text" in asr({"raw": torch.zeros(16_000).numpy(), "sampling_rate": 16_000}, max_new_tokens=2)


def test_too_few_recordings_and_a_long_one_are_told(tiny_whisper, tmp_path):
    folder = recorded(tmp_path / "mine", 9)
    arguments = [folder, "out", "--language", "french", "--model", tiny_whisper, "--steps", 1, "--batch", 9]
    with pytest.raises(AssertionError, match=r"9 recordings in .*mine are too few: record at least ten"):
        run("finetune_whisper.py", *arguments, folder=tmp_path)
    (folder / "reports" / "09.txt").write_text("Trop long.", encoding="utf-8")
    long = audio.encode(torch.zeros(31 * 16_000).numpy(), format="wav")
    (folder / "audio" / "09.wav").write_bytes(long)
    with pytest.raises(AssertionError, match=r"09\.wav is longer than 30 s"):
        run("finetune_whisper.py", *arguments, folder=tmp_path)
