# %%
from helpers import course

course.start("04")

# %% [markdown]
# ## What fine-tuning is
#
# Training a model from scratch takes more text, or speech, than most of us will ever have. So the work is
# split. Somebody **pretrains** a large model once, on a task that needs no labels: BERT predicts words that
# were masked. Everybody else starts from those weights and trains them a little further on a small labelled
# data set of their own: that is **fine-tuning**.
#
# It takes four steps, and this lesson goes through them in order.

# %% tags=["nbval-check-output"]
from helpers import drawings

alt = (
    "The four steps of fine-tuning. Choose a pretrained checkpoint with its body and its old head; prepare "
    "the data as batches of numbers; put a new head with random weights on the body; train both on the new "
    "data."
)
drawings.show("fine_tuning", alt)

# %% [markdown]
# The task: is a film review positive or negative? 1,000 reviews to learn from (the **training** set), 200 to
# choose between settings and states (**validation**), and 200 to judge the result once (**test**).

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
# ### Two baselines
#
# What does a model score that has learnt nothing? Take a model that always gives the more frequent label of
# the test set, the **majority class**: it is right as often as that label occurs.
#
# And what does counting words give, without any pretraining? **TF-IDF** turns a review into one number for
# each word: large if the word is frequent in this review, and small if many reviews contain it. **Logistic
# regression** learns one weight for each of these numbers. Both are fast, so compare every larger model with
# them. Logistic regression has one setting, `C` (how freely it fits the training data), which we choose on
# the validation reviews.

# %% tags=["tested"]
import numpy as np
from sklearn.linear_model import LogisticRegression


def fit(features, labels, validation_features, validation_labels):
    """The logistic regression, of three values of C, that is best on the validation reviews.

    features: (reviews, numbers), an array or a sparse matrix; labels: (reviews,).
    """
    fitted = [LogisticRegression(C=C, max_iter=2000).fit(features, labels) for C in (0.1, 1, 10)]
    return max(fitted, key=lambda model: model.score(validation_features, validation_labels))


# %% tags=["nbval-check-output"]
from sklearn.feature_extraction.text import TfidfVectorizer


def count_words(size):
    """Labels that TF-IDF and logistic regression give the test reviews, learnt from the first `size`."""
    words = TfidfVectorizer(sublinear_tf=True)
    features = words.fit_transform(train["text"][:size])
    chosen = fit(features, train["label"][:size], words.transform(validation["text"]), validation["label"])
    return chosen.predict(words.transform(test["text"]))


truth = np.array(test["label"])
more_frequent = np.bincount(truth).argmax()
found = {"majority class": np.full(len(test), more_frequent), "TF-IDF": count_words(len(train))}
for way, answers in found.items():
    print(f"{way}: {np.sum(answers == truth)} of {len(test)} test reviews right")

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
# The tokenizer belongs to the checkpoint. It cuts text into pieces that the model has met in pretraining, and
# rare words into several.

# %% tags=["nbval-check-output"]
sentence = "An unputdownable film, and not one dull minute."
encoded = tokenizer(sentence, return_tensors="pt").to(device)
print(*tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]), sep=" | ")
print(body(**encoded).last_hidden_state.shape, "= (sentences, tokens, width)")

# %% [markdown]
# `##` marks a piece that continues a word, and `[SEP]` marks the end. `[CLS]` at the front stands for the
# whole sentence: BERT's classifier looks at its vector.
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
# A batch is a rectangle, and reviews are not of one length: the short ones are filled up with `[PAD]`. How
# far? The **collator**, which makes a batch of rows, decides. `DataCollatorWithPadding` goes to the longest
# review *of the batch*, instead of one length for all (dynamic padding).

# %% tags=["nbval-check-output"]
from transformers import DataCollatorWithPadding

collator = DataCollatorWithPadding(tokenizer)
rows = train.select_columns(["input_ids", "attention_mask", "label"]).select(range(8)).to_list()
batch = collator(rows)
print({key: tuple(value.shape) for key, value in batch.items()})
print("tokens without padding:", batch["attention_mask"].sum(dim=1).tolist())

# %% [markdown]
# The attention mask tells the model which places are padding. The model ignores them, but still spends
# computing time on them.
#
# ### Exercise 4.1: what padding costs (5 minutes)
#
# Reviews with these numbers of tokens are taken in the given order, `size` at a time, and each batch is
# padded to its own longest. How many tokens does the model compute? For lengths 10, 4, 6, 2 and batches of 2
# it is 2 × 10 + 2 × 6 = 32.
#
# <details><summary>Hint</summary>`lengths[start : start + size]` is one batch, and `range(0, len(lengths),
# size)` gives the starts. A batch costs its number of reviews times its longest.</details>


# %% tags=["exercise"]
def computed(lengths, size):
    """Tokens that are computed, padding included, for batches of `size` taken in order."""
    # <solution>
    starts = range(0, len(lengths), size)
    batches = [lengths[start : start + size] for start in starts]
    return sum(len(batch) * max(batch) for batch in batches)
    # </solution>


# %% tags=["wrong"]
def computed(lengths, size):
    return len(lengths) * max(lengths)


# %% tags=["wrong"]
def computed(lengths, size):
    return sum(size * max(lengths[start : start + size]) for start in range(0, len(lengths), size))


# %% tags=["wrong"]
def computed(lengths, size):
    batches = [lengths[start : start + size] for start in range(0, len(lengths), size)]
    return sum(len(batch) * max(batch) - sum(batch) for batch in batches)


# %% tags=["check", "nbval-check-output"]
from helpers.exercises import checking

NOTHING = "The function gives nothing back: write your code, and end it with return."
with checking("4.1", "what padding costs"):
    cost = computed([10, 4, 6, 2], 2)
    assert cost is not None, NOTHING
    assert cost != 40, "Each batch is padded to its own longest review, not to the longest of all."
    assert cost != 10, "That is the padding alone: the model also computes the tokens themselves."
    assert cost == 32, f"32 tokens were expected, not {cost}."
    assert computed([5, 5, 3], 2) == 13, "The last batch may be smaller: count the reviews that are in it."

# %% [markdown]
# **Before you run:** three ways to pad the same reviews: all to `MAX_LENGTH`; each batch to its longest;
# batches of similar length, each to its longest. Which computes the least padding? (a) the first, since all
# are alike (b) the second (c) the third.


# %% tags=["tested"]
def batches(part, collate, size=8):
    """The rows of a tokenised data set in batches: dicts of tensors of shape (size, length)."""
    rows = part.select_columns(["input_ids", "attention_mask"]).to_list()
    return [collate(rows[start : start + size]) for start in range(0, len(rows), size)]


# %%
some = train.select(range(64))
shortest_first = np.argsort(some["length"])
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
            body(**batch.to(device)).last_hidden_state.cpu()  # waits for the GPU
    seconds[way] = timing.seconds

# %% tags=["nbval-check-output"]
padding = {
    way: 1 - float(torch.cat([batch["attention_mask"].flatten() for batch in padded]).float().mean())
    for way, padded in ways.items()
}
first, dynamic, similar = padding.values()
assert first >= dynamic >= similar
pd.DataFrame({"share of padding": padding}).map("{:.1%}".format)

# %%
from helpers import plots, show

left, right = plots.axes(1, 2, width=11, height=2.2)
plots.bars(padding, ax=left, unit="%").set_title("share of padding")
plots.bars(seconds, ax=right, unit="s").set_title(f"time for {len(some)} reviews")
right.set_yticklabels([])
show.figure(
    left.figure,
    alt="Two bar charts for three ways to pad the same reviews, share of padding and seconds: "
    + ", ".join(f"{way} {share:.0%}, {seconds[way]:.2f} s" for way, share in padding.items()),
)

# %% [markdown]
# <details><summary>Your prediction</summary><b>c.</b> A batch of reviews of similar length has little to fill
# up. The order of the three is always this one; if nearly every text reaches the limit, they come close to
# each other.</details>
#
# Less padding usually takes less time: compare the two charts. One short measurement of time varies, so only
# the left chart has a fixed order. In training, `train_sampling_strategy="group_by_length"` comes near the
# third way: it shuffles the reviews and sorts by length within large groups, so that the batches stay random.
#
# ## Step 3: a new head
#
# A classifier is the body plus a **head**: one linear layer from the vector of `[CLS]` to two numbers, the
# logits. `AutoModelForSequenceClassification` adds it, and can say which weights it did not find in the
# checkpoint. (When you run the cell, Transformers prints a report of its own as well. JupyterLab shows it in
# red; it is no error.)
#
# **Before you run:** which weights of the classifier will be new, and so random? (a) none: they come from
# the checkpoint (b) the head's (c) the head's and the last layer's.

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
# <details><summary>Your prediction</summary><b>b.</b> Only the head is new: two rows of weights and two
# biases. The layers were pretrained, all of them.</details>
#
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
# All the rest comes from the checkpoint, even the pooler, a layer that prepares the vector of `[CLS]`. The
# head is random, so before training the model can only guess.
#
# ## Step 4: train
#
# Training takes a batch and computes the **loss**: how wrong the answers are. Here it is the cross-entropy,
# minus the natural logarithm of the probability that the model gives to the right label.
#
# **Before you run:** one model says 50 % to everything. Another one is 99 % sure, and wrong. How much larger
# is its loss on that review? (a) twice as large (b) more than six times (c) a hundred times.

# %% tags=["nbval-check-output"]
for probability in (0.99, 0.9, 0.5, 0.1, 0.01):
    print(f"probability of the right label {probability:4.0%} · loss {-np.log(probability):.2f}")

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> 0.69 against 4.61. The loss has no upper limit: the
# surer a model is of a wrong answer, the more that one answer costs.</details>
#
# Then training computes the **gradient**: for each weight, whether and how fast the loss grows when that
# weight grows. One **step** moves every weight a little in the other direction; how far is the **learning
# rate**. Once through all training reviews is an **epoch**: 125 steps of 8 reviews.
#
# What counts as a good model? Not the loss, but the share of right answers, the **accuracy**. The `Trainer`
# passes all logits and labels to a function of ours. This function also computes how sure the model is of its
# wrong answers; the curves below show that number.

# %% tags=["tested"]
from scipy.special import softmax


def score(evaluation):
    """compute_metrics of the Trainer, from logits, (reviews, classes), and labels, (reviews,).

    accuracy: the share of right answers; sure_when_wrong: the mean probability of the label that a wrong
    answer names, 0 where none is wrong.
    """
    probabilities = softmax(evaluation.predictions, axis=-1)
    wrong = probabilities.argmax(axis=-1) != evaluation.label_ids
    sure = probabilities.max(axis=-1)[wrong]
    return {"accuracy": 1 - wrong.mean(), "sure_when_wrong": sure.sum() / max(1, len(sure))}


# %% [markdown]
# The settings are the same for every model of this lesson. Fine-tuning takes small steps, so that what the
# checkpoint has learnt is kept. With **warm-up** the rate grows over the first tenth of the steps, then it
# falls; **weight decay** pulls weights gently towards zero.
#
# More steps are not always better, so there is a rule for when to stop, the same for every model and every
# number of reviews: each state is scored on the validation reviews at regular intervals; when two scores in a
# row are no better than the best so far, training stops (**patience**), after `STEPS` steps at the latest,
# and the best state is loaded.

# %% tags=["tested"]
import tempfile

from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

runs = tempfile.TemporaryDirectory()
STEPS = course.budget(cpu=80, gpu=375)
RATE = 5e-5 if body.config.hidden_size >= 768 else 1e-4  # a small model bears larger steps


def make_trainer(name, model, rows):
    """A Trainer for `model` on the tokenised data set `rows`; it writes to a folder called `name`."""
    settings = TrainingArguments(
        output_dir=f"{runs.name}/{name}", max_steps=STEPS, seed=42, report_to="none",
        per_device_train_batch_size=8, per_device_eval_batch_size=20, fp16=device == "cuda",
        learning_rate=RATE, warmup_steps=0.1, weight_decay=0.01,
        train_sampling_strategy="group_by_length", logging_steps=STEPS // 5,
        eval_strategy="steps", eval_steps=STEPS // 5,
        save_strategy="best", save_only_model=True, save_total_limit=1,
        load_best_model_at_end=True, metric_for_best_model="accuracy",
        disable_tqdm=False, dataloader_pin_memory=device == "cuda",
    )  # fmt: skip
    return Trainer(
        model=model, args=settings, train_dataset=rows, eval_dataset=validation, data_collator=collator,
        processing_class=tokenizer, compute_metrics=score, callbacks=[EarlyStoppingCallback(2)],
    )  # fmt: skip


# %%
full = make_trainer("full", model, train)
with course.timed("full fine-tuning"):
    full.train()
best = full.state
print(f"best state: step {best.best_global_step} of {best.global_step}, accuracy {best.best_metric:.1%}")

# %% [markdown]
# Now we judge the model on the 200 test reviews, which had no part in training or choosing. `trainer.predict`
# gives three things: `predictions`, the logits of shape (reviews, 2); `label_ids`, the right labels; and
# `metrics`.

# %% tags=["report"]
from transformers.utils.notebook import NotebookProgressCallback

full.remove_callback(NotebookProgressCallback)  # its bar would leave an empty output in the notebook
outcome = full.predict(test)
print(f"{outcome.metrics['test_accuracy']:.1%} of {len(test)} test reviews right")
assert outcome.metrics["test_accuracy"] > 0.7

# %% [markdown]
# ### Exercise 4.2: in whose order? (5 minutes)
#
# Compute the share of right answers from `outcome` yourself. Beware: to save padding, the `Trainer` takes
# reviews by length, not in the order of `test`, and it gives the labels in the order in which it took the
# reviews.
#
# <details><summary>Hint</summary>`outcome.predictions.argmax(axis=-1)` is the label with the higher logit.
# Compare it with the labels that `outcome` holds.</details>


# %% tags=["exercise"]
def share_right(outcome):
    """Share of right answers, a fraction, from predictions, (reviews, 2) logits, and label_ids."""
    # <solution>
    answers = outcome.predictions.argmax(axis=-1)
    return (answers == outcome.label_ids).mean()
    # </solution>


# %% tags=["wrong"]
def share_right(outcome):
    answers = outcome.predictions.argmax(axis=-1)
    return (answers == np.array(test["label"])[: len(answers)]).mean()


# %% tags=["wrong"]
def share_right(outcome):
    answers = outcome.predictions[:, 1] > 0
    return (answers == outcome.label_ids).mean()


# %% tags=["wrong"]
def share_right(outcome):
    return outcome.predictions.argmax(axis=-1).mean()


# %% tags=["check", "nbval-check-output"]
from types import SimpleNamespace

with checking("4.2", "in whose order?"):
    flipped = 1 - np.array(test["label"][:8])
    share = share_right(SimpleNamespace(predictions=np.eye(2)[flipped], label_ids=flipped))
    negative = SimpleNamespace(predictions=np.array([[-3.0, -1.0]]), label_ids=np.array([1]))
    zero = SimpleNamespace(predictions=np.array([[5.0, 0.0]]), label_ids=np.array([0]))
    assert share is not None, NOTHING
    assert share != 0, "test['label'] is in the order of the data set: use the labels that outcome holds."
    assert share_right(negative) == 1, "A logit is no probability and can be negative: take the larger one."
    assert share_right(zero) == 1, "Compare the answers with the labels, and count how many are equal."
    assert share == 1, "All eight answers of the example are right: 1 was expected."

# %% [markdown]
# ### What the curves say
#
# A `Trainer` keeps what it has logged: steps, losses, scores.


# %% tags=["tested"]
def history(trainer):
    """What a training logged: epoch, losses and scores, a row for each step with an evaluation."""
    log = pd.DataFrame(trainer.state.log_history).groupby("step").first()
    log = log[["epoch", "loss", "eval_loss", "eval_accuracy", "eval_sure_when_wrong"]].dropna()
    names = ["epoch", "training loss", "validation loss", "accuracy", "sure when wrong"]
    return log.set_axis(names, axis=1)


def draw(log, title):
    """Losses, and scores on the validation reviews, against epochs; `log` is from `history`."""
    left, right = plots.axes(1, 2, width=11, height=2.8)
    lines = ["training loss", "validation loss", "accuracy", "sure when wrong"]
    for name, ax, style in zip(lines, (left, left, right, right), ("o-", "s--") * 2, strict=True):
        ax.plot(log["epoch"], log[name], style, label=name)
    for ax in (left, right):
        ax.set(xlabel="epochs", ylim=0)
        ax.legend(frameon=False)
    left.set(title=title)
    right.set(ylim=(0.4, 1))
    right.yaxis.set_major_formatter("{x:.0%}")
    ends = ", ".join(f"{name} from {log[name].iloc[0]:.2f} to {log[name].iloc[-1]:.2f}" for name in lines)
    show.figure(left.figure, alt=f"Four curves over {log['epoch'].iloc[-1]:.1f} epochs, {title}: {ends}.")


# %%
draw(history(full), f"{len(train):,} training reviews")

# %% [markdown]
# On the left, the **training loss** is measured on the reviews of the last batches, so it moves up and down;
# the **validation loss** is measured on reviews that the model does not learn from. As long as both fall,
# what it learns holds for other reviews too. If the training loss falls and the validation loss rises, the
# model learns what is special to its training reviews: it is **overfitting**. Look for that below, where
# there are 50 reviews. On the right are the accuracy and how sure the model is of its *wrong* answers.
#
# ### Which errors are more frequent?
#
# One number cannot say whether the model calls too many reviews positive or too many negative. The
# **confusion matrix** can: a row for each right label, a column for each prediction, the right ones on the
# diagonal.

# %%
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

matrix = confusion_matrix(outcome.label_ids, outcome.predictions.argmax(axis=-1))  # (labels, predictions)
shown = ConfusionMatrixDisplay(matrix, display_labels=names)
shown.plot(ax=plots.axes(width=3.6, height=3), cmap="Blues", colorbar=False)
show.figure(
    shown.figure_,
    alt=f"Confusion matrix: {matrix.trace()} of {len(test)} reviews on the diagonal, {matrix[0, 1]} negative "
    f"ones predicted positive, {matrix[1, 0]} positive ones predicted negative.",
)
print(f"{matrix[0, 1]} negative reviews were taken for positive, {matrix[1, 0]} positive ones for negative.")

# %% [markdown]
# ## Why it works
#
# Are the pretrained weights the reason? First we replace them with random ones, then we keep them fixed.
#
# 1. **From scratch**: the same architecture, every weight random; same reviews, same settings, same rule for
#    when to stop.
# 2. **Frozen body**: pretrained weights that do not change. Then each review needs the body only once, and on
#    its vectors we fit the same logistic regression as on TF-IDF.
# 3. **Full fine-tuning**: what we just did.

# %%
from transformers import AutoConfig

set_seed(42)
random_model = AutoModelForSequenceClassification.from_config(
    AutoConfig.from_pretrained(checkpoint, **labels)
)
scratch = make_trainer("scratch", random_model, train)
with course.timed("from scratch"):
    scratch.train()

# %% [markdown]
# To compare models review by review, we need their answers in the same order, so this function restores the
# order of the data set.


# %% tags=["tested"]
def run(function, part):
    """What `function` makes of the batches of a tokenised data set: (reviews, …), in the data set's order."""
    order = np.argsort(part["length"], kind="stable")  # similar lengths together: little padding
    with torch.inference_mode():
        made = [function(batch.to(device)).cpu() for batch in batches(part.select(order), collator, 20)]
    return torch.cat(made).numpy()[np.argsort(order)]


def classifier(trainer):
    """A function from a batch to the logits, (size, 2), of the best state of a training."""
    trained = trainer.model.eval()
    return lambda batch: trained(**batch).logits


# %%
logits = run(classifier(full), test)
found["from scratch"] = run(classifier(scratch), test).argmax(axis=-1)
found["fine-tuned"] = logits.argmax(axis=-1)
assert abs((found["fine-tuned"] == truth).mean() - outcome.metrics["test_accuracy"]) < 0.02

# %% [markdown]
# For the frozen body there are two ways to make one vector of all the tokens' vectors: take that of `[CLS]`,
# as the classifier does, or the **mean** over all tokens. Nothing has trained this body's `[CLS]` for our
# task, and MiniLM, the offline body, was trained for sentence vectors that are means.


# %% tags=["tested"]
def vectors(batch):
    """Two vectors of each review from the frozen body, (size, 2, width): that of [CLS], and the mean."""
    states = body(**batch).last_hidden_state  # (size, tokens, width)
    mask = batch["attention_mask"].unsqueeze(-1)
    mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
    return torch.stack([states[:, 0], mean], dim=1)


# %%
parts = {"train": train, "validation": validation, "test": test}
with course.timed("the frozen body, once for each review"):
    frozen = {name: run(vectors, part) for name, part in parts.items()}


# %% tags=["nbval-check-output"]
def use_vectors(place, size):
    """Labels of the test reviews by logistic regression on the frozen vectors of the first `size`."""
    chosen = fit(
        frozen["train"][:size, place], train["label"][:size],
        frozen["validation"][:, place], validation["label"],
    )  # fmt: skip
    return chosen.predict(frozen["test"][:, place])


found["frozen body, [CLS]"], found["frozen body, mean"] = (use_vectors(n, len(train)) for n in (0, 1))
for way in ("frozen body, [CLS]", "frozen body, mean"):
    print(f"{way}: {round(np.mean(found[way] == truth), 1):.0%} right, rounded to tens")

# %% [markdown]
# All ways answered the same 200 reviews, so each is compared with the fine-tuned model in pairs: draw 200
# reviews with replacement, many times over, the same for both, and look at the difference of the two
# accuracies. In 95 % of the draws it lies in the interval of the last column.


# %% tags=["tested"]
def difference(first, second, draws=2000):
    """95 % interval of the accuracy of `first` minus that of `second`, fractions: paired bootstrap.

    first, second: whether each answer is right, of shape (reviews,).
    """
    drawn = np.random.default_rng(0).integers(len(first), size=(draws, len(first)))  # (draws, reviews)
    return np.quantile((first.astype(float) - second)[drawn].mean(axis=1), [0.025, 0.975])


# %% tags=["report"]
right = {way: answers == truth for way, answers in found.items()}
gains = {way: difference(right["fine-tuned"], each) for way, each in right.items() if way != "fine-tuned"}
table = [
    {
        "way": way,
        "right": f"{each.sum()} of {len(test)}",
        "accuracy": f"{each.mean():.1%}",
        "fine-tuned minus this": f"{100 * (right['fine-tuned'].mean() - each.mean()):+.1f} points",
        "95 %": "{:+.1f} to {:+.1f}".format(*(100 * gains[way])) if way in gains else "–",
    }
    for way, each in sorted(right.items(), key=lambda item: item[1].sum())
]
assert gains["majority class"][0] > 0 and gains["from scratch"][0] > 0
pd.DataFrame(table).set_index("way")

# %%
unclear = [way for way, (low, high) in gains.items() if low <= 0 <= high]
print("Intervals that contain 0, so no clear difference:", ", ".join(unclear) or "none")

# %% [markdown]
# **Transfer.** "From scratch" and "fine-tuned" are the same network, trained on the same reviews by the same
# rule. They differ in one thing: where their weights began. Their difference is what pretraining is worth
# under this rule. It is not what fine-tuning gains over nothing: for that, compare with the majority class.
# (A model that has learnt nothing often gives the same label to every review. It then scores as much as the
# majority class, or less if that label is the rarer one.)
#
# **Freezing** saves time, because the body runs once for each review and no gradient is computed for it. How
# good it is depends on the vector: compare the two rows of the frozen body. If the interval of a row contains
# 0, this test shows no clear difference to full fine-tuning, and the times printed above show what each of
# the two cost. More test reviews could show a difference.
#
# ## How little data is enough?
#
# Labels are the expensive part. What do 50 reviews give, what 200? Each size is trained by the same rule:
# until the validation accuracy no longer rises, or until `STEPS` steps are done.
#
# ### Exercise 4.3: predict the curve (3 minutes)
#
# Before you see it: what share of the test reviews will be right after training on 50 reviews, and on 200?
# Write your guesses as fractions. `accuracy["majority class"]` is what no review at all gives,
# `accuracy["fine-tuned"]` what all 1,000 give.
#
# <details><summary>Hint</summary>Each doubling of the data often brings about the same gain. Go from no
# gain at one review to the full gain at 1,000, and count the doublings: `np.log(50) / np.log(1000)` of
# them are behind you at 50.</details>

# %% tags=["exercise"]
accuracy = {way: float(each.mean()) for way, each in right.items()}
# <solution>
lowest, highest = accuracy["majority class"], accuracy["fine-tuned"]
guess = {size: lowest + (highest - lowest) * np.log(size) / np.log(1000) for size in (50, 200)}
# </solution>

# %% tags=["wrong"]
guess = {50: 0.3, 200: 0.4}

# %% tags=["wrong"]
guess = {50: 0.97, 200: 0.99}

# %% tags=["wrong"]
guess = {50: 60, 200: 70}

# %% tags=["check", "nbval-check-output"]
with checking("4.3", "predict the curve"):
    assert "guess" in globals(), "Write your guesses: guess = {50: ..., 200: ...}."
    few, more = guess[50], guess[200]
    assert max(few, more) <= 1, "Write fractions: 0.6, not 60."
    assert few >= accuracy["majority class"] - 0.05, "A constant answer is better than that: guess higher."
    assert more <= accuracy["fine-tuned"] + 0.05, "That is more than 1,000 reviews give: guess lower."
    assert few <= more, "More reviews of the same kind hardly make it worse: 200 should not be below 50."

# %%
by_size = {}
for size in (50, 200):
    set_seed(42)
    small = AutoModelForSequenceClassification.from_pretrained(checkpoint, **labels)
    by_size[size] = make_trainer(f"size-{size}", small, train.select(range(size)))
    by_size[size].train()

# %% tags=["report"]
sizes = (50, 200, len(train))
by_size[len(train)] = full
curves = {"fine-tuned": [], "frozen body, mean": [], "TF-IDF": []}
for size in sizes:
    answers = [run(classifier(by_size[size]), test).argmax(axis=-1), use_vectors(1, size), count_words(size)]
    for way, given in zip(curves, answers, strict=True):
        curves[way].append(int(np.sum(given == truth)))
table = pd.DataFrame(curves, index=pd.Index(sizes, name="reviews"))
table["steps of fine-tuning"] = [by_size[size].state.global_step for size in sizes]
table["epochs"] = [round(by_size[size].state.epoch, 1) for size in sizes]
assert curves["fine-tuned"][-1] > curves["fine-tuned"][0] - 10
table

# %%
ax = plots.axes(width=7, height=3.2)
for (way, count), style in zip(curves.items(), ("o-", "s--", "^:"), strict=True):
    ax.plot(sizes, [each / len(test) for each in count], style, label=way)
ax.axhline(right["majority class"].mean(), color="#999999", label="majority class")
ax.set(xscale="log", xlabel="training reviews", ylabel="accuracy (test)", ylim=(0.4, 1))
ax.minorticks_off()
ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
ax.yaxis.set_major_formatter("{x:.0%}")
ax.legend(frameon=False, ncols=2, loc="upper left")
show.figure(
    ax.figure,
    alt=f"Accuracy on {len(test)} test reviews against {sizes[0]}, {sizes[1]} and {sizes[2]:,} training "
    + "reviews: "
    + "; ".join(f"{way} {', '.join(f'{n / len(test):.0%}' for n in count)}" for way, count in curves.items()),
)

# %%
possible = 1.96 * np.sqrt(0.25 / len(test))
epochs = full.state.epoch
print(f"Other {len(test)} test reviews could move each point by some {100 * possible:.0f} points (95 %).")
print(f"The run with {len(train):,} reviews ended after {epochs:.1f} epochs", end="")
print("." if epochs >= 1 else ": it has not even seen every review once, and more steps may help it.")

# %% [markdown]
# Before you collect more data, draw this curve for your task: where it is still rising, more labels pay. Draw
# the cheap methods too: they show what the expensive one gains. A point below the grey line is worse than a
# constant answer.
#
# ### Few reviews, seen often
#
# What happens when few reviews are seen again and again? The log of the run with 50.
#
# **Before you run:** its training loss will be small in the end. The validation loss? (a) just as small
# (b) clearly higher (c) it cannot be said before.

# %%
log = history(by_size[50])
draw(log, "50 training reviews")
begin, end = log.iloc[0], log.iloc[-1]
for name in ("training loss", "validation loss", "accuracy", "sure when wrong"):
    print(f"{name:15} first {begin[name]:.2f}, lowest {log[name].min():.2f}, last {end[name]:.2f}")
assert end["validation loss"] > end["training loss"]

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> With a training loss near 0 the model has learnt its 50
# reviews by heart. The validation loss is measured on other reviews.</details>
#
# Look at the two curves on the right. The accuracy may rise or stay while the validation loss grows. That is
# no contradiction: the accuracy counts only which label is ahead, the loss also how far. An overfitted model
# also becomes surer of its errors (the dashed curve), and one error of which it is 99 % sure costs more than
# 450 right answers of which it is 99 % sure. So choose the state by the score that you care about, and do not
# trust the probabilities of an overfitted model.
#
# ### Exercise 4.4: a better accuracy and a worse loss (5 minutes)
#
# Write both scores. `chances` are the probabilities that a model gives to the right label, of two labels. For
# `[0.45, 0.55, 0.45, 0.6]` the accuracy is 0.5 and the loss 0.68; for `[0.6, 0.8, 0.9, 0.02]` they are 0.75
# and 1.19.
#
# <details><summary>Hint</summary>An answer is right where its label has more than half. The loss is the mean
# of `-np.log(chance)`.</details>


# %% tags=["exercise"]
def accuracy_and_loss(chances):
    """Accuracy and mean cross-entropy of answers, from the probability of each right label."""
    # <solution>
    chances = np.array(chances)
    return (chances > 0.5).mean(), -np.log(chances).mean()
    # </solution>


# %% tags=["wrong"]
def accuracy_and_loss(chances):
    chances = np.array(chances)
    return (chances > 0.5).mean(), -np.log(chances.mean())


# %% tags=["wrong"]
def accuracy_and_loss(chances):
    chances = np.array(chances)
    return chances.mean(), -np.log(chances).mean()


# %% tags=["wrong"]
def accuracy_and_loss(chances):
    chances = np.array(chances)
    return (chances > 0.5).mean(), -np.log10(chances).mean()


# %% tags=["check", "nbval-check-output"]
with checking("4.4", "a better accuracy and a worse loss"):
    two = accuracy_and_loss([0.6, 0.8, 0.9, 0.02])
    assert two is not None, NOTHING
    assert abs(two[0] - 0.75) < 1e-9, "Three of four have more than half: the accuracy is a share of answers."
    assert abs(two[1] - 0.545) > 0.01, "Take the logarithm of each probability first, then the mean."
    assert abs(two[1] - 0.516) > 0.01, "Use the natural logarithm: np.log."
    assert abs(two[1] - 1.188) < 0.01, f"A loss of 1.19 was expected, not {two[1]:.2f}."

# %% [markdown]
# ### Exercise 4.5: find the leak (7 minutes)
#
# A colleague reports 100 % on the test set. How can that be? A model may do far better on reviews that it was
# trained on. Ours with 50 reviews:

# %%
known = train.select(range(50))
for name, part in {"the 50 it was trained on": known, "the test reviews": test}.items():
    answers = run(classifier(by_size[50]), part).argmax(axis=-1)
    print(f"{name}: {np.sum(answers == np.array(part['label']))} of {len(part)} right")

# %% [markdown]
# So look whether some test texts also stand in the training set: a **leak**. Copies differ in capitals and
# spaces: `"Good film."` and `" good  film."` are the same text. Give the places in `test_texts`, in order.
#
# <details><summary>Hint</summary>`" ".join(text.lower().split())` is the same for both copies. Put those of
# the training texts into a set.</details>


# %% tags=["exercise"]
def leaks(train_texts, test_texts):
    """Places, counted from 0, of the test texts that stand in the training texts too."""
    # <solution>
    known = {" ".join(text.lower().split()) for text in train_texts}
    return [place for place, text in enumerate(test_texts) if " ".join(text.lower().split()) in known]
    # </solution>


# %% tags=["wrong"]
def leaks(train_texts, test_texts):
    return [place for place, text in enumerate(test_texts) if text in train_texts]


# %% tags=["wrong"]
def leaks(train_texts, test_texts):
    pairs = zip(train_texts, test_texts, strict=False)
    return [place for place, (one, other) in enumerate(pairs) if one.lower().split() == other.lower().split()]


# %% tags=["wrong"]
def leaks(train_texts, test_texts):
    known = {" ".join(text.lower().split()) for text in test_texts}
    return [place for place, text in enumerate(train_texts) if " ".join(text.lower().split()) in known]


# %% tags=["check", "nbval-check-output"]
with checking("4.5", "find the leak"):
    learnt = ["Good film.", "A bore.", "Never again!", "So so."]
    asked = ["so so.", "A warm film.", " good  film.", "Bad.", "A bore."]
    places = leaks(learnt, asked)
    assert places is not None, NOTHING
    assert list(places) != [4], "Copies may differ in capitals and spaces: compare the texts without them."
    assert list(places) != [], "A copy may stand at another place: look for each test text in all of train."
    assert list(places) != [0, 1, 3], "These are the places in the training texts: the test's are wanted."
    assert list(places) == [0, 2, 4], f"[0, 2, 4] was expected, not {list(places)}."

# %% [markdown]
# ## The errors it makes
#
# Read errors, always. First those test reviews of which the model was surest, and wrong.

# %%
chances = softmax(logits, axis=-1)
judged = pd.DataFrame({"sure": chances.max(axis=-1), "right": truth, "predicted": found["fine-tuned"]})
judged[["right", "predicted"]] = judged[["right", "predicted"]].map(lambda label: names[label])
judged["text"] = [shorten(text, 75, placeholder=" …") for text in test["text"]]
wrong = judged[judged["right"] != judged["predicted"]].sort_values("sure", ascending=False)
print(len(wrong), "errors")
wrong.head(6).round(2)

# %% [markdown]
# Look for negative reviews with words of praise, and for positive reviews with words of blame: a model that
# only weighs single words gets those wrong. The table shows the beginning of each review; `test[n]["text"]`
# gives all of row n.
#
# ## Your own experiment
#
# Two kinds of sentence are worth a test of their own: **negation**, where a small word reverses the meaning,
# and **irony**, where the words praise and the speaker means the opposite. `pipeline` does tokenising, model
# and softmax in one call.

# %% tags=["tested"]
from transformers import pipeline

classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None, device=device)


def probability(text):
    """{label: probability} of one text."""
    return {answer["label"]: answer["score"] for answer in classify([text])[0]}


# %%
mine = [
    ("plain", "A warm, clever and beautifully acted film.", "pos"),
    ("plain", "The story drags, the jokes fall flat, and I was bored after ten minutes.", "neg"),
    ("negation", "There is not a dull minute in it.", "pos"),
    ("irony", "What a brilliant way to waste two hours.", "neg"),
]
judged = pd.DataFrame(mine, columns=["kind", "text", "meant"])
judged["pos"] = [probability(text)["pos"] for text in judged["text"]]
judged["right"] = (judged["pos"] > 0.5) == (judged["meant"] == "pos")
judged.round(2)

# %% [markdown]
# These four sentences are examples: one or two of a kind prove nothing. Write ten of your own with "not", and
# what you mean by each, *before* you run the cell. Then count how many are right.
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
# All four steps carry over. The head is a choice, not a new model: the same checkpoint with another
# `AutoModelFor…` gives another shape of answer, and each time the loader says what is new.
#
# **Before you run:** a head that sorts each *token* into 5 classes. For a sentence of n tokens it gives (a)
# 5 numbers (b) n numbers (c) n × 5 numbers.

# %% tags=["nbval-check-output"]
from transformers import AutoModelForTokenClassification

tagger, loading = AutoModelForTokenClassification.from_pretrained(
    checkpoint, num_labels=5, output_loading_info=True
)
print("new:", sorted(loading["missing_keys"]))
print("one answer a sentence:", tuple(model.cpu()(**encoded.to("cpu")).logits.shape))
print("one answer a token:   ", tuple(tagger(**encoded).logits.shape))

# %% [markdown]
# <details><summary>Your prediction</summary><b>c.</b> One row of 5 for each token, `[CLS]` and `[SEP]`
# included.</details>
#
# A CTC model does the same for sound: it gives one answer for each frame. The parts of this lesson, with the
# names they have there:
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
# ## How sure are we?
#
# - 200 test reviews: a figure near 80 % can move by 6 points with other reviews of the same kind. To compare
#   two methods, use the interval of their difference; a gain of a few points is often unclear.
# - Chosen on the validation reviews: `C`, the step to stop at, the best state. From the test reviews we took
#   one thing, which label is the majority class. Each training was run with one seed: another seed can give
#   other figures.
# - Offline, the reviews are single sentences and the body is a small one that was trained for sentence
#   vectors; on the Hub they are whole reviews, and the body is BERT. The methods may come in another order
#   there.
# - A score on film reviews says nothing about reviews of hotels. Collect fifty of those, label them, measure.
#
# ## Take it with you
#
# This script needs nothing of the course. It takes a CSV file with the columns `text` and `label` (any number
# of labels), splits it, prints the two baselines, trains with such a rule (ten evaluations, patience 3), and
# writes a folder that `pipeline("text-classification", model="my-classifier")` loads.
#
# {script: finetune_bert.py}
#
# `--model` takes a folder too; offline, `python -m helpers where google-bert/bert-base-uncased` prints the
# one used here.
#
# ## More to try
#
# 1. **A way of your own.** Freeze only the embeddings and the first half of `model.bert.encoder.layer`
#    (`[:3]` of the offline model's 6 layers, `[:6]` of BERT's 12). Where does the curve run, and what does it
#    save? *Hint:* `requires_grad_(False)` on both, before `make_trainer`.
# 2. **A learning rate too large.** Train with 1e-3. What happens to the loss, and to the validation accuracy?
#    *Hint:* `trainer.args.learning_rate = 1e-3` before `trainer.train()`, then `draw(history(trainer), ...)`;
#    compare with the model from scratch.
# 3. **Teach it negation.** Write ten sentences with "not", label them, put them three times into the training
#    data, and judge ten others. *Hint:* `Dataset.from_dict({"text": [...], "label": [...]})`,
#    `.map(tokenise, batched=True)`, `.cast(train.features)`, then `datasets.concatenate_datasets`.
# 4. **Another seed.** Shuffle with seed 1 and run all cells. Which numbers move by more than their interval?

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Devlin, Chang, Lee, Toutanova: [BERT](https://arxiv.org/abs/1810.04805) (2019): pretraining, then
#   fine-tuning with a new output layer for each task.
# - Wang and others: [MiniLM](https://arxiv.org/abs/2002.10957) (2020): how a large BERT is made small.
# - Yosinski, Clune, Bengio, Lipson: [How transferable are features in deep neural
#   networks?](https://arxiv.org/abs/1411.1792) (2014): frozen, fine-tuned and random layers compared.
# - Guo, Pleiss, Sun, Weinberger: [On calibration of modern neural
#   networks](https://arxiv.org/abs/1706.04599) (2017): models that are too sure, and the loss that shows it.
# - Transformers documentation: [fine-tuning](https://huggingface.co/docs/transformers/training) and [padding
#   and truncation](https://huggingface.co/docs/transformers/pad_truncation).
