"""The functions that lesson 3 writes in its own cells: executed from the cells tagged "tested"."""

import random
from types import SimpleNamespace

import evaluate
import numpy as np
import pytest

from helpers import audio, catalog, metrics
from tests import cells

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def lesson():
    return cells.tested("03_whisper_long_form", np=np, RATE=RATE)


def test_four_times_the_memory_for_twice_the_sound(lesson):
    frames = 1500
    assert lesson.attention_gb(0.5, layers=6, heads=8) == pytest.approx(6 * 8 * frames * frames * 4 / 1e9)
    assert lesson.attention_gb(20, 6, 8) == pytest.approx(4 * lesson.attention_gb(10, 6, 8))


# ---- the longest gap ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "heard", "gap"),
    [
        ("a b c d e f", "a e f", (1, 3)),
        ("a b c d e f", "c d e f", (0, 2)),
        ("a b c d e f", "a b c d", (4, 2)),
        ("a b c d e f", "a x c d e f", (0, 0)),
        ("a b c", "a b c", (0, 0)),
        ("a b c", "z y a b c x", (0, 0)),
        ("a b c d e f g", "a c d g", (4, 2)),
        ("a b c", "", (0, 3)),
        ("", "a", (0, 0)),
    ],
)
def test_longest_gap(lesson, said, heard, gap):
    assert lesson.longest_gap(said.split(), heard.split()) == gap


def test_a_gap_is_found_wherever_it_is_cut(lesson):
    rng = random.Random(0)
    for _ in range(100):
        said = [f"w{number}" for number in range(rng.randint(1, 40))]
        first = rng.randrange(len(said))
        count = rng.randint(1, len(said) - first)
        heard = said[:first] + said[first + count :]
        heard.insert(rng.randint(0, first), "extra")
        place, found = lesson.longest_gap(said, heard)
        # A word too many beside the gap turns one of its words into a substitution.
        assert found in (count, count - 1) and (found == 0 or first <= place <= first + 1)


# ---- the merge ---------------------------------------------------------------------------------------------


def merged(left, right, shares):
    """The pipeline's rule on the lesson's shares: a bonus for long overlaps, the seam in the middle."""
    scores = [share + (shift / 10_000 if share else 0) for shift, share in enumerate(shares, start=1)]
    if not any(scores):
        return left + right
    shift = scores.index(max(scores)) + 1
    spans = (max(len(left) - shift, 0), min(len(left), len(left) + len(right) - shift))
    under = (max(shift - len(left), 0), min(len(right), shift))
    return left[: sum(spans) // 2] + right[sum(under) // 2 :]


@pytest.mark.parametrize("seed", range(30))
def test_the_shares_are_those_of_the_pipeline(lesson, seed):
    from transformers.models.whisper.tokenization_whisper import _find_longest_common_sequence

    rng = random.Random(seed)
    left, right = ([rng.randint(0, 9) for _ in range(rng.randint(1, 25))] for _ in range(2))
    overlap = rng.randint(0, min(len(left), len(right)))
    right[:overlap] = left[len(left) - overlap :]
    expected = [int(token) for token in _find_longest_common_sequence([left, right])]
    assert merged(left, right, lesson.merge_shares(left, right)) == expected


def test_a_true_overlap_has_the_share_one(lesson):
    shares = lesson.merge_shares([1, 2, 3, 4, 5], [3, 4, 5, 6])
    assert shares[2] == 1 and max(shares[:2] + shares[3:]) == 0
    assert len(shares) == 8


def test_one_extra_token_spoils_the_true_shift(lesson):
    left, right = [*range(20)], [*range(10, 14), 99, *range(14, 30)]
    assert max(lesson.merge_shares(left, right)) < 0.6
    assert max(lesson.merge_shares(left, [*range(10, 30)])) == 1


# ---- segments ----------------------------------------------------------------------------------------------


def segment(start, end, text="x"):
    return {"timestamp": (start, end), "text": text}


def test_segments_in_order_stay_as_they_are(lesson):
    given = [segment(0.0, 2.0, "a"), segment(2.5, 4.0, "b")]
    assert lesson.in_order(given, 10) == [(0.0, 2.0, "a"), (2.5, 4.0, "b")]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (5.0, 4.0, (5.0, 5.0)),
        (1.0, 6.0, (3.0, 6.0)),
        (5.0, None, (5.0, 10)),
        (5.0, 12.0, (5.0, 10)),
        (11.0, 12.0, (10, 10)),
    ],
)
def test_segments_are_mended(lesson, start, end, expected):
    assert lesson.in_order([segment(3.0, 4.0), segment(start, end)], 10)[1][:2] == expected


def test_mended_segments_are_subtitles(lesson):
    from helpers import subtitles

    given = [segment(4.0, 3.0), segment(2.0, 5.0), segment(6.0, None)]
    assert subtitles.to_srt(lesson.in_order(given, 8)).count("-->") == 3


def test_one_text_of_segments(lesson):
    assert lesson.joined([SimpleNamespace(text=" uno"), SimpleNamespace(text="dos ")]) == "uno dos"
    assert lesson.joined([]) == ""


# ---- speech ------------------------------------------------------------------------------------------------


def test_speech_is_found_where_somebody_speaks(lesson):
    from datasets import Audio, load_dataset

    where = catalog.data("facebook/multilingual_librispeech", "spanish")
    book = load_dataset(**where, split="dev", streaming=True).cast_column("audio", Audio(decode=False))
    speech = audio.read(next(iter(book))["audio"])[: 4 * RATE]
    pause = np.zeros(4 * RATE, np.float32)
    found = lesson.speech_in(np.concatenate([pause, speech, pause]))
    assert found and found[0][0] > 3 and found[-1][1] < 9
    assert lesson.speech_in(pause) == []


# ---- windows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stretches", "packed"),
    [
        ([(0, 4), (5, 9), (12, 19)], [(0, 9), (12, 19)]),
        ([(0, 4), (5, 10)], [(0, 10)]),
        ([(0, 4), (5, 10.1)], [(0, 4), (5, 10.1)]),
        ([(3, 30)], [(3, 30)]),
        ([], []),
    ],
)
def test_stretches_are_joined_as_long_as_they_fit(lesson, stretches, packed):
    assert lesson.pack(stretches, 10) == packed


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        ("a b c d e f", [0, 0, 0]),
        ("a x c d e f", [1, 0, 0]),
        ("a b e f", [0, 2, 0]),
        ("a b y c d e f", [0, 1, 0]),
        ("a b c d e f z", [0, 0, 1]),
        ("", [2, 2, 2]),
    ],
)
def test_errors_belong_to_their_segments(lesson, heard, errors):
    assert lesson.errors_per_segment(["a b", "c d", "e f"], heard).tolist() == errors


def test_an_interval_holds_the_rate_and_narrows_with_more_segments(lesson):
    errors, lengths = np.array([0, 1, 2, 0, 3, 1.0]), np.full(6, 10)
    low, high = lesson.interval(errors, lengths)
    assert 0 <= low < errors.sum() / lengths.sum() < high
    narrow = lesson.interval(np.tile(errors, 20), np.tile(lengths, 20))
    assert narrow[1] - narrow[0] < (high - low) / 3


def test_the_error_rate_is_that_of_the_normalised_texts():
    given = {"wer": evaluate.load(catalog.metric("wer")), "metrics": metrics}
    lesson = cells.defined("03_whisper_long_form", "error_rate", **given)
    assert lesson.error_rate("¿Uno, dos? Tres.", "uno dos") == 1 / 3
