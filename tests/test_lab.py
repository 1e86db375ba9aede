"""JupyterLab shows a lesson as it is on disk, and saves it without touching its source."""

import json
import shutil

import nbformat
import pytest

from tests.browser.chromium import Chromium
from tests.browser.lab import Lab
from tests.hub.client import left_loopback
from tools import notebooks

SLUGS = [entry["slug"] for entry in notebooks.lessons()]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The lessons in a folder of their own, served as `make lab` serves them."""
    folder, home = tmp_path_factory.mktemp("course"), tmp_path_factory.mktemp("jupyter")
    shutil.copytree(notebooks.NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    shutil.copy(notebooks.ROOT / "pyproject.toml", folder)  # where jupytext would find its settings
    with Lab(folder, home) as server:
        server.folder = folder
        yield server


def kept(cells):
    """Of cells what saving must keep, as JSON: their outputs may change."""
    return [(cell["id"], cell["cell_type"], cell["source"], cell["metadata"].get("tags")) for cell in cells]


@pytest.mark.parametrize("slug", SLUGS)
def test_jupyter_serves_what_is_in_the_file(lab, slug):
    served = lab.contents(f"notebooks/{slug}.ipynb")
    stored = nbformat.read(lab.folder / "notebooks" / f"{slug}.ipynb", as_version=4)
    for cell in served["cells"]:
        cell["metadata"].pop("trusted", None)  # Jupyter's own note
    assert served == json.loads(json.dumps(stored))


def test_a_lesson_run_and_saved_in_jupyterlab_keeps_its_cells_and_its_source(lab):
    slug = SLUGS[0]
    path, source = lab.folder / "notebooks" / f"{slug}.ipynb", lab.folder / "notebooks" / "source"
    texts = {file.name: file.read_bytes() for file in source.iterdir()}
    before, written = nbformat.read(path, as_version=4), path.stat().st_mtime_ns
    with Chromium() as page:
        page.goto(lab.url(f"lab/tree/notebooks/{slug}.ipynb"))
        page.until(
            f"window.jupyterapp?.shell.currentWidget?.content?.widgets?.length === {len(before.cells)}"
        )
        page.run("jupyterapp.shell.currentWidget.sessionContext.ready.then(() => 0)")
        for number in range(3):  # header, set-up, start
            page.run(f"void (jupyterapp.shell.currentWidget.content.activeCellIndex = {number})")
            page.run("jupyterapp.commands.execute('notebook:run-cell').then(() => 0)")
        page.run("jupyterapp.commands.execute('docmanager:save').then(() => 0)")
        assert page.run("document.body.innerText").count("official Jupyter news") == 0
        asked = {url for url in page.outside() if not url.startswith(lab.url("").split("?")[0])}
    assert asked == set()
    assert path.stat().st_mtime_ns > written, "nothing was saved"
    after = nbformat.read(path, as_version=4)
    assert kept(after.cells) == kept(before.cells)
    assert [cell.execution_count for cell in after.cells[1:3]] == [1, 2]
    assert after.cells[2].outputs[0].text.startswith("Lesson 01 · source:")
    assert {file.name: file.read_bytes() for file in source.iterdir()} == texts
    assert left_loopback(lab.home) == ""
