"""Draws helpers/images/fine_tuning.svg, the four steps: `python -m tools.figures.fine_tuning`."""

from helpers.drawings import IMAGES

IMAGE = IMAGES / "fine_tuning.svg"
BLUE, ORANGE, GREY = "#0072b2", "#e69f00", "#777777"
STEPS = ("1  choose", "2  prepare", "3  new head", "4  train")
NOTES = ("pretrained on plenty", "text to padded batches", "random weights on top", "a few steps, small ones")
WIDTH, PANEL = 880, 220


def box(x: int, y: int, width: int, height: int, colour: str, label: str, style: str = "") -> str:
    """A rounded box with its label in the middle, as SVG."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{colour}" fill-opacity=".16" '
        f'stroke="{colour}" stroke-width="2" {style}/>'
        f'<text x="{x + width / 2}" y="{y + height / 2 + 5}" text-anchor="middle">{label}</text>'
    )


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """A line with a head at its end, as SVG."""
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{GREY}" stroke-width="2" marker-end="url(#head)"/>'


def batch(x: int, y: int) -> str:
    """Three sentences of different length in one rectangle; what is padding is hollow."""
    cells = []
    for row, tokens in enumerate((3, 6, 4)):
        for column in range(6):
            fill = BLUE if column < tokens else "none"
            cells.append(
                f'<rect x="{x + 24 * column}" y="{y + 28 * row}" width="20" height="22" rx="3" fill="{fill}" '
                f'fill-opacity=".5" stroke="{BLUE}"/>'
            )
    return "".join(cells)


def draw() -> str:
    """The picture as SVG text: four panels from left to right."""
    parts = []
    for index, (step, note) in enumerate(zip(STEPS, NOTES, strict=True)):
        middle = PANEL * index + PANEL / 2
        parts.append(f'<text x="{middle}" y="34" text-anchor="middle" font-weight="600">{step}</text>')
        parts.append(f'<text x="{middle}" y="222" text-anchor="middle" fill="{GREY}">{note}</text>')
    dashed = f'stroke-dasharray="5 4" style="stroke:{GREY}"'
    parts += [box(40, 60, 140, 36, GREY, "old head", dashed), box(40, 110, 140, 80, BLUE, "body")]
    parts.append(batch(PANEL + 40, 84))
    parts += [box(480, 60, 140, 36, ORANGE, "new head"), box(480, 110, 140, 80, BLUE, "body")]
    parts += [box(700, 60, 140, 36, ORANGE, "head"), box(700, 110, 140, 80, BLUE, "body")]
    parts += [arrow(690, 186, 690, 64), arrow(850, 64, 850, 186)]
    parts += [arrow(x - 14, 128, x + 14, 128) for x in (PANEL, 2 * PANEL, 3 * PANEL - 9)]
    head = (
        f'<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="6" markerHeight="6" '
        f'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{GREY}"/></marker></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 244" width="{WIDTH}" height="244" '
        f'font-family="system-ui, sans-serif" font-size="15" fill="#333333">{head}'
        f'<rect width="{WIDTH}" height="244" rx="10" fill="white"/>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    IMAGE.write_text(draw(), encoding="utf-8")
