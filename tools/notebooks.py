"""Lessons from their text sources: notebooks/source/*.py -> notebooks/*.ipynb, executed, with outputs."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
CELL_SECONDS = 900

SETUP = """\
# On Colab this installs what is missing, and leaves torch and NumPy alone. Anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet "asr-course @ git+https://github.com/{repository}"
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


def longest_first() -> list[Path]:
    """The notebooks, in the order in which two workers that run them end at about the same time."""
    order = sorted(lessons(), key=lambda entry: -entry["minutes"])
    return [NOTEBOOKS / f"{entry['slug']}.ipynb" for entry in order]


def source(slug: str) -> str:
    """The text of one lesson."""
    return (NOTEBOOKS / "source" / f"{slug}.py").read_text(encoding="utf-8")


def repository() -> str:
    """owner/name, the one setting in pyproject.toml that badges are written from."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["course"]["repository"]


def badge(slug: str) -> str:
    """Markdown of the button that opens a lesson on Colab."""
    url = f"https://colab.research.google.com/github/{repository()}/blob/main/notebooks/{slug}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({url})"


def build(entry: dict) -> nbformat.NotebookNode:
    """One lesson without outputs: header, set-up, the source's cells, recap.

    Args:
        entry: from `lessons`.

    Returns:
        A notebook whose code cells have not been run.
    """
    body = jupytext.reads(source(entry["slug"]), fmt="py:percent").cells
    cells = [_markdown(_header(entry), "header"), _code(SETUP.format(repository=repository()), "setup")]
    further = [cell for cell in body if "further" in cell.metadata.get("tags", [])]
    cells += [cell for cell in body if cell not in further]
    cells += [_markdown(_recap(entry), "recap"), *further]
    for index, cell in enumerate(cells):
        cell["id"] = f"{entry['slug'][:2]}-{index:03d}"
        if cell.cell_type == "code":
            cell.source = re.sub(r"^# (?=%)", "", cell.source, flags=re.MULTILINE)
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _markdown(text: str, tag: str):
    return nbformat.v4.new_markdown_cell(text, metadata={"tags": [tag]})


def _code(text: str, tag: str):
    return nbformat.v4.new_code_cell(text.strip(), metadata={"tags": [tag]})


def _navigation(entry: dict) -> str:
    order = lessons()
    place = [other["slug"] for other in order].index(entry["slug"])
    links = []
    if place > 0:
        links.append(f"[← {order[place - 1]['title']}]({order[place - 1]['slug']}.ipynb)")
    links.append("[All lessons](../README.md)")
    if place + 1 < len(order):
        links.append(f"[{order[place + 1]['title']} →]({order[place + 1]['slug']}.ipynb)")
    return " · ".join(links)


def _header(entry: dict) -> str:
    points = "\n".join(f"- {point}" for point in entry["learn"])
    return (
        f"# {int(entry['slug'][:2])}. {entry['title']}\n\n{badge(entry['slug'])} · {_navigation(entry)}\n\n"
        f"{entry['question']}\n\n**What you will learn**\n\n{points}\n\n"
        f"**What it needs:** {entry['needs']}\n\n"
        f"**Time:** {entry['minutes']} min to run offline on two CPU cores; {gpu_time(entry)} on a GPU."
    )


def gpu_time(entry: dict) -> str:
    """The measured time on a GPU in words, or that there is none."""
    return f"{entry['gpu_minutes']} min" if "gpu_minutes" in entry else "not measured"


def _recap(entry: dict) -> str:
    pairs = zip(entry["learn"], entry["saw"], strict=True)
    points = "\n".join(f"- **{learn.rstrip('.')}:** {saw}" for learn, saw in pairs)
    return f"## What we saw\n\n{points}\n\n{_navigation(entry)}"


def execute(notebook: nbformat.NotebookNode, folder: Path = NOTEBOOKS) -> float:
    """Run a notebook in place, from top to bottom, in a fresh kernel.

    What is written to stderr (progress bars, warnings of libraries) is not kept, nor is widget state,
    which makes GitHub refuse a notebook.

    Args:
        notebook: its cells get outputs and execution counts.
        folder: working folder of the kernel.

    Returns:
        Seconds it took.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    begin = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return time.perf_counter() - begin


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
    rows = ["| | Lesson | What you hear and see | CPU | GPU | |", "|---|---|---|---|---|---|"]
    for entry in lessons():
        link = f"[{entry['title']}](notebooks/{entry['slug']}.ipynb)"
        rows.append(
            f"| {int(entry['slug'][:2])} | {link} | {entry['hear']} | {entry['minutes']} min | "
            f"{gpu_time(entry)} | {badge(entry['slug'])} |"
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
        "--list", action="store_true", help="print the notebooks, the longest first, and stop"
    )
    options = parser.parse_args()
    if options.list:
        print(*(path.relative_to(ROOT) for path in longest_first()))
        return 0
    os.environ.setdefault("ASR_SOURCE", "offline")
    for entry in lessons():
        if options.numbers and entry["slug"][:2] not in options.numbers:
            continue
        notebook, path = build(entry), NOTEBOOKS / f"{entry['slug']}.ipynb"
        print(f"{entry['slug']} ...", end=" ", flush=True)
        if options.prose:
            keep_outputs(notebook, nbformat.read(path, as_version=4))
            print("prose only")
        else:
            print(f"{execute(notebook):.0f} s")
        nbformat.write(notebook, path)
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
