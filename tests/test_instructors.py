"""The plans for instructors: their minutes add up, and the exercises they name exist."""

import builtins
import re
import symtable

import pytest

from tools import exercises, notebooks

TEXT = (notebooks.ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+):(\d\d) \| (\d+) \| ", re.MULTILINE)
PLANS = {"90 minutes": 90, "Three hours": 180, "Day 1": 450, "Day 2": 450}


@pytest.mark.parametrize("plan", PLANS)
def test_minutes_add_up(plan):
    section = re.search(rf"^##+ {plan}.*?(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)[0]
    at = 0
    for hours, minutes, length in ROW.findall(section):
        assert int(hours) * 60 + int(minutes) == at, f"{hours}:{minutes} in {plan}"
        at += int(length)
    assert at == PLANS[plan]


def test_named_exercises_exist():
    named = set(re.findall(r"\b([1-9]\.[1-9])\b(?! ?%| GB| against)", TEXT))
    assert {"1.1", "2.3"} <= named
    for entry in notebooks.lessons():
        if found := set(exercises.numbers(notebooks.build(entry).cells)):
            lesson = {each for each in named if each.startswith(f"{int(entry['slug'][:2])}.")}
            assert lesson <= found, entry["slug"]


@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_named_sections_exist(number):
    (entry,) = notebooks.choose([number])
    titles = re.findall(r"^# ## (.+)$", notebooks.source(entry["slug"]), re.MULTILINE)
    rows = re.findall(rf"^\| \d+:\d\d \| \d+ \| {int(number)}, (.+?)\*? \|", TEXT, re.MULTILINE)
    assert rows
    for section in (part for row in rows for part in row.split("; ")):
        assert any(title.startswith(section) for title in titles), section


def needed(code):
    """Names that a cell takes from cells before it."""
    tables, found = [symtable.symtable(code, "cell", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            top = table.get_type() == "module"
            own = top and (symbol.is_assigned() or symbol.is_imported())
            if symbol.is_referenced() and (top or symbol.is_global()) and not own:
                found.add(symbol.get_name())
    return found


@pytest.mark.parametrize("plan", ["90 minutes", "Three hours"])
@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_sections_of_a_plan_need_no_others(plan, number):
    section = re.search(rf"^##+ {plan}.*?(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)[0]
    row = rf"^\| \d+:\d\d \| \d+ \| {int(number)}, (.+?)\*? \| .*\b(?:do|start)\b"
    named = [part for parts in re.findall(row, section, re.MULTILINE) for part in parts.split("; ")]
    if not named:
        pytest.skip("learners run nothing of it in this plan")
    (entry,) = notebooks.choose([number])
    # What stands before the first section is run by everybody; `display` is IPython's own.
    shown, known = True, {*dir(builtins), "display"}
    for cell in notebooks.build(entry, exercises.solved).cells:
        if cell.cell_type == "markdown":
            for title in re.findall(r"^## (.+)$", cell.source, re.MULTILINE):
                shown = any(title.startswith(part) for part in named)
        elif shown and "setup" not in exercises.tags(cell):
            missing = needed(cell.source) - known
            defined = symtable.symtable(cell.source, "cell", "exec").get_symbols()
            known |= {symbol.get_name() for symbol in defined if symbol.is_assigned() or symbol.is_imported()}
            assert missing - known == set(), f"{plan}: {missing - known} in\n{cell.source}"
