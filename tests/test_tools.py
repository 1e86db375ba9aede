import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tools import notebooks, run

ENTRY = {"slug": "09_test", "title": "A <title>", "minutes": 1}


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


@pytest.fixture(scope="module")
def executed():
    lesson = notebook(
        "import sys\nprint('heard', file=sys.stderr)\nprint('Lesson 09 · source: offline · device: cpu')",
        "import pandas as pd\nprint('1 < 2')\npd.DataFrame({'WER': ['50.0 %']})",
        "import ipywidgets\nipywidgets.IntSlider()",
    )
    lesson.cells[1].metadata["tags"] = ["report"]
    notebooks.execute(lesson)
    return lesson


def test_execute_counts_cells_and_keeps_neither_stderr_nor_widget_state(executed):
    assert [cell.execution_count for cell in executed.cells] == [1, 2, 3]
    assert executed.cells[0].outputs[0].text.startswith("Lesson 09") and len(executed.cells[0].outputs) == 1
    assert "widgets" not in executed.metadata


def test_a_progress_bar_is_neither_stderr_nor_kept():
    lesson = notebook(
        "from helpers import course\nprint('before')\nfor _ in course.progress(range(3), 'Counting'):\n"
        "    pass\nprint('after')",
        "for number in course.progress(range(9), 'Stopped'):\n    if number:\n        raise ValueError",
    )
    with pytest.raises(CellExecutionError):
        notebooks.execute(lesson)
    done, stopped = (cell.outputs for cell in lesson.cells)
    assert "".join(output.text for output in done if output.output_type == "stream") == "before\nafter\n"
    assert [output.data for output in done if output.output_type == "display_data"] == [{}]
    assert not any(output.get("name") == "stderr" for output in done + stopped)
    assert [output.data for output in stopped if output.output_type == "display_data"] == [{}]
    lesson.cells.pop()
    notebooks.execute(lesson)
    assert [output.output_type for output in lesson.cells[0].outputs] == ["stream"]


def test_a_warning_that_teaches_keeps_its_stderr():
    lesson = notebook("import sys\nprint('experimental', file=sys.stderr)")
    lesson.cells[0].metadata["tags"] = ["warning"]
    notebooks.execute(lesson)
    (output,) = lesson.cells[0].outputs
    assert (output.name, output.text) == ("stderr", "experimental\n")


def test_results_and_banner_reach_the_report(executed):
    text, table = run.results(executed)
    assert text == "<pre>1 &lt; 2\n</pre>"
    assert "<table" in table and "50.0 %" in table
    line = run.row(ENTRY, executed, 61.25, None)
    assert "A &lt;title&gt;" in line and "1 min 01 s" in line and "source: offline" in line
    assert table in line and text in line and "stopped" not in line


def test_a_failing_lesson_says_so(executed):
    with pytest.raises(CellExecutionError):
        notebooks.execute(notebook("raise ValueError('no')"))
    assert "stopped: ValueError" in run.row(ENTRY, executed, 1, "ValueError: no")


def test_report_is_one_page_with_its_style():
    page = run.report(["<section></section>"], 90)
    assert page.startswith("<!doctype html>") and "<style>" in page and "1.5 min in all" in page
    assert "http" not in page


def test_pages_link_to_pages():
    page = run._link_pages('<a href="02_ctc_probing.ipynb">x</a> <a href="../README.md">y</a>')
    assert page == '<a href="02_ctc_probing.html">x</a> <a href="../report.html">y</a>'


def test_the_page_keeps_the_alt_text_of_figures():
    lesson = notebook(
        "import matplotlib.pyplot as plt\nfrom helpers import show\n"
        "figure, _ = plt.subplots()\nshow.figure(figure, alt='An empty <pair> of axes')"
    )
    notebooks.execute(lesson)
    page = run.as_page(lesson, "A lesson")
    assert 'alt="An empty &lt;pair&gt; of axes"' in page
    assert "require.min.js" not in page


def test_the_page_embeds_drawings():
    lesson = notebook("from helpers import drawings\ndrawings.show('fine_tuning', 'Four <steps>')")
    notebooks.execute(lesson)
    page = run.as_page(lesson, "A lesson")
    assert 'src="data:image/svg+xml;base64,' in page and 'alt="Four &lt;steps&gt;"' in page


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
        assert f"    %pip install --quiet {notebooks.wheel()}" in setup


@pytest.mark.parametrize(
    ("setting", "origin", "found"),
    [
        ("one/course", "https://github.com/other/course.git", "one/course"),
        (None, "https://github.com/other/course.git", "other/course"),
        (None, "git@github.com:other/course", "other/course"),
    ],
)
def test_the_repository_is_a_setting_or_gits_origin(setting, origin, found, monkeypatch, tmp_path):
    named = f'repository = "{setting}"' if setting else ""
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "2.1"\n[tool.course]\n{named}\n')
    for command in (["init", "--quiet"], ["remote", "add", "origin", origin]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    assert notebooks.repository() == found
    assert notebooks.wheel().startswith(f"https://github.com/{found}/releases/download/v2.1/")


def test_without_a_repository_there_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.course]\n")
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="set it under"):
        notebooks.repository()


@pytest.mark.parametrize(("printed", "passes"), [("heard", True), ("something else", False)])
def test_nbval_compares_what_is_printed_and_not_what_is_warned_of(printed, passes):
    cell = nbformat.v4.new_code_cell(
        f"import sys\nprint({printed!r})\nprint('a warning', file=sys.stderr)",
        metadata={"tags": ["nbval-check-output"]},
        execution_count=1,
        outputs=[nbformat.v4.new_output("stream", name="stdout", text="heard\n")],
    )
    lesson = nbformat.v4.new_notebook(cells=[cell])
    lesson.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    # Below the repository, as the lessons are: its conftest.py holds for them.
    (notebooks.ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=notebooks.ROOT / "build") as folder:
        nbformat.write(lesson, Path(folder) / "lesson.ipynb")
        command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", f"{folder}/lesson.ipynb"]
        result = subprocess.run(command, cwd=notebooks.ROOT, capture_output=True, text=True)
    assert (result.returncode == 0) is passes, result.stdout


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import os\nos._exit(1)", "DeadKernelError"),
        ("import time\ntime.sleep(60)", "CellTimeoutError"),
    ],
)
def test_a_report_is_written_whatever_stops_a_lesson(source, says, tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook(source), tmp_path / "notebooks" / "01_pipeline_inference.ipynb")
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(notebooks, "CELL_SECONDS", 5)
    assert run.main(["1"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("[1/1] 01_pipeline_inference (about ") and "stopped after" in said
    assert says in (tmp_path / "build" / "report.html").read_text(encoding="utf-8")


def test_pages_follow_the_dark_theme_of_the_system(executed):
    page = run.as_page(executed, "A lesson")
    dark = page.index("prefers-color-scheme: dark")
    assert "--jp-layout-color0: #111" in page[dark:]
