"""Target against prediction: which words (or characters) are equal, substituted, inserted or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

UNITS = ("word", "char")
_KINDS = {"equal": "equal", "replace": "substitute", "insert": "insert", "delete": "delete"}


class Edit(NamedTuple):
    """One step from target to prediction.

    Attributes:
        kind: "equal", "substitute", "insert" (the prediction has one too many) or "delete" (one is
            missing).
        target: word or character of the target; "" for an insertion.
        prediction: word or character of the prediction; "" for a deletion.
    """

    kind: str
    target: str
    prediction: str


def align(target: str | Sequence[str], prediction: str | Sequence[str], unit: str = "word") -> list[Edit]:
    """Align a prediction with its target by the fewest edits.

    Args:
        target: what was said; a string, split at whitespace (unit "word") or into Unicode code points (unit
            "char"), or a sequence of strings that are taken as they are.
        prediction: what was recognised, likewise.
        unit: "word" or "char".

    Returns:
        Edits in reading order. A substitution stands for exactly one word (character) on either side. Where
        several alignments need equally few edits, the library chooses.

    Raises:
        TypeError: a side is neither a string nor a sequence of strings.
        ValueError: unknown unit.

    Source: Levenshtein distance (Levenshtein, 1966), computed by RapidFuzz, the library under jiwer.
    """
    from rapidfuzz.distance import Levenshtein

    if unit not in UNITS:
        raise ValueError(f"Unknown unit {unit!r}: choose 'word' or 'char'.")
    target, prediction = _split(target, unit, "target"), _split(prediction, unit, "prediction")
    edits = []
    for step in Levenshtein.opcodes(target, prediction):
        said, heard = target[step.src_start : step.src_end], prediction[step.dest_start : step.dest_end]
        width = max(len(said), len(heard))
        said, heard = said or [""] * width, heard or [""] * width
        edits += [Edit(_KINDS[step.tag], *pair) for pair in zip(said, heard, strict=True)]
    return edits


def _split(side: str | Sequence[str], unit: str, name: str) -> list[str]:
    if isinstance(side, str):
        words = side.split()
        return words if unit == "word" else list(" ".join(words))
    if isinstance(side, Sequence) and all(isinstance(item, str) for item in side):
        return list(side)
    raise TypeError(f"The {name} is {type(side).__name__}: pass one string, or a list of words.")
