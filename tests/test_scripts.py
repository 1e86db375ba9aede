"""The scripts that learners take with them: alone, on a folder, without the course's helpers."""

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from helpers import audio, catalog
from tests.browser.chromium import Chromium

SCRIPTS = Path(__file__).parents[1] / "notebooks" / "scripts"
LONGEST = {"live.py": 160}
"""Lines of a script that holds a web page as well."""


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
    assert 10 <= len(lines) <= LONGEST.get(script, 75)


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
def served(tmp_path):
    """live.py as somebody starts it, by the address that it prints; it must end on Ctrl+C, quietly."""
    model = catalog.model("Systran/faster-whisper-base")
    command = [sys.executable, "-I", str(SCRIPTS / "live.py"), "--model", model, "--language", "en"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=tmp_path, **pipes)
    try:
        yield re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/\?token=\S+)\n", process.stdout.readline())[1]
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
        assert (said, errors, process.returncode) == ("Ended.\n", "", 0)
    finally:
        process.kill()


def ask(address, what, samples=(), session="a", rate=16_000):
    """Status and answer of a request as the page of live.py sends it."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.netloc, timeout=60)
    where = f"/{what}?{place.query}&id={session}&rate={rate}"
    connection.request("POST" if what else "GET", where, np.asarray(samples, "<f4").tobytes() or None)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_page_hears_sound_and_what_it_confirms_stays(served, speech):
    assert ask(served, "")[0] == 200 and ask(served.split("?")[0] + "?token=wrong", "")[0] == 403
    sound = np.concatenate([speech, np.zeros(20_000, np.float32)])
    shown, silent = "", json.loads(ask(served, "hear", np.zeros(32_000), session="b")[1])
    for begin in range(0, len(sound), 8_000):
        answer = json.loads(ask(served, "hear", sound[begin : begin + 8_000])[1])
        said = " ".join([*(cue[2] for cue in answer["cues"]), answer["sure"].strip()]).strip()
        assert said.startswith(shown), f"{shown!r} became {said!r}"
        shown = said
    assert len(shown.split()) > 5
    (cue,) = json.loads(ask(served, "end")[1])["cues"]
    assert cue[2] == shown and 0 <= cue[0] < cue[1] < len(sound) / 16_000 + 1
    assert silent == {"cues": [], "sure": "", "guess": ""}


def test_the_page_of_the_script_in_a_browser(served, speech, tmp_path):
    file = tmp_path / "speech.wav"
    file.write_bytes(audio.encode(np.concatenate([speech, np.zeros(24_000)]), format="wav"))
    options = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with Chromium(options=[*options, f"--use-file-for-fake-audio-capture={file}%noloop"]) as browser:
        browser("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        browser.goto(served)
        browser.run("go.click()")
        browser.until("sure.textContent.split(' ').length > 6", 120)
        browser.run("go.click()")
        browser.until("document.getElementById('vtt') !== null", 60)
        for kind in ("txt", "srt", "vtt"):
            browser.run(f"document.getElementById('{kind}').click()")
        own, deadline = f"http://{urlsplit(served).netloc}/", time.monotonic() + 30
        while not all((tmp_path / f"live.{kind}").exists() for kind in ("txt", "srt", "vtt")):
            assert time.monotonic() < deadline, "a file was not downloaded"
            time.sleep(0.1)
        assert [url for url in browser.outside() if not url.startswith(own)] == []
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:\d\d,\d{3}\n\w", (tmp_path / "live.srt").read_text())
    assert re.match(
        r"WEBVTT\n\n00:00:0\d\.\d{3} --> 00:00:\d\d\.\d{3}\n", (tmp_path / "live.vtt").read_text()
    )
