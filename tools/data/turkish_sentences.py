"""Turkish sentences in an accent: 393 clips in the form of google/fleurs (tr_tr), in three splits."""

import re
import zlib
from pathlib import Path

import numpy as np

from helpers.normalising import normalise
from tools.data import clips
from tools.data.card import LICENCE, LISTENER, SYNTHETIC, front, making

NAME = "turkish-sentences"
FRONT = front(
    "tr",
    "Turkish sentences in an accent",
    "tr_tr",
    {split: f"{split}.parquet" for split in ("train", "validation", "test")},
)
LANGUAGE = "tr"
TEXT_COLUMN = "raw_transcription"
ROW_GROUP = 60
TEXTS = Path(__file__).with_name("turkish_sentences.txt")
# Kokoro has no Turkish voice. Of ten voices of other languages Whisper base understood these best.
VOICES = ("hm_psi", "pf_dora", "if_sara", "hf_beta", "hm_omega")
SPEED = 0.9
SPLITS = {"test": 60, "validation": 40, "train": None}


def rows():
    """The sentences: dicts of id, text, split, speaker_id, voice."""
    texts = TEXTS.read_text(encoding="utf-8").split("\n")[:-1]
    order = np.random.RandomState(7).permutation(len(texts))
    split = {}
    start = 0
    for name, count in SPLITS.items():
        stop = len(texts) if count is None else start + count
        split |= dict.fromkeys(order[start:stop].tolist(), name)
        start = stop
    return [
        {
            "id": place,
            "text": text,
            "split": split[place],
            "speaker_id": 501 + place % len(VOICES),
            "voice": VOICES[place % len(VOICES)],
        }
        for place, text in enumerate(texts)
    ]


def transcript(text):
    """The spelling that fleurs calls transcription: lower case, no punctuation."""
    return re.sub("['’]", "", normalise(text, LANGUAGE))


def samples(row):
    """One row's clip: float32 (samples,) at 16 kHz."""
    reading = clips.speak(row["text"], row["voice"], "tr", SPEED, threads=1)
    return clips.finish(reading, zlib.crc32(row["text"].encode()))


def build():
    """All clips: (rows of the Hub's columns and their split, features)."""
    from datasets import Audio, ClassLabel, Features, Value
    from tqdm.auto import tqdm

    features = Features(
        {
            "id": Value("int32"),
            "num_samples": Value("int32"),
            "path": Value("string"),
            "audio": Audio(sampling_rate=clips.RATE),
            "transcription": Value("string"),
            "raw_transcription": Value("string"),
            "gender": ClassLabel(names=["male", "female", "other"]),
            "language": Value("string"),
        }
    )
    finished = []
    for row in tqdm(rows(), desc="Reading aloud"):
        name, clip = f"{row['id']:03d}.ogg", samples(row)
        finished.append(
            {
                "id": row["id"],
                "split": row["split"],
                "num_samples": len(clip),
                "path": name,
                "audio": {"bytes": clips.encode(clip, zlib.crc32(row["text"].encode())), "path": name},
                "transcription": transcript(row["text"]),
                "raw_transcription": row["text"],
                "gender": int(row["voice"][1] == "f"),
                "language": "Turkish",
            }
        )
    return finished, features


def card(facts):
    """The data set's README.md."""
    return f"""\
{FRONT}

# Turkish sentences in an accent

{facts["clips"]} short sentences of daily life, {facts["minutes"]} minutes. Offline they stand in for
`google/fleurs` ("tr_tr") and have its columns but for `lang_id` and `lang_group_id`; they are not FLEURS.

**No Turk speaks here, and no Turkish voice.** The synthesiser has none: voices made for Hindi, Portuguese
and Italian read Turkish phonemes, and sound like it. The sentences are understood, the accent is foreign, and
vowels that those languages lack come out blurred. What a model learns from them is how to learn from a small
corpus, not Turkish as people speak it.

{SYNTHETIC}

| | |
| --- | --- |
| clips | {facts["clips"]}, {facts["shortest"]} to {facts["longest"]} s, {facts["minutes"]} minutes |
| splits | {", ".join(f"{name} {count}" for name, count in facts["splits"].items())}; no sentence in two |
| audio | 16 kHz, mono, Opus in Ogg |
| files | {facts["size"]} |
| SHA-256 | {facts["sha256"]} |
| Whisper base, test split | {facts["wer"]} % WER ({LISTENER}) |

The texts hold every letter of the Turkish alphabet but j, which stands in loan words only.

Columns: `id`, `num_samples`, `path`, `audio` (16 kHz), `transcription` (lower case, no punctuation),
`raw_transcription` (as written), `gender` (of the voice), `language`.

## Voices

{facts["voices"]}

{LICENCE}

{making("turkish_sentences", "txt")}
"""
