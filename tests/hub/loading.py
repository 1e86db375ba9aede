"""A lesson's loading calls as they stand on the Hub: `catalog.*` replaced by what it gives there.

So `pipeline("...", model=catalog.model("openai/whisper-base"), device=device)` becomes a call that runs
without `helpers`. Names that earlier assignments explain are put in; an option that only running the lesson
would tell is left out, and a split of that kind stands for all the splits the lessons read.
"""

from __future__ import annotations

import ast
import builtins
import copy
from dataclasses import dataclass, field
from unittest import mock

from helpers import catalog

LOADERS = ("load_dataset", "from_pretrained", "pipeline", "WhisperModel", "load")


@dataclass
class Loading:
    """What a lesson loads: `calls` as expressions, the `imports` they need, ids of the `repositories`.

    `unused` are calls of the catalog whose value reaches no loader.
    """

    calls: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    repositories: set[str] = field(default_factory=set)
    unused: list[str] = field(default_factory=list)


def of(text: str) -> Loading:
    """Read a lesson's source."""
    reader = _Reader()
    reader.visit(ast.parse(text))
    found = reader.found
    found.calls = list(dict.fromkeys(found.calls))
    nodes = [node for call in found.calls for node in ast.walk(ast.parse(call))]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    found.imports = [statement for name, statement in reader.imports.items() if name in names]
    loaded = "\n".join(found.calls)
    found.unused = [call for literal, call in reader.given.items() if literal not in loaded]
    return found


def _on_the_hub(call: str) -> object:
    with mock.patch.dict("os.environ", ASR_SOURCE="hub", ASR_CACHE="/nonexistent"):
        return eval(call, {"catalog": catalog})


class _Reader(ast.NodeVisitor):
    """Goes through a lesson in its order and keeps what names stand for."""

    def __init__(self):
        self.found = Loading()
        self.known: dict[str, ast.expr] = {}
        self.imports: dict[str, str] = {}
        self.given: dict[str, str] = {}

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name.partition(".")[0] != "helpers":
                name = alias.asname or alias.name.partition(".")[0]
                self.imports[name] = ast.unparse(ast.Import([alias]))

    def visit_ImportFrom(self, node):
        if node.module.partition(".")[0] != "helpers":
            for alias in node.names:
                self.imports[alias.asname or alias.name] = ast.unparse(
                    ast.ImportFrom(node.module, [alias], 0)
                )

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            several = several and not any(isinstance(each, ast.Starred) for each in node.value.elts)
            pairs = zip(target.elts, node.value.elts, strict=True) if several else [(target, node.value)]
            for name, value in pairs:
                self._bind(name, self._resolved(value))

    def _bind(self, target, value):
        if isinstance(target, ast.Name):
            if self._free(value) or any(self._loader(each) for each in ast.walk(value)):
                self.known.pop(target.id, None)
            else:
                self.known[target.id] = value

    def visit_For(self, node):
        for name in ast.walk(node.target):
            self.known.pop(getattr(name, "id", None), None)
        self.generic_visit(node)

    def visit_comprehension(self, node):
        for name in ast.walk(node.target):
            self.known.pop(getattr(name, "id", None), None)
        self.generic_visit(node)

    def visit_ListComp(self, node):
        for generator in node.generators:
            self.visit(generator)
        for part in (getattr(node, name, None) for name in ("elt", "key", "value")):
            if part is not None:
                self.visit(part)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_FunctionDef(self, node):
        outside = dict(self.known)
        for argument in ast.walk(node.args):
            self.known.pop(getattr(argument, "arg", None), None)
        self.generic_visit(node)
        self.known = outside

    def visit_Call(self, node):
        resolved = self._resolved(node)
        self.generic_visit(node)
        if not self._loader(resolved) or not any(literal in ast.unparse(resolved) for literal in self.given):
            return
        resolved.args = [argument for argument in resolved.args if not self._free(argument)]
        splits = [None]
        if any(each.arg == "split" and self._free(each.value) for each in resolved.keywords):
            text = ast.unparse(resolved)
            splits = next(row.splits for row in catalog.DATA_SETS if repr(row.on_the_hub) in text)
        resolved.keywords = [each for each in resolved.keywords if not self._free(each.value)]
        for split in splits:
            call = copy.deepcopy(resolved)
            if split:
                call.keywords.append(ast.keyword("split", ast.Constant(split)))
            self.found.calls.append(ast.unparse(call))

    def _resolved(self, node):
        """A copy with known names and calls of the catalog replaced."""
        reader = self

        class Put(ast.NodeTransformer):
            def visit_Name(self, name):
                return copy.deepcopy(reader.known.get(name.id, name))

            def visit_Call(self, call):
                call = self.generic_visit(call)
                text = ast.unparse(call)
                if not text.startswith(("catalog.model(", "catalog.data(", "catalog.metric(")):
                    return call
                if reader._free(ast.Expr(ast.Tuple([*call.args, *(k.value for k in call.keywords)]))):
                    reader.given[text] = text
                    return call
                value = _on_the_hub(text)
                reader.given[repr(value)] = text
                name = value if isinstance(value, str) else value["path"]
                if not name.startswith("/"):
                    reader.found.repositories.add(name)
                return ast.parse(repr(value), mode="eval").body

        return Put().visit(copy.deepcopy(node))

    def _free(self, node) -> bool:
        """Whether a name in it stands for something that only running the lesson would tell."""
        bound = {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} - bound
        return any(name not in self.imports and not hasattr(builtins, name) for name in names)

    def _loader(self, node) -> bool:
        if not isinstance(node, ast.Call):
            return False
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in LOADERS
