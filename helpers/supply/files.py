"""Folders that appear whole or not at all, and that replace nothing but what the course itself wrote."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = ".made-by-asr-course"
"""File in every folder that `replacing` writes: SHA-256 and name of each file, as `sha256sum` prints them."""

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
"""What `rename` says where a folder with files is in the way."""


class FolderError(ValueError):
    """A folder that must not be written. The message says what to do."""


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_intact(folder: str | Path) -> bool:
    """Whether a folder that `replacing` wrote still holds every file, unchanged.

    Args:
        folder: any folder; one without our mark is not intact.
    """
    files = {Path(folder) / name: digest for name, digest in _sums(Path(folder)).items()}
    return bool(files) and all(file.is_file() and sha256(file) == digest for file, digest in files.items())


@contextmanager
def replacing(target: str | Path, source: str | Path | None = None, *, mend: bool = False) -> Iterator[Path]:
    """Give a temporary folder that becomes `target` when the block ends, and vanishes when it fails.

    Several processes may write the same target at once: the last one's folder stays. Where the system can
    exchange two folders (Linux, macOS) a target that exists is never missing meanwhile; elsewhere (Windows,
    some network file systems) it is missing between two renames, and one of two writers may get an OSError.

    Args:
        target: folder to write. An existing one is replaced if it is empty, or if `replacing` wrote it and
            all its files are as they were written.
        source: file or folder that the block reads: refused where writing `target` would remove it.
        mend: for folders of the course's own cache: files that have changed since are replaced too.

    Yields:
        Path of the temporary folder, beside `target`.

    Raises:
        FolderError: `target` is a file, holds files that we did not write or that were changed, or is or
            holds `source`. Nothing is removed.
    """
    target = Path(target).resolve()
    if source is not None and target.exists():
        source = Path(source).resolve()
        if any(target.samefile(folder) for folder in (source, *source.parents) if folder.exists()):
            raise FolderError(f"{target} would replace {source}, from which it is made: name another folder.")
    _refuse_foreign(target, target, mend)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
        _write_sums(scratch)
        made = scratch.stat().st_ino
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    try:
        _put(scratch, target, mend)
    finally:
        # `scratch` is now what stood at `target` before: checked at the very place where it is removed.
        if scratch.exists() and (scratch.stat().st_ino == made or not _foreign(scratch, mend)):
            shutil.rmtree(scratch, ignore_errors=True)


def _put(scratch: Path, target: Path, mend: bool) -> None:
    while True:
        try:
            scratch.rename(target)
            return
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        try:
            _exchange(scratch, target)
        except FileNotFoundError:
            continue
        try:
            _refuse_foreign(scratch, target, mend)
        except FolderError:
            _exchange(scratch, target)
            raise
        return


def _exchange(one: Path, other: Path) -> None:
    """Let two folders change names, in one step where the system can."""
    error = _exchange_at_once(os.fsencode(one), os.fsencode(other))
    if error == errno.ENOENT:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(other))
    if error:
        aside = one.with_name(f"{one.name}-aside")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def _exchange_at_once(one: bytes, other: bytes) -> int:
    """0, or the error's number: RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS."""
    if not sys.platform.startswith(("linux", "darwin")):
        return errno.ENOSYS
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            failed = libc.renamex_np(one, other, 2)
        else:
            in_working_folder = -100
            failed = libc.renameat2(in_working_folder, one, in_working_folder, other, 2)
    except AttributeError:  # a C library without the function
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


def _refuse_foreign(folder: Path, target: Path, mend: bool) -> None:
    if found := _foreign(folder, mend):
        raise FolderError(f"{target} {found}: name another folder, or move this one away.")


def _foreign(folder: Path, mend: bool) -> str:
    """What keeps a folder from being replaced, as the rest of a sentence; "" where nothing does."""
    while True:
        before = _stamp(folder)
        try:
            found = _first_foreign(folder, mend)
        except FileNotFoundError:
            continue
        # Another process may have exchanged the folder while we looked: then this was a mixture of two.
        if not found or _stamp(folder) == before:
            return found


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        found = (folder / MARK).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_mtime_ns


def _first_foreign(folder: Path, mend: bool) -> str:
    if not folder.exists():
        return ""
    if not folder.is_dir():
        return "is a file"
    sums = _sums(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name == MARK or (path.is_dir() and not path.is_symlink()):
            continue
        if name not in sums:
            return f"holds {name}, which the course did not write"
        if path.is_symlink() or not (mend or sha256(path) == sums[name]):
            return f"holds {name}, which has changed since the course wrote it"
    return ""


def _sums(folder: Path) -> dict[str, str]:
    """Name to SHA-256 from the mark; {} without one."""
    if not (folder / MARK).is_file():
        return {}
    lines = (folder / MARK).read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _write_sums(folder: Path) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / MARK]
    sums = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / MARK).write_text("".join(sums), encoding="utf-8")
