"""Folders are written whole, and nothing is removed that the course did not make."""

import errno
import os
import subprocess
import sys
import time

import pytest

from helpers.supply import files


def write(target, text="ours", **options):
    with files.replacing(target, **options) as scratch:
        (scratch / "audio").mkdir()
        (scratch / "audio" / "001.txt").write_text(text)
    return target


def read(target):
    return (target / "audio" / "001.txt").read_text()


@pytest.fixture(params=["exchange", "two renames"])
def way(request, monkeypatch):
    """Both ways to exchange two folders; the second is for systems without the first."""
    if request.param == "two renames":
        monkeypatch.setattr(files, "_exchange_at_once", lambda one, other: errno.ENOSYS)


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "target"
    with pytest.raises(RuntimeError), files.replacing(target) as scratch:
        (scratch / "half").touch()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    write(target)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert sorted(path.name for path in target.iterdir()) == [files.MARK, "audio"]
    assert files.is_intact(target)


def test_our_own_folder_is_replaced_and_nothing_is_left(tmp_path, way):
    write(tmp_path / "target", "old")
    write(tmp_path / "target", "new")
    assert read(tmp_path / "target") == "new" and files.is_intact(tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_others_may_read_what_was_written(tmp_path):
    assert (write(tmp_path / "a" / "b" / "target")).stat().st_mode & 0o777 == 0o755


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "target").mkdir()
    assert read(write(tmp_path / "target")) == "ours"


def test_a_folder_reached_by_a_link_is_replaced_where_it_is(tmp_path):
    write(tmp_path / "target", "old")
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and read(tmp_path / "target") == "new"


def foreign(target):
    target.mkdir()
    (target / "mine.txt").write_text("mine")


def added(target):
    write(target)
    (target / "audio" / "002.txt").write_text("mine")


def changed(target):
    write(target)
    (target / "audio" / "001.txt").write_text("mine")


def linked(target):
    write(target)
    (target / "link").symlink_to("nowhere")


def sums_of_others(target):
    foreign(target)
    digest = files.sha256(target / "mine.txt")
    (target / "SHA256SUMS").write_text(f"{digest}  mine.txt\n")


def a_file(target):
    target.write_text("mine")


FOREIGN = {
    foreign: "holds mine.txt, which the course did not write",
    added: "holds audio/002.txt, which the course did not write",
    changed: "holds audio/001.txt, which has changed since the course wrote it",
    linked: "holds link, which the course did not write",
    sums_of_others: "which the course did not write",
    a_file: "is a file",
}


def everything(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path: os.readlink(path) if path.is_symlink() else path.read_bytes() for path in paths}


@pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__)
def test_what_is_not_ours_is_refused_before_any_work(tmp_path, make):
    target = tmp_path / "target"
    make(target)
    before = everything(tmp_path)
    with pytest.raises(files.FolderError, match=FOREIGN[make]) as told, files.replacing(target):
        pytest.fail("the work had begun")
    assert "\n" not in str(told.value) and str(told.value).endswith("or move this one away.")
    assert everything(tmp_path) == before


def test_what_a_learner_adds_meanwhile_is_kept(tmp_path, way):
    target = write(tmp_path / "target", "old")
    with pytest.raises(files.FolderError, match=r"holds mine\.txt"), files.replacing(target) as scratch:
        (scratch / "new").touch()
        (target / "mine.txt").write_text("mine")
    assert (target / "mine.txt").read_text() == "mine" and read(target) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_target_is_never_its_own_source(tmp_path):
    target = write(tmp_path / "target")
    for source in (target, target / "audio" / "001.txt", tmp_path / "other" / ".." / "target"):
        with (
            pytest.raises(files.FolderError, match="from which it is made: name another folder"),
            files.replacing(target, source),
        ):
            pytest.fail("the work had begun")
    assert read(target) == "ours"
    assert read(write(target / "inside", source=target)) == "ours"


def test_a_cache_is_mended_but_keeps_what_is_not_ours(tmp_path):
    target = tmp_path / "target"
    changed(target)
    assert not files.is_intact(target)
    assert read(write(target, mend=True)) == "ours"
    added(tmp_path / "more")
    with (
        pytest.raises(files.FolderError, match=r"holds audio/002\.txt"),
        files.replacing(tmp_path / "more", mend=True),
    ):
        pytest.fail("the work had begun")


WRITER = """
import sys
from helpers.supply import files
for number in range(200):
    with files.replacing(sys.argv[1]) as scratch:
        for name in "ab":
            (scratch / name).write_text(f"{sys.argv[2]} {number}")
"""


@pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin")), reason="no exchange of folders here")
def test_two_processes_write_and_a_reader_misses_nothing(tmp_path):
    target = tmp_path / "target"
    with files.replacing(target) as scratch:
        (scratch / "a").write_text("first")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(target), name], stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    looks, seen, deadline = 0, set(), time.monotonic() + 60
    while any(writer.poll() is None for writer in writers) and time.monotonic() < deadline:
        text = (target / "a").read_text()
        assert text == "first" or text.split()[0] in ("one", "two")
        looks += 1
        seen.add(text)
    errors = [writer.communicate(timeout=10)[1] for writer in writers]
    assert errors == ["", ""] and [writer.returncode for writer in writers] == [0, 0]
    assert looks > 200 and len(seen) > 20
    assert [path.name for path in tmp_path.iterdir()] == ["target"] and files.is_intact(target)
