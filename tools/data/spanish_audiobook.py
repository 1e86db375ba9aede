"""Spanish audiobook: a story in consecutive segments, in the form of facebook/multilingual_librispeech."""

import csv
import re
import zlib
from pathlib import Path

from tools.data import clips
from tools.data.card import LICENCE, LISTENER, SYNTHETIC, front, making

NAME = "spanish-audiobook"
FRONT = front("es", "Spanish audiobook", "spanish", {"dev": "data.parquet"})
LANGUAGE = "es"
TEXT_COLUMN = "transcript"
ROW_GROUP = 8
TITLE = "La brújula del cartero"
TEXTS = Path(__file__).with_name("spanish_audiobook.tsv")
SPEEDS = {"ef_dora": 0.95, "em_alex": 0.95}
LEVELS = {"ef_dora": -24.0, "em_alex": -25.0}  # dB RMS
PAUSE, CHAPTER_PAUSE = 0.6, 1.4  # seconds of room tone after a segment, after a chapter


def rows():
    """The text file's rows with Multilingual LibriSpeech's identifiers: speaker_chapter_segment."""
    with TEXTS.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    voices = list(dict.fromkeys(row["voice"] for row in table))
    segment = 0
    for row, following in zip(table, [*table[1:], None], strict=True):
        row["speaker_id"] = str(201 + voices.index(row["voice"]))
        row["chapter_id"] = str(3000 + int(row["chapter"]))
        row["id"] = f"{row['speaker_id']}_{row['chapter_id']}_{segment:06d}"
        row["last"] = following is None or following["chapter"] != row["chapter"]
        segment = 0 if row["last"] else segment + 1
    return table


def transcript(text):
    """Multilingual LibriSpeech's spelling: lower case, letters with their accents, no punctuation.

    >>> transcript("—¿Quién trae el correo? —preguntó.")
    'quién trae el correo preguntó'
    """
    return " ".join(re.sub(r"[^a-záéíóúüñ ]", " ", text.lower()).split())


def samples(row):
    """One row's clip: float32 (samples,) at 16 kHz, the pause after it included."""
    voice = row["voice"]
    reading = clips.speak(row["spoken"] or row["text"], voice, "es", SPEEDS[voice])
    tail = CHAPTER_PAUSE if row["last"] else PAUSE
    return clips.finish(reading, zlib.crc32(row["id"].encode()), LEVELS[voice], lead=0.15, tail=tail)


def build():
    """All segments: (rows of the Hub's columns, features). Times are seconds from the start of the book."""
    from datasets import Audio, Features, Value
    from tqdm.auto import tqdm

    features = Features(
        {
            "audio": Audio(),
            "original_path": Value("string"),
            "begin_time": Value("float64"),
            "end_time": Value("float64"),
            "transcript": Value("string"),
            "audio_duration": Value("float64"),
            "speaker_id": Value("string"),
            "chapter_id": Value("string"),
            "file": Value("string"),
            "id": Value("string"),
        }
    )
    finished, begin = [], 0
    for row in tqdm(rows(), desc="Reading aloud"):
        name = f"{row['id']}.ogg"
        clip = samples(row)
        finished.append(
            {
                "audio": {"bytes": clips.encode(clip, zlib.crc32(row["id"].encode())), "path": name},
                "original_path": f"la_brujula_del_cartero/{int(row['chapter']):02d}.ogg",
                "begin_time": begin / clips.RATE,
                "end_time": (begin + len(clip)) / clips.RATE,
                "transcript": transcript(row["text"]),
                "audio_duration": len(clip) / clips.RATE,
                "file": name,
                **{column: row[column] for column in ("speaker_id", "chapter_id", "id")},
            }
        )
        begin += len(clip)
    return finished, features


def card(facts):
    """The data set's README.md."""
    return f"""\
{FRONT}

# Spanish audiobook: {TITLE}

A story in six chapters, {facts["minutes"]} minutes, read by two synthetic voices in {facts["clips"]}
consecutive segments. Offline it stands in for `facebook/multilingual_librispeech` ("spanish") and has the
same columns; it is not Multilingual LibriSpeech.

{SYNTHETIC}

| | |
| --- | --- |
| segments | {facts["clips"]}, {facts["shortest"]} to {facts["longest"]} s, {facts["minutes"]} minutes |
| audio | 16 kHz, mono, Opus in Ogg |
| file | data.parquet, {facts["size"]}, row groups of {ROW_GROUP} (so that streaming reads a part at a time) |
| SHA-256 | `{facts["sha256"]}` |
| Whisper base | {facts["wer"]} % WER ({LISTENER}) |

Columns: `audio` (no rate declared, as on the Hub; every clip has 16 kHz), `original_path`, `begin_time` and
`end_time` (seconds from the start of the book), `transcript` (lower case, accents kept, no punctuation),
`audio_duration` (seconds), `speaker_id`, `chapter_id`, `file`, `id` (strings). The segments follow one
another without a gap: joined in order they are the whole reading, with a pause after each segment.

`translation.json` gives an English translation of the first three segments, by id.

## Text

A girl finds her great-grandfather's compass, which does not point north, and sails with her cousin to look
for sixty-four letters that were never delivered.

## Voices

{facts["voices"]}

{LICENCE}

{making("spanish_audiobook")}
"""
