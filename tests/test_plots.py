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


def boxes(ax):
    """x, y, width and height of each bar."""
    return [(*bar.get_xy(), bar.get_width(), bar.get_height()) for bar in ax.patches]


def test_where_a_timeline_puts_its_bars_and_texts():
    ax = plots.timeline({"one": [(0, 1, "a"), (2, 4, "b")], "two": [(1, 3, "c")]}, 5)
    assert boxes(ax) == [
        pytest.approx(box) for box in [(0, -0.35, 1, 0.7), (2, -0.35, 2, 0.7), (1, 0.65, 2, 0.7)]
    ]
    assert [text.get_position() for text in ax.texts] == [(0.5, 0), (3, 0), (2, 1)]
    assert ax.get_ylim() == (1.5, -0.5) and list(ax.get_yticks()) == [0, 1]
    assert list(ax.figure.get_size_inches()) == pytest.approx([9, 1.7])
    colors = [bar.get_facecolor() for bar in ax.patches]
    assert colors[0] == colors[1] != colors[2]
    assert colors[0] == matplotlib.colors.to_rgba(plots.BLUE, 0.3)


def test_as_much_of_a_text_is_written_as_fits():
    _, ax = plt.subplots(figsize=(10, 1), dpi=100)
    ax.set_position([0, 0, 1, 1])
    # 10 inches are 720 points, a letter takes 5: a bar of a tenth has room for 14, less one.
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    plots.timeline([(0, 10, alphabet[:13]), (10, 20, alphabet), (20, 23, alphabet), (23, 100, "$")], ax=ax)
    assert [text.get_text() for text in ax.texts] == [alphabet[:13], alphabet[:12] + "…", "", r"\$"]


def test_where_bars_stand():
    ax = plots.bars({"a": 2, "b": 999.6, "c": 999.4, "d": 0.12345}, unit="s")
    assert boxes(ax) == [
        pytest.approx((0, place - 0.325, value, 0.65))
        for place, value in enumerate([2, 999.6, 999.4, 0.12345])
    ]
    assert [text.get_text() for text in ax.texts] == ["2 s", "1,000 s", "999 s", "0.123 s"]
    assert [text.xy for text in ax.texts] == [(2, 0), (999.6, 1), (999.4, 2), (0.12345, 3)]
    assert ax.get_ylim() == pytest.approx((3.6, -0.6)) and ax.get_xlim() == pytest.approx((0, 999.6 * 1.15))
    assert list(ax.figure.get_size_inches()) == pytest.approx([9, 2.3])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c", "d"]
    assert not len(ax.get_xticks()) and not ax.spines["bottom"].get_visible()


def test_axes_have_the_size_and_style_of_the_course():
    made = plots.axes(2, 3, width=8, height=2)
    assert made.shape == (2, 3) and list(made[0, 0].figure.get_size_inches()) == [8, 4]
    assert list(plots.axes().figure.get_size_inches()) == pytest.approx([9, 2.4])
    assert {name: plt.rcParams[name] for name in plots._STYLE} == plots._STYLE
    assert made[0, 0].figure.get_layout_engine() is not None
    assert not made[0, 0].spines["right"].get_visible() and made[0, 0].spines["left"].get_visible()
    assert made[0, 0].xaxis.label.get_size() == 11 and made[0, 0].title.get_size() == 12
