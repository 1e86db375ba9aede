"""A learner's folder of clips and texts: taken as it is, or refused with a list of everything wrong."""

import numpy as np
import pytest

from helpers import audio, catalog, corpus
from helpers.supply.files import FolderError


def tone(seconds):
    return 0.1 * np.sin(2 * np.pi * 440 * np.arange(round(16_000 * seconds)) / 16_000)


@pytest.fixture
def folder(tmp_path):
    for name in ("audio", "reports"):
        (tmp_path / name).mkdir()
    for number in ("001", "002"):
        (tmp_path / "audio" / f"{number}.wav").write_bytes(audio.encode(tone(1.0), format="wav"))
        (tmp_path / "reports" / f"{number}.txt").write_text(f"Phrase {number}.\n", encoding="utf-8")
    return tmp_path


def test_pairs_in_order(folder):
    rows = corpus.pairs(folder)
    assert [row["sentence"] for row in rows] == ["Phrase 001.", "Phrase 002."]
    assert rows[0]["audio"] == str(folder / "audio" / "001.wav")


def test_other_files_are_left_alone(folder):
    (folder / "audio" / ".DS_Store").write_bytes(b"\0")
    (folder / "audio" / "notes.md").write_text("x")
    assert len(corpus.pairs(folder)) == 2


def test_everything_wrong_is_told_at_once(folder):
    (folder / "audio" / "003.wav").write_bytes(audio.encode(tone(31.0), format="wav"))
    (folder / "reports" / "003.txt").write_text("trop long")
    (folder / "audio" / "004.mp3").write_bytes(b"not audio")
    (folder / "reports" / "004.txt").write_text("illisible")
    (folder / "audio" / "005.wav").write_bytes(audio.encode(tone(1.0), format="wav"))
    (folder / "reports" / "006.txt").write_text("sans clip")
    (folder / "audio" / "001.flac").write_bytes(audio.encode(tone(1.0), format="flac"))
    (folder / "reports" / "002.txt").write_text("  \n")
    with pytest.raises(corpus.CorpusError) as told:
        corpus.pairs(folder)
    lines = str(told.value).splitlines()[1:]
    assert len(lines) == 6
    for line, what in zip(
        lines,
        (
            "audio/001.flac and audio/001.wav share a name",
            "reports/002.txt is empty",
            "audio/003.wav: The clip lasts 31.0 s and at most 30 s fit",
            "audio/004.mp3: Cannot decode 004.mp3:",
            "audio/005.wav has no transcript: write reports/005.txt",
            "reports/006.txt has no clip",
        ),
        strict=True,
    ):
        assert what in line


def test_a_text_that_is_not_utf8(folder):
    (folder / "reports" / "001.txt").write_bytes("opéré".encode("latin-1"))
    with pytest.raises(corpus.CorpusError, match=r"reports/001\.txt is not UTF-8: save it as UTF-8"):
        corpus.pairs(folder)


def test_a_silent_clip(folder):
    (folder / "audio" / "001.wav").write_bytes(audio.encode(tone(1.0) * 0, format="wav"))
    with pytest.raises(corpus.CorpusError, match=r"audio/001\.wav: The clip is silent"):
        corpus.pairs(folder)


def test_a_missing_folder(tmp_path):
    with pytest.raises(corpus.CorpusError, match="has no folder 'audio'"):
        corpus.pairs(tmp_path)


def test_nothing_to_pair(tmp_path):
    for name in ("audio", "reports"):
        (tmp_path / name).mkdir()
    with pytest.raises(corpus.CorpusError, match="holds no clips"):
        corpus.pairs(tmp_path)


def test_the_shipped_corpus_unpacks_and_pairs(tmp_path):
    shipped = catalog.asset("french-medical") / "data.parquet"
    rows = corpus.pairs(corpus.unpack(shipped, tmp_path / "medical"))
    assert len(rows) == 226
    assert rows[0]["sentence"].startswith("La radiographie du genou")


def test_unpacking_what_is_not_there_leaves_the_folder_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    with pytest.raises(corpus.CorpusError, match="There is no file"):
        corpus.unpack(tmp_path / "none.parquet", tmp_path / "mine")
    other = catalog.asset("english-read") / "data.parquet"
    with pytest.raises(corpus.CorpusError, match="has no column number, sentence"):
        corpus.unpack(other, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["kept"]


def test_recordings_of_ones_own_are_never_replaced(tmp_path):
    shipped = catalog.asset("french-medical") / "data.parquet"
    mine = tmp_path / "my-recordings"
    (mine / "audio").mkdir(parents=True)
    (mine / "audio" / "001.wav").write_bytes(b"mine")
    with pytest.raises(FolderError, match=r"holds audio/001\.wav, which the course did not write"):
        corpus.unpack(shipped, mine)
    assert [path.name for path in mine.rglob("*.*")] == ["001.wav"]


def test_an_unpacked_corpus_may_be_unpacked_again_until_somebody_edits_it(tmp_path):
    shipped = catalog.asset("french-medical") / "data.parquet"
    corpus.unpack(shipped, tmp_path / "medical")
    text = next((corpus.unpack(shipped, tmp_path / "medical") / "reports").iterdir())
    text.write_text("Corrigé.", encoding="utf-8")
    with pytest.raises(FolderError, match=f"{text.name}, which has changed since the course wrote it"):
        corpus.unpack(shipped, tmp_path / "medical")
    assert text.read_text(encoding="utf-8") == "Corrigé."
