"""Figures in one style: axes, segments along time, and bars that are compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .segments import read_segments

# Okabe, Ito: Color universal design (2008): told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, RED, SKY, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7"
PALETTE = (BLUE, ORANGE, GREEN, RED, SKY, PURPLE)

_STYLE = {
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.labelcolor": "#333333",
    "text.color": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}


def axes(rows: int = 1, columns: int = 1, width: float = 9, height: float = 2.4, **options):
    """New axes in the style of the course.

    Args:
        rows, columns: how many axes, one above or beside another.
        width, height: of one row, in inches (100 pixels each as `show.figure` shows them).
        options: further ones of matplotlib.pyplot.subplots, such as sharex.

    Returns:
        One Axes, or an array of them of shape (rows,), (columns,) or (rows, columns); each knows its
        `figure`.
    """
    import matplotlib.pyplot as plt

    plt.rcParams.update(_STYLE)  # not in a context: where a title goes is read when it is set, later
    return plt.subplots(rows, columns, figsize=(width, height * rows), **options)[1]


def timeline(lanes, duration: float | None = None, ax=None):
    """Segments as bars along time, one lane above another.

    Args:
        lanes: {name of the lane: segments}, or the segments of one lane; in any form of
            `subtitles.read_segments`, times in seconds. A text is written into its bar where it fits.
        duration: where the x axis ends, in seconds; None means the last end.
        ax: Axes to draw on; None makes new ones.

    Returns:
        The Axes, first lane on top.

    Raises:
        TypeError, ValueError: as `subtitles.read_segments`; no lane.
    """
    if not isinstance(lanes, Mapping) or "chunks" in lanes:
        lanes = {"": lanes}
    lanes = {name: read_segments(segments, duration) for name, segments in lanes.items()}
    if not lanes:
        raise ValueError("There is no lane to draw: pass {name: segments}.")
    end = duration or max(segment.end for segments in lanes.values() for segment in segments)
    ax = ax if ax is not None else axes(height=0.7 + 0.5 * len(lanes))
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set(xlabel="time (s)", xlim=(0, end))
    for lane, segments in enumerate(lanes.values()):
        color = PALETTE[lane % len(PALETTE)]
        for start, stop, text in segments:
            ax.barh(lane, stop - start, left=start, height=0.7, color=color, alpha=0.3, edgecolor=color)
            _write_inside(ax, start, stop, lane, text)
    ax.set_yticks(range(len(lanes)), list(lanes))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax


def bars(values: Mapping[str, float], ax=None, unit: str = ""):
    """Compare numbers as horizontal bars, the number written at each.

    Args:
        values: {label: number}.
        ax: Axes to draw on; None makes new ones.
        unit: format and unit of the numbers: "%" shows fractions as per cent; others follow the number.

    Returns:
        The Axes, first label on top.

    Raises:
        ValueError: no value; NaN, infinite or negative values.
    """
    if not values:
        raise ValueError("There is nothing to compare: pass {label: number}.")
    numbers = np.asarray(list(values.values()), dtype=float)
    if not np.isfinite(numbers).all():
        raise ValueError("A bar is NaN or infinite: check what made it.")
    if numbers.min() < 0:
        raise ValueError("Bars start at 0 and a value is negative: draw the differences another way.")
    ax = ax if ax is not None else axes(height=0.7 + 0.4 * len(values))
    places = list(range(len(values)))
    ax.barh(places, numbers, height=0.65, color=BLUE, alpha=0.75)
    for place, number in enumerate(numbers):
        digits = ",.0f" if number >= 999.5 else ".3g"
        text = f"{number:.1%}" if unit == "%" else f"{number:{digits}} {unit}".strip()
        ax.annotate(text, (number, place), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, list(values))
    ax.set(ylim=(len(values) - 0.4, -0.6), xlim=(0, max(numbers.max(), 1e-9) * 1.15), xticks=[])
    ax.tick_params(axis="y", length=0)
    ax.spines["bottom"].set_visible(False)
    return ax


def _write_inside(ax, start: float, stop: float, lane: int, text: str) -> None:
    """Write as much of the text as fits the bar, by the mean width of a letter."""
    left, right = ax.transData.transform([(start, lane), (stop, lane)])[:, 0]
    letters = int((right - left) / ax.figure.dpi * 72 / 5) - 1
    if len(text) > letters:
        text = text[: letters - 1].rstrip() + "…" if letters > 3 else ""
    ax.text((start + stop) / 2, lane, text.replace("$", r"\$"), ha="center", va="center", fontsize=9)
