"""What the lessons and helpers import is there on Colab: shipped with it, or brought by the set-up cell.

That the set-up cell works, and a lesson after it, is proved in whole_lesson_colab.py.
"""

import ast
import importlib.metadata
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.colab import image
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
    for module in set(imported(path)) - set(sys.stdlib_module_names) - {"helpers"}:
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
