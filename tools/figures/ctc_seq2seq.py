"""Draws helpers/images/ctc_seq2seq.svg, the two families of models: `python -m tools.figures.ctc_seq2seq`."""

import math

from helpers.drawings import IMAGES

IMAGE = IMAGES / "ctc_seq2seq.svg"
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#e69f00", "#009e73", "#777777"
FRAMES = ("C", "C", "–", "A", "–", "–", "T", "T")
PIECES = ("The", " cat", " sat", ".")
WIDTH, HEIGHT = 880, 392


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Centred text."""
    return f'<text x="{x}" y="{y}" text-anchor="middle" {style}>{words}</text>'


def box(x: float, y: float, width: float, height: float, colour: str, label: str) -> str:
    """A rounded box with its label in the middle."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{colour}" fill-opacity=".16" '
        f'stroke="{colour}" stroke-width="2"/>{text(x + width / 2, y + height / 2 + 5, label)}'
    )


def cell(x: float, y: float, colour: str, label: str, width: float = 32) -> str:
    """A small box: a frame's letter, or a token."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="26" rx="4" fill="{colour}" fill-opacity=".12" '
        f'stroke="{colour}"/>{text(x + width / 2, y + 18, label)}'
    )


def arrow(path: str) -> str:
    """A path with a head at its end."""
    return f'<path d="{path}" fill="none" stroke="{GREY}" stroke-width="2" marker-end="url(#head)"/>'


def wave(x: float, y: float, width: float) -> str:
    """A sketch of a waveform: two bursts of sound."""
    points = []
    for step in range(int(width) + 1):
        loudness = math.sin(math.pi * step / width) * abs(math.sin(2 * math.pi * step / width))
        points.append(f"{x + step} {y + 15 * loudness * math.sin(step * 1.1):.1f}")
    return f'<path d="M{"L".join(points)}" fill="none" stroke="{BLUE}" stroke-width="1.3"/>'


def ctc() -> list[str]:
    """Left: an encoder and a linear layer, a letter or a blank for each frame, all at once."""
    middle, left = 215, 215 - 4 * 36
    parts = [text(middle, 34, "CTC", 'font-weight="600"'), text(middle, 70, "CAT", 'font-size="18"')]
    parts.append(arrow(f"M{middle} 110V82") + text(middle + 126, 100, "merge repeats, drop blanks", SMALL))
    for index, letter in enumerate(FRAMES):
        x = left + 36 * index
        parts += [cell(x, 116, GREY if letter == "–" else GREEN, letter), arrow(f"M{x + 16} 176V148")]
    parts += [box(left, 180, 284, 34, GREEN, "linear layer"), arrow(f"M{middle} 244V220")]
    parts += [box(left, 248, 284, 48, BLUE, "encoder"), arrow(f"M{middle} 322V302"), wave(left, 342, 284)]
    parts.append(text(middle, 380, "one pass: every frame gets its letter at the same time", SMALL))
    return parts


def seq2seq() -> list[str]:
    """Right: an encoder, and a decoder that reads it and the text so far, one token a step."""
    parts = [text(655, 34, "Seq2Seq", 'font-weight="600"'), wave(470, 342, 140)]
    parts += [box(470, 248, 140, 48, BLUE, "encoder"), arrow("M540 322V302")]
    parts += [box(660, 180, 180, 116, ORANGE, "decoder"), arrow("M614 272H654")]
    parts.append(text(634, 314, "cross-attention", SMALL))
    for index, piece in enumerate(PIECES):
        x = 660 + 46 * index
        past = index < len(PIECES) - 1
        parts.append(cell(x, 116, ORANGE if past else GREY, piece if past else "?", 42))
    parts.append(arrow("M819 176V148"))
    parts.append(arrow("M727 112V84H632V160H700V174") + text(700, 72, "the text so far goes back in", SMALL))
    parts.append(text(655, 380, "many passes: one token a step, and none before its turn", SMALL))
    return parts


SMALL = f'fill="{GREY}" font-size="13"'


def draw() -> str:
    """The picture as SVG text."""
    head = (
        f'<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="6" markerHeight="6" '
        f'orient="auto"><path d="M0 0L10 5L0 10z" fill="{GREY}"/></marker></defs>'
    )
    divider = f'<path d="M435 30V360" stroke="{GREY}" stroke-opacity=".4"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="15" fill="#333333">{head}'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="white"/>{divider}'
        f"{''.join(ctc() + seq2seq())}</svg>\n"
    )


if __name__ == "__main__":
    IMAGE.write_text(draw(), encoding="utf-8")
