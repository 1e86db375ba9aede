"""Something to show in a notebook that also makes sense as plain text."""

from __future__ import annotations

from html import escape

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
