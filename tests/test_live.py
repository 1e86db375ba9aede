"""The page for the microphone: its server, with a listener that needs no model, and in a real browser.

The lesson's own listener behind the page is tested in test_lesson_08.py.
"""

import http.client
import json
import threading
import time
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from helpers import audio, live, loopback, subtitles
from helpers.segments import captions
from tests.browser.chromium import Chromium

RATE = audio.SAMPLE_RATE
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


class Counting:
    """Confirms a number for every second of sound, and guesses the next one."""

    def __init__(self, language, task):
        self.language, self.task, self.samples, self.words, self.times = language, task, 0, [], []
        self.tentative, self.peak = "", 0.0

    def hear(self, samples):
        assert samples.dtype == np.float32
        self.samples += len(samples)
        self.peak = max(self.peak, float(np.abs(samples).max(initial=0)))
        while len(self.words) < self.samples // RATE:
            self.times.append((len(self.words), len(self.words) + 1.0))
            self.words.append(f" {len(self.words)}")
        self.tentative = f" {len(self.words)}?"

    def finish(self):
        self.tentative = ""
        self.words.append(" end.")
        self.times.append((self.samples / RATE, self.samples / RATE + 0.5))


@pytest.fixture
def page():
    with live.Page(Counting, ("en", "fr")) as served:
        yield served


def request(page, method, path, body=b"", host=None):
    """Status and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server.port, timeout=20)
    connection.request(method, path, body, {"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def path(page, what, session="a" * 32, **values):
    values = {"rate": RATE, "have": 0, "language": "en", "task": "transcribe"} | values
    pairs = "&".join(f"{name}={value}" for name, value in values.items())
    return f"/{what}?token={page.server.token}&session={session}&{pairs}"


def sound(seconds, rate=RATE):
    return np.zeros(round(seconds * rate), "<f4").tobytes()


def post(page, what, body=b"", **values):
    status, text = request(page, "POST", path(page, what, **values), body)
    assert status == 200, text
    return json.loads(text)


# ---- the server --------------------------------------------------------------------------------------------


def test_the_page_is_one_file_that_loads_nothing(page):
    status, text = request(page, "GET", page.server.path)
    assert status == 200
    assert '["en", "fr"]' in text and "{{" not in text
    assert "http:" not in text.replace("http://127.0.0.1", "") and "https:" not in text and "src=" not in text


def test_words_are_sent_once_and_the_files_at_the_end(page):
    first = post(page, "hear", sound(2.5))
    assert first == {"words": [" 0", " 1"], "tentative": " 2?", "language": "en"}
    assert post(page, "hear", sound(1), have=2)["words"] == [" 2"]
    assert post(page, "hear", have=2)["words"] == [" 2"], "an answer that got lost is given again"
    last = post(page, "stop", have=3)
    assert last["words"] == [" end."] and last["tentative"] == ""
    assert last["txt"] == "0 1 2 end.\n"
    assert last["srt"].startswith("1\n00:00:00,000 --> ") and last["vtt"].startswith("WEBVTT\n\n00:00:00.000")
    assert page.sessions == {}


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_the_browsers_rate_becomes_16_khz(page, rate):
    wave = np.sin(np.arange(3 * rate) * 2 * np.pi * 440 / rate).astype("<f4")
    for begin in range(0, len(wave), rate // 4):
        post(page, "hear", wave[begin : begin + rate // 4].tobytes(), rate=rate)
    (session,) = page.sessions.values()
    post(page, "stop", rate=rate)
    assert abs(session.listener.samples - 3 * RATE) < 100
    assert 0.9 < session.listener.peak < 1.1


def test_several_pages_at_once_do_not_mix(page):
    def talk(session, seconds):
        have = []
        for _ in range(seconds):
            have += post(page, "hear", sound(1), session=session, have=len(have))["words"]
        have += post(page, "stop", session=session, have=len(have))["words"]
        heard[session] = have

    heard = {}
    talks = [threading.Thread(target=talk, args=(f"{n:032x}", n)) for n in range(1, 7)]
    for each in talks:
        each.start()
    for each in talks:
        each.join()
    assert heard == {f"{n:032x}": [*(f" {k}" for k in range(n)), " end."] for n in range(1, 7)}


def test_language_and_task_reach_the_listener(page):
    post(page, "hear", sound(0.1), language="fr", task="translate")
    post(page, "hear", sound(0.1), session="b" * 32, language="auto")
    one, two = (session.listener for session in page.sessions.values())
    assert (one.language, one.task, two.language) == ("fr", "translate", None)


@pytest.mark.parametrize(
    ("what", "values", "body", "status", "says"),
    [
        ("hear", {"language": "xx"}, b"", 400, "No language 'xx'"),
        ("hear", {"task": "sing"}, b"", 400, "no task 'sing'"),
        ("hear", {"rate": 100}, b"", 400, "rate is '100'"),
        ("hear", {"have": "-1"}, b"", 400, "have is '-1'"),
        ("hear", {"have": 3}, b"", 410, "start again"),
        ("hear", {"session": "../../etc"}, b"", 404, "nothing here"),
        ("other", {}, b"", 404, "nothing here"),
        ("hear", {}, np.array([np.nan], "<f4").tobytes(), 400, "NaN"),
    ],
)
def test_what_the_page_would_not_send_is_refused_in_words(page, what, values, body, status, says):
    found, text = request(page, "POST", path(page, what, **values), body)
    assert found == status and says in text
    assert page.sessions == {}


def test_without_the_token_or_under_another_name_nothing_is_served(page):
    wrong = page.server.path[:-3] + "abc"
    for method, where in (("GET", "/"), ("GET", wrong), ("POST", path(page, "hear").replace("token=", "t="))):
        assert request(page, method, where)[0] == 403
    assert request(page, "GET", page.server.path, host=f"evil.example:{page.server.port}")[0] == 403
    assert request(page, "GET", page.server.path, host=f"localhost:{page.server.port}")[0] == 200
    assert request(page, "GET", page.server.path.replace("/?", "/secret?"))[0] == 404


def test_on_colab_a_proxy_may_name_it_as_it_likes_and_the_token_stays(page, monkeypatch):
    monkeypatch.setattr(loopback, "on_colab", lambda: True)
    assert request(page, "GET", page.server.path, host="proxy.example")[0] == 200
    assert request(page, "GET", "/", host="proxy.example")[0] == 403


def test_too_much_at_once_and_too_many_pages_are_refused(page, monkeypatch):
    monkeypatch.setattr(loopback, "MOST_BYTES", 1000)
    assert request(page, "POST", path(page, "hear"), b"\0" * 1004)[0] == 413
    for number in range(live.MOST_SESSIONS):
        post(page, "hear", session=f"{number:032x}")
    status, text = request(page, "POST", path(page, "hear"))
    assert status == 503 and "stop one" in text
    assert len(page.sessions) == live.MOST_SESSIONS


def test_a_closed_page_and_an_idle_one_are_forgotten():
    with live.Page(Counting, ("en",), idle=0.5) as page:
        post(page, "hear", sound(1))
        post(page, "end")
        assert page.sessions == {}
        post(page, "hear", sound(1))
        deadline = time.monotonic() + 10
        while page.sessions:
            assert time.monotonic() < deadline, "an idle session was kept"
            time.sleep(0.1)
        assert request(page, "POST", path(page, "hear", have=1))[0] == 410


def test_a_listener_that_fails_is_told_to_the_page_and_the_server_goes_on(capfd):
    def broken(language, task):
        raise RuntimeError("no model")

    with live.Page(broken, ("en",)) as page:
        status, text = request(page, "POST", path(page, "hear"))
        assert (status, text) == (500, "The program failed: RuntimeError: no model")
        assert request(page, "GET", page.server.path)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_stopped_page_serves_nothing_not_even_on_an_open_connection():
    page = live.Page(Counting, ("en",))
    connection = http.client.HTTPConnection("127.0.0.1", page.server.port, timeout=20)
    connection.request("POST", path(page, "hear"), sound(1))
    assert connection.getresponse().read()
    where = path(page, "hear")
    begin = time.monotonic()
    page.stop()
    page.stop()
    assert time.monotonic() - begin < 2
    connection.request("POST", where, sound(1))
    assert connection.getresponse().status == 403
    with pytest.raises(OSError):
        request(page, "GET", "/")
    assert page.sessions == {}


def test_the_page_is_installed_with_the_helpers():
    """On Colab the helpers come as a wheel, which holds no data but what is named."""
    root = Path(live.__file__).parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["helpers"]
    named = {path for pattern in patterns for path in (root / "helpers").glob(pattern)}
    assert set((root / "helpers" / "web").iterdir()) <= named


# ---- captions ----------------------------------------------------------------------------------------------


def timed(words, seconds=0.4, gaps=()):
    times, clock = [], 0.0
    for place in range(len(words)):
        clock += 2.0 if place in gaps else 0.0
        times.append((clock, clock + seconds))
        clock += seconds
    return times


def test_captions_part_at_pauses_sentences_and_length():
    words = [" Mr", ".", " Dashwood", " had", " leisure", ".", " Three", " four", " five"]
    found = captions(words, timed(words, gaps=(7,)))
    assert [segment.text for segment in found] == ["Mr. Dashwood had leisure.", "Three", "four five"]
    long = [" word"] * 60
    found = captions(long, timed(long))
    assert all(segment.end - segment.start <= 6.41 for segment in found) and len(found) > 3
    assert " ".join(segment.text for segment in found).split() == ["word"] * 60


def test_captions_keep_words_whole_and_do_not_overlap():
    words = [" ill", "-disposed", "."] * 40
    times = [(max(0, n / 3 - 0.5), n / 3 + 0.5) for n in range(len(words))]
    found = captions(words, times)
    assert not any(segment.text.startswith(("-", ".")) for segment in found)
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert subtitles.to_srt(found)


def test_a_script_without_spaces_is_parted_as_well():
    words = list("床前明月光疑是地上霜" * 12)
    found = captions(words, timed(words, 0.2))
    assert len(found) > 2 and "".join(segment.text for segment in found) == "".join(words)


def test_nothing_said_gives_no_captions():
    assert captions([], []) == [] and captions([" "], [(0, 1)]) == []


# ---- the page in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A file of six seconds that the browser takes for its microphone."""
    file = tmp_path_factory.mktemp("microphone") / "tone.wav"
    tone = 0.3 * np.sin(np.arange(6 * RATE) * 2 * np.pi * 300 / RATE)
    file.write_bytes(audio.encode(tone, format="wav"))
    return file


def test_a_microphone_is_heard_and_the_files_are_downloaded(page, recording, tmp_path):
    options = [*MICROPHONE, f"--use-file-for-fake-audio-capture={recording}%noloop"]
    with Chromium(options=options) as browser:
        browser("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        browser.goto(page.url)
        browser.run("document.getElementById('start').click()")
        browser.until("document.getElementById('confirmed').textContent.startsWith(' 0 1 2 3')", 60)
        (session,) = page.sessions.values()
        assert session.listener.peak > 0.1
        browser.run("document.getElementById('stop').click()")
        browser.until("!document.getElementById('downloads').hidden", 30)
        shown = browser.run("document.getElementById('confirmed').textContent")
        assert (
            shown.endswith(" end.") and browser.run("document.getElementById('tentative').textContent") == ""
        )
        for kind in ("txt", "srt", "vtt"):
            browser.run(f"document.getElementById('{kind}').click()")
            wait_for(tmp_path / f"speech.{kind}")
        assert page.sessions == {}
        away = [
            url for url in browser.outside() if not url.startswith(f"http://127.0.0.1:{page.server.port}/")
        ]
    assert away == []
    assert "00:00:00,000 --> " in (tmp_path / "speech.srt").read_text(encoding="utf-8")
    assert (tmp_path / "speech.vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    assert "".join((tmp_path / "speech.txt").read_text(encoding="utf-8").split()) == "".join(shown.split())


def wait_for(file: Path):
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} was not downloaded"
        time.sleep(0.1)


def test_a_refused_microphone_is_said_and_a_file_is_heard_whole(page, recording):
    with Chromium(options=["--use-fake-device-for-media-stream"]) as browser:  # nobody allows it
        browser.goto(page.url)
        browser.run("document.getElementById('start').click()")
        browser.until("document.getElementById('status').textContent.includes('refused')", 30)
        assert not browser.run("document.getElementById('start').disabled")
        document = browser("DOM.getDocument", browser._page)["root"]["nodeId"]
        node = browser("DOM.querySelector", browser._page, nodeId=document, selector="#file")["nodeId"]
        browser("DOM.setFileInputFiles", browser._page, files=[str(recording)], nodeId=node)
        browser.until("!document.getElementById('downloads').hidden", 60)
        assert browser.run("document.getElementById('confirmed').textContent") == " 0 1 2 3 4 5 end."
        assert browser.run("document.getElementById('status').textContent") == "Done."


def test_a_tab_that_is_closed_ends_its_session_and_a_stopped_program_is_said(page, recording):
    options = [*MICROPHONE, f"--use-file-for-fake-audio-capture={recording}"]
    with Chromium(options=options) as browser:
        browser.goto(page.url)
        browser.run("document.getElementById('start').click()")
        browser.until("document.getElementById('confirmed').textContent.length > 2", 60)
        assert len(page.sessions) == 1
        browser.goto("data:text/html,elsewhere")
        deadline = time.monotonic() + 20
        while page.sessions:
            assert time.monotonic() < deadline, "the session of a closed page was kept"
            time.sleep(0.1)
        browser.goto(page.url)
        browser.run("document.getElementById('start').click()")
        browser.until("document.getElementById('confirmed').textContent.length > 2", 60)
        page.stop()
        browser.until("!document.getElementById('start').disabled", 60)
        said = browser.run("document.getElementById('status').textContent")
    assert said in (
        "The program behind this page has ended.",
        "Open the page by the address that the program printed.",
    )
