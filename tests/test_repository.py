"""What others need to run and change the repository: workflows, versions, forms."""

import importlib.metadata
import json
import re
import tomllib

import jupytext
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from helpers.exercises import checked, checking
from tools import exercises
from tools.notebooks import ROOT, repository

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(
    set((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) - {ROOT / ".github/ISSUE_TEMPLATE/config.yml"}
)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def jobs(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_make_targets_and_nothing_else(path):
    lines = []
    for job in jobs(path):
        matrix = job.get("strategy", {}).get("matrix", {}).get("target", [""])
        lines += [(step["run"], matrix) for step in job["steps"] if "run" in step]
    assert lines
    for line, matrix in lines:
        for target in matrix:
            found = re.fullmatch(
                r"make PYTHON=python ([a-z-]+)", line.replace("${{ matrix.target }}", target)
            )
            assert found and found[1] in TARGETS, line


def test_all_that_is_promised_runs_somewhere():
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    assert all(word in text for word in ("python test", "canary", "test-hub", "test-colab", "python site"))
    assert {"ubuntu-latest", "macos-latest"} <= set(re.findall(r"[a-z]+-latest", text))


def test_every_target_is_phony_and_explained():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)[1].split()) == TARGETS
    for name in TARGETS - {"weights"}:
        assert re.search(rf"^{name}:.* ## .", text, re.MULTILINE), name


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_ask_for_checks_lines(path):
    fields = yaml.safe_load(path.read_text(encoding="utf-8"))["body"]
    asked = [each for each in fields if "-m helpers check" in each["attributes"].get("description", "")]
    assert [each["id"] for each in asked] == ["check"]


def test_the_citation_agrees_with_the_package():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == VERSION
    assert cited["repository-code"] == f"https://github.com/{repository()}"
    assert f"\n## {VERSION}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_devcontainer_sets_up_by_make():
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert told["postCreateCommand"].split()[-1] in TARGETS


def test_the_pinned_packages_take_the_oldest_python_that_make_takes():
    pins = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert len(pins) > 100
    seen = 0
    for name, version in pins:
        try:
            told = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if told["Version"] == version and told["Requires-Python"]:
            seen += 1
            assert SpecifierSet(told["Requires-Python"]).contains("3.11.0"), f"{name} {version}"
    assert seen > 100


def test_the_exercise_that_contributing_shows_works(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_PROGRESS", "0")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(# %%.*?)```", text, re.DOTALL)
    cells = {}
    for cell in jupytext.reads(shown, fmt="py:percent").cells:
        for tag in exercises.tags(cell):
            cells.setdefault(tag, []).append(cell.source)
    hints = []
    for answer in (*cells["exercise"], *cells["wrong"]):
        names = {"checking": checking}
        exec(answer, names)
        exec(cells["check"][0], names)
        hints.append(checked["1.6"])
    assert hints[0] == "" and all(hints[1:]) and len(set(hints)) == len(hints) >= 3
