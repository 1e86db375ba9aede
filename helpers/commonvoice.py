"""A learner's own download of Common Voice, in the columns of lesson 7."""

from __future__ import annotations

import csv
from pathlib import Path

TABLE, CLIPS = "validated.tsv", "clips"


class CommonVoiceError(ValueError):
    """A download that cannot be used as it is. The message says what to do."""


def read(folder: str | Path, validation: int, test: int, seed: int = 42) -> dict:
    """Read `validated.tsv` and split it so that neither a sentence nor a speaker stands in two parts.

    Args:
        folder: the unpacked download of one language; holds validated.tsv and clips/.
        validation, test: number of clips to set aside, roughly: a speaker is never divided.
        seed: of the draw of speakers.

    Returns:
        {"train", "validation", "test"}: datasets.Dataset with the columns audio (16 kHz, not decoded) and
        raw_transcription.

    Raises:
        CommonVoiceError: folder, table or clips missing, columns missing, or fewer clips than are set aside.
    """
    import numpy as np

    folder = Path(folder)
    rows = _rows(folder)
    speakers = list(dict.fromkeys(row["client_id"] for row in rows))
    parts = {"test": [], "validation": [], "train": []}
    wanted = {"test": test, "validation": validation, "train": len(rows)}
    for place in np.random.default_rng(seed).permutation(len(speakers)):
        name = next(name for name in parts if len(parts[name]) < wanted[name])
        parts[name] += [row for row in rows if row["client_id"] == speakers[place]]
    taken = {row["sentence"] for name in ("test", "validation") for row in parts[name]}
    parts["train"] = [row for row in parts["train"] if row["sentence"] not in taken]
    if not parts["train"]:
        raise CommonVoiceError(
            f"{folder} holds {len(rows)} clips of {len(speakers)} speakers, too few to set "
            f"{validation} and {test} aside: ask for fewer, or download more."
        )
    return {name: _dataset(folder, parts[name]) for name in ("train", "validation", "test")}


def _rows(folder: Path) -> list[dict]:
    if not (folder / TABLE).is_file():
        raise CommonVoiceError(
            f"There is no {folder / TABLE}: name the folder of one language of an unpacked Common Voice."
        )
    with open(folder / TABLE, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = [row for row in reader if (row.get("sentence") or "").strip()]
    if missing := {"client_id", "path", "sentence"} - set(reader.fieldnames or ()):
        raise CommonVoiceError(
            f"{folder / TABLE} has no column {', '.join(sorted(missing))}: unpack it again."
        )
    if not rows:
        raise CommonVoiceError(f"{folder / TABLE} lists no clips: unpack it again.")
    lost = [row["path"] for row in rows if not (folder / CLIPS / row["path"]).is_file()]
    if lost:
        raise CommonVoiceError(
            f"{len(lost)} clips of {TABLE} are not in {folder / CLIPS}, {lost[0]} among them: "
            "unpack it again."
        )
    return rows


def _dataset(folder: Path, rows: list[dict]):
    from datasets import Audio, Dataset

    data = Dataset.from_dict(
        {
            "audio": [str(folder / CLIPS / row["path"]) for row in rows],
            "raw_transcription": [row["sentence"] for row in rows],
        }
    )
    return data.cast_column("audio", Audio(sampling_rate=16_000, decode=False))
