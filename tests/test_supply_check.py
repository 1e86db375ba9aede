"""The environment check: what is right is said so, what is wrong comes with what to do."""

import importlib.metadata
import json
import shutil
from types import SimpleNamespace

import pytest

from helpers import __main__ as command
from helpers import audio, check, offline


@pytest.fixture
def finding(monkeypatch):
    """One check by name, as `run` makes it."""
    return lambda name: check._guarded(name, check.CHECKS[name])


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


def test_an_old_python(finding, monkeypatch):
    monkeypatch.setattr("platform.python_version", lambda: "3.10.2")
    assert check.text([finding("Python")]) == (
        "[FAIL] Python: 3.10.2, but 3.11 or newer is needed: make PYTHON=python3.11 run"
    )


def test_packages_missing_and_wrong(finding, monkeypatch):
    monkeypatch.setattr(check, "requirements", lambda: {"no-such-thing": "1.0", "numpy": "1.26.0"})
    found = finding("packages")
    assert not found.ok
    assert "no-such-thing is missing; numpy 2." in found.detail
    assert "instead of 1.26.0" in found.detail


def test_a_wheel_has_no_pins(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "__file__", str(tmp_path / "helpers" / "check.py"))
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["jiwer>=4", "numpy; extra == 'x'"])
    assert check.requirements() == {"jiwer": ""}


def test_torch_and_torchaudio_apart(finding, monkeypatch):
    def broken(*_):
        raise OSError("libtorch_cuda.so: cannot open shared object file")

    monkeypatch.setattr("torchaudio.functional.forced_align", broken)
    found = finding("torch")
    assert not found.ok
    assert "do not fit together (libtorch_cuda.so" in found.detail


@pytest.mark.parametrize(("name", "gigabytes"), [("memory", 2), ("disk", 1)])
def test_too_little_room(finding, monkeypatch, name, gigabytes):
    monkeypatch.setattr("os.sysconf", lambda key: gigabytes * 10**6 if key == "SC_PHYS_PAGES" else 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=gigabytes * 1e9))
    found = finding(name)
    assert not found.ok
    assert found.detail.startswith(str(gigabytes))


def test_weights_that_are_not_there(finding, own_cache):
    found = finding("offline weights")
    assert not found.ok
    assert "whisper-base" in found.detail
    assert found.detail.endswith("python -m helpers fetch")


def test_a_damaged_weight(finding, own_cache):
    for folder in offline.made().values():
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        (folder / "SHA256SUMS").write_text(f"{offline.sha256(folder / 'file')}  file\n")
    assert finding("offline weights").ok
    (offline.made()["minilm"] / "file").write_text("y")
    assert finding("offline weights").detail == "minilm missing or damaged: python -m helpers fetch"


def test_sound_that_cannot_be_read(finding, monkeypatch):
    def refuse(*_, **__):
        raise audio.AudioError("no libsndfile")

    monkeypatch.setattr(audio, "read", refuse)
    assert finding("sound") == ("sound", False, "AudioError: no libsndfile")


def test_the_hub_is_not_asked_offline(finding, monkeypatch):
    monkeypatch.setenv("ASR_SOURCE", "offline")
    assert finding("Hub") == ("Hub", True, "not asked, the source is offline")


def test_the_hub_out_of_reach(finding, monkeypatch):
    from helpers import catalog, hub

    def refuse(*_):
        raise hub.HubError("The Hub cannot be reached: connect to the network.")

    monkeypatch.setenv("ASR_SOURCE", "hub")
    monkeypatch.setattr(hub, "newest", refuse)
    monkeypatch.setattr(catalog, "everything", lambda: [catalog.Item("it", print, lambda: there)])
    there = False
    assert finding("Hub") == ("Hub", False, "The Hub cannot be reached: connect to the network.")
    there = True
    assert finding("Hub").ok, "who has prefetched needs no network"


def test_prefetch_needs_the_hub(monkeypatch, capsys):
    monkeypatch.setenv("ASR_SOURCE", "offline")
    assert command.main(["prefetch"]) == 1
    assert "set ASR_SOURCE=hub" in capsys.readouterr().err


def test_prefetch_fetches_everything_and_tells_what_failed(monkeypatch, capsys):
    from helpers import catalog, hub

    def refuse():
        raise hub.HubError("gone")

    monkeypatch.setenv("ASR_SOURCE", "hub")
    items = [catalog.Item("first", refuse, bool), catalog.Item("second", lambda: None, bool)]
    monkeypatch.setattr(catalog, "everything", lambda: items)
    assert command.main(["prefetch"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("second: there\n", "first: gone\n")


def test_everything_names_each_checkpoint_and_split():
    from helpers import catalog

    names = [item.name for item in catalog.everything()]
    assert "openai/whisper-base" in names
    assert "stanfordnlp/imdb test" in names
    assert len(names) == len(set(names)) == len(catalog.CHECKPOINTS) + len(catalog.DATA_SETS)
