# %%
from helpers import course

course.start("07")

# %% [markdown]
# ## An encoder for 53 languages
#
# XLSR is Wav2Vec2 on many languages at once. Stretches of its frames are **masked out**, as words are in
# BERT, and for each masked frame it has to tell the true sound from wrong ones, by what stands around it.
# That needs no text, so any recording will do: `wav2vec2-large-xlsr-53` was trained on 56,000 hours in 53
# languages. A few hours with transcripts are then enough to teach it letters.
#
# **Turkish is not new to it.** It is one of the 53: Common Voice and BABEL, two of the sources, have Turkish
# speech. New are the letters. So this lesson does not show how a model learns a language that it has never
# heard. It shows how an encoder that has heard one learns to write it.
#
# **Offline even less is new.** There the encoder is that of Whisper base in the form of a small Wav2Vec2. It
# was trained *with* text, in 99 languages, Turkish among them. And nobody speaks Turkish in the offline
# sentences: synthetic voices made for Hindi, Portuguese and Italian read them, in a foreign accent, and the
# vowels that those languages lack come out blurred. So offline no error rate below says anything about
# Turkish as people speak it. What you can see is how such a training goes.
#
# ![CTC. The encoder gives each frame of 20 ms a distribution over letters and blank; the best path is
# collapsed to text.](../images/ctc_model.svg)
#
# The letters are taught by CTC (lesson 2): a linear layer gives each frame of 20 ms a distribution over the
# letters and the **blank**; runs of a letter collapse, blanks vanish, and the loss adds up every path that
# collapses to the transcript. The XLSR paper counts errors in phonemes (PER). We write letters, so we count
# words (WER) and letters (CER).

# %% tags=["nbval-check-output"]
from datasets import Audio, Dataset, load_dataset
from helpers import catalog

SIZES = {"train": course.budget(cpu=293, gpu=2000), "validation": 40, "test": 60}
source = catalog.data("google/fleurs", "tr_tr")
data = {}
for part, size in SIZES.items():
    rows = load_dataset(**source, split=part).cast_column("audio", Audio(decode=False)).shuffle(seed=42)
    data[part] = rows.select(range(min(size, len(rows)))).select_columns(["audio", "raw_transcription"])
print({part: len(rows) for part, rows in data.items()})

# %%
from IPython.display import display

from helpers import audio, players

for row in data["test"].select(range(2)):
    display(players.listen(audio.read(row["audio"]), 16_000, row["raw_transcription"]))

# %% [markdown]
# ## Cleaning text, in Turkish
#
# CTC writes what it hears, and nobody hears a capital or a comma. So: lower case, no punctuation. That sounds
# like `text.lower()`. In Turkish it is not. There are two letters i, one with a dot and one without, and each
# has its own capital.

# %% tags=["nbval-check-output"]
import unicodedata

for capital in "Iİ":
    lower = capital.lower()
    print(capital, "becomes", repr(lower), "=", " + ".join(unicodedata.name(letter) for letter in lower))

# %% [markdown]
# Both are wrong. `I` should be `ı`, and `İ` should be one letter `i`; Python leaves its dot behind as a
# character of its own, which would get an output of its own in our model and be learnt as a letter. We
# replace the two capitals first.

# %% tags=["tested"]
import re
import unicodedata


def clean(text):
    """Turkish text in lower case, without punctuation, digits and apostrophes, with single spaces."""
    text = unicodedata.normalize("NFC", text).replace("İ", "i").replace("I", "ı").lower()
    text = re.sub(r"['’`]", "", text)
    return " ".join(re.sub(r"[^\w ]|[\d_]", " ", text).split())


# %% tags=["nbval-check-output"]
for text in ("Irmak'ta, İzmir'de!", '"Işık söndü." dedi.'):
    print(f"{text:22} → {clean(text)}")

# %% [markdown]
# The apostrophe sets a name off from its ending (İzmir'de, "in İzmir"). It cannot be heard, so it goes, and
# the ending joins the name.
#
# ## Common Voice, if you have it
#
# Common Voice offers more Turkish, by many people. Download it, unpack it, and name the folder that holds
# `validated.tsv` and `clips/`. Two things need care. Some clips are empty, or not there at all. And its
# speakers read sentences from one list: the test set must have speakers *and* sentences that training has
# not seen.

# %% tags=["tested"]
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile


def has_sound(path):
    """Whether there is such a file, with samples in it."""
    try:
        return soundfile.info(path).frames > 0
    except soundfile.LibsndfileError:
        return False


def read_common_voice(folder):
    """A row for each usable clip: client_id, audio (a path), sentence, text (the sentence, cleaned)."""
    table = Path(folder) / "validated.tsv"
    if not table.is_file():
        raise FileNotFoundError(f"There is no {table}: name the folder of one language of Common Voice.")
    clips = pd.read_csv(table, sep="\t", dtype=str, quoting=csv.QUOTE_NONE, keep_default_na=False)
    if missing := {"client_id", "path", "sentence"} - set(clips.columns):
        raise ValueError(f"{table} has no column {', '.join(sorted(missing))}: unpack the download again.")
    clips["audio"] = [str(table.parent / "clips" / name) for name in clips["path"]]
    clips["text"] = clips["sentence"].map(clean)
    usable = (clips["text"] != "") & clips["audio"].map(has_sound).astype(bool)
    print(f"{(~usable).sum()} of {len(clips)} clips left out: no text, or a file that is missing or empty.")
    return clips[usable]


# %% tags=["tested"]
def split(clips, sizes, seed=42):
    """{part: rows of `clips`}, at most `sizes[part]` of them; no speaker and no sentence in two parts.

    Speakers with few clips make the test set, then the validation set; those with many clips train.
    """
    clips = clips.sample(frac=1, random_state=seed)
    counts = clips["client_id"].value_counts(ascending=True)
    ahead = counts.cumsum() - counts  # clips of the speakers with fewer clips
    testing = ahead < sizes["test"]
    validating = ahead < counts[testing].sum() + sizes["validation"]
    place = clips["client_id"].map(pd.Series(np.select([testing, validating], [0, 1], 2), counts.index))
    kept = place == place.groupby(clips["text"]).transform("min")  # a sentence stays in its first part
    parts = ("test", "validation", "train")
    rows = {part: clips[kept & (place == n)].head(sizes[part]) for n, part in enumerate(parts)}
    if empty := [part for part in parts if not len(rows[part])]:
        raise ValueError(
            f"{len(clips)} clips of {len(counts)} speakers leave nothing for {' and '.join(empty)}: "
            "ask for smaller test and validation sets, or download more."
        )
    return rows


# %%
COMMON_VOICE = ""  # such as "cv-corpus/tr"

if COMMON_VOICE:
    for part, rows in split(read_common_voice(COMMON_VOICE), SIZES).items():
        columns = {"audio": rows["audio"].tolist(), "raw_transcription": rows["sentence"].tolist()}
        data[part] = Dataset.from_dict(columns).cast_column("audio", Audio(decode=False))

# %% [markdown]
# ## The vocabulary comes from the data
#
# The encoder has no letters yet. We collect those that occur in the training texts, add `|` for the space (a
# space in a file is easily lost), `[UNK]` for what training never showed, and `[PAD]`, which is also CTC's
# blank.

# %% tags=["nbval-check-output"]
letters = sorted(set("".join(map(clean, data["train"]["raw_transcription"]))) - {" "})
vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "|", *letters])}
print(len(vocabulary), "tokens:", *vocabulary)
others = [text for part in ("validation", "test") for text in data[part]["raw_transcription"]]
elsewhere = set("".join(map(clean, others))) - set(letters) - {" "}
print("in validation or test only:", *sorted(elsewhere) or ["nothing"])

# %% [markdown]
# Tokenizer and feature extractor make the processor. `bos_token=None, eos_token=None`: CTC knows neither
# beginning nor end, and two tokens nobody uses would be two outputs nobody trains.

# %% tags=["nbval-check-output"]
import json
import tempfile

from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

runs = tempfile.TemporaryDirectory()
vocab = Path(runs.name) / "vocab.json"
vocab.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
checkpoint = catalog.model("facebook/wav2vec2-large-xlsr-53")
tokenizer = Wav2Vec2CTCTokenizer(
    str(vocab), pad_token="[PAD]", unk_token="[UNK]", word_delimiter_token="|",
    bos_token=None, eos_token=None,
)  # fmt: skip
processor = Wav2Vec2Processor(Wav2Vec2FeatureExtractor.from_pretrained(checkpoint), tokenizer)
ids = processor(text=clean("Ağaçlar sarardı.")).input_ids
print(processor.decode(ids, group_tokens=False))
print(len(processor.tokenizer) == len(vocabulary))


# %% tags=["nbval-check-output"]
def prepare(row):
    """Adds input_values, shape (samples,), at 16 kHz; labels, shape (letters,); length in samples."""
    values = processor(audio.read(row["audio"]), sampling_rate=16_000).input_values[0]
    labels = processor(text=clean(row["raw_transcription"])).input_ids
    return {"input_values": values, "labels": labels, "length": len(values)}


ready = {part: rows.map(prepare, remove_columns=rows.column_names) for part, rows in data.items()}
print({part: f"{sum(rows['length']) / 16_000 / 60:.1f} minutes" for part, rows in ready.items()})

# %% [markdown]
# ## The model
#
# The collator is lesson 6's. `check_vocabulary` compares tokens with outputs before training does: one output
# too few, and torch would stop with an index error that names neither.

# %% tags=["nbval-check-output"]
import torch
from transformers import AutoConfig, Wav2Vec2ForCTC, set_seed

from helpers.ctc import DataCollatorCTCWithPadding, check_vocabulary, quicken

device = "cuda" if torch.cuda.is_available() else "cpu"
collator = DataCollatorCTCWithPadding(processor)
head = {
    "vocab_size": len(processor.tokenizer), "pad_token_id": processor.tokenizer.pad_token_id,
    "ctc_loss_reduction": "mean", "ctc_zero_infinity": True,
}  # fmt: skip
set_seed(42)
model, loading = Wav2Vec2ForCTC.from_pretrained(checkpoint, **head, output_loading_info=True)
check_vocabulary(processor, model)
print("new, random:", ", ".join(sorted(loading["missing_keys"])))

# %% [markdown]
# Only the letters' layer is new. The convolutions stay frozen, as in lesson 6; on a CPU also the lower layers
# and what lies below them, to save time.

# %% tags=["nbval-check-output"]
FROZEN_LAYERS = course.budget(cpu=3, gpu=0)


def freeze(model):
    """Freezes the convolutions and, where FROZEN_LAYERS says so, all up to that layer. Returns the model."""
    model.freeze_feature_encoder()
    if FROZEN_LAYERS:
        encoder = model.wav2vec2.encoder
        model.wav2vec2.feature_projection.requires_grad_(False)
        encoder.pos_conv_embed.requires_grad_(False)
        encoder.layers[:FROZEN_LAYERS].requires_grad_(False)
    return quicken(model)


freeze(model)
learn = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{learn / 1e6:.1f} of {model.num_parameters() / 1e6:.1f} million weights learn")

# %% [markdown]
# Besides WER and CER we watch the share of frames whose best token is the blank.

# %%
import evaluate

wer, cer = evaluate.load(catalog.metric("wer")), evaluate.load(catalog.metric("cer"))


def score(outcome):
    """compute_metrics of the Trainer: WER, CER and the share of blank frames, as fractions.

    `outcome` has label_ids, shape (clips, letters), and predictions, shape (clips, frames), both filled up
    with -100.
    """
    pad = processor.tokenizer.pad_token_id
    labels, tokens = (np.where(ids == -100, pad, ids) for ids in (outcome.label_ids, outcome.predictions))
    texts = {
        "references": processor.batch_decode(labels, group_tokens=False),
        "predictions": processor.batch_decode(tokens),
    }
    frames = outcome.predictions[outcome.predictions != -100]
    return {"wer": wer.compute(**texts), "cer": cer.compute(**texts), "blank": float((frames == pad).mean())}


# %%
from transformers import Trainer, TrainerCallback, TrainingArguments

STEPS = course.budget(cpu=120, gpu=1200)
EVERY = STEPS // 6


def trainer(name, model, callbacks=()):
    """A Trainer for `model`; checkpoints go to a folder `name`."""
    settings = TrainingArguments(
        output_dir=f"{runs.name}/{name}", max_steps=STEPS, seed=42, report_to="none",
        per_device_train_batch_size=8, per_device_eval_batch_size=8, fp16=device == "cuda",
        learning_rate=course.budget(cpu=5e-4, gpu=3e-4), warmup_steps=0.1,
        train_sampling_strategy="group_by_length", eval_strategy="steps", eval_steps=EVERY,
        eval_on_start=True, save_steps=EVERY, save_total_limit=1, logging_steps=EVERY // 3,
        disable_tqdm=False, dataloader_pin_memory=device == "cuda",
    )  # fmt: skip
    return Trainer(
        model=model, args=settings, train_dataset=ready["train"], eval_dataset=ready["validation"],
        data_collator=collator, processing_class=processor, compute_metrics=score, callbacks=list(callbacks),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
    )  # fmt: skip


# %% [markdown]
# ## Training, in two sittings
#
# Trainings get interrupted. Ours ends at the first checkpoint, as in a power cut, and the second sitting
# resumes from there, with the optimiser and the learning rate as they were.

# %%
class StopAfter(TrainerCallback):
    """Ends a training after a number of steps."""

    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, args, state, control, **_):
        if state.global_step >= self.steps:
            control.should_training_stop = True


with course.timed("first sitting"):
    trainer("turkish", model, [StopAfter(EVERY)]).train()

# %%
with course.timed("second sitting"):
    run = trainer("turkish", model)
    run.train(resume_from_checkpoint=True)

# %% tags=["nbval-check-output"]
print(f"resumed after step {EVERY}, ended after step {run.state.global_step}")


# %%
from helpers import plots, show


def curve(run, name):
    """{step: value} of one figure in a Trainer's log."""
    return {entry["step"]: entry[name] for entry in run.state.log_history if name in entry}


left, right = plots.axes(1, 2, width=11, height=3)
left.plot(curve(run, "loss").keys(), curve(run, "loss").values(), "o-", color=plots.BLUE)
left.set(xlabel="step", ylabel="training loss", ylim=0)
for name, colour in (("eval_blank", plots.ORANGE), ("eval_cer", plots.GREEN), ("eval_wer", plots.PURPLE)):
    right.plot(curve(run, name).keys(), curve(run, name).values(), "o-", color=colour, label=name[5:])
right.set(xlabel="step", ylabel="share (validation)", ylim=(0, 1.1))
right.legend(frameon=False)
alt = "Training loss falls. The share of blanks jumps up at once; later CER, then WER fall from 100 %."
show.figure(left.figure, alt=alt)

# %% [markdown]
# The same evaluations as numbers:

# %%
columns = {"blank frames": "eval_blank", "CER": "eval_cer", "WER": "eval_wer"}
table = pd.DataFrame({title: curve(run, name) for title, name in columns.items()})
table.rename_axis("step").map("{:.0%}".format)

# %% [markdown]
# ### The plateau
#
# At step 0 the head guesses: it writes more letters than the text has, so the CER can lie above 100 % (and
# above the picture). Then the share of blanks jumps up. In most frames the blank *is* right, so writing
# almost nothing soon has a lower loss than guessing, and CER and WER stay near 100 %. The training stays on
# this **plateau** for a while, until letters in the right places lower the loss further. So a CTC training
# that writes nothing need not be broken. If overfitting one batch (lesson 6) works, wait.

# %% [markdown]
# ## What has it learnt?
#
# We take the network's log probabilities for each test clip, one clip at a time. The best token of each frame
# gives the text; the beam search below uses the same numbers.

# %%
def emissions(rows):
    """Log probabilities of the tokens, an array of shape (frames, tokens) for each prepared row."""
    model.eval()
    with torch.inference_mode():
        sounds = (torch.tensor(row["input_values"], device=model.device) for row in rows)
        return [model(sound[None]).logits[0].float().log_softmax(-1).cpu().numpy() for sound in sounds]


targets = [clean(text) for text in data["test"]["raw_transcription"]]
scores = emissions(ready["test"])
found = [processor.decode(each.argmax(-1)) for each in scores]
for index in range(4):
    clip = data["test"][index]
    display(players.listen(audio.read(clip["audio"]), 16_000, clip["raw_transcription"]))
    display(show.diff(targets[index], found[index]))

# %% tags=["report"]
from helpers import metrics

results = {}


def report(method, texts):
    """Adds the rates of `texts` on the test clips to `results`; gives the table so far."""
    rate, low, high = metrics.confidence_interval(targets, texts)
    letter_rate = cer.compute(references=targets, predictions=texts)
    results[method] = {"WER": f"{rate:.1%}", "95 %": f"{low:.0%} to {high:.0%}", "CER": f"{letter_rate:.1%}"}
    return pd.DataFrame.from_dict(results, orient="index")


report("best token of each frame", found)

# %% [markdown]
# A figure to compare with: Whisper base as it is, without a step of training, reaches a WER of 57.1 % on the
# offline test clips (case and punctuation ignored; from the card in `helpers/assets/turkish-sentences`).
# Whisper was trained on Turkish texts, and its decoder knows Turkish words. A letter model like ours is for
# languages that Whisper does not know, and for small, fast systems.

# %% [markdown]
# ### Why is WER so much higher?
#
# One wrong letter makes a wrong word. Turkish strings endings together (*evlerimizden*, "from our houses", is
# one word), so its words have many letters. How many wrong words would that explain?

# %%
from rapidfuzz.distance import Levenshtein

from helpers import alignment

pairs = list(zip(targets, found, strict=True))
wrong = [edit for pair in pairs for edit in alignment.align(*pair) if edit.kind == "substitute"]
near = [edit for edit in wrong if Levenshtein.distance(edit.target, edit.prediction) == 1]
length = np.mean([len(word) for text in targets for word in text.split()])
word_rate, letter_rate = (each.compute(references=targets, predictions=found) for each in (wer, cer))
print(f"A word has {length:.1f} letters. With a CER of {letter_rate:.1%}, errors spread at random would "
      f"spoil {1 - (1 - letter_rate) ** length:.0%} of the words; the WER is {word_rate:.0%}.")  # fmt: skip
print(f"{len(near)} of {len(wrong)} words that were replaced are one letter away:")
pd.DataFrame([{"said": edit.target, "written": edit.prediction} for edit in near[:6]])

# %% [markdown]
# So report both: WER counts the words that a reader has to correct, CER shows how close they are.

# %% [markdown]
# ## Which letters?
#
# Every letter of the targets against what was written in its place. Right ones lie on the diagonal and are
# left out, so that the rest can be seen. The last column is for letters that were not written at all.

# %%
characters = (edit for pair in pairs for edit in alignment.align(*pair, unit="char"))
edits = pd.DataFrame(edit for edit in characters if edit.target != " ")
wrong = edits[edits["kind"].isin(["substitute", "delete"])]
table = pd.crosstab(wrong["target"], wrong["prediction"].replace(["", " "], "–"))
table = table.reindex(index=letters, columns=[*letters, "–"], fill_value=0)
ax = plots.axes(width=8, height=6.4)
picture = ax.imshow(table, cmap="Blues")
ax.set_xticks(range(len(table.columns)), table.columns)
ax.set_yticks(range(len(table)), table.index)
ax.set(xlabel="written (–: nothing)", ylabel="said")
ax.figure.colorbar(picture, label="times")
most, where = table.max().max(), table.max().idxmax()
alt = f"Letter errors, said by row, written by column. The darkest cell, {most} times, is in column {where}."
show.figure(ax.figure, alt=alt)

# %%
kinds = edits["kind"].value_counts().reindex(["delete", "substitute", "insert"], fill_value=0)
print("{} letters not written, {} written as another, {} too many".format(*kinds))
said = edits["target"].value_counts().reindex(letters, fill_value=0)
worst = pd.DataFrame(
    {"said": said, "wrong": table.sum(axis=1), "not written": table["–"], "mostly": table.idxmax(axis=1)}
)
worst[worst["wrong"] > 0].sort_values("wrong", ascending=False).head(8)

# %% [markdown]
# ## What are the pre-trained layers worth?
#
# One change: the layers that learn start from random weights instead of the pre-trained ones. All the rest
# stays: the convolutions and other frozen parts, the new head, the clips, their order, the learning rate at
# every step. We stop this training half way and compare there.

# %%
set_seed(42)
without = Wav2Vec2ForCTC.from_pretrained(checkpoint, **head)
untrained = Wav2Vec2ForCTC(AutoConfig.from_pretrained(checkpoint, **head))
learning = untrained.wav2vec2.encoder.layers[FROZEN_LAYERS:]
without.wav2vec2.encoder.layers[FROZEN_LAYERS:].load_state_dict(learning.state_dict())

HALF = 3 * EVERY
with course.timed("random layers"):
    random_run = trainer("random", freeze(without), [StopAfter(HALF)])
    random_run.train()

# %%
ax = plots.axes(width=8, height=3)
starts = {"pre-trained": run, "random": random_run}
for (name, each), colour in zip(starts.items(), (plots.GREEN, plots.RED), strict=True):
    values = {step: value for step, value in curve(each, "eval_cer").items() if step <= HALF}
    ax.plot(values.keys(), values.values(), "o-", color=colour, label=name)
ax.set(xlabel="step", ylabel="CER (validation)", ylim=(0, 1.1))
ax.legend(frameon=False)
show.figure(ax.figure, alt="CER by step: lower at the end from pre-trained weights than from random ones.")

# %% tags=["report"]
halfway = {name: curve(each, "eval_cer")[HALF] for name, each in starts.items()}
learning = len(model.wav2vec2.encoder.layers) - FROZEN_LAYERS
print(f"CER after {HALF} steps, {learning} of {len(model.wav2vec2.encoder.layers)} layers learning: "
      + ", ".join(f"{rate:.1%} from {name} weights" for name, rate in halfway.items()))  # fmt: skip
assert halfway["random"] - halfway["pre-trained"] > 0.1

# %% [markdown]
# With the same clips and the same steps, random layers are behind: what the layers knew before saves
# training. That is all this shows. It does not say which languages taught them, whether text was needed for
# it (XLSR had none, the offline encoder had), or where random layers would end with more clips and steps.

# %% [markdown]
# ## A little language model
#
# The network spells by ear. Beam search with a language model (lesson 2) prefers words that exist. Ours come
# from the training sentences alone: a very small dictionary, for a language that builds words on the fly.

# %% tags=["nbval-check-output"]
from collections import Counter
from itertools import pairwise

texts = [clean(text) for text in data["train"]["raw_transcription"]]
sentences = [["<s>", *text.split(), "</s>"] for text in texts]
single = Counter(word for sentence in sentences for word in sentence[1:])
double = Counter(pair for sentence in sentences for pair in pairwise(sentence))
words = set(single) - {"</s>"}
needed = " ".join(targets).split()
known = sum(word in words for word in needed) / len(needed)
print(f"{len(words)} words; {known:.0%} of the test set's words are among them")

# %% [markdown]
# The file format is ARPA, as in lesson 2: a logarithm for each word, one for each pair that was seen, and
# what to pay for a pair that was not. A fixed discount of half a count leaves something for those.

# %%
import math


def log(share):
    """The logarithm to base 10, as ARPA files write it."""
    return f"{math.log10(share):.4f}"


begun, kinds = Counter(), Counter()
for (first, _), count in double.items():
    begun[first] += count
    kinds[first] += 1
spare = {word: log(0.5 * kinds[word] / begun[word]) for word in begun}
lines = ["\\data\\", f"ngram 1={len(single) + 2}", f"ngram 2={len(double)}", "", "\\1-grams:"]
lines += [f"-99\t<s>\t{spare['<s>']}", "-2\t<unk>"]
lines += [f"{log(count / single.total())}\t{word}\t{spare.get(word, 0)}" for word, count in single.items()]
lines += ["", "\\2-grams:"]
lines += [f"{log((count - 0.5) / begun[pair[0]])}\t{' '.join(pair)}" for pair, count in double.items()]
arpa = Path(runs.name) / "words.arpa"
written = arpa.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")

# %% [markdown]
# How much the language model weighs is chosen on the validation clips, by WER.

# %%
import os

from ctc_beam_decoder import build_ctcdecoder

names = {"|": " ", "[PAD]": "", "[UNK]": "⁇"}  # the decoder's own
labels = [names.get(token, token) for token in vocabulary]
options = {"kenlm_model_path": str(arpa), "unigrams": sorted(words), "beta": 1.0, "unk_score_offset": -2}
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # KenLM draws a progress bar for each file it reads
decoders = {weight: build_ctcdecoder(labels, alpha=weight, **options) for weight in (0.1, 0.3, 0.6)}
os.dup2(stderr, 2)

spoken = [clean(text) for text in data["validation"]["raw_transcription"]]
tuning = emissions(ready["validation"])
trials = {
    weight: wer.compute(references=spoken, predictions=[decoder.decode(each) for each in tuning])
    for weight, decoder in decoders.items()
}
weight = min(trials, key=trials.get)
print(f"weight {weight}, of", ", ".join(f"{weight}: {rate:.1%}" for weight, rate in trials.items()))

# %% tags=["report"]
def errors(texts):
    """The word errors of each test clip."""
    edits = (alignment.align(*pair) for pair in zip(targets, texts, strict=True))
    return np.array([sum(edit.kind != "equal" for edit in clip) for clip in edits])


helped = [decoders[weight].decode(each) for each in scores]
fewer = errors(found) - errors(helped)
print(f"{fewer.sum()} word errors fewer, of {len(needed)} words: "
      f"better in {(fewer > 0).sum()} clips, worse in {(fewer < 0).sum()}")  # fmt: skip
report(f"beam search with words, weight {weight}", helped)

# %% [markdown]
# Both methods read the same clips, so the clips that got better and worse say more than the two intervals. A
# list from a large Turkish text would know more of the words.

# %% [markdown]
# ## Save, load, listen

# %% tags=["nbval-check-output"]
home = Path(runs.name) / "wav2vec2-turkish"
model.save_pretrained(home)
processor.save_pretrained(home)
print(sorted(path.name for path in home.iterdir()))

# %% tags=["nbval-check-output"]
from transformers import pipeline

recognise = pipeline("automatic-speech-recognition", model=str(home), device=device)
sound = audio.read(data["test"][2]["audio"])
text = recognise({"raw": sound, "sampling_rate": 16_000})["text"]
print("the same text as before:", text == found[2])

# %% [markdown]
# The published recipe, `wav2vec2-large-xlsr-53` on some six hours of Common Voice Turkish, reached a WER of
# 59.0 % after 800 steps and 46.4 % after 2,800, with real voices.

# %% [markdown]
# ## Exercises
#
# 1. **How little is enough?** Train with 50, 100 and 200 sentences. Where does CER stop falling? *Hint:*
#    `SIZES`.
# 2. **The wrong lower case.** Let `clean` return `text.lower()`. How many tokens does the vocabulary have
#    now, and what does the model write for İ? *Hint:* look for a token that is a dot alone.
# 3. **Free the lower layers.** `FROZEN_LAYERS = 0`. What does a step cost, and what does it bring?
# 4. **A better dictionary.** Take sentences from a Turkish text of your own. *Hint:* clean them and add them
#    to `texts` before they are counted, so that the ARPA file has them too.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Conneau, Baevski, Collobert, Mohamed, Auli: [Unsupervised cross-lingual representation learning for speech
#   recognition](https://arxiv.org/abs/2006.13979) (2020): XLSR.
# - Hannun: [Sequence modeling with CTC](https://distill.pub/2017/ctc/) (2017).
# - Conneau and others: [FLEURS](https://arxiv.org/abs/2205.12446) (2022); Ardila and others: [Common
#   Voice](https://arxiv.org/abs/1912.06670) (2019).
