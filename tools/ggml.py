"""A Whisper checkpoint of Transformers as the one file that whisper.cpp reads.

`python -m tools.ggml CHECKPOINT FILE` writes it, matrices as float16. The layout is whisper.cpp's own
(models/README.md there): sizes, mel filters, tokens as bytes, then every tensor with its name and shape.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np

MAGIC = 0x67676D6C
TEXT_TOKENS = 50_257
"""Tokens of text; whisper.cpp names the special ones itself."""

PARTS = {
    "layers": "blocks",
    "self_attn_layer_norm": "attn_ln",
    "self_attn": "attn",
    "encoder_attn_layer_norm": "cross_attn_ln",
    "encoder_attn": "cross_attn",
    "final_layer_norm": "mlp_ln",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "embed_tokens": "token_embedding",
}
WHOLE = {
    "encoder.layer_norm": "encoder.ln_post",
    "decoder.layer_norm": "decoder.ln",
    "encoder.embed_positions.weight": "encoder.positional_embedding",
    "decoder.embed_positions.weight": "decoder.positional_embedding",
}


def tensor_name(name: str) -> str:
    """Transformers' name of a tensor, without "model.", as OpenAI's, which whisper.cpp keeps."""
    for ours, theirs in WHOLE.items():
        if name == ours or name.startswith(ours + "."):
            return theirs + name[len(ours) :]
    return ".".join(PARTS.get(part, part) for part in name.split("."))


def token_bytes(vocabulary: dict[str, int]) -> list[bytes]:
    """The bytes of each token of text, in order of their numbers.

    Byte-level BPE shows a byte that has no printable form as a letter from U+0100 on.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable}
    byte_of |= {chr(256 + number): byte for number, byte in enumerate(others)}
    ordered = sorted(vocabulary, key=vocabulary.get)[:TEXT_TOKENS]
    return [bytes(byte_of[letter] for letter in token) for token in ordered]


def convert(checkpoint: Path, file: Path) -> None:
    """Write the file; a multilingual checkpoint with its safetensors and its tokenizer.json.

    Raises:
        ValueError: a checkpoint for English only, whose tokens are others.
    """
    from safetensors.numpy import load_file
    from transformers import WhisperFeatureExtractor

    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if config["vocab_size"] <= TEXT_TOKENS + 1607:
        raise ValueError(f"{checkpoint} is for English only: only multilingual checkpoints are converted.")
    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    filters = WhisperFeatureExtractor(config["num_mel_bins"]).mel_filters.T.astype(np.float32)
    sizes = [config["vocab_size"], config["max_source_positions"]]
    for side in ("encoder", "decoder"):
        sizes += [config["d_model"], config[f"{side}_attention_heads"], config[f"{side}_layers"]]
        sizes += [config["max_target_positions"]] if side == "encoder" else []
    with file.open("wb") as out:
        out.write(struct.pack("<i", MAGIC))
        out.write(struct.pack("<11i", *sizes, config["num_mel_bins"], 1))
        out.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
        tokens = token_bytes(vocabulary)
        out.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            out.write(struct.pack("<i", len(token)) + token)
        for name, values in load_file(checkpoint / "model.safetensors").items():
            if name == "proj_out.weight":  # the same matrix as the tokens' embedding
                continue
            name = tensor_name(name.removeprefix("model."))
            single = values.ndim == 1 or "positional" in name
            if name.endswith((".conv1.bias", ".conv2.bias")):
                values = values[:, None]
            encoded, shape = name.encode(), values.shape[::-1]
            out.write(struct.pack("<3i", len(shape), len(encoded), 0 if single else 1))
            out.write(struct.pack(f"<{len(shape)}i", *shape) + encoded)
            out.write(np.ascontiguousarray(values, np.float32 if single else np.float16).tobytes())


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
