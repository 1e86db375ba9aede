"""Greedy WER and CER of an exported English checkpoint on clips it has not heard, batch of one."""

import io
import json
from pathlib import Path

import jiwer
import pandas as pd
import soundfile
import soxr
import torch
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

from tools.ctc import texts

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")


def read(source):
    """Mono float32 at 16 kHz from a path or from bytes."""
    audio, rate = soundfile.read(io.BytesIO(source) if isinstance(source, bytes) else source, dtype="float32")
    audio = audio.mean(axis=1) if audio.ndim == 2 else audio
    return audio if rate == 16_000 else soxr.resample(audio, rate, 16_000)


def parts(folder, source, language="en", split="test"):
    """The clips of a source of `synthesise`: dicts of audio, text and group (voice)."""
    for path in sorted(Path(folder).glob(f"{source}-{language}-*.parquet")):
        for row in pd.read_parquet(path).query("split == @split").itertuples():
            yield {"audio": row.audio, "text": row.text, "group": row.voice}


def librivox():
    """Debian's pocketsphinx-testdata: five sentences of Sense and Sensibility, read by a volunteer."""
    for line in (LIBRIVOX / "transcription").read_text().splitlines():
        text, name = line.rsplit("(", 1)
        text = text.replace("<s>", "").replace("</s>", "")
        yield {"audio": LIBRIVOX / f"{name.strip(' )')}.wav", "text": texts.label(text), "group": "librivox"}


def data_set(path):
    """A parquet file with columns audio ({bytes, path}) and text, and maybe speaker_id or voice."""
    frame = pd.read_parquet(path)
    column = next((name for name in ("voice", "speaker_id") if name in frame), None)
    for row in frame.to_dict("records"):
        yield {
            "audio": row["audio"]["bytes"],
            "text": texts.label(row["text"]),
            "group": str(row[column]) if column else "",
        }


def clip_table(path, language="en"):
    """A folder of recordings with clips.tsv (file, language, transcript), without those that hold digits."""
    frame = pd.read_csv(Path(path) / "clips.tsv", sep="\t")
    for row in frame[frame.language == language].itertuples():
        if not any(letter.isdigit() for letter in row.transcript):
            yield {"audio": Path(path) / row.file, "text": texts.label(row.transcript), "group": row.file}


def transcribe(checkpoint, clips):
    """The greedy transcription of each clip (dicts with audio), by the plain Transformers classes."""
    processor = Wav2Vec2Processor.from_pretrained(checkpoint)
    model = Wav2Vec2ForCTC.from_pretrained(checkpoint, dtype=torch.float32).eval()
    for clip in clips:
        inputs = processor(read(clip["audio"]), sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            logits = model(inputs.input_values).logits
        yield processor.batch_decode(logits.argmax(-1))[0]


def score(checkpoint, clips):
    """WER and CER over all clips and by group, and the transcriptions: a dict."""
    clips = list(clips)
    heard = list(transcribe(checkpoint, clips))
    said = [clip["text"] for clip in clips]
    figures = {
        "clips": len(clips),
        "wer": round(jiwer.wer(said, heard), 4),
        "cer": round(jiwer.cer(said, heard), 4),
    }
    figures["groups"] = {}
    for group in sorted({clip["group"] for clip in clips}):
        chosen = [at for at, clip in enumerate(clips) if clip["group"] == group]
        pair = [said[at] for at in chosen], [heard[at] for at in chosen]
        figures["groups"][group] = {
            "clips": len(chosen),
            "wer": round(jiwer.wer(*pair), 4),
            "cer": round(jiwer.cer(*pair), 4),
        }
    figures["pairs"] = list(zip(said, heard, strict=True))
    return figures


def report(checkpoint, sets):
    """Score several sets (name -> clips) and print them; returns name -> figures."""
    figures = {}
    for name, clips in sets.items():
        figures[name] = score(checkpoint, clips)
        print(name, json.dumps({key: value for key, value in figures[name].items() if key != "pairs"}))
        for said, heard in figures[name]["pairs"][:6]:
            print("   ", said, "|", heard)
    return figures
