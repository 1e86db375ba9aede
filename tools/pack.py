"""`make pack`: a folder that brings the course to machines of the same kind without a network.

It holds the tracked files, the packages as wheels, the archives with weights and data, and SHA256SUMS. The
Makefile in it takes packages and weights from the folders beside it. Only the standard library is imported at
the top: `--fits` runs before anything is installed.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHEELS, WEIGHTS, KIND, SUMS, NOTE = "wheels", "weights", "wheels/KIND", "SHA256SUMS", "PACK.md"
LARGEST = 2**32 - 1
"""Bytes of the largest file that a FAT stick takes."""

TEXT = """\
# A pack of the course: {size} in {files} files

For computers with **{kind}**, `make` and Python's venv module. No network is needed.

1. Copy this folder to the computer's own disk (an environment cannot be made on a FAT stick). Besides the
   copy, 9 GB must be free.
2. Optional: `sha256sum --quiet -c SHA256SUMS` (macOS: `shasum -a 256 --quiet -c SHA256SUMS`) finds damaged
   copies.
3. `make lab` sets everything up in the copy (minutes, once) and opens the lessons; `make run` executes all.
4. `.venv/bin/python -m helpers check` says whether the computer is ready.
"""


class PackError(ValueError):
    """A pack cannot be made, or does not fit. The message says what to do."""


def kind() -> str:
    """What a pack is made for, and must be used on: e.g. "Python 3.11 on Linux x86_64"."""
    version = ".".join(platform.python_version_tuple()[:2])
    return f"Python {version} on {platform.system()} {platform.machine()}"


def fits(folder: Path = ROOT) -> None:
    """Do nothing where the folder is no pack, or one for this kind of machine.

    Raises:
        PackError: it was made for another kind.
    """
    stated = folder / KIND
    if stated.is_file() and (made := stated.read_text(encoding="utf-8").strip()) != kind():
        raise PackError(
            f"This pack is for {made}, and here is {kind()}: name that Python, as in `make PYTHON=python3.11 "
            f"run`, or delete {WHEELS}/ to take the packages from the network."
        )


def tracked(root: Path = ROOT) -> list[str]:
    """The course's own files, relative to `root`.

    Raises:
        PackError: there is no git checkout.
    """
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackError(
            "A pack is made from a git checkout: clone the repository, and run it there."
        ) from error
    return [name for name in listed.decode().split("\0") if name and (root / name).is_file()]


def _pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    if subprocess.run(command).returncode:
        raise PackError(
            "pip stopped, see above: connect to the network and run `make pack` again, it goes on."
        )


def download(requirements: Path, constraints: Path, folder: Path) -> None:
    """Fill a folder with wheels of the pinned packages; those there already are kept, other versions removed.

    Raises:
        PackError: pip could not get or build one.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name, parse_wheel_filename

    text = "\n".join(file.read_text(encoding="utf-8") for file in (requirements, constraints))
    stated = (line.partition("#")[0].strip() for line in text.splitlines())
    parsed = [Requirement(line) for line in stated if line]
    pins = {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in parsed}
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in folder.glob("*.whl"):
        name, version, *_ = parse_wheel_filename(wheel.name)
        # What was cut off while it was copied is no whole archive.
        if pins.get(name, str(version)) != str(version) or not zipfile.is_zipfile(wheel):
            wheel.unlink()
    _pip("download", "--progress-bar", "off", "-r", requirements, "-c", constraints, "-d", folder)
    for source in [path for path in folder.iterdir() if path.suffix in (".gz", ".zip")]:
        _pip("wheel", "--no-deps", "-c", constraints, "-w", folder, source)
        source.unlink()


def pack(
    target: Path,
    requirements: Path,
    constraints: Path,
    extras: dict[str, Path],
    root: Path = ROOT,
) -> int:
    """Write or complete a pack.

    Args:
        target: its folder: new, empty, or a pack that was begun before.
        requirements, constraints: files of pinned packages.
        extras: path in the pack to the file that is copied there: weights, data, slides.
        root: the git checkout.

    Returns:
        Bytes of all its files.

    Raises:
        PackError: the folder holds something else, a file is too large for a FAT stick, or pip failed.
    """
    if target.exists() and any(target.iterdir()) and not (target / KIND).is_file():
        raise PackError(f"{target} holds files that are no pack: name another folder, `make pack TO=folder`.")
    (target / WHEELS).mkdir(parents=True, exist_ok=True)
    (target / KIND).write_text(f"{kind()}\n", encoding="utf-8")
    known = _sums(target)
    names = tracked(root)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    for name, file in extras.items():
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target / name)
        names.append(name)
    download(requirements, constraints, target / WHEELS)
    names += [f"{WHEELS}/{path.name}" for path in (target / WHEELS).iterdir()]
    for name in known.keys() - set(names) - {NOTE}:
        (target / name).unlink(missing_ok=True)
    sizes = {name: (target / name).stat().st_size for name in names}
    if large := [name for name, size in sizes.items() if size > LARGEST]:
        raise PackError(f"{', '.join(large)} has more than 4 GB, too large for a FAT stick: leave it out.")
    total = sum(sizes.values())
    note = TEXT.format(size=f"{total / 1e9:.1f} GB", files=len(names) + 2, kind=kind())
    (target / NOTE).write_text(note, encoding="utf-8")
    _write_sums(target, [*names, NOTE])
    return total


def _sums(folder: Path) -> dict[str, str]:
    """Name to SHA-256 of what an earlier call has finished."""
    file = folder / SUMS
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _write_sums(folder: Path, names: list[str]) -> None:
    from helpers.supply.files import sha256

    lines = [f"{sha256(folder / name)}  {name}\n" for name in sorted(names)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def main(values: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A folder with all that the course needs without a network.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "pack")
    parser.add_argument(
        "--fits", action="store_true", help="only say whether the pack around this file fits here"
    )
    options = parser.parse_args(values)
    try:
        if options.fits:
            fits()
            return 0
        from helpers.supply import packages

        files = ROOT / "requirements.txt", ROOT / "constraints.txt"
        extras = {f"{WEIGHTS}/{file.name}": file for file in packages.fetch().values()}
        extras |= {f"slides/{file.name}": file for file in (ROOT / "build" / "slides").glob("*.html")}
        total = pack(options.folder.resolve(), *files, extras)
    except PackError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.folder}: {total / 1e9:.1f} GB for {kind()}; how to use it: {options.folder / NOTE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
