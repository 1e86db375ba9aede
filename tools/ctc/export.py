"""Write a checkpoint as a plain Transformers folder: float16 safetensors, config, processor files."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from tools.ctc.model import letter_vocabulary, processor


def write_projection(model, folder):
    """Save what wav2vec2-multilingual has of its own: the fitted projection, in float16."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = model.wav2vec2.feature_projection.state_dict()
    tensors = {f"feature_projection.{name}": tensor.half() for name, tensor in state.items()}
    save_file(tensors, folder / "projection.safetensors", metadata={"format": "pt"})
    (folder / "projection.safetensors").chmod(0o644)


def write(model, folder):
    """Save a Wav2Vec2Model or Wav2Vec2ForCTC with float16 weights, and the processor of wav2vec2-base-100h.

    The config asks for float32, so that `from_pretrained` computes in full precision.
    """
    folder = Path(folder)
    model.save_pretrained(folder)
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: tensor.half() for name, tensor in tensors.items()}, weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    settings = json.loads((folder / "config.json").read_text())
    settings["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    processor(letter_vocabulary(), folder)
