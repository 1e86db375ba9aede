"""What a lesson shows: target against prediction with the differences marked, and figures with a text."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from . import metrics
from .alignment import Edit, align
from .subtitles import columns

WEB = Path(__file__).parent / "web"
"""The style sheets and scripts of what is shown."""

_GAP = "***"  # stands where the other side has a word too many, as in NIST's sclite
_MARKS = {"substitute": ("u", "wrong"), "insert": ("ins", "too many"), "delete": ("del", "missing")}
_COLUMNS = 76


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


def box(name: str, content: str) -> str:
    """HTML of a box of one kind: `content` with box.css, and with `name`.css and `name`.js where they are."""
    sheets, script = (
        "".join(path.read_text("utf-8") for path in paths if path.is_file())
        for paths in ([WEB / "box.css", WEB / f"{name}.css"], [WEB / f"{name}.js"])
    )
    code = f"<script>{script}</script>" if script else ""
    return f'<style>{sheets}</style><div class="asr-box asr-{name}">{content}</div>{code}'


def heading(title: str | None) -> str:
    """A line above a box, as HTML; "" without a title."""
    return f"<div><b>{escape(title)}</b></div>" if title else ""


def diff(target: str, prediction: str, language: str | None = None, title: str | None = None) -> Rendered:
    """Target above prediction, word under word; what differs is underlined or struck out, and coloured.

    The marks are HTML elements with a meaning, so that they also show where style sheets are dropped: in a
    notebook that is not trusted yet, and on GitHub.

    Args:
        target, prediction: what was said and what was recognised.
        language: compare after `metrics.normalise`, so that case, punctuation and titles make no difference;
            the words are shown as they are written. None compares as written.
        title: a line above, such as the checkpoint's name.

    Returns:
        Rendered; its text has a line of marks under the two others (S, I, D as in sclite).

    Raises:
        TypeError: a side is not a string.
        ValueError: both sides are empty.
    """
    for name, side in (("target", target), ("prediction", prediction)):
        if not isinstance(side, str):
            raise TypeError(f"The {name} is {type(side).__name__}: pass a string.")
    edits = _shown_edits(target, prediction, language)
    if not edits:
        raise ValueError("Target and prediction are both empty: there is nothing to compare.")
    wrong, said = (sum(edit.kind != kind for edit in edits) for kind in ("equal", "insert"))
    note = f"{wrong} edit{'s' * (wrong != 1)} for {said} words"
    kinds = [mark for kind, mark in _MARKS.items() if any(edit.kind == kind for edit in edits)]
    legend = "".join(f" · <{tag}>{meaning}</{tag}>" for tag, meaning in kinds)
    cells = [_Column(edit) for edit in edits]
    html = "\n".join(_lines(cells, as_html=True))
    html = f'{heading(title)}<pre>{html}</pre><div class="asr-note">{note}{legend}</div>'
    text = _lines(cells, as_html=False)
    return Rendered(box("diff", html), "\n".join([*([title] if title else []), *text, note]))


def _shown_edits(target: str, prediction: str, language: str | None) -> list[Edit]:
    if language is None:
        return align(target, prediction)
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


class _Column:
    """One edit as three cells, one above another: target, prediction and mark."""

    def __init__(self, edit: Edit):
        mark = "" if edit.kind == "equal" else edit.kind[0].upper()
        self.cells = (edit.target or _GAP, edit.prediction or _GAP, mark)
        self.width = max(map(columns, self.cells))
        self.tag = _MARKS[edit.kind][0] if mark else None
        self.marked = 0 if edit.kind == "delete" else 1

    def cell(self, row: int, as_html: bool) -> str:
        text = self.cells[row]
        space = " " * (self.width - columns(text))
        if not as_html:
            return text + space
        tagged = self.tag and row == self.marked
        return (f"<{self.tag}>{escape(text)}</{self.tag}>" if tagged else escape(text)) + space


def _lines(edits: list[_Column], as_html: bool) -> list[str]:
    blocks, used = [[]], 0
    for column in edits:
        if used + column.width > _COLUMNS and used:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += column.width + 1
    names = ("target     ", "prediction ", "           ")
    rows = names[:2] if as_html else names
    return [
        (name + " ".join(column.cell(row, as_html) for column in block)).rstrip()
        for block in blocks
        for row, name in enumerate(rows)
    ]


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
