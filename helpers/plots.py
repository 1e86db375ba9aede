"""Pictures of sound and of what models make of it, in one calm style, with seconds along the x axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .subtitles import read_segments

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
_COLUMNS = 2000
"""Points across a waveform: more than pixels on screen only make the picture slow."""


def axes(rows: int = 1, columns: int = 1, width: float = 9, height: float = 2.4, **options):
    """New axes in the style of the course.

    Args:
        rows, columns: how many axes, one above or beside another.
        width, height: of one row, in inches (100 pixels each as `display.figure` shows them).
        options: further ones of matplotlib.pyplot.subplots, such as sharex.

    Returns:
        One Axes, or an array of them of shape (rows,), (columns,) or (rows, columns); each knows its
        `figure`.
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(_STYLE):
        _, made = plt.subplots(rows, columns, figsize=(width, height * rows), **options)
    return made


def waveform(array, sampling_rate: int, ax=None):
    """Amplitude over time.

    Args:
        array: samples, shape (samples,), floats in [-1, 1].
        sampling_rate: Hz.
        ax: Axes to draw on; None makes new ones.

    Returns:
        The Axes. A long clip is drawn as the lowest and highest sample of each of 2000 stretches.

    Raises:
        audio.AudioError: empty, NaN, or not one clip.
    """
    from . import audio

    samples = audio.to_mono_float(array)
    ax = ax if ax is not None else axes(height=1.8)
    stretch = -(-len(samples) // _COLUMNS)
    starts = np.arange(0, len(samples), stretch)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    if stretch == 1:
        ax.plot(starts / sampling_rate, samples, color=BLUE, linewidth=0.8)
    else:
        ax.fill_between(starts / sampling_rate, low, high, color=BLUE, linewidth=0.4)
    limit = max(float(np.abs(samples).max()) * 1.05, 1e-3)
    ax.set(ylabel="amplitude", ylim=(-limit, limit))
    return _seconds(ax, len(samples) / sampling_rate)


def log_mel(array, sampling_rate: int = 16_000, ax=None, hop_length: int = 160, bands: int = 80):
    """Log-mel spectrogram: the energy in bands as wide as the ear's, over time.

    Args:
        array: samples, shape (samples,), of which librosa computes the spectrogram in decibels below the
            loudest (25 ms windows); or a log-mel spectrogram, shape (bands, frames), such as
            WhisperFeatureExtractor's `input_features[0]`, drawn as it is.
        sampling_rate: Hz.
        ax: Axes to draw on; None makes new ones.
        hop_length: samples from one frame to the next.
        bands: number of mel bands to compute.

    Returns:
        The Axes; the y axis counts bands from low to high.

    Raises:
        ValueError: empty, NaN, or another shape (audio.AudioError for samples).
    """
    values = _array(array, "spectrogram")
    if values.ndim == 1:
        values = _librosa_log_mel(values, sampling_rate, hop_length, bands)
    if values.ndim != 2 or min(values.shape) <= 2:
        raise ValueError(
            f"A spectrogram of shape {values.shape} cannot be drawn: pass (bands, frames), or the samples "
            "of one channel."
        )
    ax = ax if ax is not None else axes()
    duration = values.shape[1] * hop_length / sampling_rate
    ax.imshow(
        values, origin="lower", aspect="auto", cmap="magma", extent=(0, duration, 0, values.shape[0]),
        interpolation="nearest",
    )  # fmt: skip
    ax.set(ylabel="mel band")
    return _seconds(ax, duration)


def _librosa_log_mel(samples: np.ndarray, sampling_rate: int, hop_length: int, bands: int) -> np.ndarray:
    import librosa

    from . import audio

    power = librosa.feature.melspectrogram(
        y=audio.to_mono_float(samples), sr=sampling_rate, n_fft=round(0.025 * sampling_rate),
        hop_length=hop_length, n_mels=bands,
    )  # fmt: skip
    return librosa.power_to_db(power, ref=np.max)


def emissions(log_probs, labels: Sequence[str], duration: float, ax=None):
    """What a CTC model believes at each moment: probability of each label over time.

    Args:
        log_probs: log probabilities, shape (frames, labels), natural logarithm; a tensor is welcome.
        labels: name of each column, in order, such as the tokens of a vocabulary sorted by id.
        duration: length of the clip in seconds, over which the frames are spread.
        ax: Axes to draw on; None makes new ones, high enough for all labels.

    Returns:
        The Axes, first label on top.

    Raises:
        ValueError: empty, NaN, another shape, not as many labels as columns, values above 0 (logits), a
            duration that is not positive.
    """
    values = _array(log_probs, "emissions", wrong=np.isnan)
    if values.ndim != 2:
        raise ValueError(
            f"Emissions of shape {values.shape} cannot be drawn: pass one clip, (frames, labels)."
        )
    if values.shape[1] != len(labels):
        raise ValueError(f"There are {values.shape[1]} columns and {len(labels)} labels: name each column.")
    if values.max() > 1e-3:
        raise ValueError("Log probabilities are never above 0: apply log_softmax to the logits first.")
    if not duration > 0:
        raise ValueError(f"A duration of {duration} s cannot be drawn: pass the clip's length in seconds.")
    ax = ax if ax is not None else axes(height=max(1.8, 0.16 * len(labels)))
    ax.imshow(
        np.exp(values).T, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest",
        extent=(0, duration, len(labels) - 0.5, -0.5),
    )  # fmt: skip
    size = 11 if len(labels) <= 16 else 8
    ax.set_yticks(range(len(labels)), [_glyph(label) for label in labels], fontsize=size, family="monospace")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    return _seconds(ax, duration)


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
    _seconds(ax, end)
    for lane, segments in enumerate(lanes.values()):
        color = PALETTE[lane % len(PALETTE)]
        for start, stop, text in segments:
            ax.barh(lane, stop - start, left=start, height=0.7, color=color, alpha=0.3, edgecolor=color)
            _write_inside(ax, start, stop, lane, text)
    ax.set_yticks(range(len(lanes)), list(lanes))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax


def bars(
    values: Mapping[str, float],
    ax=None,
    unit: str = "",
    ranges: Mapping[str, tuple[float, float]] | None = None,
):
    """Compare numbers as horizontal bars, the number written at each.

    Args:
        values: {label: number}.
        ax: Axes to draw on; None makes new ones.
        unit: format and unit of the numbers: "%" shows fractions as per cent; others follow the number.
        ranges: {label: (low, high)}, such as `metrics.confidence_interval(...)[1:]`; drawn as whiskers.

    Returns:
        The Axes, first label on top.

    Raises:
        ValueError: no value; NaN, infinite or negative values; a range for a label that is not there, or
            that does not hold its value.
    """
    if not values:
        raise ValueError("There is nothing to compare: pass {label: number}.")
    numbers = _array(list(values.values()), "bars")
    if numbers.min() < 0:
        raise ValueError("Bars start at 0 and a value is negative: draw the differences another way.")
    ranges = ranges or {}
    for label, (low, high) in ranges.items():
        if label not in values or not low <= values[label] <= high:
            raise ValueError(
                f"The range of {label!r} is ({low}, {high}): it must hold the value of that bar."
            )
    ax = ax if ax is not None else axes(height=0.7 + 0.4 * len(values))
    places = list(range(len(values)))
    ax.barh(places, numbers, height=0.65, color=BLUE, alpha=0.75)
    ends = dict(zip(values, numbers, strict=True))
    for label, (low, high) in ranges.items():
        ax.hlines(list(values).index(label), low, high, color="#333333", linewidth=2)
        ends[label] = high
    for place, (label, number) in enumerate(values.items()):
        digits = ",.0f" if number >= 1000 else ".3g"
        text = f"{number:.1%}" if unit == "%" else f"{number:{digits}} {unit}".strip()
        ax.annotate(text, (ends[label], place), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, list(values))
    ax.set(ylim=(len(values) - 0.4, -0.6), xlim=(0, max(max(ends.values()), 1e-9) * 1.15), xticks=[])
    ax.tick_params(axis="y", length=0)
    ax.spines["bottom"].set_visible(False)
    return ax


def _array(values, name: str, wrong=lambda values: ~np.isfinite(values)) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().float().cpu()
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"The {name} are not numbers: pass an array.") from None
    if values.size == 0 or wrong(values).any():
        raise ValueError(f"The {name} are empty or hold NaN or infinite values: check what made them.")
    return values


def _seconds(ax, duration: float):
    ax.set(xlabel="time (s)", xlim=(0, duration))
    return ax


def _glyph(label: str) -> str:
    return "␣" if label.isspace() else label.replace("$", r"\$")


def _write_inside(ax, start: float, stop: float, lane: int, text: str) -> None:
    """Write as much of the text as fits the bar, by the mean width of a letter."""
    left, right = ax.transData.transform([(start, lane), (stop, lane)])[:, 0]
    letters = int((right - left) / ax.figure.dpi * 72 / 5) - 1
    if len(text) > letters:
        text = text[: letters - 1].rstrip() + "…" if letters > 3 else ""
    ax.text((start + stop) / 2, lane, text.replace("$", r"\$"), ha="center", va="center", fontsize=9)
