"""From a lesson's solved source: the learner's notebook, the solved one, and one that proves both.

In notebooks/source an exercise stands solved, in three kinds of cells that follow one another:

- tag "exercise": what to write, its solution between the lines `# <solution>` and `# </solution>`;
- tag "wrong", any number: answers that learners give;
- tag "check": the asserts, in `with checking("2.1", "..."):`.

The learner gets the first with a stub and the last. The proof runs stub, wrong answers and solution one after
another, each followed by the check: all but the solution must be refused, each with a hint of its own.
"""

from __future__ import annotations

import copy
import re

import nbformat

_SOLUTION = re.compile(r"^([ \t]*)# <solution>\n(.*?)^[ \t]*# </solution>\n?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"checking\(\s*\"(\d+\.\d+)\"")
STUB = "# your code here"


def tags(cell) -> list[str]:
    """A cell's tags; [] where it has none."""
    return cell.metadata.get("tags", [])


def numbers(cells) -> list[str]:
    """Numbers of the exercises that are checked in some cells, in order."""
    return [_number(cell) for cell in cells if "check" in tags(cell)]


def learner(cells: list) -> list:
    """The cells that a learner gets: stubs, no wrong answers, the solution folded behind its check."""
    made, folded = [], None
    for cell in cells:
        if "exercise" in tags(cell):
            made.append(_stub(cell))
            code = f"```python\n{_answer(cell).source}\n```"
            folded = f"<details><summary>Solution</summary>\n\n{code}\n\n</details>"
        elif "wrong" not in tags(cell):
            made.append(cell)
            if "check" in tags(cell):
                made.append(nbformat.v4.new_markdown_cell(folded, metadata={"tags": ["solution"]}))
                made[-1]["id"] = f"{cell['id']}-a"
    return made


def solved(cells: list) -> list:
    """The same cells with the solutions."""
    return [
        _answer(cell) if "exercise" in tags(cell) else cell for cell in cells if "wrong" not in tags(cell)
    ]


def proof(cells: list, stored: dict | None = None) -> list:
    """The cells that run everything; `learner` and `solved` find their outputs here by the cells' ids.

    Args:
        cells: of the source, each with an id.
        stored: id to (outputs, execution count), to be compared; ids of solved cells end in "-s".

    Raises:
        ValueError: an exercise without check or without wrong answers.
    """
    made, exercise, wrong = [], None, []
    for cell in cells:
        if "exercise" in tags(cell):
            exercise, wrong = cell, []
        elif "wrong" in tags(cell):
            wrong.append(cell)
        elif "check" in tags(cell):
            if exercise is None or not wrong:
                raise ValueError(f"Check {_number(cell)} needs an exercise and wrong answers ahead of it.")
            made += _turns(exercise, wrong, cell)
            exercise = None
        else:
            made.append(cell)
    if exercise is not None:
        raise ValueError(f"No cell checks this exercise:\n{exercise.source}")
    for cell in made:
        if stored is not None and cell.cell_type == "code":
            cell.outputs, cell.execution_count = stored.get(cell["id"], ([], None))
    return made


def _turns(exercise, wrong: list, check) -> list:
    number, made = _number(check), []
    answers = [(_stub(exercise), ""), *((cell, f"-w{place}") for place, cell in enumerate(wrong))]
    for answer, suffix in answers:
        made += [_copy(answer, suffix), _copy(check, suffix), _verdict(number, f"{check['id']}{suffix}-v")]
    answer, check = _copy(_answer(exercise), "-s"), _copy(check, "-s")
    right = f'assert _exercises.checked["{number}"] == "", _exercises.checked["{number}"]\ndel _said'
    return [*made, answer, check, _code(right, f"{check['id']}-v")]


def _verdict(number: str, name: str):
    """A cell that fails unless the check refused, with other words than for the answers before."""
    return _code(
        "import helpers.exercises as _exercises\n"
        f'_said = [*globals().get("_said", []), _exercises.checked["{number}"]]\n'
        "assert _said[-1] and len(set(_said)) == len(_said), _said",
        name,
    )


def outputs(executed: list, wanted: list, solutions: bool) -> None:
    """Give a learner's or a solved notebook the outputs of the executed proof, counted from 1."""
    found = {cell["id"]: cell for cell in executed}
    count = 0
    for cell in wanted:
        if cell.cell_type == "code":
            count += 1
            twin = found.get(f"{cell['id']}-s") if solutions else None
            cell.outputs = copy.deepcopy((twin or found[cell["id"]]).outputs)
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
            cell.execution_count = count


def _number(check) -> str:
    found = _NUMBER.search(check.source)
    if not found:
        raise ValueError(f'A check begins with `with checking("2.1", "..."):`:\n{check.source}')
    return found[1]


def _stub(cell):
    if not _SOLUTION.search(cell.source + "\n"):
        raise ValueError(f"An exercise holds no lines between # <solution> and # </solution>:\n{cell.source}")
    # A function needs a line of code; outside of one, an expression would show its value.
    return _with(
        cell, _SOLUTION.sub(lambda found: f"{found[1]}{'...  ' * bool(found[1])}{STUB}\n", cell.source + "\n")
    )


def _answer(cell):
    return _with(cell, _SOLUTION.sub(r"\2", cell.source + "\n"))


def _with(cell, source: str):
    made = copy.deepcopy(cell)
    made.source = source.rstrip("\n")
    return made


def _copy(cell, suffix: str):
    made = copy.deepcopy(cell)
    made["id"] = f"{cell['id']}{suffix}"
    return made


def _code(source: str, name: str):
    made = nbformat.v4.new_code_cell(source)
    made["id"] = name
    return made
