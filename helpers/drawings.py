"""The lessons' drawings, as outputs of cells: seen wherever a notebook is opened, with nothing beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
"""One SVG for each, made by tools/figures."""


class Drawing:
    """An SVG with its alternative text inside, which stands for it where none can be drawn (`repr`)."""

    def __init__(self, svg: str, alt: str):
        self.alt = alt
        self.svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": self.alt}


def show(name: str, alt: str) -> Drawing:
    """A drawing, to be the last line of a cell.

    Args:
        name: of a file in `helpers/images`, without ".svg".
        alt: what is to be seen, for those who do not see it.

    Raises:
        ValueError: no such drawing; no alternative text.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("The drawing has no alternative text: say in a sentence what is to be seen.")
    path = IMAGES / f"{name}.svg"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in IMAGES.glob("*.svg")))
        raise ValueError(f"There is no drawing {name!r}: choose one of {known}.")
    return Drawing(path.read_text(encoding="utf-8"), alt)
