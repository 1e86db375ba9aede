"""Telephone banking: 120 callers' requests at 8 kHz, in the form of PolyAI/minds14 (en-US)."""

import csv
import re
import zlib
from pathlib import Path

import numpy as np
import soxr

from tools.data import clips
from tools.data.card import LICENCE, LISTENER, SYNTHETIC, front, making

NAME = "banking-calls"
FRONT = front("en", "Telephone banking requests", "en-US", {"train": "data.parquet"})
LANGUAGE = "en"
TEXT_COLUMN = "transcription"
ROW_GROUP = 40
RATE = 8_000  # Hz: what a telephone line carries
TEXTS = Path(__file__).with_name("banking_calls.tsv")
VOICES = (
    "af_heart",
    "am_michael",
    "bf_emma",
    "bm_george",
    "af_bella",
    "am_fenrir",
    "bf_isabella",
    "bm_fable",
    "af_sarah",
    "am_puck",
    "bf_lily",
    "am_eric",
)
SPEEDS = (0.9, 1.0, 1.1)
# The classes of minds14, in its order.
INTENTS = (
    "abroad",
    "address",
    "app_error",
    "atm_limit",
    "balance",
    "business_loan",
    "card_issues",
    "cash_deposit",
    "direct_debit",
    "freeze",
    "high_value_payment",
    "joint_account",
    "latest_transactions",
    "pay_bill",
)
LOCALES = ("cs-CZ", "de-DE", "en-AU", "en-GB", "en-US", "es-ES", "fr-FR", "it-IT", "ko-KR", "nl-NL", "pl-PL")
LOCALES += ("pt-PT", "ru-RU", "zh-CN")


def rows():
    """The requests: dicts of id, intent, text, speaker_id, voice, speed."""
    with TEXTS.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for place, row in enumerate(table):
        drawn = np.random.default_rng([14, place])
        speaker = place % len(VOICES)
        row |= {"id": f"{place:03d}", "speaker_id": 401 + speaker, "voice": VOICES[speaker]}
        row["speed"] = SPEEDS[drawn.integers(len(SPEEDS))]
    return table


def transcript(text):
    """The spelling that is compared: lower case, no punctuation but the apostrophe."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def telephone(samples, seed):
    """Speech at 16 kHz as the far end of a line hears it: float32 (samples / 2,) at 8 kHz.

    Band of 300 to 3400 Hz, 8-bit mu-law (ITU-T G.711) and noise 28 to 38 dB under the speech.
    """
    from scipy.signal import butter, sosfiltfilt

    drawn = np.random.default_rng(seed)
    narrow = soxr.resample(samples, clips.RATE, RATE)
    narrow = sosfiltfilt(butter(4, (300, 3400), "bandpass", fs=RATE, output="sos"), narrow)
    noise = (
        drawn.standard_normal(len(narrow)) * np.sqrt(np.mean(narrow**2)) / 10 ** (drawn.uniform(28, 38) / 20)
    )
    line = np.clip((narrow + noise) / np.abs(narrow).max() * 0.7, -1, 1)
    mu = 255
    coded = np.round(np.sign(line) * np.log1p(mu * np.abs(line)) / np.log1p(mu) * 127) / 127
    return (np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(mu)) / mu).astype(np.float32)


def samples(row):
    """One row's clip: float32 (samples,) at 8 kHz."""
    language = "en-gb" if row["voice"].startswith("b") else "en-us"
    reading = clips.speak(row["text"], row["voice"], language, row["speed"], threads=1)
    seed = zlib.crc32(row["text"].encode())
    return telephone(clips.finish(reading, seed), seed)


def build():
    """All clips: (rows of the Hub's columns, features)."""
    from datasets import Audio, ClassLabel, Features, Value
    from tqdm.auto import tqdm

    features = Features(
        {
            "path": Value("string"),
            "audio": Audio(sampling_rate=RATE),
            "transcription": Value("string"),
            "english_transcription": Value("string"),
            "intent_class": ClassLabel(names=list(INTENTS)),
            "lang_id": ClassLabel(names=list(LOCALES)),
        }
    )
    finished = []
    for row in tqdm(rows(), desc="Calling"):
        name = f"en-US~{row['intent'].upper()}/{row['id']}.ogg"
        text = row["text"].rstrip(".?")
        finished.append(
            {
                "id": row["id"],
                "path": name,
                "audio": {
                    "bytes": clips.encode(samples(row), zlib.crc32(row["text"].encode()), RATE),
                    "path": name,
                },
                "transcription": text,
                "english_transcription": text,
                "intent_class": INTENTS.index(row["intent"]),
                "lang_id": LOCALES.index("en-US"),
            }
        )
    return finished, features


def card(facts):
    """The data set's README.md."""
    return f"""\
{FRONT}

# Telephone banking requests

{facts["clips"]} callers tell a bank what they want, {facts["minutes"]} minutes at 8 kHz, with the fillers and
false starts of people who speak before they have finished thinking. Offline they stand in for
`PolyAI/minds14` ("en-US") and have the same columns and classes; they are not MInDS-14.

{SYNTHETIC}

| | |
| --- | --- |
| clips | {facts["clips"]}, {facts["shortest"]} to {facts["longest"]} s, {facts["minutes"]} minutes |
| audio | 8 kHz, mono, Opus in Ogg |
| file | data.parquet, {facts["size"]} |
| SHA-256 | `{facts["sha256"]}` |
| Whisper base | {facts["wer"]} % WER ({LISTENER}) |

Columns: `path`, `audio` (8 kHz), `transcription` (as written, without the last mark), `english_transcription`
(the same, since the calls are English), `intent_class` ({len(INTENTS)} classes), `lang_id` (all "en-US").

## Text

The course's own. Callers with one intent use much the same words, as people do; no two sentences are equal.

## The line

Each reading is resampled to 8 kHz, limited to 300 to 3400 Hz, given noise 28 to 38 dB under the speech, and
coded and decoded as 8-bit mu-law (ITU-T G.711), as a telephone exchange does.

## Voices

{facts["voices"]}

No checkpoint of the course was trained on bf_lily and am_eric.

{LICENCE}

{making("banking_calls")}
"""
