"""The environment check: what is right is said so, what is wrong comes with what to do."""

import importlib.metadata
import json
import shutil
import time
from types import SimpleNamespace

import pytest

from helpers import __main__ as command
from helpers import audio, catalog
from helpers.supply import SupplyError, answers, check, cores, hub, recipes
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
    assert str(finding("Python")) == (
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


def test_what_does_not_answer_in_time_is_said(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.3)
    slow = {"Python": check._python, "disk": lambda: time.sleep(5), "sound": check._decoding}
    monkeypatch.setattr(check, "CHECKS", slow)
    begin = time.monotonic()
    found = check.run()
    assert time.monotonic() - begin < 3
    assert [(each.name, each.ok) for each in found] == [("Python", True), ("disk", False), ("sound", False)]
    assert "no answer within 0.3 s" in found[1].detail


def group(root, name, **files):
    """A control group below `root`, with these files."""
    folder = root / "sys/fs/cgroup" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file.replace("__", ".")).write_text(text)
    (root / "proc/self").mkdir(parents=True, exist_ok=True)


def test_a_container_may_use_less_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cores.usable_cores(tmp_path) == 8
    group(tmp_path, "", cpu__max="max 100000")
    group(tmp_path, "room", cpu__max="150000 100000")
    group(tmp_path, "room/laptop", cpu__max="400000 100000")
    (tmp_path / "proc/self/cgroup").write_text("0::/room/laptop\n")
    assert cores.usable_cores(tmp_path) == 1.5
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    assert cores.usable_cores(tmp_path) == 1


def test_a_quota_of_version_1(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    group(tmp_path, "cpu/room", cpu__cfs_quota_us="200000\n", cpu__cfs_period_us="100000\n")
    (tmp_path / "proc/self/cgroup").write_text("4:cpu,cpuacct:/room\n0::/\n")
    assert cores.usable_cores(tmp_path) == 2


def test_too_few_cores_and_too_many_threads(monkeypatch):
    monkeypatch.setattr(check, "usable_cores", lambda: 0.5)
    assert not finding("cores").ok and "0.5 of " in finding("cores").detail
    monkeypatch.setattr("torch.get_num_threads", lambda: 8)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert finding("device").detail.endswith("set OMP_NUM_THREADS=1")


def test_the_disk_that_counts(monkeypatch, tmp_path):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4.9e9))
    assert finding("disk").detail.startswith(f"4.9 GB free at {tmp_path}, but 5 are needed")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5e9))
    assert finding("disk").ok
    monkeypatch.setattr("os.access", lambda *_: False)
    assert finding("disk").detail == f"{tmp_path} may not be written: set ASR_CACHE to a folder of yours"


def test_thirty_answers_become_a_table(tmp_path, capsys):
    fine = [
        {"name": "Python", "ok": True, "detail": "3.11.7"},
        {"name": "disk", "ok": True, "detail": "9 GB"},
    ]
    full = [fine[0], {"name": "disk", "ok": False, "detail": "1 GB free: free some"}]
    for number in range(28):
        (tmp_path / f"laptop-{number:02}.json").write_text(json.dumps(fine))
    (tmp_path / "laptop-28.json").write_text(json.dumps(full), encoding="utf-16")
    (tmp_path / "laptop-29.json").write_text("Traceback (most recent call last)")
    assert command.main(["check", "--table", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ready", "Python", "disk"]
    assert lines[29].split() == ["laptop-28", "NO", "ok", "FAIL"]
    assert lines[30].split() == ["laptop-29", "?", "?", "?"]
    assert lines[31] == "28 of 30 are ready"
    assert lines[32] == "laptop-28: disk: 1 GB free: free some"
    assert lines[33].startswith("laptop-29: laptop-29.json is no answer of `check --json`")
    for number in (28, 29):
        (tmp_path / f"laptop-{number}.json").unlink()
    assert command.main(["check", "--table", str(tmp_path)]) == 0


def test_a_table_of_nothing(tmp_path):
    (tmp_path / "answer.txt").write_text("[]")
    with pytest.raises(SupplyError, match=r"holds no \.json file"):
        answers.table(tmp_path)
