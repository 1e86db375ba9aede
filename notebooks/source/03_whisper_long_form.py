# %%
from helpers import course

course.start("03")

# %% [markdown]
# ## Five minutes of speech
#
# An audiobook comes in short segments. **Streaming** reads them one after another: we take as many as make
# five minutes and need not download the rest. Joined, they are one recording.

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
    if sum(map(len, clips)) >= 300 * RATE:
        break
story, reference = np.concatenate(clips), " ".join(texts)
story_seconds = len(story) / RATE
print(f"{len(clips)} segments, {story_seconds:.0f} s, {len(reference.split())} words")

# %% tags=["nbval-check-output"]
from helpers import players

players.listen(story[: 30 * RATE], RATE, "The first 30 seconds")

# %% [markdown]
# ## What happens if we pass it whole?
#
# The same pipeline as in lesson 1, and the whole recording at once. (It gets a copy in a new dict: a
# pipeline empties the dict it is given.)

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
# Transformers 5 refuses, and says why: more than 3000 columns of log-mel spectrogram, 100 a second, are
# more than 30 seconds. Older versions cut the clip without a message. The feature extractor still does, if
# we call it ourselves:

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
# No warning, no error, and most of the text is missing. The first lines look right, so reading them does
# not help: **compare the length of the text with the length of the sound.** People say two to three words a
# second.
#
# ## Why not a longer window?
#
# Because in a transformer's encoder every frame looks at every other. Whisper's encoder has 50 frames a
# second, and each **attention head** of each layer computes a score for every pair: a matrix of frames ×
# frames. Twice the sound, four times the memory.

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
    "Two rising lines that start together at 0.4 GB for half a minute: with windows of 30 s an hour needs "
    "52 GB, with one window more than 6,000 GB"
)
show.figure(ax.figure, alt)

# %% [markdown]
# That is what *all* layers need if their matrices are kept, as in training. In inference one layer is
# needed at a time, and an attention kernel such as `sdpa` never stores a whole matrix. The time still grows
# with the square. And Whisper was trained on 30 s: it has exactly 1500 position vectors, one for each frame
# of a window.
#
# ## Chunks with stride
#
# So the clip is cut into **chunks** of 30 s. A cut may fall in the middle of a word, and the words near an
# edge lack their context. Therefore neighbours overlap: each chunk has a **stride** on both sides, by default
# a sixth of its length, 5 s. Two neighbours share 10 s, and their two texts are merged there.
#
# ![Three chunks of 30 seconds on a time axis, each 20 seconds after the one before; neighbours overlap by
# 10 seconds. All go into the model as one batch, and their texts are joined where the words in the overlap
# agree.](../images/long_form_chunks.svg)
#
# No chunk needs the text of the one before it: chunking is **stateless**. So they can be transcribed in any
# order, or all at once in a batch, and two machines could share the work.
#
# Let us look at one seam. The first chunk hears seconds 0 to 30, the second 20 to 50. What does each hear
# in the ten seconds they share?

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
shared_left = [word for word in left if word[0] >= STEP]
shared_right = [word for word in right if word[1] <= 30]
print(f"{len(shared_left)} words in the left chunk's last 10 s, {len(shared_right)} in the right's first")

# %% tags=["nbval-check-output"]
BEGIN = 24
lanes = {
    name: [(start - BEGIN, min(end, 30) - BEGIN, text) for start, end, text in words if BEGIN <= start < 30]
    for name, words in {"first chunk": left, "second chunk": right}.items()
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
# Where the chunks differ, it is mostly at the outer edges, where one of the two lacks context.
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
# "Very experimental" is the library's own word for chunks with a model that writes text freely, and it
# names the alternative, which comes below. (Chunks with a CTC model are safe: CTC gives each frame its own
# token, so the pipeline can drop exactly the frames of the strides.)
#
# The course from which this lesson descends ran these two options on 317 s of Spanish on a V100, a GPU of
# 2017: 3.45 s, and over 30 s on its CPU. Yours are in the line above.
#
# `generate_kwargs` holds what the model's `generate` should know. Two of them matter here. Without
# `language`, each chunk guesses its language anew, and a short last chunk may guess wrong. Without
# `num_beams=1`, the pipeline keeps five candidate texts (beams), which takes longer; the tables below say how
# much, and what it buys.

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
# rest of that sentence and then its end-of-text token, with most of the chunk still to come, and nothing in
# the pipeline notices. Compare the first count of words in the output above with what is said. With time
# stamps (second count) each segment says until when it goes, and the next one starts there, which makes an
# early end less likely.
#
# **The merge drops words.** It knows tokens, not times. It lays the right chunk's tokens under the left
# chunk's, its first one under their last, then shifts them one token further at a time until only the other
# two ends touch. At each shift it counts the places where both have the same token and divides by the shift.
# The shift with the largest share wins (two equal tokens are the least), and the texts are joined in the
# middle of the overlap: the left chunk's tokens after it are dropped, and the right chunk's before it. Where
# one chunk ended early, or hears one word more than its neighbour, the true shift has a small share or does
# not exist, and a chance shift wins.

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
    "chunks 0 and 1": [" ".join(word[2] for word in side) for side in (left, right)],
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
    f"the highest line of {name} reaches {max(share):.0%}" for name, share in shares.items()
)
show.figure(rows[-1].figure, alt)

# %% [markdown]
# Ten seconds that both chunks heard alike stand out as one high line; one word that only one of them has is
# enough to lower it. Where no line stands out, the seam is a guess.
#
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
# | between windows | texts merged by tokens: words may be lost or doubled | no overlap, no merge |
# | when a window goes wrong | its neighbours are safe | the next one may begin in the wrong place |
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
# Chunks and batches give segments too, with the same option. The merge then knows times as well as tokens:
# what ended before the overlap is settled, and only the rest is compared. We take two minutes around the
# chunk that lost most; they are cut into the same chunks as before.

# %%
begin = STEP * max(lost - 3, 0)
part = story[begin * RATE : (begin + 120) * RATE]
with course.timed("chunks, batches of 8, with time stamps", len(part) / RATE):
    options = {"chunk_length_s": 30, "batch_size": 8, "return_timestamps": True}
    in_chunks = whisper(sound(part), **options, generate_kwargs=spanish)

# %% tags=["nbval-check-output"]
listing(in_chunks["chunks"], begin)
spoken = [word for word, time in zip(words, times, strict=True) if begin <= time < begin + 120]
heard = metrics.normalise(in_chunks["text"], "es").split()
first, count = longest_gap(spoken, heard)
print(f"{len(heard)} words of about {len(spoken)}; the longest piece missing has {count}:")
print(*spoken[first : first + count][:20])
ends = [120 if end is None else end for _, end in (segment["timestamp"] for segment in in_chunks["chunks"])]
longest = max(end - segment["timestamp"][0] for end, segment in zip(ends, in_chunks["chunks"], strict=True))
print(f"longest segment: {longest:.0f} s")

# %% [markdown]
# Look at the number of words first, then at the lengths of the segments. A segment that reaches into an
# overlap is closed by the next time stamp outside, and if there is none for a while, it goes on. A segment
# of half a minute or more is of no use as a subtitle. So for subtitles we go on with the sequential method.
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
# That is all a subtitle needs. **SRT** is what video players read, **WebVTT** what browsers read. They
# differ in little more than a comma:

# %% tags=["nbval-check-output"]
from helpers import subtitles

print(subtitles.to_srt(segments)[:330])

# %% tags=["nbval-check-output"]
print(subtitles.to_webvtt(segments)[:330])

# %% [markdown]
# `subtitles.write(segments, "story.srt")` puts them into a file. Here they follow the sound: press play, or
# click a line to jump there.

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
# Long recordings have pauses, noise and music. Whisper learnt from subtitles, and there was nearly always
# some text. So what does it write when nobody speaks? We make twenty seconds each of silence, noise and
# music.

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
# The decoder goes on writing whatever this probability is. What it writes is invented, and in the middle of
# an hour's recording such a line looks like any other. Two remedies:
#
# **1. Thresholds, afterwards.** `generate` can look at three hints: the probability above, the mean log
# probability of the text, and how well the text compresses (a loop compresses very well). It skips a window
# when the first is above its threshold and the second below its own. It writes a window again with the next
# `temperature` when the text is improbable or compresses too well. Thresholds need time stamps, and time
# stamps alone change the text, so they get a column of their own.

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
# 1.35 is the value for Transformers, which compresses the tokens; OpenAI's own program compresses the text,
# and its value is 2.4. Such limits are set by hand and judge a text after it was written: a fluent invention
# can pass them, and a mumbled sentence can fail.
#
# In faster-whisper and OpenAI's program two more options belong here. `condition_on_previous_text=False`
# starts each window without the text before it, so that a loop or an invented line does not lead to the
# next; the price is less context. `initial_prompt="Inés, Tomás"` gives names and terms before the first
# window.
#
# **2. Voice activity detection (VAD), beforehand.** A small network that answers one question, 31 times a
# second: does somebody speak? [Silero VAD](https://github.com/snakers4/silero-vad) comes with
# faster-whisper; there `vad_filter=True` turns it on. Give it speech, music, noise, speech:

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
# ## How fast can it be?
#
# What costs time on a long recording, and what of it is needed? Five things, which are often changed at once
# and should be kept apart:
#
# - **Beams.** Five candidate texts cost more than one.
# - **Batches.** Several windows go through the model together. A GPU has thousands of units to fill; a CPU
#   with two cores is busy with one window.
# - **Attention kernels.** `sdpa` never writes the matrix of scores to memory, `eager` does.
# - **Number formats.** float16 on a GPU, bfloat16 where the processor has instructions for it; 8-bit integers
#   (`int8`) on a CPU, with a library made for it: [CTranslate2](https://opennmt.net/CTranslate2/), on which
#   **faster-whisper** is built.
# - **Silence and padding.** A window of 14 s that is padded to 30 s is more than half work on zeros, and
#   silence need not be decoded at all (VAD).
#
# And two that change the text: **time stamps** are tokens, which take time to write, and **context** from the
# window before needs one window after another.
#
# faster-whisper's batched pipeline finds speech with the VAD, joins it to windows of up to 30 s and decodes
# them as a batch, without context and without time stamps inside a window. Our `helpers/longform.py` differs
# in four points: shorter windows; batches of similar length, padded to the longest of the batch and not to
# 30 s; a wider margin around speech; and time stamps. Here are its windows:

# %% tags=["nbval-check-output"]
from helpers import longform

windows = longform.windows(story)
lengths = [(window.end - window.start) / RATE for window in windows]
print(f"{len(windows)} windows hold {sum(lengths):.0f} s; padded to 30 s, {30 * len(windows)} s")
print(f"the shortest is {min(lengths):.1f} s, the longest {max(lengths):.1f} s")

# %% tags=["nbval-check-output"]
numbered = [(window.start / RATE, window.end / RATE, str(n + 1)) for n, window in enumerate(windows)]
ax = plots.axes(height=1.6)
plots.timeline({"odd": numbered[::2], "even": numbered[1::2]}, duration=story_seconds, ax=ax)
alt = (
    f"{len(windows)} bars, numbered, one after another along {story_seconds:.0f} s in two rows; hardly a "
    "gap is left between the end of one and the start of the next"
)
show.figure(ax.figure, alt)

# %% [markdown]
# Whisper was trained on windows of 30 s, but its encoder also takes shorter ones: fewer frames, fewer
# positions. There is a limit. In a window of two or three seconds Whisper often writes a short sentence
# twice or more often, so short speech is padded, to `longform.SHORTEST_SECONDS`. On padding Whisper may
# invent text, but its time stamps show it: what begins after the end of the window is dropped.
#
# This is the method for one batch, the eight longest windows. CTranslate2's Whisper takes spectrograms and
# the first tokens of each text, and gives tokens:

# %%
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

compute_type = course.budget(cpu="int8", gpu="int8_float16")
folder = catalog.model("Systran/faster-whisper-base")
threads = torch.get_num_threads()  # as many as the pipeline has
quantized = WhisperModel(folder, device=device, compute_type=compute_type, cpu_threads=threads)
tokenizer = Tokenizer(quantized.hf_tokenizer, multilingual=True, task="transcribe", language="es")
prompt = quantized.get_prompt(tokenizer, [])

batch = sorted(windows, key=lambda window: window.start - window.end)[:8]
spectrograms = longform.features(quantized, story, batch)
encoded = quantized.encode(spectrograms)
results = quantized.model.generate(encoded, [prompt] * len(batch), beam_size=2)
first_tokens = quantized.hf_tokenizer.decode(prompt, skip_special_tokens=False)
print(f"spectrograms {spectrograms.shape}, first tokens {first_tokens}")
for window, result in zip(batch[:3], results[:3], strict=True):
    text = tokenizer.decode_with_timestamps(result.sequences_ids[0])
    print(f"{window.start / RATE:6.1f} s {text[:80]} ...")

# %% [markdown]
# `longform.transcribe` does that for all windows, in batches of similar length, and puts the texts back in
# order. It keeps two beams.

# %%
with course.timed(f"packed windows, {compute_type}, 2 beams", story_seconds) as packed_time:
    packed = longform.transcribe(quantized, story, "es")


# %% tags=["tested"]
def joined(segments):
    """One text from segments of faster-whisper or of `longform`."""
    return " ".join(segment.text.strip() for segment in segments)


# %%
print(f"WER {error_rate(reference, joined(packed)):.1%}, {len(joined(packed).split())} words")
print(joined(packed)[:200], "...")
lengths = sorted(segment.end - segment.start for segment in packed)
print(f"{len(packed)} segments; half of them are longer than {lengths[len(lengths) // 2]:.1f} s")

# %% [markdown]
# Its segments are whole windows, too long for a subtitle: `subtitles` would cut the text to lines and spread
# the window's time over them by length. For subtitles take the sequential method, which has a time for every
# sentence or part of one.
#
# Where nobody speaks it returns nothing:

# %% tags=["nbval-check-output"]
for name, clip in nobody.items():
    print(name, longform.transcribe(quantized, clip, "es"))

# %% [markdown]
# ### The table, here
#
# Each method on the same excerpt, which is short on a CPU, so that the slow ones do not keep us waiting. From
# one row to the next one thing changes, where that is possible.

# %%
from faster_whisper import BatchedInferencePipeline

cut = course.budget(cpu=4, gpu=len(clips))
excerpt, said = np.concatenate(clips[:cut]), " ".join(texts[:cut])
batched = BatchedInferencePipeline(model=quantized)


def chunks(batch_size, model=whisper, **generate):
    """Text of the excerpt by the pipeline with chunks of 30 s."""
    generate = {"language": "spanish", **generate}
    return model(sound(excerpt), chunk_length_s=30, batch_size=batch_size, generate_kwargs=generate)["text"]


def another(**options):
    """The pipeline once more, with another number format or attention kernel."""
    options = {"dtype": dtype, "device": device, **options}
    found = pipeline("automatic-speech-recognition", model=checkpoint, **options)
    found.tokenizer.pad_token = found.tokenizer.eos_token
    return found


eager = another(model_kwargs={"attn_implementation": "eager"})
halved = another(dtype=torch.bfloat16)

# %%
faster = {"audio": excerpt, "language": "es"}
methods = {
    "chunks, batch 8, 5 beams": lambda: chunks(8, num_beams=5),
    "chunks, batch 8, greedy": lambda: chunks(8, num_beams=1),
    "chunks, batch 1, greedy": lambda: chunks(1, num_beams=1),
    "chunks, batch 1, greedy, eager attention": lambda: chunks(1, eager, num_beams=1),
    "chunks, batch 1, greedy, bfloat16": lambda: chunks(1, halved, num_beams=1),
    "sequential, greedy": lambda: whisper(
        sound(excerpt), return_timestamps=True, generate_kwargs=spanish
    )["text"],
    "faster-whisper, greedy": lambda: joined(quantized.transcribe(**faster, beam_size=1)[0]),
    "faster-whisper, greedy, VAD": lambda: joined(
        quantized.transcribe(**faster, beam_size=1, vad_filter=True)[0]
    ),
    "faster-whisper batched, greedy": lambda: joined(
        batched.transcribe(**faster, beam_size=1, batch_size=16)[0]
    ),
    "packed windows, greedy": lambda: joined(longform.transcribe(quantized, excerpt, "es", beam_size=1)),
}
# %%
length, measured, heard = len(excerpt) / RATE, [], {}
for name, method in course.progress(methods.items(), "Methods"):
    with course.timed(name, length) as timing:
        heard[name] = method()
    measured.append({"method": name, "seconds": timing.seconds, "× real time": length / timing.seconds})

# %% tags=["report"]
table = pd.DataFrame(measured).set_index("method").round(1)
table["WER"] = [f"{error_rate(said, text):.1%}" for text in heard.values()]
processor = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
print(f"{length:.0f} s of the story, {len(said.split())} words; {processor}; one run each")
table

# %% [markdown]
# In an excerpt this short one word is more than half a point of WER, so small differences say nothing. Read
# the times in pairs: beams (rows 1 and 2), batches (2 and 3), attention kernel (3 and 4), number format (3
# and 5), chunks against windows one after another with time stamps (3 and 6), CTranslate2 with int8 (6 and
# 7), VAD (7 and 8). Between rows 8 and 9 three things change: batches, no context, no time stamps in a
# window. Between rows 9 and 10 the four points above change.
#
# ### The table, in full
#
# Some of these methods with all five minutes, each run in a process of its own, so that its peak of memory
# can be read. This table is **stored**: `make bench` measured it with two threads on the machine and the day
# it names, on the offline audiobook, in medians of one to three runs.

# %% tags=["nbval-check-output", "report"]
import json

bench = json.loads((catalog.asset("bench") / "long_form.json").read_text(encoding="utf-8"))
print(f"{bench['machine']}, {bench['date']}; {bench['clip']}")
stored = pd.DataFrame(bench["methods"]).T
full = pd.DataFrame({"seconds": stored["seconds"].round(1)})
full["× real time"] = (bench["seconds"] / stored["seconds"]).round(1)
full["peak MB"] = stored["memory"].astype(int)
full["WER"] = [f"{value:.1%}" for value in stored["wer"]]
print(f"fastest: {stored['seconds'].idxmin()} · lowest WER: {stored['wer'].idxmin()}")
full

# %% tags=["nbval-check-output"]
ax = plots.axes(width=10, height=3.2)
for (name, row), marker in zip(stored.iterrows(), "os^vDP*X<>", strict=False):
    ax.plot(row["seconds"], 100 * row["wer"], marker, markersize=9, label=name)
ax.set(xscale="log", xlabel=f"seconds for {bench['seconds']:.0f} s of sound", ylabel="WER (%)", ylim=0)
ax.set_xticks([10, 20, 50, 100, 200], [10, 20, 50, 100, 200])
ax.minorticks_off()
ax.figure.legend(loc="outside right upper")
best = stored["wer"].min()
good = stored[stored["wer"] < best + 0.015]
alt = (
    f"WER against seconds, one mark a method: {len(good)} methods lie together at the bottom, between "
    f"{good['wer'].min():.1%} and {good['wer'].max():.1%}, from {good['seconds'].min():.0f} to "
    f"{good['seconds'].max():.0f} s; the other {len(stored) - len(good)} are chunked and far above, "
    f"at {stored['wer'].drop(good.index).min():.0%} and more"
)
show.figure(ax.figure, alt)

# %% [markdown]
# Several methods reach about the same WER here, and then the fastest is the one to take. But **one
# audiobook is not enough to choose by**: one reader at a time, no noise, no hurry. Our windows were first
# tuned on this very recording, 14 s and no time stamps, and failed on people's.
#
# ### On people's recordings
#
# So here is the same comparison on recordings of people, stored as well (WER of Whisper base, int8, on a
# CPU, 25 November 2026; speed with two threads). *Clips* are short, 1 to 14 s, 28 English and 24 French
# ones, mostly commands; *joined* is the same in one recording, with pauses of a second.
#
# | method | en clips | en joined | fr clips | fr joined | speed, en joined |
# |---|---|---|---|---|---|
# | faster-whisper, 5 beams | 6.5 % | 3.6 % | 33.3 % | 22.2 % | 17 × real time |
# | faster-whisper, greedy | 7.3 % | 4.0 % | 34.3 % | 20.4 % | 25 × real time |
# | faster-whisper batched | 6.9 % | 23.4 % | 36.1 % | 37.0 % | 34 × real time |
# | packed windows of 14 s without time stamps | 6.5 % | 12.5 % | 33.3 % | 54.6 % | 43 × real time |
# | packed windows as they are now | 6.0 % | 5.2 % | 37.0 % | 25.0 % | 30 × real time |
# | OpenVINO GenAI, greedy | 7.3 % | 4.4 % | 34.3 % | 25.0 % | 65 × real time |
#
# No interval stands beside these figures: a point or two can be chance, the large differences of the
# *joined* columns are not. In one recording with many short pauses, packed windows of 14 s and
# faster-whisper's batches lose whole commands. A wider margin around speech, longer windows and time stamps
# bring most of them back; but these settings were chosen on these very clips, so expect somewhat worse on
# others. The sequential methods hold everywhere.
#
# [OpenVINO GenAI](https://github.com/openvinotoolkit/openvino.genai) is Intel's library for its processors
# and runs on others too: sequential, int8, in this table nearly as good as faster-whisper and more than
# twice as fast. It is not part of this course because its converter needs versions of its own; on the Hub
# there are converted checkpoints, such as `OpenVINO/whisper-base-int8-ov`.
#
# **What to take:**
#
# - For one recording, and for subtitles: the pipeline with `return_timestamps=True`, greedy.
# - For hours of people's speech on a CPU: faster-whisper, one window after another, or OpenVINO GenAI.
# - For clean, steady speech like an audiobook: packed windows, `longform.transcribe`, are fine. On short
#   sentences with pauses they are less safe than faster-whisper's sequential method.
# - On a GPU: run this lesson there and read the table. We have not measured one.
#
# In each case say the language, let a VAD decide what Whisper may hear where there are long pauses, and check
# the method on a few minutes of your own recordings, text beside sound.
#
# bfloat16 halves the memory of the weights. Whether it also saves time depends on the processor: compare its
# row in the first table. `torch.compile` first writes and compiles code for a model, and again for each new
# shape of its input. That pays where the same shapes pass thousands of times, and not for one recording.
#
# ## Exercises
#
# 1. **Shorter stride.** Transcribe the first 90 s with `chunk_length_s=30` and with `stride_length_s=1`.
#    Which words change? *Hint:* `show.diff` of both texts.
# 2. **How short may a window be?** Run `longform.transcribe(quantized, story, "es", seconds=...)` with 4,
#    8, 12, 20 and 28 seconds, and plot WER against time. *Hint:* `course.timed` inside a loop. Short windows
#    are padded to `longform.SHORTEST_SECONDS`; set it to 0 to see what that prevents.
# 3. **Subtitles in another language.** Write English subtitles for the story. *Hint:* `task="translate"`.
# 4. **Hide the music.** Put 20 s of `music` into the middle of the story and compare the texts of
#    faster-whisper with and without `vad_filter=True`. *Hint:* `np.concatenate`.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Radford et al., [Robust Speech Recognition via Large-Scale Weak
#   Supervision](https://arxiv.org/abs/2212.04356) (2022), section 3.8 and 4.5: sequential long-form
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
