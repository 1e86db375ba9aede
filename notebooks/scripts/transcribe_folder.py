"""Transcribe the recordings of a folder: a .txt and an .srt beside each, what is there already is kept.

python transcribe_folder.py my-recordings --language french
"""

import argparse
from pathlib import Path

import torch
from faster_whisper import decode_audio
from transformers import pipeline

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--model", default="openai/whisper-base", help="name on the Hub, or a folder")
parser.add_argument("--language", help="in English, e.g. french; heard from each recording if not given")
options = parser.parse_args()

SOUND = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mp4", ".webm"}
recordings = [path for path in sorted(options.folder.iterdir()) if path.suffix.lower() in SOUND]
device = "cuda" if torch.cuda.is_available() else "cpu"
whisper = pipeline("automatic-speech-recognition", model=options.model, device=device)
how = {"num_beams": 1} | ({"language": options.language} if options.language else {})


def clock(seconds):
    """A time as SubRip writes it: 3.5 -> 00:00:03,500."""
    milliseconds = round(1000 * seconds)
    hours, minutes = milliseconds // 3_600_000, milliseconds // 60_000 % 60
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000 % 60:02},{milliseconds % 1000:03}"


for path in recordings:
    if path.with_suffix(".txt").exists():
        continue
    samples = decode_audio(str(path))  # mono, 16,000 samples a second
    sound = {"array": samples, "sampling_rate": 16_000}
    answer = whisper(sound, return_timestamps=True, generate_kwargs=how)
    cues = []
    for number, chunk in enumerate(answer["chunks"], start=1):
        start, end = chunk["timestamp"]
        end = len(samples) / 16_000 if end is None else end
        cues.append(f"{number}\n{clock(start)} --> {clock(end)}\n{chunk['text'].strip()}\n")
    path.with_suffix(".srt").write_text("\n".join(cues), encoding="utf-8")
    path.with_suffix(".txt").write_text(answer["text"].strip() + "\n", encoding="utf-8")
    print(f"{path.name}: {answer['text'].strip()}")
