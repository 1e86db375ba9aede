# %%
from helpers import course

course.start("04")

# %% [markdown]
# ## What fine-tuning is
#
# Training a model from nothing takes more text, or speech, than most of us will ever have. So the work is
# split. Somebody **pretrains** a large model once, on a task that needs no labels: BERT guesses words that
# were covered up. Then everybody else takes those weights as a starting point and trains on, briefly, on
# their own small labelled data: that is **fine-tuning**.
#
# It takes four steps, and this lesson walks through them in order.
#
# ![The four steps of fine-tuning. Choose a pretrained checkpoint with its body and its old head; prepare the
# data as batches of numbers; put a new head with random weights on the body; train both on the new
# data.](../images/fine_tuning.svg)
#
# The task: is a film review positive or negative? 1,000 reviews to learn from (the **training** set), 200 to
# choose between models (**validation**), and 200 that we touch only to measure (**test**).

# %% tags=["nbval-check-output"]
from datasets import load_dataset

from helpers import catalog

source = catalog.data("stanfordnlp/imdb")
reviews = load_dataset(**source, split="train").shuffle(seed=42)
test = load_dataset(**source, split="test").shuffle(seed=42).select(range(200))
train, validation = reviews.select(range(1000)), reviews.select(range(1000, 1200))
for name, part in {"train": train, "validation": validation, "test": test}.items():
    print(f"{name:10} {len(part):5,} reviews, {sum(part['label']) / len(part):.0%} positive")

# %% [markdown]
# What would a model score that has learnt nothing? One that always answers with the more frequent label, the
# **majority class**, is right as often as that label occurs. On the test reviews that is the number to beat:

# %% tags=["nbval-check-output"]
share = sum(test["label"]) / len(test)
majority = max(share, 1 - share)
print(f"always the same answer: at best {majority:.1%} right")

# %% [markdown]
# What do reviews look like?

# %% tags=["nbval-check-output"]
from textwrap import shorten

import pandas as pd

pd.set_option("display.max_colwidth", 100, "display.width", 150)
names = train.features["label"].names
pd.DataFrame(
    {"text": shorten(row["text"], 75, placeholder=" …"), "label": names[row["label"]]}
    for row in train.select(range(4))
)

# %% [markdown]
# ## Step 1: choose a checkpoint
#
# A good checkpoint was pretrained on something close to our task (here: English text), has a licence that
# allows our use, and fits our machine. BERT is the classic for understanding text. `AutoModel` loads its
# **body**: the part that turns each token into a vector.

# %% tags=["nbval-check-output"]
import torch
from transformers import AutoModel, AutoTokenizer

device = "cuda" if torch.cuda.is_available() else "cpu"
checkpoint = catalog.model("google-bert/bert-base-uncased")
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
body = AutoModel.from_pretrained(checkpoint).to(device)
print(f"{body.config.num_hidden_layers} layers, {body.num_parameters() / 1e6:.1f} M weights")

# %% [markdown]
# The tokenizer belongs to the checkpoint. It cuts text into pieces the model has met in pretraining, and rare
# words into several.

# %% tags=["nbval-check-output"]
sentence = "An unputdownable film, and not one dull minute."
encoded = tokenizer(sentence, return_tensors="pt").to(device)
print(*tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]), sep=" | ")
print(body(**encoded).last_hidden_state.shape, "= (sentences, tokens, width)")

# %% [markdown]
# `##` marks a piece that continues a word. `[CLS]` at the front stands for the whole sentence: BERT's
# classifier looks at its vector.
#
# ## Step 2: prepare the data
#
# Tokenise once, for all reviews. What is longer than `MAX_LENGTH` is cut off: time and memory grow with
# length.

# %% tags=["nbval-check-output", "tested"]
MAX_LENGTH = course.budget(cpu=64, gpu=256)


def tokenise(batch):
    """Token ids of a batch of reviews, at most MAX_LENGTH each, and how many there are (`length`)."""
    encoded = tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH)
    return {**encoded, "length": [len(ids) for ids in encoded["input_ids"]]}


train, validation, test = (part.map(tokenise, batched=True) for part in (train, validation, test))
cut = sum(length == MAX_LENGTH for length in train["length"]) / len(train)
print(f"{min(train['length'])} to {max(train['length'])} tokens; {cut:.0%} reach the limit of {MAX_LENGTH}")

# %% [markdown]
# A batch is a rectangle, and sentences are not of one length: the short ones are filled up with `[PAD]`. How
# far? The **collator**, which makes a batch of rows, decides. `DataCollatorWithPadding` goes to the longest
# sentence *of the batch*, instead of one length for all (dynamic padding).

# %% tags=["nbval-check-output"]
from transformers import DataCollatorWithPadding

collator = DataCollatorWithPadding(tokenizer)
rows = train.select_columns(["input_ids", "attention_mask", "label"]).select(range(8)).to_list()
batch = collator(rows)
print({key: tuple(value.shape) for key, value in batch.items()})
print("tokens without padding:", batch["attention_mask"].sum(dim=1).tolist())

# %% [markdown]
# The attention mask tells the model which places are padding. It ignores them, but computes them all the
# same. How much of the work is padding, and what does it cost? Three ways to pad the same 80 reviews, and
# the body's time for each.


# %% tags=["tested"]
def batches(part, collate, size=8):
    """The rows of a tokenised data set in batches: dicts of tensors of shape (size, length)."""
    rows = part.select_columns(["input_ids", "attention_mask"]).to_list()
    return [collate(rows[start : start + size]) for start in range(0, len(rows), size)]


# %%
some = train.select(range(80))
shortest_first = sorted(range(80), key=some["length"][:].__getitem__)
to_limit = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=MAX_LENGTH)
ways = {
    f"all to {MAX_LENGTH}": batches(some, to_limit),
    "longest of the batch": batches(some, collator),
    "sorted, longest of the batch": batches(some.select(shortest_first), collator),
}
seconds = {}
for way, padded in ways.items():
    with torch.inference_mode(), course.timed(way) as timing:
        for batch in padded:
            body(**batch.to(device))
    seconds[way] = timing.seconds

# %% tags=["nbval-check-output"]
padding = {
    way: 1 - float(torch.cat([batch["attention_mask"].flatten() for batch in padded]).float().mean())
    for way, padded in ways.items()
}
pd.DataFrame({"share of padding": padding}).map("{:.1%}".format)

# %%
from helpers import plots, show

left, right = plots.axes(1, 2, width=11, height=2.2)
plots.bars(padding, ax=left, unit="%").set_title("share of padding")
plots.bars(seconds, ax=right, unit="s").set_title("time for 80 reviews")
right.set_yticklabels([])
show.figure(
    left.figure,
    alt="Two bar charts, share of padding and seconds, for three ways to pad 80 reviews. Share of padding: "
    + ", ".join(f"{way} {share:.0%}" for way, share in padding.items()),
)
first, dynamic, similar = padding.values()
assert first >= dynamic >= similar

# %% [markdown]
# From top to bottom less padding is computed. The gain depends on the data: if every text reaches the limit,
# there is none. We train with the third way: batches of similar length, drawn at random
# (`train_sampling_strategy="group_by_length"`).
#
# ## Step 3: a new head
#
# A classifier is the body plus a **head**: one linear layer from the vector of `[CLS]` to two numbers, the
# logits. `AutoModelForSequenceClassification` adds it, and can say which weights it did not find in the
# checkpoint.

# %% tags=["nbval-check-output"]
from transformers import AutoModelForSequenceClassification, set_seed

set_seed(42)
labels = {"num_labels": 2, "id2label": dict(enumerate(names))}
model, loading = AutoModelForSequenceClassification.from_pretrained(
    checkpoint, **labels, output_loading_info=True
)
new = loading["missing_keys"]
print("new, random:", sorted(new))
print("left behind:", sorted(loading["unexpected_keys"]) or "nothing")

# %% [markdown]
# "Left behind" is the old head of the picture above, which BERT needed in pretraining. Where nothing is
# listed, the checkpoint was published without it.

# %% tags=["nbval-check-output"]
prefixes = {"embeddings": "bert.embeddings", "layers": "bert.encoder", "pooler": "bert.pooler"}
table = []
for part, prefix in {**prefixes, "head": "classifier"}.items():
    weights = {name: weight.numel() for name, weight in model.named_parameters() if name.startswith(prefix)}
    origin = "new" if set(weights) <= set(new) else "checkpoint"
    table.append({"part": part, "weights": f"{sum(weights.values()):,}", "from": origin})
pd.DataFrame(table).set_index("part")

# %% [markdown]
# Only the head is new: two rows of weights and two biases. All the rest comes from the checkpoint, even the
# pooler, a layer that prepares the vector of `[CLS]`. The head is random, so before training the model can
# only guess.
#
# ## Step 4: train
#
# First, what counts as good? The `Trainer` passes all logits and labels to a function of ours; it computes
# the **accuracy**, the share of right answers, with scikit-learn.

# %% tags=["tested"]
from sklearn.metrics import accuracy_score


def score(evaluation):
    """Accuracy, a fraction, from the Trainer's logits, (reviews, classes), and labels, (reviews,)."""
    return {"accuracy": accuracy_score(evaluation.label_ids, evaluation.predictions.argmax(axis=-1))}


# %% [markdown]
# What does training do? It takes a batch and computes the **loss**: how wrong the answers are. Here it is
# the cross-entropy, minus the logarithm of the probability that the model gives to the right label; for a
# model that says 50 % to everything it is 0.69. Then it computes the **gradient**: for each weight, whether
# and how fast the loss grows when that weight grows. One **step** moves every weight a little in the other
# direction. Once through all training reviews is an **epoch**: 125 steps of 8 reviews.
#
# The settings are the same for every model of this lesson. The ones to know: the **learning rate** (how far
# a step goes; fine-tuning takes small steps, so that what the checkpoint has learnt is kept), **warm-up**
# (the rate grows over the first tenth of the steps, then falls), **weight decay** (pulls weights gently
# towards zero). At regular intervals each state is scored on the validation reviews, and the **best** one is
# loaded at the end: more steps are not always better.

# %% tags=["tested"]
import tempfile

from transformers import Trainer, TrainingArguments

runs = tempfile.TemporaryDirectory()
STEPS = course.budget(cpu=90, gpu=375)
RATE = 5e-5 if body.config.hidden_size >= 768 else 1e-4  # a small model bears larger steps


def make_trainer(name, model, rows, learning_rate=RATE):
    """A Trainer for `model` on the tokenised data set `rows`; it writes to a folder called `name`."""
    settings = TrainingArguments(
        output_dir=f"{runs.name}/{name}", max_steps=STEPS, seed=42, report_to="none",
        per_device_train_batch_size=8, per_device_eval_batch_size=20, fp16=device == "cuda",
        learning_rate=learning_rate, warmup_steps=0.1, weight_decay=0.01,
        train_sampling_strategy="group_by_length", logging_steps=STEPS // 3,
        eval_strategy="steps", eval_steps=STEPS // 3, eval_on_start=True,
        save_strategy="best", save_only_model=True, save_total_limit=1,
        load_best_model_at_end=True, metric_for_best_model="accuracy",
        disable_tqdm=False, dataloader_pin_memory=device == "cuda",
    )  # fmt: skip
    return Trainer(
        model=model, args=settings, train_dataset=rows, eval_dataset=validation,
        data_collator=collator, processing_class=tokenizer, compute_metrics=score,
    )  # fmt: skip


# %%
full = make_trainer("full", model, train)
with course.timed("full fine-tuning"):
    full.train()
print(f"the best state: step {full.state.best_global_step}, accuracy {full.state.best_metric:.1%}")

# %% [markdown]
# The first line of the table is the model before any training. Now the 200 reviews that had no part in any
# of this. Two hundred are few, so we say how far chance alone could move the score.

# %% tags=["tested"]
from math import sqrt

from transformers.utils.notebook import NotebookProgressCallback


def predict(trainer):
    """Labels and predictions of the test reviews: two arrays of shape (reviews,), in the trainer's order."""
    trainer.remove_callback(NotebookProgressCallback)  # its bar would leave an empty output in the notebook
    outcome = trainer.predict(test)
    return outcome.label_ids, outcome.predictions.argmax(axis=-1)


def margin(share, count):
    """Half the width of the 95 % interval of a share (a fraction) among `count` reviews."""
    return 1.96 * sqrt(share * (1 - share) / count)


# %% tags=["report"]
answers = predict(full)
found = {"fine-tuned": accuracy_score(*answers)}
print(f"{found['fine-tuned']:.1%} right, give or take {margin(found['fine-tuned'], len(test)):.1%}")
assert found["fine-tuned"] > 0.7

# %% [markdown]
# ### Which errors are more frequent?
#
# One number cannot say whether the model is too kind or too strict. The **confusion matrix** can: a row for
# each right label, a column for each prediction, the right ones on the diagonal.

# %%
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

matrix = confusion_matrix(*answers)  # (labels, predictions)
shown = ConfusionMatrixDisplay(matrix, display_labels=names)
shown.plot(ax=plots.axes(width=3.6, height=3), cmap="Blues", colorbar=False)
show.figure(
    shown.figure_,
    alt=f"Confusion matrix, right label by prediction: {matrix.trace()} of {len(test)} on the diagonal.",
)
print(f"{matrix[0, 1]} negative reviews were taken for positive, {matrix[1, 0]} positive ones for negative.")

# %% [markdown]
# `trainer.predict` returns the labels beside the logits, and those are the ones to compare with: to save
# padding, the `Trainer` took the reviews by length, not in the order of `test`. Compared with
# `test["label"]`, the same predictions would look like chance.
#
# ## Why it works: three ways to train
#
# Is it the pretrained weights that do it? We take them away, and then we forbid them to move. Same reviews,
# same number of steps:
#
# 1. **from scratch**: the same architecture, every weight random;
# 2. **frozen body**: pretrained weights that do not change, only the head learns;
# 3. **full fine-tuning**: what we just did.
#
# The learning rate is the same too, but for the head alone, which can take far larger steps.

# %%
from transformers import AutoConfig

set_seed(42)
random_model = AutoModelForSequenceClassification.from_config(
    AutoConfig.from_pretrained(checkpoint, **labels)
)
scratch = make_trainer("scratch", random_model, train)
with course.timed("from scratch"):
    scratch.train()

# %%
set_seed(42)
frozen_model = AutoModelForSequenceClassification.from_pretrained(checkpoint, **labels)
frozen_model.base_model.requires_grad_(False)
frozen = make_trainer("frozen", frozen_model, train, learning_rate=1e-2)
with course.timed("frozen body"):
    frozen.train()

# %% [markdown]
# A `Trainer` keeps what it has logged: steps, losses, accuracies.


# %% tags=["tested"]
def history(trainer):
    """What a training logged: epoch, losses and accuracy, a row for each step with an evaluation."""
    log = pd.DataFrame(trainer.state.log_history).groupby("step").first()
    log = log[["epoch", "loss", "eval_loss", "eval_accuracy"]]
    return log.rename(columns={"loss": "training loss", "eval_loss": "validation loss"})


# %%
trained = {"fine-tuned": full, "frozen body": frozen, "from scratch": scratch}
curves = {way: history(trainer)["eval_accuracy"] for way, trainer in trained.items()}
ax = plots.axes(width=8, height=3.6)
for (way, curve), colour, marker in zip(curves.items(), plots.PALETTE[:3], "os^", strict=True):
    ax.plot(curve.index, curve, color=colour, marker=marker, label=way)
share = sum(validation["label"]) / len(validation)
ax.axhline(max(share, 1 - share), color="#999999", linestyle=":", label="majority class")
ax.set(xlabel="training steps", ylabel="accuracy (validation)", ylim=(0.4, 1))
ax.yaxis.set_major_formatter("{x:.0%}")
ax.legend(frameon=False, ncols=4, loc="upper left")
show.figure(
    ax.figure,
    alt="Validation accuracy against training steps, three curves. At the last step: "
    + ", ".join(f"{way} {curve.iloc[-1]:.0%}" for way, curve in curves.items()),
)

# %% tags=["report"]
for way in ("frozen body", "from scratch"):
    found[way] = accuracy_score(*predict(trained[way]))
table = [
    {
        "way": way,
        "weights that learn": f"{trainer.get_num_trainable_parameters():,}",
        "test accuracy": f"{found[way]:.1%}",
        "above the majority class": f"{100 * (found[way] - majority):+.1f} points",
    }
    for way, trainer in trained.items()
]
assert found["fine-tuned"] > max(majority, found["from scratch"]) + 0.05
pd.DataFrame(table).set_index("way")

# %% [markdown]
# **Transfer.** The first and the last row are the same network, trained on the same reviews for the same
# number of steps. They differ in one thing: where their weights began. A model that has learnt nothing may
# score below the majority class, if it always gives the label that is rarer in the test set. So count what
# fine-tuning has gained from the majority class, not from a training that failed.
#
# **Freezing** costs a fraction of the time, because no gradient is computed for the body. But the body then
# still describes text in general, and only its vector of `[CLS]` reaches the head. That is harder for some
# checkpoints than for others: the offline one was trained for the mean over all tokens, not for `[CLS]`.
# With very little data, or a very large body, freezing can be the better bargain.
#
# ### How little data is enough?
#
# Labels are what costs. Here is the same fine-tuning with 50 and with 200 reviews, beside the run with 1,000
# from above. All take the same number of steps, so the fewer the reviews, the more often each is seen.

# %%
by_size = {}
for size in (50, 200):
    set_seed(42)
    small = AutoModelForSequenceClassification.from_pretrained(checkpoint, **labels)
    by_size[size] = make_trainer(f"size-{size}", small, train.select(range(size)))
    by_size[size].train()

# %% tags=["report"]
accuracies = {size: accuracy_score(*predict(trainer)) for size, trainer in by_size.items()}
by_size[len(train)], accuracies[len(train)] = full, found["fine-tuned"]
pd.DataFrame(
    {
        "reviews": size,
        "epochs": round(by_size[size].state.epoch, 1),
        "test accuracy": f"{share:.1%} ± {100 * margin(share, len(test)):.1f}",
    }
    for size, share in accuracies.items()
).set_index("reviews")

# %%
ax = plots.axes(width=7, height=3.2)
bars = [margin(share, len(test)) for share in accuracies.values()]
ax.errorbar(list(accuracies), list(accuracies.values()), yerr=bars, color=plots.BLUE, marker="o", capsize=4)
ax.axhline(majority, color="#999999", linestyle=":")
ax.text(60, majority - 0.04, "majority class", color="#555555")
ax.set(xscale="log", xlabel="training reviews", ylabel="accuracy (test)", ylim=(0.4, 1))
ax.minorticks_off()
ax.set_xticks(list(accuracies), [f"{size:,}" for size in accuracies])
ax.yaxis.set_major_formatter("{x:.0%}")
show.figure(
    ax.figure,
    alt="Test accuracy against training reviews, with 95 % ranges, over the line of the majority class: "
    + ", ".join(f"{size:,} reviews {share:.0%}" for size, share in accuracies.items()),
)

# %% [markdown]
# The bars show what chance can do with 200 test reviews. Read the curve with the epochs in mind: with fewer
# reviews each was seen more often, so the points differ in two things, and the run with 1,000 may have
# stopped before it was done. Before collecting more data, draw this curve, with enough steps for each point:
# where it is still rising, more labels pay.
#
# What happens when few reviews are seen again and again? The log of the run with 50:

# %%
history(by_size[50]).round(2)

# %% [markdown]
# A training loss near 0 means that the model has learnt these 50 reviews by heart. If the validation loss
# rises meanwhile, it is **overfitting**: what it learns no longer holds for other reviews. The accuracy can
# go up all the same. It counts only which label is ahead, while the loss also counts how sure the model is,
# and an overfitted model is very sure, of its errors too.
#
# ## Two sentences of your own
#
# Change them, and run the cell again. `pipeline` does tokenising, model and softmax in one call.

# %% tags=["tested"]
from transformers import pipeline

POSITIVE = "A warm, clever and beautifully acted film."
NEGATIVE = "The story drags, the jokes fall flat, and I was bored after ten minutes."

classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None, device=device)


def probability(text):
    """{label: probability} of one text."""
    return {answer["label"]: answer["score"] for answer in classify([text])[0]}


# %%
pd.DataFrame({text: probability(text) for text in (POSITIVE, NEGATIVE)}).T.map("{:.0%}".format)

# %% [markdown]
# ## The errors it makes
#
# Read errors, always. First those of the test reviews that the model was surest of.

# %%
limits = {"batch_size": 8, "truncation": True, "max_length": MAX_LENGTH}
ranked = [answer[0] for answer in classify(test["text"][:], **limits)]  # the likelier label comes first
judged = pd.DataFrame(ranked).rename(columns={"label": "predicted", "score": "sure"})
judged["right"] = [names[label] for label in test["label"]]
judged["text"] = [shorten(text, 75, placeholder=" …") for text in test["text"]]
wrong = judged[judged["right"] != judged["predicted"]].sort_values("sure", ascending=False)
print(len(wrong), "errors")
wrong[["right", "predicted", "sure", "text"]].head(6).round(2)

# %% [markdown]
# Look for praise in the complaints, and for blame in the praise: a model that weighs good and bad words gets
# those wrong. Two kinds of sentence deserve a test of their own: **negation**, where a small word reverses
# the meaning, and **irony**, where no word shows it.

# %%
probes = [
    ("plain", "The plot is good.", "pos"),
    ("plain", "The acting is a disaster.", "neg"),
    ("negation", "The plot is not good.", "neg"),
    ("negation", "There is not a dull minute in it.", "pos"),
    ("negation", "Nobody could call this film boring.", "pos"),
    ("negation", "I would not say that I enjoyed it.", "neg"),
    ("irony", "What a brilliant way to waste two hours.", "neg"),
    ("irony", "Wonderful, yet another sequel that everybody was dying for.", "neg"),
    ("irony", "A great film for anyone who likes to sleep in the cinema.", "neg"),
    ("irony", "The best part was the bright green exit sign.", "neg"),
]
judged = pd.DataFrame(probes, columns=["kind", "text", "meant"])
judged["pos"] = [probability(text)["pos"] for text in judged["text"]]
judged["right"] = (judged["pos"] > 0.5) == (judged["meant"] == "pos")
judged.round(2)

# %% tags=["report"]
judged.groupby("kind", sort=False)["right"].agg(right="sum", sentences="count")

# %% [markdown]
# Four sentences of a kind are too few for a rate. They are enough to see that a score says how often a model
# errs, and not *when*; and they tell which sentences to collect more of, to test or to train on.
#
# ## Save, and load again
#
# A folder with weights, configuration and tokenizer is all that anyone needs. Does it give the very same
# answers?

# %% tags=["nbval-check-output"]
from pathlib import Path

home = Path(runs.name) / "film-critic"
model.save_pretrained(home)
tokenizer.save_pretrained(home)
pd.DataFrame({"kB": {file.name: f"{file.stat().st_size / 1000:,.1f}" for file in sorted(home.iterdir())}})

# %% tags=["nbval-check-output"]
classify = pipeline("text-classification", model=str(home), top_k=None, device=device)
again = [probability(text)["pos"] for text in judged["text"]]
print("same probabilities:", (judged["pos"] - again).abs().max() < 1e-4)

# %% [markdown]
# ## What carries over to speech
#
# All four steps. The head is a choice, not a new model: the same checkpoint with another `AutoModelFor…`
# gives another shape of answer, and each time the loader says what is new.

# %% tags=["nbval-check-output"]
from transformers import AutoModelForTokenClassification

tagger, loading = AutoModelForTokenClassification.from_pretrained(
    checkpoint, num_labels=5, output_loading_info=True
)
print("new:", sorted(loading["missing_keys"]))
print("one answer a sentence:", tuple(model.cpu()(**encoded.to("cpu")).logits.shape))
print("one answer a token:   ", tuple(tagger(**encoded).logits.shape))

# %% [markdown]
# One answer for each token: that is what a CTC model gives for each frame of sound. The whole lesson again,
# with the names it will have:
#
# | here, for text | Whisper | Wav2Vec2 |
# |---|---|---|
# | tokenizer | processor: feature extractor and tokenizer | the same, with letters as tokens |
# | `DataCollatorWithPadding` | a collator that pads sound and labels apart | likewise |
# | body and a new head | body, and the head it has | body and a new head, one output a letter |
# | accuracy | word error rate | word and character error rate |
# | `Trainer` | `Seq2SeqTrainer` | `Trainer` |
# | frozen body | frozen encoder | frozen convolutions |
#
# Lesson 5 fine-tunes Whisper, lesson 6 Wav2Vec2.
#
# ## Exercises
#
# 1. **A way of your own.** Freeze only the embeddings and the first half of the layers. Where does the curve
#    run, and what does it save? *Hint:* load a new model as for the frozen body, then
#    `model.bert.embeddings.requires_grad_(False)`, and the same for `model.bert.encoder.layer[:3]`.
# 2. **A learning rate too large.** Train with 1e-3. What happens to the loss, and to the validation accuracy?
#    *Hint:* `make_trainer(..., learning_rate=1e-3)`, then `history`; compare with the model from scratch.
# 3. **Teach it negation.** Write ten sentences with "not", label them, put them three times into the training
#    data, and judge the probes again. *Hint:* `Dataset.from_dict({"text": [...], "label": [...]})`,
#    `.map(tokenise, batched=True)`, `.cast(train.features)`, then `datasets.concatenate_datasets`.
# 4. **Another seed.** Shuffle with seed 1 and run all cells. Which numbers move by more than their margin?

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Devlin, Chang, Lee, Toutanova: [BERT](https://arxiv.org/abs/1810.04805) (2019): pretraining and the
#   four-step recipe.
# - Wang and others: [MiniLM](https://arxiv.org/abs/2002.10957) (2020): how a large BERT is made small.
# - Yosinski, Clune, Bengio, Lipson: [How transferable are features in deep neural
#   networks?](https://arxiv.org/abs/1411.1792) (2014): frozen, fine-tuned and random layers compared.
# - Transformers documentation: [fine-tuning](https://huggingface.co/docs/transformers/training) and [padding
#   and truncation](https://huggingface.co/docs/transformers/pad_truncation).
