"""Whisper's encoder in the form of a Wav2Vec2: the course's stand-in for a multilingual pre-trained encoder.

Both are pre-norm transformers over 50 frames a second (Radford et al. 2022, arXiv 2212.04356; Baevski et al.
2020, arXiv 2006.11477), so a layer of one can be a layer of the other. `tools/ctc/model.py` says how the
convolutions and the positions are made.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

_PARTS = {
    "self_attn.q_proj": "attention.q_proj",
    "self_attn.k_proj": "attention.k_proj",
    "self_attn.v_proj": "attention.v_proj",
    "self_attn.out_proj": "attention.out_proj",
    "self_attn_layer_norm": "layer_norm",
    "final_layer_norm": "final_layer_norm",
    "fc1": "feed_forward.intermediate_dense",
    "fc2": "feed_forward.output_dense",
}


def whisper_layers(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Whisper's encoder layers and final norm under the names that `Wav2Vec2Model` has for them.

    Args:
        tensors: the tensors of a Whisper checkpoint (Transformers' names, "model.encoder...").

    Returns:
        Name to array; a key projection's bias, which Whisper lacks, is zero.
    """
    found = {}
    prefix = "model.encoder."
    for name, tensor in tensors.items():
        inner = name.removeprefix(prefix)
        if inner.startswith("layer_norm."):
            found[f"encoder.{inner}"] = tensor
        elif name.startswith(prefix) and inner.startswith("layers."):
            _, number, rest = inner.split(".", 2)
            part, kind = rest.rsplit(".", 1)
            found[f"encoder.layers.{number}.{_PARTS[part]}.{kind}"] = tensor
            if part == "self_attn.k_proj":
                found[f"encoder.layers.{number}.attention.k_proj.bias"] = np.zeros_like(tensor[0])
    return found


def assemble(whisper: Path, english: Path, projection: Path, folder: Path) -> None:
    """Put a `Wav2Vec2Model` folder together from three checkpoints; nothing is trained.

    Args:
        whisper: folder of Whisper base (Transformers), which gives the layers.
        english: folder of wav2vec2-ctc-en, which gives convolutions, positions and config.
        projection: safetensors file with the four tensors of `feature_projection`.
        folder: an empty folder to fill: model.safetensors (float16, computed in float32), config.json,
            preprocessor_config.json.

    Raises:
        FileNotFoundError: one of the three is incomplete.
    """
    from safetensors.numpy import load_file, save_file

    stem = ("wav2vec2.feature_extractor.", "wav2vec2.encoder.pos_conv_embed.", "wav2vec2.masked_spec_embed")
    tensors = {
        name.removeprefix("wav2vec2."): tensor
        for name, tensor in load_file(english / "model.safetensors").items()
        if name.startswith(stem)
    }
    tensors |= load_file(projection)
    tensors |= whisper_layers(load_file(whisper / "model.safetensors"))
    half = {name: tensor.astype(np.float16) for name, tensor in sorted(tensors.items())}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    settings = json.loads((english / "config.json").read_text(encoding="utf-8"))
    settings["architectures"] = ["Wav2Vec2Model"]
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    shutil.copy(english / "preprocessor_config.json", folder)
