"""The scripts that learners take with them: alone, on a folder, without the course's helpers."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
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


ARPA = """\\data\\
ngram 1=4
ngram 2=1

\\1-grams:
-99\t<s>\t0
-2\t<unk>
-0.5\t{}\t0
-0.5\t</s>\t0

\\2-grams:
-0.3\t<s> {}

\\end\\
"""


def test_a_folder_is_written_by_letters(speech, tmp_path):
    (tmp_path / "a.mp3").write_bytes(audio.encode(speech, format="mp3"))
    (tmp_path / "notes.md").write_text("no sound")
    arguments = [tmp_path, "--model", catalog.model("facebook/wav2vec2-base-100h")]
    name, text = run("transcribe_ctc.py", *arguments, folder=tmp_path).rstrip("\n").split("\t")
    assert name == "a.mp3" and len(text.split()) > 5
    # A language model whose only word is the first one that was heard leaves that word as it is.
    first = text.split()[0]
    (tmp_path / "one.arpa").write_text(ARPA.format(first, first), encoding="utf-8")
    helped = run("transcribe_ctc.py", *arguments, "--arpa", tmp_path / "one.arpa", folder=tmp_path)
    assert helped.startswith(f"a.mp3\t{first} ")


def test_a_long_recording_is_written_whole(speech, tmp_path):
    times = 1 + 25 * 16_000 // len(speech)
    (tmp_path / "a.wav").write_bytes(audio.encode(speech, format="wav"))
    (tmp_path / "b.wav").write_bytes(audio.encode(np.tile(speech, times), format="wav"))
    arguments = [tmp_path, "--model", catalog.model("facebook/wav2vec2-base-100h")]
    one, many = (
        line.split("\t")[1] for line in run("transcribe_ctc.py", *arguments, folder=tmp_path).splitlines()
    )
    assert len(many.replace(" ", "")) == pytest.approx(times * len(one.replace(" ", "")), rel=0.05)
