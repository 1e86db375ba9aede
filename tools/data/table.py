"""Data sets as parquet with the audio bytes inside and the features that `datasets` reads back."""

import hashlib
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "helpers" / "assets"


def write(rows, features, folder, row_group_size=100, name="data"):
    """Write rows (dicts; audio as {"bytes", "path"}) to folder/NAME.parquet in one go; returns the path.

    The schema carries the features as `datasets` writes them, so load_dataset("parquet") gives an Audio
    column. Built by pyarrow: encoding an example through `datasets` would need torchcodec.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=features.arrow_schema)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
        pq.write_table(table, part, row_group_size=row_group_size, compression="none")
    Path(part.name).chmod(0o644)
    target = folder / f"{name}.parquet"
    os.replace(part.name, target)
    return target


def write_text(path, text):
    """Write a text file whole or not at all."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, encoding="utf-8", suffix=".part", delete=False
    ) as part:
        part.write(text)
    Path(part.name).chmod(0o644)
    os.replace(part.name, path)


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
