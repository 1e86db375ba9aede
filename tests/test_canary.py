"""The canary: an environment of its own in front of this one, and a failure that is not passed over."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import jiwer
import pytest

from tools import canary


def test_its_environment_sees_ours_behind_its_own(tmp_path):
    python = canary.environment(tmp_path / "canary")
    assert canary.versions(python) == canary.versions(Path(sys.executable))
    show = [str(python), "-c", "import jiwer; print(jiwer.__file__)"]
    assert subprocess.check_output(show, text=True).strip() == jiwer.__file__
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.check_output(where, text=True).strip())
    assert own.is_relative_to(tmp_path) and own != Path(sysconfig.get_path("purelib"))
    (own / "jiwer.py").write_text("newer = True\n")
    assert subprocess.check_output(show, text=True).strip() == str(own / "jiwer.py")
    assert canary.environment(tmp_path / "canary") == python


@pytest.mark.parametrize(
    ("broken", "status", "says"),
    [
        ("", 0, "all well"),
        ("pytest", 1, "tests failed"),
        ("tools.run", 1, "lessons failed"),
        ("install", 2, "no set of the newest"),
    ],
)
def test_what_fails_is_said(broken, status, says, monkeypatch, capsys, tmp_path):
    ran = []

    def run(command, **_):
        ran.append(command)
        return SimpleNamespace(returncode=2 if broken in command and broken else 0)

    numbers = iter(
        [dict.fromkeys(canary.WATCHED, "1.0"), dict.fromkeys(canary.WATCHED, "1.0") | {"torch": "2.0"}]
    )
    monkeypatch.setattr(canary, "environment", lambda _: tmp_path / "python")
    monkeypatch.setattr(canary, "versions", lambda _: next(numbers))
    monkeypatch.setattr(canary.subprocess, "run", run)
    assert canary.main(["02", "--tests", "tests/test_ctc.py"]) == status
    told = capsys.readouterr()
    assert says in told.out + told.err
    if broken != "install":
        assert "torch: 2.0, pinned 1.0" in told.out and "datasets: 1.0, as pinned" in told.out
        assert ran[1][-1] == "tests/test_ctc.py" and ran[2][-2:] == ["tools.run", "02"]


def test_a_lesson_that_is_not_there():
    with pytest.raises(SystemExit, match="no lesson 99"):
        canary.main(["99"])
