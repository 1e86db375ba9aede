"""Pins: commits and nothing else. That `make pin` fills them from a Hub is proved in test_hub.py."""

import re

from helpers import catalog
from tools import pin


def test_only_full_commits_of_known_repositories_are_pinned():
    known = {row.hub for row in catalog.CHECKPOINTS + catalog.DATA_SETS}
    assert catalog.REVISIONS.keys() <= known
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in catalog.REVISIONS.values())


def test_every_row_takes_its_pin_from_the_file(monkeypatch):
    monkeypatch.setattr(catalog, "REVISIONS", {"stanfordnlp/imdb": "0" * 40})
    pinned = {row.hub for row in catalog.CHECKPOINTS + catalog.DATA_SETS if row.revision == "0" * 40}
    assert pinned == {"stanfordnlp/imdb"}


def test_offline_nothing_is_asked_and_nothing_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ASR_SOURCE", "offline")
    assert pin.main(tmp_path / "revisions.json") == 1
    assert "set ASR_SOURCE=hub" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
