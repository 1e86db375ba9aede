"""Every checkpoint and data set the lessons name: one table, and two functions that resolve it by source."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from . import hub, offline
from .source import source

REVISIONS: dict[str, str] = json.loads((resources.files("helpers") / "revisions.json").read_text("utf-8"))
"""Id on the Hub to the full commit hash that everybody gets. `make pin` writes the file."""


class CatalogError(KeyError):
    """A name the course does not know, or that the offline source does not have. Says what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Checkpoint:
    """One row: `hub` is the id, `megabytes` what is downloaded.

    `offline` says where the weights are without the Hub, as "package:NAME" (`offline.path`) or
    "asset:FOLDER" (`helpers/assets`); `stand_in` names them when they are not the Hub's own weights.
    """

    hub: str
    licence: str
    megabytes: int
    offline: str | None
    stand_in: str | None = None

    @property
    def revision(self) -> str | None:
        """The pinned commit; None where none is known: the newest at the first use, which the cache keeps."""
        return REVISIONS.get(self.hub)


@dataclass(frozen=True)
class DataSet:
    """One row: as `Checkpoint`; `config` and `split` are the Hub's, `audio` tells whether there is sound."""

    hub: str
    config: str | None
    split: str
    licence: str
    offline: str | None
    stand_in: str
    audio: bool = True

    @property
    def revision(self) -> str | None:
        """The pinned commit, as of a `Checkpoint`."""
        return REVISIONS.get(self.hub)


CHECKPOINTS = (
    Checkpoint("openai/whisper-base", "Apache-2.0", 290, "package:whisper-base"),
    Checkpoint("Systran/faster-whisper-base", "MIT", 145, "package:whisper-base-ctranslate2"),
    Checkpoint(
        "facebook/wav2vec2-base-100h",
        "Apache-2.0",
        378,
        "asset:wav2vec2-ctc-en",
        "wav2vec2-ctc-en, a small Wav2Vec2 that this course trained on synthetic speech",
    ),
    Checkpoint(
        "facebook/wav2vec2-base",
        "Apache-2.0",
        380,
        "asset:wav2vec2-ctc-en",
        "wav2vec2-ctc-en, a small Wav2Vec2 that this course has already taught letters",
    ),
    Checkpoint(
        "facebook/wav2vec2-large-xlsr-53",
        "Apache-2.0",
        1270,
        "package:wav2vec2-multilingual",
        "wav2vec2-multilingual, Whisper base's encoder in the form of a small Wav2Vec2",
    ),
    Checkpoint(
        "google-bert/bert-base-uncased",
        "Apache-2.0",
        440,
        "package:minilm",
        "all-MiniLM-L6-v2, a BERT of 6 layers and 22.7 M parameters",
    ),
)

DATA_SETS = (
    DataSet(
        "hf-internal-testing/librispeech_asr_dummy",
        "clean",
        "validation",
        "CC-BY-4.0",
        "asset:english-read",
        "english-read, sentences of this course read by synthetic voices",
    ),
    DataSet(
        "facebook/multilingual_librispeech",
        "spanish",
        "dev",
        "CC-BY-4.0",
        "asset:spanish-audiobook",
        "spanish-audiobook, a story of this course read by two synthetic voices",
    ),
    DataSet(
        "PolyAI/minds14",
        "en-US",
        "train",
        "CC-BY-4.0",
        "asset:banking-calls",
        "banking-calls, requests of this course's own, read by synthetic voices over a telephone line",
    ),
    *(
        DataSet(
            "google/fleurs",
            "tr_tr",
            split,
            "CC-BY-4.0",
            "asset:turkish-sentences",
            "turkish-sentences, sentences of this course by synthetic voices in a foreign accent",
        )
        for split in ("train", "validation", "test")
    ),
    DataSet(
        "stanfordnlp/imdb",
        None,
        "train",
        "other (reviews of their authors)",
        "package:film-reviews",
        "film-reviews, 9,173 rated sentences of film reviews",
        audio=False,
    ),
    DataSet(
        "stanfordnlp/imdb",
        None,
        "test",
        "other (reviews of their authors)",
        "package:film-reviews",
        "film-reviews, 9,173 rated sentences of film reviews",
        audio=False,
    ),
)


def checkpoint(name: str) -> str:
    """What to pass to `from_pretrained` or `pipeline` for a checkpoint.

    Args:
        name: id on the Hub, e.g. "openai/whisper-base".

    Returns:
        A folder: on the Hub that of the revision in the Hub's cache; offline that of the same weights or of
        the stand-in. A stand-in is printed, so that nobody takes it for the original.

    Raises:
        CatalogError: the course does not name this checkpoint, or has nothing for it offline.
        HubError: the Hub does not give it.
        OfflineError: its package cannot be had.
    """
    row = next((row for row in CHECKPOINTS if row.hub == name), None)
    if row is None:
        raise CatalogError(f"No checkpoint {name!r} in the course: choose one of {_names(CHECKPOINTS)}.")
    if source() == "hub":
        return str(hub.snapshot(name, row.revision))
    folder = _folder(row)
    if row.stand_in:
        print(f"Offline, {name} is replaced by {row.stand_in}.")
    return str(folder)


def faster_whisper(name: str = "openai/whisper-base") -> str:
    """What to pass to `faster_whisper.WhisperModel`: CTranslate2 weights of the same checkpoint.

    Args:
        name: id on the Hub of a Whisper checkpoint.

    Returns:
        The folder of Systran's conversion; offline one with the same tensors.

    Raises:
        CatalogError: not a Whisper checkpoint of the course.
        HubError, OfflineError: as `checkpoint`.
    """
    if not name.startswith("openai/whisper-"):
        raise CatalogError(f"{name!r} is not a Whisper checkpoint: name openai/whisper-base.")
    return checkpoint("Systran/faster-whisper-" + name.removeprefix("openai/whisper-"))


def dataset(name: str, config: str | None = None, *, split: str, streaming: bool = False):
    """Load a data set as `datasets.load_dataset` would, from the Hub or from its offline stand-in.

    The columns and their types are the Hub's on both sources. Sound stays undecoded
    (`Audio(decode=False)`, cells of `{"bytes", "path"}`): `helpers.audio.read` decodes it without FFmpeg.

    Args:
        name: id on the Hub, e.g. "hf-internal-testing/librispeech_asr_dummy".
        config: the Hub's configuration, e.g. "clean".
        split: the Hub's split, e.g. "validation".
        streaming: read rows as they are needed instead of loading the data set.

    Returns:
        `datasets.Dataset`, or `datasets.IterableDataset` when streaming.

    Raises:
        CatalogError: the course does not name this data set, or has nothing for it offline.
        HubError: the Hub does not give it; while streaming, also later, when rows are read.
        OfflineError: its package cannot be had.
    """
    row = next((row for row in DATA_SETS if (row.hub, row.config, row.split) == (name, config, split)), None)
    if row is None:
        known = "; ".join(" ".join(filter(None, (row.hub, row.config, row.split))) for row in DATA_SETS)
        raise CatalogError(f"No data set {name} {config} {split} in the course: choose one of {known}.")
    from datasets import Audio, load_dataset

    if source() == "hub":
        data = _from_hub(row, streaming)
    else:
        print(f"Offline, {name} is replaced by {row.stand_in}.")
        folder = _folder(row)
        if not row.audio:
            return _film_reviews(folder, split, streaming)
        file = folder / f"{split}.parquet"
        file = file if file.is_file() else folder / "data.parquet"
        data = load_dataset("parquet", data_files=str(file), split="train", streaming=streaming)
    return data.cast_column("audio", Audio(sampling_rate=16_000, decode=False)) if row.audio else data


def _folder(row: Checkpoint | DataSet) -> Path:
    kind, _, name = (row.offline or "").partition(":")
    if kind == "package":
        return offline.path(name)
    folder = asset(name) if kind == "asset" else None
    if folder is None or not folder.is_dir():
        raise CatalogError(f"{row.hub} has no offline stand-in: set ASR_SOURCE=hub to use the Hub.")
    return folder


class Item(NamedTuple):
    """Something on the Hub: its `name`; `fetch` downloads it, `is_there` tells whether the cache has it."""

    name: str
    fetch: Callable[[], object]
    is_there: Callable[[], bool]


def everything() -> list[Item]:
    """All that the lessons take from the Hub, checkpoints first."""
    items = []
    for row in CHECKPOINTS:
        place = (row.hub, row.revision)
        items.append(Item(row.hub, partial(hub.snapshot, *place), partial(hub.is_cached, *place)))
    for row in DATA_SETS:
        words = " ".join(filter(None, (row.hub, row.config, row.split)))
        place = (row.hub, row.config, row.split, row.revision)
        items.append(Item(words, partial(_download, row), partial(hub.is_split_cached, *place)))
    return items


def _download(row: DataSet) -> None:
    hub.download(row.hub, hub.split(row.hub, row.config, row.split, row.revision))


def asset(name: str) -> Path:
    """Folder of a data set or checkpoint that ships with the course (`helpers/assets/NAME`).

    Args:
        name: name of the folder; it need not exist.
    """
    return Path(str(resources.files("helpers"))) / "assets" / name


def _from_hub(row: DataSet, streaming: bool):
    from datasets import Features, load_dataset

    found = hub.split(row.hub, row.config, row.split, row.revision)
    files = hub.streamed(row.hub, found) if streaming else hub.download(row.hub, found)
    features = Features.from_dict(found.features) if found.features else None
    # The files of one split: by name, load_dataset would fetch every split of the configuration.
    with hub.explained(row.hub, row.revision):
        return load_dataset(
            found.builder, data_files=files, split="train", streaming=streaming, features=features
        )


def _film_reviews(folder: Path, split: str, streaming: bool):
    """The film reviews in imdb's columns, a fixed tenth of them as test split; neutral ones are left out."""
    import csv

    from datasets import ClassLabel, Dataset, Features, Value

    with open(folder / "reviews.tsv", encoding="utf-8", newline="") as file:
        rated = [(float(row[1]), row[2]) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    rows = [(text.strip(), int(rating > 0)) for rating, text in rated if abs(rating) >= 1]
    held_out = [row for index, row in enumerate(rows) if (index % 10 == 0) == (split == "test")]
    data = Dataset.from_dict(
        {"text": [text for text, _ in held_out], "label": [label for _, label in held_out]},
        features=Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])}),
    )
    return data.to_iterable_dataset() if streaming else data


def _names(rows) -> str:
    return ", ".join(dict.fromkeys(row.hub for row in rows))
