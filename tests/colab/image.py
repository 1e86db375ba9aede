"""A look-alike of Colab without network: a Python that has what Colab ships, and a pip that finds the rest.

The packages are those of the course's own environment. What Colab ships is linked into the look-alike; what
the course requires beyond it is packed into wheels again, which pip finds in a folder. So an import that
neither Colab nor the set-up cell provides fails here as it would there.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.notebooks import ROOT

_LIST = (Path(__file__).parent / "shipped.txt").read_text(encoding="utf-8")
SHIPPED = dict(re.findall(r"^([\w.-]+)==(\S+)", _LIST, re.MULTILINE))
"""Package to version on Colab."""

ABSENT = {"notebook", "torchcodec"}
"""Of these, what the course's own environment has not, nor needs: the look-alike does without."""

FROZEN = ("torch", "torchaudio", "numpy")
"""What the set-up cell must leave alone; of these pip is offered a version that looks newer."""


def dependencies() -> list[str]:
    """The requirements that a wheel of the course states."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]


def with_all_they_need(requirements: Iterable[str]) -> set[str]:
    """Names of the packages in this environment that a pip asked for `requirements` would have installed."""
    waiting, found = [Requirement(each) for each in requirements], set()
    while waiting:
        asked = waiting.pop()
        for extra in {"", *asked.extras}:
            if (name := canonicalize_name(asked.name), extra) in found:
                continue
            found.add((name, extra))
            for text in importlib.metadata.requires(name) or []:
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return {name for name, _ in found}


def missing() -> set[str]:
    """Names of the packages that the set-up cell has to install on Colab, beside the course itself."""
    return with_all_they_need(dependencies()) - with_all_they_need(SHIPPED.keys() - ABSENT)


def _inside(package: str) -> list[Path]:
    """A package's files, relative to site-packages; programs and byte code are left out."""
    files = importlib.metadata.files(package)
    return [Path(file) for file in files if ".." not in file.parts and file.suffix != ".pyc"]


def link_packages(folder: Path) -> None:
    """Make what Colab ships importable from `folder`."""
    folder.mkdir()
    for package in with_all_they_need(SHIPPED.keys() - ABSENT):
        for top in {file.parts[0] for file in _inside(package)} - {"__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(importlib.metadata.distribution(package).locate_file(top))


def pack_wheel(package: str, folder: Path) -> None:
    """Write an installed package as a wheel again."""
    found = importlib.metadata.distribution(package)
    tag = re.search(r"^Tag: (\S+)", found.read_text("WHEEL"), re.MULTILINE)[1]
    name = folder / f"{package.replace('-', '_')}-{found.version}-{tag}.whl"
    with zipfile.ZipFile(name, "w") as wheel:
        for file in _inside(package):
            if file.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                wheel.write(found.locate_file(file), file.as_posix())


def pack_decoy(package: str, folder: Path) -> None:
    """Write an empty wheel that looks newer than any, for whoever upgrades what is there."""
    about = f"{package}-99.0.dist-info"
    with zipfile.ZipFile(folder / f"{package}-99.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def build_wheel(folder: Path) -> Path:
    """The course's own wheel, as `make wheel` builds it: nothing from an earlier build gets into it."""
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("asr_course-*.whl")
    return wheel


class Colab:
    """The look-alike below `folder`: `python` its interpreter, `environment` a notebook's, `wheel` ours."""

    def __init__(self, folder: Path):
        folder.mkdir()
        venv, wheels = folder / "venv", folder / "wheels"
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        self.python = venv / "bin" / "python"
        (self.site,) = (venv / "lib").glob("python*/site-packages")
        link_packages(folder / "shipped")
        (self.site / "google" / "colab").mkdir(parents=True)
        (self.site / "google" / "colab" / "__init__.py").touch()
        # On Colab the module is there before the first cell.
        (self.site / "colab.pth").write_text(f"{folder / 'shipped'}\nimport google.colab\n", encoding="utf-8")
        wheels.mkdir()
        for package in [*missing(), "setuptools"]:
            pack_wheel(package, wheels)
        for package in FROZEN:
            pack_decoy(package, wheels)
        self.wheel = build_wheel(folder)
        self.environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}

    def packages(self) -> dict[str, str]:
        """Package to version, as pip sees them."""
        command = [self.python, "-m", "pip", "freeze", "--all", "--disable-pip-version-check"]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=_without_course())
        lines = (re.split("==| @ ", line, maxsplit=1) for line in result.stdout.splitlines())
        return {canonicalize_name(name): version for name, version in lines}


def _without_course() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
