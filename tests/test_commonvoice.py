"""A download of Common Voice: read, split by speaker, or refused in one sentence."""

import numpy as np
import pytest

from helpers import audio, commonvoice

SOUND = audio.encode(0.1 * np.sin(np.arange(16_000) / 9), format="mp3")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clips").mkdir()
    lines = ["client_id\tpath\tsentence\tup_votes"]
    for number in range(24):
        (tmp_path / "clips" / f"{number}.mp3").write_bytes(SOUND)
        lines.append(f'speaker{number // 3}\t{number}.mp3\t"Cümle" {number % 20}\t2')
    (tmp_path / "validated.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_parts_share_neither_speaker_nor_sentence(folder):
    parts = commonvoice.read(folder, validation=3, test=5)
    assert len(parts["test"]) == 6
    assert len(parts["validation"]) == 3
    sentences = {name: set(part["raw_transcription"]) for name, part in parts.items()}
    assert not sentences["train"] & (sentences["validation"] | sentences["test"])
    speakers = {
        name: {int(row["audio"]["path"].split("/")[-1][:-4]) // 3 for row in part}
        for name, part in parts.items()
    }
    assert not speakers["train"] & speakers["test"]
    assert not speakers["validation"] & speakers["test"]


def test_columns_sound_and_quotation_marks(folder):
    row = commonvoice.read(folder, validation=3, test=3)["test"][0]
    assert row["raw_transcription"].startswith('"Cümle"')
    assert len(audio.read(row["audio"])) >= 16_000


def test_the_same_seed_gives_the_same_parts(folder):
    first, second = (commonvoice.read(folder, 3, 3, seed=1)["test"][:] for _ in range(2))
    assert first == second


def test_no_table(tmp_path):
    with pytest.raises(commonvoice.CommonVoiceError, match=r"no .*validated\.tsv: name the folder"):
        commonvoice.read(tmp_path, 1, 1)


def test_a_clip_that_is_missing(folder):
    (folder / "clips" / "7.mp3").unlink()
    with pytest.raises(commonvoice.CommonVoiceError, match=r"1 clips .*7\.mp3 among them: unpack"):
        commonvoice.read(folder, 1, 1)


def test_a_column_that_is_missing(folder):
    (folder / "validated.tsv").write_text("path\tsentence\n0.mp3\tBir.\n", encoding="utf-8")
    with pytest.raises(commonvoice.CommonVoiceError, match="no column client_id"):
        commonvoice.read(folder, 1, 1)


def test_an_empty_table(folder):
    (folder / "validated.tsv").write_text("client_id\tpath\tsentence\n", encoding="utf-8")
    with pytest.raises(commonvoice.CommonVoiceError, match="lists no clips"):
        commonvoice.read(folder, 1, 1)


def test_too_few_clips(folder):
    with pytest.raises(commonvoice.CommonVoiceError, match="too few to set 20 and 20 aside"):
        commonvoice.read(folder, 20, 20)
