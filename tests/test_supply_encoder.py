"""Whisper's encoder in the form of a Wav2Vec2: its states, and what Whisper's decoder reads in them."""

import jiwer
import numpy as np
import pytest
import torch
from datasets import Audio, load_dataset

from helpers import audio, catalog, metrics
from helpers.supply import encoder, recipes


@pytest.fixture(scope="module")
def clips():
    found = catalog.data("hf-internal-testing/librispeech_asr_dummy", "clean")
    rows = load_dataset(**found, split="validation").cast_column("audio", Audio(decode=False))
    return [(audio.read(row["audio"]), row["text"]) for row in rows.select(range(3))]


def test_every_layer_of_whisper_has_its_place():
    width = 4
    tensors = {
        "model.encoder.layer_norm.weight": np.ones(width),
        "model.decoder.layer_norm.weight": np.ones(1),
    }
    for part in ("self_attn.q_proj", "self_attn.k_proj", "self_attn_layer_norm", "fc1", "fc2"):
        tensors[f"model.encoder.layers.2.{part}.weight"] = np.full((width, width), len(part))
    found = encoder.whisper_layers(tensors)
    assert set(found) == {
        "encoder.layer_norm.weight",
        "encoder.layers.2.attention.q_proj.weight",
        "encoder.layers.2.attention.k_proj.weight",
        "encoder.layers.2.attention.k_proj.bias",
        "encoder.layers.2.layer_norm.weight",
        "encoder.layers.2.feed_forward.intermediate_dense.weight",
        "encoder.layers.2.feed_forward.output_dense.weight",
    }
    assert not found["encoder.layers.2.attention.k_proj.bias"].any()


def test_it_loads_without_code_of_ours_and_nothing_is_missing():
    from transformers import AutoFeatureExtractor, Wav2Vec2Model

    folder = recipes.path("wav2vec2-multilingual")
    model, loading = Wav2Vec2Model.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    assert model.dtype == torch.float32
    assert AutoFeatureExtractor.from_pretrained(folder).sampling_rate == 16_000


def test_whispers_decoder_reads_its_states(clips):
    from transformers import (
        AutoFeatureExtractor,
        AutoProcessor,
        Wav2Vec2Model,
        WhisperForConditionalGeneration,
    )
    from transformers.modeling_outputs import BaseModelOutput

    folder = recipes.path("wav2vec2-multilingual")
    ours, extract = Wav2Vec2Model.from_pretrained(folder).eval(), AutoFeatureExtractor.from_pretrained(folder)
    whisper = WhisperForConditionalGeneration.from_pretrained(recipes.path("whisper-base")).eval()
    processor = AutoProcessor.from_pretrained(recipes.path("whisper-base"))
    said, heard = [], []
    for clip, text in clips:
        with torch.no_grad():
            states = ours(**extract(clip, sampling_rate=16_000, return_tensors="pt")).last_hidden_state
            log_mel = processor(clip, sampling_rate=16_000, return_tensors="pt").input_features
            window = whisper.model.encoder(log_mel).last_hidden_state  # 30 s; ours ends with the clip
            theirs = window[:, 2 : 2 + states.shape[1]].clone()
            assert (states - theirs).var() < 0.15 * theirs.var()
            window[:, 2 : 2 + states.shape[1]] = states
            tokens = whisper.generate(
                encoder_outputs=BaseModelOutput(window), language="en", task="transcribe", max_new_tokens=60
            )
        said.append(metrics.normalise(text, "en"))
        heard.append(metrics.normalise(processor.batch_decode(tokens, skip_special_tokens=True)[0], "en"))
    assert jiwer.wer(said, heard) < 0.2, heard
