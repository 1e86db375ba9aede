"""What the catalog hands to the libraries: offline folders, on the Hub the Hub's own names, or a copy."""

import json

import pytest

from helpers import audio, catalog
from helpers.supply import hub

IN_TRANSFORMERS = [row for row in catalog.CHECKPOINTS if not row.hub.startswith("Systran/")]
SPLITS = [(row, split) for row in catalog.DATA_SETS for split in row.splits]


@pytest.fixture
def on_the_hub(monkeypatch, tmp_path):
    monkeypatch.setenv("ASR_SOURCE", "hub")
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("row", IN_TRANSFORMERS, ids=lambda row: row.hub)
def test_every_checkpoint_has_an_offline_folder(row, capsys):
    from transformers import AutoConfig

    folder = catalog.model(row.hub)
    assert AutoConfig.from_pretrained(folder).model_type in row.hub
    said = capsys.readouterr().out
    assert said == (f"Offline, {row.hub} is replaced by {row.stand_in}.\n" if row.stand_in else "")


def test_faster_whisper_loads_its_folder():
    from faster_whisper import WhisperModel

    folder = catalog.model("Systran/faster-whisper-base")
    assert WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1).model.is_multilingual


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("row", "split"), SPLITS, ids=lambda each: getattr(each, "hub", each))
def test_every_split_loads_as_on_the_hub(row, split, streaming, capsys):
    from datasets import Audio, load_dataset

    rows = load_dataset(**catalog.data(row.hub, row.config), split=split, streaming=streaming)
    assert f"{row.hub} is replaced by {row.stand_in}" in capsys.readouterr().out
    if "audio" in rows.column_names:
        first = next(iter(rows.cast_column("audio", Audio(decode=False))))
        assert set(first["audio"]) == {"bytes", "path"}
        assert len(audio.check(audio.read(first["audio"]))) > audio.SAMPLE_RATE
    else:
        assert next(iter(rows)).keys() == {"text", "label"}


@pytest.mark.parametrize("name", catalog.OWN)
@pytest.mark.parametrize("source", ["offline", "hub"])
def test_the_courses_own_sets_are_the_same_folder_on_both_sources(name, source, monkeypatch):
    from datasets import load_dataset

    monkeypatch.setenv("ASR_SOURCE", source)
    found = catalog.data(name)
    monkeypatch.setenv("ASR_SOURCE", "offline")
    assert found == catalog.data(name)
    assert {"audio"} < set(next(iter(load_dataset(**found).values())).column_names)


def test_on_the_hub_the_names_are_the_hubs(on_the_hub, capsys):
    assert catalog.model("openai/whisper-base") == "openai/whisper-base"
    assert catalog.data("stanfordnlp/imdb") == {"path": "stanfordnlp/imdb"}
    assert catalog.data("facebook/multilingual_librispeech", "spanish") == {
        "path": "facebook/multilingual_librispeech",
        "name": "spanish",
    }
    assert catalog.data("google/fleurs", "tr_tr") == {
        "path": "google/fleurs",
        "revision": "refs/convert/parquet",
        "data_dir": "tr_tr",
    }
    assert capsys.readouterr().out == ""


def test_what_was_prefetched_is_given_while_it_is_there(on_the_hub):
    folder, file = on_the_hub / "whisper", on_the_hub / "train.parquet"
    folder.mkdir()
    file.touch()
    reviews = {"path": "parquet", "data_files": {"train": [str(file)]}}
    noted = {"openai/whisper-base": str(folder), "stanfordnlp/imdb": reviews, "gone": str(folder / "no")}
    (on_the_hub / hub.PREFETCHED).write_text(json.dumps(noted))
    assert catalog.model("openai/whisper-base") == str(folder)
    assert catalog.data("stanfordnlp/imdb") == reviews
    assert "gone" not in hub.prefetched()
    assert not catalog.is_prefetched(), "the other names are not there"
    file.unlink()
    assert catalog.data("stanfordnlp/imdb") == {"path": "stanfordnlp/imdb"}
    (folder / "model.safetensors").symlink_to(folder / "a blob that was removed")
    assert catalog.model("openai/whisper-base") == "openai/whisper-base"


@pytest.mark.parametrize("name", ["wer", "cer"])
def test_metrics_are_folders_that_evaluate_loads(name):
    import evaluate

    metric = evaluate.load(catalog.metric(name), keep_in_memory=True)
    assert metric.compute(references=["a b c d"], predictions=["a b c e"]) == pytest.approx(
        {"wer": 1 / 4, "cer": 1 / 7}[name]
    )


def test_unknown_names_are_refused_in_one_sentence():
    for call, message in (
        (lambda: catalog.model("openai/whisper-gigantic"), "choose one of openai/whisper-base"),
        (lambda: catalog.data("mozilla-foundation/common_voice", "tr"), "choose one of hf-internal"),
        (lambda: catalog.data("google/fleurs", "fr_fr"), "google/fleurs tr_tr"),
        (lambda: catalog.metric("bleu"), "choose wer or cer"),
        (lambda: catalog.asset("nothing"), "choose one of banking-calls"),
    ):
        with pytest.raises(catalog.CatalogError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_wheel_without_the_weights_says_what_to_do(monkeypatch, tmp_path):
    folder = tmp_path / "assets" / "wav2vec2-ctc-en"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    monkeypatch.setattr(catalog, "HELPERS", tmp_path)
    with pytest.raises(catalog.CatalogError, match="not part of this installation: take the Hub's"):
        catalog.model("facebook/wav2vec2-base-100h")
