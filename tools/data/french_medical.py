"""French medical reports: 226 sentences with marked terms, numbered so that the split of lesson 5 is known.

The lesson splits the 226 numbers 80/20 with seed 42. `test_numbers` gives it; 35 of the terms stand in
test sentences alone, every other term stands in two sentences or more, at least one of them in training.
"""

import csv
import re
import zlib
from pathlib import Path

import numpy as np

from tools.data import clips, table
from tools.data.card import LICENCE, LISTENER, SYNTHETIC, front, making
from tools.speech import kokoro

NAME = "french-medical"
FRONT = front("fr", "French medical reports", "default", {"train": "data.parquet"})
LANGUAGE = "fr"
TEXT_COLUMN = "sentence"
ROW_GROUP = 50
SENTENCES = 226
TEST = 46
TEXTS = Path(__file__).with_name("french_medical.tsv")
LEXICON = Path(__file__).with_name("french_lexicon.tsv")
# Kokoro has one French voice; blends with others give further timbres that still speak French.
VOICES = {
    "ff_siwis": {"ff_siwis": 1.0},
    "siwis + alex": {"ff_siwis": 0.6, "em_alex": 0.4},
    "siwis + dora": {"ff_siwis": 0.65, "ef_dora": 0.35},
    "siwis + michael": {"ff_siwis": 0.6, "am_michael": 0.4},
    "siwis + sara": {"ff_siwis": 0.6, "if_sara": 0.4},
}
SPEEDS = (0.9, 1.0, 1.1)


def _table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def rows():
    """The sentences: dicts of number ("001"), specialty, text (plain), terms (list of str), voice, speed."""
    return [
        {
            "number": row["number"],
            "specialty": row["specialty"],
            "text": re.sub(r"[\[\]]", "", row["text"]),
            "terms": re.findall(r"\[(.+?)\]", row["text"]),
            **reader(place),
        }
        for place, row in enumerate(_table(TEXTS))
    ]


def reader(place):
    """Who reads the sentence at a place (0, 1, ...) and how fast: speaker_id, voice (of VOICES), speed."""
    drawn = np.random.default_rng([42, place])
    speaker = int(drawn.integers(len(VOICES)))
    speed = SPEEDS[drawn.integers(len(SPEEDS))]
    return {"speaker_id": 301 + speaker, "voice": list(VOICES)[speaker], "speed": speed}


def samples(row):
    """One row's clip: float32 (samples,) at 16 kHz."""
    parts = VOICES[row["voice"]]
    voice = row["voice"] if len(parts) == 1 else kokoro.blend(list(parts), list(parts.values()))
    reading = clips.speak(spoken(row["text"]), voice, "fr-fr", row["speed"], threads=1)
    return clips.finish(reading, seed=zlib.crc32(row["text"].encode()))


def transcript(text):
    """The spelling that is compared: lower case, no punctuation."""
    from helpers.normalising import normalise

    return normalise(text, LANGUAGE)


def build():
    """All clips, terms.txt and voices.csv: (rows of number, audio, sentence, features)."""
    folder = table.ASSETS / NAME
    folder.mkdir(parents=True, exist_ok=True)
    table.write_text(folder / "terms.txt", "\n".join(terms()) + "\n")
    write_voices(folder, rows())
    return spoken_rows(rows())


def write_voices(folder, sentences):
    """Write voices.csv: the number of each clip and who reads it."""
    lines = [f"{row['number']},{row['speaker_id']}" for row in sentences]
    table.write_text(folder / "voices.csv", "\n".join(["number,voice", *lines]) + "\n")


def spoken_rows(sentences):
    """The clips of some sentences: (rows of number, audio, sentence; features)."""
    from datasets import Audio, Features, Value
    from tqdm.auto import tqdm

    features = Features(
        {"number": Value("string"), "audio": Audio(sampling_rate=clips.RATE), "sentence": Value("string")}
    )
    finished = []
    for row in tqdm(sentences, desc="Reading aloud"):
        data = clips.encode(samples(row), serial=zlib.crc32(row["text"].encode()))
        name = f"{row['number']}.ogg"
        finished.append(
            {
                "id": row["number"],
                "number": row["number"],
                "audio": {"bytes": data, "path": name},
                "sentence": row["text"],
            }
        )
    return finished, features


def test_numbers():
    """The numbers ("001") of the 46 test sentences, as train_test_split(random_state=42) draws them."""
    places = np.random.RandomState(42).permutation(SENTENCES)[:TEST]
    return {f"{place + 1:03d}" for place in places}


def terms():
    """Each term with the numbers of its sentences: dict of str to list of str, in alphabetical order."""
    found = {}
    for row in rows():
        for term in row["terms"]:
            found.setdefault(term, []).append(row["number"])
    return dict(sorted(found.items()))


def unseen_terms():
    """The terms that stand in test sentences alone: what fine-tuning cannot have taught."""
    test = test_numbers()
    return [term for term, numbers in terms().items() if test.issuperset(numbers)]


def spoken(text):
    """The text as espeak-ng must see it to say the medical words right (it takes many for English)."""
    lexicon = {row["word"]: row["spoken"] for row in _table(LEXICON)}
    lexicon |= {word[0].upper() + word[1:]: said for word, said in lexicon.items()}
    return re.sub(r"\w+", lambda word: lexicon.get(word[0], word[0]), text)


def card(facts):
    """The data set's README.md."""
    unseen = len(unseen_terms())
    blends = "\n".join(
        f"- {name}: " + ", ".join(f"{part} {share:.0%}" for part, share in parts.items())
        for name, parts in VOICES.items()
    )
    return f"""\
{FRONT}

# French medical reports

{facts["clips"]} sentences in the style of French medical reports, {facts["minutes"]} minutes, with
{len(terms())} different medical terms. They are made to teach a model terms, not facts: the patients do
not exist, and nothing here is medical advice.

{SYNTHETIC}

| | |
| --- | --- |
| clips | {facts["clips"]}, {facts["shortest"]} to {facts["longest"]} s, {facts["minutes"]} minutes |
| audio | 16 kHz, mono, Opus in Ogg |
| file | data.parquet, {facts["size"]} |
| SHA-256 | `{facts["sha256"]}` |
| Whisper base | {facts["wer"]} % WER ({LISTENER}) |

Columns: `number` (string, "001" to "226"), `audio` (16 kHz), `sentence`. `terms.txt` lists the terms, one
a line, and `voices.csv` who reads each clip. Lesson 5 writes the clips into a folder `audio` and the
sentences into a folder `reports`, as a learner's own data would come.

## Terms

Lesson 5 splits the numbers 80/20 with seed 42. {len(terms()) - unseen} terms stand in two sentences or
more, at least one of them among the 80 % (fewer once the clips of voice 305 are set apart for validation).
{unseen} terms ({unseen / len(terms()):.0%}) stand in test sentences alone: they measure what does not
transfer.

## Voices

Kokoro has one French voice. Four more timbres come from blending its style vectors with others, at three
speeds ({", ".join(map(str, SPEEDS))}):

{blends}

{facts["voices"]}

Medical words that espeak-ng takes for English are respelt for the ear in `tools/data/french_lexicon.tsv`;
some are still said as no doctor would say them.

{LICENCE}

{making("french_medical")}
"""
