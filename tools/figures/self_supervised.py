"""Draws helpers/images/self_supervised.svg, how XLSR learns without text."""

from helpers.drawings import IMAGES
from tools.figures.ctc import BLUE, DARK, GREEN, GREY, ORANGE, arrow, box, page, text, wave

IMAGE = IMAGES / "self_supervised.svg"
MASKED = (4, 5, 6)
FRAMES, ASKED = 11, 5


def draw() -> str:
    """Bottom up: sound, convolutions, frames with a masked span, transformer, the choice for one frame."""
    left, step = 40, 56
    places = [left + step * (i + 0.5) for i in range(FRAMES)]
    width, right, asked = step * FRAMES, left + step * FRAMES, left + step * (ASKED + 0.5)
    parts = [wave(left, 442, width), *(arrow(x, 408, x, 390) for x in places)]
    parts.append(box(left, 352, width, 36, BLUE, "convolutions"))
    parts += [arrow(x, 350, x, 332) for x in places]
    for index, x in enumerate(places):
        hidden = index in MASKED
        parts.append(box(x - 21, 292, 42, 38, ORANGE if hidden else BLUE, "mask" if hidden else ""))
    parts += [arrow(x, 290, x, 272) for x in places]
    parts.append(box(left, 220, width, 50, BLUE, "transformer encoder: every frame sees all others"))
    parts.append(arrow(asked, 218, asked, 196) + box(asked - 25, 156, 50, 38, ORANGE, "?"))
    choices = [places[1], places[3], places[5], places[7], places[9]]
    for index, x in enumerate(choices):
        true = index == 3
        parts.append(box(x - 25, 58, 50, 38, GREEN if true else GREY, "true" if true else "other"))
        parts.append(arrow(asked, 154, x, 100))
    notes = [
        (82, "the true sound of this frame, among"),
        (102, "those of other hidden frames"),
        (178, "the vector of a hidden frame"),
        (250, "tells it by what stands around"),
        (316, "spans of frames are hidden"),
        (376, "50 frames a second"),
        (447, "any speech, no text"),
    ]
    parts += [f'<text x="{right + 24}" y="{y}" fill="{DARK}">{note}</text>' for y, note in notes]
    parts.append(text(left + width / 2, 34, "pick the true one", DARK, 'font-weight="600"'))
    return page(right + 320, 490, parts)


if __name__ == "__main__":
    IMAGE.write_text(draw(), encoding="utf-8")
