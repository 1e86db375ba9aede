import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from helpers import course
from tools import notebooks, run

ENTRY = {"slug": "09_test", "title": "A <title>", "minutes": 1}


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


@pytest.fixture(scope="module")
def executed():
    lesson = notebook(
        "import sys\nprint('heard', file=sys.stderr)\nprint('Lesson 09 · source: offline · device: cpu')",
        "from helpers import course\ncourse.record('WER', 0.5, '%')",
        "import ipywidgets\nipywidgets.IntSlider()",
    )
    notebooks.execute(lesson)
    return lesson


def test_execute_counts_cells_and_keeps_neither_stderr_nor_widget_state(executed):
    assert [cell.execution_count for cell in executed.cells] == [1, 2, 3]
    assert executed.cells[0].outputs[0].text.startswith("Lesson 09") and len(executed.cells[0].outputs) == 1
    assert "widgets" not in executed.metadata


def test_a_warning_that_teaches_keeps_its_stderr():
    lesson = notebook("import sys\nprint('experimental', file=sys.stderr)")
    lesson.cells[0].metadata["tags"] = ["warning"]
    notebooks.execute(lesson)
    (output,) = lesson.cells[0].outputs
    assert (output.name, output.text) == ("stderr", "experimental\n")


def test_figures_and_banner_reach_the_report(executed):
    assert run.figures(executed) == [{"label": "WER", "value": "50.0 %"}]
    line = run.row(ENTRY, executed, 61.25, None)
    assert "A &lt;title&gt;" in line and "1:01.2" in line and "source: offline" in line
    assert "WER: <b>50.0 %</b>" in line and "stopped" not in line


def test_a_failing_lesson_says_so(executed):
    with pytest.raises(CellExecutionError):
        notebooks.execute(notebook("raise ValueError('no')"))
    assert "stopped: ValueError" in run.row(ENTRY, executed, 1, "ValueError: no")


def test_report_is_one_page_with_its_style():
    page = run.report(["<tr></tr>"], 90)
    assert page.startswith("<!doctype html>") and "<style>" in page and "1.5 min in all" in page
    assert "http" not in page


def test_pages_link_to_pages():
    page = run._link_pages('<a href="02_ctc_probing.ipynb">x</a> <a href="../README.md">y</a>')
    assert page == '<a href="02_ctc_probing.html">x</a> <a href="../report.html">y</a>'


def test_the_page_keeps_the_alt_text_of_figures():
    lesson = notebook(
        "import matplotlib.pyplot as plt\nfrom helpers import display\n"
        "figure, _ = plt.subplots()\ndisplay.figure(figure, alt='An empty <pair> of axes')"
    )
    notebooks.execute(lesson)
    page = run.as_page(lesson)
    assert 'alt="An empty &lt;pair&gt; of axes"' in page
    assert "require.min.js" not in page


def test_the_page_embeds_pictures_and_fetches_no_badge():
    lesson = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("![Two diagrams](../images/ctc_seq2seq.svg)"),
            nbformat.v4.new_markdown_cell(
                "[![Open](https://example.org/badge.svg)](https://example.org/lesson)"
            ),
        ]
    )
    page = run.as_page(lesson)
    assert 'src="data:image/svg+xml;base64,' in page
    assert "badge.svg" not in page and "https://example.org/lesson" in page


def test_prose_alone_keeps_the_outputs(executed):
    fresh = notebook(*(cell.source for cell in executed.cells))
    notebooks.keep_outputs(fresh, executed)
    assert fresh.cells[0].outputs == executed.cells[0].outputs
    with pytest.raises(ValueError, match="execute it"):
        notebooks.keep_outputs(notebook("1 + 1"), executed)


def test_readme_table_is_written_between_its_marks():
    table = notebooks.with_table("above\n<!-- lessons -->\nold\n<!-- /lessons -->\nbelow")
    assert "old" not in table and table.startswith("above\n") and table.endswith("\nbelow")
    assert notebooks.with_table(table) == table


def test_the_longest_lesson_is_run_first(monkeypatch):
    times = [{"slug": "01_short", "minutes": 1}, {"slug": "02_long", "minutes": 9}]
    monkeypatch.setattr(notebooks, "lessons", lambda: times)
    assert [entry["slug"] for entry in notebooks.longest_first()] == ["02_long", "01_short"]


@pytest.mark.parametrize("number", ["3", "03"])
def test_lessons_are_chosen_by_number(number):
    assert [entry["slug"][:2] for entry in notebooks.choose([number])] == ["03"]
    assert len(notebooks.choose([])) == len(notebooks.lessons())


@pytest.mark.parametrize("number", ["99", "x", "-1", "3.1"])
def test_a_number_without_lesson_is_refused(number):
    with pytest.raises(SystemExit, match="choose of 01, 02"):
        notebooks.choose([number])


def test_magic_lines_survive_the_text_format():
    for entry in notebooks.lessons():
        setup = notebooks.build(entry).cells[1].source
        assert "    %pip install --quiet" in setup
    assert course.FIGURE.startswith("application/vnd.")
