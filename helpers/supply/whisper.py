"""A Whisper of CTranslate2 (the format of faster-whisper) as a Transformers checkpoint."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's type numbers (include/ctranslate2/types.h), bfloat16 left out."""


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a CTranslate2 `model.bin`: plain binary, nothing in it is executed.

    Layout, little-endian (CTranslate2, python/ctranslate2/specs/model_spec.py): version, name of the
    specification, its revision, number of variables; for each its name, rank, shape, type and bytes; then
    the aliases.

    Args:
        path: the file `model.bin`.

    Returns:
        Name to array, in the file's own shapes and types; an alias gives the array it stands for.
    """
    data, offset = path.read_bytes(), 0

    def number(kind: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from(f"<{kind}", data, offset)
        offset += struct.calcsize(kind)
        return value

    def name() -> str:
        nonlocal offset
        length = number("H")
        offset += length
        return data[offset - length : offset - 1].decode("utf-8")

    number("I"), name(), number("I")
    tensors = {}
    for _ in range(number("I")):
        key = name()
        shape = [number("I") for _ in range(number("B"))]
        dtype = np.dtype(_DTYPES[number("B")])
        size = number("I")
        tensors[key] = np.frombuffer(data, dtype, size // dtype.itemsize, offset).reshape(shape)
        offset += size
    for _ in range(number("I")):
        alias = name()
        tensors[alias] = tensors[name()]
    return tensors


def to_transformers(source: Path, folder: Path) -> None:
    """Convert a multilingual Whisper of CTranslate2 (float16 or float32) to Transformers, in float32.

    CTranslate2 stacks query, key and value of self-attention into `linear_0`, and key and value of
    cross-attention into `linear_1`; here they are taken apart again. Whisper's keys have no bias: those
    rows are zero and are dropped.

    Args:
        source: folder with model.bin, config.json and tokenizer.json.
        folder: an empty folder to fill; `WhisperForConditionalGeneration.from_pretrained` and
            `WhisperProcessor.from_pretrained` load it then.

    Raises:
        RuntimeError: the weights do not fit Whisper.
    """
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, logging

    tensors = read_ctranslate2(source / "model.bin")
    state = {key: torch.from_numpy(value.astype(np.float32)) for key, value in _rename(tensors).items()}
    model = WhisperForConditionalGeneration(WhisperConfig(**_dimensions(tensors), **_TOKENS))
    model.load_state_dict(state)
    model.tie_weights()
    tokenizer = _tokenizer(source / "tokenizer.json")
    settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
    model.generation_config = _generation_config(settings, tokenizer)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(folder)
    logging.disable_progress_bar()  # it would draw one for a single file
    model.save_pretrained(folder)


_TOKENS = {
    "decoder_start_token_id": 50258,
    "bos_token_id": 50257,
    "eos_token_id": 50257,
    "pad_token_id": 50257,
}


def _dimensions(tensors: dict[str, np.ndarray]) -> dict[str, int]:
    width, mels, _ = tensors["encoder/conv1/weight"].shape
    vocabulary, _ = tensors["decoder/embeddings/weight"].shape
    ffn, _ = tensors["encoder/layer_0/ffn/linear_0/weight"].shape

    def layers(side: str) -> int:
        return len({key.split("/")[1] for key in tensors if re.match(rf"{side}/layer_\d+/", key)})

    heads = width // 64
    return {
        "d_model": width,
        "num_mel_bins": mels,
        "vocab_size": vocabulary,
        "encoder_layers": layers("encoder"),
        "decoder_layers": layers("decoder"),
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": ffn,
        "decoder_ffn_dim": ffn,
        "max_source_positions": tensors["encoder/position_encodings/encodings"].shape[0],
        "max_target_positions": tensors["decoder/position_encodings/encodings"].shape[0],
    }


def _rename(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    renamed = {
        "proj_out.weight": tensors["decoder/embeddings/weight"],
        "model.decoder.embed_tokens.weight": tensors["decoder/embeddings/weight"],
        "model.decoder.embed_positions.weight": tensors["decoder/position_encodings/encodings"],
        "model.encoder.embed_positions.weight": tensors["encoder/position_encodings/encodings"],
    }
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            renamed[f"model.encoder.{conv}.{part}"] = tensors[f"encoder/{conv}/{part}"]

    def norm(ours: str, theirs: str) -> None:
        renamed[f"{ours}.weight"] = tensors[f"{theirs}/gamma"]
        renamed[f"{ours}.bias"] = tensors[f"{theirs}/beta"]

    def linear(ours: list[str], theirs: str) -> None:
        weights = np.split(tensors[f"{theirs}/weight"], len(ours))
        biases = np.split(tensors[f"{theirs}/bias"], len(ours))
        for key, weight, bias in zip(ours, weights, biases, strict=True):
            renamed[f"{key}.weight"] = weight
            if not key.endswith("k_proj"):
                renamed[f"{key}.bias"] = bias

    for side in ("encoder", "decoder"):
        norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        for layer in range(_dimensions(tensors)[f"{side}_layers"]):
            ours, theirs = f"model.{side}.layers.{layer}", f"{side}/layer_{layer}"
            attention = f"{ours}.self_attn"
            norm(f"{attention}_layer_norm", f"{theirs}/self_attention/layer_norm")
            linear([f"{attention}.{x}_proj" for x in "qkv"], f"{theirs}/self_attention/linear_0")
            linear([f"{attention}.out_proj"], f"{theirs}/self_attention/linear_1")
            if side == "decoder":
                cross = f"{ours}.encoder_attn"
                norm(f"{cross}_layer_norm", f"{theirs}/attention/layer_norm")
                linear([f"{cross}.q_proj"], f"{theirs}/attention/linear_0")
                linear([f"{cross}.{x}_proj" for x in "kv"], f"{theirs}/attention/linear_1")
                linear([f"{cross}.out_proj"], f"{theirs}/attention/linear_2")
            norm(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")
            linear([f"{ours}.fc1"], f"{theirs}/ffn/linear_0")
            linear([f"{ours}.fc2"], f"{theirs}/ffn/linear_1")
    return renamed


def _tokenizer(path: Path):
    from transformers import WhisperTokenizer

    special = [
        token["content"]
        for token in json.loads(path.read_text(encoding="utf-8"))["added_tokens"]
        if token["special"]
    ]
    tokenizer = WhisperTokenizer(tokenizer_file=str(path))
    # Without this list "<|en|>" is taken for text and leaks into transcripts.
    tokenizer.add_special_tokens({"additional_special_tokens": special, "pad_token": "<|endoftext|>"})
    return tokenizer


def _generation_config(settings: dict, tokenizer):
    from transformers import GenerationConfig

    to_id = tokenizer.convert_tokens_to_ids
    # Built from nothing: one derived from the model's config is marked as such, and then ignored.
    return GenerationConfig(
        **_TOKENS,
        max_length=448,
        max_initial_timestamp_index=50,
        return_timestamps=False,
        is_multilingual=True,
        task="transcribe",
        task_to_id={task: to_id(f"<|{task}|>") for task in ("transcribe", "translate")},
        lang_to_id={tokenizer.convert_ids_to_tokens(i): i for i in settings["lang_ids"]},
        no_timestamps_token_id=to_id("<|notimestamps|>"),
        prev_sot_token_id=to_id("<|startofprev|>"),
        alignment_heads=settings["alignment_heads"],
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
    )
