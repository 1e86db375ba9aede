"""Every word of a recording with its time and how sure a CTC model was of it, the least sure marked.

python words_with_confidence.py recording.wav > words.tsv
"""

import argparse
from itertools import groupby

import torch
from faster_whisper import decode_audio
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("recording")
parser.add_argument("--model", default="facebook/wav2vec2-base-960h", help="name on the Hub, or a folder")
parser.add_argument("--unsure", type=float, default=0.6, help="words below this are marked with a *")
options = parser.parse_args()

processor = Wav2Vec2Processor.from_pretrained(options.model)
model = Wav2Vec2ForCTC.from_pretrained(options.model, dtype=torch.float32)
samples = decode_audio(options.recording)  # mono, 16,000 samples a second
with torch.inference_mode():
    inputs = processor(samples, sampling_rate=16_000, return_tensors="pt")
    probabilities = model(**inputs).logits[0].softmax(-1)  # (frames, tokens)

seconds = len(samples) / 16_000 / len(probabilities)  # of one frame
path, blank = probabilities.argmax(-1), processor.tokenizer.pad_token_id
found = processor.tokenizer.decode(path, output_word_offsets=True)
print("start\tend\tword\tconfidence\tunsure")
for word in found.word_offsets:
    start, end = word["start_offset"], word["end_offset"]
    runs = groupby(range(start, end), key=path.tolist().__getitem__)
    sure = min(probabilities[list(run), token].max().item() for token, run in runs if token != blank)
    mark = "*" if sure < options.unsure else ""
    print(f"{start * seconds:.2f}\t{end * seconds:.2f}\t{word['word']}\t{sure:.2f}\t{mark}")
