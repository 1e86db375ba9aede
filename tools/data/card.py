"""What the cards of the data sets say alike: figures, voices, licence, how it was made."""

from collections import Counter
from statistics import mean

from tools.data import table

VOICES = {"a": "American English", "b": "British English", "e": "Spanish", "f": "French"}
VOICES |= {"h": "Hindi", "i": "Italian", "p": "Portuguese"}

LISTENER = "CTranslate2, int8, greedy; case and punctuation ignored, numbers in words"

LICENCE = """\
## Licence

Texts and recordings: the course's own work, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). The
voices and the model that read them, [Kokoro-82M](https://huggingface.co/hexgrad/Kokoro-82M), are
Apache-2.0. No sentence was taken from elsewhere, and no person was recorded."""

SYNTHETIC = """\
Nobody speaks here: every clip is synthetic speech. It is cleaner, more even and easier than people, so an
error rate measured on it flatters every model. Compare models with it; do not quote it as a benchmark."""


def front(language, title, config, splits):
    """The card's YAML. By `configs` `load_dataset` finds a split (name to file) in the folder."""
    files = "\n".join(f"  - split: {split}\n    path: {file}" for split, file in splits.items())
    return f"""\
---
language: {language}
license: cc-by-4.0
task_categories: [automatic-speech-recognition]
pretty_name: {title}
size_categories: [n<1K]
configs:
- config_name: {config}
  data_files:
{files}
---
"""


def facts(paths, levels, rate, each, rows):
    """The measured figures a card is filled with."""
    seconds = levels[:, 2]
    return {
        "clips": len(rows),
        "minutes": f"{seconds.sum() / 60:.1f}",
        "shortest": f"{seconds.min():.1f}",
        "longest": f"{seconds.max():.1f}",
        "size": f"{sum(path.stat().st_size for path in paths) / 1e6:.1f} MB",
        "wer": f"{rate:.1f}",
        "sha256": ", ".join(_digest(path) for path in paths) if len(paths) > 1 else table.sha256(paths[0]),
        "splits": Counter(row["split"] for row in rows if "split" in row),
        "voices": voices(rows, seconds, each),
    }


def _digest(path):
    return f"{path.name} `{table.sha256(path)}`"


def voices(rows, seconds, each):
    """A table of the voices, with the mean over a voice's clips of each clip's WER, `each` by place."""
    lines = ["| speaker_id | voice | reads | clips | seconds | WER of Whisper base, mean over clips |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for speaker, voice in dict.fromkeys((row["speaker_id"], row["voice"]) for row in rows):
        mine = [place for place, row in enumerate(rows) if row["voice"] == voice]
        kind = f"{VOICES[voice[0]]}, {'female' if voice[1] == 'f' else 'male'}" if "_" in voice else "blend"
        total = sum(seconds[place] for place in mine)
        errors = mean(each[place] for place in mine if place in each)
        lines.append(f"| {speaker} | {voice} | {kind} | {len(mine)} | {total:.0f} | {errors:.1f} % |")
    return "\n".join(lines)


def making(module, suffix="tsv"):
    """How a data set is made again."""
    return f"""\
## How it was made

`python -m tools.data {module}` from the repository's root, after the set-up in `tools/speech/README.md`.
The texts stand in `tools/data/{module}.{suffix}`, with case and punctuation, and a spelling for the ear where
espeak-ng would misread a word. espeak-ng gives the phonemes and Kokoro-82M (int8 ONNX) the speech at 24
kHz; it is resampled to 16 kHz, trimmed, set to a level of its own and given quiet room tone (-66 dB), then
written as Opus in Ogg, mono, which libsndfile (`soundfile`) decodes without FFmpeg."""
