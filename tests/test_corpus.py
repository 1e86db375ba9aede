"""A learner's folder of clips and texts: taken as it is, or refused with a list of everything wrong."""

import numpy as np
import pytest

from helpers import audio, corpus


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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty or has no words"),
        (b"\xef\xbb\xbf", "is empty or has no words"),
        ("…".encode(), "is empty or has no words"),
        ("Phrase".encode("utf-16-le"), "UTF-16"),
        ("Phrase".encode("utf-16"), "not UTF-8"),
        (b"Ph\0rase", "is UTF-16, RTF or binary: save it as plain text"),
        (rb"{\rtf1\ansi Phrase}", "is UTF-16, RTF or binary"),
        ("Phrase".encode("utf-32"), "not UTF-8"),
        ("\u00a0\u202f".encode(), "is empty or has no words"),
        ("\u200b\ufeff".encode(), "is empty or has no words"),
        (b"word " * 800, "has 3,999 characters for 1.0 s"),
    ],
)
def test_texts_that_are_none_or_do_not_fit(folder, content, says):
    (folder / "reports" / "001.txt").write_bytes(content)
    with pytest.raises(corpus.CorpusError, match=says):
        corpus.pairs(folder)


def test_a_text_of_too_many_tokens(folder):
    class Tokenizer:
        def __call__(self, text):
            self.input_ids = [0] * 449
            return self

    with pytest.raises(corpus.CorpusError, match=r"reports/001\.txt has 449 tokens and 448 fit"):
        corpus.pairs(folder, tokenizer=Tokenizer())


@pytest.mark.parametrize(
    "text", ["\ufeffPhrase un.", "\ufeff\ufeffPhrase \ufeffun.", "\u200ePhra\u00adse un."]
)
def test_what_cannot_be_seen_is_no_letter(folder, text):
    (folder / "reports" / "001.txt").write_bytes(text.encode())
    assert corpus.pairs(folder)[0]["sentence"] == "Phrase un."


def test_the_joiners_of_a_script_stay(folder):
    (folder / "reports" / "001.txt").write_text("\u0645\u06cc\u200c\u062e\u0648", encoding="utf-8")
    assert "\u200c" in corpus.pairs(folder)[0]["sentence"]


@pytest.mark.parametrize("name", ["003.caf", "003.MOV", "003"])
def test_a_clip_of_an_ending_that_nobody_listed_is_read_by_its_content(folder, name):
    (folder / "audio" / name).write_bytes(audio.encode(tone(1.0), format="wav"))
    (folder / "audio" / "004.md").write_text("notes")
    (folder / "reports" / "003.txt").write_text("Oui.")
    assert corpus.pairs(folder)[2]["audio"] == str(folder / "audio" / name)
    (folder / "audio" / name).write_bytes(b"notes")
    with pytest.raises(corpus.CorpusError, match=rf"audio/{name}: Cannot decode {name}"):
        corpus.pairs(folder)


def test_a_folder_of_nobodys_home_is_told(folder):
    with pytest.raises(corpus.CorpusError, match=r"no-such-user/corpus has no folder 'audio'"):
        corpus.pairs("~no-such-user/corpus")


def test_names_match_whatever_their_case_and_encoding(folder):
    import unicodedata

    clip = audio.encode(tone(1.0), format="wav")
    for suffix in (".aif", ".OGA", ".wave", ".OPUS", ".m4a"):
        (folder / "audio" / f"a{suffix[1:]}{suffix}").write_bytes(clip)
        (folder / "reports" / f"a{suffix[1:]}.TXT").write_text("Oui.")
    (folder / "audio" / unicodedata.normalize("NFD", "é.WAV")).write_bytes(clip)
    (folder / "reports" / unicodedata.normalize("NFC", "é.txt")).write_text("Oui.")
    assert len(corpus.pairs(folder)) == 8


def test_what_a_mac_leaves_on_a_stick_is_no_clip(folder):
    (folder / "audio" / "._001.wav").write_bytes(b"\0\5\x16\7")
    (folder / "reports" / "._001.txt").write_bytes(b"\0\5\x16\7")
    assert len(corpus.pairs(folder)) == 2


@pytest.mark.parametrize("format", ["wav", "flac", "mp3"])
def test_half_a_file_is_told(folder, format):
    whole = audio.encode(tone(3.0), format=format)
    (folder / "audio" / "001.wav").unlink()
    (folder / "audio" / f"001.{format}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(corpus.CorpusError, match=rf"audio/001\.{format} ends before its header says"):
        corpus.pairs(folder)
    (folder / "audio" / f"001.{format}").write_bytes(whole)
    assert len(corpus.pairs(folder)) == 2


def test_half_a_recording_of_a_browser_is_told(folder):
    from tests.test_audio import PHONES, phone_bytes

    whole = phone_bytes(0.1 * np.sin(np.arange(144_000) / 20), *PHONES["webm"])
    (folder / "audio" / "001.wav").unlink()
    (folder / "audio" / "001.webm").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(corpus.CorpusError, match=r"audio/001\.webm ends before its header says"):
        corpus.pairs(folder)
    (folder / "audio" / "001.webm").write_bytes(whole)
    assert len(corpus.pairs(folder)) == 2


def test_the_limits_of_a_pair(folder):
    class Tokenizer:
        def __call__(self, text):
            self.input_ids = [0] * 448
            return self

    (folder / "audio" / "001.wav").write_bytes(audio.encode(tone(30.0), format="wav"))
    (folder / "reports" / "002.txt").write_text("a" * 50)
    assert len(corpus.pairs(folder, tokenizer=Tokenizer())) == 2
    (folder / "reports" / "002.txt").write_text("a" * 51)
    with pytest.raises(corpus.CorpusError, match=r"has 51 characters for 1\.0 s") as told:
        corpus.pairs(folder)
    assert len(str(told.value).splitlines()) == 2
