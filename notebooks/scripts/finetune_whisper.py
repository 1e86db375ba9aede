"""Fine-tune Whisper on a folder: audio/NNN.* with reports/NNN.txt, or metadata.csv (file_name, sentence).

python finetune_whisper.py my-recordings my-whisper --language french
accelerate launch finetune_whisper.py my-recordings my-whisper --language french    # on all GPUs
"""

import argparse
import csv
import sys
from pathlib import Path

import torch
from faster_whisper import decode_audio
from peft import LoraConfig, get_peft_model
from transformers import (
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=Path)
parser.add_argument("output", type=Path, help="folder for checkpoints and the trained model")
parser.add_argument("--language", required=True, help="in English, e.g. french")
parser.add_argument("--model", default="openai/whisper-base", help="name on the Hub, or a folder")
parser.add_argument("--lora", action="store_true", help="train small matrices, then add them to the weights")
parser.add_argument("--steps", type=int, default=700)
parser.add_argument("--batch", type=int, default=16, help="of each process: out of memory? halve it")
parser.add_argument("--accumulate", type=int, default=1, help="batches a step: ... and double this")
parser.add_argument("--rate", type=float, help="learning rate: 1e-5 if not given, 1e-3 with --lora")
parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in output")
options = parser.parse_args()

if (table := options.folder / "metadata.csv").exists():
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = [(options.folder / row["file_name"], row["sentence"]) for row in csv.DictReader(file)]
else:
    clips = sorted(path for path in (options.folder / "audio").glob("*") if not path.name.startswith("."))
    texts = [options.folder / "reports" / f"{clip.stem}.txt" for clip in clips]
    rows = [(clip, text.read_text("utf-8-sig").strip()) for clip, text in zip(clips, texts, strict=True)]
if len(rows) < 10:
    sys.exit(f"{len(rows)} recordings in {options.folder} are too few: record at least ten.")

processor = WhisperProcessor.from_pretrained(options.model, language=options.language, task="transcribe")
model = WhisperForConditionalGeneration.from_pretrained(options.model, dtype=torch.float32)
model.generation_config.language, model.generation_config.task = options.language, "transcribe"
start = model.config.decoder_start_token_id
if options.lora:
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=r".*\.(q_proj|v_proj)"))


def collate(some):
    """Rows of (path, text) to input_features (rows, bands, 3000) and labels (rows, longest)."""
    sounds = [decode_audio(str(path)) for path, _ in some]  # mono, 16,000 samples a second
    for (path, _), sound in zip(some, sounds, strict=True):
        if len(sound) > 30 * 16_000:
            raise ValueError(f"{path} is longer than 30 s, Whisper's window: cut it and its text in two.")
    batch = processor.feature_extractor(sounds, sampling_rate=16_000, return_tensors="pt")
    labels = processor.tokenizer([text for _, text in some], padding=True, return_tensors="pt")
    ids = labels.input_ids.masked_fill(labels.attention_mask == 0, -100)
    batch["labels"] = ids[:, 1:] if (ids[:, 0] == start).all() else ids
    return dict(batch)


validation, train = rows[::10], [row for place, row in enumerate(rows) if place % 10]
arguments = Seq2SeqTrainingArguments(
    output_dir=str(options.output), max_steps=options.steps, per_device_train_batch_size=options.batch,
    gradient_accumulation_steps=options.accumulate, seed=42,
    warmup_steps=min(500, options.steps // 10), fp16=torch.cuda.is_available(), eval_strategy="steps",
    eval_steps=min(100, options.steps), save_steps=min(100, options.steps), save_total_limit=2,
    load_best_model_at_end=True, remove_unused_columns=False, label_names=["labels"],
    learning_rate=options.rate or (1e-3 if options.lora else 1e-5),
)  # fmt: skip
trainer = Seq2SeqTrainer(
    model=model, args=arguments, train_dataset=train, eval_dataset=validation, data_collator=collate
)  # fmt: skip
trainer.train(resume_from_checkpoint=options.resume)
if trainer.is_world_process_zero():
    trained = trainer.accelerator.unwrap_model(trainer.model)
    (trained.merge_and_unload() if options.lora else trained).save_pretrained(options.output)
    processor.save_pretrained(options.output)
    best = f"loss {trainer.state.best_metric:.3f} on {len(validation)} others"
    print(f"{options.output}: trained on {len(train)} clips, {best}")
