"""Is this computer ready for the course? One line for each thing that has to be right."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .. import audio, catalog, course
from . import SupplyError, files, hub, recipes
from .source import cache_folder, source

MEMORY_GB, DISK_GB = 6, 5
_TOGETHER = ("torch", "torchaudio")


class Finding(NamedTuple):
    """What one check found: `name`, `ok`, `detail` (what was found, or what to do)."""

    name: str
    ok: bool
    detail: str


def run() -> list[Finding]:
    """Check everything. A check that fails in a way nobody foresaw is a finding too, with its error.

    Returns:
        One Finding a check, in the order in which one would mend them.
    """
    return [_guarded(name, check) for name, check in CHECKS.items()]


def _guarded(name: str, check: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        return Finding(name, *check())
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


def text(findings: list[Finding]) -> str:
    """The findings as lines that begin with [OK] or [FAIL]."""
    return "\n".join(f"[{'OK' if each.ok else 'FAIL'}] {each.name}: {each.detail}" for each in findings)


def _python() -> tuple[bool, str]:
    version = platform.python_version()
    if tuple(map(int, version.split(".")[:2])) < (3, 11):
        return False, f"{version}, but 3.11 or newer is needed: make PYTHON=python3.11 run"
    return True, f"{version} on {platform.platform(terse=True)}"


def requirements() -> dict[str, str]:
    """Package to pinned version, from requirements.txt beside `helpers`; without versions in a wheel."""
    pins = Path(__file__).parents[2] / "requirements.txt"
    if pins.is_file():
        return dict(re.findall(r"^([\w.-]+)==(\S+)", pins.read_text(encoding="utf-8"), re.MULTILINE))
    needed = importlib.metadata.requires("asr-course") or []
    return {re.match(r"[\w.-]+", each)[0]: "" for each in needed if "extra ==" not in each}


def _packages() -> tuple[bool, str]:
    wrong = []
    pins = requirements()
    for name, version in pins.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
        else:
            if version and found.partition("+")[0] != version:
                wrong.append(f"{name} {found} instead of {version}")
    if wrong:
        return False, f"{'; '.join(wrong)}. Delete .venv/.ready and call make run again"
    return True, f"{len(pins)} as in requirements.txt" if any(pins.values()) else f"{len(pins)} there"


def _torch() -> tuple[bool, str]:
    import torch

    found = " and ".join(f"{name} {importlib.metadata.version(name)}" for name in _TOGETHER)
    try:
        from torchaudio import functional

        frames = torch.randn(1, 4, 3).log_softmax(-1)
        functional.forced_align(frames, torch.tensor([[1]]))
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        return False, f"{found} do not fit together ({cause}): install the pair of requirements.txt"
    return True, f"{found}, forced alignment works"


def _memory() -> tuple[bool, str]:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return True, "not told by this system"
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if gigabytes < MEMORY_GB:
        return False, f"{gigabytes:.0f} GB, but lesson 5 needs {MEMORY_GB}: close other programs"
    return True, f"{gigabytes:.0f} GB"


def _disk() -> tuple[bool, str]:
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < DISK_GB:
        return False, f"{free:.1f} GB free at {folder}, but {DISK_GB} are needed: free some, or set ASR_CACHE"
    return True, f"{free:.0f} GB free"


def _weights() -> tuple[bool, str]:
    states = {name: files.is_intact(folder) for name, folder in recipes.made().items()}
    missing = [name for name, intact in states.items() if not intact]
    if not missing:
        return True, f"{len(states)} checkpoints and tables, unchanged"
    if source() == "hub":
        return True, f"{', '.join(missing)} not there; the Hub's are used"
    return False, f"{', '.join(missing)} missing or damaged: python -m helpers fetch"


def _hub() -> tuple[bool, str]:
    if source() == "offline":
        return True, "not asked, the source is offline"
    if catalog.is_prefetched():
        return True, "not asked: prefetch has copied all that the lessons take from it"
    try:
        hub.ask()
    except SupplyError as error:
        return False, str(error)
    return True, "reachable"


def _decoding() -> tuple[bool, str]:
    import numpy as np

    tone = 0.1 * np.sin(np.arange(16_000) / 10)
    formats = ("wav", "flac", "mp3", "opus")
    broken = [name for name in formats if len(audio.read(audio.encode(tone, format=name))) < 15_000]
    if broken:
        return False, f"{', '.join(broken)} cannot be read: install soundfile again"
    return True, ", ".join(formats)


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "Python": _python,
    "packages": _packages,
    "torch": _torch,
    "device": lambda: (True, f"{course.device_name()}, {os.cpu_count()} cores"),
    "memory": _memory,
    "disk": _disk,
    "offline weights": _weights,
    "Hub": _hub,
    "sound": _decoding,
}
