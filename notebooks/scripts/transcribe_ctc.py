"""Transcribe the recordings of a folder with a CTC checkpoint, such as the folder that lesson 7 saves.

python transcribe_ctc.py my-recordings --model wav2vec2-turkish [--arpa words.arpa] > texts.tsv
"""

import argparse
from pathlib import Path

import torch
from ctc_beam_decoder import build_ctcdecoder
from faster_whisper import decode_audio
from transformers import AutoModelForCTC, AutoProcessor

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--model", default="facebook/wav2vec2-base-960h", help="name on the Hub, or a folder")
parser.add_argument("--arpa", help="a language model of words; without one, the best token of each frame")
parser.add_argument("--weight", type=float, default=0.5, help="of the language model")
options = parser.parse_args()

SOUND = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mp4", ".webm"}
RATE, WINDOW, MARGIN = 16_000, 20, 2  # seconds of a window, and how much of it the next one hears again
processor = AutoProcessor.from_pretrained(options.model)
device = "cuda" if torch.cuda.is_available() else "cpu"
model = AutoModelForCTC.from_pretrained(options.model, dtype=torch.float32).to(device).eval()


def emit(samples):
    """Log probabilities, (frames, tokens); a long recording goes through in windows that overlap."""
    step, pieces = (WINDOW - 2 * MARGIN) * RATE, []
    last = max(0, len(samples) - 2 * MARGIN * RATE - 1) // step
    for number in range(last + 1):
        window = samples[number * step : number * step + WINDOW * RATE]
        inputs = processor(window, sampling_rate=RATE, return_tensors="pt").to(device)
        with torch.inference_mode():
            scores = model(**inputs).logits[0].float().log_softmax(-1).cpu()
        edge = round(MARGIN * RATE * len(scores) / len(window))  # frames
        pieces.append(scores[edge if number else 0 : len(scores) if number == last else len(scores) - edge])
    return torch.cat(pieces)


decoder = None
if options.arpa:
    tokenizer = processor.tokenizer
    names = {tokenizer.word_delimiter_token: " ", tokenizer.pad_token: "", tokenizer.unk_token: "⁇"}
    tokens = tokenizer.convert_ids_to_tokens(range(model.config.vocab_size))
    labels = [names.get(token, token) for token in tokens]
    decoder = build_ctcdecoder(labels, options.arpa, alpha=options.weight)
for path in sorted(options.folder.iterdir()):
    if path.suffix.lower() in SOUND:
        scores = emit(decode_audio(str(path)))  # mono, 16,000 samples a second
        text = decoder.decode(scores.numpy()) if decoder else processor.decode(scores.argmax(-1))
        print(path.name, text, sep="\t")
