"""Every lesson on the versions that Colab has, from a notebook alone in an empty folder: `make test-colab`.

The environment is built in build/colab from shipped.txt and the course's own wheel (Python 3.13, some 8 GB;
the package index is needed); where it stands already, only the wheel is built anew. Weights and data come
from the Hub on loopback, the default on Colab. torchcodec is left out where FFmpeg is missing: the course
never uses it, but the libraries stop at one that cannot load. What the set-up cell does is proved in
whole_lesson_colab.py.
"""

import ctypes.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.colab import image
from tests.hub import client, content, loading
from tests.hub.server import Hub
from tools import notebooks

KEPT = {"torch", "torchaudio", "numpy", "ipython", "ipywidgets"}
"""What a learner's other notebooks on Colab need as it was."""


def pip(python, *arguments):
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def packages(python):
    """Package to version, the course left out."""
    lines = (re.split("==| @ ", line, maxsplit=1) for line in pip(python, "freeze", "--all").splitlines())
    found = {canonicalize_name(name): version for name, version in lines}
    found.pop("asr-course", None)
    return found


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """The environment's Python, and what it held before and after the course's wheel."""
    found = shutil.which("python3.13")
    if not found:
        pytest.skip("there is no python3.13 on this machine: install it to try Colab's versions")
    venv, stamp = notebooks.ROOT / "build" / "colab", notebooks.ROOT / "build" / "colab" / "shipped.txt"
    python = venv / "bin" / "python"
    if not stamp.is_file():
        subprocess.run([found, "-m", "venv", "--clear", str(venv)], check=True)
        wanted = image.SHIPPED.copy()
        if not ctypes.util.find_library("avcodec"):
            del wanted["torchcodec"]
        pip(python, "install", "--quiet", *(f"{name}=={version}" for name, version in wanted.items()))
        stamp.write_text("\n".join(f"{name}=={version}" for name, version in packages(python).items()))
    before = dict(line.split("==", 1) for line in stamp.read_text().splitlines())
    wheel = image.build_wheel(tmp_path_factory.mktemp("wheel"))
    pip(python, "install", "--quiet", str(wheel))
    pip(python, "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel))
    return python, before, packages(python)


def test_the_wheel_only_adds(colab):
    python, before, after = colab
    assert before.items() <= after.items(), "something that was there has changed"
    assert before.keys() >= KEPT
    assert "No broken requirements" in pip(python, "check")


@pytest.mark.parametrize("slug", [entry["slug"] for entry in notebooks.longest_first()])
def test_a_lesson_on_colabs_versions(colab, slug, tmp_path):
    python, _, _ = colab
    home, alone = tmp_path / "home", tmp_path / "content"
    home.mkdir()
    client.give_packages(home)
    alone.mkdir()
    notebook = Path(shutil.copy(notebooks.NOTEBOOKS / f"{slug}.ipynb", alone))
    with Hub(content.build(tmp_path / "hub", loading.of(notebooks.source(slug)).repositories)) as server:
        environment = client.environment(server.url, home) | {"PYTHONPATH": str(client.GUARD)}
        client.execute(notebook, environment, "--inplace", "--allow-errors", python=python)
    assert client.raised(notebook) == []
    assert client.left_loopback(home) == ""
    assert f"Lesson {slug[:2]} · source: hub" in client.printed(notebook)
