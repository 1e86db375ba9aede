"""Lessons from their text sources: notebooks/source/*.py -> notebooks/*.ipynb, executed, with outputs."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from tools import exercises

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
CELL_SECONDS = 900

_SCRIPT = re.compile(r"^\{script: (\w+)\.(py|html)\}$", re.MULTILINE)
"""A line of a Markdown cell that stands for a file of notebooks/scripts."""

SETUP = """\
# On Colab this installs what is missing, and leaves torch and NumPy alone. Anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet {wheel}
"""


def lessons() -> list[dict]:
    """What notebooks/source/NN_name.toml says of each lesson, in order, with its `slug` (NN_name).

    Keys: title; question (the opening paragraph); learn and saw (the objectives and, in the same order, what
    came of them); needs; hear (for the README's table); minutes (measured, offline, on two CPU cores);
    gpu_minutes (measured on a GPU, absent where it was not).
    """
    return [
        {"slug": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))}
        for path in sorted((NOTEBOOKS / "source").glob("[0-9][0-9]_*.toml"))
    ]


def longest_first() -> list[dict]:
    """The lessons in the order in which two workers that run them end at about the same time."""
    return sorted(lessons(), key=lambda entry: -entry["minutes"])


def choose(numbers: list[str]) -> list[dict]:
    """The lessons with some numbers ("3", "03"), or all of them.

    Raises:
        SystemExit: no lesson has one of the numbers; the message lists those there are.
    """
    found = {entry["slug"][:2]: entry for entry in lessons()}
    wanted = [number.zfill(2) for number in numbers] or list(found)
    if unknown := [number for number in wanted if number not in found]:
        sys.exit(f"There is no lesson {', '.join(unknown)}: choose of {', '.join(found)}.")
    return [found[number] for number in wanted]


def source(slug: str) -> str:
    """The text of one lesson."""
    return (NOTEBOOKS / "source" / f"{slug}.py").read_text(encoding="utf-8")


def _settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def repository() -> str:
    """owner/name on GitHub: the setting in pyproject.toml, or where git's "origin" points.

    Raises:
        ValueError: neither says it.
    """
    if named := _settings()["tool"]["course"].get("repository"):
        return named
    command = ["git", "config", "--get", "remote.origin.url"]
    origin = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    if found := re.search(r"github\.com[:/]([^/]+/[^/]+?)(\.git)?/?$", origin):
        return found[1]
    raise ValueError("Nothing names the repository: set it under [tool.course] in pyproject.toml.")


def wheel() -> str:
    """Address of the release's wheel, which the set-up cell installs on Colab."""
    version = _settings()["project"]["version"]
    name = f"asr_course-{version}-py3-none-any.whl"
    return f"https://github.com/{repository()}/releases/download/v{version}/{name}"


def colab(slug: str) -> str:
    """Address that opens a lesson on Colab."""
    return f"https://colab.research.google.com/github/{repository()}/blob/main/notebooks/{slug}.ipynb"


def badge(slug: str) -> str:
    """Markdown of the button that opens a lesson on Colab, for the README: its picture is fetched."""
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab(slug)})"


def build(entry: dict, form=exercises.learner) -> nbformat.NotebookNode:
    """One lesson without outputs: header, set-up, the source's cells, recap, quiz.

    Args:
        entry: from `lessons`.
        form: `exercises.learner`, `solved` or `proof`: what becomes of the exercises.

    Returns:
        A notebook whose code cells have not been run.
    """
    body = jupytext.reads(source(entry["slug"]), fmt="py:percent").cells
    further = [cell for cell in body if "further" in exercises.tags(cell)]
    cells = [_markdown(_header(entry), "header"), _code(SETUP.format(wheel=wheel()), "setup")]
    cells += [cell for cell in body if cell not in further]
    cells.append(_markdown(_recap(entry), "recap"))
    if "quiz" in entry:
        cells.append(_markdown(_quiz(entry["quiz"]), "quiz"))
    if count := len(exercises.numbers(body)):
        keep = f'from helpers import exercises\n\nexercises.keep("{entry["slug"][:2]}", {count})'
        cells.append(_code(keep, "progress"))
    for index, cell in enumerate([*cells, *further]):
        cell["id"] = f"{entry['slug'][:2]}-{index:03d}"
        if cell.cell_type == "code":
            cell.source = re.sub(r"^# (?=%)", "", cell.source, flags=re.MULTILINE)
        else:
            cell.source = _SCRIPT.sub(_script, cell.source)
    cells = form([*cells, *further])
    if form is exercises.solved:
        for cell in cells:
            if cell.cell_type == "markdown":
                # One folder deeper; other lessons are linked as the learner's notebooks.
                cell.source = re.sub(r"\]\((?=\.\./|\d\d_\w+\.ipynb)", "](../", cell.source)
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _script(found: re.Match) -> str:
    text = (NOTEBOOKS / "scripts" / f"{found[1]}.{found[2]}").read_text(encoding="utf-8")
    return f"```{'python' if found[2] == 'py' else found[2]}\n{text.rstrip()}\n```"


def _quiz(questions: list[dict]) -> str:
    lines = ["## Quiz"]
    for number, each in enumerate(questions, start=1):
        options = "\n".join(
            f"- **{letter})** {text}" for letter, text in zip("abcd", each["options"], strict=False)
        )
        answer = f"<details><summary>Answer</summary>\n\n**{each['answer']})** {each['reason']}\n\n</details>"
        lines.append(f"**{number}. {each['question']}**\n\n{options}\n\n{answer}")
    return "\n\n".join(lines)


def _markdown(text: str, tag: str):
    return nbformat.v4.new_markdown_cell(text, metadata={"tags": [tag]})


def _code(text: str, tag: str):
    return nbformat.v4.new_code_cell(text.strip(), metadata={"tags": [tag]})


def _navigation(entry: dict) -> str:
    order = lessons()
    place = [other["slug"] for other in order].index(entry["slug"])
    links = []
    if place > 0:
        before = order[place - 1]
        links.append(f"[← {before['title']}]({before['slug']}.ipynb) ([Colab]({colab(before['slug'])}))")
    links.append(f"[All lessons](../README.md) ([GitHub](https://github.com/{repository()}))")
    if place + 1 < len(order):
        after = order[place + 1]
        links.append(f"[{after['title']} →]({after['slug']}.ipynb) ([Colab]({colab(after['slug'])}))")
    return " · ".join(links)


def _header(entry: dict) -> str:
    points = "\n".join(f"- {point}" for point in entry["learn"])
    return (
        f"# {int(entry['slug'][:2])}. {entry['title']}\n\n"
        f"[Open in Colab]({colab(entry['slug'])}) · {_navigation(entry)}\n\n"
        f"{entry['question']}\n\n**What you will learn**\n\n{points}\n\n"
        f"**What it needs:** {entry['needs']}\n\n"
        f"**Time:** {entry['minutes']} min to run offline on two CPU cores"
        + (f"; {entry['gpu_minutes']} min on a GPU." if "gpu_minutes" in entry else ".")
    )


def _recap(entry: dict) -> str:
    pairs = zip(entry["learn"], entry["saw"], strict=True)
    points = "\n".join(f"- **{learn.rstrip('.')}:** {saw}" for learn, saw in pairs)
    return f"## What we saw\n\n{points}\n\n{_navigation(entry)}"


def execute(notebook: nbformat.NotebookNode, folder: Path = NOTEBOOKS) -> float:
    """Run a notebook in place, from top to bottom, in a fresh kernel.

    What is written to stderr is kept where a cell is tagged "warning", because its warning is part of the
    lesson, and nowhere else. The empty outputs of finished progress bars are not kept, nor is widget state,
    which makes GitHub refuse a notebook.

    Args:
        notebook: its cells get outputs and execution counts.
        folder: working folder of the kernel.

    Returns:
        Seconds it took.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    os.environ["ASR_PROGRESS"] = "0"  # the learner's own is not ours to write
    begin = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # else every kernel warns that it speaks TCP, on this machine
    ).execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            unwanted = set() if "warning" in exercises.tags(cell) else {"stderr"}
            cell.outputs = [
                output
                for output in cell.outputs
                if output.get("name") not in unwanted and output.get("data") != {}
            ]
    return time.perf_counter() - begin


def execute_lesson(entry: dict) -> tuple[dict[Path, nbformat.NotebookNode], float]:
    """Run a lesson once, stubs, wrong answers and solutions in turn.

    Args:
        entry: from `lessons`.

    Returns:
        (path to notebook with outputs: the learner's, and the solved one where there are exercises; seconds).

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed, or a check took the wrong side.
    """
    whole = build(entry, exercises.proof)
    seconds = execute(whole)
    made = {path(entry): build(entry)}
    if any("exercise" in exercises.tags(cell) for cell in whole.cells):
        made[path(entry, solved=True)] = build(entry, exercises.solved)
    for place, notebook in made.items():
        exercises.outputs(whole.cells, notebook.cells, solutions=place.parent != NOTEBOOKS)
    return made, seconds


def path(entry: dict, solved: bool = False) -> Path:
    """File of a lesson's notebook, or of the solved one."""
    return NOTEBOOKS / ("solutions" if solved else "") / f"{entry['slug']}.ipynb"


def proof(entry: dict) -> nbformat.NotebookNode:
    """The notebook that nbval runs: all of a lesson's answers, with the stored outputs to compare."""
    stored = {}
    for solved in (True, False):
        if path(entry, solved).is_file():
            for cell in nbformat.read(path(entry, solved), as_version=4).cells:
                if cell.cell_type == "code":
                    stored[cell["id"] + "-s" * solved] = (cell.outputs, cell.execution_count)
    return build(entry, lambda cells: exercises.proof(cells, stored))


def keep_outputs(notebook: nbformat.NotebookNode, stored: nbformat.NotebookNode) -> None:
    """Give a freshly built lesson the outputs of the stored one, for when only its prose has changed.

    Raises:
        ValueError: a code cell has changed as well.
    """
    ours, theirs = ([c for c in each.cells if c.cell_type == "code"] for each in (notebook, stored))
    if [cell.source for cell in ours] != [cell.source for cell in theirs]:
        raise ValueError("The code has changed too: build the lesson without --prose, to execute it.")
    for new, old in zip(ours, theirs, strict=True):
        new.outputs, new.execution_count = old.outputs, old.execution_count


def readme_table() -> str:
    """The README's table of lessons, in Markdown."""
    rows = ["| | Lesson | What you hear and see | Time | |", "|---|---|---|---|---|"]
    for entry in lessons():
        gpu = f", {entry['gpu_minutes']} min on a GPU" if "gpu_minutes" in entry else ""
        link = f"[{entry['title']}](notebooks/{entry['slug']}.ipynb)"
        rows.append(
            f"| {int(entry['slug'][:2])} | {link} | {entry['hear']} | {entry['minutes']} min{gpu} | "
            f"{badge(entry['slug'])} |"
        )
    return "\n".join(rows)


def with_table(readme: str) -> str:
    """The README's text with its table of lessons written anew."""
    between = re.compile(r"(<!-- lessons -->\n).*?(<!-- /lessons -->)", re.DOTALL)
    return between.sub(lambda marks: f"{marks[1]}{readme_table()}\n{marks[2]}", readme)


def main() -> int:
    parser = argparse.ArgumentParser(description="Build and execute the lessons from their text sources.")
    parser.add_argument("numbers", nargs="*", help="numbers of lessons, e.g. 01 03; none: all")
    parser.add_argument("--prose", action="store_true", help="only prose has changed: keep the outputs")
    parser.add_argument(
        "--proofs", type=Path, help="write what nbval runs into this folder, print it and stop"
    )
    options = parser.parse_args()
    chosen = choose(options.numbers)
    if options.proofs:
        options.proofs.mkdir(parents=True, exist_ok=True)
        for entry in longest_first():
            nbformat.write(proof(entry), options.proofs / f"{entry['slug']}.ipynb")
            print(options.proofs / f"{entry['slug']}.ipynb")
        return 0
    os.environ.setdefault("ASR_SOURCE", "offline")
    for entry in chosen:
        print(f"{entry['slug']} ...", end=" ", flush=True)
        if options.prose:
            made = {path(entry): build(entry)}
            if path(entry, solved=True).is_file():
                made[path(entry, solved=True)] = build(entry, exercises.solved)
            for place, notebook in made.items():
                keep_outputs(notebook, nbformat.read(place, as_version=4))
            print("prose only")
        else:
            made, seconds = execute_lesson(entry)
            print(f"{seconds:.0f} s")
        for place, notebook in made.items():
            place.parent.mkdir(exist_ok=True)
            nbformat.write(notebook, place)
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
