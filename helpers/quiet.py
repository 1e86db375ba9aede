"""Silence for libraries in C and C++ that report on the terminal, past Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what native code writes to the standard error stream (file descriptor 2) inside the block.

    KenLM, for one, draws a progress bar there whenever it loads a model. Exceptions pass through, and what
    Python itself writes to `sys.stderr` in a notebook does too.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
