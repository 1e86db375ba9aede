"""One solved source gives the learner's and the solved notebook; one execution proves the exercises."""

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tools import exercises, notebooks

SOURCE = '''# %%
answer = 42

# %% [markdown]
# Write a function. See [lesson 1](01_first.ipynb) and ![a picture of it](../images/x.svg).

# %% tags=["exercise"]
def double(number):
    """Twice the number."""
    # <solution>
    return 2 * number
    # </solution>


# %% tags=["wrong"]
def double(number):
    return number + 2


# %% tags=["wrong"]
def double(number):
    return str(number) * 2


# %% tags=["check"]
from helpers.exercises import checking

with checking("9.1", "double"):
    assert not isinstance(double(2), str), "Give a number, no text."
    assert double(2) == 4, "Return twice the number."
    assert double(5) == 10, "That adds; it should multiply."

# %%
print(answer)
'''
WRONG_HINTS = SOURCE.replace("return str(number) * 2", "return None")
PASSES_WRONG = SOURCE.replace("return number + 2", "return number * 2")
UNSOLVED = SOURCE.replace("return 2 * number", "return 3 * number")
ENTRY = {"slug": "09_demo", "title": "Demo", "question": "?", "learn": ["a"], "saw": ["b"], "needs": "c."}
ENTRY |= {"minutes": 1}
ENTRY["quiz"] = [{"question": "Why?", "options": ["so", "not so"], "answer": "b", "reason": "Because."}]


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(notebooks, "lessons", lambda: [ENTRY])
    monkeypatch.setattr(notebooks, "_navigation", lambda entry: "")

    def write(source):
        (tmp_path / "source" / "09_demo.py").write_text(source, encoding="utf-8")
        return tmp_path

    return write


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_one_execution_gives_both_notebooks(lesson):
    folder = lesson(SOURCE)
    made, _ = notebooks.execute_lesson(ENTRY)
    learner, solved = (made[folder / place / "09_demo.ipynb"] for place in ("", "solutions"))
    sources = "\n".join(cell.source for cell in learner.cells)
    assert exercises.STUB in sources and "solution>" not in sources
    folded = [cell.source for cell in learner.cells if "solution" in exercises.tags(cell)]
    assert len(folded) == 1 and sources.count("2 * number") == folded[0].count("2 * number") == 1
    assert folded[0].startswith("<details><summary>Solution</summary>")
    assert "2 * number" in "\n".join(cell.source for cell in solved.cells)
    assert "return number + 2" not in "\n".join(cell.source for cell in [*learner.cells, *solved.cells])
    for notebook, says in ((learner, "✗ 9.1 double: not yet. Return twice"), (solved, "✓ 9.1 double")):
        assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
        assert text(next(cell for cell in notebook.cells if "check" in exercises.tags(cell))).startswith(says)
        assert "42" in "".join(map(text, code(notebook)))
        assert "0 of 1 exercises" in "".join(map(text, code(notebook)))
    assert "](../01_first.ipynb)" in "".join(cell.source for cell in solved.cells)
    assert "](../../images/x.svg)" in "".join(cell.source for cell in solved.cells)


@pytest.mark.parametrize("source", [WRONG_HINTS, PASSES_WRONG, UNSOLVED])
def test_a_check_that_takes_the_wrong_side_stops_the_build(lesson, source):
    lesson(source)
    with pytest.raises(CellExecutionError, match="AssertionError"):
        notebooks.execute_lesson(ENTRY)


def test_the_proof_compares_what_is_stored(lesson):
    folder = lesson(SOURCE)
    made, _ = notebooks.execute_lesson(ENTRY)
    for place, notebook in made.items():
        place.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, place)
    proof = notebooks.proof(ENTRY)
    said = [text(cell) for cell in proof.cells if "check" in exercises.tags(cell) and cell.execution_count]
    assert [line[0] for line in said] == ["✗", "✓"]
    assert len([cell for cell in code(proof) if cell.execution_count is None]) == 2 * 2 + 4
    assert folder


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (SOURCE.replace('["wrong"]', '["other"]'), "needs an exercise and wrong answers"),
        (SOURCE.replace('["check"]', '["other"]'), "No cell checks this exercise"),
        (SOURCE.replace("# <solution>", ""), "no lines between"),
        (SOURCE.replace('checking("9.1"', 'checking("nine"'), "A check begins with"),
    ],
)
def test_an_exercise_without_its_parts_is_refused(lesson, source, says):
    lesson(source)
    with pytest.raises(ValueError, match=says):
        notebooks.build(ENTRY, exercises.proof)


def test_a_quiz_folds_its_answers(lesson):
    lesson(SOURCE)
    (quiz,) = [cell.source for cell in notebooks.build(ENTRY).cells if "quiz" in exercises.tags(cell)]
    assert "- **b)** not so" in quiz
    assert "<details><summary>Answer</summary>\n\n**b)** Because.\n\n</details>" in quiz


def test_a_script_is_shown_from_its_file(lesson):
    folder = lesson(SOURCE + "\n# %% [markdown]\n# Take it with you:\n#\n# {script: hello.py}\n")
    (folder / "scripts").mkdir()
    (folder / "scripts" / "hello.py").write_text("print('hello')\n")
    assert "```python\nprint('hello')\n```" in "".join(cell.source for cell in notebooks.build(ENTRY).cells)
