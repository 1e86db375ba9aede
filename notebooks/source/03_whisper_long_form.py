# %%
from helpers import course

course.start("03")

# %% [markdown]
# ## Minutes of speech
#
# In these data an audiobook is cut into short segments. **Streaming** reads them one after another: we take
# as many as make a recording of some minutes and need not download the rest. (On the Hub, neighbouring
# segments may come from different places in a book, or from different readers.)

# %% tags=["nbval-check-output"]
import numpy as np
from datasets import Audio, load_dataset
from helpers import audio, catalog

RATE = audio.SAMPLE_RATE
where = catalog.data("facebook/multilingual_librispeech", "spanish")
book = load_dataset(**where, split="dev", streaming=True).cast_column("audio", Audio(decode=False))
clips, texts = [], []
for row in book:
    clips.append(audio.read(row["audio"]))
    texts.append(row["transcript"])
    if sum(map(len, clips)) >= course.budget(cpu=190, gpu=300) * RATE:
        break
story, reference = np.concatenate(clips), " ".join(texts)
story_seconds = len(story) / RATE
print(f"{len(clips)} segments, {story_seconds:.0f} s, {len(reference.split())} words")

# %% tags=["nbval-check-output"]
from helpers import players

players.listen(story[: 20 * RATE], RATE, "The first 20 seconds")

# %% [markdown]
# ## What happens if we pass it whole?
#
# The same pipeline as in lesson 1, and the whole recording at once. (Each call gets a new dict, because a
# pipeline empties the dict it is given.)
#
# **Before you run:** what do you get? (a) the whole text (b) the text of the first 30 s (c) an error

# %% tags=["nbval-check-output"]
import torch
from transformers import pipeline

device = "cuda" if torch.cuda.is_available() else "cpu"
dtype = torch.float16 if device == "cuda" else torch.float32
checkpoint = catalog.model("openai/whisper-base")
whisper = pipeline("automatic-speech-recognition", model=checkpoint, device=device, dtype=dtype)


def sound(samples):
    """What the pipeline takes: samples, shape (samples,), and their rate, in a fresh dict."""
    return {"array": samples, "sampling_rate": RATE}


try:
    whisper(sound(story))
except ValueError as error:
    print(type(error).__name__, str(error).split(". ")[0], sep=": ")

# %% [markdown]
# <details><summary>Your prediction</summary><b>c.</b> The pipeline refuses rather than cut or
# guess.</details>
#
# The pipeline refuses: 3000 columns of log-mel spectrogram, 100 a second, are 30 seconds, and for more it
# wants time stamps, to which we come below. Versions before 2024 cut the clip without a message. The feature
# extractor still does, if we call it ourselves:

# %% tags=["nbval-check-output"]
features = whisper.feature_extractor(story, sampling_rate=RATE, return_tensors="pt").input_features
print(f"{story_seconds:.0f} s -> {tuple(features.shape)}: {features.shape[-1] // 100} s of spectrogram")

# %% [markdown]
# What the model writes now can only be the beginning of the story:

# %% tags=["nbval-check-output"]
spanish = {"language": "spanish", "num_beams": 1}
tokens = whisper.model.generate(features.to(device, dtype), **spanish)
beginning = whisper.tokenizer.decode(tokens[0], skip_special_tokens=True)
print(f"{len(beginning.split())} of about {len(reference.split())} words. The last ones:")
print("...", " ".join(beginning.split()[-12:]))

# %% [markdown]
# No error, and most of the text is missing. What is there can read well, so reading does not help: **compare
# the length of the text with the length of the sound.** People say two to three words a second.
#
# ## Why not a longer window?
#
# In a transformer's encoder every frame looks at every other. Whisper's encoder has 50 frames a second, and
# each **attention head** of each layer computes a score for every pair: a matrix of frames × frames. Twice
# the sound needs four times the memory.

# %% tags=["tested", "nbval-check-output"]


def attention_gb(minutes, layers, heads):
    """Gigabytes of all attention matrices of Whisper's encoder in float32, 4 bytes a score."""
    frames = 50 * 60 * minutes
    return layers * heads * frames**2 * 4 / 1e9


for minutes in (0.5, 5, 60):
    print(f"{minutes:4} min: {attention_gb(minutes, layers=6, heads=8):10,.1f} GB in Whisper base")

# %% tags=["nbval-check-output"]
from helpers import plots, show

minutes = [0.5, 1, 2, 5, 10, 30, 60]
one_window = [attention_gb(length, 6, 8) for length in minutes]
windows_of_30_s = [2 * length * attention_gb(0.5, 6, 8) for length in minutes]
ax = plots.axes(height=2.8)
ax.loglog(minutes, one_window, "o-", label="one window")
ax.loglog(minutes, windows_of_30_s, "s--", label="windows of 30 s")
ax.set_xticks(minutes, [f"{length:g}" for length in minutes])
ax.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
ax.minorticks_off()
ax.set(xlabel="length of the clip (minutes)", ylabel="attention matrices (GB)")
ax.legend()
alt = (
    "Two rising lines that start together at 0.4 GB for half a minute: with windows of 30 s an hour comes to "
    "52 GB in all, with one window to more than 6,000 GB"
)
show.figure(ax.figure, alt)

# %% [markdown]
# These are sums over all layers and windows, as if all matrices were kept, which training does. Windows that
# are transcribed one after another never need more than 0.4 GB for these matrices. In inference one layer is
# needed at a time, and `sdpa` usually picks a kernel that never stores a whole matrix. The time still grows
# with the square. And Whisper was trained on 30 s: it has exactly 1500 position vectors, one for each frame
# of a window.
#
# ## Chunks with stride
#
# So the clip is cut into **chunks** of 30 s. A cut may fall in the middle of a word, and the words near an
# edge lack their context. Therefore neighbours overlap: each chunk has a **stride** on both sides, by default
# a sixth of its length, 5 s. Two neighbours share 10 s, and their two texts are merged there.

# %% tags=["nbval-check-output"]
from helpers import drawings

alt = (
    "Three chunks of 30 seconds on a time axis, each 20 seconds after the one before; neighbours overlap by "
    "10 seconds. All go into the model as one batch, and their texts are joined where the words in the "
    "overlap agree."
)
drawings.show("long_form_chunks", alt)

# %% [markdown]
# No chunk needs the text of the one before it: chunking is **stateless**. So they can be transcribed in any
# order, or all at once in a batch, and two machines could share the work.
#
# ### Exercise 3.1: where are the chunks? (5 minutes)
#
# Write the list of chunks, (start, end) in seconds, of a recording. Each begins a step after the one before:
# the length without both strides. The first that reaches the end of the recording is the last, and ends
# there. `chunks_of(70)` should give `[(0, 30), (20, 50), (40, 70)]`.
#
# <details><summary>Hint</summary>A <code>while</code> loop: append the chunk, stop if it reaches the end,
# else add the step to the start.</details>

# %% tags=["exercise"]
def chunks_of(seconds, length=30, stride=5):
    """Chunks of a recording as a list of (start, end), in seconds."""
    # <solution>
    found, start = [], 0
    while True:
        found.append((start, min(start + length, seconds)))
        if start + length >= seconds:
            return found
        start += length - 2 * stride
    # </solution>


# %% tags=["wrong"]
def chunks_of(seconds, length=30, stride=5):
    return [(start, min(start + length, seconds)) for start in range(0, seconds, length)]


# %% tags=["wrong"]
def chunks_of(seconds, length=30, stride=5):
    return [(start, min(start + length, seconds)) for start in range(0, seconds, length - stride)]


# %% tags=["wrong"]
def chunks_of(seconds, length=30, stride=5):
    return [(start, min(start + length, seconds)) for start in range(0, seconds, length - 2 * stride)]


# %% tags=["check"]
from helpers.exercises import checking

with checking("3.1", "where the chunks are"):
    found = chunks_of(70)
    assert found is not None, "The function gives nothing back: write your code, and end it with return."
    starts = [start for start, _ in found]
    assert starts[1:] != [30, 60], "Neighbours do not overlap: the step is shorter than a chunk."
    assert starts[1:2] != [25], "There is a stride on both sides: take it off twice."
    assert found[-1] != (60, 70), "(60, 70) lies inside (40, 70): stop at the chunk that reaches the end."
    assert found == [(0, 30), (20, 50), (40, 70)], f"(0, 30), (20, 50), (40, 70) were expected, not {found}."
    assert chunks_of(20) == [(0, 20)], "A recording of 20 s is one chunk, and ends with the recording."
    assert chunks_of(65)[-1] == (40, 65), "The last chunk ends with the recording, at 65 s."

# %% [markdown]
# Let us look at one seam. The first chunk (number 0, as in the code and in the figure) hears seconds 0 to 30,
# the next 20 to 50. What does each hear in the ten seconds they share?

# %% tags=["nbval-check-output"]
STEP = 20  # seconds from the start of one chunk to the start of the next


def chunk(number):
    """Samples of a chunk of 30 s, counted from 0, shape (samples,)."""
    return story[STEP * number * RATE : (STEP * number + 30) * RATE]


def timed_words(number):
    """Words of a chunk as (start, end, text), in seconds from the start of the recording."""
    found = whisper(sound(chunk(number)), return_timestamps="word", generate_kwargs=spanish)["chunks"]
    begin, times = STEP * number, [word["timestamp"] for word in found]
    spans = [(start + begin, (30 if end is None else end) + begin) for start, end in times]
    return [(*span, word["text"].strip()) for span, word in zip(spans, found, strict=True)]


left, right = timed_words(0), timed_words(1)
# The times of words need stored attention matrices, for which Transformers leaves sdpa.
whisper.model.set_attn_implementation("sdpa")
shared_left = [word for word in left if word[0] >= STEP]
shared_right = [word for word in right if word[1] <= 30]
print(f"{len(shared_left)} words in the left chunk's last 10 s, {len(shared_right)} in the right's first")

# %% tags=["nbval-check-output"]
BEGIN = 24
lanes = {
    name: [(start - BEGIN, min(end, 30) - BEGIN, text) for start, end, text in words if BEGIN <= start < 30]
    for name, words in {"chunk 0": left, "chunk 1": right}.items()
}
ax = plots.timeline(lanes, duration=30 - BEGIN, ax=plots.axes(height=1.8))
ax.set_xticks(range(31 - BEGIN), range(BEGIN, 31))
alt = (
    f"Two rows of words as bars between seconds {BEGIN} and 30, one for each chunk: nearly the same words at "
    "nearly the same times"
)
show.figure(ax.figure, alt)

# %% tags=["nbval-check-output"]
in_left, in_right = (" ".join(word[2] for word in side) for side in (shared_left, shared_right))
show.diff(in_left, in_right, language="es", title="Left chunk (target) and right chunk (prediction)")

# %% [markdown]
# Most differences are to be expected near both ends, where one of the two chunks lacks context. (The first
# and the last word may differ only because the lists are cut at 20 and 30 s.)
#
# ## One option: `chunk_length_s`
#
# The pipeline does all of this. `batch_size` says how many chunks go through the model together. The course
# turns Transformers' warnings off, because some of them print in random order; here we turn them on, because
# this one matters.

# %% tags=["warning"]
import transformers

transformers.logging.set_verbosity_warning()
with course.timed("chunked, batches of 8, greedy", story_seconds) as chunked_time:
    chunked = whisper(sound(story), chunk_length_s=30, batch_size=8, generate_kwargs=spanish)["text"]
transformers.logging.set_verbosity_error()

# %% [markdown]
# "Very experimental" are the library's own words for chunks with a model that writes text freely, and it
# names the alternative, which comes below. (Chunks with a CTC model are safe: CTC gives each frame its own
# token, so the pipeline can drop exactly the frames of the strides.)
#
# An earlier course, on which this lesson is based, used these two options on 317 s of Spanish: it took 3.45 s
# on a V100, a GPU of 2017, and over 30 s on the CPU of that machine. Your time is in the output above.
#
# `generate_kwargs` holds what the model's `generate` should know. Two of them matter here. Without
# `language`, the model guesses the language of every chunk anew, and may guess wrong for a short last one.
# Without `num_beams=1`, the pipeline keeps five candidate texts (beams), which takes longer; the stored table
# below says how much, and whether the WER is any lower.
#
# **Before you run:** will the chunked text have (a) about as many words as were said (b) clearly fewer (c)
# more, because the overlaps are heard twice?

# %% tags=["nbval-check-output"]
import evaluate
from helpers import metrics

wer = evaluate.load(catalog.metric("wer"), keep_in_memory=True)


def error_rate(said, heard):
    """WER of one Spanish text, case and punctuation left aside."""
    said, heard = metrics.normalise(said, "es"), metrics.normalise(heard, "es")
    return wer.compute(references=[said], predictions=[heard])


print(chunked[:200].strip(), "...")
print(f"WER {error_rate(reference, chunked):.1%}, {len(chunked.split())} words of {len(reference.split())}")

# %% [markdown]
# ## Where do words get lost?
#
# <details><summary>Your prediction</summary>Compare the two numbers of words. Offline <b>b</b>: a long
# stretch is missing. (c) would need the merge to fail in the other direction. On the Hub it depends on the
# recording: a text of about the right length may still have lost a sentence.</details>
#
# A text that is much shorter than the reference has lost words. We align the two, look for the longest
# piece of the reference that is missing, and ask when it was said. We know when each segment of the book
# begins and spread its words evenly over it.

# %% tags=["tested"]
from itertools import groupby

from helpers import alignment


def longest_gap(said, heard):
    """The longest run of words of `said` that `heard` leaves out; both are lists of words.

    Returns (first, count): the number of its first word in `said`, and how many words; (0, 0) if none is
    left out.
    """
    place, best = 0, (0, 0)
    for kind, run in groupby(alignment.align(said, heard), key=lambda edit: edit.kind):
        words = sum(1 for edit in run if edit.target)
        if kind == "delete" and words > best[1]:
            best = place, words
        place += words
    return best


# %% tags=["nbval-check-output"]
words, times, begin = [], [], 0.0
for clip, text in zip(clips, texts, strict=True):
    said, seconds = metrics.normalise(text, "es").split(), len(clip) / RATE
    words += said
    times += list(np.linspace(begin, begin + seconds, len(said), endpoint=False))
    begin += seconds
first, count = longest_gap(words, metrics.normalise(chunked, "es").split())
gap = times[first], times[min(first + count, len(times) - 1)]
print(f"{count} words are missing, said from about {gap[0]:.0f} to {gap[1]:.0f} s:")
print(" ".join(words[first : first + 12]), "...", " ".join(words[first + count - 8 : first + count]))

# %% tags=["nbval-check-output"]
numbers = range(1, int(np.ceil((story_seconds - 30) / STEP)) + 1)
lost = max(numbers, key=lambda n: min(STEP * n + 30, gap[1]) - max(STEP * n, gap[0]))
inside = sum(STEP * lost <= time < STEP * lost + 30 for time in times)
print(f"chunk {lost} hears {STEP * lost} to {STEP * lost + 30} s, in which about {inside} words are said")
alone = {}
for name, options in {"without time stamps": {}, "with time stamps": {"return_timestamps": True}}.items():
    alone[name] = whisper(sound(chunk(lost)), **options, generate_kwargs=spanish)["text"].strip()
    print(f"{name}: {len(alone[name].split())} words: {alone[name][:300]}")
players.listen(chunk(lost), RATE, f"Chunk {lost}")

# %% [markdown]
# Listen: it is ordinary speech. Two things can lose words in spite of that.
#
# **A chunk ends early.** A chunk begins anywhere, often in the middle of a sentence. The model may write the
# rest of that sentence, or a few words that nobody said, and then its end-of-text token, with most of the
# chunk still to come. Nothing in the pipeline notices. Compare the first count of words in the output above
# with the number that is said. With time stamps (second count) the model must write when each segment ends,
# and often more of the chunk gets written; the two counts show whether it did here.
#
# **The merge drops words.** The pipeline does not know which words were said in the overlap; it has two lists
# of tokens. It slides the list of the right chunk over the end of the left one, one token further at a time
# (the **shift** grows by one). At each shift it counts the places where the two lists have the same token,
# and divides by the shift; two equal tokens are the least. The shift with the largest share wins (a tiny
# bonus favours longer ones), and the two texts are joined in the middle of the overlap: what the left chunk
# wrote after it is dropped, and what the right chunk wrote before it. Where one chunk ended early, or wrote
# one word more than its neighbour, the true shift has a small share or does not exist, and a chance shift may
# win. If no shift has two equal tokens, nothing is dropped: the texts are put one after the other, and what
# neither chunk wrote stays missing.

# %% tags=["tested"]


def merge_shares(left, right):
    """Share of equal tokens at each shift of two neighbours, as the pipeline's merge counts it.

    Takes two lists of tokens; shift s lays `right` under `left` so that its first token is under the s-th
    of `left` from the end. Returns a list of shares for the shifts 1 to len(left) + len(right) - 1; a share
    is 0 where fewer than two tokens are equal.
    """
    shares = []
    for shift in range(1, len(left) + len(right)):
        above = left[max(len(left) - shift, 0) :]
        below = right[max(shift - len(left), 0) :]
        equal = sum(one == other for one, other in zip(above, below, strict=False))
        shares.append(equal / shift if equal > 1 else 0.0)
    return shares


# %% tags=["nbval-check-output"]
before = whisper(sound(chunk(lost - 1)), generate_kwargs=spanish)["text"]
pairs = {
    "the first two chunks": [" ".join(word[2] for word in side) for side in (left, right)],
    f"chunks {lost - 1} and {lost}": [before, alone["without time stamps"]],
}
shares = {}
for name, sides in pairs.items():
    one, other = (whisper.tokenizer(side, add_special_tokens=False).input_ids for side in sides)
    shares[name] = merge_shares(one, other)
    found = f"largest share {max(shares[name]):.0%}, at shift {int(np.argmax(shares[name])) + 1}"
    found = found if any(shares[name]) else "no shift with two equal tokens"
    print(f"{name}, {len(one)} and {len(other)} tokens: {found}")

# %% tags=["nbval-check-output"]
rows = plots.axes(rows=2, height=1.7, sharex=True, sharey=True)
for ax, (name, share) in zip(rows, shares.items(), strict=True):
    ax.vlines(range(1, len(share) + 1), 0, share)
    ax.set(title=name, ylabel="share equal", ylim=(0, 1))
rows[-1].set_xlabel("shift (tokens)")
alt = "Share of equal tokens against the shift for two pairs of neighbours, as thin lines: " + "; ".join(
    f"the highest line of {name} reaches {max(share):.0%}" if any(share) else f"{name} have no lines"
    for name, share in shares.items()
)
show.figure(rows[-1].figure, alt)

# %% [markdown]
# Ten seconds that both chunks heard alike stand out as one high line; one word that only one of them has is
# enough to lower it. Where only low lines are left, the shift is a guess. Where there is no line at all,
# nothing is merged. Compare the two numbers of tokens as well: thirty seconds of speech give about a hundred
# or more, so a much smaller number is a chunk that ended early.
#
# ### Exercise 3.2: choose the shift (5 minutes)
#
# Use `merge_shares(left, right)` to write the shift that the merge takes: the one with the largest share, and
# `None` where no shift has two equal tokens. `best_shift([1, 2, 3, 4, 5], [3, 4, 5, 6])` should be 3: three
# tokens lie over each other and are all equal.
#
# <details><summary>Hint</summary>The list begins with shift 1, not with shift 0.</details>

# %% tags=["exercise"]
def best_shift(left, right):
    """The shift with the largest share of equal tokens, from 1 on; None where there is none."""
    # <solution>
    shares = merge_shares(left, right)
    return shares.index(max(shares)) + 1 if any(shares) else None
    # </solution>


# %% tags=["wrong"]
def best_shift(left, right):
    shares = merge_shares(left, right)
    return shares.index(max(shares))


# %% tags=["wrong"]
def best_shift(left, right):
    return max(merge_shares(left, right))


# %% tags=["wrong"]
def best_shift(left, right):
    shares = merge_shares(left, right)
    return shares.index(max(shares)) + 1


# %% tags=["check"]
with checking("3.2", "the shift of the merge"):
    found = best_shift([1, 2, 3, 4, 5], [3, 4, 5, 6])
    assert found is not None, "Nothing came back: end the function with return."
    assert found != 2, "That is the place in the list. Its first entry is the share at shift 1."
    assert found != 1, "That is the largest share. Which shift has it?"
    assert found == 3, f"3 was expected, not {found}."
    assert best_shift([1, 2, 3], [7, 8, 9]) is None, "Nothing is equal here: there is no shift to choose."
    assert best_shift([5, 1, 2], [1, 2, 9, 9]) == 2, "Two tokens lie over each other and are equal: shift 2."

# %% [markdown]
# ## Sequential: window after window
#
# The paper's own algorithm needs no overlap and no merge. Whisper can write **time stamps** between its
# segments. The first window starts at 0; the next one starts where the last complete segment ended, and so
# on. In Transformers, `return_timestamps=True` without `chunk_length_s` does that.

# %%
with course.timed("sequential, greedy", story_seconds) as sequential_time:
    sequential = whisper(sound(story), return_timestamps=True, generate_kwargs=spanish)

# %% tags=["nbval-check-output", "report"]
import pandas as pd

pd.set_option("display.max_colwidth", 100, "display.width", 160)
rows = [
    {"method": name, "WER": f"{error_rate(reference, text):.1%}", "words": len(text.split())}
    for name, text in {"chunked": chunked, "sequential": sequential["text"], "reference": reference}.items()
]
pd.DataFrame(rows).set_index("method")

# %% [markdown]
# Look at the last column first: a text that is much shorter than the others has lost words. Words that go
# missing in the middle of a fluent text are the worst kind of error, because nothing looks wrong.
#
# A WER says *how much* is wrong, not *what*. Not every difference is a mishearing. Numbers, for one: the
# reference spells them out, and Whisper often writes digits. So look at the confusions before you judge:

# %% tags=["nbval-check-output"]
confused = metrics.word_errors(reference, sequential["text"], language="es")
pd.DataFrame(confused[:8]).set_index("kind")

# %% [markdown]
# | | chunked | sequential |
# |---|---|---|
# | windows | fixed, overlapping | each begins where the last one's segments ended |
# | in a batch | yes, any order | no, only several clips side by side |
# | between windows | texts merged by tokens: words may be lost | no overlap, no merge |
# | if a window goes wrong | its neighbours are decoded all the same | the next may begin at a wrong place |
#
# ## Segments with times
#
# The sequential method gave more than text: each **segment** has a start and an end in seconds. Subtitles
# need that, and so does anyone who wants to find a sentence in an hour of sound.

# %% tags=["nbval-check-output"]
def listing(segments, begin=0):
    """Print segments of the pipeline, one a line, with times in seconds, counted from `begin`."""
    for segment in segments:
        start, end = segment["timestamp"]
        until = "     ?" if end is None else f"{begin + end:6.2f}"
        print(f"{begin + start:6.2f} – {until} {segment['text']}")


listing(sequential["chunks"][:4])

# %% [markdown]
# Chunks and batches give segments too, with the same option. The merge then knows times as well as tokens: a
# segment that ended before the stride is final, and only the rest is compared. We take up to 70 seconds
# around the chunk that lost most; they are cut into the same chunks as before.

# %%
begin = STEP * max(lost - 1, 0)
part = story[begin * RATE : (begin + 70) * RATE]
with course.timed("chunks, batches of 8, with time stamps", len(part) / RATE):
    options = {"chunk_length_s": 30, "batch_size": 8, "return_timestamps": True}
    in_chunks = whisper(sound(part), **options, generate_kwargs=spanish)

# %% tags=["nbval-check-output"]
listing(in_chunks["chunks"], begin)
spoken = [word for word, time in zip(words, times, strict=True) if begin <= time < begin + len(part) / RATE]
heard = metrics.normalise(in_chunks["text"], "es").split()
first, count = longest_gap(spoken, heard)
print(f"{len(heard)} words of about {len(spoken)}; the longest piece missing has {count}:")
print(*spoken[first : first + count][:20])
spans = [segment["timestamp"] for segment in in_chunks["chunks"]]
longest = max((len(part) / RATE if end is None else end) - start for start, end in spans)
print(f"longest segment: {longest:.0f} s")

# %% [markdown]
# Look at the number of words first, then at the lengths of the segments. A segment that runs into a stride
# ends only at the next time stamp outside one; if there is none for a while, the segment grows. A segment of
# half a minute or more is of no use as a subtitle. So for subtitles we go on with the sequential method.
#
# Times are tokens that the model writes, and a model can be wrong: now and then an end lies before its
# start, or the last segment has no end. Subtitles must be in order, so we make sure of it.

# %% tags=["tested"]


def in_order(segments, duration):
    """Segments of the pipeline as (start, end, text) in seconds, none before the one ahead of it.

    A start is moved up to that of the segment before, an end that is missing or late to `duration`, and an
    end before its start to the start.
    """
    ordered, earliest = [], 0.0
    for segment in segments:
        start, end = segment["timestamp"]
        start = min(max(start, earliest), duration)
        end = max(start, duration if end is None else min(end, duration))
        ordered.append((start, end, segment["text"]))
        earliest = start
    return ordered


# %% tags=["nbval-check-output"]
segments = in_order(sequential["chunks"], story_seconds)
pairs = zip(segments, sequential["chunks"], strict=True)
mended = sum(segment[:2] != tuple(given["timestamp"]) for segment, given in pairs)
print(f"{len(segments)} segments, {mended} of them mended")

# %% [markdown]
# That is all a subtitle needs. **SRT** is what video players read, **WebVTT** what browsers read. WebVTT has
# a header line, needs no numbers, and writes a point where SRT writes a comma.
#
# ### Exercise 3.3: the time in a subtitle (5 minutes)
#
# Write seconds as SRT does: hours, minutes, seconds with two digits each, a comma, three digits of
# milliseconds. `stamp(3723.45)` should be `01:02:03,450`.
#
# <details><summary>Hint</summary>Round to whole milliseconds first, then use <code>divmod</code> three times.
# Format with <code>{hours:02}</code> and <code>{thousandths:03}</code>.</details>

# %% tags=["exercise"]
def stamp(seconds):
    """Seconds as an SRT time stamp, HH:MM:SS,mmm."""
    # <solution>
    whole, thousandths = divmod(round(1000 * seconds), 1000)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{whole:02},{thousandths:03}"
    # </solution>


# %% tags=["wrong"]
def stamp(seconds):
    minutes, seconds = divmod(seconds, 60)
    return f"00:{int(minutes):02}:{int(seconds):02},{int(seconds % 1 * 1000):03}"


# %% tags=["wrong"]
def stamp(seconds):
    hours, minutes = int(seconds // 3600), int(seconds // 60 % 60)
    return f"{hours:02}:{minutes:02}:{seconds % 60:06.3f}"


# %% tags=["wrong"]
def stamp(seconds):
    hours, minutes, whole = int(seconds // 3600), int(seconds // 60 % 60), int(seconds % 60)
    return f"{hours:02}:{minutes:02}:{whole:02},{int(seconds * 1000) % 1000:03}"


# %% tags=["check"]
with checking("3.3", "the time in a subtitle"):
    found = stamp(3723.45)
    assert found is not None, "Nothing came back: end the function with return."
    assert "." not in found, "SRT writes a comma before the milliseconds."
    assert found.startswith("01:02:"), "3723.45 s are 1 hour, 2 minutes and 3.45 seconds: minutes end at 59."
    assert stamp(1.001) == "00:00:01,001", "1.001 times 1000 is a little less than 1001: round, do not cut."
    assert stamp(59.9996) == "00:01:00,000", "59.9996 s are a minute: round to milliseconds first of all."
    assert found == "01:02:03,450", f"01:02:03,450 was expected, not {found}."

# %% [markdown]
# The course has the same in `subtitles`, with lines that a viewer can read:

# %% tags=["nbval-check-output"]
from helpers import subtitles

print(subtitles.to_srt(segments)[:330])

# %% tags=["nbval-check-output"]
print(subtitles.to_webvtt(segments)[:330])

# %% [markdown]
# `open("story.srt", "w", encoding="utf-8").write(subtitles.to_srt(segments))` puts them into a file. Here
# they follow the sound: press play, or click a line to jump there.

# %% tags=["nbval-check-output"]
minute = [segment for segment in subtitles.read_segments(segments) if segment.end <= 60]
players.captioned_player(story[: 60 * RATE], RATE, minute, "The first minute")

# %% [markdown]
# ## The time of every word
#
# `return_timestamps="word"` goes finer. Whisper was never taught the times of words; they are read off its
# **cross-attention**: some heads of the decoder look at the frames in which the next word is said. We used
# it at the seam above. Click a word to hear it:

# %% tags=["nbval-check-output"]
first_words = [(text, start, min(end, 30)) for start, end, text in left]
players.word_player(story[: 30 * RATE], RATE, first_words, title="Click a word: the first 30 seconds")

# %% [markdown]
# This is good enough to find a place in a recording, but do not expect exact edges. Lesson 2 shows another
# way to align.
#
# ## Where nobody speaks
#
# Long recordings have pauses, noise and music. Whisper learnt from transcripts found on the internet, in
# which parts without speech were few. So what does it write when nobody speaks? We make twenty seconds each
# of silence, noise and music.
#
# **Before you run:** the next three cells end in a table. For twenty seconds of silence Whisper writes (a)
# nothing (b) a few words (c) text for twenty seconds.

# %% tags=["nbval-check-output"]
seconds = np.arange(20 * RATE) / RATE
silence = np.zeros(len(seconds), np.float32)
noise = 0.02 * np.random.default_rng(0).standard_normal(len(seconds)).astype(np.float32)
music = np.zeros(len(seconds))
for number, key in enumerate([60, 64, 67, 72, 71, 67, 62, 65, 69, 72, 67, 64] * 4):
    age = np.maximum(seconds - 0.4 * number, 0)
    pitch = 440 * 2 ** ((key - 69) / 12)
    tones = sum(np.sin(2 * np.pi * pitch * h * age) / h**1.5 for h in (1, 2, 3, 4))
    music += tones * np.exp(-3 * age) * (age > 0)
music = (0.2 * music / np.abs(music).max()).astype(np.float32)
nobody = {"silence": silence, "noise": noise, "music": music}
players.listen(music[: 6 * RATE], RATE, "Music, from twelve notes")

# %% [markdown]
# Whisper does have a token for it: `<|nospeech|>`. It is never written, only its probability is read: the
# one it has as the first token after `<|startoftranscript|>`.

# %% tags=["nbval-check-output"]
def p_no_speech(samples):
    """Probability of <|nospeech|> as the first token for a clip of up to 30 s, shape (samples,)."""
    found = whisper.feature_extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features
    settings = whisper.model.generation_config
    start = torch.tensor([[settings.decoder_start_token_id]], device=device)
    with torch.inference_mode():
        logits = whisper.model(found.to(device, dtype), decoder_input_ids=start).logits[0, -1]
    # Some checkpoints name the token <|nocaptions|>; in all it is the one before <|notimestamps|>.
    return logits.float().softmax(-1)[settings.no_timestamps_token_id - 1].item()


for name, clip in {**nobody, "speech": story[: 20 * RATE]}.items():
    print(f"{name:8} p(no speech) {p_no_speech(clip):.2f}")

# %% [markdown]
# The decoder goes on writing whatever this probability is. Where nobody speaks, all that it writes is
# invented, and in the middle of an hour's recording such a line looks like any other. Two remedies:
#
# **1. Thresholds, afterwards.** `generate` can look at three hints: the probability above, the mean log
# probability of the text, and how well the text compresses (a loop compresses very well). It skips a window
# when the first is above its threshold and the second below its own. It writes a window again with the next
# `temperature` when the text is improbable or compresses too well. We use thresholds together with time
# stamps, as on a long recording; time stamps alone change the text, so they get a column of their own.

# %%
thresholds = {
    "no_speech_threshold": 0.6,
    "logprob_threshold": -1.0,
    "compression_ratio_threshold": 1.35,
    "temperature": (0.0, 0.4, 0.8),
}
ways = {"plain": {}, "time stamps": {"return_timestamps": True}}
ways["time stamps and thresholds"] = {**ways["time stamps"], **thresholds}
invented = {name: {} for name in nobody}
for name, clip in course.progress(nobody.items(), "Nobody speaks"):
    for way, options in ways.items():
        text = whisper(sound(clip), max_new_tokens=40, **spanish, **options)["text"]
        invented[name][way] = text.strip() or "(nothing)"
pd.DataFrame(invented).T

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> In the first column there is text for clips in which
# nobody speaks: a word or a sentence (at most 40 tokens here). (a) is what the thresholds are for.</details>
#
# 1.35 is the value for Transformers, which compresses the tokens; OpenAI's own program compresses the text,
# and its value is 2.4. Such limits are set by hand and judge a text after it was written: a fluent invention
# can pass them, and a mumbled sentence can fail.
#
# In faster-whisper and OpenAI's program two more options are useful on long recordings.
# `condition_on_previous_text=False` starts each window without the text before it, so that a loop or an
# invented line does not lead to the next; the price is less context. `initial_prompt="Inés, Tomás"` gives
# names and terms before the first window.
#
# **2. Voice activity detection (VAD), beforehand.** A small network answers one question, 31 times a second:
# is somebody speaking? [Silero VAD](https://github.com/snakers4/silero-vad) comes with faster-whisper; there
# `vad_filter=True` turns it on. Give it speech, music, noise, speech:

# %% tags=["tested"]
from faster_whisper.vad import VadOptions, get_speech_timestamps, get_vad_model


def speech_in(samples):
    """Stretches of speech in samples at 16 kHz, as (start, end) in seconds; none under 0.1 s."""
    found = get_speech_timestamps(samples, VadOptions(min_speech_duration_ms=100))
    return [(stretch["start"] / RATE, stretch["end"] / RATE) for stretch in found]


# %%
import librosa

mixed = np.concatenate([story[: 8 * RATE], music[: 8 * RATE], noise[: 4 * RATE], story[8 * RATE : 16 * RATE]])
frames = mixed[: len(mixed) // 512 * 512]
probability = get_vad_model()(frames).ravel()  # one a frame of 512 samples
above, below = plots.axes(rows=2, height=1.5, sharex=True)
librosa.display.waveshow(mixed, sr=RATE, ax=above)
above.set(xlabel="", yticks=[], title="8 s of speech, 8 s of music, 4 s of noise, 8 s of speech")
below.plot(np.arange(len(probability)) * 512 / RATE, probability)
for start, end in speech_in(mixed):
    below.axvspan(start, end, color="#009e73", alpha=0.25)
below.set(xlabel="time (s)", ylabel="p(speech)", ylim=(0, 1.02))
stretches = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in speech_in(mixed))
alt = (
    "Waveform of 28 s, and below it the probability of speech as a curve between 0 and 1; shaded as speech "
    f"are {stretches}"
)
show.figure(below.figure, alt)

# %% tags=["nbval-check-output"]
for name, clip in nobody.items():
    print(f"{name:8} {len(speech_in(clip))} stretches of speech")

# %% [markdown]
# What the detector leaves out, Whisper never hears, and cannot fill with text. It also saves the time of
# decoding it. But it can be wrong too: what it cuts off, nobody can transcribe.
#
# ### Exercise 3.4: back to the recording's time (5 minutes)
#
# You cut a recording to its stretches of speech and join them. Whisper hears the result and finds a word at
# second `time` of it. When was the word said in the recording? With speech from 2 to 5 s and from 9 to 12 s,
# second 4 of the joined sound is second 10 of the recording.
#
# <details><summary>Hint</summary>Go through the stretches. If the time lies within the length of this one,
# add its start; else take its length off the time and go on.</details>

# %% tags=["exercise"]
def in_recording(time, stretches):
    """Seconds in the recording for seconds in its joined stretches, a list of (start, end) in seconds."""
    # <solution>
    for start, end in stretches:
        if time <= end - start:
            return start + time
        time -= end - start
    # </solution>


# %% tags=["wrong"]
def in_recording(time, stretches):
    return time + stretches[0][0]


# %% tags=["wrong"]
def in_recording(time, stretches):
    for start, end in stretches:
        if time <= end:
            return max(time, start)


# %% tags=["wrong"]
def in_recording(time, stretches):
    for start, end in stretches:
        if time <= end - start:
            return start + time


# %% tags=["check"]
with checking("3.4", "back to the recording's time"):
    speech = [(2, 5), (9, 12), (20, 30)]
    first, second, third = (in_recording(time, speech) for time in (1, 4, 8))
    assert first is not None, "Nothing came back for second 1: end the function with return."
    assert first == 3, f"Second 1 of the joined sound is second 3 of the recording, not {first}."
    assert second is not None, "Second 4 lies in the second stretch: take off the first one's length."
    assert second != 24, "Second 4 lies in the second stretch: take the first one's length off the time."
    assert second != 6, "Second 4 lies in the second stretch: the pause from 5 to 9 s must be added too."
    assert (second, third) == (10, 22), f"10 and 22 were expected, not {second} and {third}."

# %% [markdown]
# ## How fast can it be?
#
# What costs time on a long recording, and what of it is needed? Five things, which are often changed at once
# and should be kept apart:
#
# - **Beams.** Five candidate texts cost more than one.
# - **Batches.** Several windows go through the model together. The weights are read once for all of them. A
#   GPU, with thousands of units to fill, gains most.
# - **Attention kernels.** `eager` writes the matrix of scores to memory, `sdpa` usually does not.
# - **Number formats.** float16 on a GPU, bfloat16 where the processor has instructions for it; 8-bit integers
#   (`int8`) on a CPU, with a library made for it: [CTranslate2](https://opennmt.net/CTranslate2/), on which
#   **faster-whisper** is built.
# - **Silence and padding.** A window of 14 s that is padded to 30 s is more than half work on zeros, and
#   silence need not be decoded at all (VAD).
#
# Two more things cost time: **time stamps**, which are tokens to be written, and **context** from the window
# before, which allows only one window after another. Almost every item in this list can change the text as
# well; the WER column shows by how much.
#
# faster-whisper's batched pipeline finds speech with the VAD, joins it to windows of up to 30 s and decodes
# them as a batch, without context and without time stamps inside a window. Our `helpers/longform.py` differs
# in these points: windows of at most 20 s that keep the pauses inside them; batches of similar length, not
# padded to 30 s; a lower threshold and a wider margin around speech; and time stamps, by which text that was
# written for the time after a window's end is dropped. This is how it makes windows:

# %% tags=["tested"]
def pack(stretches, longest):
    """Join neighbouring stretches, (start, end), pauses included, as long as they fit into `longest`."""
    packed = []
    for start, end in stretches:
        if packed and end - packed[-1][0] <= longest:
            packed[-1] = (packed[-1][0], end)
        else:
            packed.append((start, end))
    return packed


# %% tags=["nbval-check-output"]
from helpers import longform

MARGIN = 0.8  # seconds kept before and after speech
settings = VadOptions(
    threshold=0.35,  # p(speech) from which on a frame counts; the default is 0.5
    speech_pad_ms=int(1000 * MARGIN),
    max_speech_duration_s=20 - 2 * MARGIN,
    min_silence_duration_ms=160,
    min_speech_duration_ms=100,
)
found = [(stretch["start"], stretch["end"]) for stretch in get_speech_timestamps(story, settings)]
windows = longform.windows(story)
assert pack(found, 20 * RATE) == [tuple(window) for window in windows]
lengths = [(window.end - window.start) / RATE for window in windows]
print(f"{len(found)} stretches of speech, packed into {len(windows)} windows")
print(f"they hold {sum(lengths):.0f} s; padded to 30 s each it would be {30 * len(windows)} s")
print(f"the shortest is {min(lengths):.1f} s, the longest {max(lengths):.1f} s")

# %% [markdown]
# How short may a window be? Whisper was trained on windows of 30 s. In CTranslate2 its encoder also takes
# shorter ones (Transformers insists on 30 s). We give it the first 4.4 s of the story, padded with silence to
# several lengths. CTranslate2's Whisper takes spectrograms and the first tokens of each text, and gives
# tokens:

# %%
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

compute_type = course.budget(cpu="int8", gpu="int8_float16")
folder = catalog.model("Systran/faster-whisper-base")
threads = torch.get_num_threads()  # as many as the pipeline has
quantized = WhisperModel(folder, device=device, compute_type=compute_type, cpu_threads=threads)
tokenizer = Tokenizer(quantized.hf_tokenizer, multilingual=True, task="transcribe", language="es")
first = {
    "without time stamps": quantized.get_prompt(tokenizer, [], without_timestamps=True),
    "with time stamps": quantized.get_prompt(tokenizer, []),
}


def write(spectrograms, first_tokens):
    """Texts, greedily, of log-mel spectrograms of shape (windows, 80, frames)."""
    encoded = quantized.encode(np.ascontiguousarray(spectrograms))
    firsts = [first_tokens] * len(spectrograms)
    results = quantized.model.generate(encoded, firsts, beam_size=1, max_length=60)
    return [tokenizer.decode_with_timestamps(result.sequences_ids[0]) for result in results]


texts_by_length = {}
for length in (4.4, 6, 9, 12, 30):
    padded = np.pad(story[: int(4.4 * RATE)], (0, int((length - 4.4) * RATE)))
    spectrogram = quantized.feature_extractor(padded, padding=0)[None]
    texts_by_length[f"{length} s"] = {name: write(spectrogram, tokens)[0] for name, tokens in first.items()}
pd.DataFrame(texts_by_length).T

# %% [markdown]
# Compare the rows. Offline, without time stamps, the window that ends with the sound is written twice, and
# stops only at the limit; with more silence behind the sound the repetition goes, and in longer windows
# further words come out right. A likely reason: in training, windows of 30 s nearly always had something
# after the last word. With time stamps the model must write when the sentence ends, and here it stops there.
# So short speech is padded, to `longform.SHORTEST_SECONDS` = 12, and time stamps are on. One sentence proves
# little; the pairs below compare this with padding to 30 s. On padding Whisper may invent text; its time
# stamps often show it.
#
# This is one batch, the eight longest windows, padded to the longest of them and one
# second more:

# %%
batch = sorted(windows, key=lambda window: window.start - window.end)[:8]
spectrograms = longform.features(quantized, story, batch)
print(f"spectrograms {spectrograms.shape}")
for window, text in zip(batch[:3], write(spectrograms, first["with time stamps"]), strict=False):
    print(f"{window.start / RATE:6.1f} s {text[:80]} ...")

# %% [markdown]
# `longform.transcribe` does that for all windows, in batches of similar length, and puts the texts back in
# order.

# %%
with course.timed(f"packed windows, {compute_type}, greedy", story_seconds) as packed_time:
    packed = longform.transcribe(quantized, story, "es", beam_size=1)


# %% tags=["tested"]
def joined(segments):
    """One text from segments of faster-whisper or of `longform`."""
    return " ".join(segment.text.strip() for segment in segments)


# %%
print(f"WER {error_rate(reference, joined(packed)):.1%}, {len(joined(packed).split())} words")
lengths = [segment.end - segment.start for segment in packed]
print(f"{len(packed)} segments, half of them longer than {np.median(lengths):.1f} s")

# %% [markdown]
# Its segments are whole windows, too long for a subtitle: `subtitles` would cut the text to lines and spread
# the window's time over them by length. For subtitles take a sequential method, which has a time for every
# sentence or part of one.
#
# Where nobody speaks it returns nothing:

# %% tags=["nbval-check-output"]
for name, clip in nobody.items():
    print(name, longform.transcribe(quantized, clip, "es", beam_size=1))

# %% [markdown]
# ### A table measured here
#
# Five methods on the whole recording, with weights of the same checkpoint (float32 or int8), all greedy at
# first. Three of them ran above. The errors of a method are counted for each segment of the book, so that an
# interval can be given: we draw segments with replacement, many times over, and 95 % of the results lie
# within it. All methods heard the same segments; so for the comparison with the sequential pipeline we draw
# the *differences*.
#
# **Before you run:** which method is the fastest on a CPU? (a) chunks in batches of eight (b) the sequential
# pipeline (c) faster-whisper, sequential (d) one of the two with 8-bit weights *and* batches.

# %% tags=["tested"]
def errors_per_segment(said, heard):
    """Word errors of a text against each segment of its reference.

    `said` is a list of texts, one a segment, and `heard` one text, all normalised. A word too many counts for
    the segment of the word after it. Returns an array of shape (segments,).
    """
    owner = [number for number, text in enumerate(said) for _ in text.split()]
    errors, place = np.zeros(len(said)), 0
    for edit in alignment.align(" ".join(said).split(), heard.split()):
        errors[owner[min(place, len(owner) - 1)]] += edit.kind != "equal"
        place += bool(edit.target)
    return errors


def interval(errors, lengths, draws=1000):
    """Bounds of 95 % for errors / words, both arrays of shape (segments,), segments drawn anew each time."""
    drawn = np.random.default_rng(0).integers(len(errors), size=(draws, len(errors)))
    return np.percentile(errors[drawn].sum(1) / lengths[drawn].sum(1), [2.5, 97.5])


# %%
from faster_whisper import BatchedInferencePipeline

batched = BatchedInferencePipeline(model=quantized)
given = {"audio": story, "language": "es", "beam_size": 1}
heard = {
    "chunks, batch 8": (chunked, chunked_time.seconds),
    "pipeline, sequential": (sequential["text"], sequential_time.seconds),
}
methods = {
    "faster-whisper, sequential": lambda: quantized.transcribe(**given)[0],
    "faster-whisper, batched": lambda: batched.transcribe(**given, batch_size=16)[0],
}
for name, method in course.progress(methods.items(), "Methods"):
    with course.timed(name, story_seconds) as timing:
        text = joined(method())
    heard[name] = text, timing.seconds
heard["packed windows"] = joined(packed), packed_time.seconds

# %% tags=["report"]
said = [metrics.normalise(text, "es") for text in texts]
lengths = np.array([len(text.split()) for text in said])
errors = {n: errors_per_segment(said, metrics.normalise(text, "es")) for n, (text, _) in heard.items()}
rows = []
for name, (_, seconds) in heard.items():
    row = {"method": name, "seconds": f"{seconds:.1f}", "× real time": f"{story_seconds / seconds:.1f}"}
    low, high = 100 * interval(errors[name], lengths)
    row["WER (95 %)"] = f"{errors[name].sum() / lengths.sum():.1%} ({low:.1f} to {high:.1f})"
    difference = errors[name] - errors["pipeline, sequential"]
    middle, low, high = 100 * difference.sum() / lengths.sum(), *(100 * interval(difference, lengths))
    row["minus sequential, points"] = f"{middle:+.1f} ({low:+.1f} to {high:+.1f})"
    rows.append(row)
processor = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
print(f"{len(said)} segments, {lengths.sum()} words, {story_seconds:.0f} s; {processor}; one run each")
pd.DataFrame(rows).set_index("method")

# %% [markdown]
# <details><summary>Your prediction</summary>On a CPU <b>d</b>: the last two rows need about the
# same time. (a) and (b) compute in 32 bits, (c) decodes one window after another. A GPU may order them
# differently.</details>
#
# A method whose last interval lies above 0 made more errors than the sequential pipeline. Where the interval
# holds 0, these few segments cannot tell the two apart. From row 1 to row 2 the windows, the merge, the batch
# and the time stamps change. From row 2 to row 3 the library changes, with thresholds, second attempts and
# context of its own, and the number format. From row 3 to row 4 several things change at once: batches, no
# context, no time stamps inside a window, the VAD, and no second attempts at other temperatures. From row 4
# to row 5 all the points listed above change.
#
# ### The stored table
#
# One recording is not enough to choose by, least of all one read by two synthetic voices, without noise,
# haste or slips of the tongue. So the same methods, and a few others, were measured on five kinds of
# recording:
#
# - *book*: the audiobook above, as it is offline;
# - *calls*: bank customers' short sentences with pauses of a second, also synthetic voices;
# - *commands*: short commands and sentences of people, English and French, joined with pauses of a second;
# - *telephone*: prompts of telephone exchanges, spoken by people at 8 kHz (English, French, Spanish), joined
#   in the same way;
# - *reading*: five LibriVox sentences, read by one person.
#
# Commands and telephone prompts may not be shipped with this course, their figures may. `make bench` measures
# all of it: each method runs in a process of its own, once, on one thread; the seconds are those of the
# processor, so other programs do not count. Loading the model and a first run of 12 s are not timed. All
# methods have the weights of the same checkpoint. Unless a name says otherwise, faster-whisper, packed
# windows and OpenVINO use 8-bit integers, Transformers float32; all keep one beam.
#
# **Before you run:** on one core, how long do batches of eight chunks take, compared with one chunk after
# another? (a) less than half the time (b) between half and all of it (c) longer

# %% tags=["nbval-check-output", "report"]
import json

bench = json.loads((catalog.asset("bench") / "long_form.json").read_text(encoding="utf-8"))
recordings = bench["recordings"]


def measured(method, names, key):
    """Figures of a method on some recordings, one an entry."""
    return [bench["methods"][method][name][key] for name in names]


def word_counts(names):
    """Words of each segment of some recordings, shape (segments,)."""
    return np.concatenate([recordings[name]["words"] for name in names])


rows = []
for method, found in bench["methods"].items():
    speed = recordings["book.es"]["seconds"] / found["book.es"]["seconds"]
    row = {"method": method, "book, × real time": f"{speed:.1f}"}
    row["peak MB"] = max(figures["memory"] for figures in found.values())
    for name in recordings:
        rate = sum(found[name]["errors"]) / word_counts([name]).sum() if name in found else None
        row[name] = "–" if rate is None else f"{rate:.1%}"
    rows.append(row)
print(f"{bench['machine']}, {bench['threads']} thread, {bench['date']}; {bench['versions']}")
for name, about in recordings.items():
    print(f"{name:13}{about['seconds']:5.0f} s {sum(about['words']):5} words  {about['source']}")
one, eight = (bench["methods"][f"Transformers, chunks, batch {n}"]["book.es"]["seconds"] for n in (1, 8))
print(f"book, chunks one after another: {one:.0f} s; in batches of eight: {eight:.0f} s")
pd.DataFrame(rows).set_index("method")

# %% [markdown]
# <details><summary>Your prediction</summary><b>b</b>, by the last line above the table. A batch reads the
# decoder's weights once for all its chunks, but runs until the longest of its texts is done.</details>
#
# The last columns are WER. A dash means not measured: the Transformers rows are slow, so they were measured
# on fewer recordings. Read a column from top to bottom: what is good in *book* need not be good elsewhere.

# %% tags=["nbval-check-output"]
panels = plots.axes(rows=2, columns=2, height=2.3, sharex=True).ravel()
families = {"Transformers": "o", "faster-whisper": "s", "packed windows": "^", "OpenVINO": "D", "": "v"}
seen = []  # name of the recording, family of the method, seconds, WER
for ax, name in zip(panels, ("book.es", "commands.en", "telephone.en", "reading.en"), strict=True):
    for method, found in bench["methods"].items():
        if name in found:
            family = next(one for one in families if method.startswith(one))
            seconds = 60 * found[name]["seconds"] / recordings[name]["seconds"]
            seen.append((name, family, seconds, 100 * sum(found[name]["errors"]) / word_counts([name]).sum()))
    for family, marker in families.items():
        points = [point[2:] for point in seen if point[:2] == (name, family)]
        ax.plot(*zip(*points, strict=True), marker, label=family or "others")
    ax.set(title=name, xscale="log", ylim=(0, 32), ylabel="WER (%)")
    ax.set_xticks([1, 2, 5, 10, 20, 50], [1, 2, 5, 10, 20, 50])
    ax.minorticks_off()
panels[3].set_xlabel("seconds for a minute of sound")
panels[0].figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
seen = pd.DataFrame(seen, columns=["name", "family", "seconds", "WER"])
panels_say = "; ".join(
    f"{name}: WER from {part['WER'].min():.0f} to {part['WER'].max():.0f} %, "
    f"the fastest method at {part.loc[part['seconds'].idxmin(), 'WER']:.0f} %"
    for name, part in seen.groupby("name", sort=False)
)
alt = f"WER against seconds for a minute of sound, one panel a recording, one mark a method. {panels_say}"
show.figure(panels[0].figure, alt)

# %% [markdown]
# Lower left is better. Now pairs of rows, most of which differ in one thing; the exceptions are named below
# the table. The interval of the difference in WER is drawn over segments that both methods heard, as above.

# %% tags=["nbval-check-output"]
FAST, PIPE, OPEN = "faster-whisper", "Transformers", "OpenVINO GenAI"
CHUNKS, WINDOWS = f"{PIPE}, chunks, batch", f"{FAST}, VAD windows, batch"
pairs = {
    "beams: 5 → 1, chunks": (f"{CHUNKS} 8, 5 beams", f"{CHUNKS} 8"),
    "batch: 1 → 8, chunks": (f"{CHUNKS} 1", f"{CHUNKS} 8"),
    "attention: eager → sdpa": (f"{CHUNKS} 8, eager attention", f"{CHUNKS} 8"),
    "numbers: float32 → bfloat16": (f"{CHUNKS} 8", f"{CHUNKS} 8, bfloat16"),
    "chunks: with time stamps": (f"{CHUNKS} 8", f"{CHUNKS} 8, time stamps"),
    "chunks → sequential": (f"{CHUNKS} 8, time stamps", f"{PIPE}, sequential"),
    "library: Transformers → faster-whisper": (f"{PIPE}, sequential", f"{FAST} float32, sequential"),
    "library: Transformers → ONNX Runtime": (f"{PIPE}, sequential", "ONNX Runtime float32, sequential"),
    "numbers: float32 → int8": (f"{FAST} float32, sequential", f"{FAST}, sequential"),
    "numbers: float32 → int8, OpenVINO": (f"{OPEN} float32, sequential", f"{OPEN}, sequential"),
    "beams: 1 → 5": (f"{FAST}, sequential", f"{FAST}, sequential, 5 beams"),
    "VAD before the windows": (f"{FAST}, sequential", f"{FAST}, sequential, VAD"),
    "windows of the VAD, no context": (f"{FAST}, sequential, VAD", f"{WINDOWS} 1, time stamps"),
    "no time stamps": (f"{WINDOWS} 1, time stamps", f"{WINDOWS} 1"),
    "batch: 1 → 16": (f"{WINDOWS} 1", f"{WINDOWS} 16"),
    "padding: 30 s → 12 s or more": ("packed windows, padded to 30 s", "packed windows"),
    "beams: 1 → 2": ("packed windows", "packed windows, 2 beams"),
    "faster-whisper → packed windows": (f"{FAST}, sequential", "packed windows"),
    "faster-whisper → OpenVINO": (f"{FAST}, sequential", f"{OPEN}, sequential"),
    "OpenVINO → packed windows, 2 beams": (f"{OPEN}, sequential", "packed windows, 2 beams"),
}
print(f"{len(pairs)} pairs")

# %% tags=["nbval-check-output", "report"]
def difference(before, after, names):
    """Difference of two methods' WER on some recordings in points, and its interval, as one text."""
    errors = [np.concatenate(measured(method, names, "errors")) for method in (before, after)]
    change, counts = errors[1] - errors[0], word_counts(names)
    low, high = 100 * interval(change, counts)
    return f"{100 * change.sum() / counts.sum():+.1f} ({low:+.1f} to {high:+.1f})"


rows = []
for change, (before, after) in pairs.items():
    both = [name for name in recordings if all(name in bench["methods"][m] for m in (before, after))]
    times = [sum(measured(method, both, "seconds")) for method in (before, after)]
    made = [name for name in both if name.split(".")[0] in ("book", "calls")]
    people = [name for name in both if name not in made]
    row = {"change": change, "time ×": f"{times[1] / times[0]:.2f}"}
    row["WER, synthetic voices"] = difference(before, after, made) if made else "–"
    row["WER, people"] = difference(before, after, people) if people else "–"
    rows.append(row)
pd.DataFrame(rows).set_index("change")

# %% [markdown]
# A time below 1 is a gain if no speech was lost. The 0.87 of the VAD is not: calls are faster because most of
# their speech is not decoded; the book and the telephone prompts take slightly longer. A negative difference
# in WER is a gain. What beams cost depends on the method: with chunks in batches of eight, five beams took
# eight times as long as one, in faster-whisper 1.4 times. The last three rows compare whole methods. Three of
# the others change more than one thing. faster-whisper adds thresholds, second attempts and the text of the
# window before; Transformers, as used here, has none of these. Windows of the VAD lose context and second
# attempts. Chunks → sequential also gives up the batch.
#
# **A detector can lose speech.** Look at the column *calls.en*: with faster-whisper's VAD two thirds of the
# words are gone. At its default threshold of 0.5 the detector keeps 22 s of these 100 s; at 0.35, which the
# packed windows use, 82 s. Nothing in the text shows it, but its length does. On people's commands the VAD
# raises the WER by 5.6 points (1.7 to 10.9). In windows cut by it, leaving the time stamps out adds 18 points
# (4.7 to 34.5). On telephone prompts the VAD changes no error count.
#
# The settings of the packed windows were chosen on the book and on these very commands; telephone and reading
# were new to them.
#
# [OpenVINO GenAI](https://github.com/openvinotoolkit/openvino.genai) is Intel's library; it runs on other
# makers' processors too. It is not part of this course, because its converter does not work with the library
# versions used here. To try it, make an environment of its own (`pip install openvino-genai soundfile
# huggingface_hub`) and take a checkpoint from the Hub that is already converted:
#
# ```python
# import openvino_genai, soundfile
# from huggingface_hub import snapshot_download
#
# folder = snapshot_download("OpenVINO/whisper-base-int8-ov")
# whisper = openvino_genai.WhisperPipeline(folder, "CPU")
# samples, rate = soundfile.read("recording_16_kHz_mono.wav", dtype="float32")
# print(whisper.generate(samples.tolist(), language="<|en|>", task="transcribe", return_timestamps=True))
# ```
#
# **What to take:**
#
# - On a CPU, where time or money counts: OpenVINO GenAI. It is the fastest on the book, needs no detector and
#   no settings, and its errors could not be told from those of packed windows with two beams (last row of the
#   pairs; the people there include the commands on which the packed windows were tuned).
# - On a CPU, with what is installed here: faster-whisper, one window after another. It has a time for every
#   sentence.
# - With Transformers alone: the pipeline with `return_timestamps=True`, greedy. Chunks are for CTC models.
# - `longform.transcribe` shows what windows, padding and batches are worth.
# - On a GPU: run this lesson there and read the table measured there. We have not measured one.
#
# In each case say the language, and check the method on a few minutes of your own recordings, reading the
# text while you listen. A VAD can keep invented text out of stretches without speech. It can also cut speech
# off, and in no recording of this table did it lower the WER: compare the number of words with and without
# it.
#
# bfloat16 halves the memory of the weights compared with float32. Whether it also saves time depends on the
# processor: compare its row. `torch.compile` first writes and compiles code for a model, and may do so again
# when the shape of the input changes. That pays where the same shapes pass thousands of times, and not for
# one recording.
#
# ## An hour, and ten thousand hours
#
# One hour has to fit into memory; an archive has to be paid for. For the hour we count bytes. For the archive
# we take the speeds measured above, and for GPUs the speeds of the Open ASR Leaderboard (English, short
# clips, 22 May 2026; they are of one GPU there, with large batches, and say nothing about long recordings).

# %%
hour = 3600
print(f"an hour: {hour * RATE * 4 / 1e6:.0f} MB of samples, {hour * 100 * 80 * 4 / 1e6:.0f} MB of log-mel")
ARCHIVE = 10_000  # hours
speeds = {(name, "this machine"): story_seconds / seconds for name, (_, seconds) in heard.items()}
speeds |= {
    (name, "GPU, leaderboard"): speed
    for name, speed in {
        "Whisper large-v3": 146,
        "Whisper large-v3-turbo": 200,
        "distil-large-v3.5": 202,
        "Parakeet-TDT v3": 3333,
        "FastConformer-CTC 115M": 6399,
    }.items()
}
rows = [
    {
        "method": name,
        "where": where,
        "× real time": f"{speed:,.0f}",
        "an hour (min)": f"{60 / speed:.2f}",
        f"{ARCHIVE:,} hours (days)": f"{ARCHIVE / speed / 24:,.1f}",
    }
    for (name, where), speed in speeds.items()
]
pd.DataFrame(rows).set_index("method")

# %% [markdown]
# An hour fits into memory if windows go through one after another or in batches of a fixed size. For the
# archive, compare only rows that name the same "where": the models on the GPU are not the one on this
# machine.
#
# ### Exercise 3.5: how many machines? (3 minutes)
#
# An archive of `hours` must be transcribed within `days`, around the clock, by machines that each run at
# `speed` × real time. How many machines are needed? 10,000 hours in 7 days at 20 × real time: 3.
#
# <details><summary>Hint</summary>One machine does <code>24 * speed</code> hours of sound a day. You cannot
# rent a part of a machine: round up with <code>math.ceil</code>.</details>

# %% tags=["exercise"]
import math


def machines(hours, days, speed):
    """Machines needed for `hours` of sound within `days` at `speed` × real time each."""
    # <solution>
    return math.ceil(hours / (24 * speed * days))
    # </solution>


# %% tags=["wrong"]
def machines(hours, days, speed):
    return round(hours / (24 * speed * days))


# %% tags=["wrong"]
def machines(hours, days, speed):
    return math.ceil(hours / (speed * days))


# %% tags=["wrong"]
def machines(hours, days, speed):
    return math.ceil(hours * speed / (24 * days))


# %% tags=["check"]
with checking("3.5", "how many machines"):
    found = machines(10_000, 7, 20)
    assert found is not None, "Nothing came back: end the function with return."
    assert found != 72, "That is the number if a machine worked one hour a day: a day has 24."
    assert machines(10_000, 7, 40) <= found, "Faster machines are fewer machines: divide by the speed."
    assert machines(10_000, 7, 24) == 3, "2.5 machines are three machines: round up."
    assert found == 3, f"3 was expected, not {found}."

# %% [markdown]
# ## Who speaks?
#
# Whisper writes what is said, not who says it, and where two people speak at once it writes one of them or a
# mixture. Finding who speaks when is called **diarization**. The library to reach for is
# [pyannote.audio](https://github.com/pyannote/pyannote-audio); its models need an account on the Hub. Give it
# the same recording, and give each word the speaker whose stretch it lies in; for that you need the times of
# words.
#
# ## How sure are we?

# %% tags=["nbval-check-output"]
print(f"{len(clips)} segments of an audiobook, {lengths.sum()} words: one word is {1 / lengths.sum():.2%}")
by_people = [name for name in recordings if name.split(".")[0] not in ("book", "calls")]
counts = word_counts(by_people)
print(f"stored table, people: {len(counts)} segments, {counts.sum()} words: one is {1 / counts.sum():.2%}")

# %% [markdown]
# On the audiobook, chunks of 30 s can lose whole stretches, and nothing in the text shows it. A method that
# is good there is not always good on commands with pauses. All times are of one run each; another process
# would change those measured here. *Reading* is one person and five sentences: it can show a disaster, not a
# difference. Nothing here says how these methods do with music under the speech, with several speakers at
# once, or with languages other than English, French and Spanish.
#
# ## Take it with you
#
# This script needs nothing of the course. It writes a text and subtitles for a recording, or for every
# recording in a folder. Stop it and start it again: what is finished stays. `accelerate launch
# transcribe_long.py recordings/` starts one process a GPU, and each takes its share. `--model` takes a folder
# too; offline, `python -m helpers where Systran/faster-whisper-base` prints the one used here.
#
# {script: transcribe_long.py}
#
# ## More to try
#
# 1. **Shorter stride.** Transcribe the first 90 s twice with `chunk_length_s=30`: once with the default
#    stride, once with `stride_length_s=1`. Which words change? *Hint:* `show.diff` of both texts.
# 2. **How long may a window be?** Run `longform.transcribe(quantized, story, "es", seconds=...)` with 4, 8,
#    12, 20 and 28 seconds, and plot WER against time. *Hint:* `course.timed` inside a loop.
# 3. **Subtitles in another language.** Write English subtitles for the story. *Hint:* `task="translate"`.
# 4. **Music in the middle.** Put 20 s of `music` into the middle of the story and compare the texts of
#    faster-whisper with and without `vad_filter=True`. *Hint:* `np.concatenate`.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Radford et al., [Robust Speech Recognition via Large-Scale Weak
#   Supervision](https://arxiv.org/abs/2212.04356) (2022), sections 3.8 and 4.5: sequential long-form
#   decoding and its thresholds.
# - Gandhi et al., [Distil-Whisper](https://arxiv.org/abs/2311.00430) (2023): chunked against sequential,
#   measured.
# - Bain et al., [WhisperX](https://arxiv.org/abs/2303.00747) (2023): cutting and merging by voice activity,
#   in batches.
# - Transformers: [Whisper](https://huggingface.co/docs/transformers/model_doc/whisper) and its long-form
#   options.
# - [faster-whisper](https://github.com/SYSTRAN/faster-whisper) and
#   [CTranslate2](https://opennmt.net/CTranslate2/quantization.html): quantization, CPU types.
# - W3C, [WebVTT](https://www.w3.org/TR/webvtt1/): the subtitle format of the web.
