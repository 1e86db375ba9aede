"""A Python of its own for the Hub's source: the libraries read their settings once, on import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat

GUARD = Path(__file__).parent / "guard"
ROOT = Path(__file__).parents[2]
CELL_SECONDS = 3000
"""How long a cell may take here: on one thread, and beside others, several times what it needs alone."""


def environment(url: str, home: Path) -> dict[str, str]:
    """Variables for a process that takes all from the Hub at `url` and keeps all below `home`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "ASR_"))}
    return kept | {
        "ASR_SOURCE": "hub",
        "ASR_CACHE": str(home / "course"),
        "ASR_GUARD": str(home / "left-loopback.txt"),
        "HF_ENDPOINT": url,
        "HF_HOME": str(home / "huggingface"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(GUARD), str(ROOT)]),
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "TQDM_DISABLE": "1",
    }


def give_packages(home: Path) -> None:
    """Lay what comes from the package index on both sources into the cache below `home`: nobody is asked."""
    from helpers.supply import packages  # not above: this file is run by a Python without `helpers` as well

    folder = home / "course" / "packages"
    folder.mkdir(parents=True)
    archive = packages.fetch(["pocketsphinx"])["pocketsphinx"]
    (folder / archive.name).symlink_to(archive)


def left_loopback(home: Path) -> str:
    """Names that were tried outside loopback; nothing, it is hoped.

    `datasets` makes the name of another of the Hub's servers from the endpoint: that is not outside.
    """
    log = home / "left-loopback.txt"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return " ".join(line for line in lines if line != "datasets-server.127.0.0.1")


def execute(notebook: Path, variables: dict[str, str], *options: str, python=sys.executable) -> None:
    """Run a notebook from top to bottom, in the folder where it lies, with further options of nbconvert."""
    command = [str(python), "-m", "nbconvert", "--to", "notebook", "--execute", *options]
    command += [f"--ExecutePreprocessor.timeout={CELL_SECONDS}", str(notebook)]
    result = subprocess.run(command, env=variables, cwd=notebook.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def printed(notebook: Path) -> str:
    """All that a notebook's cells wrote."""
    cells = nbformat.read(notebook, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def raised(notebook: Path) -> list[str]:
    """What its cells raised: number of the cell, class and message."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [
        f"cell {number}: {output['ename']}: {output['evalue']}"
        for number, cell in enumerate(cells)
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    ]


class Failure(Exception):
    """What a statement raised in the other process: `kind` is the class, the message its text."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Client:
    """Runs Python in another process, one statement or expression after the other; a value comes back."""

    def __init__(self, url: str, home: Path):
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment(url, home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, code: str):
        """The value of `code`, as JSON can carry it.

        Raises:
            Failure: what it raised.
        """
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "kind" in answer:
            raise Failure(answer["kind"], answer["message"])
        return answer["value"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)


def _serve() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    names = {}
    for line in sys.stdin:
        code = json.loads(line)
        try:
            try:
                answer = {"value": eval(code, names)}
            except SyntaxError:
                exec(code, names)
                answer = {"value": None}
        except Exception as error:
            answer = {"kind": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
