"""Where the lessons' checkpoints, data sets and metrics are: one table, and what to hand to the libraries.

On the Hub that is a name, offline a folder. `from_pretrained`, `pipeline`, `load_dataset` and `evaluate.load`
take either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from .supply import recipes
from .supply.source import cache_folder, source

HELPERS = Path(__file__).parent
PREFETCHED = "prefetched.json"
"""File of the course's cache: name to what `model` or `data` gives, for all that was downloaded before."""

_CONVERTED = "refs/convert/parquet"
"""The branch on which the Hub keeps as parquet what its owner keeps as a loading script."""


class CatalogError(KeyError):
    """A name that the course does not know. The message lists those it does."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Checkpoint:
    """One row. `offline` is a recipe of `supply.recipes`, or "asset:NAME" for a folder of `helpers/assets`.

    `stand_in` says what the offline weights are when they are not the Hub's own.
    """

    hub: str
    licence: str
    offline: str
    stand_in: str | None = None


@dataclass(frozen=True)
class DataSet:
    """One row: `config` as the lessons name it, the `splits` they read, `offline` and `stand_in` as above.

    `hub_options` find it on the Hub by `load_dataset`, where name and configuration are not enough.
    """

    hub: str
    config: str | None
    splits: tuple[str, ...]
    licence: str
    offline: str
    stand_in: str
    hub_options: dict[str, str] = field(default_factory=dict)


CHECKPOINTS = (
    Checkpoint("openai/whisper-base", "Apache-2.0", "whisper-base"),
    Checkpoint("Systran/faster-whisper-base", "MIT", "whisper-base-ctranslate2"),
    Checkpoint(
        "facebook/wav2vec2-base-100h",
        "Apache-2.0",
        "asset:wav2vec2-ctc-en",
        "wav2vec2-ctc-en, a small Wav2Vec2 that this course trained on synthetic speech",
    ),
    Checkpoint(
        "facebook/wav2vec2-base",
        "Apache-2.0",
        "asset:wav2vec2-ctc-en",
        "wav2vec2-ctc-en, a small Wav2Vec2 that this course has already taught letters",
    ),
    Checkpoint(
        "facebook/wav2vec2-large-xlsr-53",
        "Apache-2.0",
        "wav2vec2-multilingual",
        "wav2vec2-multilingual, Whisper base's encoder in the form of a small Wav2Vec2",
    ),
    Checkpoint(
        "google-bert/bert-base-uncased",
        "Apache-2.0",
        "minilm",
        "all-MiniLM-L6-v2, a BERT of 6 layers and 22.7 M parameters",
    ),
)

DATA_SETS = (
    DataSet(
        "hf-internal-testing/librispeech_asr_dummy",
        "clean",
        ("validation",),
        "CC-BY-4.0",
        "asset:english-read",
        "english-read, sentences of this course read by synthetic voices",
    ),
    DataSet(
        "facebook/multilingual_librispeech",
        "spanish",
        ("dev",),
        "CC-BY-4.0",
        "asset:spanish-audiobook",
        "spanish-audiobook, a story of this course read by two synthetic voices",
    ),
    DataSet(
        "PolyAI/minds14",
        "en-US",
        ("train",),
        "CC-BY-4.0",
        "asset:banking-calls",
        "banking-calls, requests of this course's own, read by synthetic voices over a telephone line",
        {"revision": _CONVERTED, "data_dir": "en-US"},
    ),
    DataSet(
        "google/fleurs",
        "tr_tr",
        ("train", "validation", "test"),
        "CC-BY-4.0",
        "asset:turkish-sentences",
        "turkish-sentences, sentences of this course by synthetic voices in a foreign accent",
        {"revision": _CONVERTED, "data_dir": "tr_tr"},
    ),
    DataSet(
        "stanfordnlp/imdb",
        None,
        ("train", "test"),
        "other (reviews of their authors)",
        "film-reviews",
        "film-reviews, 9,173 rated sentences of film reviews",
    ),
)

OWN = ("french-medical", "french-everyday")
"""Data sets of the course itself: the same folder on both sources."""


def model(name: str) -> str:
    """What to hand to `pipeline`, `from_pretrained` or `WhisperModel` for a checkpoint.

    Args:
        name: id on the Hub, e.g. "openai/whisper-base".

    Returns:
        On the Hub the name itself, or the folder that `prefetch` has filled; offline the folder of the same
        weights or of a stand-in. A stand-in is printed, so that nobody takes it for the original.

    Raises:
        CatalogError: the course does not name this checkpoint.
        supply.SupplyError: offline, its package cannot be had.
    """
    row = next((row for row in CHECKPOINTS if row.hub == name), None)
    if row is None:
        known = ", ".join(row.hub for row in CHECKPOINTS)
        raise CatalogError(f"No checkpoint {name!r} in the course: choose one of {known}.")
    if source() == "hub":
        return prefetched().get(name, name)
    return str(_folder(row))


def data(name: str, config: str | None = None) -> dict:
    """What to hand to `load_dataset` beside the split: `load_dataset(**data(...), split=...)`.

    Args:
        name: id on the Hub, e.g. "google/fleurs"; or a data set of the course, e.g. "french-medical".
        config: the configuration, e.g. "tr_tr"; None where there is one only.

    Returns:
        Keyword arguments: "path", and "name" or whatever else finds the configuration. Offline the path is a
        folder with the same columns; a stand-in is printed.

    Raises:
        CatalogError: the course does not name this data set.
        supply.SupplyError: offline, its package cannot be had.
    """
    if name in OWN:
        return {"path": str(asset(name))}
    row = next((row for row in DATA_SETS if (row.hub, row.config) == (name, config)), None)
    if row is None:
        known = "; ".join([*(" ".join(filter(None, (row.hub, row.config))) for row in DATA_SETS), *OWN])
        raise CatalogError(f"No data set {name} {config or ''} in the course: choose one of {known}.")
    named = {"name": config} if config else {}
    if source() == "hub":
        return prefetched().get(f"{name} {config}", {"path": name, **(row.hub_options or named)})
    return {"path": str(_folder(row)), **named}


def metric(name: str) -> str:
    """What to hand to `evaluate.load`: a folder of the course; the Hub's would run code from the network.

    Args:
        name: "wer" or "cer".

    Raises:
        CatalogError: any other name.
    """
    folder = HELPERS / name
    if name not in ("wer", "cer"):
        raise CatalogError(f"No metric {name!r} in the course: choose wer or cer.")
    return str(folder)


def asset(name: str) -> Path:
    """Folder of something that ships with the course, `helpers/assets/NAME`.

    Raises:
        CatalogError: there is no such folder.
    """
    folder = HELPERS / "assets" / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in folder.parent.iterdir()))
        raise CatalogError(f"Nothing named {name!r} ships with the course: choose one of {known}.")
    return folder


def prefetched() -> dict:
    """Name to what `model` or `data` gives, of all that `python -m helpers prefetch` has downloaded."""
    path = cache_folder() / PREFETCHED
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _folder(row: Checkpoint | DataSet) -> Path:
    kind, _, name = row.offline.rpartition(":")
    folder = asset(name) if kind else recipes.path(name)
    if row.stand_in:
        print(f"Offline, {row.hub} is replaced by {row.stand_in}.")
    return folder
