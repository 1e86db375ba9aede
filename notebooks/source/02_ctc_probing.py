# %%
from helpers import course

course.start("02")

# %% [markdown]
# ## One clip, and a model that writes letters
#
# Lesson 1 showed a CTC model and its misspellings. Here we take it apart. The checkpoint has two parts: an
# encoder that turns sound into vectors, and **one linear layer** that turns each vector into a score for
# every letter.

# %% tags=["nbval-check-output"]
from helpers import drawings

alt = (
    "A CTC model: the waveform goes through convolutions that give 50 frames a second, a transformer "
    "encoder and one linear layer; each frame chooses a letter or the blank, and the choices collapse to a "
    "text"
)
drawings.show("ctc_model", alt)

# %% tags=["nbval-check-output"]
import torch
from helpers import catalog
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

device = "cuda" if torch.cuda.is_available() else "cpu"
checkpoint = catalog.model("facebook/wav2vec2-base-100h")
processor = Wav2Vec2Processor.from_pretrained(checkpoint)
model = Wav2Vec2ForCTC.from_pretrained(checkpoint, dtype=torch.float32).to(device)
last = model.lm_head.weight.numel()
print(f"{model.num_parameters() / 1e6:.1f} M parameters, of them {last:,} in the last layer")

# %% tags=["nbval-check-output"]
from datasets import Audio, load_dataset
from helpers import audio, players

RATE = audio.SAMPLE_RATE
where = catalog.data("hf-internal-testing/librispeech_asr_dummy", "clean")
clips = load_dataset(**where, split="validation").cast_column("audio", Audio(decode=False))
clip = clips[2]
samples = audio.read(clip["audio"])
players.listen(samples, RATE, clip["text"])

# %% [markdown]
# ## How many frames a second?
#
# A stack of convolutions slides over the waveform. How much sound one frame covers, and how far apart two
# frames are, follows from kernels and strides alone.

# %% tags=["nbval-check-output"]
hop, field = 1, 1
for kernel, stride in zip(model.config.conv_kernel, model.config.conv_stride, strict=True):
    field += (kernel - 1) * hop
    hop *= stride
FRAME = hop / RATE
print(f"one frame every {hop} samples: {1000 * FRAME:g} ms, so {1 / FRAME:g} frames a second")
print(f"a frame of the convolutions covers {field} samples: {1000 * field / RATE:g} ms")

# %% [markdown]
# A vowel lasts several frames. The transformer above the convolutions lets every frame look at all the
# others, so a letter may depend on the whole clip.
#
# We run the model on the clip and look at its alphabet, the columns of the result.


# %% tags=["nbval-check-output"]
def emit(samples):
    """Log probabilities of all tokens at all frames, shape (frames, tokens), of samples at 16 kHz."""
    inputs = processor(samples, sampling_rate=RATE, return_tensors="pt").to(device)
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
    return logits.float().log_softmax(-1).cpu()


log_probs = emit(samples)
vocabulary = processor.tokenizer.get_vocab()
TOKENS = sorted(vocabulary, key=vocabulary.get)
BLANK, DELIMITER = processor.tokenizer.pad_token_id, processor.tokenizer.word_delimiter_token
print(f"{len(samples):,} samples -> {log_probs.shape[0]} frames × {log_probs.shape[1]} tokens")
print(*TOKENS)
print(f"blank: {TOKENS[BLANK]} (column {BLANK}) · between words: {DELIMITER}")

# %% [markdown]
# This model can write nothing else: capital letters, an apostrophe, the bar between words. It has no lower
# case, no comma, no digit, because the texts it was trained on had none. The padding token has a second
# job: in CTC it is the **blank**, the token for "nothing new here".
#
# Now the log probabilities as a picture. Above, the first two seconds of the sound; below, what the model
# writes at each frame: the darker, the more probable. Tokens that stay under 5 % are left out.

# %%
import librosa
import numpy as np
from helpers import plots, show

LETTERS = [vocabulary[token] for token in (TOKENS[BLANK], DELIMITER, *"'ABCDEFGHIJKLMNOPQRSTUVWXYZ")]
NAMES = {BLANK: "blank", vocabulary[DELIMITER]: "space |"}


def spectrogram(samples, first, last, ax):
    """Log-mel spectrogram of the frames from `first` to `last` of 16 kHz samples, over seconds."""
    power = librosa.feature.melspectrogram(
        y=samples[first * hop : last * hop], sr=RATE, n_fft=400, hop_length=160, n_mels=80
    )
    decibels = librosa.power_to_db(power, ref=np.max)
    times = first * FRAME + np.arange(power.shape[1]) * 160 / RATE
    axes = {"x_coords": times, "x_axis": "s", "y_axis": "mel", "sr": RATE, "ax": ax}
    librosa.display.specshow(decibels, cmap="magma", **axes)
    ax.set(xlabel="", ylabel="Hz")


# %%
def picture(samples, log_probs, first, last, alt):
    """Spectrogram over the probabilities, (frames, tokens), from frame `first` to frame `last`."""
    part = log_probs[first:last].exp()
    rows = [token for token in LETTERS if part[:, token].max() > 0.05]
    heights = [2, 0.24 * len(rows) + 0.3]
    upper, lower = plots.axes(2, height=sum(heights) / 2, sharex=True, height_ratios=heights)
    spectrogram(samples, first, last, upper)
    extent = (first * FRAME, last * FRAME, len(rows) - 0.5, -0.5)
    lower.imshow(part[:, rows].T, aspect="auto", cmap="Blues", interpolation="nearest", extent=extent)
    lower.set_yticks(range(len(rows)), [NAMES.get(token, TOKENS[token]) for token in rows])
    lower.set(xlabel="time (s)")
    show.figure(lower.figure, alt)


alt = (
    "Spectrogram of two seconds over a grid of tokens by time: each letter is one short dark run, one after "
    "another in the order of the text; the row of the blank is dark before the first word and in gaps"
)
picture(samples, log_probs, 0, 100, alt)

# %% [markdown]
# Each letter is a short run of frames, in the order of the text; the blank stands where nothing new is heard.
# Written in one line, with `·` for the blank, this is a **path**, one token a frame; with the most probable
# token in every frame (argmax) it is the **best path**.

# %% tags=["nbval-check-output"]
GLYPHS = ["·" if number == BLANK else token for number, token in enumerate(TOKENS)]
path = log_probs.argmax(-1)
print("".join(GLYPHS[token] for token in path.tolist()))
print(f"the blank is the most probable token in {(path == BLANK).float().mean():.0%} of the frames")

# %% [markdown]
# To make a text of the path, two rules are enough:
#
# 1. merge what repeats without a break,
# 2. then drop the blanks.
#
# The order matters: if the blanks were dropped first, the two Ls of HELLO would stand side by side and be
# merged.
#
# ### Exercise 2.1: collapse a path (5 minutes)
#
# Write the two rules. `merge_and_drop("HHEE·LLL·LO·", "·")` should give `["H", "E", "L", "L", "O"]`.
#
# <details><summary>Hint</summary>Go through the path and remember the token before. Keep a token if it
# differs from that one and is not the blank.</details>

# %% tags=["exercise"]
def merge_and_drop(path, blank):
    """The list of tokens that a path stands for: repeats merged, then blanks dropped."""
    # <solution>
    kept, previous = [], None
    for token in path:
        if token != previous and token != blank:
            kept.append(token)
        previous = token
    return kept
    # </solution>


# %% tags=["wrong"]
def merge_and_drop(path, blank):
    kept = []
    for token in [token for token in path if token != blank]:
        if not kept or token != kept[-1]:
            kept.append(token)
    return kept


# %% tags=["wrong"]
def merge_and_drop(path, blank):
    return [token for place, token in enumerate(path) if place == 0 or token != path[place - 1]]


# %% tags=["wrong"]
def merge_and_drop(path, blank):
    return list(dict.fromkeys(token for token in path if token != blank))


# %% tags=["check"]
from helpers.exercises import checking

NOTHING = "The function gives nothing back: write your code, and end it with return."
with checking("2.1", "collapse a path"):
    found = merge_and_drop("HHEE·LLL·LO·", "·")
    assert found is not None, NOTHING
    assert "·" not in found, "There are blanks in the result: drop them after merging."
    assert list(merge_and_drop("ABA", "·")) == list("ABA"), "Only repeats side by side are merged: ABA stays."
    assert list(found) != list("HELO"), "One L is lost: merge the repeats first, and drop the blanks then."
    assert list(found) == list("HELLO"), f"HELLO was expected, not {''.join(found)}."

# %% [markdown]
# The course's own version is one line. Later cells use this function.

# %% tags=["tested", "nbval-check-output"]
from itertools import groupby


def collapse(path, blank):
    """CTC's map from paths to texts: merge repeats, then drop blanks. Any sequence; gives a list."""
    return [token for token, _ in groupby(path) if token != blank]


for example in ["HHEE·LLL·LO·", "HHEELLLLLOO·", "·H·E·L·L·O··"]:
    print(example, "->", "".join(collapse(example, blank="·")))

# %% [markdown]
# Now the clip. The bar becomes a space, and we have the text; the processor's own `batch_decode` writes the
# same.

# %% tags=["nbval-check-output"]
text = "".join(TOKENS[token] for token in collapse(path.tolist(), BLANK)).replace(DELIMITER, " ")
assert text.split() == processor.batch_decode(path[None])[0].split()
show.diff(clip["text"], text)

# %% [markdown]
# ## All clips at once
#
# **Before you run:** WER counts wrong words, CER wrong letters. Which one will be larger over all clips?
# (a) WER (b) CER (c) they are equal: both count the same errors.
#
# One clip proves little. We keep the log probabilities of all of them; most of what follows needs nothing
# else.

# %% tags=["nbval-check-output"]
sounds = [audio.read(row["audio"]) for row in clips]
targets = [row["text"] for row in clips]
seconds = sum(map(len, sounds)) / RATE
with course.timed(f"CTC on {len(sounds)} clips", audio_seconds=seconds) as ctc_time:
    emissions = [emit(sound) for sound in course.progress(sounds, "CTC")]

# %% [markdown]
# Besides the text we need to know **when** each letter was written, and **how sure** the model was. The
# tokenizer gives the frames: `decode` with `output_char_offsets` and `output_word_offsets`. The certainty
# of a letter is its highest probability in its run of frames; for a word we take its least sure letter.

# %% tags=["tested"]
from typing import NamedTuple


class Written(NamedTuple):
    """A letter or a word, its frames and how sure the model was."""

    text: str
    start: int  # first frame
    end: int  # frame after the last
    probability: float


def spell(log_probs, path):
    """The letters and the words of a path, (frames,) token ids, as two lists of Written."""
    found = processor.tokenizer.decode(path, output_char_offsets=True, output_word_offsets=True)
    letters, words = [], []
    for letter in found.char_offsets:
        span = letter["start_offset"], letter["end_offset"]
        token = vocabulary[letter["char"].replace(" ", DELIMITER)]
        letters.append(Written(letter["char"], *span, log_probs[slice(*span), token].max().exp().item()))
    for word in found.word_offsets:
        start, end = word["start_offset"], word["end_offset"]
        sure = min(letter.probability for letter in letters if start <= letter.start < end)
        words.append(Written(word["word"], start, end, sure))
    return letters, words


# %% tags=["nbval-check-output"]
import evaluate

wer = evaluate.load(catalog.metric("wer"), keep_in_memory=True)
cer = evaluate.load(catalog.metric("cer"), keep_in_memory=True)
written = [spell(table, table.argmax(-1)) for table in emissions]
texts = [" ".join(word.text for word in words) for _, words in written]
print(f"word error rate {wer.compute(references=targets, predictions=texts):.1%}")
print(f"character error rate {cer.compute(references=targets, predictions=texts):.1%}")

# %% [markdown]
# <details><summary>Your prediction</summary><b>a.</b> One wrong letter makes a whole word wrong, but most of
# its letters are right: so CER is far below WER. (c) would need nearly every letter of the wrong words to be
# wrong; (b) even more: wrong words that are also longer than average, or many extra letters.</details>
#
# ### Exercise 2.2: WER by hand (5 minutes)
#
# `align` gives the edits between target and prediction: each has a `kind`, "equal", "substitute", "insert" or
# "delete". Compute the word error rate from them: (S + D + I) / N, where N is the number of words in the
# **target**. For THE CAT SAT against THE HAT SAT UP it should be 2/3.
#
# <details><summary>Hint</summary>Every edit but an insertion stands for one word of the target.</details>

# %% tags=["nbval-check-output"]
from helpers import alignment

alignment.align("THE CAT SAT", "THE HAT SAT UP")

# %% tags=["exercise"]
def rate(edits):
    """Word error rate, a fraction, of a list of edits with a `kind` each."""
    # <solution>
    wrong = sum(edit.kind != "equal" for edit in edits)
    said = sum(edit.kind != "insert" for edit in edits)
    return wrong / said
    # </solution>


# %% tags=["wrong"]
def rate(edits):
    return sum(edit.kind != "equal" for edit in edits) / len(edits)


# %% tags=["wrong"]
def rate(edits):
    said = sum(edit.kind != "insert" for edit in edits)
    return sum(edit.kind in ("substitute", "delete") for edit in edits) / said


# %% tags=["wrong"]
def rate(edits):
    written = sum(edit.kind != "delete" for edit in edits)
    return sum(edit.kind != "equal" for edit in edits) / written


# %% tags=["check"]
with checking("2.2", "WER by hand"):
    one, two, three = (
        rate(alignment.align("THE CAT SAT", heard)) for heard in ("THE HAT SAT", "THE CAT SAT UP", "CAT")
    )
    assert one is not None, NOTHING
    assert abs(one - 1 / 3) < 1e-9, "One of three words is substituted: a third was expected."
    assert two > 0, "A word that was never said is an error too: count the insertions."
    by_edits = abs(two - 1 / 4) < 1e-9 and abs(three - 2 / 3) < 1e-9
    assert not by_edits, "Divide by the words of the target, not by the number of edits."
    assert abs(three - 2 / 3) < 1e-9, "Divide by the words of the target, not by those of the prediction."
    assert abs(two - 1 / 3) < 1e-9, "One word too many for three words: a third was expected."

# %% [markdown]
# ## What kind of errors?
#
# First the pairs, said against written. A word torn apart, or two run together, counts as one confusion;
# where a neighbour is wrong too, the alignment of the words is a guess, and so are the pairs.

# %% tags=["nbval-check-output"]
from helpers import metrics

errors = [
    (number, error.target, error.prediction)
    for number, (target, text) in enumerate(zip(targets, texts, strict=True))
    for error in metrics.word_errors([target], [text])
    for _ in range(error.count)
]
print(f"{len(errors)} confusions in {len(targets)} clips; the first ones:")
for _number, said, got in errors[:8]:
    print(f"  {said or '(nothing)':24} -> {got or '(nothing)'}")

# %% [markdown]
# To sort them we must know when two spellings sound alike. This English phonetic key (in the manner of
# Metaphone) is rough: silent letters go, consonants of a kind share a sign, all vowels are one.

# %% tags=["tested", "nbval-check-output"]
import re

RULES = [
    (r"^(KN|GN|PN)", "N"), (r"^WR", "R"), (r"^PS", "S"), (r"^WH", "W"), (r"MB\b|MN\b", "M"), (r"PH", "F"),
    (r"IGH", "I"), (r"(?<=[AEIOU])GHT", "T"), (r"TCH", "CH"), (r"C(?=[EIY])|Z|SC(?=[EI])", "S"),
    (r"CH|CK|C|Q", "K"), (r"DGE?|G(?=[EIY])", "J"), (r"X", "KS"), (r"(?<=.)H", ""),
    (r"(?<=.)[AEIOUWY']+|^[AEIOUY]+", "-"), (r"(.)\1+", r"\1"), (r"-$", ""),
]  # fmt: skip


def sound(word):
    """A rough key: equal for English spellings that are likely to be read alike."""
    word = word.replace(" ", "")
    for pattern, replacement in RULES:
        word = re.sub(pattern, replacement, word)
    return word


for one, other in [("CHRISTMAS", "KRISTMUSS"), ("KNIGHT", "NITE"), ("ROAST", "ROSE")]:
    verdict = "alike" if sound(one) == sound(other) else "different"
    print(f"{one} {sound(one)} · {other} {sound(other)} · {verdict}")

# %% [markdown]
# Now a name for each kind. The first rule that fits decides.

# %% tags=["tested"]
from helpers import alignment


def distance(one, other):
    """Number of letters to change, add or drop between two words."""
    return sum(edit.kind != "equal" for edit in alignment.align(one, other, unit="char"))


def kind(said, got):
    """The kind of a confusion of `said` with `got`, both in capital letters, "" for nothing."""
    if not said or not got:
        return "word missing" if said else "word too many"
    if " " in said or " " in got:
        return "merge" if said.count(" ") > got.count(" ") else "split"
    if sound(said) == sound(got):
        return "phonetic spelling"
    if re.fullmatch(".*".join(["", *got, ""]), said):
        return "dropped letter"
    return "one sound off" if distance(sound(said), sound(got)) == 1 else "other"


# %% tags=["nbval-check-output"]
import pandas as pd
from collections import Counter

pd.set_option("display.max_colwidth", 100, "display.width", 160)


def examples(name):
    """The first three confusions of a kind, in one line."""
    pairs = [f"{said or '–'} → {got or '–'}" for _, said, got in errors if kind(said, got) == name]
    return " · ".join(pairs[:3])


kinds = Counter(kind(said, got) for _, said, got in errors)
table = pd.DataFrame(kinds.most_common(), columns=["kind", "confusions"]).set_index("kind")
table["share"] = [f"{count / len(errors):.0%}" for count in table["confusions"]]
table["said → written"] = [examples(name) for name in table.index]
table

# %% [markdown]
# Read some pairs aloud. A **phonetic spelling** has, by our key, the right sounds in the wrong letters. In
# a dropped letter or a sound that is off, part of the word is right. Splits and merges have a bar too many
# or too few. A missing word may have been run into a neighbour: the alignment then pairs one of the two
# words with the merged one and calls the other missing. "Other" is the rest: several sounds differ, or our
# rough key does not see that they are alike.
#
# Listen to the longest pair of each of the four most frequent kinds in which both sides have a word. A
# player holds only the stretch in which the model wrote the wrong word.


# %% tags=["nbval-check-output"]
from IPython.display import display

picks = {}
for number, said, got in sorted(errors, key=lambda error: -min(len(error[1]), len(error[2]))):
    if said and got:
        picks.setdefault(kind(said, got), (number, said, got))


def locate(number, got):
    """The words `got`, a string, among those written in a clip: a list of Written."""
    words, wanted = written[number][1], got.split()
    starts = range(len(words))
    first = next(i for i in starts if [word.text for word in words[i : i + len(wanted)]] == wanted)
    return words[first : first + len(wanted)]


for name in [name for name, _ in kinds.most_common() if name in picks][:4]:
    number, said, got = picks[name]
    span = locate(number, got)
    piece = sounds[number][max(span[0].start - 8, 0) * hop : (span[-1].end + 12) * hop]
    display(players.listen(piece, RATE, f"{name}: said {said}, written {got}"))

# %% [markdown]
# ## The same model, and a person
#
# Five sentences from *Sense and Sensibility*, read by a LibriVox volunteer: the same recordings offline and
# on the Hub. Are they harder for this model, and are the errors of the same kinds?

# %% tags=["nbval-check-output"]
people = load_dataset(**catalog.data("sense-and-sensibility"), split="test")
people = people.cast_column("audio", Audio(decode=False))
heard = processor.batch_decode([emit(audio.read(row["audio"])).argmax(-1) for row in people])
columns = {}
for name, said, got in [("clips above", targets, texts), ("reader", list(people["text"]), heard)]:
    found = Counter()
    for error in metrics.word_errors(said, got):
        found[kind(error.target, error.prediction)] += error.count
    rates = {"WER": wer, "CER": cer}
    rates = {label: f"{rate.compute(references=said, predictions=got):.1%}" for label, rate in rates.items()}
    columns[name] = rates | {"words": sum(map(len, map(str.split, said)))} | dict(found)
pd.DataFrame(columns).fillna(0)

# %% tags=["nbval-check-output"]
display(show.diff(people[2]["text"], heard[2], title="the reader, sentence 2"))
players.listen(audio.read(people[2]["audio"]), RATE, "Sentence 2")

# %% [markdown]
# The rows below "words" count the confusions of each kind. Offline the reader's WER and CER are much
# higher. A likely reason: the stand-in was trained on synthetic voices and on one person reading prompts,
# and has never heard this reader or such sentences. On the Hub both columns are people who read books
# aloud, as in the checkpoint's training, so the rates may be closer. Five sentences have too few wrong
# words to compare the kinds.

# %% [markdown]
# ## What else was probable?
#
# We look at the phonetic spelling that you heard above, letter by letter: the three most probable tokens at
# the frame where each letter is surest.

# %% tags=["nbval-check-output"]
number, said, got = picks.get("phonetic spelling") or next(iter(picks.values()))
span = locate(number, got)
rows = []
for letter in written[number][0]:
    if span[0].start <= letter.start < span[-1].end:
        table = emissions[number][letter.start : letter.end]
        frame = table[table[:, vocabulary[letter.text]].argmax()].exp()
        ranked = frame.argsort(descending=True)[:3].tolist()
        rows.append([f"{letter.start * FRAME:.2f}", *(f"{GLYPHS[t]} {frame[t]:.0%}" for t in ranked)])
print(f"said {said}, written {got}")
pd.DataFrame(rows, columns=["time (s)", "written", "second", "third"]).set_index("time (s)")

# %%
first, last = max(span[0].start - 10, 0), min(span[-1].end + 10, len(emissions[number]))
alt = (
    f"Spectrogram and probabilities while {said} was said: the dark runs of the letters {got} follow one "
    "another, and paler cells beside them show the letters that came second"
)
picture(sounds[number], emissions[number], first, last, alt)

# %% [markdown]
# Is the right letter often the second? For every wrong word in which at most half of the letters differ, we
# align the letters.

# %% tags=["nbval-check-output"]
swaps, places = Counter(), Counter()
for target, table, (letters, words) in zip(targets, emissions, written, strict=True):
    heard = iter(words)
    for edit in alignment.align(target.split(), [word.text for word in words]):
        word = next(heard) if edit.prediction else None
        if edit.kind != "substitute" or distance(edit.target, edit.prediction) > len(edit.target) / 2:
            continue
        spelt = iter([letter for letter in letters if word.start <= letter.start < word.end])
        for step in alignment.align(edit.target, edit.prediction, unit="char"):
            letter = next(spelt) if step.prediction else None
            if step.kind == "substitute":
                swaps[f"{step.target} → {step.prediction}"] += 1
                best = table[letter.start : letter.end, LETTERS[1:]].amax(0)
                place = (best > best[LETTERS[1:].index(vocabulary[step.target])]).sum().item() + 1
                places[place] += 1
total = swaps.total()
vowels = sum(count for swap, count in swaps.items() if swap[0] in "AEIOUY" and swap[-1] in "AEIOUY")
print("most frequent:", ", ".join(f"{swap} ({count})" for swap, count in swaps.most_common(8)))
print(f"a vowel in place of a vowel: {vowels} of {total} letters")
print(f"the right letter came second for {places[2]} of them, third for {places[3]}")

# %% [markdown]
# By chance the right letter would come second once in 27 times (4 %). A CTC model has nothing that could
# decide between the first and the second by the *word*: given the sound, each frame's token is chosen
# without regard to the others. The encoder has learnt from its transcripts which spellings are common, but
# no part of the model is a list of words.
#
# **That is true of this model, not of CTC.** It writes single letters, the Hub's checkpoint learnt them
# from 100 labelled hours, and no language model helps it. On the English sets of the Open ASR Leaderboard,
# meetings and earnings calls among them, CTC models with greedy decoding had these mean word error rates:
# wav2vec2-base-960h 29.4 % and FastConformer-CTC 115M 9.0 % (22 May 2026), Granite Speech 5.0 470M TurboCTC
# 5.0 % (August 2026; Whisper large-v3 had 7.4 % in May).
#
# We shall add a language model from outside. First: how does a CTC model learn, when nobody tells it at
# which frame a letter belongs?

# %% [markdown]
# ## The loss, on a toy
#
# Four frames, three tokens (blank, A, B), and probabilities as a network might give them. Each of the 3⁴ =
# 81 paths has a probability, the product of its four, and collapses to some text. We try them all.
#
# **Before you run:** in each frame the blank is the most probable token, so the best path writes nothing.
# 1. Is "nothing" also the most probable text? (a) yes, always (b) no, another text can be more probable.
# 2. How many of the 81 paths collapse to AB? (a) 2 (b) 6 (c) 15.

# %% tags=["nbval-check-output"]
import math
from itertools import product

toy = torch.tensor([[0.5, 0.4, 0.1], [0.6, 0.3, 0.1], [0.6, 0.1, 0.3], [0.5, 0.1, 0.4]], dtype=torch.float64)
paths = {
    path: math.prod(toy[t, token].item() for t, token in enumerate(path))
    for path in product(range(3), repeat=4)
}
by_text = Counter()
for path, probability in paths.items():
    by_text["".join("·AB"[token] for token in collapse(path, 0))] += probability
best = max(paths, key=paths.get)
print(f"{len(paths)} paths, {len(by_text)} texts, together {sum(by_text.values()):.3f}")
print(f"best path: {''.join('·AB'[token] for token in best)}, probability {paths[best]:.3f}")
for found, probability in by_text.most_common(4):
    print(f"text {found!r:5} {probability:.3f}")
ways = ["".join("·AB"[token] for token in path) for path in paths if collapse(path, 0) == [1, 2]]
print(len(ways), "paths to AB:", *ways)

# %% [markdown]
# <details><summary>Your predictions</summary><b>1b.</b> A text's probability is the sum over its paths.
# "Nothing" has one path, AB has many. <b>2c.</b> A and B may each last several frames, and blanks may stand
# before, between and behind them; the last line lists all 15.</details>
#
# Two things to see. A text is as probable as **all its paths together**; and the best path does not lead to
# the best text: argmax and collapse would write nothing here, although AB is more than three times as
# probable. So argmax is an approximation; we come back to that.
#
# The **CTC loss** of a target is minus the logarithm of the summed probability of all paths that collapse
# to it. Nobody needs to say at which frame a letter belongs: every place counts. Training makes the sum
# larger.
#
# ### Exercise 2.3: the probability of a text (10 minutes)
#
# Write it for any text and any table: go through all paths (`product(range(tokens), repeat=frames)`), keep
# those that `collapse` to the text, and sum up their probabilities. For AB on the toy it should be 0.3057,
# which the list above rounds to 0.306.
#
# <details><summary>Hint</summary>The probability of a path is the product of one number a frame,
# `table[frame][token]`.</details>

# %% tags=["exercise"]
def probability_of(text, table, blank=0):
    """Probability of a text, a list of token numbers, from a table of probabilities, (frames, tokens)."""
    # <solution>
    total = 0.0
    for path in product(range(len(table[0])), repeat=len(table)):
        if collapse(path, blank) == text:
            total += math.prod(float(table[frame][token]) for frame, token in enumerate(path))
    return total
    # </solution>


# %% tags=["wrong"]
def probability_of(text, table, blank=0):
    ways = [
        math.prod(float(table[frame][token]) for frame, token in enumerate(path))
        for path in product(range(len(table[0])), repeat=len(table))
        if collapse(path, blank) == text
    ]
    return max(ways)


# %% tags=["wrong"]
def probability_of(text, table, blank=0):
    ways = [
        math.prod(float(table[frame][token]) for frame, token in enumerate(path))
        for path in product(range(len(table[0])), repeat=len(table))
        if [token for token in path if token != blank] == text
    ]
    return sum(ways)


# %% tags=["wrong"]
def probability_of(text, table, blank=0):
    ways = [
        sum(float(table[frame][token]) for frame, token in enumerate(path))
        for path in product(range(len(table[0])), repeat=len(table))
        if collapse(path, blank) == text
    ]
    return sum(ways)


# %% tags=["check"]
with checking("2.3", "the probability of a text"):
    whole = probability_of([1, 2], toy)
    assert whole is not None, NOTHING
    assert whole <= 1, "That is more than 1: multiply the numbers of a path, do not add them."
    ways = [path for path in paths if collapse(path, 0) == [1, 2]]
    assert not math.isclose(whole, max(map(paths.get, ways))), "That is the best path alone: add up all."
    assert whole > by_text["AB"] - 1e-9, "Some paths are missing: AAB collapses to AB too. Use collapse."
    assert math.isclose(whole, by_text["AB"]), f"{by_text['AB']:.4f} was expected, not {whole:.4f}."
    assert math.isclose(probability_of([], toy), by_text[""]), "Does it hold for the empty text as well?"

# %% [markdown]
# ## The same by recursion
#
# With 300 frames and 32 tokens nobody can try all paths. Graves and others (2006) showed that a table is
# enough. Write the target with a blank around every letter, `· A · B ·`: these are the **states**. From one
# frame to the next a path stays in its state, goes on to the next one, or skips a blank, if the letters on
# both sides differ.

# %% tags=["nbval-check-output"]
alt = (
    "Four columns of frames and five rows of states, blank A blank B blank; arrows stay in a row, go down "
    "one row, or skip the blank between A and B"
)
drawings.show("ctc_trellis", alt)


# %% tags=["tested"]
def with_blanks(tokens, blank):
    """The states of a target: · A · B · for A B."""
    return [blank, *(state for token in tokens for state in (token, blank))]


def trellis(log_probs, tokens, blank, merge=np.logaddexp.reduce):
    """Score of each state at each frame, (frames, states), from log probabilities, (frames, tokens).

    `merge` joins the scores of the ways that lead to a state: the sum for the loss, the maximum to align.
    """
    states = np.array(with_blanks(tokens, blank))
    may_skip = np.array([s > 1 and states[s] not in (blank, states[s - 2]) for s in range(len(states))])
    scores = np.full((len(log_probs), len(states)), -np.inf)
    scores[0, :2] = log_probs[0, states[:2]]
    for t in range(1, len(log_probs)):
        stay = scores[t - 1]
        step = np.concatenate([[-np.inf], stay[:-1]])[: len(states)]
        skip = np.where(may_skip, np.concatenate([[-np.inf] * 2, stay[:-2]])[: len(states)], -np.inf)
        scores[t] = merge([stay, step, skip]) + log_probs[t, states]
    return scores


# %% [markdown]
# A path may end in the last letter or in the blank after it. We now compute the loss in three ways: all
# paths, the table, and PyTorch.

# %% tags=["nbval-check-output"]
from torch.nn.functional import ctc_loss

table = trellis(toy.log().numpy(), [1, 2], blank=0)
by_enumeration = -math.log(by_text["AB"])
by_recursion = -np.logaddexp.reduce(table[-1, -2:])
by_torch = ctc_loss(toy.log()[:, None], torch.tensor([[1, 2]]), [4], [2], blank=0, reduction="sum").item()
assert np.allclose([by_enumeration, by_recursion], by_torch)
print(f"loss of AB: all paths {by_enumeration:.6f} · recursion {by_recursion:.6f} · torch {by_torch:.6f}")


# %%
def draw(values, ax):
    """A trellis, (frames, states): time to the right, states downwards."""
    ax.imshow(values.T, aspect="auto", cmap="Blues", interpolation="nearest")
    ax.set(xlabel="frame", ylabel="state")


ax = plots.axes(width=5, height=2.8)
draw(np.exp(table), ax)
for (t, s), score in np.ndenumerate(np.exp(table)):
    colour = "white" if score > 0.25 else "#333333"
    ax.text(t, s, f"{score:.3f}", ha="center", va="center", color=colour)
ax.set_xticks(range(4))
ax.set_yticks(range(5), ["blank", "A", "blank", "B", "blank"])
last = " and ".join(f"{score:.3f}" for score in np.exp(table)[-1, -2:])
alt = f"Four frames by five states, a probability in each cell; the last two of the last frame are {last}"
show.figure(ax.figure, alt)

# %% [markdown]
# Each number is the probability of all partial paths that end in that state at that frame. The two in the
# lower right corner add up to the probability of AB (the picture rounds). Does it hold on the real clip, with
# its hundreds of states? And how many paths does the table stand for? To count them we use the same function
# with probability 1 for everything.

# %% tags=["nbval-check-output"]
target = [vocabulary[letter.replace(" ", DELIMITER)] for letter in clip["text"]]
log_probs = emissions[2].double()
table = trellis(log_probs.numpy(), target, BLANK)
loss = -np.logaddexp.reduce(table[-1, -2:])
by_torch = ctc_loss(
    log_probs[:, None], torch.tensor([target]), [len(log_probs)], [len(target)], BLANK, reduction="sum"
)
assert np.isclose(loss, by_torch.item())
count = np.logaddexp.reduce(trellis(np.zeros(log_probs.shape), target, BLANK)[-1, -2:]) / np.log(10)
print(f"{table.shape} = {table.size:,} cells, frames × states, instead of 10^{count:.0f} paths")
print(f"loss of the clip's own text: {loss:.1f}, or {loss / len(target):.2f} a letter")

# %% [markdown]
# ## Forced alignment: when was each letter said?
#
# If the text is known, the most probable of its paths tells when each letter was said. It is the same table
# with the **maximum** in place of the sum (Viterbi), followed backwards from its end.


# %% tags=["tested"]
def align(log_probs, tokens, blank):
    """The most probable path that collapses to `tokens`: (state at each frame, log probability)."""
    scores = trellis(log_probs, tokens, blank, merge=np.maximum.reduce)
    states = with_blanks(tokens, blank)
    last = len(states) - 1
    place = last if not tokens or scores[-1, last] >= scores[-1, last - 1] else last - 1
    best, path = scores[-1, place], [place]
    for t in range(len(scores) - 2, -1, -1):
        skip = place > 1 and states[place] not in (blank, states[place - 2])
        before = [place, place - 1, place - 2][: 1 + (place > 0) + skip]
        place = max(before, key=lambda s: scores[t, s])
        path.append(place)
    return path[::-1], best


# %% [markdown]
# `torchaudio` has it ready, in C++. Both must find paths of the same probability.

# %% tags=["nbval-check-output"]
import torchaudio

path, score = align(log_probs.numpy(), target, BLANK)
states = with_blanks(target, BLANK)
aligned = [states[place] for place in path]
theirs, scores = torchaudio.functional.forced_align(log_probs[None], torch.tensor([target]), blank=BLANK)
assert collapse(aligned, BLANK) == target
assert np.isclose(score, scores.sum().item())
same = np.mean(np.array(aligned) == theirs[0].numpy())
print(f"log probability: ours {score:.1f}, torchaudio {scores.sum().item():.1f}")
print(f"the same token at {same:.1%} of the frames")

# %%
best = trellis(log_probs.numpy(), target, BLANK, merge=np.maximum.reduce)
relative = np.maximum(best - best.max(axis=1, keepdims=True), -25)
whole, start = plots.axes(1, 2, width=10, height=4.4)
part = path[60] + 1
for ax, frames, shown in [(whole, len(path), len(states)), (start, 60, part)]:
    draw(relative[:frames, :shown], ax)
    ax.plot(path[:frames], color=plots.RED, linewidth=1.5)
start.set_yticks(range(1, part, 2), [TOKENS[state] for state in states[1:part:2]])
whole.set_title("the whole clip")
start.set_title("its first 60 frames; the states between letters are blanks")
alt = (
    "Two trellises, frames to the right and states downwards: the best path runs from the upper left "
    "corner to the lower right one in steps, and the dark cells lie close around it"
)
show.figure(whole.figure, alt)

# %% [markdown]
# ### Exercise 2.4: read the times off the path (5 minutes)
#
# `path` holds the state at each frame. States 1, 3, 5 … are the letters, 0, 2, 4 … the blanks between them.
# For every letter, find its first and its last frame. For the path `[0, 1, 1, 2, 3, 4]` the answer is
# `[(1, 2), (4, 4)]`: the first letter lasts from frame 1 to 2, the second is frame 4 alone.
#
# <details><summary>Hint</summary>Go through the odd states that occur, in order, and collect the frames at
# which each stands.</details>

# %% tags=["exercise"]
def letter_frames(path):
    """(first frame, last frame) of each letter, from the state at each frame."""
    # <solution>
    spans = []
    for state in sorted({state for state in path if state % 2}):
        frames = [frame for frame, at in enumerate(path) if at == state]
        spans.append((frames[0], frames[-1]))
    return spans
    # </solution>


# %% tags=["wrong"]
def letter_frames(path):
    spans = []
    for state in sorted(set(path)):
        frames = [frame for frame, at in enumerate(path) if at == state]
        spans.append((frames[0], frames[-1]))
    return spans


# %% tags=["wrong"]
def letter_frames(path):
    spans = []
    for state in sorted({state for state in path if state % 2}):
        frames = [frame for frame, at in enumerate(path) if at == state]
        spans.append((frames[0], frames[-1] + 1))
    return spans


# %% tags=["check"]
with checking("2.4", "read the times off the path"):
    found = letter_frames([0, 1, 1, 2, 3, 4])
    assert found is not None, NOTHING
    assert len(found) == 2, f"Two pairs were expected, not {len(found)}: even states are blanks."
    assert list(map(tuple, found)) != [(1, 3), (4, 5)], "In its last frame the letter still stands."
    assert list(map(tuple, found)) == [(1, 2), (4, 4)], f"[(1, 2), (4, 4)] was expected, not {found}."
    assert len(letter_frames(path)) == len(target), "Every letter of the clip has its frames."

# %% [markdown]
# In the two trellises above, the darker a cell, the closer its best partial path comes to the best one at
# that frame. The path is flat where a letter, a blank or a pause lasts. From it we read the time of each
# letter and each word. CTC marks a moment inside the sound or a little beside it, not its two ends; for a
# word we take the middle of the gaps to its neighbours. Run the cell and click a word to hear whether the
# times are right.


# %% tags=["tested"]
def timed(words, frames):
    """(text, start, end) in seconds of each word, up to the middle of the gap to the next, 0.2 s at most.

    words: list of Written in a clip of `frames` frames.
    """
    spans = []
    for i, word in enumerate(words):
        before = (word.start - (words[i - 1].end if i else 0)) * FRAME / 2
        after = ((words[i + 1].start if i + 1 < len(words) else frames) - word.end) * FRAME / 2
        spans.append((word.text, word.start * FRAME - min(before, 0.2), word.end * FRAME + min(after, 0.2)))
    return spans


# %% tags=["nbval-check-output"]
letters, words = spell(log_probs, torch.tensor(aligned))
spans = timed(words, len(log_probs))
players.word_player(samples, RATE, spans)

# %%
upper, middle, lower = plots.axes(3, height=1.3, sharex=True, height_ratios=[4, 1, 1.6])
spectrogram(samples, 0, 100, upper)
for letter in letters:
    if letter.start < 100 and letter.text != " ":
        middle.text(letter.start * FRAME, 0.5, letter.text, ha="center", va="center", fontsize=9)
middle.set_yticks([0.5], ["letters"])
middle.tick_params(length=0)
middle.spines[:].set_visible(False)
shown = [(start, min(end, 2), word) for word, start, end in spans if start < 2]
plots.timeline({"words": shown}, 2, ax=lower)
alt = "Spectrogram of two seconds; below it each letter at its time, and below that the words as bars: "
show.figure(upper.figure, alt + " ".join(word for _, _, word in shown))

# %% [markdown]
# ## Does its confidence find the errors?
#
# Back to the text that the model wrote itself, with the confidence of each word: the probability of its least
# sure letter. In the player a word below 60 % is underlined. A word is right or wrong, and underlined or not;
# the lines below list the words of the two bad combinations.
#
# **Before you run:** what do you expect over all clips? (a) every wrong word is underlined and no right one
# (b) a larger share of the wrong words than of the right ones is underlined, but neither all of the first nor
# none of the second (c) the underlining has nothing to do with the errors.

# %% tags=["nbval-check-output"]
words = written[2][1]
sure = [(*span, word.probability) for span, word in zip(timed(words, len(log_probs)), words, strict=True)]
edits = [edit for edit in alignment.align(clip["text"], texts[2]) if edit.prediction]
pairs = list(zip(edits, words, strict=True))
missed = [word.text for edit, word in pairs if edit.kind != "equal" and word.probability >= 0.6]
false = [word.text for edit, word in pairs if edit.kind == "equal" and word.probability < 0.6]
print("wrong, and not underlined:", ", ".join(missed) or "none")
print("right, and underlined:", ", ".join(false) or "none")
players.word_player(samples, RATE, sure, "What the model wrote", unsure_below=0.6)

# %% [markdown]
# For all clips: if we flag the least sure words first, we find errors, and we flag right words by mistake.
# The **ROC curve** plots the share of errors found against the share of right words flagged. The area under
# it (AUC) is how often a wrong word is less sure than a right one, over all pairs of the two. By chance it
# is 50 %, whatever the **base rate** (the share of wrong words) is.

# %% tags=["nbval-check-output", "report"]
from sklearn.metrics import roc_auc_score, roc_curve

pairs = []
for target_text, text in zip(targets, texts, strict=True):
    edits = alignment.align(target_text, text)
    pairs += [(edit.target, edit.prediction) for edit in edits if edit.prediction]
wrong = np.array([said != got for said, got in pairs])
least = np.array([word.probability for _, words in written for word in words])
print(f"{len(wrong)} words, {wrong.mean():.1%} of them wrong: the base rate")
print(f"AUC by the least sure letter: {roc_auc_score(wrong, -least):.1%}")
order = np.argsort(least, kind="stable")
fifth = len(order) // 5
unsure, sure = wrong[order[:fifth]].mean(), wrong[order[-fifth:]].mean()
print(f"wrong words among the least sure fifth: {unsure:.0%}, among the surest fifth: {sure:.0%}")
surest = [(*pairs[i], least[i]) for i in order[::-1] if wrong[i] and len(pairs[i][1]) > 3][:5]
print("wrong and sure:", ", ".join(f"{said or '–'} → {got} {p:.0%}" for said, got, p in surest))

# %%
mistaken, found, _ = roc_curve(wrong, -least)
ax = plots.axes(width=4.4, height=3.8)
ax.plot(mistaken, found, color=plots.BLUE, linewidth=2)
ax.plot([0, 1], [0, 1], color=plots.RED, linestyle="--")
ax.text(0.55, 0.47, "chance", color=plots.RED)
ax.set(xlabel="right words flagged by mistake", ylabel="errors found", xlim=(0, 1), ylim=(0, 1.01))
cost = mistaken[np.argmax(found >= 0.5)]
alt = f"ROC curve above the diagonal: half of the errors are found when {cost:.0%} of right words are flagged"
show.figure(ax.figure, alt)

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> The AUC lies between 50 % (c) and 100 % (a), and in the
# ROC curve finding more errors means flagging more right words.</details>
#
# A word that the model left out has no confidence: it cannot be flagged, and is not counted here. Low
# confidence is a sign of an error, not a proof, and some wrong words have a high confidence: it is the
# confidence in letters given the sound, and whether the word exists, or fits here, does not enter it. A
# higher limit than 60 % would find more errors and flag more right words. (In the line "wrong and sure", a
# word beside `–` or half of a longer one can come from a word that was torn in two: spelt right, it still
# counts as wrong.)
#
# ## A language model for the words
#
# An **n-gram language model** tells how probable a word is after the ones before it. We train a bigram (one
# word before) on film reviews, the texts of lesson 4, without any sentence that is said in our clips. The
# decoder also wants a **lexicon**, a list of words. To the words of the reviews we add those in the
# vocabulary of BERT's tokenizer.

# %% tags=["nbval-check-output"]
from transformers import AutoTokenizer

corpus, size = [], 0
for review in load_dataset(**catalog.data("stanfordnlp/imdb"), split="train").shuffle(seed=0)["text"]:
    if size > 400_000:
        break
    for sentence in re.split(r"[.!?;:]+\s|<br />", review.upper()):
        words = re.findall(r"[A-Z]+(?:'[A-Z]+)?", sentence)
        if words and " ".join(words) not in targets:
            corpus.append(words)
            size += len(words)
print(f"{len(corpus):,} sentences, {size:,} words")
tokenizer = AutoTokenizer.from_pretrained(catalog.model("google-bert/bert-base-uncased"))
read = {word for words in corpus for word in words}
lexicon = read | {word.upper() for word in tokenizer.get_vocab() if re.fullmatch("[a-z]{3,}", word)}
said_words = [word for text in targets for word in text.split()]
for name, known in [("the reviews", read), ("the lexicon", lexicon)]:
    unknown = [word for word in said_words if word not in known]
    print(f"not in {name}: {len(unknown) / len(said_words):.1%} of the words said, e.g.", *unknown[:6])

# %% [markdown]
# The bigram must give some probability to pairs that it never saw. The next cell does that by **Kneser-Ney
# smoothing** and writes the result in **ARPA** format, which every n-gram toolkit reads. The appendix at
# the end of this lesson explains it; here it is enough that it counts pairs of words.

# %% tags=["tested"]
from itertools import pairwise
from math import log10


def write_bigram(path, sentences, lexicon, discount=0.75):
    """Write an interpolated Kneser-Ney bigram of lists of words, with all words of the lexicon, as ARPA."""
    pairs = Counter(pair for words in sentences for pair in pairwise(["<s>", *words, "</s>"]))
    seen, followers, preceders = Counter(), Counter(), Counter()
    for (before, word), count in pairs.items():
        seen[before] += count
        followers[before] += 1
        preceders[word] += 1
    words = dict.fromkeys([*lexicon, *preceders, "<unk>"])
    floor = discount * len(preceders) / len(pairs) / len(words)
    single = {word: max(preceders[word] - discount, 0) / len(pairs) + floor for word in words}
    spare = {before: discount * followers[before] / seen[before] for before in seen}
    lines = ["\\data\\", f"ngram 1={len(words) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    for word, p in [("<s>", 1e-99), *single.items()]:
        lines.append(f"{log10(p):.5f}\t{word}\t{log10(spare.get(word, 1)):.5f}")
    lines += ["", "\\2-grams:"]
    for (before, word), count in pairs.items():
        p = (count - discount) / seen[before] + spare[before] * single[word]
        lines.append(f"{log10(p):.5f}\t{before} {word}")
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")


# %% [markdown]
# ## Beam search
#
# The decoder goes through the frames and keeps the 100 best beginnings of texts. A text's score is
#
#     score = ln P(text given sound) + α · ln P(text by the language model) + β · number of words
#
# The first part is acoustic: all paths to the text *added up*, as in the loss. α weighs the language model.
# With it, every further word lowers the score; β makes up for that, or short texts would win. For a word
# outside the lexicon the language model's probability is divided by 10¹⁰.
#
# We use `ctc_beam_decoder`, a C++ beam search with the n-gram library KenLM inside; it has the interface
# and gives the results of `pyctcdecode`, which needs an older NumPy. Transformers wraps `pyctcdecode` as
# `Wav2Vec2ProcessorWithLM`; that class is deprecated and goes in version 6, whose documentation advises to
# call the decoder directly, as we do. First **without** a language model, the best four texts of our clip:

# %% tags=["nbval-check-output"]
import tempfile
from pathlib import Path
from ctc_beam_decoder import build_ctcdecoder

arpa = Path(tempfile.mkdtemp()) / "reviews.arpa"
write_bigram(arpa, corpus, sorted(lexicon))
for text_found, _, _, acoustic, _ in build_ctcdecoder(TOKENS).decode_beams(emissions[2].numpy())[:4]:
    print(f"{acoustic:8.2f}  {text_found}")

# %% [markdown]
# ### Exercise 2.5: a bonus for a word (5 minutes)
#
# Speech services offer "hot words": words of yours that get a bonus. Write a function that chooses as the
# decoder does. Each candidate is (text, acoustic, language model); the last two are natural logarithms. Its
# score is the formula above, plus `bonus` for every time that `hot` is one of its words. Give the text with
# the highest score.
#
# <details><summary>Hint</summary>`max(candidates, key=...)`, and `text.split().count(hot)`.</details>

# %% tags=["exercise"]
def choose(candidates, alpha, beta, hot, bonus):
    """The text with the best score of a list of (text, acoustic, language model)."""

    # <solution>
    def score(candidate):
        text, acoustic, language = candidate
        words = text.split()
        return acoustic + alpha * language + beta * len(words) + bonus * words.count(hot)

    return max(candidates, key=score)[0]
    # </solution>


# %% tags=["wrong"]
def choose(candidates, alpha, beta, hot, bonus):
    return max(candidates, key=lambda c: c[1] + alpha * c[2] + bonus * c[0].split().count(hot))[0]


# %% tags=["wrong"]
def choose(candidates, alpha, beta, hot, bonus):
    words = [len(text.split()) for text, _, _ in candidates]
    scores = [
        acoustic + alpha * language + beta * count + bonus * (hot in text)
        for (text, acoustic, language), count in zip(candidates, words, strict=True)
    ]
    return candidates[scores.index(max(scores))][0]


# %% tags=["wrong"]
def choose(candidates, alpha, beta, hot, bonus):
    return max(candidates, key=lambda c: c[1] + alpha * c[2] + beta * len(c[0].split()))[0]


# %% tags=["check"]
CANDIDATES = [("ROST BEF", -2.0, -30.0), ("ROAST BEEF", -4.0, -9.0), ("ROE ST BEEF", -3.9, -20.0)]
with checking("2.5", "a bonus for a word"):
    assert choose(CANDIDATES, 0.5, 1.5, "", 0) is not None, NOTHING
    assert choose(CANDIDATES, 0.5, 1.5, "BEF", 0) == "ROAST BEEF", "Without a bonus ROAST BEEF is best."
    two_words = [("A B", -1.0, 0.0), ("AB", -0.5, 0.0)]
    assert choose(two_words, 0.5, 1.5, "", 0) == "A B", "Every word brings beta: A B has two."
    assert choose(CANDIDATES, 0.5, 1.5, "ROST", 12) == "ROST BEF", "A bonus of 12 for ROST should let it win."
    assert choose(CANDIDATES, 0.5, 1.5, "ROS", 12) == "ROAST BEEF", "ROS is no word: compare whole words."

# %% [markdown]
# The four texts above have similar acoustic scores and differ in a few letters. Now with the language
# model. We choose α on a third of the clips and test on the other two thirds.

# %% tags=["nbval-check-output"]
import os

tune = list(range(0, len(targets), 3))
test = [number for number in range(len(targets)) if number % 3]
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # KenLM draws a progress bar there, past Python
try:
    decoders = {
        alpha: build_ctcdecoder(TOKENS, str(arpa), sorted(lexicon), alpha=alpha, beta=1.5)
        for alpha in (0.25, 0.5, 0.75, 1.0)
    }
finally:
    os.dup2(stderr, 2)


def decode(numbers, alpha):
    """Texts of the clips with these numbers, by beam search with the bigram."""
    return [decoders[alpha].decode(emissions[number].numpy()) for number in numbers]


wanted = [targets[number] for number in tune]
trials = {alpha: wer.compute(references=wanted, predictions=decode(tune, alpha)) for alpha in decoders}
pd.DataFrame({f"α = {alpha}": f"{rate:.1%}" for alpha, rate in trials.items()}, index=["WER, tuning clips"])

# %% tags=["nbval-check-output", "report"]
alpha = min(trials, key=trials.get)
with_lm = dict(zip(test, decode(test, alpha), strict=True))
wanted = [targets[number] for number in test]
before = wer.compute(references=wanted, predictions=[texts[number] for number in test])
after = wer.compute(references=wanted, predictions=[with_lm[number] for number in test])
print(f"{len(test)} test clips: WER {before:.1%} by the best path, {after:.1%} with bigram and α = {alpha}")
_, low, high = metrics.difference_interval(wanted, [with_lm[n] for n in test], [texts[n] for n in test])
print(f"with bigram minus best path: {100 * low:+.1f} to {100 * high:+.1f} points (95 %, in pairs)")

# %% [markdown]
# ## What it mends, what it breaks
#
# A WER that falls can hide words that were right before and are wrong now. For every word that was said:
# was it right by the best path, is it right with the bigram?
#
# **Before you run:** (a) the bigram only mends (b) it mends many words and breaks a few (c) it breaks about
# as many as it mends.


# %% tags=["nbval-check-output"]
def outcome(target, prediction):
    """For each word of the target what stands in its place in the prediction ("" for nothing)."""
    return [edit.prediction for edit in alignment.align(target, prediction) if edit.target]


changes = []
for number in test:
    before, after = outcome(targets[number], texts[number]), outcome(targets[number], with_lm[number])
    for word, old, new in zip(targets[number].split(), before, after, strict=True):
        if (old == word) != (new == word):
            verdict = "mended" if new == word else "broken"
            changes.append({"": verdict, "said": word, "best path": old or "–", "with bigram": new or "–"})
groups = {}
for name, column in [("mended", "best path"), ("broken", "with bigram")]:
    group = [change for change in changes if change[""] == name]
    group.sort(key=lambda change: -len(change["said"]))
    unknown = sum(change["said"] not in lexicon for change in group)
    counts = Counter(kind(change["said"], change[column].strip("–")) for change in group)
    print(f"{len(group)} words {name}, {unknown} of them not in the lexicon:", end=" ")
    print(", ".join(f"{label} {count}" for label, count in counts.most_common()))
    groups[name] = group[:8]
pd.DataFrame([*groups["mended"], *groups["broken"]]).set_index("")

# %% [markdown]
# <details><summary>Your prediction</summary>Offline <b>b</b>: compare the two counts above. (a) would need a
# language model that is never wrong; (c) would leave the WER where it was, and it fell. On the Hub compare
# your own two counts.</details>
#
# The search chooses among the texts that are probable by their letters. It mends words whose right spelling
# was only a little less probable. It breaks a word in two cases: the word is not in the lexicon and pays
# the penalty, or it is there and another text has the better sum of the three parts. In the line with
# "words broken", the second number counts the first case, words outside the lexicon.
#
# ## And Whisper?
#
# Whisper's decoder writes token by token, and each token depends on those before: a language model
# *inside*, trained together with the encoder. We compare all three on the same clips, texts normalised
# alike, since Whisper writes commas and capitals.

# %% tags=["nbval-check-output"]
from transformers import pipeline

dtype = torch.float16 if device == "cuda" else torch.float32
whisper = pipeline(
    "automatic-speech-recognition", model=catalog.model("openai/whisper-base"), device=device, dtype=dtype
)
shared = test[1 :: course.budget(cpu=4, gpu=2)]
shared_seconds = sum(len(sounds[number]) for number in shared) / RATE
options = {"language": "english", "task": "transcribe", "num_beams": 1}
with course.timed("Whisper base", audio_seconds=shared_seconds) as whisper_time:
    by_whisper = [
        whisper(sounds[number].copy(), generate_kwargs=options)["text"]
        for number in course.progress(shared, "Whisper")
    ]
with course.timed("beam search with bigram", audio_seconds=shared_seconds) as beam_time:
    decode(shared, alpha)

# %% tags=["report"]
references = [targets[number] for number in shared]
model_time = ctc_time.seconds * shared_seconds / seconds  # of all clips, in proportion
systems = {
    "CTC, best path": ([texts[number] for number in shared], model_time, model),
    "CTC and bigram": ([with_lm[number] for number in shared], model_time + beam_time.seconds, model),
    "Whisper base": (by_whisper, whisper_time.seconds, whisper.model),
}
rows, confusions = [], {}
for name, (found, taken, network) in systems.items():
    rate, low, high = metrics.confidence_interval(references, found, "en")
    pairs = metrics.word_errors(references, found, "en")
    confusions[name] = [f"{pair.target or '–'} → {pair.prediction or '–'}" for pair in pairs]
    wrong = [word.upper() for pair in pairs for word in pair.prediction.split() * pair.count]
    row = {"": name, "WER": f"{rate:.1%}", "95 %": f"{low:.0%} to {high:.0%}", "wrong words": len(wrong)}
    _, low, high = metrics.difference_interval(references, found, by_whisper, "en")
    gap = f"{100 * low:+.0f} to {100 * high:+.0f} points"
    row["minus Whisper (95 %)"] = "–" if found is by_whisper else gap
    row["not in the lexicon"] = sum(word.isalpha() and word not in lexicon for word in wrong)
    row["× real time"] = f"{shared_seconds / taken:.1f}"
    row["parameters"] = f"{network.num_parameters() / 1e6:.0f} M"
    rows.append(row)
pd.DataFrame(rows).set_index("")

# %% tags=["nbval-check-output"]
for name, (found, _, _) in systems.items():
    print(f"{name}:", " · ".join(confusions[name][:6]))
    display(show.diff(clip["text"], found[0], language="en"))

# %% [markdown]
# The column "minus Whisper" is the interval of the difference, both on the same clips (lesson 1). Above each
# text are up to six confusions of its system over all these clips. Offline most of the best
# path's wrong words are not in our lexicon (see the table). With the bigram fewer are, since each pays the
# penalty; most of its wrong words are in the lexicon, and such errors are harder to spot by eye. Whisper
# too can write a word that does not exist: its tokens are pieces of words, and pieces can be joined
# wrongly. It writes capitals and commas too.
#
# Two things cost Whisper time: it pads every clip to 30 s, and its decoder runs once for every token, while
# CTC needs a single pass for all frames. The sizes (last column) differ too: offline Whisper is the larger,
# on the Hub the smaller. The models also differ in the speech that they were trained on, so the table
# compares these checkpoints, not methods. And a number that Whisper writes in digits counts as wrong here,
# although nobody would call it misheard: reading the errors is part of every comparison.

# %% [markdown]
# ## How sure are we?

# %% tags=["nbval-check-output"]
voices = len(set(clips["speaker_id"]))
rate, low, high = metrics.confidence_interval(targets, texts)
print(f"{len(clips)} clips, {sum(len(text.split()) for text in targets):,} words, {voices} voices")
print(f"best path: WER {rate:.1%}, 95 % interval {low:.1%} to {high:.1%}, clips drawn anew")
print(f"α was chosen on {len(tune)} clips; the WER with the bigram is of {len(test)} others")
print(f"Whisper was compared on {len(shared)} clips: {sum(len(targets[n].split()) for n in shared)} words")

# %% [markdown]
# The interval says how far the WER would move with other clips of the same kind. It does not say what other
# people, rooms or microphones would do: the clips are read aloud, in quiet, by few voices. Offline none of
# them is a person, and the one person's five sentences had a higher WER. Expect more errors with people who
# talk freely. The limit of 60 % was chosen by us, not from data; the AUC does not depend on it.
#
# ## Take it with you
#
# This script needs nothing of the course. It writes every word of a recording with its time and its
# confidence, so that you can look at the unsure ones first. Its default is a checkpoint trained on more
# speech (960 h) than the lesson's. `--model` takes a folder too; offline, `python -m helpers where
# facebook/wav2vec2-base-100h` prints the one used here.
#
# {script: words_with_confidence.py}
#
# ## More to try
#
# 1. **The wrong label.** Compute the loss of clip 2 for the text of every clip. Could you find a mislabelled
#    file in a data set of thousands by such a number? *Hint:* `trellis`, and divide by the number of letters.
# 2. **Names.** Give the decoder words that it missed, such as names: `decoders[alpha].decode(...,
#    hotwords=[...], hotword_weight=10)`. How far can you raise the weight before it writes them in clips that
#    lack them? *Hint:* count insertions in those clips.
# 3. **Weights.** Build decoders for α from 0 to 2 and plot the WER of the tuning clips. Why is α = 0 not the
#    same as the best path? *Hint:* put α = 0 into the formula, and think of the toy.

# %% [markdown]
# ## Appendix (optional): how the bigram smooths
#
# `write_bigram` counts how often word *w* came after word *v*. Divided by the count of *v* this would be a
# probability, but 0 for every pair that the reviews lack. **Kneser-Ney** smoothing takes a discount *d* of
# 0.75 from the count of every pair that was seen and gives what it took to all words:
#
#     P(w after v) = (count(v w) - d) / count(v) + backoff(v) · P(w)     for a pair that was seen
#     P(w after v) = backoff(v) · P(w)                                   for any other
#
#     backoff(v) = d · (different words seen after v) / count(v)
#     P(w)       = (different words seen before w - d) / (different pairs) + an equal share of the rest
#
# So P(w) does not depend on how frequent a word is, but on how many different words it has followed:
# FRANCISCO is frequent and follows only SAN. The rest is what *d* takes from P(w); the whole lexicon shares
# it, so that no word is impossible.
#
# An ARPA file holds base-10 logarithms: P(w) and backoff(w) of each word, then P(w after v) of each pair
# that was seen. We read ours back and ask it about words that sound alike.


# %% tags=["tested"]
def read_arpa(path):
    """The base-10 logarithms of an ARPA file: ({words: probability}, {words: back-off weight})."""
    fields = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    scores = {words: float(score) for score, words, *_ in filter(lambda field: len(field) > 1, fields)}
    weights = {field[1]: float(field[2]) for field in fields if len(field) == 3}
    return scores, weights


def bigram(before, word, scores, weights):
    """Probability of a word after another."""
    pair = scores.get(f"{before} {word}")
    return 10 ** (weights.get(before, 0) + scores.get(word, scores["<unk>"]) if pair is None else pair)


# %% tags=["nbval-check-output"]
scores, weights = read_arpa(arpa)
for before, one, other in [("TWO", "HOURS", "OURS"), ("A", "PIECE", "PEACE"), ("TO", "SEE", "SEA")]:
    found = [f"{word} {bigram(before, word, scores, weights):.6f}" for word in (one, other)]
    print(f"after {before}:", *found)
after, count = Counter(), Counter(word for words in corpus for word in words)
for pair in scores:
    after[pair.split()[-1]] += " " in pair
few = sorted((word for word in count if count[word] >= 30), key=lambda word: after[word] / count[word])
print("frequent after few different words:", *[f"{w} ({count[w]} times, after {after[w]})" for w in few[:4]])

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Graves, Fernández, Gomez, Schmidhuber (2006), [Connectionist temporal
#   classification](https://www.cs.toronto.edu/~graves/icml_2006.pdf): the paper, with the recursion
# - Hannun (2017), [Sequence modeling with CTC](https://distill.pub/2017/ctc/): the best pictures of it
# - Baevski, Zhou, Mohamed, Auli (2020), [wav2vec 2.0](https://arxiv.org/abs/2006.11477): the encoder below
#   the letters
# - [Open ASR Leaderboard](https://huggingface.co/spaces/hf-audio/open_asr_leaderboard): today's models,
#   CTC among them
# - Kürzinger and others (2020), [CTC-segmentation of large corpora](https://arxiv.org/abs/2007.09127):
#   forced alignment for hours of speech
# - Chen, Goodman (1998), [An empirical study of smoothing techniques for language
#   modeling](https://dash.harvard.edu/handle/1/25104739): Kneser-Ney and its rivals, measured
# - Heafield (2011), [KenLM](https://aclanthology.org/W11-2123/): the n-gram library inside the decoder
