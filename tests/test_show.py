import io
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from helpers.audio import AudioError
from helpers.players import captioned_player, listen, word_player
from helpers.show import diff, figure

HOSTILE = "<script>alert(1)</script>\"'&"
RATE = 16_000
SOUND = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
SEGMENTS = [{"timestamp": (0.0, 1.0), "text": " One & two"}, {"timestamp": (1.0, None), "text": " three"}]
WORDS = [("One", 0.0, 0.5, 0.9), ("two", 0.5, 1.0, None), ("three", 1.0, 1.5, 0.2)]


class Tags(HTMLParser):
    """Collects tags and text, and that every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("wbr", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if not {"style", "script"} & set(self.open):
            self.texts.append((self.open[-1] if self.open else "", text))

    def texts_in(self, tag):
        return [text for inside, text in self.texts if inside == tag]


def test_diff_marks_each_kind_by_more_than_colour():
    shown = diff("SIMILES AND BEEF IS ON NOW", "SIMALYIS AND IS ON TOP NOW")
    page = Tags(shown.html)
    assert page.texts_in("u") == ["SIMALYIS", "wrong"]
    assert page.texts_in("del") == ["BEEF", "missing"]
    assert page.texts_in("ins") == ["TOP", "too many"]
    style = shown.html.split("</style>")[0]
    for tag, line in (("del", "line-through"), ("ins", "underline double"), ("u", "underline wavy")):
        assert re.search(rf"\.asr-diff {tag}{{[^}}]*text-decoration:{line}", style)
    assert "3 edits for 6 words" in shown.html


def test_diff_as_text():
    assert str(
        diff("SIMILES AND BEEF IS ON NOW", "SIMALYIS AND IS ON TOP NOW", title="base")
    ).splitlines() == [
        "base",
        "target     SIMILES  AND BEEF IS ON *** NOW",
        "prediction SIMALYIS AND ***  IS ON TOP NOW",
        "           S            D          I",
        "3 edits for 6 words",
    ]
    assert "1 edit for 1 words" in str(diff("a", "b"))
    assert "missing" not in diff("a", "b").html and "too many" not in diff("a", "b").html


def test_diff_compares_normalised_and_shows_as_written():
    shown = diff("MISTER QUILTER TWENTY ONE", "Mr. Quilter, — twenty-one", language="en")
    assert "0 edits for 4 words" in shown.text
    assert "Mr." in shown.html and "Quilter," in shown.html
    assert "3 edits" not in diff("MISTER A", "Mr. A").text
    assert "1 edit" in diff("MISTER A", "Mr. A").text


def test_long_diffs_wrap_as_text():
    words = " ".join(["word"] * 60)
    lines = str(diff(words, words)).splitlines()
    # 11 columns for the name; 15 words of four letters and the spaces between them fill 74 of 76.
    assert [len(lines[at]) for at in (0, 1, 3, 4, 6)] == [11 + 15 * 5 - 1] * 5
    assert len(lines) == 4 * 3 + 1 and lines[9].split() == ["target", *["word"] * 15]
    assert str(diff("a" * 90, "b")).splitlines()[0] == f"target     {'a' * 90}"
    assert str(diff("a" * 38 + " " + "b" * 37, "c")).splitlines()[0].endswith("b")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None, "a"), TypeError, "target is NoneType"),
        (("a", ["a"]), TypeError, "prediction is list"),
        (("", " "), ValueError, "both empty"),
        (("?", "!", "en"), ValueError, "both empty"),
        (("a", "b", 3), TypeError, "language is 3"),
    ],
)
def test_diff_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        diff(*arguments)


def test_everything_is_escaped():
    shown = [
        diff(HOSTILE, "b", title=HOSTILE),
        diff("a", HOSTILE, language="en"),
        listen(SOUND, RATE, HOSTILE),
        captioned_player(SOUND, RATE, [(0, 1, HOSTILE)], title=HOSTILE),
        word_player(SOUND, RATE, [(HOSTILE, 0, 1)], title=HOSTILE),
    ]
    for rendered in shown:
        assert "<script>alert" not in rendered.html
        page = Tags(rendered.html)
        assert len([tag for tag, _ in page.tags if tag == "script"]) == ("asr-time" in rendered.html) + (
            "asr-words" in rendered.html
        )
        handlers = {(tag, key) for tag, found in page.tags for key in found if key.startswith("on")}
        assert handlers <= {("audio", "onplay")}


def test_every_rendering_has_html_and_text():
    for rendered in (diff("a", "b"), listen(SOUND, RATE, "A tone")):
        bundle = rendered._repr_mimebundle_()
        assert bundle == {"text/html": rendered._repr_html_(), "text/plain": repr(rendered)}
        assert bundle["text/plain"].strip() and "<" not in bundle["text/plain"]
        assert "http" not in bundle["text/html"]


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata, raw: outputs.append((data, metadata, raw))
    )
    return outputs


def new_figure(width=6, height=2):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    made, ax = plt.subplots(figsize=(width, height))
    ax.plot([0, 1])
    return made


def test_figure_has_alt_text_screen_size_and_is_closed(shown):
    import base64

    import matplotlib.pyplot as plt
    from PIL import Image

    plt.close("all")
    figure(new_figure(), "A rising line")
    ((data, metadata, raw),) = shown
    assert raw and data["text/plain"] == "A rising line"
    assert metadata == {"image/png": {"alt": "A rising line"}}
    width, height = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size
    assert 500 < width < 700 and 150 < height < 300
    assert not plt.get_fignums()


@pytest.mark.parametrize("alt", ["", "  ", None, 3])
def test_figure_without_alt_text_is_refused(shown, alt):
    with pytest.raises(ValueError, match="no alternative text"):
        figure(new_figure(), alt)
    assert not shown


def test_figure_refuses_what_is_none(shown):
    with pytest.raises(TypeError, match=r"pass ax\.figure"):
        figure([1, 2], "A line")


def test_alt_text_arrives_in_the_page(shown):
    import nbformat
    from nbconvert import HTMLExporter

    figure(new_figure(), 'A "rising" <line>')
    data, metadata, _ = shown[0]
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    cell = nbformat.v4.new_code_cell("pass", outputs=[output])
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    (alt,) = [attributes.get("alt") for tag, attributes in Loose(html).tags if tag == "img"]
    assert alt == 'A "rising" <line>'


class Loose(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def sound_of(rendered):
    import base64

    (source,) = [attributes["src"] for tag, attributes in Tags(rendered.html).tags if tag == "audio"]
    assert source.startswith("data:audio/mpeg;base64,")
    return base64.b64decode(source.split(",")[1])


@pytest.mark.parametrize(
    "player",
    [
        lambda array: listen(array, RATE, "A tone"),
        lambda array: captioned_player(array, RATE, SEGMENTS),
        lambda array: word_player(array, RATE, WORDS),
    ],
)
def test_players_carry_the_compressed_sound(player):
    from helpers import audio

    rendered = player(SOUND)
    heard = audio.read(sound_of(rendered))
    assert len(heard) == pytest.approx(len(SOUND), abs=RATE // 10)
    assert len(rendered.html) < len(SOUND)
    assert rendered.text.startswith("[sound] ")
    assert "2.0 s" in rendered.text.splitlines()[0]
    for bad in (np.zeros(0), np.full(RATE, np.nan), ["a"]):
        with pytest.raises(AudioError):
            player(bad)


def test_captions_hold_times_and_texts():
    rendered = captioned_player(SOUND, RATE, SEGMENTS, title="Numbers")
    items = [attributes for tag, attributes in Tags(rendered.html).tags if tag == "li"]
    assert items == [
        {"data-start": "0.000", "data-end": "1.000"},
        {"data-start": "1.000", "data-end": "2.000"},
    ]
    assert rendered.text.splitlines() == ["[sound] Numbers, 2.0 s", "0:00  One & two", "0:01  three"]


def test_words_hold_times_and_confidence():
    rendered = word_player(SOUND, RATE, WORDS)
    spans = [attributes for tag, attributes in Tags(rendered.html).tags if "data-start" in attributes]
    assert [span["title"] for span in spans] == [
        "0.00–0.50 s, 90% sure",
        "0.50–1.00 s",
        "1.00–1.50 s, 20% sure",
    ]
    assert Tags(rendered.html).texts_in("u") == ["three", "underlined"]
    assert "confidence below 50%" in rendered.html
    assert "confidence below" not in word_player(SOUND, RATE, WORDS[:2]).html


@pytest.mark.parametrize("title", ["", " ", None])
def test_players_need_a_title(title):
    with pytest.raises(ValueError, match="no title"):
        listen(SOUND, RATE, title)
    with pytest.raises(ValueError, match="no title"):
        captioned_player(SOUND, RATE, SEGMENTS, title=title)
    with pytest.raises(ValueError, match="no title"):
        word_player(SOUND, RATE, WORDS, title=title)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ([], ValueError, "no segment with text"),
        (None, TypeError, "NoneType"),
        ("one two", TypeError, "str: pass a list"),
        ([("a", 0)], TypeError, "Word 0 is"),
        ([(None, 0, 1)], TypeError, "Word 0 is"),
        ([("a", 0, 1, 1.5)], ValueError, "confidence of word 0 is 1.5"),
        ([("a", 0, 1, math.nan)], ValueError, "confidence of word 0 is nan"),
        ([("a", 1, 0)], ValueError, "before its start"),
        ([("a", math.nan, 1)], ValueError, "start of segment 0 is nan"),
        ([("a", 16_000, 32_000)], ValueError, "give times in seconds"),
    ],
)
def test_word_player_refuses(words, error, message):
    with pytest.raises(error, match=message):
        word_player(SOUND, RATE, words)


def test_captioned_player_refuses():
    with pytest.raises(ValueError, match="give times in seconds"):
        captioned_player(SOUND, RATE, [(0, 1, "a"), (16_000, 32_000, "b")])
    with pytest.raises(ValueError, match="no segment with text"):
        captioned_player(SOUND, RATE, [])


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_scripts_wake_every_player_of_a_page(tmp_path):
    players = [captioned_player(SOUND, RATE, SEGMENTS), word_player(SOUND, RATE, WORDS)] * 2
    page = tmp_path / "page.html"
    report = "<script>document.body.dataset.count = document.querySelectorAll('button').length</script>"
    page.write_text("<body>" + "".join(player.html for player in players) + report, encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert 'data-count="10"' in ran.stdout
    assert ran.stdout.count('data-awake=""') == 4


def test_renderings_are_the_same_each_time():
    assert captioned_player(SOUND, RATE, SEGMENTS).html == captioned_player(SOUND, RATE, SEGMENTS).html
    assert json.dumps(diff("a b", "a c")._repr_mimebundle_())


def test_diff_lines_up_in_html_as_in_text():
    shown = diff("SIMILES AND BEEF IS ON NOW", "SIMALYIS AND IS ON TOP NOW")
    lines = re.search(r"<pre>(.*?)</pre>", shown.html, re.DOTALL)[1].splitlines()
    assert [re.sub(r"<[^>]*>", "", line) for line in lines] == str(shown).splitlines()[:2]


@pytest.mark.parametrize("player", [captioned_player, word_player])
def test_whisper_may_speak_for_30_s_after_the_end_and_no_longer(player):
    segment = (("a", 32, 33) if player is word_player else (32, 33, "a")), RATE
    assert "a" in player(SOUND, RATE, [segment[0]]).text
    late = ("a", 32.5, 33) if player is word_player else (32.5, 33, "a")
    with pytest.raises(ValueError, match=r"Segment 0 starts at 32\.50 s and the sound ends at 2\.00 s"):
        player(SOUND, RATE, [late])


def test_minutes_and_the_limit_of_confidence():
    long = np.tile(SOUND, 40)
    assert captioned_player(long, RATE, [(61.9, 70, "a")]).text.splitlines()[1] == "1:01  a"
    shown = word_player(
        SOUND, RATE, [("a", 0, 1, 0.5), ("b", 1, 1.5, 0.49), ("c", 1.5, 2, 1), ("d", 1.5, 2, 0)]
    )
    assert Tags(shown.html).texts_in("u") == ["b", "d", "underlined"]
    assert [line.split() for line in shown.text.splitlines()[1:3]] == [
        *(["0.00", "1.00", "a", "50%"], ["1.00", "1.50", "b", "49%"])
    ]
    assert word_player(SOUND, RATE, [("  ", 0, 0.5), ("a", 0.5, 1)]).html.count("data-start") == 1


def test_a_sound_starts_one_at_a_time_and_says_its_title():
    html = listen(SOUND, RATE, "A tone").html
    assert "a!==this" in html and 'aria-label="A tone"' in html and "<b>A tone</b>" in html
