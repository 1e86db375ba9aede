"""How many cores this process may really use: a container's quota is not what `os.cpu_count` tells."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cores(root: str | Path = "/") -> float:
    """Cores that this process may really use: those it is bound to, or a container's quota if that is less.

    Args:
        root: where /sys and /proc are, for tests.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(bound), *_quotas(Path(root))])


def _quotas(root: Path) -> list[float]:
    """Cores that each control group (version 2 or 1) of this process allows; [] where none sets a limit."""
    groups, found = root / "sys/fs/cgroup", []
    own = root / "proc/self/cgroup"
    lines = own.read_text().splitlines() if own.is_file() else []
    for _, kinds, name in (line.split(":", 2) for line in lines):
        top = groups / "cpu" if "cpu" in kinds.split(",") else groups
        place = top / name.strip("/")
        for folder in (place, *place.parents):
            if not folder.is_relative_to(top):
                break
            try:
                if (folder / "cpu.max").is_file():
                    quota, period = (folder / "cpu.max").read_text().split()
                else:
                    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                    quota, period = ((folder / each).read_text().strip() for each in names)
            except OSError:
                continue
            if quota not in ("max", "-1"):
                found.append(int(quota) / int(period))
    return found
