"""Everyday French: what fine-tuning on medical reports must not make worse (lesson 5)."""

import csv
from pathlib import Path

from tools.data import french_medical, table
from tools.data.card import LICENCE, LISTENER, SYNTHETIC, front, making

NAME = "french-everyday"
FRONT = front("fr", "Everyday French sentences", "default", {"train": "data.parquet"})
LANGUAGE = french_medical.LANGUAGE
TEXT_COLUMN = french_medical.TEXT_COLUMN
ROW_GROUP = french_medical.ROW_GROUP
TEXTS = Path(__file__).with_name("french_everyday.tsv")

transcript = french_medical.transcript


def rows():
    """The sentences: dicts of number ("001"), text, speaker_id, voice, speed."""
    with TEXTS.open(encoding="utf-8", newline="") as file:
        texts = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row | french_medical.reader(place) for place, row in enumerate(texts)]


def build():
    """All clips, and voices.csv: (rows of number, audio, sentence; features)."""
    folder = table.ASSETS / NAME
    folder.mkdir(parents=True, exist_ok=True)
    french_medical.write_voices(folder, rows())
    return french_medical.spoken_rows(rows())


def card(facts):
    """The data set's README.md."""
    return f"""\
{FRONT}

# Everyday French sentences

{facts["clips"]} sentences of daily life, {facts["minutes"]} minutes. Lesson 5 transcribes the first 32
before and after training on medical reports, since what a model learns in one place it can lose in another,
and mixes 32 of the last 48 into the training, so that it loses less; the other 16 help to choose how much.

{SYNTHETIC}

| | |
| --- | --- |
| clips | {facts["clips"]}, {facts["shortest"]} to {facts["longest"]} s, {facts["minutes"]} minutes |
| audio | 16 kHz, mono, Opus in Ogg |
| file | data.parquet, {facts["size"]} |
| SHA-256 | `{facts["sha256"]}` |
| Whisper base | {facts["wer"]} % WER ({LISTENER}) |

Columns: `number` (string), `audio` (16 kHz), `sentence`. `voices.csv` says who reads each clip.

## Voices

The same five as those of `french-medical`: its card says what they are.

{facts["voices"]}

{LICENCE}

{making("french_everyday")}
"""
