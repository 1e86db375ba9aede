"""Where the lessons' checkpoints, data sets and metrics are: on the Hub a name, offline a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .supply import hub, recipes
from .supply.source import source

HELPERS = Path(__file__).parent


class CatalogError(LookupError):
    """A name that the course does not know. The message lists those it does."""


@dataclass(frozen=True)
class Checkpoint:
    """One row. `offline`: a recipe of `supply.recipes` or a folder of `helpers/assets`; `stand_in` says what
    the offline weights are when they are not the Hub's own."""

    hub: str
    offline: str
    stand_in: str | None = None


@dataclass(frozen=True)
class DataSet:
    """One row: `config` as the lessons name it, the `splits` they read, `offline` and `stand_in` as above;
    `converted`: the Hub is asked for the parquet that it made of its owner's files."""

    hub: str
    config: str | None
    splits: tuple[str, ...]
    offline: str
    stand_in: str
    converted: bool = False

    @property
    def key(self) -> str:
        return f"{self.hub} {self.config or ''}".strip()

    @property
    def on_the_hub(self) -> dict[str, str]:
        """Keyword arguments of `load_dataset` that find it on the Hub."""
        if self.converted:
            return {"path": self.hub, "revision": "refs/convert/parquet", "data_dir": self.config}
        return {"path": self.hub} | ({"name": self.config} if self.config else {})


CHECKPOINTS = (
    Checkpoint("openai/whisper-base", "whisper-base"),
    Checkpoint("Systran/faster-whisper-base", "whisper-base-ctranslate2"),
    Checkpoint("Systran/faster-whisper-tiny.en", "whisper-tiny.en-ctranslate2"),
    Checkpoint(
        *("facebook/wav2vec2-base-100h", "wav2vec2-ctc-en"),
        "wav2vec2-ctc-en, a small Wav2Vec2 that this course trained on synthetic speech",
    ),
    Checkpoint(
        *("facebook/wav2vec2-base", "wav2vec2-ctc-en"),
        "wav2vec2-ctc-en, a small Wav2Vec2 that this course has already taught letters",
    ),
    Checkpoint(
        *("facebook/wav2vec2-large-xlsr-53", "wav2vec2-multilingual"),
        "wav2vec2-multilingual, Whisper base's encoder in the form of a small Wav2Vec2",
    ),
    Checkpoint(
        *("google-bert/bert-base-uncased", "minilm"),
        "all-MiniLM-L6-v2, a BERT of 6 layers and 22.7 M parameters",
    ),
)

DATA_SETS = (
    DataSet(
        *("hf-internal-testing/librispeech_asr_dummy", "clean", ("validation",), "english-read"),
        "english-read, sentences of this course read by synthetic voices",
    ),
    DataSet(
        *("facebook/multilingual_librispeech", "spanish", ("dev",), "spanish-audiobook"),
        "spanish-audiobook, a story of this course read by two synthetic voices",
    ),
    DataSet(
        *("PolyAI/minds14", "en-US", ("train",), "banking-calls"),
        "banking-calls, requests of this course's own, read by synthetic voices over a telephone line",
        converted=True,
    ),
    DataSet(
        *("google/fleurs", "tr_tr", ("train", "validation", "test"), "turkish-sentences"),
        "turkish-sentences, sentences of this course by synthetic voices in a foreign accent",
        converted=True,
    ),
    DataSet(
        *("stanfordnlp/imdb", None, ("train", "test"), "film-reviews"),
        "film-reviews, 9,173 rated sentences of film reviews",
    ),
)

OWN = ("french-medical", "french-everyday", "sense-and-sensibility")
"""Data sets that are the same folder on both sources: the course's own, and five sentences from a package."""


def model(name: str) -> str:
    """What to hand to `pipeline`, `from_pretrained` or `WhisperModel` for a checkpoint.

    Args:
        name: id on the Hub, e.g. "openai/whisper-base".

    Returns:
        On the Hub the name, or the folder that `prefetch` has filled; offline the folder of the same weights
        or of a stand-in, which is printed.

    Raises:
        CatalogError: the course does not name this checkpoint.
        supply.SupplyError: offline, its package cannot be had.
    """
    rows = {row.hub: row for row in CHECKPOINTS}
    if name not in rows:
        raise CatalogError(f"No checkpoint {name!r} in the course: choose one of {', '.join(rows)}.")
    if source() == "hub":
        return hub.prefetched().get(name, name)
    return str(_folder(rows[name]))


def data(name: str, config: str | None = None) -> dict:
    """What to hand to `load_dataset` beside the split: `load_dataset(**data(...), split=...)`.

    Args:
        name: id on the Hub, e.g. "google/fleurs"; or a data set of the course, e.g. "french-medical".
        config: the configuration, e.g. "tr_tr"; None where there is one only.

    Returns:
        Keyword arguments: "path", and "name" or whatever else finds the configuration. Offline the path is a
        folder with the same columns; a stand-in is printed.

    Raises:
        CatalogError, supply.SupplyError: as `model`.
    """
    if name in OWN:
        return {"path": str(_place(name))}
    rows, key = {row.key: row for row in DATA_SETS}, f"{name} {config or ''}".strip()
    if key not in rows:
        raise CatalogError(f"No data set {key} in the course: choose one of {'; '.join([*rows, *OWN])}.")
    if source() == "hub":
        return hub.prefetched().get(key, rows[key].on_the_hub)
    return {"path": str(_folder(rows[key]))} | ({"name": config} if config else {})


def metric(name: str) -> str:
    """What to hand to `evaluate.load`: a folder of the course; the Hub's would run code from the network.

    Args:
        name: "wer" or "cer".

    Raises:
        CatalogError: any other name.
    """
    if name not in ("wer", "cer"):
        raise CatalogError(f"No metric {name!r} in the course: choose wer or cer.")
    return str(HELPERS / name)


def asset(name: str) -> Path:
    """Folder of something that ships with the course, `helpers/assets/NAME`.

    Raises:
        CatalogError: there is no such folder, or its weights were left out, as in the wheel for Colab.
    """
    known = sorted(path.name for path in (HELPERS / "assets").iterdir())
    if name not in known:
        raise CatalogError(f"Nothing named {name!r} ships with the course: choose one of {', '.join(known)}.")
    folder = HELPERS / "assets" / name
    if (folder / "config.json").is_file() and not any(folder.glob("*.safetensors")):
        raise CatalogError(
            f"The weights of {name} are not part of this installation: take the Hub's (ASR_SOURCE=hub), "
            "or work in a clone of the course's repository."
        )
    return folder


def on_the_hub() -> dict[str, tuple[str | dict, tuple[str, ...]]]:
    """What the lessons take from the Hub: name to what finds it there, and the splits (none: weights)."""
    sets = {row.key: (row.on_the_hub, row.splits) for row in DATA_SETS}
    return {row.hub: (row.hub, ()) for row in CHECKPOINTS} | sets


def is_prefetched() -> bool:
    """Whether `python -m helpers prefetch` has copied all of `on_the_hub`: then nothing need be asked."""
    return on_the_hub().keys() <= hub.prefetched().keys()


def _folder(row: Checkpoint | DataSet) -> Path:
    folder = _place(row.offline)
    if row.stand_in:
        print(f"Offline, {row.hub} is replaced by {row.stand_in}.")
    return folder


def _place(name: str) -> Path:
    return recipes.path(name) if name in recipes.RECIPES else asset(name)
