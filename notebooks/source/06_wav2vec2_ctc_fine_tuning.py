# %%
from helpers import course

course.start("06")

# %% [markdown]
# ## A hundred calls
#
# MInDS-14 holds calls to a bank, in fourteen languages: what people want, in their own words, over the
# telephone. We take 120 calls in English, mixed with a fixed seed.

# %%
from helpers import catalog

calls = catalog.dataset("PolyAI/minds14", "en-US", split="train").shuffle(seed=42).select(range(120))
intents = calls.features["intent_class"].names
print(f"{len(calls)} calls, {len(intents)} intents: {', '.join(intents[:5])}, …")

# %% [markdown]
# A data set often knows more than a task needs. We keep sound and transcript, and put a fifth of the calls
# aside to judge by.

# %% tags=["nbval-check-output"]
calls = calls.remove_columns(["english_transcription", "intent_class", "lang_id"])
calls = calls.train_test_split(test_size=0.2, seed=42)
print({name: part.num_rows for name, part in calls.items()}, calls["train"].column_names)

# %%
from helpers import audio, display
from IPython.display import display as show

for row in calls["test"].select(range(2)):
    samples, rate = audio.load(row["audio"])
    show(display.listen(samples, rate, f"{rate} Hz: {row['transcription']}"))

# %% [markdown]
# ## From 8 to 16 kHz
#
# The calls have 8,000 samples a second, the model expects 16,000. Resampling gives it the number it wants.
# Does it give back the sound? Below, a sentence recorded at 16 kHz stands beside a call, resampled.

# %%
from helpers import plots

reading = catalog.dataset("hf-internal-testing/librispeech_asr_dummy", "clean", split="validation")
samples, rate = audio.load(calls["test"][0]["audio"])
sounds = {
    "recorded at 16 kHz": audio.read(reading[2]["audio"])[: 4 * 16_000],
    f"a call, {rate} Hz resampled": audio.resample(samples, rate, 16_000)[: 4 * 16_000],
}
pictures = plots.axes(1, 2, width=11, height=2.8, sharey=True)
for ax, (title, sound) in zip(pictures, sounds.items(), strict=True):
    ax.specgram(sound, NFFT=512, Fs=16_000, noverlap=256, cmap="magma", vmin=-140)
    ax.set(title=title, xlabel="time (s)", ylim=(0, 8000))
pictures[0].set_ylabel("frequency (Hz)")
display.figure(ax.figure, alt="Two spectrograms up to 8 kHz: a recording at 16 kHz, and a resampled call.")

# %%
import numpy as np

for title, sound in sounds.items():
    power = np.abs(np.fft.rfft(sound)) ** 2
    above = power[np.fft.rfftfreq(len(sound), 1 / 16_000) > 4000].sum() / power.sum()
    print(f"{title:28} {above:.4%} of the power lies above 4 kHz")

# %% [markdown]
# Half of the picture stays dark: what the line did not carry, no resampling can invent. Little of the power
# of speech lies up there, but power is not meaning: quiet consonants such as s and f do. The model has to
# learn to do without.

# %% [markdown]
# ## Letters
#
# The checkpoint's tokenizer knows upper-case letters, the apostrophe, and `|` for the space. Whatever else a
# transcript holds would become `<unk>`. So: upper case first, then ask what does not fit.

# %% tags=["nbval-check-output"]
from transformers import AutoProcessor

checkpoint = catalog.checkpoint("facebook/wav2vec2-base")
processor = AutoProcessor.from_pretrained(checkpoint)
letters = processor.tokenizer.get_vocab()
print(len(letters), "tokens:", *sorted(letters, key=letters.get))

# %%
from collections import Counter

found = Counter("".join(text.upper() for part in calls.values() for text in part["transcription"]))
strange = {character: count for character, count in found.items() if character not in letters}
print("not in the vocabulary:", {f"{character!r}": count for character, count in strange.items()})

# %% [markdown]
# The space is taken care of: the tokenizer turns it into `|`. The others are punctuation and the like, which
# nobody can hear. They go.

# %% tags=["tested"]
import re


def clean(text):
    return " ".join(re.sub(r"[^A-Z' ]", " ", text.upper().replace("’", "'")).split())


# %% tags=["nbval-check-output"]
print(clean("Um, I'd like to, to pay my gas-bill."))
unknown = [
    text for part in calls.values() for text in part["transcription"]
    if processor.tokenizer.unk_token_id in processor(text=clean(text)).input_ids
]  # fmt: skip
print("transcripts with an unknown token:", len(unknown))

# %% [markdown]
# ## Prepare
#
# The processor is two things in one: the feature extractor scales the sound to mean 0 and variance 1, the
# tokenizer turns letters into numbers.


# %%
def prepare(row):
    sound = audio.read(row["audio"], sampling_rate=16_000)
    values = processor(sound, sampling_rate=16_000).input_values[0]
    labels = processor(text=clean(row["transcription"])).input_ids
    return {"input_values": values, "labels": labels, "length": len(values)}


data = calls.map(prepare, remove_columns=calls["train"].column_names)
lengths = [length / 16_000 for length in data["train"]["length"]]
print(f"{sum(lengths) / 60:.1f} minutes to learn from, clips of {min(lengths):.1f} to {max(lengths):.1f} s")

# %% [markdown]
# ## The collator
#
# A batch needs sound of one length and labels of one length, and the two have nothing to do with each other.
# So our collator pads them apart, each to the longest of the batch. Sound is filled up with zeros, labels
# with -100: the loss leaves that number out.

# %% tags=["tested"]
from dataclasses import dataclass
from typing import Any


@dataclass
class DataCollatorCTCWithPadding:
    processor: Any

    def __call__(self, rows):
        sound = [{"input_values": row["input_values"]} for row in rows]
        letters = [{"input_ids": row["labels"]} for row in rows]
        batch = dict(self.processor.feature_extractor.pad(sound, padding=True, return_tensors="pt"))
        labels = self.processor.tokenizer.pad(letters, padding=True, return_tensors="pt")
        batch["labels"] = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
        return batch


# %% tags=["nbval-check-output"]
collator = DataCollatorCTCWithPadding(processor)
rows = [{"input_values": [0.1] * 5, "labels": [7, 8, 9]}, {"input_values": [0.1] * 3, "labels": [7]}]
batch = collator(rows)
print("sound: ", tuple(batch["input_values"].shape))
print("labels:", batch["labels"].tolist())

# %% [markdown]
# Lesson 7 needs the same class. It takes it from `helpers.collators`, where it also says in words what is
# wrong with a bad batch.

# %% [markdown]
# The padding is **dynamic**: per batch, not per data set. What does that save? Three ways to make batches of
# 8 from our calls, and the share of each that is padding.


# %% tags=["tested"]
def padding(batches):
    """The share of the samples that is padding, from the lengths of the clips in each batch."""
    computed = sum(len(batch) * max(batch) for batch in batches)
    return 1 - sum(map(sum, batches)) / computed


def in_eights(values):
    return [values[start : start + 8] for start in range(0, len(values), 8)]


# %%
mixed, ordered = np.random.default_rng(42).permutation(lengths), np.sort(lengths)
waste = {
    "all to the longest clip": padding([lengths]),
    "to the longest of the batch": padding(in_eights(mixed)),
    "the same, similar lengths together": padding(in_eights(ordered)),
}
for way, share in waste.items():
    course.record(f"Padding, {way}", share, "%")
ax = plots.bars(waste, unit="%")
display.figure(ax.figure, alt="Share of padding for three ways to make batches, as bars.")
assert list(waste.values()) == sorted(waste.values(), reverse=True)

# %% [markdown]
# Padding is computed like sound. The third way is `train_sampling_strategy="group_by_length"`: batches of
# similar clips, drawn in random order.

# %% [markdown]
# ## The model
#
# `AutoModelForCTC` puts one linear layer on the encoder: a number for each token, fifty times a second. Which
# of its weights come from the checkpoint, and which are new?

# %%
import torch
from helpers.collators import check_vocabulary
from transformers import AutoModelForCTC, set_seed

set_seed(42)
options = {
    "vocab_size": len(processor.tokenizer), "pad_token_id": processor.tokenizer.pad_token_id,
    "ctc_loss_reduction": "mean", "ctc_zero_infinity": True,
}  # fmt: skip
model, loading = AutoModelForCTC.from_pretrained(checkpoint, **options, output_loading_info=True)
check_vocabulary(processor, model.to(course.device()))
print("new, random:", ", ".join(sorted(loading["missing_keys"])) or "nothing")

# %% [markdown]
# What is named as new starts with random weights and can only babble; "nothing" means that the checkpoint has
# met letters before.
#
# `ctc_loss_reduction="mean"` divides the loss of each clip by its number of letters and averages over the
# batch, so that neither long texts nor large batches count more. `ctc_zero_infinity` leaves out a clip with
# more letters than frames, which cannot be aligned. `pad_token_id` is also CTC's blank: if it were wrong, the
# model would learn to write blanks as letters; `check_vocabulary` makes sure.
#
# Not everything needs to learn. The **convolutions** at the bottom turn samples into frames, and the
# **positional convolution** above them tells the layers where a frame stands. Calls have the same letters
# and the same order of time as any other speech: both stay frozen, the layers and the head learn.

# %%
from helpers.positions import quicken

model.freeze_feature_encoder()
model.wav2vec2.encoder.pos_conv_embed.requires_grad_(False)
quicken(model)
learn = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{learn / 1e6:.1f} of {model.num_parameters() / 1e6:.1f} million weights learn")

# %% [markdown]
# (`quicken` changes no result. A positional convolution with thousands of taps is slow on a CPU; where it
# finds one, it computes the same sums by Fourier transform.)

# %% [markdown]
# ## Before training


# %% tags=["tested"]
def texts_of(outcome):
    """Targets and predictions as texts, from what `evaluate` or `predict` gives, in the targets' order."""
    pad = processor.tokenizer.pad_token_id
    labels = np.where(outcome.label_ids == -100, pad, outcome.label_ids)
    tokens = np.where(outcome.predictions == -100, pad, outcome.predictions)
    targets, texts = processor.batch_decode(labels, group_tokens=False), processor.batch_decode(tokens)
    targets, texts = zip(*sorted(zip(targets, texts, strict=True)), strict=True)
    return list(targets), list(texts)


# %%
from helpers import metrics

wer, cer = metrics.load("wer"), metrics.load("cer")


def score(outcome):
    targets, texts = texts_of(outcome)
    return {
        "wer": wer.compute(predictions=texts, references=targets),
        "cer": cer.compute(predictions=texts, references=targets),
    }


# %% [markdown]
# Three traps in a few lines. What was filled up with -100 must become the padding token again, which CTC
# reads as blank. Labels are decoded with `group_tokens=False`: they are no path, and "WILL" would collapse to
# "WIL". And `predict` groups by length too: it returns the calls in another order than the data set's, in
# Transformers 5.15 in a new one each time. `sorted` puts each target, with its text, in a fixed place: row by
# row, the texts from before and after training then belong to the same sentence.
#
# Now the settings. On a GPU they are those of the classic recipe for these calls: 8 clips a batch, two
# batches a step, 2,000 steps at a rate of 1e-5 after 500 steps of warm-up, in half precision, judged every
# 1,000. A CPU has time for a small part of that, so it takes larger steps.

# %%
import tempfile
from pathlib import Path

from transformers import Trainer, TrainingArguments

runs = tempfile.TemporaryDirectory()
STEPS = course.budget(cpu=48, gpu=2000)

settings = TrainingArguments(
    output_dir=f"{runs.name}/calls", max_steps=STEPS, seed=42, report_to="none",
    per_device_train_batch_size=8, gradient_accumulation_steps=course.budget(cpu=1, gpu=2),
    learning_rate=course.budget(cpu=2e-4, gpu=1e-5), warmup_steps=course.budget(cpu=6, gpu=500),
    fp16=course.device() == "cuda",
    train_sampling_strategy="group_by_length", remove_unused_columns=False,
    eval_strategy="steps", eval_steps=STEPS // 2, save_steps=STEPS // 2, logging_steps=STEPS // 12,
    per_device_eval_batch_size=8, save_total_limit=1, disable_tqdm=False,
    dataloader_pin_memory=course.device() == "cuda",
)  # fmt: skip


# %%
def letters_only(logits, labels):
    return logits.argmax(dim=-1)


trainer = Trainer(
    model=model, args=settings, train_dataset=data["train"], eval_dataset=data["test"],
    data_collator=collator, processing_class=processor, compute_metrics=score,
    preprocess_logits_for_metrics=letters_only,
)  # fmt: skip
before = trainer.predict(data["test"])
for name in ("wer", "cer"):
    course.record(f"{name.upper()} before", before.metrics[f"test_{name}"], "%")


# %%
for target, text in list(zip(*texts_of(before), strict=True))[::8]:
    show(display.diff(target, text))

# %% [markdown]
# A head that knows letters spells by ear; a new one writes nothing, or noise.
#
# ## Overfit one batch first
#
# Training fails silently: labels in the wrong case, a blank in the wrong place, a learning rate of zero, and
# the loss just lingers. The cheapest test of all: four calls, again and again. A model that cannot learn
# *those* by heart has a fault, and an hour of training would not have shown it any clearer.

# %%
import copy

small = collator([data["train"][index] for index in np.argsort(lengths)[:4].tolist()])
small = {name: values.to(course.device()) for name, values in small.items()}
probe = copy.deepcopy(model).train()
optimizer = torch.optim.AdamW([weight for weight in probe.parameters() if weight.requires_grad], lr=3e-4)
losses = []
for _ in course.progress(range(course.budget(cpu=25, gpu=100)), "One batch"):
    loss = probe(**small).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

# %%
ax = plots.axes(width=7, height=2.4)
ax.plot(losses, "o-", color=plots.BLUE)
ax.set(xlabel="step", ylabel="loss", ylim=0)
display.figure(ax.figure, alt="The loss of one batch of four calls, step by step.")
assert losses[-1] < 0.5 * losses[0]
del probe, optimizer

# %% [markdown]
# It falls. Labels, loss and gradients work together, so the real run is worth its time.

# %% [markdown]
# ## Training

# %%
with course.timed("training"):
    trainer.train()

# %% [markdown]
# `save_steps` has left a checkpoint behind, with the optimiser, the learning rate and the state of the random
# numbers. After a power cut, `trainer.train(resume_from_checkpoint=True)` goes on from there, as if nothing
# had happened; lesson 5 shows it.

# %%
log = trainer.state.log_history
losses = [(entry["step"], entry["loss"]) for entry in log if "loss" in entry]
rates = [(entry["step"], entry["eval_wer"]) for entry in log if "eval_wer" in entry]
left, right = plots.axes(1, 2, width=11, height=2.8)
left.plot(*zip(*losses, strict=True), color=plots.BLUE)
left.set(title="training loss", xlabel="step", xlim=0, ylim=0)
right.plot(*zip((0, before.metrics["test_wer"]), *rates, strict=True), "s--", color=plots.RED)
right.set(title="WER on the calls put aside", xlabel="step", ylim=0)
right.yaxis.set_major_formatter("{x:.0%}")
display.figure(left.figure, alt="Training loss by step, and beside it the WER on the calls put aside.")

# %%
after = trainer.predict(data["test"])
rows = [
    {"": when, "WER": outcome.metrics["test_wer"], "CER": outcome.metrics["test_cer"]}
    for when, outcome in {"before": before, "after": after}.items()
]
display.table(rows, formats={"WER": ".1%", "CER": ".1%"})

# %%
gain = 1 - after.metrics["test_wer"] / before.metrics["test_wer"]
low, high = metrics.confidence_interval(*texts_of(after))[1:]
course.record("WER after", after.metrics["test_wer"], "%")
course.record("WER, relative fall", gain, "%")
print(f"With other calls of this kind: {low:.0%} to {high:.0%} (95 % of draws).")
spells = course.budget(cpu=not loading["missing_keys"], gpu=True)
if not spells:
    print(f"A new head hardly writes after {STEPS} steps: take a GPU for the 2,000 that it needs.")
assert not spells or gain > 0.2

# %%
targets, old_texts = texts_of(before)
same_targets, new_texts = texts_of(after)
assert targets == same_targets
for target, old, new in list(zip(targets, old_texts, new_texts, strict=True))[::8]:
    show(display.diff(target, old, title="before"))
    show(display.diff(target, new, title="after"))

# %% [markdown]
# ### Which words has it learnt?
#
# The words that were wrong most often before, and how often they are wrong now:


# %%
def missed(texts):
    """How often each word of the targets is not in its text."""
    found = Counter()
    for target, text in zip(targets, texts, strict=True):
        found += Counter(target.split()) - Counter(text.split())
    return found


said = Counter(word for target in targets for word in target.split())
old, new = missed(old_texts), missed(new_texts)
display.table(
    [{"word": word, "said": said[word], "missed before": count, "missed after": new[word]}
     for word, count in old.most_common(8)]
)  # fmt: skip

# %% [markdown]
# How far does this carry? The calls we judge by are other calls, but over the same kind of line, about the
# same business, often in the same words, and nothing keeps a caller from standing in both parts. With other
# voices, on another line, about another business, expect less.

# %% [markdown]
# ## Use it: by pipeline and by hand
#
# `pipeline()` does it all. What it does fits in four lines: processor, logits, argmax, `batch_decode`.

# %% tags=["nbval-check-output"]
from transformers import pipeline

recognise = pipeline(
    "automatic-speech-recognition", model=model, tokenizer=processor.tokenizer,
    feature_extractor=processor.feature_extractor, device=course.device(),
)  # fmt: skip
call = calls["test"][0]
sound = audio.read(call["audio"], sampling_rate=16_000)
by_pipeline = recognise({"raw": sound, "sampling_rate": 16_000})["text"]

inputs = processor(sound, sampling_rate=16_000, return_tensors="pt").to(course.device())
with torch.inference_mode():
    logits = model(**inputs).logits
by_hand = processor.batch_decode(logits.argmax(dim=-1))[0]
print("the same text:", by_hand == by_pipeline)

# %%
show(display.listen(sound, 16_000, clean(call["transcription"])))
show(display.diff(clean(call["transcription"]), by_hand))

# %% [markdown]
# ### And without resampling?
#
# The pipeline compares the rate we name with the rate the model needs, and resamples by itself where they
# differ. It has to believe us, though. What if we hand over 8 kHz samples and call them 16 kHz?

# %%
samples, rate = audio.load(call["audio"])
wrong = recognise({"raw": samples.copy(), "sampling_rate": 16_000})["text"]
display.table(
    [
        {"samples at": "16 kHz, resampled by us", "named": 16_000, "text": by_pipeline},
        {"samples at": f"{rate} Hz", "named": rate,
         "text": recognise({"raw": samples.copy(), "sampling_rate": rate})["text"]},
        {"samples at": f"{rate} Hz", "named": 16_000, "text": wrong},
    ]
)  # fmt: skip

# %%
target = clean(call["transcription"])
print(f"CER with the right rate {metrics.cer([target], [by_pipeline]):.0%}, "
      f"with the wrong one {metrics.cer([target], [wrong]):.0%}")  # fmt: skip
assert not spells or metrics.cer([target], [wrong]) > metrics.cer([target], [by_pipeline])

# %% [markdown]
# No error, no warning: to the model, the caller speaks twice as fast and an octave higher. The first two
# rows may differ by a letter or two, since no two resamplers are alike to the last digit.

# %% [markdown]
# ## Save it, with a card
#
# A model without a description is a riddle in a year's time. The card is a README with a head that the Hub
# can read; code fills in what was measured.

# %% tags=["nbval-check-output"]
home = Path(runs.name) / "wav2vec2-calls"
model.save_pretrained(home)
processor.save_pretrained(home)
reloaded = AutoModelForCTC.from_pretrained(home).eval().to(course.device())
with torch.inference_mode():
    again = processor.batch_decode(reloaded(**inputs).logits.argmax(dim=-1))[0]
print("the same text:", again == by_hand)

# %%
from huggingface_hub import ModelCard

card = f"""---
language: en
library_name: transformers
pipeline_tag: automatic-speech-recognition
---

# Wav2Vec2 on telephone calls

Trained for {STEPS} steps on {len(data["train"])} calls to a bank (8 kHz, resampled to 16 kHz).

| on {len(data["test"])} other calls | before | after |
| --- | --- | --- |
| WER | {before.metrics["test_wer"]:.1%} | {after.metrics["test_wer"]:.1%} |
| CER | {before.metrics["test_cer"]:.1%} | {after.metrics["test_cer"]:.1%} |

For learning, not for business: upper-case letters only, no punctuation, one kind of line. The licence is that
of the checkpoint it started from.
"""
ModelCard(card).save(home / "README.md")
print(*sorted(path.name for path in home.iterdir()), sep="\n")

# %% [markdown]
# Sharing is one call, never needed here. Put a name of your own (`"you/wav2vec2-calls"`) and log in first
# (`hf auth login`).

# %%
SHARE_AS = ""

if SHARE_AS:
    model.push_to_hub(SHARE_AS)
    processor.push_to_hub(SHARE_AS)
    ModelCard(card).push_to_hub(SHARE_AS)

# %% [markdown]
# ## Exercises
#
# 1. **The line alone.** Let the trained model transcribe a clip of lesson 1 at 16 kHz. Has it got worse on
#    clean speech? *Hint:* `reading[2]["audio"]`, and the target `reading[2]["text"]`.
# 2. **Fillers.** Remove "UM" and "UH" from the training transcripts. Does the model learn to leave them out?
#    *Hint:* `clean`.
# 3. **Fewer layers.** Freeze the lower layers too. What does a step cost now, and what does the WER say?
#    *Hint:* `model.wav2vec2.encoder.layers[:4].requires_grad_(False)`, and the feature projection with them.
# 4. **A better listener for free.** Build a word list from the training calls and use beam search with a
#    language model as in lesson 2. *Hint:* `ctc_beam_decoder`, and the texts in `calls["train"]`.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Baevski, Zhou, Mohamed, Auli: [wav2vec 2.0](https://arxiv.org/abs/2006.11477) (2020).
# - Gerz and others: [Multilingual and cross-lingual intent detection from spoken
#   data](https://arxiv.org/abs/2104.08524) (2021): MInDS-14.
# - Graves and others: [Connectionist temporal
#   classification](https://www.cs.toronto.edu/~graves/icml_2006.pdf) (2006).
# - Transformers documentation: [automatic speech
#   recognition](https://huggingface.co/docs/transformers/tasks/asr).
