"""The plans for instructors: their minutes add up, and the exercises they name exist."""

import re

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
    named = set(re.findall(r"\b([1-8]\.[1-9])\b(?! ?%| GB| against)", TEXT))
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
