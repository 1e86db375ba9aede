import socket
import subprocess
import sys

import evaluate
import pytest

from helpers import catalog, metrics
from helpers.alignment import align
from helpers.metrics import WordError, confidence_interval, normalise, word_errors


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("Mr. Quilter’s “gospel” — isn’t it?", "en", "mister quilter's gospel isn't it"),
        ("MRS HARRIS, Dr.Smith", "English", "missus harris doctor smith"),
        ("the a.m. train, the U.S. and e.g. us", "en", "the am train the us and eg us"),
        ("rock 'n' roll 'hello' dogs'", "en-US", "rock n roll hello dogs"),
        ("M. Dupont, 5 m. ; l’ami de Mme «\u00a0X\u00a0»", "fr", "monsieur dupont 5 m l'ami de madame x"),
        ("Aujourd’hui, l'arthroplastie… Dr Œuf", "fr", "aujourd'hui l'arthroplastie docteur oeuf"),
        ("¿Qué dijo la Sra. Peña? ¡Ud. sabe!", "es", "qué dijo la señora peña usted sabe"),
        ("IŞIK, İzmir’de DİYARBAKIR", "tr", "ışık izmir'de diyarbakır"),
        ("IĞDIR hâlâ", "tr_tr", "ığdır hâlâ"),
        ("I\u0307stanbul İstanbul INTO", "default", "istanbul istanbul into"),
        ("e\u0301cole", "default", "\u00e9cole"),
        ("हिन्दी में, नमस्ते। தமிழ்!", "hi", "हिन्दी में नमस्ते தமிழ்"),
        ("\u0645\u06cc\u200c\u062e\u0648!", "fa", "\u0645\u06cc\u200c\u062e\u0648"),
        ("1,000 or 3.5% at 10:30, 2020-21, a/b €5.", "default", "1,000 or 3.5% at 10:30 2020 21 a b €5"),
        ("soft\u00adhyphen, zero\u200bwidth\ttab\n", "default", "softhyphen zero width tab"),
        ("Une I.R.M. cérébrale.", "fr", "une irm cérébrale"),
        ("J.-M. Charcot, J. M. Charcot", "fr", "j m charcot j m charcot"),
        ("100 M. €, M. le maire. Fin. M. Curie", "fr", "100 m € monsieur le maire fin monsieur curie"),
        ("İstanbul".lower(), "tr", "istanbul"),
        ("cœur, CÆCUM", "fr", "coeur caecum"),
        ("50 % 50% 50\u202f% 50\u00a0%", "fr", "50% 50% 50% 50%"),
        ("5 € et 5€", "fr", "5€ et 5€"),
        ("ﬁn 5 µg 5 μg", "default", "fin 5 μg 5 μg"),
        ("M.Dupont - M. Dupont, M.D.", "fr", "monsieur dupont monsieur dupont md"),
        ("Jean-M. Dupont", "fr", "jean m dupont"),
        ("%50 ve % 50", "tr", "%50 ve %50"),
        ("$5 or $ 5, 5 ₽, 5 € 3 cats", "en", "$5 or $5 5₽ 5€ 3 cats"),
        ("ＡＢＣ５０％ ｶﾞ", "ja", "abc50% ガ"),
        ("oʻzbek oʼzbek o'zbek", "uz", "o'zbek o'zbek o'zbek"),
        ("a\u00a0b\u2003c\u202fd", "default", "a b c d"),
        ("well-known_word (♪) ...", "default", "well known word"),
        ("ΟΔΟΣ.", "el", "οδος"),
        ("", "en", ""),
        ("?!", "en", ""),
    ],
)  # fmt: skip
def test_normalise(text, language, wanted):
    assert normalise(text, language) == wanted


def test_titles_belong_to_their_language():
    assert normalise("Mr. Sr. Mme", "default") == "mr sr mme"
    assert normalise("Mr. Sr. Mme", "es") == "mr señor mme"


@pytest.mark.parametrize("text", ["Mr. İ’s 3.5 a.m.—x", "हिन्दी में।", "L’Œuvre, M. Dü", "IŞIK’ı"])
@pytest.mark.parametrize("language", ["en", "es", "fr", "tr", "default"])
def test_normalising_twice_changes_nothing(text, language):
    once = normalise(text, language)
    assert normalise(once, language) == once


def test_combining_marks_of_every_script_survive():
    import unicodedata

    marks = [chr(code) for code in range(0x300, 0xE00) if unicodedata.category(chr(code))[0] == "M"]
    for mark in marks:
        text = unicodedata.normalize("NFC", "क" + mark)
        assert normalise(text) == unicodedata.normalize("NFC", text.lower()), hex(ord(mark))


@pytest.mark.parametrize(("text", "language"), [(None, "en"), (3, "en"), (b"a", "en"), ("a", None), ("a", 1)])
def test_normalise_refuses_what_is_not_text(text, language):
    with pytest.raises(TypeError, match="pass a"):
        normalise(text, language)


@pytest.mark.parametrize("rate", [word_errors, confidence_interval])
@pytest.mark.parametrize(
    ("references", "predictions", "error", "message"),
    [
        ([], [], ValueError, "no text to compare"),
        (["a"], [], ValueError, "1 references and 0 predictions"),
        (["a b", "c"], ["a b"], ValueError, "2 references and 1 predictions"),
        (["a", " "], ["a", "b"], ValueError, r"Reference 1 \(' '\) has no words"),
        (["a", "?!"], ["a", "b"], ValueError, r"Reference 1 \('\?!'\) has no words"),
        (None, ["a"], TypeError, "references are NoneType"),
        (["a"], None, TypeError, "predictions are NoneType"),
        (["a", None], ["a", "b"], TypeError, "Reference 1 is NoneType"),
        (["a", "b"], ["a", float("nan")], TypeError, "Prediction 1 is float"),
        ({"a": 1}, ["a"], TypeError, "references are dict"),
        (b"ab", "a", TypeError, "references are bytes"),
    ],
)
def test_bad_texts_get_one_sentence(rate, references, predictions, error, message):
    with pytest.raises(error, match=message):
        rate(references, predictions, "en")


def test_word_errors_count_and_sort():
    references = ["MISTER QUILTER", "BROWN", "MISTER BROWN", "arthroplastie totale"]
    predictions = ["MR QUILTER", "BROWNE", "MR BROWN", "énorme plastifre totale"]
    assert word_errors(references, predictions) == [
        WordError("substitute", "MISTER", "MR", 2),
        WordError("substitute", "BROWN", "BROWNE", 1),
        WordError("substitute", "arthroplastie", "énorme plastifre", 1),
    ]
    assert word_errors("a b", "a b") == []
    assert word_errors("a b c", "b c d") == [WordError("delete", "a", "", 1), WordError("insert", "", "d", 1)]


def test_a_torn_word_is_one_confusion():
    assert word_errors("the upset cat", "the up set cat") == [WordError("substitute", "upset", "up set", 1)]
    assert word_errors("set up an account", "setup an account") == [
        WordError("substitute", "set up", "setup", 1)
    ]


def test_interval_holds_the_rate_and_narrows_with_more_clips():
    few = confidence_interval(["a b c d"] * 10, ["a b c d"] * 5 + ["a b c x"] * 5)
    many = confidence_interval(["a b c d"] * 1000, ["a b c d"] * 500 + ["a b c x"] * 500)
    assert few.rate == many.rate == 0.125
    assert few.low < 0.125 < few.high
    assert few.high - few.low > 5 * (many.high - many.low)
    # Normal approximation: 0.125 ± 1.96 · 0.125 / √1000
    assert many.low == pytest.approx(0.1173, abs=0.001)
    assert many.high == pytest.approx(0.1327, abs=0.001)


def test_interval_is_seeded():
    texts = ["a b c d"] * 20, ["a b c x", "a b c d"] * 10
    assert confidence_interval(*texts) == confidence_interval(*texts) == pytest.approx((0.125, 0.075, 0.175))


def test_interval_of_one_clip_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        confidence_interval("a b", "a b")


RATES = [
    ("wer", "a b c d", "a x c", 0.5),
    ("wer", ["a b c", "d"], ["a b c", "x"], 0.25),
    ("wer", ["a"], ["x y z"], 3.0),
    ("wer", ["a b"], [""], 1.0),
    ("cer", ["abc", "d"], ["abc", "x"], 0.25),
    ("cer", ["the roast"], ["the rose"], 2 / 9),
]
SPACES = ["\t", "\n", "\u00a0", "\u202f", "\u2003", "  "]


@pytest.mark.parametrize(("name", "references", "predictions", "rate"), RATES)
def test_modules_give_fractions_over_all_clips_without_network(
    name, references, predictions, rate, monkeypatch
):
    def refuse(*_):
        raise AssertionError("a request was made")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    metric = evaluate.load(catalog.metric(name))
    texts = [[side] if isinstance(side, str) else side for side in (references, predictions)]
    assert metric.compute(references=texts[0], predictions=texts[1]) == pytest.approx(rate)


@pytest.mark.parametrize("name", ["wer", "cer"])
def test_modules_refuse_empty_references_and_other_lengths(name):
    metric = evaluate.load(catalog.metric(name))
    with pytest.raises(ValueError, match="Reference 0 is empty"):
        metric.compute(references=[""], predictions=["a"])
    with pytest.raises(ValueError):
        metric.compute(references=["a", "b"], predictions=["a"])


@pytest.mark.parametrize("space", SPACES)
def test_rates_alignment_and_interval_agree_on_every_white_space(space):
    said, heard = [f"bonjour{space}à tous", "oui"], ["bonjour à tous", f"oui{space}"]
    for name in ("wer", "cer"):
        assert evaluate.load(catalog.metric(name)).compute(references=said, predictions=heard) == 0
    assert confidence_interval(said, heard) == (0, 0, 0)
    for unit in ("word", "char"):
        assert all(edit.kind == "equal" for edit in align(said[0], heard[0], unit))
    assert word_errors(said, heard) == []


def test_difference_interval_pairs_the_clips():
    said = ["a b c d"] * 10
    first, second = ["a b c x"] * 10, ["a b x d"] * 10
    assert metrics.difference_interval(said, first, second) == (0, 0, 0), "the same clips for both"
    worse = metrics.difference_interval(said, first, ["a b c d"] * 5 + second[5:])
    assert worse.rate == pytest.approx(0.125)
    assert 0 < worse.low < 0.125 < worse.high < 0.25
    better = metrics.difference_interval(said, ["a b c d"] * 5 + second[5:], first)
    assert better == pytest.approx((-worse.rate, -worse.high, -worse.low))
    assert metrics.difference_interval(["A, b."] * 2, ["a b"] * 2, ["a x"] * 2, "en").rate == -0.5
    with pytest.raises(ValueError, match="One clip"):
        metrics.difference_interval("a b", "a b", "a b")
    with pytest.raises(ValueError, match="2 references and 1 predictions"):
        metrics.difference_interval(["a", "b"], ["a", "b"], ["a"])


def test_term_recall_counts_occurrences():
    said = ["une arthrose et une arthrose", "un épanchement pleural", "rien"]
    heard = ["une arthrose et une artrose", "un Épanchement pleural.", "rien"]
    terms = ["arthrose", "épanchement pleural", "jamais dit"]
    assert metrics.term_recall(said, heard, terms, "fr") == 2 / 3
    assert metrics.term_recall(said, said, terms, "fr") == 1.0


def test_the_last_words_of_a_clip_count_too():
    assert (
        metrics.term_recall("un épanchement pleural", "un épanchement pleural", ["épanchement pleural"])
        == 1.0
    )
    assert metrics.term_recall(["a b", "c"], ["a", "c"], ["a b", "c"]) == 0.5


def test_term_recall_needs_whole_words():
    assert metrics.term_recall("une arthrose", "une hémarthrose", ["arthrose"]) == 0.0
    assert metrics.term_recall("l'arthrose", "l'arthrose", ["arthrose"]) == 1.0


def test_term_recall_respects_vowel_signs_and_skips_empty_terms():
    with pytest.raises(ValueError, match="None of the terms"):
        metrics.term_recall("हिन्दी", "हिन्दी", ["हिन्द"])
    assert (
        metrics.term_recall(
            ["une arthrose", "un genou"], ["une arthrose", "un jeu"], ["arthrose", "genou", ""]
        )
        == 0.5
    )


def test_one_term_may_be_a_string_and_none_is_no_term():
    assert metrics.term_recall("une arthrose", "une arthrose", "arthrose") == 1.0
    with pytest.raises(TypeError, match="Term 1 is NoneType"):
        metrics.term_recall("une arthrose", "une arthrose", ["arthrose", None])


def test_term_recall_without_a_term():
    with pytest.raises(ValueError, match="None of the terms occurs"):
        metrics.term_recall("rien", "rien", ["arthrose"])


def test_importing_is_light():
    modules = "catalog, metrics, alignment, subtitles, show, players, plots"
    code = (
        f"import sys; from helpers import {modules}\n"
        "print(*{'torch', 'transformers', 'matplotlib', 'pandas', 'evaluate', 'librosa'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
