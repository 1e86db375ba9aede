"""What a lesson takes from the Hub, found in its code: the calls of the catalog's three loaders."""

from __future__ import annotations

import ast

from helpers import catalog
from tools.notebooks import NOTEBOOKS

LOADERS = {"catalog.checkpoint", "catalog.dataset", "catalog.faster_whisper"}


def calls(slug: str) -> list[str]:
    """The calls of one lesson as expressions, once each.

    A split that only running the lesson would tell (the variable of a loop) stands for all of the catalog's.

    Args:
        slug: name of the lesson's files, e.g. "01_pipeline_inference".
    """
    text = (NOTEBOOKS / "source" / f"{slug}.py").read_text(encoding="utf-8")
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in LOADERS:
            split = next((each for each in node.keywords if each.arg == "split"), None)
            if split is None or isinstance(split.value, ast.Constant):
                found.append(ast.unparse(node))
                continue
            for row in catalog.DATA_SETS:
                if row.hub == node.args[0].value:
                    split.value = ast.Constant(row.split)
                    found.append(ast.unparse(node))
    return list(dict.fromkeys(found))


def repositories(slug: str) -> set[str]:
    """Ids of the repositories that a lesson's calls need."""
    found = set()
    for call in calls(slug):
        expression = ast.parse(call, mode="eval").body
        if expression.func.attr == "faster_whisper":
            found.add("Systran/faster-whisper-base")
        else:
            found.add(expression.args[0].value)
    return found
