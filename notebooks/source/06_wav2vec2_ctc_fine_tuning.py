# %%
from helpers import course

course.start("06")

# %% [markdown]
# ## A hundred calls
#
# MInDS-14 holds calls to a bank, in fourteen languages: people say in their own words what they want, over
# the telephone. We take 120 calls in English, drawn with a fixed seed.

# %% tags=["nbval-check-output"]
from datasets import Audio, load_dataset
from helpers import catalog

calls = load_dataset(**catalog.data("PolyAI/minds14", "en-US"), split="train")
calls = calls.cast_column("audio", Audio(decode=False)).shuffle(seed=42).select(range(120))
intents = calls.features["intent_class"].names
print(f"{len(calls)} calls, {len(intents)} intents: {', '.join(intents[:5])}, …")

# %% [markdown]
# A data set often has more columns than a task needs. We keep sound and transcript, and put a fifth of the
# calls aside as a test set.

# %% tags=["nbval-check-output"]
calls = calls.remove_columns(["english_transcription", "intent_class", "lang_id"])
calls = calls.train_test_split(test_size=0.2, seed=42)
print({name: part.num_rows for name, part in calls.items()}, calls["train"].column_names)

# %%
import io

import soundfile
from IPython.display import display

from helpers import audio, players

for row in calls["test"].select(range(2)):
    rate = soundfile.info(io.BytesIO(row["audio"]["bytes"])).samplerate
    samples = audio.read(row["audio"], sampling_rate=None)
    display(players.listen(samples, rate, f"{rate} Hz: {row['transcription']}"))

# %% [markdown]
# **Who speaks?** In MInDS-14 the callers are people. The data set does not name them, so one person may stand
# in both parts. Offline, twelve synthetic voices read the calls; every voice of the test calls is also in the
# training calls, and the offline checkpoint was trained on most of these voices and on telephone prompts at
# 8 kHz before (the cards in `helpers/assets` list them). So the figures below say what training does for
# these callers. For callers that no training has heard, expect less.

# %% [markdown]
# ## From 8 to 16 kHz
#
# The calls have 8,000 samples a second, the model expects 16,000. Resampling makes up the number. Does it
# also bring back what the line cut off? We take a sentence that was recorded at 16 kHz, resample it to 8 kHz
# and back, and compare.

# %% tags=["nbval-check-output"]
import soxr
from helpers import plots, show

name, config = "hf-internal-testing/librispeech_asr_dummy", "clean"
reading = load_dataset(**catalog.data(name, config), split="validation")
reading = reading.cast_column("audio", Audio(decode=False))
wide = audio.read(reading[2]["audio"])[: 4 * 16_000]
narrow = soxr.resample(soxr.resample(wide, 16_000, 8_000), 8_000, 16_000)
sounds = {"recorded at 16 kHz": wide, "the same at 8 kHz, resampled to 16 kHz": narrow}
pictures = plots.axes(1, 2, width=11, height=2.8, sharey=True)
for ax, (title, sound) in zip(pictures, sounds.items(), strict=True):
    ax.specgram(sound, NFFT=512, Fs=16_000, noverlap=256, cmap="magma", vmin=-140, vmax=-30)
    ax.set(title=title, xlabel="time (s)", ylim=(0, 8000))
pictures[0].set_ylabel("frequency (Hz)")
show.figure(
    ax.figure,
    alt="Two spectrograms of one sentence: energy up to 8 kHz on the left, nothing above 4 kHz on the right.",
)

# %% tags=["nbval-check-output"]
import numpy as np

sounds["a call"] = audio.read(calls["test"][0]["audio"])
for title, sound in sounds.items():
    power = np.abs(np.fft.rfft(sound)) ** 2
    above = power[np.fft.rfftfreq(len(sound), 1 / 16_000) > 4000].sum() / power.sum()
    print(f"{title:40} {above:.2%} of the power lies above 4 kHz")

# %% [markdown]
# Above 4 kHz there is nothing: no resampling brings back what 8,000 samples a second cannot carry. It is a
# small share of the power, but consonants such as s and f have much of theirs there. The model has to do
# without.

# %% [markdown]
# ## Letters
#
# The checkpoint's tokenizer knows upper-case letters, the apostrophe, and `|` for the space. Any other
# character of a transcript would become `<unk>`. So we write upper case, and then ask what does not fit.

# %% tags=["nbval-check-output"]
from transformers import AutoProcessor

checkpoint = catalog.model("facebook/wav2vec2-base")
processor = AutoProcessor.from_pretrained(checkpoint)
letters = processor.tokenizer.get_vocab()
print(len(letters), "tokens:", *sorted(letters, key=letters.get))

# %% tags=["nbval-check-output"]
from collections import Counter

found = Counter("".join(text.upper() for part in calls.values() for text in part["transcription"]))
print("not in the vocabulary:", {c: count for c, count in sorted(found.items()) if c not in letters})

# %% [markdown]
# The space is no problem: the tokenizer turns it into `|`. Punctuation cannot be heard, so it goes. Digits
# are another matter. "42" is *spoken*, as "forty-two", and a model that is trained to write nothing there
# learns to skip numbers. `clean` refuses them, and a call with digits is left out, as is one without words.

# %% tags=["tested"]
import re


def clean(text):
    """The text in the tokenizer's characters: A-Z, apostrophes and single spaces.

    Raises ValueError for digits.
    """
    if re.search(r"\d", text):
        raise ValueError(f"{text!r} has digits: write the number in words, as it is said.")
    return " ".join(re.sub(r"[^A-Z' ]", " ", text.upper().replace("’", "'")).split())


def usable(text):
    """Whether `clean` leaves words, and there is no digit."""
    return not re.search(r"\d", text) and clean(text) != ""


# %% tags=["nbval-check-output"]
calls = calls.filter(usable, input_columns="transcription")
print({name: part.num_rows for name, part in calls.items()})
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


# %% tags=["nbval-check-output"]
def prepare(row):
    """Adds input_values, shape (samples,), at 16 kHz; labels, shape (letters,); length in samples."""
    values = processor(audio.read(row["audio"]), sampling_rate=16_000).input_values[0]
    labels = processor(text=clean(row["transcription"])).input_ids
    return {"input_values": values, "labels": labels, "length": len(values)}


data = calls.map(prepare, remove_columns=calls["train"].column_names)
lengths = [length / 16_000 for length in data["train"]["length"]]
print(f"{sum(lengths) / 60:.1f} minutes to train on, clips of {min(lengths):.1f} to {max(lengths):.1f} s")

# %% [markdown]
# ## The collator
#
# All sounds of a batch must have one length, and all labels another. So our collator pads the two apart, each
# to the longest of the batch: the sound with zeros, the labels with -100, which the loss leaves out.

# %% tags=["tested"]
from dataclasses import dataclass
from typing import Any


@dataclass
class DataCollatorCTCWithPadding:
    """A batch of rows: input_values of shape (rows, samples), labels of shape (rows, letters)."""

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
print("columns:", *batch)
print("sound:  ", tuple(batch["input_values"].shape))
print("labels: ", batch["labels"].tolist())

# %% [markdown]
# There is no `attention_mask` for the sound. wav2vec2-base was pre-trained without one: it takes the zeros
# for silence, and so its feature extractor makes none. XLSR-53 was pre-trained with a mask, which keeps
# attention away from the padding. The collator passes on what the feature extractor makes.
#
# Lesson 7 needs the same class. It takes it from `helpers.ctc`, where it also says what is wrong with a bad
# batch.

# %% [markdown]
# The padding is **dynamic**: per batch, not per data set. What does that save? Three ways to make batches of
# 8 from our calls, and the share of each that is padding:


# %% tags=["tested"]
def padding(batches):
    """The share of the samples that is padding, from the lengths of the clips in each batch."""
    computed = sum(len(batch) * max(batch) for batch in batches)
    return 1 - sum(map(sum, batches)) / computed


def in_eights(values):
    """The values in lists of eight, the last one shorter where they do not divide."""
    return [values[start : start + 8] for start in range(0, len(values), 8)]


# %% tags=["nbval-check-output"]
import pandas as pd

mixed, ordered = np.random.default_rng(42).permutation(lengths), np.sort(lengths)
waste = {
    "all to the longest clip": padding([lengths]),
    "to the longest of the batch": padding(in_eights(mixed)),
    "the same, similar lengths together": padding(in_eights(ordered)),
}
assert list(waste.values()) == sorted(waste.values(), reverse=True)
pd.Series(waste, name="padding").map("{:.1%}".format).to_frame()

# %% [markdown]
# Padding costs as much computing time as sound. The third way is
# `train_sampling_strategy="group_by_length"`: batches of similar clips, drawn in random order.

# %% [markdown]
# ## The model
#
# `AutoModelForCTC` puts one linear layer on the encoder, the **head**: a number for each token, fifty times a
# second. Which weights come from the checkpoint, and which are new?

# %% tags=["nbval-check-output"]
import torch
from helpers.ctc import check_vocabulary, quicken
from transformers import AutoModelForCTC, set_seed

device = "cuda" if torch.cuda.is_available() else "cpu"
set_seed(42)
options = {
    "vocab_size": len(processor.tokenizer), "pad_token_id": processor.tokenizer.pad_token_id,
    "ctc_loss_reduction": "mean", "ctc_zero_infinity": True,
}  # fmt: skip
model, loading = AutoModelForCTC.from_pretrained(checkpoint, **options, output_loading_info=True)
check_vocabulary(processor, model.to(device))
knows_letters = not loading["missing_keys"]
print("new, random:", ", ".join(sorted(loading["missing_keys"])) or "nothing")

# %% [markdown]
# What is named as new starts with random weights. "nothing" means that the checkpoint has been trained on
# letters before, as the offline one has; wav2vec2-base has heard speech without text only.
#
# `ctc_loss_reduction="mean"` divides the loss of each clip by its number of letters and averages over the
# batch, so that neither long texts nor large batches count more. `ctc_zero_infinity` leaves out a clip with
# more letters than frames, which cannot be aligned. `pad_token_id` is also CTC's blank: if it were wrong, the
# model would learn to write blanks as letters. `check_vocabulary` makes sure that it is not.
#
# In training mode the model hides a few stretches of frames of each clip (`mask_time_prob`; **SpecAugment**),
# so that it learns to use the context as well.
#
# Not everything has to learn. The **convolutions** at the bottom turn samples into frames, 50 a second. A
# hundred calls can hardly improve what hours of speech have made of them, and they are the most expensive
# part to train. So they are frozen, as usual; layers and head learn.

# %% tags=["nbval-check-output"]
model.freeze_feature_encoder()
quicken(model)
learn = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{learn / 1e6:.1f} of {model.num_parameters() / 1e6:.1f} million weights learn")

# %% [markdown]
# (`quicken` is for the offline checkpoint: it makes its unusually long positional convolution fast on a CPU
# and leaves it frozen. It does nothing to wav2vec2-base.)

# %% [markdown]
# ## Before training
#
# `compute_metrics` gets numbers and must make texts of them. Two traps: what was filled up with -100 must
# become the padding token again, which CTC reads as blank; and labels are decoded with `group_tokens=False`,
# since a label has no repetitions to collapse: "WILL" would become "WIL".


# %% tags=["tested"]
def texts_of(outcome):
    """Targets and predictions as texts.

    `outcome` has label_ids, shape (clips, letters), and predictions, shape (clips, frames): token ids, both
    filled up with -100.
    """
    pad = processor.tokenizer.pad_token_id
    labels, tokens = (np.where(ids == -100, pad, ids) for ids in (outcome.label_ids, outcome.predictions))
    return processor.batch_decode(labels, group_tokens=False), processor.batch_decode(tokens)


# %%
import evaluate

wer, cer = evaluate.load(catalog.metric("wer")), evaluate.load(catalog.metric("cer"))


def score(outcome):
    """compute_metrics of the Trainer: WER and CER as fractions."""
    targets, texts = texts_of(outcome)
    return {
        "wer": wer.compute(references=targets, predictions=texts),
        "cer": cer.compute(references=targets, predictions=texts),
    }


# %% [markdown]
# To read and to compare, we let `pipeline` transcribe the test calls one by one: without padding, and in the
# order of the data set. (`Trainer.predict` returns them grouped by length.)

# %% tags=["nbval-check-output"]
from transformers import pipeline


def transcribe(model, clips):
    """One text for each clip of `clips`, greedily decoded, in their order."""
    recognise = pipeline(
        "automatic-speech-recognition", model=model.eval(), tokenizer=processor.tokenizer,
        feature_extractor=processor.feature_extractor, device=device,
    )  # fmt: skip
    return [recognise({"raw": audio.read(clip["audio"]), "sampling_rate": 16_000})["text"] for clip in clips]


targets = [clean(text) for text in calls["test"]["transcription"]]
before = transcribe(model, calls["test"])
for index in (0, 8, 16):
    display(show.diff(targets[index], before[index]))

# %% [markdown]
# A head that knows letters spells by ear. A new one writes nothing, or noise.
#
# ## Overfit one batch first
#
# Training fails silently: with labels in the wrong case, a blank in the wrong place or a learning rate of
# zero the loss just stays where it is. There is a cheap test: four calls, the same at every step, until the
# model writes exactly their texts. A model that cannot learn four calls by heart has a fault, and it shows
# within a minute. `eval()` switches off what makes training harder on purpose: the masks and the dropout.

# %%
import copy

four = np.argsort(lengths)[:4].tolist()
small = {name: values.to(device) for name, values in collator(data["train"].select(four).to_list()).items()}
spoken = [clean(text) for text in calls["train"].select(four)["transcription"]]
probe = copy.deepcopy(model).eval()
optimizer = torch.optim.AdamW([weight for weight in probe.parameters() if weight.requires_grad], lr=3e-4)
losses, written = [], []
for _ in course.progress(range(course.budget(cpu=60, gpu=1000)), "One batch"):
    outcome = probe(**small)
    losses.append(outcome.loss.item())
    written = processor.batch_decode(outcome.logits.argmax(dim=-1))
    if written == spoken:
        break
    optimizer.zero_grad()
    outcome.loss.backward()
    optimizer.step()

# %% tags=["nbval-check-output"]
ax = plots.axes(width=7, height=2.4)
ax.plot(losses, "o-", color=plots.BLUE)
ax.set(xlabel="step", ylabel="loss", ylim=0)
show.figure(ax.figure, alt="The loss of one batch of four calls, close to zero at the end.")
print(f"{sum(map(str.__eq__, written, spoken))} of 4 texts are equal:")
for target, text in zip(spoken, written, strict=True):
    print(f"said    {target}\nwritten {text}")
assert losses[-1] < 0.5 * losses[0]
needs_gpu = device == "cpu" and not knows_letters  # a new head needs more steps than a CPU has time for
assert needs_gpu or written == spoken
del probe, optimizer

# %% [markdown]
# Four equal texts mean that labels, loss and gradients work together, and the real training is worth its
# time. The first step may raise the loss: there is no warm-up here. (A new head on a CPU does not get to
# equal texts in these few steps; look whether the loss falls.)

# %% [markdown]
# ## Training
#
# On a GPU the settings are those of the classic recipe for these calls: 8 clips a batch, two batches a step,
# 2,000 steps at a rate of 1e-5 after 500 steps of warm-up, in half precision, evaluated every 1,000. A CPU
# has time for a small part of that, so it takes larger steps.

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
    fp16=device == "cuda", dataloader_pin_memory=device == "cuda", disable_tqdm=False,
    train_sampling_strategy="group_by_length", remove_unused_columns=False,
    eval_strategy="steps", eval_steps=STEPS // 2, eval_on_start=True, per_device_eval_batch_size=8,
    save_steps=STEPS // 2, save_total_limit=1, logging_steps=STEPS // 12,
)  # fmt: skip


# %%
def best_tokens(logits, labels):
    """The token of the highest logit in each frame: (clips, frames, tokens) -> (clips, frames)."""
    return logits.argmax(dim=-1)


trainer = Trainer(
    model=model, args=settings, train_dataset=data["train"], eval_dataset=data["test"],
    data_collator=collator, processing_class=processor, compute_metrics=score,
    preprocess_logits_for_metrics=best_tokens,
)  # fmt: skip
with course.timed("training"):
    trainer.train()

# %% [markdown]
# `save_steps` has left a checkpoint behind, with the optimiser, the learning rate and the state of the random
# numbers. After a power cut, `trainer.train(resume_from_checkpoint=True)` goes on from there; lesson 7 tries
# it.

# %%
log = trainer.state.log_history
losses = [(entry["step"], entry["loss"]) for entry in log if "loss" in entry]
rates = [(entry["step"], entry["eval_wer"]) for entry in log if "eval_wer" in entry]
left, right = plots.axes(1, 2, width=11, height=2.8)
left.plot(*zip(*losses, strict=True), color=plots.BLUE)
left.set(title="training loss", xlabel="step", xlim=0, ylim=0)
right.plot(*zip(*rates, strict=True), "s--", color=plots.RED)
right.set(title="WER on the test calls", xlabel="step", ylim=0)
right.yaxis.set_major_formatter("{x:.0%}")
show.figure(left.figure, alt="Training loss and WER on the test calls: both are lower at the end.")

# %% [markdown]
# How good is it now? The interval says where the WER lies in 95 % of the draws when clips are drawn anew from
# these, with replacement. (The Trainer's own figures differ a little, since it pads the clips of a batch.)

# %% tags=["report"]
from helpers import metrics

after = transcribe(model, calls["test"])
results = []
for when, texts in {"before": before, "after": after}.items():
    rate, low, high = metrics.confidence_interval(targets, texts)
    letter_rate = cer.compute(references=targets, predictions=texts)
    results.append({
        "training": when, "WER": f"{rate:.1%}", "WER, 95 %": f"{low:.0%} to {high:.0%}",
        "CER": f"{letter_rate:.1%}",
    })  # fmt: skip
pd.DataFrame(results).set_index("training")

# %%
old_wer, new_wer = (wer.compute(references=targets, predictions=texts) for texts in (before, after))
gain = 1 - new_wer / old_wer
print(f"The WER on {len(targets)} calls fell by {gain:.0%}, relative.")
if needs_gpu:
    print(f"A new head hardly writes after {STEPS} steps: take a GPU for the 2,000 that it needs.")
assert needs_gpu or gain > 0.2

# %%
for index in (0, 8, 16):
    display(players.listen(audio.read(calls["test"][index]["audio"]), 16_000, targets[index]))
    display(show.diff(targets[index], before[index], title="before"))
    display(show.diff(targets[index], after[index], title="after"))

# %% [markdown]
# ### Which words has it learnt?
#
# The words that were missed most often before, and how often they are missed now:


# %% tags=["tested"]
def missed(targets, texts):
    """How often each word of the targets is not in its text, as a Counter."""
    counts = Counter()
    for target, text in zip(targets, texts, strict=True):
        counts += Counter(target.split()) - Counter(text.split())
    return counts


# %%
said = Counter(word for target in targets for word in target.split())
old, new = missed(targets, before), missed(targets, after)
worst = [word for word, _ in old.most_common(8)]
eight = [sum(counts[word] for word in worst) for counts in (old, new)]
print(f"{old.total()} words missed before, {new.total()} after; of these eight {eight[0]} and {eight[1]}:")
pd.DataFrame(
    [{"word": word, "said": said[word], "before": old[word], "after": new[word]} for word in worst]
).set_index("word")

# %% [markdown]
# A few words that many callers say can make up a good part of the gain. So the gain is one for this bank,
# this line and these callers. With another business or other callers, measure again.

# %% [markdown]
# ## By hand
#
# What `pipeline` does fits in four lines: processor, logits, argmax, `batch_decode`.

# %% tags=["nbval-check-output"]
call = calls["test"][0]
sound = audio.read(call["audio"])
inputs = processor(sound, sampling_rate=16_000, return_tensors="pt").to(device)
with torch.inference_mode():
    logits = model(**inputs).logits
by_hand = processor.batch_decode(logits.argmax(dim=-1))[0]
print("logits:", tuple(logits.shape), "· the same text as the pipeline's:", by_hand == after[0])

# %% [markdown]
# ### And without resampling?
#
# The pipeline compares the rate we name with the rate that the model needs, and resamples where they differ.
# It cannot know whether the rate we name is right. What if we hand over 8 kHz samples and call them 16 kHz?

# %%
pd.set_option("display.max_colwidth", 100, "display.width", 120)
samples = audio.read(call["audio"], sampling_rate=None)
recognise = pipeline(
    "automatic-speech-recognition", model=model, tokenizer=processor.tokenizer,
    feature_extractor=processor.feature_extractor, device=device,
)  # fmt: skip
texts = {"16 kHz, resampled by us": by_hand}
for called in (8_000, 16_000):
    text = recognise({"raw": samples.copy(), "sampling_rate": called})["text"]
    texts[f"8 kHz, called {called // 1000} kHz"] = text
rates = {way: cer.compute(references=[targets[0]], predictions=[text]) for way, text in texts.items()}
right, _, wrong = rates.values()
assert needs_gpu or wrong > right
pd.DataFrame({"text": texts, "CER": {way: f"{rate:.0%}" for way, rate in rates.items()}})

# %% [markdown]
# No error, no warning: to the model, the caller speaks twice as fast and an octave higher. The first two
# rows may differ by a letter or two, since our resampler is not the pipeline's.

# %% [markdown]
# ## Save it, with a card
#
# Without a description nobody knows, a year later, what a model was trained on and how good it is. The card
# is a README whose head the Hub can read; code fills in what was measured.

# %% tags=["nbval-check-output"]
home = Path(runs.name) / "wav2vec2-calls"
model.save_pretrained(home)
processor.save_pretrained(home)
reloaded = AutoModelForCTC.from_pretrained(home).eval().to(device)
with torch.inference_mode():
    again = processor.batch_decode(reloaded(**inputs).logits.argmax(dim=-1))[0]
print("the same text:", again == by_hand)
print(*sorted(path.name for path in home.iterdir()), sep="\n")

# %%
from huggingface_hub import ModelCard

base, source = "facebook/wav2vec2-base", "PolyAI/minds14"
if knows_letters:  # then they are the offline stand-ins
    base, source = Path(checkpoint).name, "banking-calls"
card = f"""---
language: en
library_name: transformers
pipeline_tag: automatic-speech-recognition
base_model: {base}
datasets: [{source}]
---
# Wav2Vec2 on telephone calls
{base}, trained with CTC for {STEPS} steps on {len(data["train"])} calls of {source} (English,
8 kHz, resampled to 16 kHz). Measured on {len(targets)} other calls; a voice may stand in both parts.

| {" | ".join(results[0])} |
| --- | --- | --- | --- |
{chr(10).join("| " + " | ".join(row.values()) + " |" for row in results)}

For learning, not for business: upper-case letters only, no digits, one kind of line. The licence is that of
{base}.
"""
ModelCard(card).save(home / "README.md")
print(card)

# %% [markdown]
# Sharing is three calls, never needed here. Put a name of your own (`"you/wav2vec2-calls"`) and log in first
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
# 1. **Still good at reading?** Let the model transcribe twenty clips of lesson 1 as it is now and as it was
#    before training. Has it got worse on clean speech? *Hint:* the clips are
#    `reading.select(range(20))`, the targets their column `text`; `from_pretrained(checkpoint)` loads the old
#    model.
# 2. **Fillers.** Remove "UM" and "UH" from the training transcripts. Does the model learn to leave them out?
#    *Hint:* `clean`.
# 3. **Fewer layers.** Freeze the lower layers too. What does a step cost now, and what does the WER say?
#    *Hint:* `model.wav2vec2.encoder.layers[:4].requires_grad_(False)`, and the feature projection with them.
# 4. **A language model for free.** Build a word list from the training calls and use beam search with a
#    language model as in lesson 2. *Hint:* `ctc_beam_decoder`, and the texts in `calls["train"]`.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Baevski, Zhou, Mohamed, Auli: [wav2vec 2.0](https://arxiv.org/abs/2006.11477) (2020).
# - Gerz and others: [Multilingual and cross-lingual intent detection from spoken
#   data](https://arxiv.org/abs/2104.08524) (2021): MInDS-14.
# - Graves and others: [Connectionist temporal
#   classification](https://www.cs.toronto.edu/~graves/icml_2006.pdf) (2006).
# - Park and others: [SpecAugment](https://arxiv.org/abs/1904.08779) (2019).
# - Transformers documentation: [automatic speech
#   recognition](https://huggingface.co/docs/transformers/tasks/asr).
