# %%
from helpers import course

course.start("04")

# %% [markdown]
# ## What fine-tuning is
#
# Training a model from nothing takes more text, or speech, than most of us will ever have. So one splits the
# work. Somebody **pretrains** a large model once, on a task that needs no labels: BERT guesses words that
# were covered up. Then everybody else takes those weights as a starting point and trains on, briefly, on
# their own small labelled data: that is **fine-tuning**.
#
# It takes four steps, and this lesson walks through them in order.
#
# ![The four steps of fine-tuning. Choose a pretrained checkpoint with its body and its old head; prepare the
# data as batches of numbers; put a new head with random weights on the body; train both on the new
# data.](../images/fine_tuning.svg)
#
# The task: is a film review positive or negative? 1,000 reviews to learn from, 200 to choose between models,
# and 200 that we touch only to measure.

# %% tags=["nbval-check-output"]
from helpers import catalog

reviews = catalog.dataset("stanfordnlp/imdb", split="train").shuffle(seed=42)
test = catalog.dataset("stanfordnlp/imdb", split="test").shuffle(seed=42).select(range(200))
train, validation = reviews.select(range(1000)), reviews.select(range(1000, 1200))
for name, part in {"train": train, "validation": validation, "test": test}.items():
    print(f"{name:10} {len(part):5,} reviews, {sum(part['label']) / len(part):.0%} positive")

# %% [markdown]
# The two classes are about even, so a coin gets 50 %. That is the number to beat. What do reviews look like?

# %%
from textwrap import shorten

from helpers import display

names = train.features["label"].names
display.table(
    [
        {"label": names[row["label"]], "text": shorten(row["text"], 75, placeholder=" …")}
        for row in train.select(range(4))
    ]
)

# %% [markdown]
# ## Step 1: choose a checkpoint
#
# A good checkpoint was pretrained on something close to our task (here: English text), has a licence that
# allows our use, and fits our machine. BERT is the classic for understanding text. `AutoModel` loads its
# **body**: the part that turns each token into a vector.

# %%
from transformers import AutoModel, AutoTokenizer

checkpoint = catalog.checkpoint("google-bert/bert-base-uncased")
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
body = AutoModel.from_pretrained(checkpoint).to(course.device())
print(f"{body.config.num_hidden_layers} layers, {body.num_parameters() / 1e6:.1f} M weights")

# %% [markdown]
# The tokenizer belongs to the checkpoint. It cuts text into pieces the model has met in pretraining, and rare
# words into several.

# %% tags=["nbval-check-output"]
sentence = "An unputdownable film, and not one dull minute."
encoded = tokenizer(sentence, return_tensors="pt").to(course.device())
print(*tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]), sep=" | ")
print(body(**encoded).last_hidden_state.shape, "= (sentences, tokens, width)")

# %% [markdown]
# `##` marks a piece that continues a word. `[CLS]` at the front stands for the whole sentence: a classifier
# looks at its vector.

# %% [markdown]
# ## Step 2: prepare the data
#
# Tokenise once, for all reviews. What is longer than `MAX_LENGTH` is cut off: time and memory grow with
# length.

# %%
MAX_LENGTH = course.budget(cpu=64, gpu=256)


def tokenise(batch):
    encoded = tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH)
    return {**encoded, "length": [len(ids) for ids in encoded["input_ids"]]}


train = train.map(tokenise, batched=True)
validation = validation.map(tokenise, batched=True)
test = test.map(tokenise, batched=True)
cut = sum(length == MAX_LENGTH for length in train["length"]) / len(train)
print(f"{min(train['length'])} to {max(train['length'])} tokens; {cut:.0%} reach the limit of {MAX_LENGTH}")

# %% [markdown]
# A batch is a rectangle, and sentences are not of one length: the short ones are filled up with `[PAD]`. How
# far? The **collator**, which makes a batch of rows, decides. `DataCollatorWithPadding` goes to the longest
# sentence *of the batch*, instead of one length for all (dynamic padding).

# %% tags=["nbval-check-output"]
from transformers import DataCollatorWithPadding

collator = DataCollatorWithPadding(tokenizer)
inputs = ("input_ids", "attention_mask", "label")
rows = [{key: row[key] for key in inputs} for row in train.select(range(8))]
batch = collator(rows)
print({key: tuple(value.shape) for key, value in batch.items()})
print("tokens without padding:", batch["attention_mask"].sum(dim=1).tolist())

# %% [markdown]
# The attention mask tells the model which places are padding. It ignores them, but it computes them all the
# same. How much is in vain, and what does it cost? Three ways to pad the same 80 reviews, and the body's time
# for each.

# %%
import torch

some = train.select(range(80))
lengths = some["length"][:]
ways = {
    f"all to {MAX_LENGTH}": (
        some,
        DataCollatorWithPadding(tokenizer, padding="max_length", max_length=MAX_LENGTH),
    ),
    "longest of the batch": (some, collator),
    "sorted, longest of the batch": (some.select(sorted(range(80), key=lengths.__getitem__)), collator),
}
waste, seconds = {}, {}
for way, (part, collate) in ways.items():
    part = part.select_columns(["input_ids", "attention_mask"])
    batches = [collate([part[i] for i in range(start, start + 8)]) for start in range(0, 80, 8)]
    masks = [batch["attention_mask"].float() for batch in batches]
    waste[way] = 1 - sum(mask.sum().item() for mask in masks) / sum(mask.numel() for mask in masks)
    with torch.inference_mode(), course.timed(way) as timing:
        for batch in batches:
            body(**batch.to(course.device()))
    seconds[way] = timing.seconds

# %%
from helpers import plots

left, right = plots.axes(1, 2, width=11, height=2.2)
plots.bars(waste, ax=left, unit="%").set_title("padding in vain")
plots.bars(seconds, ax=right, unit="s").set_title("time for 80 reviews")
right.set_yticklabels([])
display.figure(
    left.figure, alt="Two bar charts: share of padding and seconds, for three ways to pad 80 reviews."
)

# %%
first, dynamic, similar = waste.values()
assert first >= dynamic >= similar
course.record("Padding, all to one length", first, "%", digits=1)
course.record("Padding, similar lengths together", similar, "%", digits=1)

# %% [markdown]
# From top to bottom less is computed in vain. How much there is to win depends on the data: nothing, where
# every text reaches the limit. We train with the third way: batches of similar length, drawn at random
# (`train_sampling_strategy="group_by_length"`).

# %% [markdown]
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
new = sorted(loading["missing_keys"])
print("new, random:", new)
print("left behind:", sorted(loading["unexpected_keys"]) or "nothing")

# %%
parts = {
    "embeddings": "bert.embeddings",
    "layers": "bert.encoder",
    "pooler": "bert.pooler",
    "head": "classifier",
}
table = []
for part, prefix in parts.items():
    weights = {name: weight.numel() for name, weight in model.named_parameters() if name.startswith(prefix)}
    origin = "new" if set(weights) <= set(new) else "checkpoint"
    table.append({"part": part, "weights": sum(weights.values()), "from": origin})
display.table(table, caption="Where the weights come from")

# %% [markdown]
# Only the head is new: two rows of weights and two biases. All the rest was paid for by somebody else, even
# the pooler, a layer that prepares the vector of `[CLS]`. The head is random, so before training the model
# can only guess.

# %% [markdown]
# ## Step 4: train
#
# First, what counts as good? The `Trainer` hands all logits and labels to a function of ours, which asks a
# metric.

# %%
from helpers import metrics

accuracy = metrics.load("accuracy")


def score(evaluation):
    predictions = evaluation.predictions.argmax(axis=-1)
    return accuracy.compute(predictions=predictions, references=evaluation.label_ids)


# %% [markdown]
# Then the settings, once, for every model of this lesson. The ones to know: the **learning rate** (how far a
# step goes; fine-tuning takes small steps, so as not to wreck what is there), **warm-up** (the rate grows
# over the first tenth of the steps, then falls), **weight decay** (pulls weights gently towards zero). At
# regular intervals each state is scored on the validation reviews and saved, and the **best** one is loaded
# at the end: more steps are not always better.

# %%
import tempfile

from transformers import Trainer, TrainingArguments

runs = tempfile.TemporaryDirectory()
STEPS = course.budget(cpu=90, gpu=375)  # of 8 reviews each: 125 steps are one epoch, once through all 1,000
RATE = 5e-5 if body.config.hidden_size >= 768 else 1e-4  # a small model bears larger steps


def trainer(name, model, rows, learning_rate=RATE):
    settings = TrainingArguments(
        output_dir=f"{runs.name}/{name}", max_steps=STEPS, seed=42, report_to="none",
        per_device_train_batch_size=8, per_device_eval_batch_size=20, fp16=course.device() == "cuda",
        learning_rate=learning_rate, warmup_steps=0.1, weight_decay=0.01,
        train_sampling_strategy="group_by_length", logging_steps=STEPS // 3,
        eval_strategy="steps", eval_steps=STEPS // 3, eval_on_start=True,
        save_strategy="steps", save_steps=STEPS // 3, save_only_model=True, save_total_limit=1,
        load_best_model_at_end=True, metric_for_best_model="accuracy",
        disable_tqdm=False, dataloader_pin_memory=course.device() == "cuda",
    )  # fmt: skip
    return Trainer(
        model=model, args=settings, train_dataset=rows, eval_dataset=validation,
        data_collator=collator, processing_class=tokenizer, compute_metrics=score,
    )  # fmt: skip


# %%
full = trainer("full", model, train)
with course.timed("full fine-tuning"):
    full.train()
print(f"the best state: step {full.state.best_global_step}, accuracy {full.state.best_metric:.1%}")

# %% [markdown]
# The first line of the table is the model before any training, as good as a coin. Now the 200 reviews that
# had no part in any of this. Two hundred are few, so we say how far chance alone could move the score.

# %%
from math import sqrt


def measure(trained):
    return trained.predict(test).metrics["test_accuracy"]


def margin(share):
    return 1.96 * sqrt(share * (1 - share) / len(test))


found = {"fine-tuned": measure(full)}
print(f"{found['fine-tuned']:.1%} right, give or take {margin(found['fine-tuned']):.1%} (95 % of the time)")
course.record("Accuracy, full fine-tuning", found["fine-tuned"], "%")
assert found["fine-tuned"] > 0.7

# %% [markdown]
# ### Which way does it err?
#
# One number cannot say whether the model is too kind or too strict. The **confusion matrix** can: a row for
# each right label, a column for each prediction, the right ones on the diagonal.

# %%
from sklearn.metrics import ConfusionMatrixDisplay

outcome = full.predict(test)
predictions = outcome.predictions.argmax(axis=-1)
confusion = metrics.load("confusion_matrix")
matrix = confusion.compute(predictions=predictions, references=outcome.label_ids)["confusion_matrix"]
assert matrix.trace() == round(found["fine-tuned"] * len(test))
shown = ConfusionMatrixDisplay(matrix, display_labels=names)
shown.plot(ax=plots.axes(width=3.6, height=3), cmap="Blues", colorbar=False)
display.figure(shown.figure_, alt="Confusion matrix of the test reviews, right label by prediction.")
print(f"{matrix[0, 1]} negative reviews were taken for positive, {matrix[1, 0]} positive ones for negative.")

# %% [markdown]
# `predict` returns the labels beside the logits, and those are the ones to compare with: to save padding, the
# `Trainer` took the reviews by length, not in the order of `test`. Against `test["label"]` the same
# predictions would look like chance.

# %% [markdown]
# ## Why it works: three roads
#
# Is it really the pretrained weights that do it? We take them away, and then we forbid them to move. Same
# reviews, same number of steps:
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
scratch = trainer("scratch", random_model, train)
with course.timed("from scratch"):
    scratch.train()

# %%
set_seed(42)
frozen_model = AutoModelForSequenceClassification.from_pretrained(checkpoint, **labels)
frozen_model.base_model.requires_grad_(False)
frozen = trainer("frozen", frozen_model, train, learning_rate=1e-2)
with course.timed("frozen body"):
    frozen.train()

# %%
roads = {"fine-tuned": full, "frozen body": frozen, "from scratch": scratch}
curves = {
    road: {
        entry["step"]: entry["eval_accuracy"] for entry in run.state.log_history if "eval_accuracy" in entry
    }
    for road, run in roads.items()
}
ax = plots.axes(width=8, height=3.6)
for (road, curve), colour, marker in zip(curves.items(), plots.PALETTE[:3], "os^", strict=True):
    ax.plot(curve.keys(), curve.values(), color=colour, marker=marker, label=road)
ax.axhline(0.5, color="#999999", linestyle=":", label="a coin")
ax.set(xlabel="training steps", ylabel="accuracy (validation)", ylim=(0.4, 1))
ax.yaxis.set_major_formatter("{x:.0%}")
ax.legend(frameon=False, ncols=4, loc="upper left")
display.figure(
    ax.figure, alt="Validation accuracy against training steps: fine-tuned, frozen body, from scratch."
)


# %%
def took(run):
    return next(entry["train_runtime"] for entry in run.state.log_history if "train_runtime" in entry)


for road in ("frozen body", "from scratch"):
    found[road] = measure(roads[road])
    course.record(f"Accuracy, {road}", found[road], "%")
display.table(
    [
        {"road": road, "weights that learn": run.get_num_trainable_parameters(),
         "training (s)": took(run), "test accuracy": found[road]}
        for road, run in roads.items()
    ],
    formats={"test accuracy": ".1%", "training (s)": ".0f"},
)  # fmt: skip

# %% [markdown]
# **Transfer.** The first and the last row are the same network, trained on the same reviews for the same
# number of steps. They differ in one thing: where their weights began. So the distance between them is what
# pretraining brought along.
#
# **Freezing** costs a fraction of the time, because no gradient goes through the body. But the body then
# still describes text in general, and the head has to make do. With very little data, or a very large body,
# that can be the better bargain.

# %%
gain = found["fine-tuned"] - found["from scratch"]
best_random = max(curves["from scratch"].values())
soon = min(step for step, value in curves["fine-tuned"].items() if value > best_random)
print(f"Transfer: {100 * gain:.0f} points on the test reviews, from the starting weights alone.")
print(f"Short training: ahead of the best from-scratch state ({best_random:.0%}) by step {soon} of {STEPS}.")
assert gain > 0.05

# %% [markdown]
# ### How little data is enough?
#
# Labels are what costs. Here is the same fine-tuning with 50 and with 200 reviews, beside the run with 1,000
# from above. All take the same number of steps: out of 50 reviews, the model sees each many times.

# %%
by_size = {}
for size in (50, 200):
    set_seed(42)
    small = AutoModelForSequenceClassification.from_pretrained(checkpoint, **labels)
    run = trainer(f"size-{size}", small, train.select(range(size)))
    run.train()
    by_size[size] = measure(run)
    course.record(f"Accuracy with {size} examples", by_size[size], "%")
by_size[len(train)] = found["fine-tuned"]

# %%
ax = plots.axes(width=7, height=3.2)
bars = [margin(share) for share in by_size.values()]
ax.errorbar(list(by_size), list(by_size.values()), yerr=bars, color=plots.BLUE, marker="o", capsize=4)
ax.axhline(found["from scratch"], color=plots.GREEN, linestyle="--")
ax.text(50, found["from scratch"] + 0.01, "from scratch, 1,000 examples", color=plots.GREEN)
ax.set(xscale="log", xlabel="training examples", ylabel="accuracy (test)", ylim=(0.4, 1))
ax.minorticks_off()
ax.set_xticks(list(by_size), [f"{size:,}" for size in by_size])
ax.yaxis.set_major_formatter("{x:.0%}")
display.figure(ax.figure, alt="Test accuracy with 50, 200 and 1,000 training examples, with 95 % ranges.")

# %%
enough = [size for size, share in by_size.items() if share > found["from scratch"]]
print("Fine-tuned models that beat the one trained from scratch on 1,000 reviews:")
print(", ".join(f"{size:,} examples ({by_size[size]:.0%})" for size in enough) or "none")

# %% [markdown]
# The bars show what chance can do with 200 test reviews: points whose bars overlap widely may as well be
# equal. Before collecting more data, draw this curve: where it is still rising, more labels pay.

# %% [markdown]
# ## Two sentences of your own
#
# Change them, and run the cell again. `pipeline` does tokenising, model and softmax in one call.

# %%
from transformers import pipeline

POSITIVE = "A warm, clever and beautifully acted film."
NEGATIVE = "The story drags, the jokes fall flat, and I was bored after ten minutes."

classify = pipeline(
    "text-classification", model=model, tokenizer=tokenizer, top_k=None, device=course.device()
)


def probability(text):
    return {answer["label"]: answer["score"] for answer in classify([text])[0]}


display.table(
    [{"text": text, **probability(text)} for text in (POSITIVE, NEGATIVE)],
    formats={"pos": ".1%", "neg": ".1%"},
)

# %% [markdown]
# ## The errors it makes
#
# Read errors, always. First those of the test reviews that the model was surest of.

# %%
limits = {"batch_size": 8, "truncation": True, "max_length": MAX_LENGTH}
answers = [ranked[0] for ranked in classify(test["text"][:], **limits)]
wrong = [
    {"right": names[row["label"]], "predicted": answer["label"], "sure": answer["score"],
     "text": shorten(row["text"], 75, placeholder=" …")}
    for row, answer in zip(test, answers, strict=True) if answer["label"] != names[row["label"]]
]  # fmt: skip
wrong.sort(key=lambda row: row["sure"], reverse=True)
display.table(wrong[:6], caption=f"The surest of {len(wrong)} errors", formats={"sure": ".0%"})

# %% [markdown]
# Is there praise in the complaints, and blame in the praise? Whoever counts good and bad words falls for it.
# Two suspects deserve a test of their own: **negation**, where a small word turns the meaning round, and
# **irony**, where nothing on the surface does.

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
judged = [
    {"kind": kind, "text": text, "meant": meant, "pos": probability(text)["pos"]}
    for kind, text, meant in probes
]
for row in judged:
    row["right"] = (row["pos"] > 0.5) == (row["meant"] == "pos")
display.table(judged, formats={"pos": ".0%"})

# %%
for kind in dict.fromkeys(row["kind"] for row in judged):
    verdicts = [row["right"] for row in judged if row["kind"] == kind]
    print(f"{kind}: {sum(verdicts)} of {len(verdicts)} right")

# %% [markdown]
# The model has learnt which words reviews praise with. To get irony it would need many more examples of it,
# or a reader's knowledge of the world. A score says how often a model errs; only a list like this says
# *when*.

# %% [markdown]
# ## Save, and load again
#
# A folder with weights, configuration and tokenizer is all that anyone needs. Does it give the very same
# answers?

# %%
from pathlib import Path

home = Path(runs.name) / "film-critic"
model.save_pretrained(home)
tokenizer.save_pretrained(home)
display.table([{"file": file.name, "kB": file.stat().st_size / 1000} for file in sorted(home.iterdir())])

# %% tags=["nbval-check-output"]
before = [probability(text)["pos"] for _, text, _ in probes]
classify = pipeline("text-classification", model=str(home), top_k=None, device=course.device())
after = [probability(text)["pos"] for _, text, _ in probes]
print("same probabilities:", torch.allclose(torch.tensor(before), torch.tensor(after), atol=1e-4))

# %% [markdown]
# ## What carries over to speech
#
# All of it. The head is a choice, not a new model: the same checkpoint with another `AutoModelFor…` gives
# another shape of answer, and each time the loader says what is new.

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
# Whisper has its turn in lesson 5, Wav2Vec2 in lesson
# 6.

# %% [markdown]
# ## Exercises
#
# 1. **Your own roads.** Freeze only the embeddings and the first half of the layers. Where does the curve
#    run, and what does it save? *Hint:* `model.bert.embeddings.requires_grad_(False)`, and the same for
#    `model.bert.encoder.layer[:3]`.
# 2. **A learning rate too large.** Train with 1e-3. What happens to the loss, and to the validation accuracy?
#    *Hint:* the other road that goes nowhere looks alike.
# 3. **Teach it negation.** Write ten sentences with "not", label them, put them three times into the training
#    data, and judge the probes again. *Hint:* `datasets.concatenate_datasets`; the columns are `text` and
#    `label`, and `tokenise` comes after.
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
