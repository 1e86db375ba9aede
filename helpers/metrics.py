"""What to read beside an error rate: its interval, the words that are confused, the terms that are heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

from .alignment import Edit, align
from .normalising import is_wordy, normalise

Texts = str | Iterable[str]


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
        references: what was said; one text, or one a clip.
        predictions: what was recognised, as many.
        language: normalise both sides first, see `normalise`; None compares the texts as they are.

    Returns:
        The errors, most frequent first, then by alphabet; [] when there is none.

    Raises:
        TypeError: None, or something other than strings.
        ValueError: no text, different lengths, or a reference without words (after normalising).
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


def term_recall(references: Texts, predictions: Texts, terms: Texts, language: str | None = None) -> float:
    """Share of the terms' occurrences in the references that the prediction of the same clip has too.

    A term counts as heard when its words stand in the prediction one after another, spelt alike; twice in a
    reference, it must be there twice.

    Args:
        references, predictions, language: as of `word_errors`; the terms are normalised likewise.
        terms: words or phrases; an empty one is no term.

    Returns:
        A fraction.

    Raises:
        TypeError, ValueError: as `word_errors`; no term occurs in the references.
    """
    terms = [term if language is None else normalise(term, language) for term in _texts(terms, "terms")]
    wanted = set(map(tuple, map(_words, terms)))
    said = heard = 0
    for pair in zip(*_pairs(references, predictions, language), strict=True):
        reference, prediction = map(_words, pair)
        for term in wanted - {()}:
            times = _occurrences(term, reference)
            said += times
            heard += min(times, _occurrences(term, prediction))
    if not said:
        raise ValueError("None of the terms occurs in the references: pass terms that are said.")
    return heard / said


def _words(text: str) -> list[str]:
    """Runs of letters, marks and numbers: "l'arthrose" is two."""
    return "".join(character if is_wordy(character) else " " for character in text).split()


def _occurrences(term: tuple[str, ...], words: list[str]) -> int:
    return sum(tuple(words[at : at + len(term)]) == term for at in range(len(words) - len(term) + 1))


class Interval(NamedTuple):
    """A rate, or the difference of two, and the range of 95 % around it: `rate`, `low`, `high`, fractions."""

    rate: float
    low: float
    high: float


def confidence_interval(references: Texts, predictions: Texts, language: str | None = None) -> Interval:
    """How far the WER would move with other clips of the same kind: 95 % of a bootstrap over clips.

    Clips are drawn with replacement, 1,000 times, and the rate is taken anew each time; clips, not words,
    because the errors of one clip belong together. Few clips, or clips of one speaker, make it too narrow.

    Args:
        references, predictions, language: as of `word_errors`.

    Returns:
        Interval(rate, low, high), fractions.

    Raises:
        TypeError, ValueError: as `word_errors`; fewer than two clips.

    Source: Bisani, Ney: Bootstrap estimates for confidence intervals in ASR performance evaluation (2004).
    """
    return _bootstrap(*_counts(references, predictions, language))


def difference_interval(
    references: Texts, first: Texts, second: Texts, language: str | None = None
) -> Interval:
    """WER of `first` minus WER of `second`, with its 95 % interval: `confidence_interval` in pairs.

    Each draw takes the same clips for both. An interval without 0 in it says that the order of the two would
    most likely be the same on other clips of this kind.

    Args, returns and errors: as of `confidence_interval`, with two lists of predictions.
    """
    (one, words), (other, _) = (_counts(references, texts, language) for texts in (first, second))
    return _bootstrap(one - other, words)


def _counts(references, predictions, language):
    """Wrong words of each clip, and words that were said in it: two arrays of shape (clips,)."""
    import numpy as np
    from rapidfuzz.distance import Levenshtein

    references, predictions = _pairs(references, predictions, language)
    if len(references) < 2:
        raise ValueError("One clip says nothing about other clips: pass at least two.")
    pairs = [(said.split(), heard.split()) for said, heard in zip(references, predictions, strict=True)]
    return np.array([Levenshtein.distance(*pair) for pair in pairs]), np.array([len(s) for s, _ in pairs])


def _bootstrap(errors, words) -> Interval:
    import numpy as np

    clips = len(words)
    drawn = np.random.default_rng(0).multinomial(clips, np.full(clips, 1 / clips), size=1000)
    low, high = np.quantile((drawn @ errors) / (drawn @ words), [0.025, 0.975])
    return Interval(float(errors.sum() / words.sum()), float(low), float(high))


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
    references, predictions = (
        [" ".join((text if language is None else normalise(text, language)).split()) for text in side]
        for side in (references, predictions)
    )
    for number, (reference, original) in enumerate(zip(references, originals, strict=True)):
        if not reference:
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
