"""Repositories for the loopback Hub: small, real, and laid out as the ones they are named after.

The weights and the sound are the offline source's, so that a lesson's assertions hold; files, names and old
habits (forced_decoder_ids, pickled weights, LayerNorm's gamma and beta) are those of the Hub's repositories.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from helpers import catalog
from helpers.supply.files import MARK


def build(root: Path, only: Iterable[str] | None = None) -> Path:
    """Write the repositories of the catalog below `root`, for `tests.hub.server.Hub`.

    Args:
        root: an empty folder.
        only: ids, for some checkpoints and data sets instead of all.
    """
    for row in catalog.CHECKPOINTS:
        if only is None or row.hub in only:
            folder = root / "models" / row.hub
            folder.mkdir(parents=True)
            LAYOUTS.get(row.hub, _as_it_is)(_offline(catalog.model, row.hub), folder)
            (folder / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    for name in dict.fromkeys(row.hub for row in catalog.DATA_SETS):
        if only is None or name in only:
            _data_set(name, root / "datasets" / name)
    return root


def _offline(give, *name):
    """What the catalog gives offline; a folder for a checkpoint."""
    with mock.patch.dict("os.environ", ASR_SOURCE="offline"):
        found = give(*name)
    return Path(found) if isinstance(found, str) else found


def _as_it_is(source: Path, folder: Path) -> None:
    for path in source.iterdir():
        if path.name not in (MARK, "README.md"):
            (folder / path.name).symlink_to(path.resolve())


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, content) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def _whisper(source: Path, folder: Path) -> None:
    (folder / "model.safetensors").symlink_to(source / "model.safetensors")
    (folder / "tokenizer.json").symlink_to(source / "tokenizer.json")
    (folder / "preprocessor_config.json").symlink_to(source / "preprocessor_config.json")
    settings, generation = _read(source / "config.json"), _read(source / "generation_config.json")
    settings["torch_dtype"] = settings.pop("dtype")
    settings |= {
        "transformers_version": "4.27.0.dev0",
        "forced_decoder_ids": [[1, 50259], [2, 50359], [3, 50363]],
        "max_length": 448,
        "suppress_tokens": generation["suppress_tokens"],
        "begin_suppress_tokens": [220, 50257],
    }
    _write(folder / "config.json", settings)
    del generation["task"]
    generation |= {"forced_decoder_ids": [[1, None], [2, 50359]], "transformers_version": "4.31.0.dev0"}
    _write(folder / "generation_config.json", generation)

    tokens = _read(source / "tokenizer.json")
    _write(folder / "vocab.json", tokens["model"]["vocab"])
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in tokens["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    special = [token["content"] for token in tokens["added_tokens"] if token["special"]]
    _write(folder / "added_tokens.json", {token["content"]: token["id"] for token in tokens["added_tokens"]})
    ends = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), "<|endoftext|>")
    _write(folder / "special_tokens_map.json", ends | {"additional_special_tokens": special})
    _write(
        folder / "tokenizer_config.json",
        ends
        | {
            "add_prefix_space": False,
            "additional_special_tokens": special,
            "clean_up_tokenization_spaces": True,
            "errors": "replace",
            "model_max_length": 1024,
            "processor_class": "WhisperProcessor",
            "return_attention_mask": False,
            "tokenizer_class": "WhisperTokenizer",
        },
    )


def _faster_whisper(source: Path, folder: Path) -> None:
    for name in ("config.json", "model.bin", "tokenizer.json"):
        (folder / name).symlink_to(source / name)
    vocabulary = json.loads((source / "vocabulary.json").read_text(encoding="utf-8"))
    (folder / "vocabulary.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")


_CTC_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def _letters(source: Path, folder: Path) -> None:
    """A fine-tuned Wav2Vec2 of 2021: no name of the tokenizer's class, no processor_config.json."""
    for name in ("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json"):
        (folder / name).symlink_to(source / name)
    _write(folder / "special_tokens_map.json", _CTC_TOKENS)
    extra = {"do_lower_case": False, "return_attention_mask": False, "do_normalize": True}
    _write(folder / "tokenizer_config.json", _CTC_TOKENS | extra)


def _pretrained(source: Path, folder: Path) -> None:
    """A pre-trained Wav2Vec2: pickled weights only, with the names of Wav2Vec2ForPreTraining."""
    import torch
    from safetensors.torch import load_file

    settings = _read(source / "config.json") | {"architectures": ["Wav2Vec2ForPreTraining"]}
    _write(folder / "config.json", settings)
    (folder / "preprocessor_config.json").symlink_to((source / "preprocessor_config.json").resolve())
    if (source / "vocab.json").is_file():
        (folder / "vocab.json").symlink_to((source / "vocab.json").resolve())
        _write(folder / "special_tokens_map.json", _CTC_TOKENS)
        _write(folder / "tokenizer_config.json", _CTC_TOKENS | {"do_lower_case": False})
    tensors = {
        f"wav2vec2.{name.removeprefix('wav2vec2.')}": tensor
        for name, tensor in load_file(source / "model.safetensors").items()
        if not name.startswith("lm_head.")
    }
    torch.save(tensors, folder / "pytorch_model.bin")


def _bert(source: Path, folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {}
    for name, tensor in load_file(source / "model.safetensors").items():
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        tensors[f"bert.{old}"] = tensor
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "config.json", _read(source / "config.json") | {"architectures": ["BertForMaskedLM"]})
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).symlink_to(source / name)
    _write(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 512})


LAYOUTS = {
    "openai/whisper-base": _whisper,
    "Systran/faster-whisper-base": _faster_whisper,
    "facebook/wav2vec2-base-100h": _letters,
    "facebook/wav2vec2-base": _pretrained,
    "facebook/wav2vec2-large-xlsr-53": _pretrained,
    "google-bert/bert-base-uncased": _bert,
}


STREAMED = ("facebook/multilingual_librispeech",)
"""Far too large to be fetched as a whole: its train split cannot be read here."""


def _data_set(name: str, folder: Path) -> None:
    """The offline parquet files, one a split, and a card that lists them.

    Where the lessons ask for the parquet that the Hub has made, the owner's own branch holds a script.
    """
    from datasets import load_dataset_builder

    converted = folder.with_name(f"{folder.name}@refs+convert+parquet")
    lines = ["---", "configs:"]
    folder.mkdir(parents=True)
    for row in (row for row in catalog.DATA_SETS if row.hub == name):
        config = row.config or "plain_text"
        files = load_dataset_builder(**_offline(catalog.data, row.hub, row.config)).config.data_files
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in row.splits:
            path = folder / config / f"{split}-00000-of-00001.parquet"
            if row.converted:
                path = converted / config / split / "0000.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(files[split][0])
            lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
        if name in STREAMED:
            # Without streaming `load_dataset` fetches all splits of a configuration.
            (folder / config / "train-00000-of-00001.parquet").write_bytes(b"never read")
            lines += ["  - split: train", f"    path: {config}/train-*"]
    if converted.is_dir():
        (folder / f"{folder.name}.py").write_text("raise RuntimeError('nobody runs this')", encoding="utf-8")
    else:
        (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
