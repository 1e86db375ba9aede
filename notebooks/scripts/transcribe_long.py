"""Long recordings to text and subtitles: a file or a folder; what is finished is skipped the next time.

python transcribe_long.py recordings/
accelerate launch transcribe_long.py recordings/     # one process a GPU, each takes its share
"""

import argparse
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from faster_whisper import WhisperModel

ENDINGS = {".wav", ".flac", ".mp3", ".m4a", ".mp4", ".webm", ".ogg", ".opus"}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("recordings", type=Path, help="a recording, or a folder with recordings")
parser.add_argument("--model", default="large-v3-turbo", help="size, name on the Hub, or a folder")
parser.add_argument("--language", help="such as es; without it each recording's is detected")
parser.add_argument("--vad", action="store_true", help="skip what is not speech; it may cut speech off too")
options = parser.parse_args()


def stamp(seconds):
    """HH:MM:SS,mmm, as SRT writes it."""
    whole, thousandths = divmod(round(1000 * seconds), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{thousandths:03}"


def write(path, text):
    """Under another name first, so that a file with this name is always whole."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


found = sorted(options.recordings.iterdir()) if options.recordings.is_dir() else [options.recordings]
found = [path for path in found if path.suffix.lower() in ENDINGS and not path.name.startswith(".")]
if not found:
    sys.exit(f"No recording in {options.recordings}: what ends in {', '.join(sorted(ENDINGS))} is read.")

process = PartialState(cpu=not torch.cuda.is_available())
gpu = {"device": "cuda", "device_index": process.local_process_index}
model = WhisperModel(options.model, **(gpu if torch.cuda.is_available() else {"compute_type": "int8"}))
failed = False
for path in found[process.process_index :: process.num_processes]:
    text, subtitles = (path.with_name(path.name + ending) for ending in (".txt", ".srt"))
    if text.exists():
        continue
    try:
        segments, _ = model.transcribe(str(path), language=options.language, vad_filter=options.vad)
        segments = list(segments)
    except Exception as error:
        print(f"{path}: not transcribed ({error})", file=sys.stderr)
        failed = True
        continue
    lines = [f"{stamp(part.start)} --> {stamp(part.end)}\n{part.text.strip()}\n" for part in segments]
    write(subtitles, "\n".join(f"{number}\n{line}" for number, line in enumerate(lines, start=1)))
    write(text, "".join(f"{part.text.strip()}\n" for part in segments))  # last: it says that all is done
    print(f"{path} -> {text.name}, {subtitles.name}")
sys.exit(failed)
