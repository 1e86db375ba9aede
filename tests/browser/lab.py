"""JupyterLab as `make lab` starts it, on loopback, with a token and with settings of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

from tests.hub.client import GUARD
from tools.notebooks import ROOT

CONFIG = ROOT / "tools" / "jupyter_lab_config.py"


class Lab:
    """A server over `folder`. Leaving the block ends it and its kernels.

    Args:
        folder: what it serves.
        home: an empty folder for Jupyter's own files.
    """

    def __init__(self, folder: Path, home: Path):
        self.home, runtime = home, home / "runtime"
        command = [sys.executable, "-m", "jupyterlab", f"--config={CONFIG}", f"--ServerApp.root_dir={folder}"]
        command += ["--no-browser", "--expose-app-in-browser", "--allow-root", "--ServerApp.port=0"]
        command += ["--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=test"]
        places = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        places |= {"IPYTHONDIR": str(home / "ipython"), "ASR_GUARD": str(home / "left-loopback.txt")}
        path = os.pathsep.join([str(GUARD), str(ROOT)])
        with open(home / "log.txt", "w") as log:
            self._process = subprocess.Popen(
                command, env=os.environ | places | {"PYTHONPATH": path}, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not (files := list(runtime.glob("jpserver-*.json"))) or not files[0].read_text():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.1)
        self._server = json.loads(files[0].read_text())

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def log(self) -> str:
        return (self.home / "log.txt").read_text()

    def url(self, path: str) -> str:
        """Address of a path of the server, with the token."""
        path = urllib.parse.quote(path)
        return f"http://127.0.0.1:{self._server['port']}/{path}?token=test"

    def contents(self, path: str) -> dict:
        """What `/api/contents` serves of a file, as the page gets it."""
        with urllib.request.urlopen(self.url(f"api/contents/{path}"), timeout=60) as answer:
            return json.load(answer)["content"]
