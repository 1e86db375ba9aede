"""A corpus as people have it: a folder of clips beside a folder of transcripts, checked as a whole."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from . import audio
from .decode import is_cut_short
from .normalising import normalise

SECONDS = 30.0
"""Whisper's window: of a longer clip it would never hear the end."""

TOKENS = 448
"""The longest text that Whisper's decoder can write or learn, its special tokens included."""

_FORMATS = {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif"}
_FORMATS |= {".m4a", ".mp4", ".aac", ".3gp", ".webm", ".mka"}
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060\u00ad"))
"""What editors leave in a text: byte order marks, marks of direction, soft hyphens."""

_CHARACTERS_A_SECOND = 50  # twice what the fastest speakers say


class CorpusError(ValueError):
    """A corpus that cannot be used as it is. The message lists everything that is wrong with it."""


def pairs(folder: str | Path, tokenizer=None) -> list[dict[str, str]]:
    """Match `audio/NNN.*` with `reports/NNN.txt` (UTF-8), and read every file once to see that it is sound.

    Names are matched whatever the case of their endings and however their accents are encoded. A file of
    another ending is a clip if a text has its name; one that begins with a dot, as macOS leaves them on
    sticks, never is.

    Args:
        folder: holds the folders `audio` and `reports`.
        tokenizer: Whisper's, to refuse texts of more than 448 tokens; None does not count them.

    Returns:
        Rows {"audio": path of the clip, "sentence": text}, in the order of the names.

    Raises:
        CorpusError: everything that is wrong, one line each: a clip without transcript or the other way
            round, two clips or texts of one name, a transcript that is not UTF-8, has no words or does not
            fit its clip, a clip that cannot be read, is cut short, silent or too long.
    """
    folder = Path(os.path.expanduser(folder))
    for name in ("audio", "reports"):
        if not (folder / name).is_dir():
            raise CorpusError(
                f"{folder} has no folder {name!r}: put the clips in audio, the texts in reports."
            )
    texts = _by_name(folder / "reports", {".txt"})
    clips = _by_name(folder / "audio", _FORMATS)
    for name, files in _by_name(folder / "audio").items():
        if name in texts:
            clips.setdefault(name, files)
    if not clips and not texts:
        raise CorpusError(f"{folder} holds no clips: put {', '.join(sorted(_FORMATS))} files in audio.")
    rows, wrong = [], []
    for name in sorted(clips.keys() | texts.keys()):
        mine = clips.get(name, []), texts.get(name, [])
        found = list(_unpaired(name, *mine))
        if not found:
            (clip,), (text,) = mine
            sentence, found = _checked_pair(clip, text, tokenizer)
            rows.append({"audio": str(clip), "sentence": sentence})
        wrong += found
    if wrong:
        raise CorpusError(f"{folder}: mend this and run the cell again.\n" + "\n".join(wrong))
    return rows


def _by_name(folder: Path, endings: set[str] | None = None) -> dict[str, list[Path]]:
    """The files with one of the endings (None: with any), by their name without it, in NFC."""
    found = {}
    for path in sorted(folder.iterdir()):
        if (endings is None or path.suffix.lower() in endings) and not path.name.startswith("."):
            found.setdefault(unicodedata.normalize("NFC", path.stem), []).append(path)
    return found


def _unpaired(name: str, clips: list[Path], texts: list[Path]) -> Iterator[str]:
    if not clips:
        yield f"reports/{texts[0].name} has no clip: add audio/{name}.wav, or remove the text."
    if not texts:
        yield f"audio/{clips[0].name} has no transcript: write reports/{name}.txt."
    for kind, files in (("audio", clips), ("reports", texts)):
        if len(files) > 1:
            yield f"{' and '.join(f'{kind}/{file.name}' for file in files)} share a name: keep one."


def _checked_pair(clip: Path, text: Path, tokenizer) -> tuple[str, list[str]]:
    """The text of a pair in one line, and what is wrong with the two."""
    wrong, length = [], None
    try:
        samples = audio.check(audio.read(clip), max_seconds=SECONDS)
        length = len(samples) / audio.SAMPLE_RATE
        if is_cut_short(clip.read_bytes()):
            wrong.append(f"audio/{clip.name} ends before its header says: copy it again.")
    except audio.AudioError as error:
        wrong.append(f"audio/{clip.name}: {str(error).replace(str(clip), clip.name)}")
    try:
        sentence = " ".join(text.read_text(encoding="utf-8").translate(_INVISIBLE).split())
    except UnicodeDecodeError:
        return "", [*wrong, f"reports/{text.name} is not UTF-8: save it as UTF-8."]
    except OSError as error:
        return "", [*wrong, f"reports/{text.name} cannot be read ({error.strerror}): check who may read it."]
    if "\0" in sentence or sentence.startswith("{\\rtf"):
        wrong.append(f"reports/{text.name} is UTF-16, RTF or binary: save it as plain text, UTF-8.")
    elif not normalise(sentence):
        wrong.append(f"reports/{text.name} is empty or has no words: write what is said.")
    elif length and len(sentence) > _CHARACTERS_A_SECOND * length:
        wrong.append(
            f"reports/{text.name} has {len(sentence):,} characters for {length:.1f} s of sound: "
            "does it belong to another clip?"
        )
    elif tokenizer is not None and (count := len(tokenizer(sentence).input_ids)) > TOKENS:
        wrong.append(f"reports/{text.name} has {count} tokens and {TOKENS} fit: cut clip and text in two.")
    return sentence, wrong
