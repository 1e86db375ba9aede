"""Whisper between its two formats: a Transformers checkpoint and a CTranslate2 folder (faster-whisper)."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np

from .supply.files import replacing

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's type numbers (include/ctranslate2/types.h), bfloat16 left out."""

QUANTIZATIONS = ("float32", "float16", "bfloat16", "int8", "int8_float16", "int8_float32", "int16")


class CheckpointError(ValueError):
    """A checkpoint that cannot be converted as it is. The message says what to do."""


def read_ctranslate2(path: str | Path) -> dict[str, np.ndarray]:
    """Read the tensors of a CTranslate2 `model.bin`: plain binary, nothing in it is executed.

    Layout, little-endian (CTranslate2, python/ctranslate2/specs/model_spec.py): version, name of the
    specification, its revision, number of variables; for each its name, rank, shape, type and bytes; then
    the aliases.

    Args:
        path: the file `model.bin`.

    Returns:
        Name to array, in the file's own shapes and types; an alias gives the array it stands for.

    Raises:
        CheckpointError: missing, cut short, or not a Whisper model.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}: name the model.bin of a CTranslate2 folder.")
    data = path.read_bytes()
    offset = 0

    def number(kind: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from(f"<{kind}", data, offset)
        offset += struct.calcsize(kind)
        return value

    def name() -> str:
        nonlocal offset
        length = number("H")
        text = data[offset : offset + length - 1].decode("utf-8")
        offset += length
        return text

    try:
        number("I")
        if name() != "WhisperSpec":
            raise CheckpointError(f"{path} is not a Whisper model of CTranslate2: name another file.")
        number("I")
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
    except (struct.error, KeyError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is damaged or cut short: fetch or convert it again.") from error
    return tensors


def to_transformers(source: str | Path, target: str | Path) -> Path:
    """Convert a Whisper of CTranslate2 (float16 or float32) to a Transformers checkpoint in float32.

    CTranslate2 stacks query, key and value of self-attention into `linear_0`, and key and value of
    cross-attention into `linear_1`; here they are taken apart again. Whisper's keys have no bias: those
    rows are zero and are dropped.

    Args:
        source: folder with model.bin, config.json and tokenizer.json.
        target: folder to write; an existing one is replaced only if the course wrote it (`files.replacing`).

    Returns:
        `target`, which `WhisperForConditionalGeneration.from_pretrained` and
        `WhisperProcessor.from_pretrained` load.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights are quantised to integers.
        FolderError: `target` holds files that are not the course's, or `source`.
    """
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    source, target = Path(source), Path(target)
    for needed in ("model.bin", "config.json", "tokenizer.json"):
        if not (source / needed).is_file():
            raise CheckpointError(f"{source / needed} is missing: fetch the CTranslate2 model again.")
    tensors = read_ctranslate2(source / "model.bin")
    if any(key.endswith("weight_scale") for key in tensors):
        raise CheckpointError(f"{source} is quantised to integers: convert from a float16 or float32 model.")

    state = {key: torch.from_numpy(value.astype(np.float32)) for key, value in _rename(tensors).items()}
    model = WhisperForConditionalGeneration(WhisperConfig(**_dimensions(tensors), **_TOKENS))
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing.remove("proj_out.weight")  # tied to the embedding
    if missing or unexpected:
        raise CheckpointError(f"{source} does not fit Whisper: missing {missing}, unexpected {unexpected}.")
    model.tie_weights()

    with replacing(target, source) as scratch:
        _tokenizer(source / "tokenizer.json").save_pretrained(scratch)
        WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(scratch)
        model.generation_config = _generation_config(source, scratch)
        model.save_pretrained(scratch)
    return target


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


def _generation_config(source: Path, tokenizer_folder: Path):
    from transformers import GenerationConfig, WhisperTokenizer

    tokens = WhisperTokenizer.from_pretrained(tokenizer_folder)
    to_id = tokens.convert_tokens_to_ids
    settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
    # Built from nothing: one derived from the model's config is marked as such, and then ignored.
    return GenerationConfig(
        **_TOKENS,
        max_length=448,
        max_initial_timestamp_index=50,
        return_timestamps=False,
        is_multilingual=True,
        task="transcribe",
        task_to_id={task: to_id(f"<|{task}|>") for task in ("transcribe", "translate")},
        lang_to_id={tokens.convert_ids_to_tokens(i): i for i in settings["lang_ids"]},
        no_timestamps_token_id=to_id("<|notimestamps|>"),
        prev_sot_token_id=to_id("<|startofprev|>"),
        alignment_heads=settings["alignment_heads"],
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
    )


def to_ctranslate2(source: str | Path, target: str | Path, quantization: str = "float32") -> Path:
    """Convert a Transformers Whisper checkpoint to a CTranslate2 folder that faster-whisper loads alone.

    Args:
        source: folder of the checkpoint, fine-tuned or not, with its tokenizer and feature extractor.
        target: folder to write; an existing one is replaced only if the course wrote it (`files.replacing`).
        quantization: type of the stored weights, one of `QUANTIZATIONS`. int8 and int16 are for CPUs,
            float16 for GPUs.

    Returns:
        `target`, with model.bin, config.json, vocabulary, tokenizer.json and preprocessor_config.json:
        without the last two faster-whisper would ask the Hub, or assume 80 mel bins.

    Raises:
        CheckpointError: no such folder, files missing in it, or an unknown quantization.
        FolderError: `target` holds files that are not the course's, or `source`.
    """
    if quantization not in QUANTIZATIONS:
        known = ", ".join(QUANTIZATIONS)
        raise CheckpointError(f"Unknown quantization {quantization!r}: choose one of {known}.")
    source, target = Path(source), Path(target)
    for needed in ("config.json", "tokenizer.json"):
        if not (source / needed).is_file():
            raise CheckpointError(
                f"{source / needed} is missing: save model and processor there with save_pretrained."
            )
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperFeatureExtractor

    with replacing(target, source) as scratch:
        converter = TransformersConverter(str(source), copy_files=["tokenizer.json"])
        converter.convert(str(scratch), quantization=quantization, force=True)
        WhisperFeatureExtractor.from_pretrained(source).save_pretrained(scratch)
    return target
