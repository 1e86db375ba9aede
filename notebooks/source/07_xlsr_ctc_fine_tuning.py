# %%
from helpers import course

course.start("07")

# %% [markdown]
# ## Learning from sound without text
#
# XLSR is wav2vec 2.0 on many languages at once. BERT hides words of a sentence and has to guess them. Here
# spans of frames are hidden, and for each hidden frame the model has to pick the true sound out of several,
# using the frames around it. That needs no transcripts, only speech: it is **self-supervised**.

# %% tags=["nbval-check-output"]
from helpers import drawings

alt = (
    "From bottom to top: a waveform, convolutions that give 50 frames a second, a row of frames of which "
    "three are masked, a transformer encoder over all of them. From the vector of one masked frame arrows "
    "lead to five sounds; one is the true one, the others are from elsewhere."
)
drawings.show("self_supervised", alt)

# %% [markdown]
# The sounds to choose from are **units**: the model sorts what its convolutions hear into a limited set of
# vectors, which it learns on the way. 100 wrong ones stand beside the true one. They come from other hidden
# frames of the same recording, so voice and microphone do not give the answer away. The **contrastive** loss
# is small where the frame's vector is more similar to the true unit than to the wrong ones.
#
# `wav2vec2-large-xlsr-53` was pre-trained in this way on 56,000 hours in 53 languages. What is that good
# for? Its English forerunner, pre-trained on 53,000 hours without text, needed **ten minutes** with
# transcripts for a WER of 4.8 % on LibriSpeech's clean test set (with a language model; from the paper, see
# further reading).
#
# ### Exercise 7.1: pick the true sound (5 minutes)
#
# Write the loss of one hidden frame. Compare its vector with each candidate by the cosine of the angle
# between them (`torch.cosine_similarity`), divide by the temperature of 0.1, and take the cross-entropy of
# the true one. Two candidates that are equally similar should give log 2 = 0.693.
#
# <details><summary>Hint</summary>`torch.nn.functional.cross_entropy(scores[None], torch.tensor([true]))`
# takes the softmax and the logarithm for you.</details>

# %% tags=["exercise"]
import torch


def contrastive_loss(vector, candidates, true):
    """Loss of one hidden frame: `vector`, (width,); `candidates`, (choices, width); index of the true one."""
    # <solution>
    scores = torch.cosine_similarity(vector[None], candidates, dim=1) / 0.1  # (choices,)
    return torch.nn.functional.cross_entropy(scores[None], torch.tensor([true]))
    # </solution>


# %% tags=["wrong"]
def contrastive_loss(vector, candidates, true):
    scores = torch.cosine_similarity(vector[None], candidates, dim=1)
    return torch.nn.functional.cross_entropy(scores[None], torch.tensor([true]))


# %% tags=["wrong"]
def contrastive_loss(vector, candidates, true):
    scores = candidates @ vector / 0.1
    return torch.nn.functional.cross_entropy(scores[None], torch.tensor([true]))


# %% tags=["wrong"]
def contrastive_loss(vector, candidates, true):
    return -torch.cosine_similarity(vector[None], candidates, dim=1)[true] / 0.1


# %% tags=["check", "nbval-check-output"]
from helpers.exercises import checking

NOTHING = "The function gives nothing back: write your code, and end it with return."
with checking("7.1", "pick the true sound"):
    sounds = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    even, right, wrong = (
        contrastive_loss(torch.tensor(vector), sounds, 0) for vector in ([1.0, 1.0], [1.0, 0.0], [0.0, 1.0])
    )
    assert even is not None, NOTHING
    assert abs(even - 0.693) < 1e-3, "Equally similar ones should give 0.693: take the softmax over all."
    assert abs(wrong - 10) < 0.01, f"A wrong choice should cost 10, not {wrong:.2f}: divide by 0.1."
    longer = contrastive_loss(torch.tensor([1.0, 0.0]), 3 * sounds, 0)
    assert abs(longer - right) < 1e-6, "Longer candidates should change nothing: take the cosine."

# %% [markdown]
# ## What this lesson shows, and what it does not
#
# Offline other weights and other voices stand in, and every figure below depends on them:
#
# | | on the Hub | offline |
# | --- | --- | --- |
# | the encoder | XLSR-53, 24 layers, 315 M weights | Whisper base's, as a Wav2Vec2: 6 layers, 23 M |
# | trained | on sound alone, as above | to transcribe, **with text**, in 99 languages |
# | has heard Turkish | yes: Common Voice and BABEL | yes, with text |
# | who reads | people, in Turkish (FLEURS) | voices made for **Hindi, Portuguese and Italian** |
# | an error rate is of | read sentences of this kind | these five voices, not Turkish speech |
#
# So **Turkish is not new** to either encoder; only the letters are new. This lesson does not show how to
# train on a language that was absent from pre-training. It shows how to train an encoder that was
# pre-trained on a language to write it. Offline, even the text is not new. Compare the rows of a table
# below with one another, and quote none of them as a result for Turkish.
#
# ## Letters by CTC

# %% tags=["nbval-check-output"]
alt = (
    "CTC: the waveform goes through convolutions and a transformer encoder; one linear layer gives each "
    "frame of 20 ms a score for each token; the path C A A T T S with blanks between collapses to CATS."
)
drawings.show("ctc_model", alt)

# %% [markdown]
# As in lesson 2, a linear layer gives each frame of 20 ms a distribution over the letters and the **blank**;
# runs of a letter collapse, blanks are dropped, and the loss adds up every path that collapses to the
# transcript. On Common Voice, the XLSR paper counts errors in phonemes (PER). We write letters, so we count
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
# Offline you hear the accent: sentences in Turkish, sounds of other languages. Vowels that those languages
# lack are not pronounced clearly.
#
# ## Cleaning text, in Turkish
#
# Capitals and punctuation cannot be heard, so CTC gets lower case without punctuation. That sounds like
# `text.lower()`. But Turkish has two letters i, one with a dot and one without, and each has its own capital:
# i and İ, ı and I.
#
# **Before you run:** what does Python's `lower()` make of I and İ? (a) ı and i, as Turkish has it (b) i, both
# times (c) i, and for İ two characters.

# %% tags=["nbval-check-output"]
import unicodedata

for capital in "Iİ":
    lower = capital.lower()
    print(capital, "becomes", repr(lower), "=", " + ".join(unicodedata.name(letter) for letter in lower))

# %% [markdown]
# <details><summary>Your prediction</summary><b>c.</b> Python lowers by the rules of most languages: I has a
# dotted small letter there. So that nothing of İ is lost, its dot stays behind as a character of its
# own.</details>
#
# Both are wrong in Turkish: `I` should be `ı`, and `İ` one letter, `i`. The dot that is left over becomes a
# token of the vocabulary; where a rule drops all that is no letter, it splits the word: *i zmir*.
#
# ### Exercise 7.2: Turkish lower case (3 minutes)
#
# Write it. `lower_turkish("IRMAK, İzmir")` should give `"ırmak, izmir"`.
#
# <details><summary>Hint</summary>Once `lower()` has run, it is too late: replace the two capitals
# first.</details>

# %% tags=["exercise"]
def lower_turkish(text):
    """`text` in lower case, by Turkish rules."""
    # <solution>
    return text.replace("İ", "i").replace("I", "ı").lower()
    # </solution>


# %% tags=["wrong"]
def lower_turkish(text):
    return text.lower().replace("I", "ı").replace("İ", "i")


# %% tags=["wrong"]
def lower_turkish(text):
    return text.replace("İ", "i").lower()


# %% tags=["wrong"]
def lower_turkish(text):
    return text.replace("İ", "I").replace("I", "ı").lower()


# %% tags=["check", "nbval-check-output"]
with checking("7.2", "Turkish lower case"):
    dotted, dotless = lower_turkish("İzmir"), lower_turkish("Irmak")
    assert dotted is not None, NOTHING
    assert "\u0307" not in dotted, "A dot is left over from İ: replace the capitals before lower()."
    assert dotless == "ırmak", f"Irmak became {dotless}: I without a dot stays without one, ı."
    assert dotted == "izmir", f"İzmir became {dotted}: İ keeps its dot."
    assert lower_turkish("ŞIŞLI, ÇAĞ") == "şışlı, çağ", "All other capitals become small as well."

# %% [markdown]
# The lesson's own function also drops punctuation.

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
digits = [text for text in data["train"]["raw_transcription"] if re.search(r"\d", text)]
print(f"{len(digits)} of {len(data['train'])} training sentences have digits")

# %% [markdown]
# The apostrophe sets a name off from its ending (İzmir'de, "in İzmir"). It cannot be heard, so it goes, and
# the ending joins the name. Digits are dropped too, although they are spoken: *9* is read *dokuz*. Where the
# line above counts many, write them out as words first, or leave those sentences out.
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
texts = [clean(text) for text in data["train"]["raw_transcription"]]
letters = sorted(set("".join(texts)) - {" "})
vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "|", *letters])}
print(len(vocabulary), "tokens:", *vocabulary)
others = [text for part in ("validation", "test") for text in data[part]["raw_transcription"]]
elsewhere = set("".join(map(clean, others))) - set(letters) - {" "}
print("in validation or test only:", *sorted(elsewhere) or ["nothing"])

# %% [markdown]
# A letter is learnt from its examples. Which ones are rare?

# %% tags=["nbval-check-output"]
from collections import Counter

counts = Counter("".join(texts).replace(" ", ""))
print("most frequent:", *[f"{letter} {count}" for letter, count in counts.most_common(5)])
print("rarest:", *[f"{letter} {count}" for letter, count in counts.most_common()[:-6:-1]])

# %% [markdown]
# ### Exercise 7.3: a vocabulary with a mistake (5 minutes)
#
# A colleague has used `text.lower()`, and only the first hundred sentences. Write the test that finds such
# mistakes: which letters of the cleaned texts have no token (all of them would become `[UNK]`), and which
# tokens does no text need? The three special tokens count for neither.
#
# `compare({"[PAD]": 0, "[UNK]": 1, "|": 2, "a": 3, "̇": 4}, ["ay"])` should give `({"y"}, {"̇"})`.
#
# <details><summary>Hint</summary>Two sets, and their difference in both directions. A space in a text is
# written by the token `|`.</details>

# %% tags=["exercise"]
def compare(vocabulary, texts):
    """(letters of the texts without a token, tokens that no text needs), two sets; `texts` are cleaned."""
    # <solution>
    needed = set("".join(texts)) - {" "}
    there = set(vocabulary) - {"[PAD]", "[UNK]", "|"}
    return needed - there, there - needed
    # </solution>


# %% tags=["wrong"]
def compare(vocabulary, texts):
    needed, there = set("".join(texts)), set(vocabulary) - {"[PAD]", "[UNK]", "|"}
    return needed - there, there - needed


# %% tags=["wrong"]
def compare(vocabulary, texts):
    needed, there = set("".join(texts)) - {" "}, set(vocabulary)
    return needed - there, there - needed


# %% tags=["wrong"]
def compare(vocabulary, texts):
    needed, there = set("".join(texts)) - {" "}, set(vocabulary) - {"[PAD]", "[UNK]", "|"}
    return there - needed, needed - there


# %% tags=["check", "nbval-check-output"]
with checking("7.3", "a vocabulary with a mistake"):
    theirs = {"[PAD]": 0, "[UNK]": 1, "|": 2, "a": 3, "i": 4, "\u0307": 5, "r": 6}
    found = compare(theirs, ["ır ari"])
    assert found is not None, NOTHING
    missing, unused = found
    assert " " not in missing, "The space has a token: |."
    assert not unused & {"[PAD]", "[UNK]", "|"}, "No text shows the special tokens, and all are needed."
    assert "ı" in missing, "ı is in the text and has no token: the letters without one come first."
    assert (missing, unused) == ({"ı"}, {"\u0307"}), f"({{'ı'}}, a dot) was expected, not {found}."

# %% [markdown]
# A tokenizer and a feature extractor together form the **processor**. `bos_token=None, eos_token=None`: CTC
# has no start or end token, so those two would only add outputs that are never right.

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
# The collator is lesson 6's. `check_vocabulary` compares the numbers of tokens and outputs before training.
# Without it, one output too few would stop the training only at the first batch that holds the last letter,
# with an error that gives the number of outputs but not that of the tokens.
#
# In training, **SpecAugment** hides spans of ten frames, as pre-training did, so that no letter hangs on one
# frame alone. The published recipe has `mask_time_prob=0.05` and a dropout of 0.1. It sees each clip thirty
# times and needs both against learning them by heart. On a CPU ours is so short that we leave the masks out.
#
# **Before you run:** which weights are new, with random values? (a) all (b) those of the linear layer (c)
# those of the linear layer and of the convolutions.

# %% tags=["nbval-check-output"]
from transformers import AutoConfig, Wav2Vec2ForCTC, set_seed

from helpers.ctc import DataCollatorCTCWithPadding, check_vocabulary, quicken

device = "cuda" if torch.cuda.is_available() else "cpu"
collator = DataCollatorCTCWithPadding(processor)
head = {
    "vocab_size": len(processor.tokenizer), "pad_token_id": processor.tokenizer.pad_token_id,
    "ctc_loss_reduction": "mean", "ctc_zero_infinity": True,
    "mask_time_prob": course.budget(cpu=0.0, gpu=0.05),
}  # fmt: skip
set_seed(42)
model, loading = Wav2Vec2ForCTC.from_pretrained(checkpoint, **head, output_loading_info=True)
check_vocabulary(processor, model)
print("new, random:", ", ".join(sorted(loading["missing_keys"])))

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> The encoder, convolutions included, comes from the
# checkpoint. <code>lm_head</code> is the linear layer; no checkpoint can have it, since our vocabulary is
# new.</details>
#
# The convolutions stay frozen, as in lesson 6; on a CPU also the lower layers and what lies below them, to
# save time.

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

STEPS = course.budget(cpu=108, gpu=1200)
EVERY = STEPS // 6


def trainer(callbacks=(), evaluate_first=True):
    """A Trainer for our model; its checkpoints go to the folder of this run."""
    settings = TrainingArguments(
        output_dir=f"{runs.name}/turkish", max_steps=STEPS, seed=42, report_to="none",
        per_device_train_batch_size=8, per_device_eval_batch_size=8, fp16=device == "cuda",
        learning_rate=course.budget(cpu=5e-4, gpu=3e-4), warmup_steps=0.25,
        train_sampling_strategy="group_by_length", eval_strategy="steps", eval_steps=EVERY,
        eval_on_start=evaluate_first, save_steps=EVERY, save_total_limit=1, logging_steps=EVERY // 3,
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
#
# **Before you run:** most frames of a clip have no new letter. How does the share of frames whose best
# token is the blank change? (a) it falls from the start (b) it rises to nearly all frames, then falls (c)
# it rises and stays there.

# %%
class StopAfter(TrainerCallback):
    """Ends a training after a number of steps."""

    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, args, state, control, **_):
        if state.global_step >= self.steps:
            control.should_training_stop = True


with course.timed("first sitting"):
    trainer([StopAfter(EVERY)]).train()

# %%
with course.timed("second sitting"):
    run = trainer(evaluate_first=False)
    run.train(resume_from_checkpoint=True)

# %% tags=["nbval-check-output"]
print(f"resumed after step {EVERY}, ended after step {run.state.global_step}")
assert run.state.global_step == STEPS

# %%
import pandas as pd

from helpers import plots, show


def curve(run, name):
    """{step: value} of one figure in a Trainer's log."""
    return {entry["step"]: entry[name] for entry in run.state.log_history if name in entry}


columns = {"blank frames": "eval_blank", "CER": "eval_cer", "WER": "eval_wer"}
log = pd.DataFrame({title: curve(run, name) for title, name in columns.items()}).rename_axis("step")
left, right = plots.axes(1, 2, width=11, height=3)
left.plot(curve(run, "loss").keys(), curve(run, "loss").values(), "o-", color=plots.BLUE)
left.set(xlabel="step", ylabel="training loss", ylim=0)
for title, colour in zip(log, (plots.ORANGE, plots.GREEN, plots.PURPLE), strict=True):
    right.plot(log.index, log[title], "o-", color=colour, label=title)
right.set(xlabel="step", ylabel="share (validation)", ylim=(0, 1.1))
right.legend(frameon=False)
loss = list(curve(run, "loss").values())
first, last = log.iloc[0], log.iloc[-1]
alt = (
    f"Left: the training loss goes from {loss[0]:.1f} to {loss[-1]:.1f}. Right: the share of blank frames "
    f"starts at {first.iloc[0]:.0%}, is highest at step {log['blank frames'].idxmax()} with "
    f"{log['blank frames'].max():.0%} and ends at {last.iloc[0]:.0%}; CER ends at {last['CER']:.0%}, WER at "
    f"{last['WER']:.0%}."
)
show.figure(left.figure, alt=alt)

# %% [markdown]
# The same evaluations as numbers:

# %%
log.map("{:.0%}".format)

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> First nearly every frame becomes blank, then the
# letters take back the frames where they are heard. Many frames stay blank to the end: a clip has more
# frames than letters. (Where many steps lie between two evaluations, the table may miss the rise or the
# fall.)</details>
#
# ### The plateau
#
# At step 0 the head guesses: it can write more letters and words than the text has, so CER and WER can lie
# above 100 % (and outside the picture). Then the blank takes over. Every transcript allows blanks before,
# between and after its letters, so raising the blank in all frames lowers the loss before the model can
# tell the letters apart. CER and WER stay near 100 %, because almost nothing is written. The training stays
# on this **plateau** for a while, until letters in the right places lower the loss further. WER can fall
# later than CER: a word counts as right only when all its letters are right. So a CTC training that writes
# almost nothing need not be broken. If overfitting one batch (lesson 6) works, wait.
#
# ### Exercise 7.4: is it the plateau? (5 minutes)
#
# Colleagues send you one evaluation each, early in a training, and ask whether it is broken. Write
# `diagnose(blank, cer)`, both fractions: `"learning"` if CER is below 90 %; if not, `"plateau"` where more
# than 95 % of the frames are blank, and `"guessing"` where fewer are. `diagnose(0.99, 0.98)` should give
# `"plateau"`.
#
# <details><summary>Hint</summary>Look at CER first: a model that writes right letters learns, however many
# blanks there are. Only then does the share of blanks tell the other two apart.</details>

# %% tags=["exercise"]
def diagnose(blank, cer):
    """One of "guessing", "plateau", "learning", from the share of blank frames and the CER, fractions."""
    # <solution>
    if cer < 0.9:
        return "learning"
    return "plateau" if blank > 0.95 else "guessing"
    # </solution>


# %% tags=["wrong"]
def diagnose(blank, cer):
    if blank > 0.95:
        return "plateau"
    return "learning" if cer < 0.9 else "guessing"


# %% tags=["wrong"]
def diagnose(blank, cer):
    if cer < 0.9:
        return "learning"
    return "plateau" if cer <= 1 else "guessing"


# %% tags=["wrong"]
def diagnose(blank, cer):
    return "learning" if blank < 0.95 else "plateau"


# %% tags=["check", "nbval-check-output"]
with checking("7.4", "is it the plateau?"):
    assert diagnose(0.02, 3.0) is not None, NOTHING
    assert diagnose(0.02, 3.0) == "guessing", "2 % blanks and a CER of 300 %: it writes letters by chance."
    assert diagnose(0.99, 0.98) == "plateau", "99 % blanks and a CER of 98 %: it writes almost nothing."
    assert diagnose(0.6, 0.97) == "guessing", "A CER of 97 % with letters in 40 % of the frames: wrong ones."
    assert diagnose(0.96, 0.4) == "learning", "A CER of 40 % is learning, even with many blanks: slow speech."

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
# ## And Whisper, without any training?
#
# The baseline that everybody has: Whisper base as it comes, on the same clips, its text cleaned like ours. It
# was trained on transcribed Turkish, and its decoder knows Turkish words. We take lesson 3's
# `longform.transcribe`, because it does not fill a clip of three seconds up to 30.
#
# **Before you run:** which has the lower WER here? (a) our letter model (b) Whisper base (c) these clips do
# not tell.

# %% tags=["tested"]
from helpers import alignment


def word_errors(targets, texts):
    """Wrong words of each clip, an integer array of shape (clips,)."""
    edits = (alignment.align(*pair) for pair in zip(targets, texts, strict=True))
    return np.array([sum(edit.kind != "equal" for edit in clip) for clip in edits])


def paired_interval(first, second, lengths, draws=1000):
    """Error rate of `first` minus that of `second`, and its 95 % interval, all fractions: (rate, low, high).

    `first`, `second`: errors of each clip, `lengths`: its words or letters, all of shape (clips,). Clips are
    drawn with replacement, the same ones for both (paired bootstrap).
    """
    drawn = np.random.default_rng(0).integers(len(lengths), size=(draws, len(lengths)))  # (draws, clips)
    less = np.asarray(first) - np.asarray(second)
    low, high = np.quantile(less[drawn].sum(1) / np.asarray(lengths)[drawn].sum(1), [0.025, 0.975])
    return less.sum() / np.sum(lengths), low, high


# %%
from faster_whisper import WhisperModel

from helpers import longform

kind = course.budget(cpu="int8", gpu="float16")
whisper = WhisperModel(
    catalog.model("Systran/faster-whisper-base"), device=device, compute_type=kind,
    cpu_threads=torch.get_num_threads(),
)  # fmt: skip
by_whisper = []
for row in course.progress(data["test"], "Whisper"):
    pieces = longform.transcribe(whisper, audio.read(row["audio"]), "tr", beam_size=1)
    by_whisper.append(clean(" ".join(piece.text for piece in pieces)))

# %% tags=["report"]
from rapidfuzz.distance import Levenshtein


def letter_errors(targets, texts):
    """Wrong letters and spaces of each clip, an integer array of shape (clips,)."""
    return np.array([Levenshtein.distance(*pair) for pair in zip(targets, texts, strict=True)])


counted = {
    "WER": (word_errors, np.array([len(text.split()) for text in targets])),
    "CER": (letter_errors, np.array([len(text) for text in targets])),
}
print(f"{len(targets)} clips. Our letter model minus Whisper, with the 95 % interval:")
for rate, (errors, lengths) in counted.items():
    less, low, high = paired_interval(errors(targets, found), errors(targets, by_whisper), lengths)
    print(f"{rate}: {100 * less:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}, "
          f"of {lengths.sum()} {'words' if rate == 'WER' else 'letters and spaces'}")  # fmt: skip
report("Whisper base, untouched", by_whisper)

# %%
worst = int(np.argmax(word_errors(targets, by_whisper)))
clip = data["test"][worst]
display(players.listen(audio.read(clip["audio"]), 16_000, clip["raw_transcription"]))
for name, text in {"our letter model": found[worst], "Whisper base, untouched": by_whisper[worst]}.items():
    display(show.diff(targets[worst], text, title=name))

# %% [markdown]
# <details><summary>Your prediction</summary>Read the interval of the WER above the table: where it holds 0,
# it is <b>c</b>; where it lies below 0, <b>a</b>; above 0, <b>b</b>.</details>
#
# Compare the interval of the CER with it: the two can point in different directions, because errors can be
# spread over many words or gathered in few. Below the table is the clip in which Whisper made the most word
# errors. The conditions favour our model: it was trained on sentences of this kind (offline also on these
# very voices), while Whisper was not adapted to them. And `clean` drops a number that Whisper writes in
# digits, so it counts as missing.
#
# Why train a letter model at all, when Whisper writes Turkish without a step of training? It is of use for
# a language that Whisper was not trained on. A letter model also needs no decoder that writes token by
# token; a small one, like the offline model, is fast. (XLSR itself is about four times the size of Whisper
# base.) And it writes at most one letter a frame, while a decoder can invent text in silence (lesson 3).
# For Turkish, fine-tuning Whisper (lesson 5) is the other way to try.
#
# With real voices: the published recipe, `wav2vec2-large-xlsr-53` on some six hours of Common Voice Turkish,
# reached a WER of 59.0 % after 800 steps and 46.4 % after 2,800 (Hugging Face's blog, see further reading).

# %% [markdown]
# ### Why is WER so much higher than CER?
#
# One wrong letter makes a wrong word. Turkish strings endings together (*evlerimizden*, "from our houses",
# is one word), so its words can have many letters. How many wrong words does the CER explain?

# %%
pairs = list(zip(targets, found, strict=True))
wrong = [edit for pair in pairs for edit in alignment.align(*pair) if edit.kind == "substitute"]
near = [edit for edit in wrong if Levenshtein.distance(edit.target, edit.prediction) == 1]
length = np.mean([len(word) for text in targets for word in text.split()])
word_rate, letter_rate = (each.compute(references=targets, predictions=found) for each in (wer, cer))
print(f"A word has {length:.1f} letters. With a CER of {letter_rate:.1%}, errors spread at random would "
      f"spoil {1 - (1 - letter_rate) ** length:.0%} of the words; the WER is {word_rate:.0%}.")  # fmt: skip
print(f"{len(near)} of {len(wrong)} words that were replaced are one letter away:")
pd.DataFrame([{"target": edit.target, "written": edit.prediction} for edit in near[:6]])

# %% [markdown]
# Compare the two shares: where they are close, the CER and the length of the words explain most of the WER.
# Errors are not quite random, though: a lost space makes two words wrong at once, and one word can have
# several wrong letters. So report both rates: WER counts the words that a reader has to correct, CER shows
# how close they are.

# %% [markdown]
# ## Which letters?
#
# Every letter of the targets (rows) against what was written in its place (columns). Right ones lie on the
# diagonal and are left out, so that the rest can be seen. The last two columns are not letters: ␣ means that
# a space was written in place of the letter, – that nothing was written.

# %%
edits = pd.DataFrame(edit for pair in pairs for edit in alignment.align(*pair, unit="char"))
wrong = edits[(edits["kind"] != "equal") & ~edits["target"].isin(["", " "])]
table = pd.crosstab(wrong["target"], wrong["prediction"].replace({" ": "␣", "": "–"}))
table = table.reindex(index=letters, columns=[*letters, "␣", "–"], fill_value=0)
ax = plots.axes(width=8, height=6.4)
picture = ax.imshow(table, cmap="Blues")
ax.set_xticks(range(len(table.columns)), table.columns)
ax.set_yticks(range(len(table)), table.index)
ax.set(xlabel="written (␣: a space, –: nothing)", ylabel="target")
ax.figure.colorbar(picture, label="times")
cells = table.stack()
most = cells.max()
darkest = ", ".join(f"row {row}, column {column}" for row, column in cells[cells == most].index)
alt = (
    f"Letter errors, target by row, written by column. Darkest, {most} times each: {darkest}. Of "
    f"{len(wrong)} letters that are wrong, {table['–'].sum()} are in the last column, nothing written, and "
    f"{table['␣'].sum()} in the one before it, a space written."
)
show.figure(ax.figure, alt=alt)

# %%
kinds = Counter()
for edit in edits[edits["kind"] != "equal"].itertuples():
    sides = ["space" if side == " " else "letter" if side else "nothing" for side in edit[2:4]]
    kinds[" → ".join(sides)] += 1
print(f"{kinds.total()} errors in {sum(map(len, targets))} letters and spaces, a CER of {letter_rate:.1%}:")
print("; ".join(f"{kind}: {count}" for kind, count in kinds.most_common()))
asked = edits["target"].value_counts().reindex(letters, fill_value=0)
losses = pd.DataFrame({"in targets": asked, "wrong": table.sum(axis=1), "not written": table["–"]})
losses["mostly"] = [" ".join(row.index[row == row.max()]) for _, row in table.iterrows()]
losses[losses["wrong"] > 0].sort_values("wrong", ascending=False).head(8)

# %% [markdown]
# The line above the table counts every error of the CER once, by what stood in the target and what was
# written: *letter → nothing* is a letter that was not written, *nothing → letter* one too many, *space →
# nothing* two words run together. *Letter → nothing* is the sum of the picture's last column, *letter →
# space* that of the column before it.
#
# In the table, compare "wrong" with "in targets": a frequent letter is wrong often even if it is well learnt.
# Some letters have a reason. *ğ* is hardly a sound of its own: it often only lengthens the vowel before it,
# so there is little to be heard. Offline the voices add another: Hindi, Portuguese and Italian have no *ü*,
# *ö* and *ı* as Turkish has them. And a rare letter has few examples to be learnt from (the counts stand
# above). If many letters are missing, the training may have been too short: soon after the plateau the blank
# is still the best token where the model is unsure.
#
# ### Exercise 7.5: lost letters (5 minutes)
#
# Which share of a text's letters was not written at all? Count the deletions of the letters' alignment and
# divide by the letters of the **target**, spaces not counted. For *değil* written *deil* it should be 1/5.
#
# <details><summary>Hint</summary>`alignment.align(target, text, unit="char")` gives edits with `kind` and
# `target`. Each edit but an insertion stands for one letter of the target.</details>

# %% tags=["exercise"]
def lost(target, text):
    """Share of the target's letters, spaces not counted, that were not written: a fraction."""
    # <solution>
    edits = [edit for edit in alignment.align(target, text, unit="char") if edit.target.strip()]
    return sum(edit.kind == "delete" for edit in edits) / len(edits)
    # </solution>


# %% tags=["wrong"]
def lost(target, text):
    edits = [edit for edit in alignment.align(target, text, unit="char") if edit.target.strip()]
    return sum(edit.kind != "equal" for edit in edits) / len(edits)


# %% tags=["wrong"]
def lost(target, text):
    edits = alignment.align(target, text, unit="char")
    return sum(edit.kind == "delete" for edit in edits) / len(edits)


# %% tags=["wrong"]
def lost(target, text):
    return (len(target.replace(" ", "")) - len(text.replace(" ", ""))) / len(target.replace(" ", ""))


# %% tags=["check", "nbval-check-output"]
with checking("7.5", "lost letters"):
    assert lost("değil", "deil") is not None, NOTHING
    assert lost("gece", "geje") == 0, "geje for gece loses nothing: a wrong letter is not a lost one."
    assert abs(lost("iyi gece", "iyi ee") - 2 / 7) < 1e-9, "iyi gece has 7 letters: leave out the space."
    assert abs(lost("değil", "deilsi") - 1 / 5) < 1e-9, "deilsi is longer than değil, and still lacks the ğ."
    assert abs(lost("değil", "deil") - 1 / 5) < 1e-9, "One letter of five is lost in deil: 1/5."

# %% [markdown]
# ## What are the pre-trained layers worth?
#
# One change: the Transformer layers that learn start from random weights instead of the pre-trained ones.
# Everything else stays the same: the convolutions and the other frozen parts, the final norm, the new head,
# the clips and their order, the learning rate at every step. We do it with all sentences and with a quarter
# of them.
#
# The four trainings take too long for a lesson, so their results are **stored**. They were made offline,
# with the stand-in and its voices, by `python -m tools.bench_ctc`, which repeats them. The upper three of
# six layers learn; the lower three are frozen and pre-trained in all four, as above. Every sentence is seen
# between six and seven times. The number of steps and the warm-up differ from those of your training, so
# compare the four curves with one another only.
#
# **Before you run:** where are the pre-trained layers worth more, in points of CER? (a) with 73 sentences (b)
# with 293 (c) about the same.

# %% tags=["nbval-check-output"]
bench = json.loads((catalog.asset("bench") / "ctc_pretraining.json").read_text(encoding="utf-8"))
print(f"stored: {bench['machine']}, {bench['date']}; batches of 8 clips")
ax, ends = plots.axes(width=9, height=3), []
for (size, steps), line in zip(bench["steps"].items(), ("o--", "o-"), strict=False):
    for start, colour in (("pretrained", plots.GREEN), ("random", plots.RED)):
        rates = bench["runs"][f"{start}-{size}"]["validation CER"]
        label = f"{start}, {size} sentences"
        ax.plot([int(step) for step in rates], rates.values(), line, color=colour, label=label)
        ends.append(f"{rates[str(steps)]:.0%} ({label})")
ax.set(xlabel="step", ylabel="CER (validation)", ylim=(0, 1.1))
ax.legend(frameon=False)
show.figure(ax.figure, alt=f"CER by step, one curve for each training. At the end: {', '.join(ends)}.")

# %% tags=["nbval-check-output", "report"]
sizes, rows = bench["test letters"], []
for size in bench["steps"]:
    by_start = (bench["runs"][f"{start}-{size}"]["test errors"] for start in ("random", "pretrained"))
    random, pretrained = by_start
    less, low, high = paired_interval(random, pretrained, sizes)
    row = {"sentences": size, "CER, random layers": f"{sum(random) / sum(sizes):.1%}"}
    row["CER, pre-trained layers"] = f"{sum(pretrained) / sum(sizes):.1%}"
    row["difference"] = f"{100 * less:.1f} points"
    row["95 % interval"] = f"{100 * low:.1f} to {100 * high:.1f}"
    rows.append(row)
print(f"test set: {len(sizes)} clips, {sum(sizes)} letters and spaces")
pd.DataFrame(rows).set_index("sentences")

# %% [markdown]
# <details><summary>Your prediction</summary><b>a.</b> 48 points with 73 sentences, 5 points with
# 293.</details>
#
# With 73 sentences and 60 steps, the model with random layers still has a CER of 96 %: it has learnt almost
# no letters. With pre-trained layers the CER is 48 %. With four times as many sentences and steps, both
# models learn to write, and the one with random layers ends 5 points higher. Both intervals lie above 0:
# the pre-trained weights help at either size, and more with few sentences and steps.
#
# That is what was measured, with one seed each. Sentences and steps grew together, so it is open which of
# the two made the gap smaller. The lower half of the encoder was pre-trained in all four, so this is the
# worth of the upper half only. Nothing here says which languages taught the layers, or whether text was
# needed for it: the offline encoder had text, XLSR-53 had none.

# %% [markdown]
# ## A little language model
#
# The network chooses letters by sound alone. Beam search with a language model (lesson 2) prefers words from
# a list. Our list comes from the training sentences alone, which is very little for a language that forms so
# many words with endings.
#
# **Before you run:** how many of the test set's words are on the list? (a) nearly all (b) about two thirds
# (c) about a third.

# %% tags=["nbval-check-output"]
from itertools import pairwise

sentences = [["<s>", *text.split(), "</s>"] for text in texts]
single = Counter(word for sentence in sentences for word in sentence[1:])
double = Counter(pair for sentence in sentences for pair in pairwise(sentence))
words = set(single) - {"</s>"}
needed = " ".join(targets).split()
known = sum(word in words for word in needed) / len(needed)
print(f"{len(words)} words; {known:.0%} of the test set's words are among them")

# %% [markdown]
# <details><summary>Your prediction</summary>Offline <b>c</b>: a word with another ending is another word.
# With more sentences the share rises; on the Hub compare with the line above.</details>
#
# The file format is ARPA, as in lesson 2: the log probability of each word and of each pair that was seen,
# and for each word a penalty (back-off) for a pair that was not. Half a count is subtracted from each pair
# that was seen, so that something is left for the others.

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

asked_for = [clean(text) for text in data["validation"]["raw_transcription"]]
tuning = emissions(ready["validation"])
trials = {
    weight: wer.compute(references=asked_for, predictions=[decoder.decode(each) for each in tuning])
    for weight, decoder in decoders.items()
}
weight = min(trials, key=trials.get)
print(f"weight {weight}, of", ", ".join(f"{weight}: {rate:.1%}" for weight, rate in trials.items()))

# %% tags=["report"]
helped = [decoders[weight].decode(each) for each in scores]
before, now = word_errors(targets, found), word_errors(targets, helped)
less, low, high = paired_interval(before, now, [len(text.split()) for text in targets])
print(f"{(before - now).sum()} word errors fewer, of {len(needed)} words: better in {(now < before).sum()} "
      f"clips, worse in {(now > before).sum()}. WER {100 * less:.1f} points lower, 95 % interval "
      f"{100 * low:.1f} to {100 * high:.1f}")  # fmt: skip
report(f"beam search with words, weight {weight}", helped)

# %% [markdown]
# If the interval holds 0, these clips do not show that the list helps; if not, it helps on sentences of this
# kind. A list from a large Turkish text would know more of the words.
#
# ## Save, load, transcribe

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
# ## Today's ways: adapters, and w2v-BERT
#
# XLSR-53 dates from 2020. Two successors are loaded by nearly the same code, and both have seen far more
# speech.
#
# **MMS** (`facebook/mms-1b-all`, 2023, a billion weights; its licence forbids commercial use) is a wav2vec
# 2.0 that already writes more than a thousand languages. Each language has a small **adapter** in every
# layer and a head of its own; the rest is shared. So *try it before you train*:
#
#     name, turkish = "facebook/mms-1b-all", {"target_lang": "tur"}
#     processor = AutoProcessor.from_pretrained(name, **turkish)
#     model = Wav2Vec2ForCTC.from_pretrained(name, **turkish, ignore_mismatched_sizes=True)
#
# To train a language of your own, nest the vocabulary under its code, `{"xyz": vocabulary}`, give
# `target_lang="xyz"` to the tokenizer, and train adapters and head only. How few weights is that? We count
# with the architecture of our checkpoint; no weights are loaded.

# %% tags=["nbval-check-output"]
config = AutoConfig.from_pretrained(checkpoint, **head, adapter_attn_dim=16)  # 16: the width in MMS
with torch.device("meta"):
    adapted = Wav2Vec2ForCTC(config)
adapted.init_adapter_layers()
adapted.freeze_base_model()
for weight in adapted._get_adapters().values():  # the adapters and lm_head
    weight.requires_grad = True
learn = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
print(f"{learn:,} of {adapted.num_parameters():,} weights learn: {learn / adapted.num_parameters():.1%}")

# %% [markdown]
# **w2v-BERT 2.0** (`facebook/w2v-bert-2.0`, 2024, 600 M weights) was pre-trained on 4.5 million hours in 143
# languages, without text. Like XLSR it has no letters, so this lesson fits it, with four changes:
#
# | here | w2v-BERT 2.0 |
# | --- | --- |
# | `Wav2Vec2FeatureExtractor` | `SeamlessM4TFeatureExtractor` |
# | `Wav2Vec2Processor` | `Wav2Vec2BertProcessor` |
# | `input_values`, the samples | `input_features`, a spectrogram: also in the collator |
# | `Wav2Vec2ForCTC`, `freeze_feature_encoder()` | `Wav2Vec2BertForCTC`, no convolutions to freeze |

# %% tags=["nbval-check-output"]
from transformers import SeamlessM4TFeatureExtractor

extractor = SeamlessM4TFeatureExtractor()
features = extractor(sound, sampling_rate=16_000).input_features[0]
frames, width = features.shape
print(f"{len(sound) / 16_000:.1f} s, {len(sound)} samples, become {frames} frames of {width} numbers")

# %% [markdown]
# ## How sure are we?

# %% tags=["nbval-check-output"]
minutes = sum(ready["train"]["length"]) / 16_000 / 60
print(f"trained on {len(texts)} sentences, {minutes:.1f} minutes, once and with one seed")
print(f"the word list's weight was chosen on {len(data['validation'])} clips")
print(f"judged on {len(targets)} test clips, {len(needed)} words; Whisper on the same ones")
both = set(texts) & {clean(text) for text in data["test"]["raw_transcription"]}
print(f"sentences that stand in training and test: {len(both)}")

# %% [markdown]
# - One training, one seed. Another seed gives another WER, and the intervals here do not cover that: they
#   say how far a figure would move with other clips.
# - Offline, the same five synthetic voices read in all three parts. So nothing shows what an unheard voice
#   costs; expect more errors, and with people many more.
# - Offline, the encoder was trained with Turkish text. That may help our letters; XLSR-53 was pre-trained
#   without text.
# - The sentences are read, short and clean. Talk, noise and telephone are other tasks (lesson 6).
#
# ## Take it with you
#
# This script needs nothing of the course. It transcribes every recording of a folder by letters, in windows
# that overlap, so that long recordings fit into memory. `--model` takes a name or a folder: `home` of the
# section above, which is temporary here, so let yours be a folder that stays. `--arpa` takes a language model
# such as our `words.arpa`.
#
# {script: transcribe_ctc.py}
#
# ## More to try
#
# 1. **How little is enough?** Train with 50, 100 and 200 sentences. Where does CER stop falling? *Hint:*
#    `SIZES`.
# 2. **The wrong lower case.** Take the two `.replace` calls out of `clean` and look at *İzmir'de* and
#    *Irmak'ta*. Then let `clean` return only `text.lower()`. How many tokens does the vocabulary have now?
#    *Hint:* `unicodedata.name` tells which one is COMBINING DOT ABOVE.
# 3. **Train the lower layers too** (on a CPU; a GPU does so already): `FROZEN_LAYERS = 0`. What does a step
#    cost, and what does it bring?
# 4. **The length of the plateau.** Let the learning rate rise faster or more slowly (`warmup_steps=0.1` or
#    `0.4`), or train longer (`STEPS`). When does the plateau end, and which CER follows? Choose on the
#    validation clips. *Hint:* plot both logs with `curve`.
# 5. **A better word list.** Take sentences from a Turkish text of your own. *Hint:* clean them and add them
#    to `texts` before they are counted, so that the ARPA file has them too.
# 6. **Your own language.** Put ten of its sentences into `clean`. Which rules of Turkish must go, which
#    letters need one of their own (apostrophes in Ukrainian are letters, hyphens may join words), and which
#    signs are spoken? *Hint:* print `sorted(set("".join(...)))` and read it aloud.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Baevski, Zhou, Mohamed, Auli: [wav2vec 2.0](https://arxiv.org/abs/2006.11477) (2020): masks, units, the
#   contrastive loss, ten minutes of labels.
# - Conneau, Baevski, Collobert, Mohamed, Auli: [Unsupervised cross-lingual representation learning for speech
#   recognition](https://arxiv.org/abs/2006.13979) (2020): XLSR.
# - von Platen: [Fine-tuning XLSR-Wav2Vec2](https://huggingface.co/blog/fine-tune-xlsr-wav2vec2) (2021): the
#   published recipe for Turkish.
# - Pratap and others: [Scaling speech technology to 1,000+ languages](https://arxiv.org/abs/2305.13516)
#   (2023): MMS and its adapters.
# - Barrault and others: [Seamless](https://arxiv.org/abs/2312.05187) (2023): w2v-BERT 2.0.
# - Hannun: [Sequence modeling with CTC](https://distill.pub/2017/ctc/) (2017).
# - Conneau and others: [FLEURS](https://arxiv.org/abs/2205.12446) (2022); Ardila and others: [Common
#   Voice](https://arxiv.org/abs/1912.06670) (2019).
