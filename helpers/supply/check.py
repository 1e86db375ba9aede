"""Is this computer ready for the course? One line for each thing that has to be right, 20 s at most."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .. import audio, catalog, course
from . import SupplyError, files, hub, recipes
from .cores import usable_cores
from .source import cache_folder, source

SECONDS = 20
CORES, MEMORY_GB = 2, 6
MAKING_GB, CACHE_GB, TEMPORARY_GB = 2, 1, 2
"""Room for what is not made yet, for what lessons keep in the cache, and for what they train."""


class Finding(NamedTuple):
    """What one check found: `name`, `ok`, `detail` (what was found, or what to do)."""

    name: str
    ok: bool
    detail: str

    def __str__(self) -> str:
        return f"[{'OK' if self.ok else 'FAIL'}] {self.name}: {self.detail}"


def run() -> list[Finding]:
    """Check everything, for `SECONDS` at most. What had no time, or fails unforeseen, is a finding too."""
    findings, end = [], time.monotonic() + SECONDS
    for name, check in CHECKS.items():
        # A thread, because a disk or a server that does not answer cannot be interrupted.
        worker = threading.Thread(
            target=lambda name=name, check=check: findings.append(_guarded(name, check)), daemon=True
        )
        worker.start()
        worker.join(max(0.0, end - time.monotonic()))
        if worker.is_alive():
            late = [*CHECKS][len(findings) :]
            told = f"no answer within {SECONDS} s in all: close other programs, and check again"
            return [*findings, *(Finding(each, False, told) for each in late)]
    return findings


def _guarded(name: str, check: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        return Finding(name, *check())
    except SupplyError as error:
        return Finding(name, False, str(error))
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


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
            continue
        if version and found.partition("+")[0] != version:
            wrong.append(f"{name} {found} instead of {version}")
    if wrong:
        return False, f"{'; '.join(wrong)}. Delete .venv/.ready and call make run again"
    return True, f"{len(pins)} as in requirements.txt" if any(pins.values()) else f"{len(pins)} there"


def _torch() -> tuple[bool, str]:
    import torch

    found = " and ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "torchaudio"))
    try:
        from torchaudio.functional import forced_align

        forced_align(torch.zeros(1, 4, 3), torch.tensor([[1]]))
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


def _cores() -> tuple[bool, str]:
    usable, there = usable_cores(), os.cpu_count()
    detail = f"{usable:g} of {there} may be used"
    if usable < CORES:
        return False, f"{detail}, lessons take longer than they say: give the container or machine {CORES}"
    return True, detail


def _device() -> tuple[bool, str]:
    import torch

    name, cores = course.device_name(), math.ceil(usable_cores())
    if not torch.cuda.is_available() and torch.get_num_threads() > cores:
        return False, f"{name} on {cores} core(s), which is slow: set OMP_NUM_THREADS={cores}"
    return True, name


def _disk() -> tuple[bool, str]:
    made = all(folder.is_dir() for folder in recipes.made().values()) or source() == "hub"
    wanted: dict[int, list] = {}
    for folder, gigabytes, setting in (
        (cache_folder(), CACHE_GB + (0 if made else MAKING_GB), "ASR_CACHE"),
        (Path(tempfile.gettempdir()), TEMPORARY_GB, "TMPDIR"),
    ):
        folder = next(each for each in (folder, *folder.parents) if each.exists())
        if not os.access(folder, os.W_OK):
            return False, f"{folder} may not be written: set {setting} to a folder of yours"
        # Folders on one disk share its room.
        wanted.setdefault(folder.stat().st_dev, []).append((folder, gigabytes, setting))
    told = []
    for places in wanted.values():
        folder, _, setting = places[0]
        free, needed = shutil.disk_usage(folder).free / 1e9, sum(each[1] for each in places)
        if free < needed:
            lacking = f"but {needed} are needed: free some, or set {setting}"
            return False, f"{free:.1f} GB free at {folder}, {lacking}"
        told.append(f"{free:.0f} GB free at {folder}")
    return True, ", ".join(told)


def _weights() -> tuple[bool, str]:
    missing = [name for name, folder in recipes.made().items() if not files.is_intact(folder)]
    if not missing:
        return True, f"{len(recipes.RECIPES)} checkpoints and tables, unchanged"
    if source() == "hub":
        return True, f"{', '.join(missing)} not there; the Hub's are used"
    return False, f"{', '.join(missing)} missing or damaged: python -m helpers fetch"


def _hub() -> tuple[bool, str]:
    if source() == "offline":
        return True, "not asked, the source is offline"
    if catalog.is_prefetched():
        return True, "not asked: prefetch has copied all that the lessons take from it"
    hub.ask()
    return True, "reachable"


def _decoding() -> tuple[bool, str]:
    tone = [0.1 * math.sin(at / 10) for at in range(16_000)]
    formats = ("wav", "flac", "mp3", "opus")
    broken = [name for name in formats if len(audio.read(audio.encode(tone, format=name))) < 15_000]
    if broken:
        return False, f"{', '.join(broken)} cannot be read: install soundfile again"
    return True, ", ".join(formats)


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "Python": _python,
    "packages": _packages,
    "cores": _cores,
    "memory": _memory,
    "disk": _disk,
    "torch": _torch,
    "device": _device,
    "sound": _decoding,
    "offline weights": _weights,
    "Hub": _hub,
}
