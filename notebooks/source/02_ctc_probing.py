# %%
from helpers import course

course.start("02")

# %% [markdown]
# ## One clip, and a model that spells
#
# Lesson 1 showed a CTC model and its misspellings from the outside. Here we open it. The checkpoint has two
# parts: an encoder that turns sound into vectors, and **one linear layer** that turns each vector into a
# score for every letter.
#
# ![A CTC model: the waveform goes through convolutions that give 50 frames a second, a transformer encoder
# and one linear layer; each frame chooses a letter or the blank, and the choices collapse to a
# text](../images/ctc_model.svg)

# %%
import torch
from helpers import audio, catalog
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

checkpoint = catalog.checkpoint("facebook/wav2vec2-base-100h")
processor = Wav2Vec2Processor.from_pretrained(checkpoint)
model = Wav2Vec2ForCTC.from_pretrained(checkpoint, dtype=torch.float32).eval().to(course.device())
last = model.lm_head.weight.numel()
print(f"{model.num_parameters() / 1e6:.1f} M parameters, of them {last:,} in the last layer")

# %%
clips = catalog.dataset("hf-internal-testing/librispeech_asr_dummy", "clean", split="validation")
clip = clips[2]
samples = audio.read(clip["audio"])
print(clip["text"])
audio.play(samples)

# %% [markdown]
# ## How often does it look?
#
# A stack of convolutions slides over the waveform. What one of its steps covers, and how far apart two
# steps are, follows from kernels and strides alone.

# %% tags=["nbval-check-output"]
hop, field = 1, 1
for kernel, stride in zip(model.config.conv_kernel, model.config.conv_stride, strict=True):
    field += (kernel - 1) * hop
    hop *= stride
FRAME = hop / audio.SAMPLE_RATE
print(f"one frame every {hop} samples: {1000 * FRAME:g} ms, so {1 / FRAME:g} frames a second")
print(f"a frame of the convolutions covers {field} samples: {1000 * field / audio.SAMPLE_RATE:g} ms")

# %% [markdown]
# A frame is short: a vowel lasts several. The transformer above the convolutions then lets every frame look
# at all the others, so a letter may depend on the whole clip.
#
# Let us run the model and see what comes out.


# %%
def emit(samples):
    """Log probabilities of every token at every frame: (frames, tokens)."""
    inputs = processor(samples, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt").to(course.device())
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
    return logits.float().log_softmax(-1).cpu()


log_probs = emit(samples)
print(f"{len(samples):,} samples -> {log_probs.shape[0]} frames × {log_probs.shape[1]} tokens")

# %% [markdown]
# The columns are the model's alphabet.

# %% tags=["nbval-check-output"]
vocabulary = processor.tokenizer.get_vocab()
TOKENS = sorted(vocabulary, key=vocabulary.get)
BLANK, DELIMITER = processor.tokenizer.pad_token_id, processor.tokenizer.word_delimiter_token
print(*TOKENS)
print(f"blank: {TOKENS[BLANK]} (column {BLANK}) · between words: {DELIMITER}")

# %% [markdown]
# That is everything this model can ever write: capital letters, an apostrophe, the bar between words. No
# lower case, no comma, no digit. **A CTC model has no casing and no punctuation when its vocabulary has
# none**: the texts it was trained on had been stripped of them.
#
# The padding token has a second job. In CTC it is the **blank**, the token for "nothing new here".

# %% [markdown]
# ## The logits as a picture
#
# Above, the first seconds of the sound; below, what the model believes at each frame. The darker, the more
# probable. `·` stands for the blank.

# %%
from helpers import display, plots

LETTERS = [BLANK, vocabulary[DELIMITER], *(vocabulary[letter] for letter in "'ABCDEFGHIJKLMNOPQRSTUVWXYZ")]
GLYPHS = ["·" if number == BLANK else token for number, token in enumerate(TOKENS)]
NAMES = [GLYPHS[token] for token in LETTERS]


def picture(samples, log_probs, first, last, alt):
    """Log-mel spectrogram over emissions, from frame `first` to frame `last`."""
    upper, lower = plots.axes(2, height=3.2, sharex=True, height_ratios=[1, 2.2])
    plots.log_mel(samples[first * hop : last * hop], ax=upper)
    upper.set_xlabel("")
    plots.emissions(log_probs[first:last, LETTERS], NAMES, (last - first) * FRAME, ax=lower)
    display.figure(lower.figure, alt)


alt = "Spectrogram of 2.5 seconds, and below it which letter the model writes at which frame"
picture(samples, log_probs, 0, 125, alt)

# %% [markdown]
# Each letter is a short run of frames, in the order of the text, and the blank fills the gaps. Let us
# count.

# %%
path = log_probs.argmax(-1)
blanks = (path == BLANK).float().mean().item()
print(f"the blank is the most probable token in {blanks:.0%} of the frames")
print("".join(GLYPHS[token] for token in path.tolist()))

# %% [markdown]
# This line is the **path**: one token a frame, the most probable one (argmax). To make a text of it, two
# rules are enough:
#
# 1. merge what repeats without a break,
# 2. then drop the blanks.

# %% tags=["tested"]
from itertools import groupby


def collapse(path, blank):
    """CTC's map from paths to texts: merge repeats, then drop blanks."""
    return [token for token, _ in groupby(path) if token != blank]


# %% [markdown]
# The order matters. Without the blank, no path could ever spell a double letter:

# %% tags=["nbval-check-output"]
for example in ["HHEE·LLL·LO·", "HHEELLLLLOO·", "·H·E·L·L·O··"]:
    print(example, "->", "".join(collapse(example, blank="·")))

# %% [markdown]
# Now the clip. The bar becomes a space, and we have the text; the processor's own `batch_decode` writes the
# same.

# %% tags=["nbval-check-output"]
text = "".join(TOKENS[token] for token in collapse(path.tolist(), BLANK)).replace(DELIMITER, " ")
assert text.split() == processor.batch_decode(path[None])[0].split()
display.diff(clip["text"], text)

# %% [markdown]
# ## All clips at once
#
# One clip is an anecdote. We keep the log probabilities of all of them: everything below asks these tables,
# and the model has done its work.

# %%
sounds = [audio.read(row["audio"]) for row in clips]
targets = [row["text"] for row in clips]
seconds = sum(map(len, sounds)) / audio.SAMPLE_RATE
with course.timed(f"CTC on {len(sounds)} clips", audio_seconds=seconds):
    emissions = [emit(sound) for sound in course.progress(sounds, "listening")]

# %% [markdown]
# To look at words we need a little more than the text: **when** each letter was written, and **how sure**
# the model was. A letter is a run of equal tokens in the path, a word is what stands between two bars.

# %%
from typing import NamedTuple


class Written(NamedTuple):
    text: str
    start: int  # first frame
    end: int  # frame after the last
    probability: float  # a letter's highest; for a word, that of its least sure letter


def letters(log_probs, path):
    """The letters of a path, in order."""
    found, start = [], 0
    for token, run in groupby(path):
        end = start + len(list(run))
        if token != BLANK:
            found.append(Written(TOKENS[token], start, end, log_probs[start:end, token].max().exp().item()))
        start = end
    return found


# %%
def words(letters):
    """The words that the letters spell."""
    found = []
    for is_gap, group in groupby(letters, key=lambda letter: letter.text == DELIMITER):
        group = list(group)
        if not is_gap:
            spelt = "".join(letter.text for letter in group)
            least = min(letter.probability for letter in group)
            found.append(Written(spelt, group[0].start, group[-1].end, least))
    return found


written = [letters(table, table.argmax(-1).tolist()) for table in emissions]
heard = [words(found) for found in written]
texts = [" ".join(word.text for word in found) for found in heard]

# %%
from helpers import metrics

greedy_wer = metrics.wer(targets, texts)
course.record("WER, best path", greedy_wer, "%")
course.record("CER, best path", metrics.cer(targets, texts), "%")

# %% [markdown]
# The character error rate is much lower than the word error rate: one wrong letter is enough to spoil a
# word.
#
# ## What kind of errors?
#
# First the pairs, said against heard. Words torn apart or run together count as one confusion.

# %%
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
# To sort them we need to know when two spellings sound alike. This sketch of an English phonetic key (in
# the manner of Metaphone) is rough: silent letters go, consonants of a kind share a sign, all vowels are
# one.

# %% tags=["tested"]
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


# %% tags=["nbval-check-output"]
for pair in ["CHRISTMAS KRISTMUSS", "KNIGHT NITE", "SIMILES SIMALYIS", "ROAST ROSE"]:
    one, other = pair.split()
    verdict = "alike" if sound(one) == sound(other) else "different"
    print(f"{one} {sound(one)} · {other} {sound(other)} · {verdict}")

# %% [markdown]
# Now a name for each kind. The first rule that fits decides.

# %% tags=["tested"]
from helpers import alignment


def distance(one, other):
    return len(alignment.differences(one, other, unit="char"))


def kind(said, got):
    """The kind of a confusion of `said` with `got`, both in capital letters."""
    if not said or not got:
        return "word missing" if said else "word too many"
    if " " in said or " " in got:
        return "merge" if said.count(" ") > got.count(" ") else "split"
    if sound(said) == sound(got):
        return "phonetic spelling"
    if re.fullmatch(".*".join(["", *got, ""]), said):
        return "dropped letter"
    return "one sound off" if distance(sound(said), sound(got)) == 1 else "other"


# %%
from collections import Counter

kinds = Counter(kind(said, got) for _, said, got in errors)
ax = plots.bars(dict(kinds.most_common()), unit="errors")
summary = ", ".join(f"{name} {count}" for name, count in kinds.most_common())
display.figure(ax.figure, f"Confusions by kind: {summary}")


# %%
def examples(name):
    pairs = [f"{said or '–'} → {got or '–'}" for _, said, got in errors if kind(said, got) == name]
    return " · ".join(pairs[:4])


rows = [
    {"kind": name, "share": count / len(errors), "said → heard": examples(name)}
    for name, count in kinds.most_common()
]
for row in rows[:3]:
    course.record(f"Confusions: {row['kind']}", row["share"], "%", digits=0)
display.table(rows, formats={"share": ".0%"})

# %% [markdown]
# Read some pairs aloud. A **phonetic spelling** is what somebody writes who heard well and never saw the
# word in print; a dropped letter or a sound that is off is half heard; splits and merges are a bar too many
# or one too few, and a word missing or too many can be the other half of one. The class "other" is the
# rest: several sounds are off, or our rough key cannot see that they are not.
#
# Listen to a few, one of each kind: a player holds just the stretch in which the model wrote the wrong
# word.


# %%
def locate(number, got):
    """The words `got` among those heard in a clip."""
    wanted = got.split()
    spelt = [word.text for word in heard[number]]
    first = next(i for i in range(len(spelt)) if spelt[i : i + len(wanted)] == wanted)
    return heard[number][first : first + len(wanted)]


from IPython.display import display as show

picks = {}
for number, said, got in sorted(errors, key=lambda error: -min(len(error[1]), len(error[2]))):
    if said and got:
        picks.setdefault(kind(said, got), (number, said, got))
for name in [name for name, _ in kinds.most_common() if name in picks][:4]:
    number, said, got = picks[name]
    span = locate(number, got)
    piece = sounds[number][max(span[0].start - 8, 0) * hop : (span[-1].end + 12) * hop]
    show(display.listen(piece, audio.SAMPLE_RATE, f"{name}: said {said}, written {got}"))

# %% [markdown]
# ## What else did it consider?
#
# A misspelling is a choice among letters. We look at the phonetic spelling above, frame by frame: the three
# most probable tokens at each of its letters.

# %%
number, said, got = picks["phonetic spelling"]
span = locate(number, got)
rows, places = [], ["written", "second", "third"]
for letter in written[number]:
    if span[0].start <= letter.start < span[-1].end:
        table = emissions[number][letter.start : letter.end]
        frame = table[table[:, vocabulary[letter.text]].argmax()].exp()
        ranked = [f"{GLYPHS[t]} {frame[t]:.0%}" for t in frame.argsort(descending=True)[:3].tolist()]
        rows.append({"time (s)": f"{letter.start * FRAME:.2f}"} | dict(zip(places, ranked, strict=True)))
display.table(rows, caption=f"said {said}, written {got}")

# %%
first, last = max(span[0].start - 8, 0), min(span[-1].end + 12, len(emissions[number]))
alt = f"Spectrogram of the word {said}, and the letters {got} below it"
picture(sounds[number], emissions[number], first, last, alt)

# %% [markdown]
# Where the model is sure, one letter is dark and the rest is white. Where it hesitates, several share the
# frame. Are these neighbours in sound? We take the confusions in which at least half of the letters are
# right, and for every letter in the place of another one we note the pair, and the rank of the right letter
# among the candidates of that frame.

# %%
swaps, places = Counter(), Counter()
for number, said, got in errors:
    if not got or " " in said + got or distance(said, got) > len(said) / 2:
        continue
    (word,) = locate(number, got)
    spikes = iter([letter for letter in written[number] if word.start <= letter.start < word.end])
    for edit in alignment.align(said, got, unit="char"):
        letter = next(spikes) if edit.prediction else None
        if edit.kind == "substitute":
            swaps[edit.target, edit.prediction] += 1
            best = emissions[number][letter.start : letter.end, LETTERS[1:]].amax(0)
            places[(best > best[NAMES.index(edit.target) - 1]).sum().item() + 1] += 1

# %%
total = sum(swaps.values())
vowels = sum(n for (right, wrong), n in swaps.items() if right in "AEIOUY" and wrong in "AEIOUY")
print("most frequent:", ", ".join(f"{right} → {wrong} ({n})" for (right, wrong), n in swaps.most_common(8)))
print(f"a vowel taken for a vowel: {vowels / total:.0%} of {total} letters")
second, third = places[2] / total, places[3] / total
print(f"the right letter came second: {second:.0%}, second or third: {second + third:.0%}")

# %% [markdown]
# A right letter that comes second lost a close race; by chance it would be second once in 27 times (4 %).
# Nothing in a CTC model helps to decide such a race by the *word*: each frame chooses its letter on its
# own, given the sound. The encoder has seen many texts and leans towards common spellings, but no part of
# the model holds a list of words, and no frame knows which letters the others chose.
#
# We can mend that from outside, and will. First: how does such a model learn at all, when nobody tells it
# at which frame a letter belongs?

# %% [markdown]
# ## The loss, on a toy
#
# Four frames, three tokens (blank, A, B), and probabilities as a network might give them. Each of the 3⁴ =
# 81 paths has a probability, the product of its four, and collapses to some text. We try them all.

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

# %% [markdown]
# Two things to see. A text is as probable as **all its paths together**; and the best path does not lead to
# the best text: argmax and collapse would write nothing here, although AB is more than three times as
# probable. So argmax is a short cut; we come back to that.
#
# The **CTC loss** of a target is minus the logarithm of the summed probability of all paths that collapse
# to it. Nobody needs to say at which frame a letter belongs: every place counts. Training makes the sum
# larger.

# %% tags=["nbval-check-output"]
ways = ["".join("·AB"[token] for token in path) for path in paths if collapse(path, 0) == [1, 2]]
print(len(ways), "paths to AB:", *ways)
by_enumeration = -math.log(by_text["AB"])
print(f"loss of the target AB: {by_enumeration:.4f}")

# %% [markdown]
# ## The same by recursion
#
# With 300 frames and 32 tokens nobody can try them all. Graves (2006) noticed that a table is enough. Write
# the target with a blank around every letter, `· A · B ·`: these are the **states**. From one frame to the
# next a path stays in its state, goes on to the next one, or skips a blank, if the letters on both sides
# differ.
#
# ![Four columns of frames and five rows of states, blank A blank B blank; arrows stay in a row, go down one
# row, or skip the blank between A and B](../images/ctc_trellis.svg)

# %% tags=["tested"]
import numpy as np


def with_blanks(tokens, blank):
    """The states of a target: · A · B · for A B."""
    return [blank, *(state for token in tokens for state in (token, blank))]


def trellis(log_probs, tokens, blank, merge=np.logaddexp.reduce):
    """Score of each state at each frame: (frames, states). `merge` joins the ways that lead there."""
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
# A path may end in the last letter or in the blank after it. Three ways to the same loss: all paths, the
# table, and PyTorch.

# %% tags=["nbval-check-output"]
from torch.nn.functional import ctc_loss

table = trellis(toy.log().numpy(), [1, 2], blank=0)
by_recursion = -np.logaddexp.reduce(table[-1, -2:])
by_torch = ctc_loss(toy.log()[:, None], torch.tensor([[1, 2]]), [4], [2], blank=0, reduction="sum").item()
assert np.allclose([by_enumeration, by_recursion], by_torch)
print(f"all paths {by_enumeration:.6f} · recursion {by_recursion:.6f} · torch {by_torch:.6f}")


# %%
def draw(values, names, ax, path=None):
    """A trellis: time to the right, states downwards, the path as a line."""
    ax.imshow(values.T, aspect="auto", cmap="Blues", interpolation="nearest")
    if len(names) < 40:
        ax.set_yticks(range(len(names)), names, family="monospace")
    if path is not None:
        ax.plot(path, color=plots.RED, linewidth=1.5)
    ax.set(xlabel="frame", ylabel="state")
    return ax.figure


ax = plots.axes(width=5, height=2.8)
figure = draw(np.exp(table), list("·A·B·"), ax)
for (t, s), score in np.ndenumerate(np.exp(table)):
    colour = "white" if score > 0.25 else "#333333"
    ax.text(t, s, f"{score:.3f}", ha="center", va="center", color=colour)
ax.set_xticks(range(4))
alt = "Probability by frame and state, summed over paths; the last two make the probability of AB"
display.figure(figure, alt)

# %% [markdown]
# Each number is the probability of all beginnings that end there. The two in the lower right corner add up
# to the probability of AB. Does it hold on the real clip, with its hundreds of states? And how many paths
# does it spare us? To count them we use the same function, with probability 1 for everything.

# %%
target = [vocabulary[DELIMITER if letter == " " else letter] for letter in clip["text"]]
log_probs = emissions[2].double()
table = trellis(log_probs.numpy(), target, BLANK)
loss = -np.logaddexp.reduce(table[-1, -2:])
by_torch = ctc_loss(
    log_probs[:, None], torch.tensor([target]), [len(log_probs)], [len(target)], BLANK, reduction="sum"
)
assert np.isclose(loss, by_torch.item())
count = np.logaddexp.reduce(trellis(np.zeros(log_probs.shape), target, BLANK)[-1, -2:]) / np.log(10)
print(f"{table.shape} = {table.size:,} cells, frames × states, instead of 10^{count:.0f} paths")
print(f"loss of the clip's own text: {loss:.2f}, or {loss / len(target):.3f} a letter")

# %% [markdown]
# ## Forced alignment: when was each letter said?
#
# If the text is known, the most probable of all those paths tells when each letter was said. It is the same
# table with the **maximum** in place of the sum (Viterbi), followed backwards from its end.


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

# %%
import torchaudio

path, score = align(log_probs.numpy(), target, BLANK)
states = with_blanks(target, BLANK)
aligned = [states[place] for place in path]
theirs, scores = torchaudio.functional.forced_align(log_probs[None], torch.tensor([target]), blank=BLANK)
assert collapse(aligned, BLANK) == target
assert np.isclose(score, scores.sum().item())
same = np.mean(np.array(aligned) == theirs[0].numpy())
print(f"log probability: ours {score:.4f}, torchaudio {scores.sum().item():.4f}")
print(f"the same token at {same:.1%} of the frames")

# %%
best = trellis(log_probs.numpy(), target, BLANK, merge=np.maximum.reduce)
relative = np.maximum(best - best.max(axis=1, keepdims=True), -25)
whole, start = plots.axes(1, 2, width=10, height=3.6)
draw(relative, states, whole, path)
part = path[60] + 1
draw(relative[:60, :part], [GLYPHS[state] for state in states[:part]], start, path[:60])
whole.set_title("the whole clip")
start.set_title("its first 60 frames")
alt = "The trellis: dark cells are probable states; the best path runs from the upper left to the lower right"
display.figure(whole.figure, alt)

# %% [markdown]
# Dark cells off the path are beginnings that looked good for a while and led nowhere. The best path runs
# from corner to corner, flat where a letter, a blank or a pause lasts. Read off: the time of each letter,
# and of each word. CTC marks a moment inside the sound or a little beside it, not its two ends; for a word
# we take the middle of the gaps between its letters and its neighbours'.


# %%
def timed(found, frames):
    """(text, start, end) in seconds of each word, up to the middle of the gap to the next, 0.2 s at most."""
    spans = []
    for i, word in enumerate(found):
        before = (word.start - (found[i - 1].end if i else 0)) * FRAME / 2
        after = ((found[i + 1].start if i + 1 < len(found) else frames) - word.end) * FRAME / 2
        spans.append((word.text, word.start * FRAME - min(before, 0.2), word.end * FRAME + min(after, 0.2)))
    return spans


known = letters(log_probs, aligned)
spans = timed(words(known), len(log_probs))

# %%
upper, lower = plots.axes(2, height=1.8, sharex=True, height_ratios=[2, 1])
plots.log_mel(samples[: 125 * hop], ax=upper)
for i, letter in enumerate(known):
    if letter.start < 125 and letter.text != DELIMITER:
        height = 72 - 9 * (i % 3)
        upper.text(letter.start * FRAME, height, letter.text, color="white", fontweight="bold", ha="center")
plots.timeline({"words": [(start, end, word) for word, start, end in spans if end < 2.5]}, 2.5, ax=lower)
upper.set_xlabel("")
alt = "Spectrogram of 2.5 seconds with each letter written at its time, and the words as bars below"
display.figure(upper.figure, alt)

# %% [markdown]
# The best test of an alignment is the ear. Click a word.

# %%
display.word_player(samples, audio.SAMPLE_RATE, [(word, start, end) for word, start, end in spans])

# %% [markdown]
# ## Does it know when it is guessing?
#
# Back to the texts that the model wrote itself. Each word has a confidence: the probability of its least
# sure letter. Here is the clip again; what is dotted, the model doubted.

# %%
spans = timed(heard[2], len(emissions[2]))
sure = [(*span, word.probability) for span, word in zip(spans, heard[2], strict=True)]
title = "What the model wrote; dotted is what it doubted"
display.word_player(samples, audio.SAMPLE_RATE, sure, title, unsure_below=0.6)

# %% [markdown]
# Does doubt find the errors? For each word of all clips we have a confidence and the truth. If we flag the
# least sure words first, we find errors, and we flag right words by mistake: the **ROC curve** draws the
# one over the other. The area under it (AUC) is how often a wrong word is less sure than a right one. By
# chance it is 50 %, whatever the share of wrong words, the **base rate**.


# %% tags=["tested"]
def auc(confidence, wrong):
    """How often a wrong word has less confidence than a right one; ties count half."""
    confidence, wrong = np.asarray(confidence), np.asarray(wrong)
    bad, good = confidence[wrong][:, None], confidence[~wrong][None]
    return ((bad < good).mean() + (bad == good).mean() / 2).item()


# %%
wrong, least, mean = [], [], []
for number, (target_text, found) in enumerate(zip(targets, heard, strict=True)):
    edits = alignment.align(target_text.split(), [word.text for word in found])
    wrong += [edit.kind != "equal" for edit in edits if edit.prediction]
    least += [word.probability for word in found]
    for word in found:
        inside = [letter.probability for letter in written[number] if word.start <= letter.start < word.end]
        mean.append(np.mean(inside))
print(f"{len(wrong)} words, {np.mean(wrong):.1%} of them wrong: the base rate")
print(f"AUC by the least sure letter {auc(least, wrong):.1%}, by the mean of all {auc(mean, wrong):.1%}")
course.record("Confidence finds errors, AUC", auc(least, wrong), "%")

# %%
order = np.argsort(least, kind="stable")
flags = np.array(wrong)[order]
found, mistaken = np.cumsum(flags) / flags.sum(), np.cumsum(~flags) / (~flags).sum()
ax = plots.axes(width=4.4, height=3.8)
ax.plot([0, *mistaken], [0, *found], color=plots.BLUE, linewidth=2)
ax.plot([0, 1], [0, 1], color=plots.RED, linestyle="--")
ax.text(0.55, 0.47, "chance", color=plots.RED)
ax.set(xlabel="right words flagged by mistake", ylabel="errors found", xlim=(0, 1), ylim=(0, 1.01))
display.figure(ax.figure, f"ROC curve above the diagonal of chance, area {auc(least, wrong):.0%}")

# %%
fifth = len(flags) // 5
unsure, sure = flags[:fifth].mean(), flags[-fifth:].mean()
print(f"wrong words among the least sure fifth: {unsure:.0%}, among the surest fifth: {sure:.0%}")
spelt = [word.text for sentence in heard for word in sentence]
surest = [f"{spelt[i]} {least[i]:.0%}" for i in order[::-1] if wrong[i] and len(spelt[i]) > 3][:5]
print("wrong and sure:", ", ".join(surest))

# %% [markdown]
# Doubt is informative, and it is no proof. Some wrong words carry a high confidence: the model is sure
# which letters go with the sound it heard. That the word does not exist, or makes no sense here, is nothing
# it could know.

# %% [markdown]
# ## A language model decides the close races
#
# What is missing is knowledge of words. An **n-gram language model** is the classic remedy: it tells how
# probable a word is after the one before it. We train one here, a bigram, on film reviews (the texts of
# lesson 4, which have nothing to do with our clips). To be strict, any review sentence that shares five
# words in a row with a clip is left out.


# %%
def split_words(text):
    return re.findall(r"[A-Z]+(?:'[A-Z]+)?", text.upper())


runs = [split_words(text) for text in targets]
forbidden = {tuple(words_said[i : i + 5]) for words_said in runs for i in range(len(words_said) - 4)}
corpus, size, dropped = [], 0, 0
for review in catalog.dataset("stanfordnlp/imdb", split="train").shuffle(seed=0)["text"]:
    if size > 400_000:
        break
    for sentence in map(split_words, re.split(r"[.!?;:]+\s|<br />", review)):
        if any(tuple(sentence[i : i + 5]) in forbidden for i in range(len(sentence) - 4)):
            dropped += 1
        elif sentence:
            corpus.append(sentence)
            size += len(sentence)
print(f"{len(corpus):,} sentences, {size:,} words; {dropped} left out")

# %% [markdown]
# That is a small text, and a word it lacks would count as unknown. A list of words helps: the whole words
# in the vocabulary of BERT's tokenizer (lesson 4).

# %%
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(catalog.checkpoint("google-bert/bert-base-uncased"))
dictionary = {word.upper() for word in tokenizer.get_vocab() if re.fullmatch("[a-z]{3,}", word)}
read = {word for sentence in corpus for word in sentence}
lexicon = dictionary | read
said_words = [word for text in targets for word in text.split()]
for name, known_words in [("the reviews", read), ("reviews and BERT's list", lexicon)]:
    unknown = [word for word in said_words if word not in known_words]
    share = len(unknown) / len(said_words)
    print(f"not in {name}: {share:.1%} of the words said, e.g. {', '.join(unknown[:6])}")

# %% [markdown]
# The bigram's one difficulty is pairs it never saw. **Kneser-Ney** takes a little (`discount`) from every
# pair it saw and hands it, per context, to all words, in proportion to *how many different words each has
# followed*: FRANCISCO is frequent but follows only SAN.


# %% tags=["tested"]
def kneser_ney(sentences, lexicon, discount=0.75):
    """Interpolated bigram: ({word: p}, {(word before, word): p}, {word before: share for unseen words})."""
    pairs = Counter(
        pair for words in sentences for pair in zip(["<s>", *words], [*words, "</s>"], strict=True)
    )
    context, followers, preceders = Counter(), Counter(), Counter()
    for (before, word), count in pairs.items():
        context[before] += count
        followers[before] += 1
        preceders[word] += 1
    words = dict.fromkeys([*lexicon, *preceders, "<unk>"])
    spare = discount * len(preceders) / len(pairs) / len(words)
    single = {word: max(preceders[word] - discount, 0) / len(pairs) + spare for word in words}
    backoff = {before: discount * followers[before] / context[before] for before in context}
    double = {
        (before, word): (count - discount) / context[before] + backoff[before] * single[word]
        for (before, word), count in pairs.items()
    }
    return single, double, backoff


# %%
single, double, backoff = kneser_ney(corpus, sorted(lexicon))


def probability(before, word):
    return double.get((before, word), backoff.get(before, 1.0) * single.get(word, single["<unk>"]))


for before, one, other in [("TWO", "HOURS", "OURS"), ("A", "PIECE", "PEACE"), ("TO", "SEE", "SEA")]:
    print(f"after {before}: {one} {probability(before, one):.6f} · {other} {probability(before, other):.6f}")

# %% [markdown]
# Three pairs that no ear can tell apart, and the word before decides. To hand the model to a decoder we
# write it in the **ARPA** format that every toolkit reads: logarithms to base 10, and a back-off weight for
# each word.


# %% tags=["tested"]
def write_arpa(path, single, double, backoff):
    """The bigram as an ARPA file."""
    lines = ["\\data\\", f"ngram 1={len(single) + 1}", f"ngram 2={len(double)}", "", "\\1-grams:"]
    lines.append(f"-99\t<s>\t{math.log10(backoff['<s>']):.5f}")
    for word, p in single.items():
        weight = "" if word == "</s>" else f"\t{math.log10(backoff.get(word, 1.0)):.5f}"
        lines.append(f"{math.log10(p):.5f}\t{word}{weight}")
    lines += ["", "\\2-grams:"]
    lines += [f"{math.log10(p):.5f}\t{before} {word}" for (before, word), p in double.items()]
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")


# %% [markdown]
# ## Beam search
#
# The decoder walks through the frames and keeps the 100 best beginnings of texts, each with *all its paths
# added up*. At the end of every word the language model has its say: its logarithm is weighed by α, and β
# is paid for each word (without it, short texts would win). A word outside the lexicon pays a fine.

# %%
import tempfile
from pathlib import Path
from ctc_beam_decoder import build_ctcdecoder
from helpers.quiet import quiet

arpa = Path(tempfile.mkdtemp()) / "reviews.arpa"
write_arpa(arpa, single, double, backoff)
words_alone = build_ctcdecoder(TOKENS)
for text_found, _, _, acoustic, _ in words_alone.decode_beams(emissions[2].numpy())[:4]:
    print(f"{acoustic:8.2f}  {text_found}")

# %% [markdown]
# These are the best texts of our clip **without** the language model: nearly the same sound, a few letters
# apart. Now with it. α is chosen on a third of the clips; the test is on the other two thirds. (`quiet`
# keeps KenLM's progress bar off the screen.)

# %%
tune = list(range(0, len(targets), 3))
test = [number for number in range(len(targets)) if number % 3]


def decode(numbers, alpha):
    with quiet():
        decoder = build_ctcdecoder(TOKENS, str(arpa), sorted(lexicon), alpha=alpha, beta=1.5)
    return [decoder.decode(emissions[number].numpy()) for number in course.progress(numbers, "beam search")]


trials = []
for alpha in (0.25, 0.5, 0.75, 1.0):
    rate = metrics.wer([targets[number] for number in tune], decode(tune, alpha))
    trials.append({"α": alpha, "WER": rate})
display.table(trials, formats={"WER": ".1%"}, caption=f"tuning on {len(tune)} clips")

# %%
chosen = min(trials, key=lambda trial: trial["WER"])
with_lm = dict(zip(test, decode(test, chosen["α"]), strict=True))
before = metrics.wer([targets[n] for n in test], [texts[n] for n in test])
after = metrics.wer([targets[n] for n in test], [with_lm[n] for n in test])
course.record("WER on the test clips, best path", before, "%")
course.record("WER on the test clips, with bigram", after, "%")
change = f"{abs(before - after) / before:.0%} {'fewer' if after < before else 'more'}"
print(f"with α = {chosen['α']}: {change} errors")


# %% [markdown]
# ## What it mends, what it breaks
#
# One number hides two movements. For every word that was said: was it right before, is it right now?


# %%
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

# %%
mended = [change for change in changes if change[""] == "mended"]
broken = [change for change in changes if change[""] == "broken"]
for name, group in [("mended", mended), ("broken", broken)]:
    outside = sum(change["said"] not in lexicon for change in group)
    print(f"{len(group)} words {name}; {outside} of them are not in the lexicon")
shown = [sorted(group, key=lambda change: -len(change["said"]))[:8] for group in (mended, broken)]
display.table([*shown[0], *shown[1]], caption="the longest words of either kind")

# %%
for name, group, column in [("mended", mended, "best path"), ("broken", broken, "with bigram")]:
    counts = Counter(kind(change["said"], change[column].strip("–")) for change in group)
    print(f"{name}:", ", ".join(f"{label} {count}" for label, count in counts.most_common()))

# %% [markdown]
# The search can choose only among texts that the letters leave open. What it mends are words whose right
# spelling was close behind; what it breaks are words it does not know or does not expect, in favour of what
# film critics write.

# %% [markdown]
# ## And Whisper?
#
# Whisper's decoder writes token by token and has read what it wrote so far: a language model *inside*,
# trained along with the hearing. Same clips, the three of them, texts normalised alike (Whisper writes
# commas and capitals).

# %%
from transformers import pipeline

whisper = pipeline(
    "automatic-speech-recognition",
    catalog.checkpoint("openai/whisper-base"),
    device=course.device(),
    dtype=course.dtype(),
)
shared = test[1 :: course.budget(cpu=4, gpu=2)]
shared_seconds = sum(len(sounds[number]) for number in shared) / audio.SAMPLE_RATE
options = {"language": "english", "task": "transcribe", "num_beams": 1}
with course.timed("Whisper base", audio_seconds=shared_seconds) as whisper_time:
    by_whisper = []
    for number in course.progress(shared, "Whisper"):
        clip_input = {"array": sounds[number], "sampling_rate": audio.SAMPLE_RATE}
        by_whisper.append(whisper(clip_input, generate_kwargs=options)["text"])
print(by_whisper[0])

# %%
# Beam search is quick; its time belongs to the second system.
with course.timed("CTC, model", audio_seconds=shared_seconds) as ctc_time:
    fresh = [emit(sounds[number]) for number in shared]
with course.timed("beam search with bigram") as beam_time:
    decode(shared, chosen["α"])

# %%
references = [metrics.normalise(targets[number], "en") for number in shared]


def row(name, found, taken):
    """One line of the comparison: a system's texts, and the seconds they took."""
    found = [metrics.normalise(text, "en") for text in found]
    rate, low, high = metrics.confidence_interval(references, found)
    course.record(f"WER on {len(shared)} clips, {name}", rate, "%")
    edits = [edit for pair in zip(references, found, strict=True) for edit in alignment.differences(*pair)]
    wrong = [edit.prediction.upper() for edit in edits if edit.prediction]
    unlisted = sum(word not in lexicon and word.isalpha() for word in wrong)
    line = {"": name, "WER": f"{rate:.1%}", "95 %": f"{low:.0%} to {high:.0%}", "wrong words": len(wrong)}
    return line | {"not in the lexicon": unlisted, "× real time": round(shared_seconds / taken, 1)}


# %%
systems = {
    "CTC, best path": ([texts[number] for number in shared], ctc_time.seconds),
    "CTC and bigram": ([with_lm[number] for number in shared], ctc_time.seconds + beam_time.seconds),
    "Whisper base": (by_whisper, whisper_time.seconds),
}
display.table([row(name, *result) for name, result in systems.items()])

# %%
for name, (found, _) in systems.items():
    print(f"{name}, the most frequent confusions:")
    for error in metrics.word_errors([targets[number] for number in shared], found, "en")[:5]:
        print(f"  {error.count} × {error.target or '(nothing)'} → {error.prediction or '(nothing)'}")

# %%
for name, (found, _) in systems.items():
    show(display.diff(clip["text"], found[0], language="en", title=name))

# %% [markdown]
# Read the columns together. The best path of CTC **invents** words: many of its wrong words are in no list.
# With the bigram few of those are left, that is the lexicon's fine; what is wrong now is wrong in real
# words, and harder to spot by eye. Whisper brings its language model along, trained together with the
# hearing, and writes capitals and commas too. It pays in time: its decoder runs once for every token, where
# CTC's single pass gives all frames at once.
#
# A word of caution: the checkpoints differ in size and in the speech they were trained on, so the WER
# compares checkpoints, not methods. The *kind* of error is the method's. And a number that Whisper writes
# in digits counts as wrong here, although nobody would call it misheard: reading the errors is part of
# every comparison.

# %% [markdown]
# ## Exercises
#
# 1. **The other order.** Write `collapse` so that it drops the blanks first and merges afterwards. Which
#    words of the clips suffer? *Hint:* look for double letters in `targets`.
# 2. **The wrong label.** Compute the loss of clip 2 for the text of every clip. Could you find a
#    mislabelled file in a data set of thousands by such a number? *Hint:* `trellis`, and divide by the
#    number of letters.
# 3. **Names.** Give the decoder words that it missed, such as names: `decoder.decode(..., hotwords=[...],
#    hotword_weight=10)`. How far can you raise the weight before it hears them everywhere? *Hint:* count
#    insertions in clips that lack them.
# 4. **Trust.** Plot the WER of the tuning clips for α from 0 to 2. Where do the broken words overtake the
#    mended ones, and why is α = 0 not the same as the best path? *Hint:* β is still paid, and a beam still
#    adds up paths.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Graves, Fernández, Gomez, Schmidhuber (2006), [Connectionist temporal
#   classification](https://www.cs.toronto.edu/~graves/icml_2006.pdf): the paper, with the recursion
# - Hannun (2017), [Sequence modeling with CTC](https://distill.pub/2017/ctc/): the best pictures of it
# - Baevski, Zhou, Mohamed, Auli (2020), [wav2vec 2.0](https://arxiv.org/abs/2006.11477): the encoder below
#   the letters
# - Kürzinger and others (2020), [CTC-segmentation of large corpora](https://arxiv.org/abs/2007.09127):
#   forced alignment for hours of speech
# - Chen, Goodman (1998), [An empirical study of smoothing techniques for language
#   modeling](https://dash.harvard.edu/handle/1/25104739): Kneser-Ney and its rivals, measured
# - Heafield (2011), [KenLM](https://aclanthology.org/W11-2123/): the n-gram library inside the decoder
