"""What a lesson must be as a file, whatever it teaches."""

import ast
import json
import re
import shutil
import subprocess
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import nbformat
import pytest

from tools import exercises, notebooks

ROOT = notebooks.ROOT
LESSONS = notebooks.lessons()
SLUGS = [entry["slug"] for entry in LESSONS]
MEBIBYTE = 2**20
MOSTLY = {"04_fine_tuning_primer": 0.4, "07_xlsr_ctc_fine_tuning": 0.4, "08_live_transcription": 0.4}
"""Share of a lesson's text outputs that must be compared where it is not half: training's are not."""

pytestmark = pytest.mark.skipif(not LESSONS, reason="no lesson yet")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


@pytest.fixture(params=LESSONS, ids=SLUGS)
def entry(request):
    return request.param


@pytest.fixture(params=["learner", "solved"])
def notebook(entry, request):
    solved = request.param == "solved"
    if solved and not exercises.numbers(notebooks.build(entry).cells):
        pytest.skip("no exercise yet")
    return nbformat.read(notebooks.path(entry, solved), as_version=4)


def test_every_notebook_has_its_source_and_every_source_its_notebook():
    built = {path.stem for path in notebooks.NOTEBOOKS.glob("*.ipynb")}
    texts = {path.stem for path in (notebooks.NOTEBOOKS / "source").glob("*.py")}
    assert built == texts == set(SLUGS)


@pytest.mark.parametrize("form", [exercises.learner, exercises.solved], ids=lambda form: form.__name__)
def test_text_and_notebook_are_in_sync(entry, form):
    place = notebooks.path(entry, solved=form is exercises.solved)
    if form is exercises.solved and not exercises.numbers(notebooks.build(entry).cells):
        assert not place.exists()
        return
    built, notebook = notebooks.build(entry, form), nbformat.read(place, as_version=4)
    kinds = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in built.cells]
    found = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]
    assert found == kinds, f"run: make lessons LESSON={entry['slug'][:2]}"


def test_all_cells_were_run_in_order(notebook):
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_no_error_and_no_widget_state(notebook):
    kinds = {output.output_type for cell in code_cells(notebook) for output in cell.outputs}
    assert "error" not in kinds
    assert "widgets" not in notebook.metadata


def test_a_lesson_is_light(entry):
    assert (notebooks.NOTEBOOKS / f"{entry['slug']}.ipynb").stat().st_size < 1.5 * MEBIBYTE


def test_cells_are_short(notebook):
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 25, f"{len(lines)} lines:\n{cell.source}"


def test_checked_cells_have_something_to_check(notebook):
    checked = [c for c in code_cells(notebook) if "nbval-check-output" in c.metadata.get("tags", [])]
    assert len(checked) >= 3, "a lesson whose outputs are never compared can break unseen"
    for cell in checked:
        assert cell.outputs, cell.source


def has_text(cell):
    return any(
        output.get("name") == "stdout" or "text/plain" in output.get("data", {}) for output in cell.outputs
    )


def test_most_text_outputs_are_compared():
    shares = {}
    for entry in LESSONS:
        cells = [
            cell for cell in code_cells(nbformat.read(notebooks.path(entry), as_version=4)) if has_text(cell)
        ]
        compared = [cell for cell in cells if "nbval-check-output" in exercises.tags(cell)]
        shares[entry["slug"]] = len(compared), len(cells)
        assert len(compared) >= MOSTLY.get(entry["slug"], 0.5) * len(cells), shares
    assert sum(each[0] for each in shares.values()) >= 0.6 * sum(each[1] for each in shares.values()), shares


QUESTION = re.compile(r"\*\*Before you run:\*\*")
ANSWER = re.compile(r"<details><summary>Your predictions?</summary>.{20,}?</details>", re.DOTALL)


def test_every_prediction_has_its_options_and_its_answer(entry):
    text = "\n".join(cell.source for cell in notebooks.build(entry).cells if cell.cell_type == "markdown")
    parts = QUESTION.split(text)
    for question in parts[1:]:
        assert "(a)" in question and "(b)" in question, question[:200]
        assert ANSWER.search(question), f"no answer before the next question:\n{question[:200]}"
    assert len(ANSWER.findall(text)) == len(parts) - 1


@pytest.mark.parametrize(
    "entry", [entry for entry in LESSONS if "quiz" in entry], ids=lambda entry: entry["slug"]
)
def test_a_quiz_has_five_questions_with_reasons_and_keys_that_differ(entry):
    assert len(entry["quiz"]) == 5, "a quiz has five [[quiz]] tables"
    for each in entry["quiz"]:
        assert 2 <= len(each["options"]) <= 4 and each["answer"] in "abcd"[: len(each["options"])]
        assert each["question"].endswith("?") and len(each["reason"].split()) >= 8
    assert len({each["answer"] for each in entry["quiz"]}) >= 3, "the answer is always the same letter"


def test_exercises_are_counted_from_one(entry):
    numbers = exercises.numbers(notebooks.build(entry).cells)
    lesson = int(entry["slug"][:2])
    assert numbers == [f"{lesson}.{place}" for place in range(1, len(numbers) + 1)]


def test_objectives_and_recap_agree(entry):
    assert 3 <= len(entry["learn"]) <= 5, "learn: 3 to 5 objectives"
    assert len(entry["learn"]) == len(entry["saw"])
    assert {"title", "question", "needs", "hear", "minutes"} <= entry.keys()


def test_badge_and_links_lead_to_files(entry, notebook):
    header = notebook.cells[0].source
    assert f"/{notebooks.repository()}/blob/main/notebooks/{entry['slug']}.ipynb" in header
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", cell.source):
                up = "../" in target and not (notebooks.NOTEBOOKS / target.partition("#")[0]).exists()
                assert (notebooks.NOTEBOOKS / ("solutions" if up else "") / target.partition("#")[0]).exists()


def test_every_picture_has_a_text(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for text in re.findall(r"!\[([^\]]*)\]\(", cell.source):
                assert len(text) >= 10, f"a picture says nothing to who cannot see it: {cell.source}"
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert len(alt) >= 10, f"show it with show.figure(fig, alt=...):\n{cell.source}"


BANNED = {
    r"trust_remote_code": "data sets with scripts are gone",
    r"evaluate\.load\((?!catalog\.metric)": "asks the Hub: say where by catalog.metric",
    r"catalog\.(dataset|checkpoint|faster_whisper)|metrics\.(load|wer|cer)\(": "use load_dataset and others",
    r"course\.(device|dtype|record)\b|helpers import display": "write what everybody writes",
    r"torch_dtype": "is dtype now",
    r"num_proc": "deadlocks after a torch-based feature extractor ran",
    r"bos_token_id\)": "labels start with decoder_start_token_id",
    r"pyctcdecode": "downgrades NumPy",
    r"!pip |%pip install(?! --quiet https://github.com/\S+/asr_course-)": "only the set-up cell installs",
    r"/(work|home|root|Users)/": "a path of one machine",
    r"forced_decoder_ids": "language and task belong in the generation config",
    r"as_target_processor|evaluation_strategy|group_by_length=|warmup_ratio|no_cuda": "removed",
}


@pytest.mark.parametrize("pattern", BANNED)
def test_nothing_banned_is_taught(notebook, pattern):
    for cell in code_cells(notebook):
        assert not re.search(pattern, cell.source), f"{BANNED[pattern]}:\n{cell.source}"


def test_formulas_are_written_without_tex(notebook):
    """The pages of `make run` load no MathJax; what they show as formulas is Unicode, code or HTML."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.DOTALL)
            assert not re.search(r"\$[^$]+\$|\\\(|\\\[|\\begin\{", text), cell.source


def test_readme_shows_the_lessons_as_they_are():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for entry in LESSONS:
        assert f"(notebooks/{entry['slug']}.ipynb)" in readme
    assert notebooks.with_table(readme) == readme, "run: make lessons"


def tracked():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def test_only_formats_that_cannot_execute_code():
    for path in tracked():
        assert path.suffix not in {".bin", ".pt", ".pth", ".pkl", ".ckpt", ".npy", ".npz", ".h5"}, path


def test_assets_stay_small():
    assets = [path for path in (ROOT / "helpers" / "assets").rglob("*") if path.is_file()]
    data = [path for path in assets if path.suffix == ".parquet"]
    assert sum(path.stat().st_size for path in assets) < 90e6
    assert sum(path.stat().st_size for path in data) < 35e6


def test_no_text_names_a_machine_or_a_registry():
    words = re.compile(r"/(?:work|root)/|(?<!@)localhost:\d{4}|file:///|pypi\.org/simple")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".ipynb", ".cfg", ""} and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not words.search(text), f"{path}: {words.search(text)[0]}"


USES_SUPPLY = {"helpers", "helpers.__main__", "helpers.catalog", "helpers.course", "helpers.exercises"}


def module_name(path, root):
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path, root, known):
    """Modules of `known` and top-level packages that a file imports, absolutely or relatively."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*start, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name not in known and "." in name:
                name = name.rpartition(".")[0]
            yield name


def import_graph(root):
    """Module of `root`/helpers to what it imports."""
    files = {module_name(path, root): path for path in (root / "helpers").rglob("*.py")}
    return {name: set(imported_modules(path, root, files)) for name, path in files.items()}


def assert_one_way(graph):
    for name, imports in graph.items():
        assert not imports & {"tools", "tests"}, name
        if name.startswith("helpers.") and not name.startswith("helpers.supply"):
            supply = {each for each in imports if each.startswith("helpers.supply")}
            assert not supply or name in USES_SUPPLY, f"{name} imports {supply}"
    # A package stands for its __init__: what is in it may import it.
    ordered = TopologicalSorter(
        {name: imports & graph.keys() - {"helpers"} for name, imports in graph.items()}
    )
    ordered.prepare()


def test_imports_of_helpers_run_one_way():
    assert_one_way(import_graph(ROOT))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("audio.py", "import tools"),
        ("audio.py", "from tests.cells import tested"),
        ("audio.py", "from . import catalog"),
        ("audio.py", "from .catalog import model"),
        ("audio.py", "from helpers import catalog"),
        ("audio.py", "import helpers.catalog"),
        ("audio.py", "def late():\n    from helpers.catalog import model"),
        ("supply/files.py", "from .. import catalog"),
        ("supply/files.py", "from ..catalog import model"),
        ("supply/files.py", "from . import hub"),
        ("supply/files.py", "import helpers.supply.hub"),
        ("alignment.py", "from .supply.source import source"),
        ("alignment.py", "from helpers.supply import hub"),
    ],
)
def test_an_import_the_other_way_is_seen(file, line, tmp_path):
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=shutil.ignore_patterns("assets"))
    # Given: catalog reads a recording, the Hub's module writes files.
    for wrong in ("catalog.py", "supply/hub.py"):
        with open(tmp_path / "helpers" / wrong, "a") as module:
            module.write("\nfrom helpers import audio\nfrom helpers.supply import files\n")
    assert_one_way(import_graph(tmp_path))
    with open(tmp_path / "helpers" / file, "a") as module:
        module.write(f"\n{line}\n")
    with pytest.raises((AssertionError, CycleError)):
        assert_one_way(import_graph(tmp_path))


def test_lessons_do_not_know_how_things_arrive(entry):
    assert "helpers.supply" not in notebooks.source(entry["slug"])


def test_no_symbolic_link_is_tracked():
    assert not [path for path in tracked() if path.is_symlink()]


def test_notebooks_are_plain_json(entry):
    text = (notebooks.NOTEBOOKS / f"{entry['slug']}.ipynb").read_text(encoding="utf-8")
    assert json.loads(text)["nbformat"] == 4


def test_a_lesson_has_exercises_and_a_quiz(entry):
    assert len(exercises.numbers(notebooks.build(entry).cells)) >= 4, "at least four exercises"
    assert "quiz" in entry, "five [[quiz]] tables in the .toml"


def test_tested_cells_have_their_tests(entry):
    tested = re.search(r'tags=\[[^\]]*"tested"', notebooks.source(entry["slug"]))
    assert not tested or (ROOT / "tests" / f"test_lesson_{entry['slug'][:2]}.py").is_file()
