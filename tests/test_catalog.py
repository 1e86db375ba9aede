import pytest

from helpers import audio, catalog, offline

IN_TRANSFORMERS = [row for row in catalog.CHECKPOINTS if not row.hub.startswith("Systran/")]
SOUND = [row for row in catalog.DATA_SETS if row.audio]


@pytest.mark.parametrize("row", IN_TRANSFORMERS, ids=lambda row: row.hub)
def test_every_checkpoint_has_an_offline_folder(row, capsys):
    from transformers import AutoConfig

    folder = catalog.checkpoint(row.hub)
    assert AutoConfig.from_pretrained(folder).model_type in row.hub
    assert (row.stand_in is None) == (capsys.readouterr().out == "")


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("row", SOUND, ids=lambda row: row.hub)
def test_every_sound_data_set_loads_and_decodes(row, streaming, capsys):
    rows = catalog.dataset(row.hub, row.config, split=row.split, streaming=streaming)
    first = next(iter(rows))
    assert set(first["audio"]) == {"bytes", "path"}
    assert len(audio.check(audio.read(first["audio"]))) > audio.SAMPLE_RATE
    assert row.stand_in in capsys.readouterr().out


def test_film_reviews_have_imdb_columns_and_apart_splits():
    train = catalog.dataset("stanfordnlp/imdb", split="train")
    test = catalog.dataset("stanfordnlp/imdb", split="test")
    assert train.column_names == ["text", "label"]
    assert train.features["label"].names == ["neg", "pos"]
    assert len(train) > 8_000 and len(test) > 900
    assert 0.4 < sum(test["label"]) / len(test) < 0.6
    assert len(set(train["text"]) & set(test["text"])) < 0.01 * len(test)


def test_faster_whisper_is_a_row_of_its_own():
    assert catalog.faster_whisper() == str(offline.path("whisper-base-ctranslate2"))
    with pytest.raises(catalog.CatalogError, match="No checkpoint 'Systran/faster-whisper-small'"):
        catalog.faster_whisper("openai/whisper-small")
    with pytest.raises(catalog.CatalogError, match="not a Whisper"):
        catalog.faster_whisper("facebook/wav2vec2-base")


def test_unknown_names_are_refused_in_one_sentence():
    with pytest.raises(catalog.CatalogError, match=r"choose one of openai/whisper-base") as caught:
        catalog.checkpoint("openai/whisper-gigantic")
    assert "\n" not in str(caught.value)
    with pytest.raises(catalog.CatalogError, match="choose one of"):
        catalog.dataset("mozilla-foundation/common_voice", "tr", split="test")


def test_what_is_not_shipped_says_so(monkeypatch):
    row = catalog.Checkpoint("some/checkpoint", "MIT", 1, "asset:never-shipped")
    monkeypatch.setattr(catalog, "CHECKPOINTS", (row,))
    with pytest.raises(catalog.CatalogError, match="no offline stand-in"):
        catalog.checkpoint("some/checkpoint")
