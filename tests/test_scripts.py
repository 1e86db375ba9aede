"""The scripts that learners take with them: alone, on a folder, without the course's helpers."""

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


@pytest.fixture
def recordings(speech, tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("a.mp3", "b.WAV", "c.flac"):
        (folder / name).write_bytes(audio.encode(speech, format=name[2:].lower()))
    (folder / "notes.md").write_text("no sound")
    return folder


def test_long_recordings_are_taken_up_where_they_stopped(recordings, tmp_path):
    arguments = [recordings, "--model", catalog.model("Systran/faster-whisper-base"), "--language", "en"]
    (recordings / "a.mp3.srt.part").write_text("half a file of a run that was stopped")
    assert run("transcribe_long.py", *arguments, folder=tmp_path).count("->") == 3
    for name in ("a.mp3", "b.WAV", "c.flac"):
        assert len((recordings / f"{name}.txt").read_text(encoding="utf-8").split()) > 5
        subtitles = (recordings / f"{name}.srt").read_text(encoding="utf-8")
        assert re.match(r"1\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\n\w", subtitles)
    assert not list(recordings.glob("*.part"))
    (recordings / "b.WAV.txt").unlink()
    assert run("transcribe_long.py", *arguments, folder=tmp_path).count("->") == 1


def test_a_recording_that_cannot_be_read_does_not_stop_the_others(recordings, tmp_path):
    (recordings / "b.WAV").write_bytes(b"no sound at all")
    command = [sys.executable, "-I", str(SCRIPTS / "transcribe_long.py"), str(recordings), "--language", "en"]
    command += ["--model", catalog.model("Systran/faster-whisper-base")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stdout.count("->") == 2
    assert "b.WAV: not transcribed" in ran.stderr


def test_a_folder_without_recordings_is_told(tmp_path):
    command = [sys.executable, "-I", str(SCRIPTS / "transcribe_long.py"), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1 and "No recording in" in ran.stderr


def test_two_processes_share_the_recordings(recordings, tmp_path):
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    script = [str(SCRIPTS / "transcribe_long.py"), str(recordings), "--language", "en"]
    model = ["--model", catalog.model("Systran/faster-whisper-base")]
    ran = subprocess.run([*launch, *script, *model], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("->") == 3, "each recording is transcribed by one process only"
    assert len(list(recordings.glob("*.txt"))) == 3
