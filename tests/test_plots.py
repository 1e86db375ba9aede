import matplotlib
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from helpers import plots


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def drawn(ax):
    ax.figure.canvas.draw()
    return ax


DRAWINGS = {
    "timeline": lambda ax=None: plots.timeline([(0, 1, "one"), (1.5, 2, "two")], ax=ax),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_seconds_stand_on_the_x_axis(name):
    ax = drawn(DRAWINGS[name]())
    assert ax.get_xlabel() == "time (s)"
    assert ax.get_xlim() == pytest.approx((0, 2), abs=0.02)


@pytest.mark.parametrize("draw", [*DRAWINGS.values(), lambda ax: plots.bars({"a": 1}, ax=ax)])
def test_given_axes_are_used(draw):
    _, ax = plt.subplots()
    assert draw(ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_style_is_ours_and_titles_stand_on_the_left():
    made = plots.axes(2, sharex=True)
    assert made.shape == (2,)
    assert not made[0].spines["top"].get_visible()
    made[0].set_title("On the left")
    assert made[0].get_title(loc="left") == "On the left"


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
    ax = drawn(plots.bars({"a": 0.041, "b": 0.5}, unit="%"))
    assert [text.get_text() for text in ax.texts] == ["4.1%", "50.0%"]
    assert ax.get_xlim()[0] == 0
    assert [text.get_text() for text in drawn(plots.bars({"a": 3456.7, "b": 0}, unit="s")).texts] == [
        "3,457 s",
        "0 s",
    ]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.timeline({}), "no lane"),
        (lambda: plots.timeline([]), "no segment"),
        (lambda: plots.timeline([(2, 1, "a")]), "before its start"),
        (lambda: plots.bars({}), "nothing to compare"),
        (lambda: plots.bars({"a": -1}), "negative"),
        (lambda: plots.bars({"a": float("nan")}), "NaN"),
        (lambda: plots.bars({"a": "x"}), "could not convert"),
    ],
)
def test_bad_input_gets_one_sentence_and_no_figure(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
    assert not plt.get_fignums()
