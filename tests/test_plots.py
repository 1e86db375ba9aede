import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from helpers import plots
from helpers.audio import AudioError

RATE = 16_000
SOUND = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
LOG_PROBS = np.log(np.full((50, 4), 0.25))


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def drawn(ax):
    ax.figure.canvas.draw()
    return ax


DRAWINGS = {
    "waveform": lambda ax=None: plots.waveform(SOUND, RATE, ax=ax),
    "log_mel": lambda ax=None: plots.log_mel(SOUND, RATE, ax=ax),
    "emissions": lambda ax=None: plots.emissions(LOG_PROBS, ["<pad>", "a", " ", "$"], 2.0, ax=ax),
    "timeline": lambda ax=None: plots.timeline([(0, 1, "one"), (1.5, 2, "two")], ax=ax),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_seconds_stand_on_the_x_axis(name):
    ax = drawn(DRAWINGS[name]())
    assert ax.get_xlabel() == "time (s)"
    assert ax.get_xlim() == pytest.approx((0, 2), abs=0.02)
    assert ax.get_title() == ""


@pytest.mark.parametrize("draw", [*DRAWINGS.values(), lambda ax: plots.bars({"a": 1}, ax=ax)])
def test_given_axes_are_used(draw):
    _, ax = plt.subplots()
    assert draw(ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_style_is_ours_and_leaves_the_global_one_alone():
    before = dict(matplotlib.rcParams)
    made = plots.axes(2, sharex=True)
    assert made.shape == (2,)
    assert not made[0].spines["top"].get_visible()
    assert dict(matplotlib.rcParams) == before


def test_a_long_waveform_keeps_its_peaks():
    sound = np.zeros(600 * RATE, np.float32)
    sound[1_234_567] = 0.9
    ax = drawn(plots.waveform(sound, RATE))
    (outline,) = ax.collections
    points = outline.get_paths()[0].vertices
    assert len(points) < 10_000
    assert points[:, 1].max() == pytest.approx(0.9)
    assert points[points[:, 1].argmax(), 0] == pytest.approx(1_234_567 / RATE, abs=0.5)


def test_waveform_of_silence_and_int16():
    drawn(plots.waveform(np.zeros(100), RATE))
    drawn(plots.waveform(np.array([0, 2**14], np.int16), RATE))


def test_log_mel_as_given_and_computed():
    given = np.arange(80 * 100).reshape(80, 100)
    (image,) = drawn(plots.log_mel(given)).images
    assert np.array_equal(image.get_array(), given)
    assert image.get_extent() == [0, 1.0, 0, 80]
    (image,) = plots.log_mel(SOUND, RATE).images
    bands = image.get_array().mean(axis=1)
    assert len(bands) == 80
    # 440 Hz on librosa's mel scale, of 80 bands up to 8 kHz.
    assert bands.argmax() == pytest.approx(11, abs=1)


def test_emissions_show_probabilities_of_tensors_too():
    import torch

    log_probs = torch.log_softmax(torch.tensor([[5.0, 0.0], [0.0, 5.0]], requires_grad=True), -1)
    ax = drawn(plots.emissions(log_probs, ["a", " "], 0.04))
    shown = ax.images[0].get_array()
    assert shown.shape == (2, 2)
    assert shown[0, 0] > 0.99 and shown[1, 0] < 0.01
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "␣"]
    drawn(plots.emissions([[0.0, -np.inf]], ["a", "b"], 1))


def test_timeline_lanes():
    ax = drawn(
        plots.timeline({"Whisper": [(0, 1, "one $x$"), (1, None, "two")], "VAD": [(0, 3, "speech")]}, 4)
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Whisper", "VAD"]
    assert len(ax.patches) == 3
    assert ax.get_xlim() == (0, 4)
    assert "speech" in [text.get_text() for text in ax.texts]
    drawn(plots.timeline({"text": "a", "chunks": [{"timestamp": (0, 1), "text": "a"}]}))


def test_a_text_that_does_not_fit_is_cut():
    ax = drawn(plots.timeline([(0, 1, "a long text " * 10), (1, 100, "short")]))
    assert [text.get_text() for text in ax.texts] == ["", "short"]


def test_bars_write_their_numbers():
    ax = drawn(plots.bars({"a": 0.041, "b": 0.5}, unit="%", ranges={"b": (0.4, 0.6)}))
    assert [text.get_text() for text in ax.texts] == ["4.1%", "50.0%"]
    assert ax.get_xlim()[0] == 0
    assert [text.get_text() for text in drawn(plots.bars({"a": 3456.7, "b": 0}, unit="s")).texts] == [
        "3,457 s",
        "0 s",
    ]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.waveform(np.zeros(0), RATE), "no samples"),
        (lambda: plots.waveform([np.nan, 0.0], RATE), "NaN"),
        (lambda: plots.waveform(None, RATE), "holds object"),
        (lambda: plots.log_mel([]), "empty"),
        (lambda: plots.log_mel(np.full((80, 10), np.nan)), "NaN"),
        (lambda: plots.log_mel(np.zeros((2, 16_000))), r"shape \(2, 16000\)"),
        (lambda: plots.log_mel(np.zeros((1, 80, 100))), r"shape \(1, 80, 100\)"),
        (lambda: plots.log_mel("sound"), "not numbers"),
        (lambda: plots.emissions(LOG_PROBS[None], "abcd", 1), r"pass one clip"),
        (lambda: plots.emissions(LOG_PROBS, "abc", 1), "4 columns and 3 labels"),
        (lambda: plots.emissions(LOG_PROBS + 5, "abcd", 1), "log_softmax"),
        (lambda: plots.emissions(LOG_PROBS, "abcd", 0), "duration of 0"),
        (lambda: plots.emissions(LOG_PROBS, "abcd", float("nan")), "duration of nan"),
        (lambda: plots.emissions(LOG_PROBS * np.nan, "abcd", 1), "NaN"),
        (lambda: plots.emissions(None, "abcd", 1), "empty or hold NaN"),
        (lambda: plots.timeline({}), "no lane"),
        (lambda: plots.timeline([]), "no segment"),
        (lambda: plots.timeline([(2, 1, "a")]), "before its start"),
        (lambda: plots.bars({}), "nothing to compare"),
        (lambda: plots.bars({"a": -1}), "negative"),
        (lambda: plots.bars({"a": float("nan")}), "NaN"),
        (lambda: plots.bars({"a": "x"}), "not numbers"),
        (lambda: plots.bars({"a": 1}, ranges={"b": (0, 2)}), "range of 'b'"),
        (lambda: plots.bars({"a": 1}, ranges={"a": (2, 3)}), "must hold the value"),
    ],
)
def test_bad_input_gets_one_sentence_and_no_figure(draw, message):
    with pytest.raises((ValueError, AudioError), match=message):
        draw()
    assert not plt.get_fignums()
