"""Where am I, and what may a lesson cost here: banner, seeds, budget, timing, progress."""

from __future__ import annotations

import importlib.metadata
import os
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from . import catalog
from .supply import files, hub
from .supply.source import cache_folder, source

_T = TypeVar("_T")


def start(lesson: str) -> None:
    """Open a lesson: seed everything, say where it runs; on the Hub's source ask whether the Hub answers.

    Where `python -m helpers prefetch` has copied all that the lessons need, the copy is used and nothing is
    asked.

    Args:
        lesson: its number, e.g. "01".

    Raises:
        ValueError: `ASR_SOURCE` holds something unknown.
        supply.SupplyError: the Hub does not answer.
    """
    where = source()
    if where == "hub" and catalog.is_prefetched():
        # Before the libraries are imported: they read it once.
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_EVALUATE_OFFLINE"] = "1"
        where = "hub, from the copy that prefetch made"
    elif where == "hub":
        hub.ask()
    import datasets
    import numpy as np
    import torch
    import transformers

    random.seed(42)
    np.random.seed(42)
    torch.manual_seed(42)
    if source() == "offline":
        transformers.logging.disable_progress_bar()
        datasets.disable_progress_bars()
    packages = ("torch", "transformers", "datasets")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"Lesson {lesson} · source: {where} · device: {device_name()}\n{versions}")


def device_name() -> str:
    """The device in words, with the number of threads on a CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu ({torch.get_num_threads()} threads)"


def budget(cpu: _T, gpu: _T) -> _T:
    """The value for this device: steps, clips or batch sizes that a laptop and a GPU do in similar time."""
    import torch

    return gpu if torch.cuda.is_available() else cpu


def mine(name: str) -> Path:
    """A folder in the course's cache for what the learner made, such as a model that a later lesson uses.

    Args:
        name: of the folder, e.g. "whisper-medical-ctranslate2". It is not created.
    """
    return cache_folder() / "mine" / name


def keep(folder: str | Path, name: str) -> Path:
    """Copy a folder to `mine(name)`, for a later lesson. An older copy is replaced at once, never half.

    Args:
        folder: what the learner made, e.g. a converted model.
        name: as of `mine`.

    Returns:
        Path of the copy.

    Raises:
        FileNotFoundError: there is no such folder.
        supply.files.FolderError: what stands there holds files that `keep` did not write; nothing is removed.
    """
    target, folder = mine(name), os.path.expanduser(folder)
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: run the cells that make it first.")
    with files.replacing(target, folder) as scratch:
        shutil.copytree(folder, scratch, dirs_exist_ok=True)
    return target


@dataclass
class Timing:
    """What `timed` measured: wall-clock seconds, 0.0 until the block has ended."""

    seconds: float = 0.0


@contextmanager
def timed(label: str, audio_seconds: float | None = None) -> Iterator[Timing]:
    """Time a block and print one line.

    Args:
        label: what is timed.
        audio_seconds: length of the audio worked on, in seconds; adds how many times faster than
            listening it was.

    Yields:
        Timing, filled when the block ends.
    """
    timing = Timing()
    begin = time.perf_counter()
    yield timing
    timing.seconds = time.perf_counter() - begin
    speed = f" · {audio_seconds / timing.seconds:.1f} × real time" if audio_seconds else ""
    print(f"{label}: {timing.seconds:.1f} s{speed}")


def progress(items: Iterable[_T], label: str, total: int | None = None) -> Iterable[_T]:
    """A progress bar, as text, that leaves nothing behind when it is done.

    Args:
        items: what to go through.
        label: what is being done.
        total: how many there are, when `items` cannot tell.
    """
    from tqdm import tqdm

    line = _Line() if _in_notebook() else None
    return tqdm(items, desc=label, total=total, leave=False, file=line, ncols=70)


class _Line:
    """Where a bar is drawn in a notebook: one output that is updated, and empty at the end.

    JupyterLab paints stderr red and keeps an empty line of it; a widget leaves a broken view in a stored
    notebook.
    """

    encoding = "utf-8"

    def __init__(self):
        self._handle = None

    def write(self, text: str) -> None:
        from IPython.display import display

        # It begins empty too: nbval keeps what an output began with, and hears of no update.
        self._handle = self._handle or display({}, raw=True, display_id=True)
        text = text.strip("\r\n ")
        self._handle.update({"text/plain": text} if text else {}, raw=True)

    def flush(self) -> None:
        pass


def _in_notebook() -> bool:
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
