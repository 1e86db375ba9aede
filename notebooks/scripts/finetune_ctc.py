"""Fine-tune a letter model on a folder of recordings with a metadata.csv (file_name, transcription).

python finetune_ctc.py my-recordings my-model --language tr
"""

import argparse
import csv
import json
import re
import unicodedata
from pathlib import Path

import jiwer
import torch
import transformers
from faster_whisper import decode_audio

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("out", type=Path, help="new folder for the model")
parser.add_argument("--model", default="facebook/wav2vec2-large-xlsr-53", help="name on the Hub, or a folder")
parser.add_argument("--language", default="", help="tr or az: capital I and İ become ı and i")
parser.add_argument("--letters", default="", help="all that may be written, e.g. abc'; default: what occurs")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--rate", type=float, default=3e-4, help="learning rate")
options = parser.parse_args()


def clean(text):
    """Small letters with their marks, apostrophes, single spaces; refuses digits."""
    if re.search(r"\d", text):
        raise SystemExit(f"{text!r} has digits: write the number in words, as it is said.")
    if options.language in ("tr", "az"):
        text = text.replace("İ", "i").replace("I", "ı")
    text = unicodedata.normalize("NFC", text.lower()).replace("’", "'")
    kept = "".join(c if unicodedata.category(c)[0] in "LM" or c == "'" else " " for c in text)
    return " ".join(kept.split())


def pad(rows):
    """A batch: the sound filled up with zeros, the labels with -100, each to its longest."""
    batch = features.pad([{"input_values": row["input_values"]} for row in rows], return_tensors="pt")
    labels = [torch.tensor(row["labels"]) for row in rows]
    return {**batch, "labels": torch.nn.utils.rnn.pad_sequence(labels, True, -100)}


with open(options.folder / "metadata.csv", encoding="utf-8-sig", newline="") as file:
    table = [(row["file_name"], clean(row["transcription"])) for row in csv.DictReader(file)]
options.out.mkdir(parents=True)  # stops where there is a folder already
letters = sorted(set(options.letters or "".join(text for _, text in table)) - {" "})
vocabulary = {token: number for number, token in enumerate(["<pad>", "<unk>", "|", *letters])}
(options.out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": None, "eos_token": None}
tokenizer = transformers.Wav2Vec2CTCTokenizer(options.out / "vocab.json", **special)
features = transformers.AutoFeatureExtractor.from_pretrained(options.model)
sounds = [decode_audio(str(options.folder / name)) for name, _ in table]  # mono, 16,000 samples a second
values = [features(sound, sampling_rate=16_000).input_values[0] for sound in sounds]
labels = [tokenizer(text).input_ids for _, text in table]
rows = [{"input_values": one, "labels": other} for one, other in zip(values, labels, strict=True)]
head = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "ignore_mismatched_sizes": True}
loss = {"ctc_loss_reduction": "mean", "ctc_zero_infinity": True}
model = transformers.AutoModelForCTC.from_pretrained(options.model, **head, **loss)
model.freeze_feature_encoder()
settings = transformers.TrainingArguments(
    options.out, max_steps=options.steps, learning_rate=options.rate, warmup_steps=0.1, seed=42,
    per_device_train_batch_size=8, fp16=torch.cuda.is_available(), logging_steps=0.1, report_to="none",
    train_sampling_strategy="group_by_length", remove_unused_columns=False, save_strategy="no",
)  # fmt: skip
train = [row for number, row in enumerate(rows) if number % 10]  # every tenth clip is kept
transformers.Trainer(model, settings, pad, train, processing_class=features).train()
transformers.Wav2Vec2Processor(features, tokenizer).save_pretrained(options.out)
model.save_pretrained(options.out)

recognise = transformers.pipeline("automatic-speech-recognition", model=str(options.out))
said = [text for _, text in table[::10]]
written = [recognise({"array": sound, "sampling_rate": 16_000})["text"] for sound in sounds[::10]]
print(*(f"said    {one}\nwritten {other}" for one, other in zip(said, written, strict=True)), sep="\n")
print(f"clips kept: {len(said)}, WER {jiwer.wer(said, written):.0%}, CER {jiwer.cer(said, written):.0%}")
