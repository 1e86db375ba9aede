"""The environment check: what is right is said so, what is wrong comes with what to do."""

import importlib.metadata
import json
import shutil
from types import SimpleNamespace

import pytest

from helpers import __main__ as command
from helpers import audio, catalog
from helpers.supply import SupplyError, check, hub, recipes
from helpers.supply.files import replacing


def finding(name):
    """One check by name, as `run` makes it."""
    return check._guarded(name, check.CHECKS[name])


def test_everything_is_right_here(capsys):
    assert command.main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(check.CHECKS)
    assert all(line.startswith("[OK] ") for line in lines)


def test_json_says_the_same(capsys, monkeypatch):
    monkeypatch.setattr(check, "CHECKS", {"Python": check._python, "disk": lambda: (False, "full")})
    assert command.main(["check", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told] == ["Python", "disk"]
    assert told[1] == {"name": "disk", "ok": False, "detail": "full"}


def test_an_old_python(monkeypatch):
    monkeypatch.setattr("platform.python_version", lambda: "3.10.2")
    assert check.text([finding("Python")]) == (
        "[FAIL] Python: 3.10.2, but 3.11 or newer is needed: make PYTHON=python3.11 run"
    )


def test_packages_missing_and_wrong(monkeypatch):
    monkeypatch.setattr(check, "requirements", lambda: {"no-such-thing": "1.0", "numpy": "1.26.0"})
    found = finding("packages")
    assert not found.ok
    assert "no-such-thing is missing; numpy 2." in found.detail
    assert "instead of 1.26.0" in found.detail


def test_a_wheel_has_no_pins(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "__file__", str(tmp_path / "helpers" / "supply" / "check.py"))
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["jiwer>=4", "numpy; extra == 'x'"])
    assert check.requirements() == {"jiwer": ""}


def test_the_pins_of_the_repository_are_read():
    assert check.requirements()["numpy"] == importlib.metadata.version("numpy")


def test_torch_and_torchaudio_apart(monkeypatch):
    def broken(*_):
        raise OSError("libtorch_cuda.so: cannot open shared object file")

    monkeypatch.setattr("torchaudio.functional.forced_align", broken)
    found = finding("torch")
    assert not found.ok
    assert "do not fit together (libtorch_cuda.so" in found.detail


@pytest.mark.parametrize(("name", "gigabytes"), [("memory", 2), ("disk", 1)])
def test_too_little_room(monkeypatch, name, gigabytes):
    monkeypatch.setattr("os.sysconf", lambda key: gigabytes * 10**6 if key == "SC_PHYS_PAGES" else 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=gigabytes * 1e9))
    found = finding(name)
    assert not found.ok
    assert found.detail.startswith(str(gigabytes))


def test_weights_that_are_not_there(own_cache):
    found = finding("offline weights")
    assert not found.ok
    assert "whisper-base" in found.detail
    assert found.detail.endswith("python -m helpers fetch")


def test_a_damaged_weight(own_cache):
    for folder in recipes.made().values():
        with replacing(folder) as scratch:
            (scratch / "file").write_text("x")
    assert finding("offline weights").ok
    (recipes.made()["minilm"] / "file").write_text("y")
    assert finding("offline weights").detail == "minilm missing or damaged: python -m helpers fetch"


def test_sound_that_cannot_be_read(monkeypatch):
    def refuse(*_, **__):
        raise audio.AudioError("no libsndfile")

    monkeypatch.setattr(audio, "read", refuse)
    assert finding("sound") == ("sound", False, "AudioError: no libsndfile")


def test_the_hub_is_not_asked_offline(monkeypatch):
    monkeypatch.setenv("ASR_SOURCE", "offline")
    assert finding("Hub") == ("Hub", True, "not asked, the source is offline")


def test_the_hub_out_of_reach(monkeypatch):
    def refuse():
        raise SupplyError("The Hub cannot be reached: connect to the network.")

    monkeypatch.setenv("ASR_SOURCE", "hub")
    monkeypatch.setattr(hub, "ask", refuse)
    monkeypatch.setattr(catalog, "is_prefetched", lambda: False)
    assert finding("Hub") == ("Hub", False, "The Hub cannot be reached: connect to the network.")
    monkeypatch.setattr(catalog, "is_prefetched", lambda: True)
    assert finding("Hub").ok, "who has prefetched needs no network"
    monkeypatch.setattr(catalog, "is_prefetched", lambda: False)
    monkeypatch.setattr(hub, "ask", lambda: None)
    assert finding("Hub") == ("Hub", True, "reachable")
