"""Exercises: what a check says, what is noted on the learner's machine, and how it is taken along."""

import json
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from helpers import exercises
from helpers.exercises import checking


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    monkeypatch.delenv("ASR_PROGRESS", raising=False)
    return tmp_path / "progress.json"


def test_right_answers_are_ticked_and_noted_once(capsys, own_progress):
    for _ in range(2):
        with checking("2.1", "collapse"):
            assert True
    assert capsys.readouterr().out == "✓ 2.1 collapse\n" * 2
    assert list(json.loads(own_progress.read_text())) == ["2.1"]
    assert exercises.checked["2.1"] == ""
    day = date.today().isoformat()
    row = f'{{\n  "title": "collapse",\n  "day": "{day}"\n }}'
    assert own_progress.read_text(encoding="utf-8") == f'{{\n "2.1": {row}\n}}'
    with checking("2.2", "œuf"):
        pass
    assert '"œuf"' in own_progress.read_text(encoding="utf-8")
    assert [path.name for path in own_progress.parent.iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: fail("merge first, then drop"), "✗ 2.1 collapse: not yet. merge first, then drop"),
        (lambda: fail(""), "compare with the expected output"),
        (lambda: len(None), "Your code stops with TypeError: object of type 'NoneType'"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_noted(wrong, says, capsys, own_progress):
    with checking("2.1", "collapse"):
        wrong()
    assert says in capsys.readouterr().out
    assert exercises.checked["2.1"]
    assert not own_progress.exists()


def fail(hint):
    if hint:
        raise AssertionError(hint)
    raise AssertionError


def test_an_interrupt_is_no_answer():
    with pytest.raises(KeyboardInterrupt), checking("2.1", "collapse"):
        raise KeyboardInterrupt


def test_running_the_course_as_a_test_leaves_the_progress_alone(monkeypatch, own_progress):
    monkeypatch.setenv("ASR_PROGRESS", "0")
    with checking("2.1", "collapse"):
        pass
    assert not own_progress.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"1": 2}', "nonsense"])
def test_a_damaged_progress_counts_as_none_and_is_replaced(content, own_progress):
    own_progress.write_text(content)
    assert exercises.solved() == {}
    with checking("1.1", "first"):
        pass
    assert list(exercises.solved()) == ["1.1"]


def test_the_first_tick_makes_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "not" / "yet"))
    with checking("2.1", "collapse"):
        pass
    assert list(exercises.solved()) == ["2.1"]


def test_a_cache_that_cannot_be_written_does_not_spoil_the_tick(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "file" / "cache"))
    with checking("2.1", "collapse"):
        pass
    tick, told = capsys.readouterr().out.splitlines()
    assert tick == "✓ 2.1 collapse"
    assert told.startswith("Your progress cannot be noted (") and told.endswith(
        "ASR_CACHE to a folder of yours."
    )


def test_a_lesson_counts_its_own(capsys):
    for number in ("1.1", "1.2", "11.1"):
        with checking(number, "x"):
            pass
    capsys.readouterr()
    exercises.keep("01", 5)
    assert capsys.readouterr().out.startswith("2 of 5 exercises of this lesson are solved.")


def test_progress_travels_from_one_colab_to_the_next(monkeypatch, tmp_path, capsys):
    files = ModuleType("google.colab.files")
    given = []
    files.download = lambda name: given.append(Path(name).read_bytes())
    files.upload = lambda: {"progress (1).json": given[0]}
    colab = ModuleType("google.colab")
    colab.files = files
    for name, module in {"google": ModuleType("google"), "google.colab": colab}.items():
        monkeypatch.setitem(sys.modules, name, module)
    with checking("3.1", "x"):
        pass
    exercises.keep("03", 4)
    assert "exercises.download()" in capsys.readouterr().out
    exercises.download()
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "another machine"))
    with checking("3.2", "y"):
        pass
    exercises.upload()
    assert set(exercises.solved()) == {"3.1", "3.2"}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"1": 2}', b"\xff\xfe"])
def test_what_is_no_progress_is_refused(content):
    with pytest.raises(ValueError, match=r"choose the progress\.json"):
        exercises.take_back(content)


def test_the_certificate_lists_what_was_solved_and_asks_no_server():
    for number in ("10.1", "2.1"):
        with checking(number, f"<{number}>"):
            pass
    page = exercises.certificate("Ada <Lovelace>")
    assert "Ada &lt;Lovelace&gt;</b> has solved 2 exercises" in page
    assert page.index("&lt;2.1&gt;") < page.index("&lt;10.1&gt;")
    assert "http" not in page
