from itertools import pairwise
from types import SimpleNamespace

import pytest

from helpers.segments import captions
from helpers.subtitles import Segment, columns, read_segments, to_srt, to_webvtt

PIPELINE = [
    {"timestamp": (0.0, 2.5), "text": " Mister Quilter is the apostle"},
    {"timestamp": (2.5, None), "text": " of the middle classes."},
]
LONG = " ".join(["word"] * 40)


def test_srt():
    assert to_srt(PIPELINE, duration=5.0) == (
        "1\n00:00:00,000 --> 00:00:02,500\nMister Quilter is the apostle\n"
        "\n"
        "2\n00:00:02,500 --> 00:00:05,000\nof the middle classes.\n"
    )


def test_webvtt():
    assert to_webvtt(PIPELINE, duration=5.0) == (
        "WEBVTT\n"
        "\n"
        "00:00:00.000 --> 00:00:02.500\nMister Quilter is the apostle\n"
        "\n"
        "00:00:02.500 --> 00:00:05.000\nof the middle classes.\n"
    )


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [
        (0, "00:00:00,000"),
        (59.9996, "00:01:00,000"),
        (59.9994, "00:00:59,999"),
        (3599.9999, "01:00:00,000"),
        (3661.001, "01:01:01,001"),
        (360_000, "100:00:00,000"),
        (0.29, "00:00:00,290"),
    ],
)
def test_clock_rounds_as_a_whole(seconds, clock):
    assert to_srt([(seconds, seconds + 1, "a")]).splitlines()[1].startswith(clock + " -->")


@pytest.mark.parametrize(
    "segments",
    [
        {"text": "a b", "chunks": [{"timestamp": (0, 1), "text": "a"}, {"timestamp": [1, 2], "text": "b"}]},
        [(0, 1, "a"), (1, 2, "b")],
        iter([[0, 1, "a"], [1, 2, "b"]]),
        [{"start": 0, "end": 1, "text": "a"}, {"start": 1, "end": 2, "text": "b"}],
        [SimpleNamespace(start=0, end=1, text="a"), SimpleNamespace(start=1, end=2, text=" b ")],
        [Segment(0, 1, "a"), Segment(1, 2, "b")],
        [(0, 1, "a"), (0.5, 0.6, "  "), (1, 2, "b")],
    ],
)
def test_every_usual_form(segments):
    assert read_segments(segments) == [Segment(0, 1, "a"), Segment(1, 2, "b")]


def test_a_last_segment_without_end_stays_readable():
    assert read_segments([(4, None, "Yes.")]) == [Segment(4, 5, "Yes.")]
    assert read_segments([(4, None, "x" * 45)]) == [Segment(4, 7, "x" * 45)]
    assert read_segments([(4, None, "Yes.")], duration=9) == [Segment(4, 9, "Yes.")]
    assert read_segments([(4, None, "Yes.")], duration=3) == [Segment(4, 4, "Yes.")]


def cues(srt):
    return [block.splitlines()[1:] for block in srt.strip().split("\n\n")]


def test_long_texts_become_cues_of_two_lines():
    found = cues(to_srt([(0, 10, LONG)]))
    assert len(found) == 3
    assert all(len(lines) <= 3 and max(map(len, lines[1:])) <= 42 for lines in found)
    assert " ".join(" ".join(lines[1:]) for lines in found) == LONG
    times = [lines[0].split(" --> ") for lines in found]
    assert times[0][0] == "00:00:00,000" and times[-1][1] == "00:00:10,000"
    assert all(earlier[1] == later[0] for earlier, later in pairwise(times))


def test_two_lines_are_even():
    (lines,) = cues(to_srt([(0, 10, "This is a sentence just over one line in length")]))
    assert abs(len(lines[1]) - len(lines[2])) < 10


def test_a_word_longer_than_a_line_is_broken():
    (lines,) = cues(to_srt([(0, 10, "a" * 60)]))
    assert max(map(len, lines[1:])) <= 42
    assert "".join(lines[1:]) == "a" * 60


@pytest.mark.parametrize(("start", "end"), [(1, 1), (1, 1.0001), (0.0015, 0.0015)])
def test_no_cue_is_without_duration(start, end):
    first, last = cues(to_srt([(start, end, "a")]))[0][0].split(" --> ")
    assert last > first


def test_text_cannot_break_the_format():
    text = "a\n\n2\n00:00:01,000 --> 00:00:02,000\n<b>&"
    assert len(cues(to_srt([(0, 1, text)]))) == 1
    assert to_srt([(0, 1, text)]).count("-->") == 1
    assert to_webvtt([(0, 1, text)]).count("-->") == 1
    assert "&lt;b&gt;&amp;" in to_webvtt([(0, 1, text)])


@pytest.mark.parametrize(
    ("segments", "error", "message"),
    [
        ([], ValueError, "no segment with text"),
        ([(0, 1, "  ")], ValueError, "no segment with text"),
        ({"text": "a"}, ValueError, "return_timestamps=True"),
        ((iter([]), "info"), TypeError, "pass the first of the two"),
        (None, TypeError, "NoneType: pass a list"),
        ("text", TypeError, "str: pass a list"),
        ([(0, 1)], TypeError, "Segment 0 is"),
        (["abc"], TypeError, "Segment 0 is"),
        ([(0, 1, None)], TypeError, "text of segment 0 is NoneType"),
        ([{"timestamp": (0, 1)}], TypeError, "text of segment 0 is NoneType"),
        ([{"timestamp": (0,), "text": "a"}], TypeError, "Segment 0"),
        ([(0, None, "a"), (1, 2, "b")], ValueError, "end of segment 0 is None"),
        ([(None, 1, "a")], ValueError, "start of segment 0 is None"),
        ([{"text": "a"}], ValueError, "Segment 0 has no times"),
        ([("x", 1, "a")], ValueError, "start of segment 0 is 'x'"),
        ([(0, float("nan"), "a")], ValueError, "end of segment 0 is nan"),
        ([(0, float("inf"), "a")], ValueError, "end of segment 0 is inf"),
        ([(-1, 1, "a")], ValueError, "start of segment 0 is -1.0"),
        ([(2, 1, "a")], ValueError, "ends at 1.0 s, before its start"),
        ([(2, 3, "a"), (1, 4, "b")], ValueError, "Segment 1 starts at 1.0 s"),
    ],
)
@pytest.mark.parametrize("convert", [to_srt, to_webvtt])
def test_bad_segments_get_one_sentence(convert, segments, error, message):
    with pytest.raises(error, match=message):
        convert(segments)


def test_what_openai_gives_is_read():
    assert read_segments({"segments": [{"start": 0, "end": 1, "text": "a"}]}) == [Segment(0, 1, "a")]


def test_chunks_without_times_say_what_to_do():
    for segments in ({"text": "a"}, [{"text": "a"}], [{"timestamp": (None, None), "text": "a"}]):
        with pytest.raises(ValueError, match="call the pipeline with return_timestamps=True"):
            read_segments(segments)


def test_wide_characters_count_two_columns():
    lines = [line for line in to_srt([(0, 9, "语" * 65)]).splitlines() if "语" in line]
    assert max(map(len, lines)) <= 21
    assert "".join(lines) == "语" * 65


@pytest.mark.parametrize(
    ("first", "second", "times", "parted"),
    [
        ("One", " two", [(0, 1), (1.8, 2)], False),
        ("One", " two", [(0, 1), (1.85, 2)], True),
        ("One", " two", [(0, 5), (5, 6)], False),
        ("One", " two", [(0, 5), (5, 6.1)], True),
        ("a" * 42, " " + "b" * 41, [(0, 1), (1, 2)], False),
        ("a" * 42, " " + "b" * 42, [(0, 1), (1, 2)], True),
        ("Nineteen letters...", " So", [(0, 1), (1, 2)], False),
        ("Twenty letters here.", " So", [(0, 1), (1, 2)], True),
        ("Twenty letters here?", " So", [(0, 1), (1, 2)], True),
        ("Twenty letters here,", " So", [(0, 1), (1, 2)], False),
        ("语" * 42, "语" * 42, [(0, 1), (1, 2)], False),
        ("语" * 42, "语" * 43, [(0, 1), (1, 2)], True),
        ("Twenty letters here.", '"', [(0, 1), (1, 2)], False),
        ("and twenty letters.", "so", [(0, 1), (3, 4)], False),
    ],
)
def test_a_caption_ends_at_a_pause_a_sentence_or_its_limit(first, second, times, parted):
    found = captions([first, second], times)
    if parted:
        assert found == [Segment(*times[0], first), Segment(*times[1], second.strip())]
    else:
        assert found == [Segment(times[0][0], times[1][1], first + second)]


def test_captions_do_not_overlap_where_words_do():
    words, times = ["One", " two", " three"], [(0, 2), (1, 1.5), (9, 8.5)]
    assert captions(words, times) == [Segment(0, 2, "One two"), Segment(9, 9, "three")]


def test_columns_of_a_fixed_width_font():
    assert [columns(text) for text in ("abc", "语", "e\u0301", "a\u200d", "\u0939\u093f", "\uff21")] == [
        *(3, 2, 1, 1, 2, 2)
    ]


def test_lines_fill_the_width_and_no_more():
    fits = "a" * 20 + " " + "b" * 21
    assert to_srt([(0, 1, fits)]).splitlines()[2:] == [fits]
    assert to_srt([(0, 1, fits + "b")]).splitlines()[2:] == ["a" * 20, "b" * 22]
    assert to_srt([(0, 1, "a" * 42)]).splitlines()[2:] == ["a" * 42]
    # Five lines at the least: three cues of two lines.
    found = cues(to_srt([(0, 6, " ".join(["a" * 30] * 5))]))
    assert [len(lines) - 1 for lines in found] == [2, 2, 1]
    assert [lines[0] for lines in found] == [
        "00:00:00,000 --> 00:00:02,408",
        "00:00:02,408 --> 00:00:04,816",
        "00:00:04,816 --> 00:00:06,000",
    ]
