"""Lesson 8's listener, in its own cells: what it confirms never changes, and what it keeps stays small."""

import http.client
import subprocess
import sys
import time
import tracemalloc
from itertools import pairwise
from types import SimpleNamespace

import evaluate
import numpy as np
import pytest
from faster_whisper import WhisperModel

from helpers import audio, catalog, live, metrics
from helpers.segments import captions
from tests import cells
from tests.browser.chromium import Chromium

RATE = audio.SAMPLE_RATE
SLUG = "08_live_transcription"


def lesson_with(**given):
    return cells.tested(SLUG, np=np, RATE=RATE, metrics=metrics, passes=[], **given)


@pytest.fixture(scope="module")
def lesson():
    return lesson_with()


@pytest.fixture(scope="module")
def model():
    name = catalog.model("Systran/faster-whisper-base")
    return WhisperModel(name, device="cpu", compute_type="int8", cpu_threads=1)


def words(lesson, text):
    """A text as the lesson's words; every word is a token."""
    return [lesson.Word(f" {word}", [hash(word)]) for word in text.split()]


def text(found):
    return "".join(word.text for word in found).strip()


# ---- the rule ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "shared"),
    [
        ("the cat sat", "the cat is", "the cat"),
        ("The cat", "the cat sat", "the cat"),
        ("a b c", "a x c", "a"),
        ("", "a", ""),
        ("a b", "a b", "a b"),
        ("a b c", "a b", "a b"),
    ],
)
def test_what_two_passes_agree_on(lesson, before, now, shared):
    assert text(lesson.agreed(words(lesson, before), words(lesson, now))) == shared


class Played:
    """A Whisper whose decoder writes what it is told, in turn; token n is the word " n"."""

    max_length, sot_sequence, no_timestamps, eot = 448, [901, 902], 903, 900

    def __init__(self, *answers, speech=1.0, score=-0.1):
        self.answers, self.asked, self.model = list(answers), [], self
        self.about = {"no_speech_prob": 1 - speech, "scores": [score]}

    def generate(self, encoded, prompts, **settings):
        self.asked.append((prompts[0], settings))
        return [SimpleNamespace(sequences_ids=[self.answers.pop(0)], **self.about)]

    def split_to_word_tokens(self, tokens):
        return [f" {token}" for token in tokens], [[token] for token in tokens]


def test_the_decoder_goes_on_behind_what_is_known(lesson):
    played = Played([7, 8, 9, 900])
    known = [lesson.Word(" 7", [7]), lesson.Word(" 8", [8])]
    assert text(lesson.go_on(played, None, played, known, 2.0)) == "9"
    assert played.asked[0][0] == [901, 902, 903, 7, 8]


def test_a_loop_is_heard_once_more_and_a_second_one_is_dropped(lesson):
    loop = [5] * 50
    played = Played(loop, [5, 6])
    assert text(lesson.go_on(played, None, played, [], 2.0)) == "5 6"
    assert [each.get("no_repeat_ngram_size") for _, each in played.asked] == [None, 3]
    played = Played(loop, loop)
    assert lesson.go_on(played, None, played, [], 2.0) == []


def test_what_is_no_speech_and_unsure_is_dropped(lesson):
    for speech, score, kept in ((0.1, -1.5, ""), (0.1, -0.5, "5"), (0.9, -1.5, "5")):
        played = Played([5], speech=speech, score=score)
        assert text(lesson.go_on(played, None, played, [], 2.0)) == kept


PASSES = [
    "the old man",
    "the old man in",
    "the gold man in the",
    "the gold man in the moon",
    "the gold man in the moon sat",
]
"""What later passes hear where the earlier ones agreed on something else."""


def test_agreement_alone_takes_confirmed_words_back(lesson):
    """What lesson 5 did at its end: settled is what this pass and the one before agree on."""
    heard = [words(lesson, each) for each in PASSES]
    settled = [text(lesson.agreed(*pair)) for pair in pairwise(heard)]
    assert any(not now.startswith(before) for before, now in pairwise(settled))


class Scripted:
    """Stands in for Whisper: pass number n hears the n-th text, and can only go on from what is known."""

    def __init__(self, lesson, texts):
        self.lesson, self.texts, self.passes = lesson, list(texts), 0

    def go_on(self, model, encoded, tokenizer, known, seconds):
        heard = words(self.lesson, self.texts[min(self.passes, len(self.texts) - 1)])
        self.passes += 1
        return heard[len(known) :]


@pytest.fixture
def scripted(lesson, monkeypatch):
    """A lesson whose model and voice activity are played: speech is what is louder than 0.1."""
    scope = lesson.Listener.hear.__globals__

    def prepare(texts):
        played = Scripted(lesson, texts)
        monkeypatch.setitem(scope, "go_on", played.go_on)
        return played

    def odds():
        return lambda sound: (np.abs(sound.reshape(-1, 512)).max(axis=1) > 0.1).astype(np.float32)

    def align(model, encoded, tokenizer, known, odds):
        times = np.linspace(0, len(odds) * 512 / RATE, len(known) + 1)
        return list(pairwise(times))

    for name, stand_in in {
        "encode": lambda model, sound: None,
        "tokenizer_of": lambda model, language, task="transcribe": None,
        "detect": lambda model, encoded: "en",
        "get_vad_model": odds,
        "align": align,
    }.items():
        monkeypatch.setitem(scope, name, stand_in)
    return prepare


def loud(seconds):
    return np.full(round(seconds * RATE), 0.5, np.float32)


def quiet(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def history(listener, sound, piece=RATE // 4):
    """The confirmed text after every piece."""
    said = []
    for begin in range(0, len(sound), piece):
        listener.hear(sound[begin : begin + piece])
        said.append("".join(listener.words))
    listener.finish()
    return [*said, "".join(listener.words)]


def assert_only_added(said):
    for before, now in pairwise(said):
        assert now.startswith(before), f"{before!r} became {now!r}"


def test_what_is_confirmed_never_changes_even_if_later_passes_hear_otherwise(lesson, scripted):
    scripted(PASSES)
    said = history(lesson.Listener(None, "en"), np.concatenate([loud(6), quiet(1)]))
    assert_only_added(said)
    assert said[-1].startswith(" the old man"), "the first two passes agreed on it"
    assert said[-1].endswith(" sat")


def test_a_pass_comes_every_step_and_a_pause_ends_the_utterance(lesson, scripted):
    played = scripted(["one", "one two", "one two three", "one two three four"])
    listener = lesson.Listener(None, "en", step=1.0, pause=0.8)
    listener.hear(loud(0.9))
    assert played.passes == 0
    for _ in range(9):
        listener.hear(loud(0.25))
    assert played.passes == 3 and text(listener.known) == "one two"
    listener.hear(quiet(0.5))
    before = len(listener.words)
    listener.hear(quiet(0.5))
    assert listener.words == [" one", " two", " three", " four"] and before < 4
    assert listener.known == [] and listener.tentative == ""
    assert len(listener.times) == len(listener.words)


def test_silence_is_never_transcribed(lesson, scripted):
    played = scripted(["thank you"])
    listener = lesson.Listener(None, "en")
    said = history(listener, quiet(20))
    assert played.passes == 0 and said[-1] == ""
    assert len(listener.sound) <= 25 * 512
    click = quiet(2)
    click[RATE : RATE + 300] = 0.9
    assert history(lesson.Listener(None, "en"), click)[-1] == "" and played.passes == 0


def test_forty_minutes_without_a_pause_leave_memory_flat(lesson, scripted, monkeypatch):
    played = scripted([])
    count = iter(range(10**6))

    def go_on(model, encoded, tokenizer, known, seconds):
        # Two passes agree on what was there, and there are three more words.
        played.ahead = [*played.ahead, *words(lesson, " ".join(f"w{next(count)}" for _ in range(3)))]
        started = len(known) - len(played.known)
        played.known, played.ahead = list(known), played.ahead[max(0, started) :]
        return list(played.ahead)

    played.known, played.ahead = [], []
    monkeypatch.setitem(lesson.Listener.hear.__globals__, "go_on", go_on)
    listener = lesson.Listener(None, "en", step=1.0, longest=15.0)
    minute, longest, used = loud(60), 0, []
    tracemalloc.start()
    for _ in range(40):
        for begin in range(0, len(minute), RATE // 4):
            listener.hear(minute[begin : begin + RATE // 4])
            longest = max(longest, len(listener.sound))
        used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert longest <= 16.1 * RATE
    assert used[-1] - used[4] < 5e6, f"{(used[-1] - used[4]) / 1e6:.1f} MB more after 40 minutes"
    assert len(listener.words) > 1000 and len(listener.known) < 200


def test_speech_that_is_never_confirmed_is_cut_as_well(lesson, scripted):
    scripted([f"{n} x" for n in range(100)])
    listener = lesson.Listener(None, "en", longest=5.0)
    said = history(listener, loud(20))
    assert_only_added(said)
    assert len(listener.times) == len(listener.words) > 4


def test_a_long_piece_is_taken_in_parts(lesson, scripted):
    scripted(["a", "a b", "a b c"])
    listener = lesson.Listener(None, "en", longest=15.0)
    listener.hear(loud(60))
    assert len(listener.sound) <= 21 * RATE


@pytest.mark.parametrize(("wanted", "second"), [(None, "en"), ("each", "fr"), ("de", "de")])
def test_the_language_is_detected_once_or_for_every_utterance(lesson, scripted, monkeypatch, wanted, second):
    scripted(["a b", "a b c"])
    answers = ["en"] * 5 + ["fr"] * 20
    scope = lesson.Listener.hear.__globals__
    monkeypatch.setitem(scope, "detect", lambda model, encoded: answers.pop(0))
    listener = lesson.Listener(None, wanted)
    history(listener, np.concatenate([loud(4), quiet(1.5)]))
    while answers and answers[0] == "en":
        answers.pop(0)
    history(listener, np.concatenate([loud(4), quiet(1.5)]))
    assert listener.language == second


def test_one_short_word_does_not_fix_the_language(lesson, scripted, monkeypatch):
    scripted(["a", "a b"])
    answers = ["cy"] * 2 + ["en"] * 20
    monkeypatch.setitem(
        lesson.Listener.hear.__globals__, "detect", lambda model, encoded: answers.pop(0) if answers else "en"
    )
    listener = lesson.Listener(None)
    history(listener, np.concatenate([loud(0.6), quiet(1.5)]))
    assert listener.wanted is None
    history(listener, np.concatenate([loud(4), quiet(1.5)]))
    assert listener.wanted == listener.language == "en"


# ---- what is measured --------------------------------------------------------------------------------------


def delays(lesson, words, times, *steps):
    """The lesson's `delays` of words heard at these times, in these steps."""
    return lesson.delays(SimpleNamespace(words=words, times=times), [lesson.Step(*step) for step in steps])


def test_the_parts_of_a_delay(lesson):
    words, times = [" one", ".", " two"], [(0.0, 0.5), (0.5, 0.5), (0.6, 1.2)]
    steps = (1.0, 0, 1, "", " one", 0.3), (2.0, 2, 3, " one.", " two", 0.4), (3.0, 3, 3, " one. two", "", 0.5)
    one, two = delays(lesson, words, times, *steps)
    assert one == {"word": "one", "end": 0.5, "shown": 0.5, "agreed": 1.0, "computing": 0.4}
    assert two["word"] == "two" and two["shown"] == pytest.approx(0.8) and two["agreed"] == pytest.approx(1.0)


def test_a_word_with_a_hyphen_is_one_word_confirmed_with_its_last_piece(lesson):
    words, times = [" cold", "-hearted", " is"], [(0.0, 0.5), (0.5, 1.0), (1.2, 1.4)]
    steps = (1.0, 0, 1, "", " cold", 0.3), (2.0, 1, 3, " cold", "-hearted is", 0.4)
    found = delays(lesson, words, times, *steps, (3.0, 3, 3, " cold-hearted is", "", 0.5))
    assert [(row["word"], row["end"], row["shown"], row["agreed"]) for row in found] == [
        ("cold-hearted", 1.0, 1.0, 1.0), ("is", 1.4, pytest.approx(0.6), 1.0),
    ]  # fmt: skip


def test_the_quietest_frame_is_near_the_time(lesson):
    odds = np.ones(100, np.float32)
    odds[[32, 60]] = 0.1, 0.0
    assert lesson.quietest(odds, 1.0) == 32
    assert lesson.quietest(odds[:5], 9.0) == 4


# ---- with the model ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sentence():
    """Five seconds of a person's speech with silence around them, and what is said."""
    from datasets import Audio, load_dataset

    rows = load_dataset(**catalog.data("sense-and-sensibility"), split="test")
    row = rows.cast_column("audio", Audio(decode=False))[2]
    clip = audio.read(row["audio"])
    return np.concatenate([quiet(1), clip, quiet(1.5)]), row["text"]


def test_a_person_is_heard_live_and_words_have_their_times(lesson, model, sentence):
    sound, said = sentence
    listener = lesson.Listener(model, None)
    steps = lesson.play(listener, sound)
    assert_only_added([step.text for step in steps])
    heard = metrics.normalise(steps[-1].text, "en")
    assert metrics.confidence_interval([said] * 2, [heard] * 2, "en").rate < 0.2, heard
    assert sum(step.text != steps[-1].text and step.text != "" for step in steps) > 3, "all came at the end"
    times = np.array(listener.times)
    assert len(times) == len(listener.words)
    assert times[0, 0] > 0.6 and times[-1, 1] < 7 and (np.diff(times[:, 0]) >= -0.05).all()
    assert listener.language == "en" and captions(listener.words, listener.times)
    rows = lesson.delays(listener, steps)
    assert 0.2 < np.median([row["shown"] + row["agreed"] for row in rows]) < 3


def test_noise_is_no_speech(lesson, model):
    noise = np.random.default_rng(0).standard_normal(8 * RATE).astype(np.float32)
    for level in (0.003, 0.1):
        assert history(lesson.Listener(model), level * noise)[-1] == ""


def test_the_page_hears_a_microphone_with_the_lessons_listener(lesson, model, sentence, tmp_path):
    """In a browser: words appear, confirmed ones stay, the subtitles download, nothing leaves the machine."""
    sound, _ = sentence
    file = tmp_path / "speech.wav"
    file.write_bytes(audio.encode(np.concatenate([sound, quiet(1)]), format="wav"))
    options = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    options.append(f"--use-file-for-fake-audio-capture={file}%noloop")

    def listen(language, task):
        return lesson.Listener(model, language, task)

    with live.Page(listen, model.supported_languages) as page, Chromium(options=options) as browser:
        browser("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        browser.goto(page.url)
        browser.run("document.getElementById('start').click()")
        seen, deadline = [], time.monotonic() + 120
        while "selfish" not in "".join(seen[-1:]):
            assert time.monotonic() < deadline, f"after two minutes the page shows {seen[-1:]}"
            seen.append(browser.run("document.getElementById('confirmed').textContent"))
            time.sleep(0.2)
        assert_only_added(seen)
        assert len(set(seen)) > 2, "the words came all at once"
        browser.run("document.getElementById('stop').click()")
        browser.until("!document.getElementById('downloads').hidden", 60)
        assert_only_added([seen[-1], browser.run("document.getElementById('confirmed').textContent")])
        browser.run("document.getElementById('srt').click()")
        while not (tmp_path / "speech.srt").exists():
            assert time.monotonic() < deadline + 60
            time.sleep(0.1)
        own = f"http://127.0.0.1:{page.server.port}/"
        assert [url for url in browser.outside() if not url.startswith(own)] == []
    srt = (tmp_path / "speech.srt").read_text(encoding="utf-8")
    assert {"cold", "hearted", "selfish"} <= set(metrics.normalise(srt, "en").split())


def test_the_page_ends_with_its_program(tmp_path):
    """A program that serves a page and comes to its end is not held by it."""

    code = "from helpers import live\npage = live.Page(None, ['en'])\nprint(page.url)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and ran.stdout.startswith("http://127.0.0.1:") and ran.stderr == ""
    port = int(ran.stdout.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with pytest.raises(OSError):
        connection.request("GET", "/")


def test_the_error_rate_is_that_of_the_normalised_texts():
    given = {"wer": evaluate.load(catalog.metric("wer")), "metrics": metrics}
    lesson = cells.defined(SLUG, "error_rate", **given)
    assert lesson.error_rate(["Mr. A is here.", "So?"], ["MISTER B is here", "so"]) == 1 / 5
    assert lesson.error_rate(["Öl, Mr."], ["öl mister"], "de") == 1 / 2
