"""The pack for a room without network: what is in it, that it goes on, that `make` takes things from it."""

import hashlib
import os
import subprocess
import sys
import zipfile

import pytest

from tools import pack


def wheel(folder, name, version):
    """A small package as a wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{name}.py", f"version = {version!r}\n")
        packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A checkout with a Makefile's worth of files, an index of two wheels, and what `pack` is called with."""
    root = tmp_path / "checkout"
    (root / "notebooks").mkdir(parents=True)
    (root / "notebooks" / "01.ipynb").write_text("{}")
    (root / "Makefile").write_text("run:\n")
    (root / "untracked").write_text("x")
    for command in (["init", "-q"], ["add", "Makefile", "notebooks"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "index", "tiny", version)
    (tmp_path / "requirements.txt").write_text("tiny==1.0  # lesson 1\n")
    (tmp_path / "constraints.txt").write_text("")
    archive = tmp_path / "weights-1.0.tar.gz"
    archive.write_bytes(b"weights")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    files = tmp_path / "requirements.txt", tmp_path / "constraints.txt"
    return lambda target=tmp_path / "pack": pack.pack(
        target, *files, {f"weights/{archive.name}": archive}, root
    )


def test_a_pack_holds_files_wheels_weights_and_sums(made, tmp_path):
    total = made()
    folder = tmp_path / "pack"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    wheels = {"wheels/tiny-1.0-py3-none-any.whl", "wheels/KIND"}
    ours = {"Makefile", "notebooks/01.ipynb", "weights/weights-1.0.tar.gz", "PACK.md"}
    assert found == wheels | ours | {"SHA256SUMS"}
    lines = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert lines.keys() == found - {"SHA256SUMS"}
    for name, digest in lines.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert total == sum((folder / name).stat().st_size for name in found - {"SHA256SUMS", "PACK.md"})
    assert pack.kind() in (folder / "PACK.md").read_text()


def test_a_pack_goes_on_and_drops_what_is_old(made, tmp_path):
    folder = tmp_path / "pack"
    made()
    kept = (folder / "wheels" / "tiny-1.0-py3-none-any.whl").stat().st_mtime_ns
    made()
    assert (folder / "wheels" / "tiny-1.0-py3-none-any.whl").stat().st_mtime_ns == kept
    (folder / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(b"PK cut off")
    (tmp_path / "requirements.txt").write_text("tiny==2.0\n")
    subprocess.run(
        ["git", "rm", "-q", "--cached", "notebooks/01.ipynb"], cwd=tmp_path / "checkout", check=True
    )
    made()
    assert [path.name for path in (folder / "wheels").glob("*.whl")] == ["tiny-2.0-py3-none-any.whl"]
    assert not (folder / "notebooks" / "01.ipynb").exists()


def test_a_folder_of_others_is_left_alone(made, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(pack.PackError, match="name another folder"):
        made(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_file_that_no_stick_takes(made, monkeypatch):
    monkeypatch.setattr(pack, "LARGEST", 100)
    with pytest.raises(pack.PackError, match="more than 4 GB"):
        made()


def test_a_missing_package_is_said(made, tmp_path):
    (tmp_path / "requirements.txt").write_text("tiny==9.9\n")
    with pytest.raises(pack.PackError, match="it goes on"):
        made()


def test_no_checkout_no_pack(tmp_path):
    with pytest.raises(pack.PackError, match="git checkout"):
        pack.tracked(tmp_path)


def test_a_pack_for_another_kind_is_refused(tmp_path):
    pack.fits(tmp_path)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "KIND").write_text(pack.kind())
    pack.fits(tmp_path)
    (tmp_path / "wheels" / "KIND").write_text("Python 3.9 on Amiga m68k")
    with pytest.raises(pack.PackError, match=r"for Python 3\.9 on Amiga m68k, and here is"):
        pack.fits(tmp_path)


def test_pack_says_whether_it_fits_before_anything_is_installed():
    # -I and -S: no packages, and not this folder's.
    script = f"import sys; sys.path.insert(0, {str(pack.ROOT)!r}); from tools import pack; pack.fits()"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)


@pytest.mark.parametrize("packed", [True, False])
def test_make_takes_packages_from_a_pack(packed, tmp_path):
    (tmp_path / "Makefile").write_text(
        (pack.ROOT / "Makefile").read_text(encoding="utf-8")
        + '\nshow:\n\t@echo "$$PIP_NO_INDEX $$PIP_FIND_LINKS"\n'
    )
    if packed:
        (tmp_path / "wheels").mkdir()
        (tmp_path / "wheels" / "KIND").write_text(pack.kind())
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    said = subprocess.run(
        ["make", "-s", "show"], cwd=tmp_path, env=bare, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == ("1 wheels weights" if packed else "")
