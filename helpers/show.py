"""What a lesson shows: differences in colour, and figures with alternative text."""

from __future__ import annotations

import base64
import unicodedata
from html import escape

from . import metrics
from .alignment import Edit, align

STYLE = """
.asr-box{max-width:52em;margin:.4em 0;line-height:1.4}
.asr-box button{font:inherit;color:inherit;background:none;cursor:pointer;
  border:1px solid #8886;border-radius:.3em}
.asr-box button:hover,.asr-box button:focus-visible{outline:2px solid #56b4e9}
.asr-box audio{width:100%;max-width:30em;display:block;margin:.3em 0}
.asr-note{opacity:.75;font-size:.85em;margin:.3em 0}
"""
"""What all boxes share. Colours are tints of whatever lies behind, so that dark themes stay readable."""


class Rendered:
    """Something to show: HTML where it can be drawn, plain text (`str`, `repr`) everywhere else.

    Attributes:
        html: complete in itself; asks no network.
        text: says the same.
    """

    def __init__(self, html: str, text: str):
        self.html, self.text = html, text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}


def heading(title: str | None) -> str:
    """A line above a box, as HTML; "" without a title."""
    return f"<div><b>{escape(title)}</b></div>" if title else ""


MISSING = "***"
"""Stands where the other side has a word too many, as in NIST's sclite."""

_DIFF_STYLE = """
.asr-diff ruby{display:inline-flex;flex-direction:column;vertical-align:top;margin:0 .7em .7em 0}
.asr-diff ruby.asr-char{margin-right:0;min-width:.7em;text-align:center}
.asr-diff rt{order:-1;font-size:1em;text-align:inherit;line-height:1.4}
.asr-diff rp{display:none}
.asr-diff :is(del,ins,mark){color:inherit;border-radius:.2em;padding:0 .15em;text-decoration-thickness:2px}
.asr-diff del{background:#0072b244;text-decoration:line-through}
.asr-diff ins{background:#009e7344;text-decoration:underline double}
.asr-diff mark{background:#d55e0044;text-decoration:underline wavy}
.asr-diff i{opacity:.5;font-style:normal}
.asr-diff .asr-together>span{display:inline-block;margin-right:.7em}
"""
_MARKS = {"substitute": ("mark", "wrong"), "insert": ("ins", "too many"), "delete": ("del", "missing")}


def diff(
    target: str,
    prediction: str,
    language: str | None = None,
    unit: str = "word",
    title: str | None = None,
) -> Rendered:
    """Target over prediction in columns that wrap; what differs is coloured and underlined or struck out.

    Args:
        target, prediction: what was said and what was recognised.
        language: compare after `metrics.normalise`, so that case, punctuation and titles make no difference;
            the words are shown as they are written. None compares as written.
        unit: "word" or "char" (Unicode code points).
        title: a line above, such as the checkpoint's name.

    Returns:
        Rendered; its text has a line of marks under the two others (S, I, D as in sclite).

    Raises:
        TypeError: a side is not a string.
        ValueError: both sides are empty; unknown unit.

    Marks: NIST SCTK, sclite's alignment output.
    """
    for name, side in (("target", target), ("prediction", prediction)):
        if not isinstance(side, str):
            raise TypeError(f"The {name} is {type(side).__name__}: pass a string.")
    edits = _shown_edits(target, prediction, language, unit)
    if not edits:
        raise ValueError("Target and prediction are both empty: there is nothing to compare.")
    wrong = sum(edit.kind != "equal" for edit in edits)
    units = "words" if unit == "word" else "characters"
    said = sum(edit.kind != "insert" for edit in edits)
    note = f"{wrong} edits for {said} {units}" if wrong != 1 else f"1 edit for {said} {units}"
    kinds = [kind for kind in _MARKS if any(edit.kind == kind for edit in edits)]
    legend = "".join(f" · <{_MARKS[kind][0]}>{_MARKS[kind][1]}</{_MARKS[kind][0]}>" for kind in kinds)
    columns = "".join(_column(edit, unit) for edit in edits)
    together = "" if unit == "word" else ' class="asr-together"'
    html = (
        f"<style>{STYLE}{_DIFF_STYLE}</style>"
        f'<div class="asr-box asr-diff">{heading(title)}<div{together}><span>{columns}</span></div>'
        f'<div class="asr-note">target above, prediction below: {note}{legend}</div></div>'
    )
    lines = _diff_lines(edits, unit)
    return Rendered(html, "\n".join([*([title] if title else []), *lines, note]))


def _shown_edits(target: str, prediction: str, language: str | None, unit: str) -> list[Edit]:
    if language is None:
        return align(target, prediction, unit)
    if unit == "char":
        return align(metrics.normalise(target, language), metrics.normalise(prediction, language), unit)
    compared, shown = [], []
    for side in (target, prediction):
        words = [piece for word in side.split() for piece in _pieces(word, language)]
        compared.append([word for word, _ in words])
        shown.append(iter([written for _, written in words]))
    return [
        Edit(kind, said and next(shown[0]), heard and next(shown[1]))
        for kind, said, heard in align(*compared)
    ]


def _pieces(word: str, language: str) -> list[tuple[str, str]]:
    """(compared, shown) for a written word: several for "twenty-one", none for a dash that stands alone."""
    pieces = metrics.normalise(word, language).split()
    return [(pieces[0], word)] if len(pieces) == 1 else [(piece, piece) for piece in pieces]


def _column(edit: Edit, unit: str) -> str:
    if unit == "char" and edit == ("equal", " ", " "):
        return "</span> <span>"
    tag = _MARKS[edit.kind][0] if edit.kind != "equal" else None
    above, below = (
        escape(_visible(side) if unit == "char" else side) or f"<i>{_gap(unit)}</i>"
        for side in (edit.target, edit.prediction)
    )
    if tag and edit.kind == "delete":
        above = f"<{tag}>{above}</{tag}>"
    elif tag:
        below = f"<{tag}>{below}</{tag}>"
    css = ' class="asr-char"' if unit == "char" else ""
    # <ruby> keeps target above prediction even where the style sheet is dropped.
    return f"<ruby{css}>{below}<rp> (</rp><rt>{above}</rt><rp>) </rp></ruby>" + " " * (unit == "word")


def _gap(unit: str) -> str:
    return MISSING if unit == "word" else MISSING[0]


def _visible(character: str) -> str:
    if not character:
        return ""
    if character.isspace():
        return "␣"
    return "◌" + character if unicodedata.category(character)[0] == "M" else character


def _width(text: str) -> int:
    """Columns in a terminal: combining marks take none, East Asian wide characters two."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)


def _diff_lines(edits: list[Edit], unit: str, limit: int = 88) -> list[str]:
    rows, used = [["", "", ""]], 0
    glue = " " if unit == "word" else ""
    for edit in edits:
        mark = "" if edit.kind == "equal" else edit.kind[0].upper()
        sides = edit.target or _gap(unit), edit.prediction or _gap(unit)
        cells = [*(sides if glue or not mark else map(_visible, sides)), mark]
        width = max(map(_width, cells))
        if used + width > limit and used:
            rows.append(["", "", ""])
            used = 0
        for row, cell in enumerate(cells):
            rows[-1][row] += cell + " " * (width - _width(cell)) + glue
        used += width + len(glue)
    names = ("target     ", "prediction ", "           ")
    return ["\n".join(map(str.rstrip, map(str.__add__, names, block))) for block in rows]


def figure(fig, alt: str, dpi: int = 100) -> None:
    """Show a matplotlib figure as a PNG with alternative text, and close it.

    Args:
        fig: matplotlib.figure.Figure; 8 × 3 inches are 800 × 300 pixels.
        alt: what is to be seen, for those who do not see it. It is stored with the output (metadata,
            image/png, alt) and is its plain text.
        dpi: pixels an inch.

    Raises:
        TypeError: not a figure.
        ValueError: no alternative text.

    Source: nbconvert's classic template reads that metadata; its lab template and JupyterLab 4 do not yet
        (jupyter/enhancement-proposals, issue 120).
    """
    import io

    from IPython.display import display

    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("The figure has no alternative text: say in a sentence what is to be seen.")
    if not hasattr(fig, "savefig"):
        raise TypeError(f"{type(fig).__name__} is not a figure: pass ax.figure.")
    import matplotlib.pyplot as plt

    image = io.BytesIO()
    fig.savefig(image, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
    plt.close(fig)
    display(
        {"image/png": base64.b64encode(image.getvalue()).decode(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
