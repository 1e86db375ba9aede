# %%
from helpers import course

course.start("07")

# %% [markdown]
# ## Fifty-three languages, then one more
#
# XLSR is Wav2Vec2 on many languages at once. It hears speech with stretches **masked out** and has to pick
# what was there, from sound alone. No text is needed, so any language's recordings will do: 53 of them in
# `wav2vec2-large-xlsr-53`. What it learns are sounds, and languages share most of theirs. A few labelled
# hours are then enough to tie those sounds to letters.
#
# ![CTC. The encoder gives each frame of 20 ms a distribution over letters and blank; the best path is
# collapsed to text.](../images/ctc_model.svg)
#
# Tying them is CTC's business (lesson 2): a linear layer gives each frame of 20 ms a distribution over the
# letters and the **blank**; runs of a letter collapse, blanks vanish, and the loss adds up every path that
# collapses to the transcript. The XLSR paper counts errors in phonemes (PER). We write letters, so we count
# words (WER) and letters (CER).

# %%
from helpers import catalog

CLIPS = course.budget(cpu=293, gpu=2000)
data = {}
for part, most in {"train": CLIPS, "validation": 40, "test": 60}.items():
    rows = catalog.dataset("google/fleurs", "tr_tr", split=part).shuffle(seed=42)
    data[part] = rows.select(range(min(most, len(rows)))).select_columns(["audio", "raw_transcription"])
print({part: len(rows) for part, rows in data.items()})

# %% [markdown]
# Common Voice offers Turkish too. Download it, unpack it, and give the folder with `validated.tsv` and
# `clips/`: the columns come out the same.

# %%
COMMON_VOICE = ""  # such as "cv-corpus/tr"

if COMMON_VOICE:
    from helpers import commonvoice

    data = commonvoice.read(COMMON_VOICE, validation=40, test=60, seed=42)

# %%
from IPython.display import display as show

from helpers import audio, display

for row in data["test"].select(range(2)):
    show(display.listen(audio.read(row["audio"]), 16_000, row["raw_transcription"]))

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

# %% tags=["nbval-check-output"]
import re


def clean(text):
    text = unicodedata.normalize("NFC", text).replace("İ", "i").replace("I", "ı").lower()
    text = re.sub(r"['’`]", "", text)
    return " ".join(re.sub(r"[^\w ]|[\d_]", " ", text).split())


for text in ("Irmak'ta, İzmir'de!", '"Işık söndü." dedi.'):
    print(f"{text:22} → {clean(text)}")

# %% [markdown]
# The apostrophe sets a name off from its ending (İzmir'de, "in İzmir"). It cannot be heard, so it goes, and
# the ending joins the name.

# %% [markdown]
# ## The vocabulary comes from the data
#
# A pre-trained encoder has no letters yet. We collect those that occur in the training texts, add `|` for the
# space (a space in a file is easily lost), `[UNK]` for what training never showed, and `[PAD]`, which is also
# CTC's blank.

# %%
letters = sorted(set("".join(map(clean, data["train"]["raw_transcription"]))) - {" "})
vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "|", *letters])}
print(len(vocabulary), "tokens:", *vocabulary)

# %%
others = [text for part in ("validation", "test") for text in data[part]["raw_transcription"]]
elsewhere = set("".join(map(clean, others)))
print("in validation or test only:", sorted(elsewhere - set(letters) - {" "}) or "nothing")

# %% [markdown]
# Tokenizer and feature extractor make the processor. `bos_token=None, eos_token=None`: CTC knows neither
# beginning nor end, and two tokens nobody uses would be two outputs nobody trains.

# %% tags=["nbval-check-output"]
import json
import tempfile
from pathlib import Path

from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

runs = tempfile.TemporaryDirectory()
vocab = Path(runs.name) / "vocab.json"
vocab.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
checkpoint = catalog.checkpoint("facebook/wav2vec2-large-xlsr-53")
tokenizer = Wav2Vec2CTCTokenizer(
    str(vocab), pad_token="[PAD]", unk_token="[UNK]", word_delimiter_token="|",
    bos_token=None, eos_token=None,
)  # fmt: skip
processor = Wav2Vec2Processor(Wav2Vec2FeatureExtractor.from_pretrained(checkpoint), tokenizer)
ids = processor(text=clean("Ağaçlar sarardı.")).input_ids
print(processor.decode(ids, group_tokens=False))
print(len(processor.tokenizer) == len(vocabulary))


# %%
def prepare(row):
    values = processor(audio.read(row["audio"]), sampling_rate=16_000).input_values[0]
    labels = processor(text=clean(row["raw_transcription"])).input_ids
    return {"input_values": values, "labels": labels, "length": len(values)}


ready = {part: rows.map(prepare, remove_columns=rows.column_names) for part, rows in data.items()}
minutes = {part: sum(rows["length"]) / 16_000 / 60 for part, rows in ready.items()}
print({part: f"{length:.1f} minutes" for part, length in minutes.items()})

# %% [markdown]
# ## The model
#
# The collator is lesson 6's. `check_vocabulary` compares tokens with outputs before training does: one output
# too few, and torch would stop with an index error that names neither.

# %%
from transformers import AutoConfig, Wav2Vec2ForCTC, set_seed

from helpers.collators import DataCollatorCTCWithPadding, check_vocabulary
from helpers.positions import quicken

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
# Only the letters' layer is new. Convolutions stay frozen, as in lesson 6; on a CPU the lower half of the
# layers too. `quicken` computes a long positional convolution faster, to the same result.

# %%
FROZEN_LAYERS = course.budget(cpu=3, gpu=0)


def freeze(model, layers=FROZEN_LAYERS):
    model.freeze_feature_encoder()
    model.wav2vec2.encoder.pos_conv_embed.requires_grad_(False)
    if layers:
        model.wav2vec2.feature_projection.requires_grad_(False)
        model.wav2vec2.encoder.layers[:layers].requires_grad_(False)
    return quicken(model)


freeze(model)
learn = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
print(f"{learn / 1e6:.1f} of {model.num_parameters() / 1e6:.1f} million weights learn")

# %% [markdown]
# Besides WER and CER we watch the share of frames whose best token is the blank.

# %%
import numpy as np

from helpers import metrics

wer, cer = metrics.load("wer"), metrics.load("cer")
pad = processor.tokenizer.pad_token_id


def texts(evaluation):
    labels, tokens = evaluation.label_ids, evaluation.predictions
    labels, tokens = (np.where(ids == -100, pad, ids) for ids in (labels, tokens))
    return processor.batch_decode(labels, group_tokens=False), processor.batch_decode(tokens)


def score(evaluation):
    targets, found = texts(evaluation)
    frames = evaluation.predictions[evaluation.predictions != -100]
    return {
        "wer": wer.compute(predictions=found, references=targets),
        "cer": cer.compute(predictions=found, references=targets),
        "blank": float((frames == pad).mean()),
    }


# %%
from transformers import Trainer, TrainingArguments

STEPS = course.budget(cpu=120, gpu=1200)
EVERY = STEPS // 6
RATE = course.budget(cpu=5e-4, gpu=3e-4)


def trainer(name, model, steps=STEPS, callbacks=()):
    settings = TrainingArguments(
        output_dir=f"{runs.name}/{name}", max_steps=steps, seed=42, report_to="none",
        per_device_train_batch_size=8, per_device_eval_batch_size=8, fp16=course.device() == "cuda",
        learning_rate=RATE, warmup_steps=0.1, train_sampling_strategy="group_by_length",
        eval_strategy="steps", eval_steps=EVERY, save_steps=EVERY, logging_steps=EVERY // 3,
        eval_on_start=True, save_total_limit=1, disable_tqdm=False,
        dataloader_pin_memory=course.device() == "cuda",
    )  # fmt: skip
    return Trainer(
        model=model, args=settings, train_dataset=ready["train"], eval_dataset=ready["validation"],
        data_collator=collator, processing_class=processor, compute_metrics=score, callbacks=list(callbacks),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
    )  # fmt: skip


# %% [markdown]
# ## Training, in two sittings
#
# As in lesson 5, the power fails at the first checkpoint, and the second sitting resumes from it.

# %%
from transformers import TrainerCallback


class PowerCut(TrainerCallback):
    def on_save(self, args, state, control, **_):
        control.should_training_stop = True


with course.timed("first sitting"):
    trainer("turkish", model, callbacks=[PowerCut()]).train()

# %%
with course.timed("second sitting"):
    run = trainer("turkish", model)
    run.train(resume_from_checkpoint=True)
print("stopped at step", run.state.global_step)


# %%
def curve(run, name):
    return {entry["step"]: entry[name] for entry in run.state.log_history if name in entry}


from helpers import plots

left, right = plots.axes(1, 2, width=11, height=3)
left.plot(curve(run, "loss").keys(), curve(run, "loss").values(), "o-", color=plots.BLUE)
left.set(xlabel="step", ylabel="training loss", ylim=0)
for name, colour in (("eval_blank", plots.ORANGE), ("eval_cer", plots.GREEN), ("eval_wer", plots.PURPLE)):
    right.plot(curve(run, name).keys(), curve(run, name).values(), "o-", color=colour, label=name[5:])
right.set(xlabel="step", ylabel="share (validation)", ylim=0)
right.legend(frameon=False)
display.figure(left.figure, alt="Training loss by step, and share of blanks, CER and WER by step.")

# %% [markdown]
# ### The plateau
#
# At first the head guesses at random and writes nonsense, longer than the text. Then comes the cheapest
# lesson: most frames *are* blank, so writing nothing is a good bet. The share of blanks shoots up, the loss
# falls steeply and stays for a while where "nothing" gets it: CER and WER sit at 100 %. Only when letters
# become a better bet than blanks does the loss fall again. Who stops on the plateau believes that nothing
# works. A pre-trained encoder leaves it early, one from scratch may sit there for thousands of steps.

# %% [markdown]
# ## What has it learnt?

# %%
outcome = run.predict(ready["test"])
targets, found = texts(outcome)
rate = {"WER": outcome.metrics["test_wer"], "CER": outcome.metrics["test_cer"]}
for name, value in rate.items():
    course.record(f"{name} on the test clips", value, "%")
for target, text in list(zip(targets, found, strict=True))[:4]:
    show(display.diff(target, text))

# %% [markdown]
# ### Why is WER so much higher?
#
# Turkish strings endings together: *evlerimizden* is "from our houses", one word. Long words offer many
# letters to get wrong, and one is enough. How many of the wrong words are just one letter away?

# %%
from rapidfuzz.distance import Levenshtein

from helpers import alignment

wrong = [
    edit for pair in zip(targets, found, strict=True)
    for edit in alignment.align(*pair) if edit.kind == "substitute"
]  # fmt: skip
near = [edit for edit in wrong if Levenshtein.distance(edit.target, edit.prediction) == 1]
length = np.mean([len(word) for text in targets for word in text.split()])
print(f"{len(near)} of {len(wrong)} wrong words are one letter away; a word has {length:.1f} letters")
display.table([{"said": edit.target, "written": edit.prediction} for edit in near[:6]])

# %% [markdown]
# CER is the fairer number here, and the two together say more than either.

# %% [markdown]
# ## Which letters?
#
# Every letter of the targets against what was written in its place. Right ones lie on the diagonal and are
# left out, so that the rest can be seen.

# %%
from collections import Counter

pairs = Counter(
    (edit.target or "+", edit.prediction or "-")
    for pair in zip(targets, found, strict=True)
    for edit in alignment.align(*pair, unit="char")
)
signs = [sign for sign in letters if any(sign in pair for pair in pairs)]
table = np.array([[pairs[said, heard] * (said != heard) for heard in [*signs, "-"]] for said in signs])
ax = plots.axes(width=8, height=6.4)
picture = ax.imshow(table, cmap="Blues")
ax.set_xticks(range(len(signs) + 1), [*signs, "–"])
ax.set_yticks(range(len(signs)), signs)
ax.set(xlabel="written (–: nothing)", ylabel="said")
ax.figure.colorbar(picture, label="times")
display.figure(ax.figure, alt="Confusions of letters: said by row, written by column, diagonal left out.")

# %%
mixed = Counter({pair: count for pair, count in pairs.items() if pair[0] != pair[1] and " " not in pair})
most = mixed.most_common(8)
display.table([{"said": said, "written": heard, "times": count} for (said, heard), count in most])

# %%
for first, second in ("öo", "üu", "ıi", "ğg"):
    confused = pairs[first, second] + pairs[second, first]
    print(f"{first} and {second}: {confused} times mixed up; {first} dropped {pairs[first, '-']} times")

# %% [markdown]
# Vowels that differ in the lips alone (ı and u, i and ü) and ğ, which is hardly more than a lengthening, are
# the usual suspects. What is seldom in the training texts, or blurred by a speaker's accent, suffers most.

# %% [markdown]
# ## From scratch
#
# Was it really the other languages? The same network, the same head, data and number of steps, but every
# weight random, and no layer frozen, since there is nothing worth keeping.

# %%
set_seed(42)
random_model = Wav2Vec2ForCTC(AutoConfig.from_pretrained(checkpoint, **head))
SHORT = 3 * EVERY
with course.timed("from scratch"):
    scratch = trainer("scratch", freeze(random_model, layers=0), steps=SHORT)
    scratch.train()

# %%
ax = plots.axes(width=8, height=3)
for name, each, colour in (("pre-trained", run, plots.GREEN), ("from scratch", scratch, plots.RED)):
    values = {step: value for step, value in curve(each, "eval_cer").items() if step <= SHORT}
    ax.plot(values.keys(), values.values(), "o-", color=colour, label=name)
ax.set(xlabel="step", ylabel="CER (validation)", ylim=0)
ax.legend(frameon=False)
display.figure(ax.figure, alt="Validation CER by step: pre-trained, and the same network from scratch.")

# %%
ahead = curve(scratch, "eval_cer")[SHORT] - curve(run, "eval_cer")[SHORT]
course.record(f"CER at step {SHORT}, pre-trained", curve(run, "eval_cer")[SHORT], "%")
course.record(f"CER at step {SHORT}, from scratch", curve(scratch, "eval_cer")[SHORT], "%")
assert ahead > 0.1

# %% [markdown]
# ## A little language model
#
# The network spells by ear. Beam search with a language model (lesson 2) prefers words that exist. Ours come
# from the training sentences alone: a very small dictionary, for a language that builds words on the fly.

# %%
from itertools import pairwise

sentences = [["<s>", *clean(text).split(), "</s>"] for text in data["train"]["raw_transcription"]]
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
    return f"{math.log10(share):.4f}"


begun, kinds = Counter(), Counter()
for (before, _), count in double.items():
    begun[before] += count
    kinds[before] += 1
spare = {word: log(0.5 * kinds[word] / begun[word]) for word in begun}
lines = ["\\data\\", f"ngram 1={len(single) + 2}", f"ngram 2={len(double)}", "", "\\1-grams:"]
lines += [f"-99\t<s>\t{spare['<s>']}", "-2\t<unk>"]
lines += [f"{log(count / single.total())}\t{word}\t{spare.get(word, 0)}" for word, count in single.items()]
lines += ["", "\\2-grams:"]
lines += [f"{log((count - 0.5) / begun[pair[0]])}\t{' '.join(pair)}" for pair, count in double.items()]
arpa = Path(runs.name) / "words.arpa"
written = arpa.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")

# %%
import torch
from ctc_beam_decoder import build_ctcdecoder

from helpers.quiet import quiet

signs_of = {"|": " ", "[PAD]": "", "[UNK]": "⁇"}  # the decoder's names for them
tokens = [signs_of.get(token, token) for token in vocabulary]


def emissions(rows):
    for start in range(0, len(rows), 8):
        part = [rows[index] for index in range(start, min(start + 8, len(rows)))]
        batch = {name: values.to(model.device) for name, values in collator(part).items()}
        with torch.inference_mode():
            logits = model.eval()(**batch).logits.float().log_softmax(-1).cpu().numpy()
        lengths = torch.tensor([row["length"] for row in part])
        frames = model._get_feat_extract_output_lengths(lengths).tolist()
        yield from (each[:count] for each, count in zip(logits, frames, strict=True))


def decode(scores, weight):
    with quiet():
        decoder = build_ctcdecoder(
            tokens, str(arpa), sorted(words), alpha=weight, beta=1.0, unk_score_offset=-2
        )
    return [decoder.decode(each) for each in course.progress(scores, "beam search")]


# %%
spoken = {part: [clean(text) for text in rows["raw_transcription"]] for part, rows in data.items()}
tuning = list(emissions(ready["validation"]))
trials = {weight: metrics.wer(spoken["validation"], decode(tuning, weight)) for weight in (0.1, 0.3, 0.6)}
weight = min(trials, key=trials.get)
helped = decode(list(emissions(ready["test"])), weight)
with_words = metrics.wer(spoken["test"], helped)
both = {"WER": with_words, "CER": metrics.cer(spoken["test"], helped)}
decodings = {"best path": rate, f"beam search, words weighted {weight}": both}
display.table([{"decoding": name, **values} for name, values in decodings.items()],
              formats={"WER": ".1%", "CER": ".1%"})  # fmt: skip

# %%
course.record("WER, words helping", with_words, "%")
verdict = "helps" if with_words < rate["WER"] else "does not help"
print(f"The dictionary {verdict}: {len(words)} words, {1 - known:.0%} of the words needed are missing.")

# %% [markdown]
# ## Save, load, listen

# %% tags=["nbval-check-output"]
home = Path(runs.name) / "wav2vec2-turkish"
model.save_pretrained(home)
processor.save_pretrained(home)
print(sorted(path.name for path in home.iterdir()))

# %%
from transformers import pipeline

recognise = pipeline("automatic-speech-recognition", model=str(home), device=course.device())
clip = data["test"][2]
sound = audio.read(clip["audio"])
show(display.listen(sound, 16_000, clip["raw_transcription"]))
text = recognise({"raw": sound, "sampling_rate": 16_000})["text"]
show(display.diff(clean(clip["raw_transcription"]), text))

# %% [markdown]
# The published recipe, `wav2vec2-large-xlsr-53` on some six hours of Common Voice Turkish, reached a WER of
# 59.0 % after 800 steps and 46.4 % after 2,800: XLSR is patient work, on real voices.

# %% [markdown]
# ## Exercises
#
# 1. **How little is enough?** Train with 50, 100 and 200 sentences. Where does CER stop falling? *Hint:*
#    `CLIPS`.
# 2. **The wrong lower case.** Replace `clean` by `text.lower()`. How many tokens does the vocabulary have
#    now, and what does the model write for İ? *Hint:* look for a token that is a dot alone.
# 3. **Free the lower layers.** `FROZEN_LAYERS = 0`. What does a step cost, and what does it bring?
# 4. **A better dictionary.** Take words from a Turkish text of your own. *Hint:* `words.update(…)`, and clean
#    it the same way.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Conneau, Baevski, Collobert, Mohamed, Auli: [Unsupervised cross-lingual representation learning for speech
#   recognition](https://arxiv.org/abs/2006.13979) (2020): XLSR.
# - Hannun: [Sequence modeling with CTC](https://distill.pub/2017/ctc/) (2017).
# - Conneau and others: [FLEURS](https://arxiv.org/abs/2205.12446) (2022); Ardila and others: [Common
#   Voice](https://arxiv.org/abs/1912.06670) (2019).
