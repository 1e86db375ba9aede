"""`make canary`: the tests and lessons on the newest transformers, datasets and torch.

The environment in build/canary is its own: what is newer than the pinned packages is installed there, the
rest is taken from .venv, which stays as it is. What differs from the pins is listed first, warnings of what
will go are shown, and the exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tools.notebooks import ROOT, choose

WATCHED = ("transformers", "datasets", "torch", "torchaudio")
FOLDER = ROOT / "build" / "canary"
VERSIONS = (
    "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep='\\n')"
)


def environment(folder: Path) -> Path:
    """An environment that sees this one's packages behind its own.

    Args:
        folder: its place; one that stands there already is used.

    Returns:
        Its Python.
    """
    python = folder / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    ours = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(ours) / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def versions(python: Path) -> dict[str, str]:
    """Package to version of what is watched, as this Python would import it."""
    command = [str(python), "-c", VERSIONS, *WATCHED]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in listed.splitlines())


def main(values: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Tests and lessons on the newest libraries.")
    parser.add_argument("numbers", nargs="*", help="numbers of lessons; none: all")
    parser.add_argument(
        "--tests", default="tests", help="what pytest gets, e.g. tests/test_pipeline_facts.py"
    )
    options = parser.parse_args(values)
    choose(options.numbers)
    python = environment(FOLDER)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--upgrade", *WATCHED]
    if status := subprocess.run(command).returncode:
        print("pip found no set of the newest packages that fit together, see above.", file=sys.stderr)
        return status
    pinned, newest = versions(Path(sys.executable)), versions(python)
    for name in WATCHED:
        print(
            f"{name}: {newest[name]}"
            + (f", pinned {pinned[name]}" if newest[name] != pinned[name] else ", as pinned")
        )
    settings = os.environ | {
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYTHONPATH": str(ROOT),
    }
    failed = []
    loud = ["-W", "default::FutureWarning", "-W", "default::DeprecationWarning"]
    # What compares the installed packages with the pins has nothing to say here.
    apart = ["--deselect", "tests/test_supply_check.py", "--ignore", "tests/test_colab.py"]
    for name, line in {
        "tests": ["-m", "pytest", "-n", "2", "--dist", "loadfile", *loud, *apart, *options.tests.split()],
        "lessons": ["-m", "tools.run", *options.numbers],
    }.items():
        if subprocess.run([str(python), *line], cwd=ROOT, env=settings).returncode:
            failed.append(name)
    print(f"The canary: {' and '.join(failed)} failed" if failed else "The canary: all well")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
