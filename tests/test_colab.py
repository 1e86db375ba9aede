"""What the lessons and helpers import is there on Colab, in versions that were run.

That the set-up cell works, and a lesson after it, is proved in whole_lesson_colab.py.
"""

import ast
import importlib.metadata
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.colab import image, parameters
from tools.notebooks import NOTEBOOKS, ROOT

SOURCES = sorted([*(NOTEBOOKS / "source").glob("*.py"), *(ROOT / "helpers").rglob("*.py")])


def imported(path):
    """First part of every module that a file imports absolutely, those in functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


@pytest.fixture(scope="module")
def provides():
    """Module to the packages that hold it."""
    return importlib.metadata.packages_distributions()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_import_is_shipped_or_required(path, provides):
    stated = {canonicalize_name(Requirement(each).name) for each in image.dependencies()}
    there = stated | set(map(canonicalize_name, image.SHIPPED))
    # google.colab is Colab itself, and pip is wherever packages were installed from.
    for module in set(imported(path)) - set(sys.stdlib_module_names) - {"helpers", "google", "pip"}:
        packages = set(map(canonicalize_name, provides[module]))
        assert packages & there, f"{module} is neither on Colab nor among pyproject's dependencies"


def test_torch_and_numpy_are_left_to_colab():
    stated = {canonicalize_name(Requirement(each).name) for each in image.dependencies()}
    assert not stated & set(image.FROZEN)


def test_what_only_colab_lacks_is_known():
    assert image.missing() == {
        "av",
        "ctc-beam-decoder",
        "ctranslate2",
        "evaluate",
        "faster-whisper",
        "jiwer",
        "onnxruntime",
        "rapidfuzz",
    }


def pins():
    """Package to the version in the course's own environment."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "constraints.txt")]
    found = re.findall(r"^([\w.-]+)==([^\s+]+)", "\n".join(texts), re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


@pytest.mark.parametrize("text", image.dependencies())
def test_a_lower_bound_is_the_oldest_version_that_was_run(text):
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    shipped = {canonicalize_name(package): Version(version) for package, version in image.SHIPPED.items()}
    (bound,) = [one for one in requirement.specifier if one.operator != "<"]
    assert bound.operator == ">="
    assert Version(bound.version) == min(pins()[name], shipped.get(name, pins()[name]))


def test_the_stored_keywords_are_those_of_colabs_versions():
    assert parameters.stored()["versions"] == {name: image.SHIPPED[name] for name in parameters.CHECKED}
    assert parameters.stored()["keywords"].keys() == parameters.installed().keys()


def called(path):
    """Name and keywords of every call in a file of what `parameters` checks."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in parameters.stored()["keywords"]:
                yield name, {keyword.arg for keyword in node.keywords if keyword.arg}


@pytest.mark.parametrize("where", ["here", "on Colab"])
def test_every_keyword_exists(where):
    known = parameters.installed() if where == "here" else parameters.stored()["keywords"]
    calls = [call for path in SOURCES for call in called(path)]
    assert {"TrainingArguments", "Seq2SeqTrainingArguments", "pipeline"} <= {name for name, _ in calls}
    for name, keywords in calls:
        assert keywords <= set(known[name]), f"{name} has no {sorted(keywords - set(known[name]))} {where}"


def test_the_wheel_holds_every_file_that_helpers_read():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    stated = {
        path
        for package, patterns in data["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    there = {path for path in (ROOT / "helpers").rglob("*") if path.is_file() and path.suffix != ".py"}
    assert {path for path in there if "__pycache__" not in path.parts} <= stated
