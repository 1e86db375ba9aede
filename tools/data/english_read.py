"""English read sentences: 73 clips in the form of hf-internal-testing/librispeech_asr_dummy."""

import csv
import re
import zlib
from pathlib import Path

from tools.data import clips
from tools.data.card import LICENCE, LISTENER, SYNTHETIC, front, making

NAME = "english-read"
FRONT = front("en", "English read sentences", "clean", {"validation": "data.parquet"})
LANGUAGE = "en"
TEXT_COLUMN = "text"
ROW_GROUP = 25
TEXTS = Path(__file__).with_name("english_read.tsv")
LEVELS = (-23.0, -25.0, -24.0, -26.0)  # dB RMS: readers do not sit equally close to the microphone


def rows():
    """The text file's rows with LibriSpeech's identifiers: a speaker a voice, a chapter a story."""
    with TEXTS.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    voices = list(dict.fromkeys(row["voice"] for row in table))
    count = dict.fromkeys(voices, 0)
    for row in table:
        place = voices.index(row["voice"])
        row["speaker_id"], row["chapter_id"] = 101 + place, 1001 + place
        row["id"] = f"{row['speaker_id']}-{row['chapter_id']}-{count[row['voice']]:04d}"
        count[row["voice"]] += 1
    return table


def transcript(text):
    """LibriSpeech's spelling: upper case, no punctuation but the apostrophe.

    >>> transcript("A king's apology, he said.")
    "A KING'S APOLOGY HE SAID"
    """
    return " ".join(re.sub(r"[^A-Z' ]", " ", text.upper()).split())


def samples(row):
    """One row's clip: float32 (samples,) at 16 kHz."""
    language = "en-gb" if row["voice"].startswith("b") else "en-us"
    reading = clips.speak(row["spoken"] or row["text"], row["voice"], language)
    level = LEVELS[row["speaker_id"] % len(LEVELS)]
    return clips.finish(reading, seed=zlib.crc32(row["id"].encode()), level=level)


def build():
    """All clips: (rows of the Hub's columns, features)."""
    from datasets import Audio, Features, Value
    from tqdm.auto import tqdm

    features = Features(
        {
            "file": Value("string"),
            "audio": Audio(sampling_rate=clips.RATE),
            "text": Value("string"),
            "speaker_id": Value("int64"),
            "chapter_id": Value("int64"),
            "id": Value("string"),
        }
    )
    finished = []
    for row in tqdm(rows(), desc="Reading aloud"):
        name = f"{row['id']}.ogg"
        data = clips.encode(samples(row), serial=zlib.crc32(row["id"].encode()))
        finished.append(
            {
                "file": f"{row['speaker_id']}/{row['chapter_id']}/{name}",
                "audio": {"bytes": data, "path": name},
                "text": transcript(row["text"]),
                **{column: row[column] for column in ("speaker_id", "chapter_id", "id")},
            }
        )
    return finished, features


def card(facts):
    """The data set's README.md."""
    return f"""\
{FRONT}

# English read sentences

{facts["clips"]} sentences of short stories in plain modern English, {facts["minutes"]} minutes, read by
twelve synthetic voices, American and British. Offline they stand in for the 73 clips of
`hf-internal-testing/librispeech_asr_dummy` ("clean", validation) and have the same columns; they are not
LibriSpeech.

{SYNTHETIC}

| | |
| --- | --- |
| clips | {facts["clips"]}, {facts["shortest"]} to {facts["longest"]} s, {facts["minutes"]} minutes |
| audio | 16 kHz, mono, Opus in Ogg |
| file | data.parquet, {facts["size"]} |
| SHA-256 | `{facts["sha256"]}` |
| Whisper base | {facts["wer"]} % WER ({LISTENER}) |

Columns: `file` and `id` (string: speaker-chapter-sentence), `audio` (16 kHz), `text` (upper case, no
punctuation but the apostrophe), `speaker_id` and `chapter_id` (int64).

## Text

Twelve small stories, one a voice. On purpose they hold what a model that spells by ear gets wrong:
Christmas, roast beef and similes (clip 2), silent letters (knight, gnome, wrist, island, debt, psalm,
colonel, yacht, receipt, choir), homophones (knight, knot, rye, flour, too), loan words (sleigh, ballet,
champagne, pneumatic), rare names (Rathbone, Pellew, Villeneuve, Cholmondeley, which is said "Chumley"), and
British spellings (rumour, neighbour, pyjamas).

## Voices

{facts["voices"]}

The voices bf_lily, am_eric, af_jessica and bm_lewis are reserved: no checkpoint of the course was trained
on them.

{LICENCE}

{making("english_read")}
"""
