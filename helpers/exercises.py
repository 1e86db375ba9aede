"""Exercises: an answer is checked in the notebook, what is solved is noted on the learner's own machine."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from html import escape
from pathlib import Path

from .supply.source import cache_folder

checked: dict[str, str] = {}
"""Number of an exercise to what its last check said: "" where all was right."""


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Speech recognition: exercises solved</title>
<style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:45rem;margin:3rem auto;padding:0 1rem}}
td{{padding:.2rem 1rem .2rem 0}}</style>
<h1>Speech recognition with Hugging Face Transformers</h1>
<p><b>{name}</b> has solved {solved} exercises, each checked by its notebook. {day}.</p>
<table>{rows}</table></html>
"""
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError)


@contextmanager
def checking(number: str, title: str) -> Iterator[None]:
    """Run the asserts of an exercise: print a tick, or what is missing. The notebook goes on either way.

    Args:
        number: of the exercise, lesson first, e.g. "2.1".
        title: what is checked, in a few words.

    Whatever the block raises is told in one line: the message of an assert is the hint for that mistake.
    """
    try:
        yield
    except Exception as error:
        hint = str(error) if isinstance(error, AssertionError) and str(error) else _in_words(error)
        checked[number] = hint
        print(f"✗ {number} {title}: not yet. {hint}")
    else:
        checked[number] = ""
        print(f"✓ {number} {title}")
        _note(number, title)


def _in_words(error: Exception) -> str:
    if isinstance(error, AssertionError):
        return "Something is not as it should be: compare with the expected output above."
    return f"Your code stops with {type(error).__name__}: {error}"


def solved() -> dict[str, dict[str, str]]:
    """Number of each solved exercise to its title and the day it was solved; {} before the first.

    A file that cannot be read counts as none; nothing counts where ASR_PROGRESS is 0 (tests, make run).
    """
    if os.environ.get("ASR_PROGRESS") == "0":
        return {}
    try:
        return _rows(_file().read_bytes())
    except _UNREADABLE:
        return {}


def _rows(content: bytes) -> dict[str, dict[str, str]]:
    return {
        str(number): {"title": str(row["title"]), "day": str(row["day"])}
        for number, row in json.loads(content).items()
    }


def keep(lesson: str, total: int) -> None:
    """Say how many exercises of a lesson are solved; on Colab also how to take the progress along.

    Args:
        lesson: its number, e.g. "02".
        total: how many exercises it has.
    """
    mine = [number for number in solved() if number.split(".")[0] == str(int(lesson))]
    print(f"{len(mine)} of {total} exercises of this lesson are solved. (All: python -m helpers progress)")
    if "google.colab" in sys.modules:
        print("Colab forgets its disk: exercises.download() saves your progress, upload() brings it back.")


def download() -> None:
    """On Colab: hand the file with the progress to the browser."""
    from google.colab import files

    files.download(str(_file()))


def upload() -> None:
    """On Colab: ask for a file that `download` gave, and add what it holds to the progress here."""
    from google.colab import files

    for content in files.upload().values():
        take_back(content)


def take_back(content: bytes) -> int:
    """Add the exercises of a progress file to those solved here.

    Args:
        content: of the file.

    Returns:
        How many exercises are solved now.

    Raises:
        ValueError: not a file that `download` gave.
    """
    try:
        rows = _rows(content)
    except _UNREADABLE:
        raise ValueError("This is no progress of the course: choose the progress.json you saved.") from None
    _write(rows | solved())
    return len(solved())


def certificate(name: str) -> str:
    """A page that lists what was solved, as HTML; complete in itself, so that it outlives any server.

    Args:
        name: of the learner.
    """
    rows = sorted(solved().items(), key=lambda item: order(item[0]))
    items = "".join(
        f"<tr><td>{escape(number)}</td><td>{escape(row['title'])}</td><td>{escape(row['day'])}</td></tr>"
        for number, row in rows
    )
    return _PAGE.format(name=escape(name), rows=items, solved=len(rows), day=f"{date.today():%d %B %Y}")


def order(number: str) -> list[int]:
    """By what exercises are sorted: "2.10" comes after "2.9"."""
    return [int(part) for part in number.split(".")]


def _note(number: str, title: str) -> None:
    if os.environ.get("ASR_PROGRESS") != "0" and number not in solved():
        try:
            _write(solved() | {number: {"title": title, "day": date.today().isoformat()}})
        except OSError as error:
            print(f"Your progress cannot be noted ({error}): set ASR_CACHE to a folder of yours.")


def _write(rows: dict) -> None:
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8"
    ) as part:
        json.dump(rows, part, indent=1, ensure_ascii=False)
    os.replace(part.name, path)


def _file() -> Path:
    return cache_folder() / "progress.json"
