"""The scripts that learners take with them: alone, on a folder, without the course's helpers."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import audio, catalog

SCRIPTS = Path(__file__).parents[1] / "notebooks" / "scripts"


def run(script, *arguments, folder):
    """Run a script in another folder, where no `helpers` can be imported."""
    ran = subprocess.run(
        [sys.executable, "-I", str(SCRIPTS / script), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
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


def test_a_table_of_texts_becomes_a_classifier(tmp_path):
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, pipeline, set_seed

    tokenizer = AutoTokenizer.from_pretrained(catalog.model("google-bert/bert-base-uncased"))
    set_seed(0)
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertForSequenceClassification(BertConfig(**size)).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    with open(tmp_path / "films.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        kinds = {"good": "a warm, clever film", "bad": "a dull, cold film", "none": "opens on Friday"}
        table.writerows([f"{text}, number {n}", kind] for n in range(40) for kind, text in kinds.items())
    arguments = ["films.csv", "made", "--model", tmp_path / "tiny", "--rate", "1e-3", "--epochs", "12"]
    said = run("finetune_bert.py", *arguments, folder=tmp_path)
    assert "96 to learn from, 12 to choose the state, 12 to judge it" in said
    assert "always the same answer: 4 of 12 right" in said and "TF-IDF: 12 of 12 right" in said
    assert int(re.search(r"fine-tuned: (\d+) of 12 right", said)[1]) >= 11
    classify = pipeline("text-classification", model=str(tmp_path / "made"))
    assert [each["label"] for each in classify([f"{text}, number 7" for text in kinds.values()])] == list(
        kinds
    )
