"""Draws helpers/images/ctc_model.svg and helpers/images/ctc_trellis.svg: `python -m tools.figures.ctc`."""

from helpers.drawings import IMAGES

BLUE, ORANGE, GREEN, GREY, DARK = "#0072b2", "#e69f00", "#009e73", "#777777", "#333333"
HEAD = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="6" markerHeight="6" '
    f'orient="auto"><path d="M0 0L10 5L0 10z" fill="{GREY}"/></marker></defs>'
)


def page(width: int, height: int, parts: list[str]) -> str:
    """An SVG document on white, so that it can be read on a dark page too."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="15" fill="{DARK}">{HEAD}'
        f'<rect width="{width}" height="{height}" rx="10" fill="white"/>{"".join(parts)}</svg>\n'
    )


def text(x: float, y: float, words: str, colour: str = DARK, style: str = "") -> str:
    """A line of text, centred."""
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="{colour}" {style}>{words}</text>'


def box(x: float, y: float, width: float, height: float, colour: str, label: str = "") -> str:
    """A rounded box with its label in the middle."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="{colour}" fill-opacity=".16" '
        f'stroke="{colour}" stroke-width="2"/>'
        + (text(x + width / 2, y + height / 2 + 5, label) if label else "")
    )


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """A line with a head at its end."""
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{GREY}" stroke-width="1.8" marker-end="url(#head)"/>'


def wave(left: float, middle: float, width: float) -> str:
    """Something that looks like a waveform: bars of changing height."""
    profile = "3 6 14 22 17 25 19 9 4 3 8 18 26 21 12 24 28 16 8 4 3 12 20 27 15 7 4 2"
    heights = [int(height) for height in profile.split()]
    step = width / len(heights)
    bars = [
        f"M{left + step * (i + 0.5):.1f} {middle - height}v{2 * height}" for i, height in enumerate(heights)
    ]
    return f'<path d="{"".join(bars)}" stroke="{BLUE}" stroke-width="4"/>'


def model() -> str:
    """From waveform to text, bottom up at the left, what each step gives at the right."""
    path = "C·AA··TT·S"
    left, step, top = 40, 56, 20
    places = [left + step * (i + 0.5) for i in range(len(path))]
    right = left + step * len(path)
    parts = [wave(left, 372, step * len(path))]
    parts += [arrow(x, 338, x, 318) for x in places]
    parts += [box(left, 280, step * len(path), 36, BLUE, "convolutions")]
    parts += [arrow(x, 278, x, 258) for x in places]
    parts += [box(left, 206, step * len(path), 50, BLUE, "transformer encoder: every frame sees all others")]
    parts += [arrow(x, 204, x, 184) for x in places]
    parts += [box(left, 146, step * len(path), 36, ORANGE, "one linear layer, the same for every frame")]
    parts += [arrow(x, 144, x, 126) for x in places]
    for x, token in zip(places, path, strict=True):
        colour = GREY if token == "·" else GREEN
        parts.append(box(x - 19, 86, 38, 38, colour, token))
    parts.append(
        text(left + step * len(path) / 2, top + 36, "CATS", DARK, 'font-size="30" letter-spacing="6"')
    )
    notes = [
        (62, "text: repeats merged, blanks dropped"),
        (110, "path: the best token of each frame, · is blank"),
        (169, "a score for each of 32 tokens"),
        (236, "a vector for each frame"),
        (303, "50 frames a second"),
        (377, "16,000 samples a second"),
    ]
    parts += [f'<text x="{right + 24}" y="{y}" fill="{DARK}">{note}</text>' for y, note in notes]
    return page(right + 380, 420, parts)


def trellis() -> str:
    """Five states, four frames, and the moves a path may make."""
    names, frames, across, down = "·A·B·", 4, 150, 62
    x0, y0 = 110, 66
    parts = [text(x0 + across * t, 32, f"frame {t + 1}", GREY) for t in range(frames)]
    for t in range(frames - 1):
        for s in range(len(names)):
            x, y = x0 + across * t, y0 + down * s
            for move in (0, 1, 2):
                lands = s + move < len(names) and (move < 2 or (names[s] != "·" and names[s + move] != "·"))
                if lands:
                    parts.append(arrow(x + 20, y + 5 * move, x + across - 21, y + down * move - 4 * move))
    for t in range(frames):
        for s, name in enumerate(names):
            x, y = x0 + across * t, y0 + down * s
            colour = GREY if name == "·" else BLUE
            parts.append(
                f'<circle cx="{x}" cy="{y}" r="18" fill="white" stroke="{colour}" stroke-width="2"/>'
            )
            parts.append(text(x, y + 6, name, colour, 'font-size="18" font-weight="600"'))
    last = x0 + across * (frames - 1)
    parts.append(
        text(38, y0 + down / 2 + 5, "begin", GREY) + text(last + 66, y0 + down * 3.5 + 5, "end", GREY)
    )
    parts += [arrow(62, y0 + down / 2, 90, y0 + 6), arrow(62, y0 + down / 2, 90, y0 + down - 6)]
    parts += [arrow(last + 20, y0 + down * s, last + 48, y0 + down * 3.5) for s in (3, 4)]
    return page(last + 110, y0 + down * 4 + 40, parts)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "ctc_model.svg").write_text(model(), encoding="utf-8")
    (IMAGES / "ctc_trellis.svg").write_text(trellis(), encoding="utf-8")


if __name__ == "__main__":
    main()
