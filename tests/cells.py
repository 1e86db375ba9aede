"""The functions that a lesson writes in its own cells, executed from its source."""

import ast
from types import SimpleNamespace

import jupytext

from tools.notebooks import NOTEBOOKS


def tested(slug: str, **given) -> SimpleNamespace:
    """Run the cells of a lesson that are tagged "tested", in order, and give what they define.

    Args:
        slug: name of the lesson's source, e.g. "02_ctc_probing".
        given: what other cells would have defined before, by name.
    """
    cells = jupytext.read(NOTEBOOKS / "source" / f"{slug}.py").cells
    tagged = [cell for cell in cells if "tested" in cell.metadata.get("tags", [])]
    assert tagged, f"no cell of {slug} is tagged 'tested'"
    namespace = dict(given)
    for cell in tagged:
        exec(compile(cell.source, f"{slug}, a tested cell", "exec"), namespace)
    return SimpleNamespace(**namespace)


def defined(slug: str, *names: str, **given) -> SimpleNamespace:
    """Functions of a lesson alone, without the rest of the cells in which they stand.

    Args:
        slug: name of the lesson's source.
        names: of the functions; where one is defined more than once, the first is taken.
        given: what other cells would have defined before, by name.
    """
    code = [
        each for each in jupytext.read(NOTEBOOKS / "source" / f"{slug}.py").cells if each.cell_type == "code"
    ]
    found = {}
    for cell in code:
        if any(f"def {name}(" in cell.source for name in names):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef) and node.name in names:
                    found.setdefault(node.name, node)
    namespace = dict(given)
    exec(compile(ast.Module([found[name] for name in names], []), slug, "exec"), namespace)
    return SimpleNamespace(**namespace)


tested.__test__ = False  # no test, whatever name a test module gives it
