"""`python -m helpers`: where things are, and one sentence for what cannot be had."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import __main__ as command
from helpers import catalog
from helpers.exercises import checking
from helpers.supply import SupplyError, hub, recipes


def where(*words, **environment):
    """stdout and stderr of `python -m helpers where`."""
    line = [sys.executable, "-m", "helpers", "where", *words]
    result = subprocess.run(line, capture_output=True, text=True, check=True)
    return result.stdout, result.stderr


def test_where_prints_a_folder_and_nothing_else():
    out, err = where("facebook/wav2vec2-base-100h")
    assert out == f"{catalog.asset('wav2vec2-ctc-en')}\n"
    assert "is replaced by wav2vec2-ctc-en" in err
    out, _ = where("google/fleurs", "tr_tr")
    assert (Path(out.strip()) / "test.parquet").is_file()


def test_where_on_the_hub(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ASR_SOURCE", "hub")
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    assert command.main(["where", "openai/whisper-base"]) == 0
    assert command.main(["where", "stanfordnlp/imdb"]) == 0
    assert capsys.readouterr().out == "openai/whisper-base\nstanfordnlp/imdb\n"
    files = [tmp_path / "train.parquet", tmp_path / "test.parquet"]
    for file in files:
        file.touch()
    given = {"path": "parquet", "data_files": {file.stem: [str(file)] for file in files}}
    (tmp_path / hub.PREFETCHED).write_text(json.dumps({"stanfordnlp/imdb": given}))
    assert command.main(["where", "stanfordnlp/imdb"]) == 0
    assert capsys.readouterr().out.splitlines() == list(map(str, files))


def test_where_for_a_name_that_nobody_knows(capsys):
    assert command.main(["where", "openai/whisper-gigantic"]) == 1
    told = capsys.readouterr()
    assert told.out == "" and "choose one of" in told.err and len(told.err.splitlines()) == 1


def test_fetch_tells_what_is_missing(monkeypatch, capsys):
    def refuse(name):
        raise SupplyError("some-package 1.0 could not be downloaded")

    monkeypatch.setattr(recipes, "path", refuse)
    assert command.main(["fetch"]) == 1
    assert capsys.readouterr().err == "some-package 1.0 could not be downloaded\n"


def test_prefetch_needs_the_hub(monkeypatch, capsys):
    monkeypatch.setenv("ASR_SOURCE", "offline")
    assert command.main(["prefetch"]) == 1
    assert "set ASR_SOURCE=hub" in capsys.readouterr().err


def test_prefetch_wants_each_checkpoint_and_split(monkeypatch):
    wanted = {}
    monkeypatch.setenv("ASR_SOURCE", "hub")
    monkeypatch.setattr(hub, "prefetch", wanted.update)
    assert command.main(["prefetch"]) == 0
    assert wanted["openai/whisper-base"] == ("openai/whisper-base", ())
    assert wanted["stanfordnlp/imdb"] == ({"path": "stanfordnlp/imdb"}, ("train", "test"))
    assert len(wanted) == len(catalog.CHECKPOINTS) + len(catalog.DATA_SETS)


def test_progress_lists_what_is_solved_and_writes_a_certificate_once(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    monkeypatch.delenv("ASR_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    for number in ("2.10", "2.9"):
        with checking(number, "an exercise"):
            pass
    capsys.readouterr()
    assert command.main(["progress", "--name", "Ada"]) == 0
    said = capsys.readouterr().out
    assert said.index("2.9 ") < said.index("2.10") and "2 exercises solved" in said
    assert "<b>Ada</b>" in (tmp_path / "certificate.html").read_text(encoding="utf-8")
    assert command.main(["progress", "--name", "Bob"]) == 1
    assert "Ada" in (tmp_path / "certificate.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["fetch", "prefetch", "check", "where", "progress"])
def test_every_command_explains_itself(word, capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main([word, "--help"])
    assert word in capsys.readouterr().out
