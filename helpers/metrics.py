"""Word and character error rate, the normalising before them, and what to read beside the one number."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from .alignment import UNITS, Edit, align

METRICS = ("wer", "cer", "accuracy", "confusion_matrix")
Texts = str | Iterable[str]

_CODES = {
    "english": "en",
    "spanish": "es",
    "castilian": "es",
    "french": "fr",
    "turkish": "tr",
    "azerbaijani": "az",
}
_DOTLESS_I = {"tr", "az"}
# Only titles: nobody reads them aloud as they are written. Where the table has a dot or a capital, it is
# needed: "m." also stands for metres.
_TITLES = {
    "en": {"mr": "mister", "mrs": "missus", "dr": "doctor"},
    "es": {
        "sr": "señor",
        "sra": "señora",
        "srta": "señorita",
        "dr": "doctor",
        "dra": "doctora",
        "ud.": "usted",
        "uds.": "ustedes",
    },
    "fr": {"M.": "monsieur", "mme": "madame", "mlle": "mademoiselle", "dr": "docteur"},
    "tr": {"dr": "doktor"},
}
_LETTERS = re.compile(r"(?<![^\W\d_])[^\W\d_]+\.?")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))
_INSIDE_WORDS = set("'·׳״")
_INSIDE_NUMBERS = set(".,:/")
_READ_ALOUD = set("%‰&@#°§+=×÷±−")
_JOINERS = {"\u200c", "\u200d"}


def load(name: str):
    """Load the course's own metric as the `evaluate` library's object, without asking the Hub.

    Args:
        name: "wer", "cer", "accuracy" or "confusion_matrix".

    Returns:
        evaluate.Metric; `compute(predictions=[...], references=[...])` gives the rate as a fraction, and for
        the two of classes a dict with the metric's name as its key, as the Hub's modules do.

    Raises:
        ValueError: any other name.
    """
    if name not in METRICS:
        raise ValueError(
            f"There is no metric {name!r} here: choose 'wer' or 'cer', "
            "or for classes 'accuracy' or 'confusion_matrix'."
        )
    import evaluate

    # In memory: notebooks that run side by side would wait for one another's cache file.
    return evaluate.load(str(Path(__file__).parent / name), keep_in_memory=True)


def normalise(text: str, language: str = "default") -> str:
    """Take away what two correct transcriptions may differ in, and nothing that is heard.

    In every language: Unicode NFC; lower case; typographic apostrophes become ' and stay inside words only;
    dashes, slashes and punctuation become spaces; a full stop inside a word goes (a.m. -> am); white space
    is one space. Kept: accents and combining marks of every script; numbers with the . , : / inside them
    (nothing is spelt out: "3" and "three" differ); signs that are read aloud (%, &, €). Contractions stay as
    they are: "he's" can be "he is" or "he has".

    By language: titles are spelt out (en: mr, mrs, dr; es: sr, sra, srta, dr, dra, ud., uds.; fr: M., mme,
    mlle, dr; tr: dr). Turkish and Azerbaijani lower İ to i and I to ı; `str.lower` alone gives two code
    points for the one and i for the other.

    Args:
        text: any text.
        language: code ("en", "es", "fr", "tr"), locale ("tr_tr", "en-US") or English name ("Turkish"); any
            other language gets the rules for every language, as "default" does.

    Returns:
        The text, lower case, words joined by single spaces; "" when nothing is left.

    Raises:
        TypeError: text or language is not a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"The text is {type(text).__name__}: pass a string.")
    code = _code(language)
    text = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    titles = _TITLES.get(code, {})
    if titles:
        text = _LETTERS.sub(lambda found: _spell_title(found.group(), titles), text)
    if code in _DOTLESS_I:
        text = text.replace("I", "ı")
    text = text.replace("İ", "i").lower()
    before, after = " " + text, text[1:] + " "
    kept = "".join(map(_keep, before, text, after))
    return unicodedata.normalize("NFC", " ".join(kept.split()))


def _code(language: str) -> str:
    if not isinstance(language, str):
        raise TypeError(f"The language is {language!r}: pass a code such as 'en', or 'default'.")
    name = language.strip().lower()
    return _CODES.get(name, re.split("[-_]", name)[0])


def _spell_title(word: str, titles: Mapping[str, str]) -> str:
    for form in (word, word.lower(), word.lower().removesuffix(".")):
        if form in titles:
            return titles[form] + " " * word.endswith(".")
    return word


def _keep(before: str, character: str, after: str) -> str:
    category = unicodedata.category(character)
    if _is_wordy(character) or category == "Sc" or character in _READ_ALOUD or character in _JOINERS:
        return character
    if character in _INSIDE_NUMBERS and before.isdigit() and after.isdigit():
        return character
    if _is_wordy(before) and _is_wordy(after):
        if character in _INSIDE_WORDS:
            return character
        if character == ".":
            return ""
    if category == "Cf" and character != "\u200b":
        return ""
    return " "


def _is_wordy(character: str) -> bool:
    """Letter, mark or number. `\\w` of `re` would not do: it leaves out the vowel signs of Indic scripts."""
    return unicodedata.category(character)[0] in "LMN"


def wer(references: Texts, predictions: Texts, language: str | None = None) -> float:
    """Word error rate: substitutions, insertions and deletions over the words of the references.

    Args:
        references: what was said; one text, or one a clip.
        predictions: what was recognised, as many.
        language: normalise both sides first, see `normalise`; None compares the texts as they are.

    Returns:
        A fraction over all clips together: 0.04 is 4 %. More than 1 is possible.

    Raises:
        TypeError: None, or something other than strings.
        ValueError: no text, different lengths, or a reference without words (after normalising).

    Source: Morris, Maier, Green: From WER and RIL to MER and WIL (Interspeech 2004); computed by jiwer.
    """
    import jiwer

    return jiwer.wer(*_pairs(references, predictions, language))


def cer(references: Texts, predictions: Texts, language: str | None = None) -> float:
    """Character error rate, counted in Unicode code points, spaces between words included.

    Arguments, result and errors as of `wer`.
    """
    import jiwer

    return jiwer.cer(*_pairs(references, predictions, language))


class WordError(NamedTuple):
    """One confusion and how often it happened.

    Attributes:
        kind: "substitute", "insert" or "delete".
        target: words that were said; "" for an insertion.
        prediction: words that were recognised; "" for a deletion.
        count: number of times.
    """

    kind: str
    target: str
    prediction: str
    count: int


def word_errors(references: Texts, predictions: Texts, language: str | None = None) -> list[WordError]:
    """Count which words are confused with which.

    Where one word stands against several neighbours (torn in two, or two run together) they count as one
    confusion, so that "arthroplasty" -> "arthur plasty" is one line of the table; the WER counts two edits
    there.

    Args:
        references, predictions, language: as of `wer`.

    Returns:
        The errors, most frequent first, then by alphabet; [] when there is none.

    Raises:
        TypeError, ValueError: as `wer`.
    """
    counts = Counter()
    for reference, prediction in zip(*_pairs(references, predictions, language), strict=True):
        for equal, run in groupby(align(reference, prediction), key=lambda edit: edit.kind == "equal"):
            if not equal:
                counts.update(_confusions(list(run)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [WordError(*confusion, count) for confusion, count in ordered]


def _confusions(run: list[Edit]) -> list[Edit]:
    said = [edit.target for edit in run if edit.target]
    heard = [edit.prediction for edit in run if edit.prediction]
    if min(len(said), len(heard)) == 1:
        return [Edit("substitute", " ".join(said), " ".join(heard))]
    return run


def term_recall(
    references: Texts, predictions: Texts, terms: Iterable[str], language: str | None = None
) -> float:
    """Share of the terms' occurrences in the references that the prediction of the same clip has too.

    A term counts as heard when its words stand in the prediction one after another, spelt alike; twice in a
    reference, it must be there twice.

    Args:
        references, predictions, language: as of `wer`; the terms are normalised likewise.
        terms: words or phrases.

    Returns:
        A fraction.

    Raises:
        TypeError, ValueError: as `wer`; no term occurs in the references.
    """
    terms = list(terms)
    if language is not None:
        terms = [normalise(term, language) for term in terms]
    said = heard = 0
    for reference, prediction in zip(*_pairs(references, predictions, language), strict=True):
        for term in set(terms):
            times = _occurrences(term, reference)
            said += times
            heard += min(times, _occurrences(term, prediction))
    if not said:
        raise ValueError("None of the terms occurs in the references: pass terms that are said.")
    return heard / said


def _occurrences(term: str, text: str) -> int:
    return len(re.findall(rf"(?<!\w){re.escape(term)}(?!\w)", text))


class Interval(NamedTuple):
    """A rate and the range that would hold it: `rate`, `low`, `high`, all fractions."""

    rate: float
    low: float
    high: float


def confidence_interval(
    references: Texts,
    predictions: Texts,
    language: str | None = None,
    *,
    unit: str = "word",
    level: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> Interval:
    """How far the error rate would move with other clips of the same kind: the bootstrap over clips.

    Clips are drawn with replacement, `samples` times, and the rate is taken anew each time. Clips, not
    words, are drawn because the errors of one clip belong together. Few clips, or clips of one speaker,
    make it too narrow.

    Args:
        references, predictions, language: as of `wer`.
        unit: "word" for WER, "char" for CER.
        level: share of the draws inside the interval, between 0 and 1.
        samples: number of draws.
        seed: of the random generator; the same seed gives the same interval.

    Returns:
        Interval(rate, low, high), fractions.

    Raises:
        TypeError: as `wer`.
        ValueError: as `wer`; fewer than two clips; unknown unit; a level outside (0, 1); samples below 1.

    Source: Bisani, Ney: Bootstrap estimates for confidence intervals in ASR performance evaluation (ICASSP
        2004).
    """
    import numpy as np
    from rapidfuzz.distance import Levenshtein

    if unit not in UNITS:
        raise ValueError(f"Unknown unit {unit!r}: choose 'word' or 'char'.")
    if not 0 < level < 1:
        raise ValueError(f"A level of {level} is not between 0 and 1: 0.95 is usual.")
    if samples < 1:
        raise ValueError(f"{samples} draws give no interval: 1000 is usual.")
    references, predictions = _pairs(references, predictions, language)
    if len(references) < 2:
        raise ValueError("One clip says nothing about other clips: pass at least two.")
    split = str.split if unit == "word" else str.strip
    references, predictions = list(map(split, references)), list(map(split, predictions))
    edits = np.array([Levenshtein.distance(*pair) for pair in zip(references, predictions, strict=True)])
    lengths = np.array([len(reference) for reference in references])
    clips = len(lengths)
    drawn = np.random.default_rng(seed).multinomial(clips, np.full(clips, 1 / clips), size=samples)
    rates = (drawn @ edits) / (drawn @ lengths)
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(edits.sum() / lengths.sum()), float(low), float(high))


def _pairs(references, predictions, language: str | None) -> tuple[list[str], list[str]]:
    references, predictions = _texts(references, "references"), _texts(predictions, "predictions")
    if len(references) != len(predictions):
        raise ValueError(
            f"There are {len(references)} references and {len(predictions)} predictions: pass one of each "
            "for every clip."
        )
    if not references:
        raise ValueError("There is no text to compare: pass at least one reference and its prediction.")
    originals = references
    if language is not None:
        references = [normalise(text, language) for text in references]
        predictions = [normalise(text, language) for text in predictions]
    for number, (reference, original) in enumerate(zip(references, originals, strict=True)):
        if not reference.strip():
            raise ValueError(f"Reference {number} ({original!r}) has no words: leave that clip out.")
    return references, predictions


def _texts(texts, name: str) -> list[str]:
    if isinstance(texts, str):
        return [texts]
    if isinstance(texts, Iterable) and not isinstance(texts, (bytes, Mapping)):
        texts = list(texts)
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"{name.capitalize()[:-1]} {number} is {type(text).__name__}: pass strings.")
        return texts
    raise TypeError(f"The {name} are {type(texts).__name__}: pass a string or a list of strings.")
