"""Draws helpers/images/long_form_chunks.svg, chunks with stride: `python -m tools.figures.long_form`."""

from helpers.drawings import IMAGES

IMAGE = IMAGES / "long_form_chunks.svg"
BLUE, ORANGE, GREEN, GREY, DARK = "#0072b2", "#e69f00", "#009e73", "#777777", "#333333"
WIDTH, HEIGHT = 880, 410
LEFT, SCALE = 60, 10.4  # x of second 0; pixels a second
CHUNK, STRIDE = 30, 5  # seconds
STARTS = (0, 20, 40)


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Centred text."""
    return f'<text x="{x}" y="{y}" text-anchor="middle" {style}>{words}</text>'


def place(seconds: float) -> float:
    """x of a moment."""
    return LEFT + SCALE * seconds


def bar(start: float, end: float, y: float, colour: str, opacity: float, label: str = "") -> str:
    """A stretch of time, its label in the middle."""
    middle = (place(start) + place(end)) / 2
    return (
        f'<rect x="{place(start)}" y="{y}" width="{SCALE * (end - start)}" height="34" fill="{colour}" '
        f'fill-opacity="{opacity}"/>' + text(middle, y + 22, label)
    )


def axis(y: float) -> str:
    """Seconds, every ten."""
    ticks = [
        f'<path d="M{place(s)} {y}v6" stroke="{GREY}"/>' + text(place(s), y + 22, f"{s} s", f'fill="{GREY}"')
        for s in range(0, 71, 10)
    ]
    return f'<path d="M{place(0)} {y}H{place(70)}" stroke="{GREY}"/>' + "".join(ticks)


def chunk(number: int, start: float, y: float) -> str:
    """A chunk: its strides pale, except at the ends of the clip; the middle is its own."""
    end = start + CHUNK
    first, last = number == 0, number == len(STARTS) - 1
    own = (start if first else start + STRIDE, end if last else end - STRIDE)
    parts = [bar(*own, y, BLUE, 0.3, f"chunk {number + 1}")]
    if not first:
        parts.append(bar(start, start + STRIDE, y, ORANGE, 0.35, "stride"))
    if not last:
        parts.append(bar(end - STRIDE, end, y, ORANGE, 0.35, "stride"))
    parts.append(
        f'<rect x="{place(start)}" y="{y}" width="{SCALE * CHUNK}" height="34" rx="5" fill="none" '
        f'stroke="{BLUE}" stroke-width="2"/>'
    )
    return "".join(parts)


def draw() -> str:
    """The whole picture, on white, so that it can be read on a dark page too."""
    parts = [axis(26)]
    for seam in STARTS[1:]:
        parts.append(
            f'<rect x="{place(seam)}" y="60" width="{SCALE * 2 * STRIDE}" height="290" fill="{ORANGE}" '
            f'fill-opacity=".1"/>'
        )
        parts.append(text(place(seam + STRIDE), 372, "heard twice", f'fill="{GREY}"'))
        parts.append(
            text(place(seam + STRIDE), 390, "joined where both agree", f'fill="{GREY}" font-size="13"')
        )
    for number, start in enumerate(STARTS):
        parts.append(chunk(number, start, 70 + 52 * number))
    note = "no chunk needs another: all three are one batch, in any order"
    parts.append(text(WIDTH / 2, 250, note, 'font-weight="bold"'))
    parts.append(f'<path d="M{place(0)} 264H{place(70)}" stroke="{GREY}" stroke-dasharray="4 4"/>')
    for index, start in enumerate(STARTS):
        end = STARTS[index + 1] + STRIDE if index + 1 < len(STARTS) else start + CHUNK
        begin = start + STRIDE if index else 0
        parts.append(bar(begin, end, 290, GREEN, 0.18 + 0.12 * (index % 2), f"text of chunk {index + 1}"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="15" fill="{DARK}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="white"/>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    IMAGE.write_text(draw(), encoding="utf-8")
