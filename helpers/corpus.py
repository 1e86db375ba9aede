"""A corpus as people have it: a folder of clips beside a folder of transcripts, checked as a whole."""

from __future__ import annotations

from pathlib import Path

from . import audio
from .supply.files import replacing

SECONDS = 30.0
"""Whisper's window: of a longer clip it would never hear the end."""

_FORMATS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff"}


class CorpusError(ValueError):
    """A corpus that cannot be used as it is. The message lists everything that is wrong with it."""


def unpack(parquet: str | Path, folder: str | Path) -> Path:
    """Write a shipped data set out as files: `audio/NNN.ogg` and `reports/NNN.txt`.

    Args:
        parquet: a file with the columns number, audio (bytes inside) and sentence.
        folder: folder to write; an existing one is replaced when, and only when, all went well.

    Returns:
        `folder`.

    Raises:
        CorpusError: no such file, or other columns.
    """
    import pyarrow.parquet as pq

    parquet, folder = Path(parquet), Path(folder)
    if not parquet.is_file():
        raise CorpusError(f"There is no file {parquet}: name a data.parquet of the course.")
    table = pq.read_table(parquet)
    if missing := {"number", "audio", "sentence"} - set(table.column_names):
        raise CorpusError(f"{parquet} has no column {', '.join(sorted(missing))}: name another file.")
    with replacing(folder) as scratch:
        for name in ("audio", "reports"):
            (scratch / name).mkdir()
        for row in table.to_pylist():
            suffix = Path(row["audio"]["path"]).suffix
            (scratch / "audio" / f"{row['number']}{suffix}").write_bytes(row["audio"]["bytes"])
            (scratch / "reports" / f"{row['number']}.txt").write_text(row["sentence"], encoding="utf-8")
    return folder


def pairs(folder: str | Path, seconds: float = SECONDS) -> list[dict[str, str]]:
    """Match `audio/NNN.*` with `reports/NNN.txt` (UTF-8), and read every file once to see that it is sound.

    Args:
        folder: holds the folders `audio` and `reports`.
        seconds: the longest clip that is accepted.

    Returns:
        Rows {"audio": path of the clip, "sentence": text}, in the order of the names.

    Raises:
        CorpusError: everything that is wrong, one line each: a clip without transcript or the other way
            round, two clips of one name, a transcript that is empty or not UTF-8, a clip that cannot be read,
            is silent or too long.
    """
    folder = Path(folder)
    for name in ("audio", "reports"):
        if not (folder / name).is_dir():
            raise CorpusError(
                f"{folder} has no folder {name!r}: put the clips in audio, the texts in reports."
            )
    wrong, clips = [], {}
    for path in sorted((folder / "audio").iterdir()):
        if path.suffix.lower() in _FORMATS:
            clips.setdefault(path.stem, []).append(path)
    texts = {path.stem: path for path in sorted((folder / "reports").glob("*.txt"))}
    rows = []
    for name in sorted(clips.keys() | texts.keys()):
        found = _problems(clips.get(name, []), texts.get(name), name, seconds)
        wrong += found
        if not found:
            sentence = texts[name].read_text(encoding="utf-8")
            rows.append({"audio": str(clips[name][0]), "sentence": " ".join(sentence.split())})
    if wrong:
        raise CorpusError(f"{folder}: mend this and run the cell again.\n" + "\n".join(wrong))
    if not rows:
        raise CorpusError(f"{folder} holds no clips: put {', '.join(sorted(_FORMATS))} files in audio.")
    return rows


def _problems(clips: list[Path], text: Path | None, name: str, seconds: float) -> list[str]:
    wrong = []
    if not clips:
        wrong.append(f"reports/{name}.txt has no clip: add audio/{name}.wav, or remove the text.")
    if len(clips) > 1:
        wrong.append(f"{' and '.join(f'audio/{clip.name}' for clip in clips)} share a name: keep one.")
    if text is None:
        wrong.append(f"audio/{clips[0].name} has no transcript: write reports/{name}.txt.")
    else:
        try:
            if not text.read_text(encoding="utf-8").strip():
                wrong.append(f"reports/{text.name} is empty: write what is said.")
        except UnicodeDecodeError:
            wrong.append(f"reports/{text.name} is not UTF-8: save it as UTF-8.")
    for clip in clips:
        try:
            samples, rate = audio.load(clip)
            audio.check(samples, rate, expected_rate=rate, max_seconds=seconds)
        except audio.AudioError as error:
            wrong.append(f"audio/{clip.name}: {str(error).replace(str(clip), clip.name)}")
    return wrong
