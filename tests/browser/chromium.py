"""A headless Chromium, driven through the DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OWN = ("file:", "data:", "blob:", "about:", "chrome:")
"""Addresses of what is in the browser already, or on this disk."""


class Chromium:
    """One page. Leaving the block ends the browser and removes its profile.

    Args:
        width, height: size of the window, in CSS pixels.
        options: further ones of the command line.
    """

    def __init__(self, width: int = 1280, height: int = 1000, options: Sequence[str] = ()):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.skip("no Chromium here: install Debian's package chromium to run this test")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [program, "--headless=new", "--remote-debugging-port=0", f"--window-size={width},{height}"]
        command += [f"--user-data-dir={self._profile.name}", "--no-first-run", "--disable-gpu"]
        command += ["--disable-dev-shm-usage", "--disable-background-networking"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium's sandbox refuses root
        self._process = subprocess.Popen(
            [*command, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        """Addresses asked for so far by the page and its frames."""
        self._socket = websocket.create_connection(self._address(), suppress_origin=True, timeout=300)
        page = next(t for t in self("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._page = self("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self._watch(self._page)
        # As if somebody looked at it: JupyterLab's commands go to the widget that has the focus.
        self("Emulation.setFocusEmulationEnabled", self._page, enabled=True)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(timeout=20)
        self._profile.cleanup()

    def __call__(self, method: str, session: str | None = None, **parameters) -> dict:
        """The answer to one command of the protocol.

        Raises:
            RuntimeError: the browser refused it.
        """
        number = self._send(method, session, **parameters)
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def goto(self, url: str) -> None:
        """Open an address, and wait until its page has loaded."""
        self("Page.navigate", self._page, url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str):
        """The value of JavaScript, awaited where it is a promise.

        Raises:
            RuntimeError: what it threw.
        """
        options = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self("Runtime.evaluate", self._page, **options)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", answer["exceptionDetails"]))
        return answer["result"].get("value")

    def until(self, condition: str, seconds: float = 180) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < deadline, f"after {seconds} s still not: {condition}"
            time.sleep(0.2)

    def outside(self) -> list[str]:
        """Requests that left the page's own file."""
        return [url for url in self.requests if not url.startswith(OWN)]

    def screenshot(self, path: str | Path) -> None:
        """Write what the window shows as PNG."""
        picture = self("Page.captureScreenshot", self._page)["data"]
        Path(path).write_bytes(base64.b64decode(picture))

    def _address(self) -> str:
        file, deadline = Path(self._profile.name) / "DevToolsActivePort", time.monotonic() + 60
        while not file.exists() or file.read_text().count("\n") < 1:
            assert self._process.poll() is None, "Chromium ended at once"
            assert time.monotonic() < deadline, "Chromium did not open its port"
            time.sleep(0.1)
        port, path = file.read_text().split()
        return f"ws://127.0.0.1:{port}{path}"

    def _send(self, method: str, session: str | None, **parameters) -> int:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        return number

    def _watch(self, session: str) -> None:
        # A frame may live in a process, and a session, of its own.
        self._send("Network.enable", session)
        self._send(
            "Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=False, flatten=True
        )

    def _note(self, message: dict) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif message.get("method") == "Target.attachedToTarget" and hasattr(self, "_page"):
            self._watch(parameters["sessionId"])
