# %%
from helpers import course

course.start("03")

# %% [markdown]
# ## Five minutes of speech
#
# An audiobook comes in short segments. **Streaming** reads them one after another, so we take as many as
# make five minutes and never download the rest. Joined in order, they are the book again.

# %% tags=["nbval-check-output"]
from helpers import audio, catalog

segments = catalog.dataset("facebook/multilingual_librispeech", "spanish", split="dev", streaming=True)
clips, texts, samples = [], [], 0
for row in segments:
    clips.append(audio.read(row["audio"]))
    texts.append(row["transcript"])
    samples += len(clips[-1])
    if samples >= 300 * audio.SAMPLE_RATE:
        break
story, reference = audio.concatenate(clips), " ".join(texts)
story_seconds = len(story) / audio.SAMPLE_RATE
print(f"{len(clips)} segments, {story_seconds:.0f} s, {len(reference.split())} words")

# %%
from helpers import display

display.listen(story[: 30 * audio.SAMPLE_RATE], audio.SAMPLE_RATE, "The first 30 seconds")

# %% [markdown]
# ## What happens if we pass it whole?
#
# The same pipeline as in lesson 1, and the whole story at once. (It gets a copy in a new dict: a pipeline
# empties the dict it is given.)

# %%
from transformers import pipeline

whisper = pipeline(
    "automatic-speech-recognition",
    model=catalog.checkpoint("openai/whisper-base"),
    device=course.device(),
    dtype=course.dtype(),
)


def sound(samples):
    """What the pipeline takes: samples and their rate, in a fresh dict."""
    return {"array": samples, "sampling_rate": audio.SAMPLE_RATE}


try:
    whisper(sound(story))
except ValueError as error:
    print(type(error).__name__, str(error).split(". ")[0], sep=": ")

# %% [markdown]
# Version 5 of Transformers refuses, and says why: more than 3000 columns of log-mel spectrogram, 100 a
# second, are more than 30 seconds. Older versions cut the clip in silence. The feature extractor still
# does, if we call it ourselves:

# %% tags=["nbval-check-output"]
features = whisper.feature_extractor(
    story, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt"
).input_features
print(
    f"{story_seconds:.0f} s of sound -> {tuple(features.shape)}: {features.shape[-1] // 100} s of spectrogram"
)

# %% [markdown]
# Whatever the model writes now can only be the beginning of the story:

# %%
spanish = {"language": "spanish", "num_beams": 1}
tokens = whisper.model.generate(features.to(course.device(), course.dtype()), **spanish)
beginning = whisper.tokenizer.decode(tokens[0], skip_special_tokens=True)
print(f"{len(beginning.split())} of about {len(reference.split())} words. The last ones:")
print("...", " ".join(beginning.split()[-12:]))

# %% [markdown]
# No warning, no error, and most of the text is missing. This is a mistake that a glance at the first lines
# does not find: **compare the length of the text with the length of the sound.**
#
# ## Why not a longer window?
#
# Because in a transformer's encoder every frame looks at every other. Whisper's encoder has 50 frames a
# second, and each **attention head** of each layer computes a score for every pair: a matrix of frames ×
# frames. Twice the sound, four times the memory.

# %% tags=["nbval-check-output"]
from helpers import plots

config = whisper.model.config
minutes = [0.5, 1, 2, 5, 10, 30, 60]


def attention_bytes(minutes):
    """Size of all attention matrices of the encoder, in float32 (4 bytes a score)."""
    frames = 50 * 60 * minutes
    return config.encoder_layers * config.encoder_attention_heads * frames**2 * 4


for length in (0.5, 5, 60):
    print(f"{length:4} min: {attention_bytes(length) / 1e9:10,.1f} GB")

# %%
ax = plots.axes(height=2.6)
ax.loglog(minutes, [attention_bytes(length) / 1e9 for length in minutes], "o-", label="one window")
ax.loglog(
    minutes, [2 * length * attention_bytes(0.5) / 1e9 for length in minutes], "s--", label="windows of 30 s"
)
ax.set(xlabel="length of the clip (minutes)", ylabel="attention matrices (GB)")
ax.legend()
display.figure(
    ax.figure,
    alt="Memory of the encoder's attention matrices against the length of the clip, both axes logarithmic: "
    "for one window the line climbs two decades for each decade of length, for windows of 30 s one decade.",
)

# %% [markdown]
# That is what *all* layers need if their matrices are kept, as in training. In inference one layer is
# enough at a time, and clever kernels (`sdpa`, below) never store a whole matrix. The time still grows with
# the square. And there is a plainer reason: Whisper was trained on 30 s, and has exactly 1500 position
# vectors. There is no 1501st.
#
# ## Chunks with stride
#
# So the clip is cut into **chunks** of 30 s. A cut may fall in the middle of a word, and the words near an
# edge lack their context. Therefore neighbours overlap: each chunk has a **stride** on both sides (a sixth
# of its length by default, 5 s) that it hears but whose words are settled together with its neighbour.
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

# %%
timed_words = {**spanish, "return_timestamps": "word"}
left = whisper(sound(story[: 30 * audio.SAMPLE_RATE]), **timed_words)["chunks"]
right = whisper(sound(story[20 * audio.SAMPLE_RATE : 50 * audio.SAMPLE_RATE]), **timed_words)["chunks"]
left = [(w["timestamp"][0], w["timestamp"][1] or 30, w["text"]) for w in left]
right = [(w["timestamp"][0] + 20, (w["timestamp"][1] or 30) + 20, w["text"]) for w in right]
shared_left = [word for word in left if word[0] >= 20]
shared_right = [word for word in right if word[1] <= 30]
print(
    len(shared_left), "words in the left chunk's last 10 s,", len(shared_right), "in the right chunk's first"
)

# %%
ax = plots.axes(height=1.8)
plots.timeline({"first chunk": left, "second chunk": right}, duration=50, ax=ax)
ax.axvspan(20, 30, color="#e69f00", alpha=0.25)
display.figure(
    ax.figure,
    alt="Words of the first chunk between 0 and 30 s and of the second between 20 and 50 s, as bars; between "
    "20 and 30 s, shaded, both lanes have words.",
)

# %%
in_left, in_right = (" ".join(word[2].strip() for word in side) for side in (shared_left, shared_right))
display.diff(in_left, in_right, language="es", title="Left chunk above, right chunk below")

# %% [markdown]
# Where both agree, the seam is easy: the pipeline looks for the longest run of common tokens and joins
# there. Where they differ, it is usually at the outer edges, where one of the two lacks context. When they
# differ everywhere (much noise, or a pause that fills the whole overlap), words are lost or doubled.
#
# ## One option: `chunk_length_s`
#
# The pipeline does all of this. `batch_size` says how many chunks go through the model together.

# %%
from helpers import metrics

with course.timed("chunked, batches of 8", story_seconds) as chunked_time:
    chunked = whisper(sound(story), chunk_length_s=30, batch_size=8, generate_kwargs=spanish)["text"]
chunked_wer = metrics.wer(reference, chunked, language="es")
print(chunked[:300], "...")

# %%
course.record("WER chunked", chunked_wer, "%")
course.record("Speed chunked", story_seconds / chunked_time.seconds, "× real time")

# %% [markdown]
# `generate_kwargs` holds what the model's `generate` should know. Two of them matter here. Without
# `language`, each chunk guesses its language anew, and a short last chunk may guess wrong. Without
# `num_beams=1`, the pipeline keeps five candidate texts in the race, which takes much longer; we measure
# below what it buys.
#
# ## Sequential: window after window
#
# The paper's own algorithm needs no overlap. Whisper can write **time stamps** between its words. The first
# window starts at 0; the next one starts where the last complete sentence ended, and so on. In
# Transformers, `return_timestamps=True` without `chunk_length_s` does that.

# %%
with course.timed("sequential", story_seconds) as sequential_time:
    sequential = whisper(sound(story), return_timestamps=True, generate_kwargs=spanish)
sequential_wer = metrics.wer(reference, sequential["text"], language="es")
display.table(
    [
        {
            "road": "chunked",
            "seconds": chunked_time.seconds,
            "WER": chunked_wer,
            "words": len(chunked.split()),
        },
        {
            "road": "sequential",
            "seconds": sequential_time.seconds,
            "WER": sequential_wer,
            "words": len(sequential["text"].split()),
        },
    ],
    caption=f"The same {story_seconds:.0f} s, {len(reference.split())} words in the reference",
    formats={"WER": ".1%"},
)

# %%
course.record("WER sequential", sequential_wer, "%")
course.record("Speed sequential", story_seconds / sequential_time.seconds, "× real time")

# %% [markdown]
# Look at the last column first. A road that hears as well as another but has fewer words has lost some on
# the way, and for chunks that means at the seams. Here is the longest stretch that one of the two texts has
# and the other has not:

# %%
from itertools import groupby

from helpers import alignment

edits = alignment.align(*(metrics.normalise(text, "es") for text in (chunked, sequential["text"])))
runs = [list(run) for _, run in groupby(edits, key=lambda edit: edit.kind)]
missing = max((run for run in runs if run[0].kind in ("insert", "delete")), key=len)
print(f"{len(missing)} words, only {'sequential' if missing[0].kind == 'insert' else 'chunked'}:")
print("...", " ".join(edit.target or edit.prediction for edit in missing), "...")

# %% [markdown]
# Neither text is the truth, but the reference is; you can look the words up there. Words that go missing in
# the middle of a fluent text are the worst kind of error: nothing looks wrong.
#
# A WER says *how much* is wrong, not *what*. Not every difference is an error of hearing. Numbers, for one:
# the reference spells them out, and Whisper often writes digits. Look before you blame the road:

# %%
display.table(
    metrics.word_errors(reference, sequential["text"], language="es")[:8],
    caption="Sequential: what is confused",
)

# %% [markdown]
# | | chunked | sequential |
# |---|---|---|
# | windows | fixed, overlapping | each begins where the last one's speech ended |
# | in a batch | yes, any order | no, only several clips side by side |
# | at the seams | words may be lost or doubled | cut between sentences |
# | when a window goes wrong | the others are safe | the next one may begin in the wrong place |
#
# ## Segments with times
#
# The sequential road gave more than text: each **segment** has a start and an end in seconds.

# %%
for segment in sequential["chunks"][:4]:
    start, end = segment["timestamp"]
    print(f"{start:6.2f} – {end:6.2f} {segment['text']}")

# %% [markdown]
# Times are tokens that the model writes, and a model can be wrong: now and then an end lies before its
# start. Subtitles must be in order, so we make sure of it.

# %%
ordered, mended = [], 0
for segment in sequential["chunks"]:
    start, end = segment["timestamp"]
    earliest = ordered[-1][0] if ordered else 0.0
    first, last = max(start, earliest), min(story_seconds if end is None else end, story_seconds)
    last = max(first, last)
    mended += (first, last) != (start, end)
    ordered.append((first, last, segment["text"]))
print(f"{mended} of {len(ordered)} segments mended")

# %% [markdown]
# That is all a subtitle needs. **SRT** is what video players read, **WebVTT** what browsers read. They
# differ in little more than a comma:

# %%
from helpers import subtitles

print(subtitles.to_srt(ordered)[:330])

# %%
print(subtitles.to_webvtt(ordered)[:330])

# %% [markdown]
# `subtitles.write(ordered, "story.srt")` puts them into a file. Here they follow the sound: press play, or
# click a line to jump there.

# %%
minute = [s for s in subtitles.read_segments(ordered) if s.end <= 60]
display.captioned_player(story[: 60 * audio.SAMPLE_RATE], audio.SAMPLE_RATE, minute, "The first minute")

# %% [markdown]
# Segments work with chunks and batches too: `chunk_length_s=30, batch_size=8, return_timestamps=True`.
#
# ## The time of every word
#
# `return_timestamps="word"` goes finer. Whisper was never taught the times of words; they are read off its
# **cross-attention**: some heads of the decoder look at the very frames where the next word sounds. We have
# used it at the seam above. Click a word to hear it:

# %%
display.word_player(
    story[: 30 * audio.SAMPLE_RATE],
    audio.SAMPLE_RATE,
    [(text.strip(), start, min(end, 30)) for start, end, text in left],
    title="Click a word: the first 30 seconds",
)

# %% [markdown]
# Good enough to find a place in a recording, but do not expect exact edges. Lesson 2 shows another way to
# align.
#
# ## Where nobody speaks
#
# Long recordings have pauses, noise and music. Whisper learnt from subtitles, and subtitles are rarely
# empty. So what does it write when there is nothing to write? We make twenty seconds each of silence, noise
# and music.

# %%
import numpy as np

rate, seconds = audio.SAMPLE_RATE, 20
time = np.arange(rate * seconds) / rate
silence = np.zeros(rate * seconds, np.float32)
noise = 0.02 * np.random.default_rng(0).standard_normal(rate * seconds).astype(np.float32)
music = np.zeros(rate * seconds)
for number, key in enumerate([60, 64, 67, 72, 71, 67, 62, 65, 69, 72, 67, 64] * 4):
    age = np.maximum(time - 0.4 * number, 0)
    pitch = 440 * 2 ** ((key - 69) / 12)
    music += (
        sum(np.sin(2 * np.pi * pitch * h * age) / h**1.5 for h in (1, 2, 3, 4)) * np.exp(-3 * age) * (age > 0)
    )
music = (0.2 * music / np.abs(music).max()).astype(np.float32)
display.listen(music[: 6 * rate], rate, "Music, from twelve notes")

# %%
nobody = {"silence": silence, "noise": noise, "music": music}
invented = [
    {
        "sound": name,
        "told Spanish": whisper(sound(clip), max_new_tokens=40, **spanish)["text"],
        "told English": whisper(sound(clip), max_new_tokens=40, language="english", num_beams=1)["text"],
    }
    for name, clip in course.progress(nobody.items(), "Nobody speaks")
]
display.table(invented, caption="What Whisper writes where nobody speaks")

# %% [markdown]
# Every text in this table is invented: a language model must say something. In the middle of an hour's
# recording such a line looks like any other. Two remedies:
#
# **1. Thresholds, afterwards.** Whisper itself gives hints: the probability of its token for “no speech”,
# the mean log probability of the text, and how well the text compresses (a loop compresses very well).
# `generate` can act on them: skip a window, or try again with another `temperature`.

# %%
thresholds = {
    "return_timestamps": True,
    "no_speech_threshold": 0.6,
    "logprob_threshold": -1.0,
    "compression_ratio_threshold": 1.35,
    "temperature": (0.0, 0.4, 0.8),
}
guarded = [
    {
        "sound": name,
        "with thresholds": whisper(sound(clip), max_new_tokens=40, **spanish, **thresholds)["text"],
    }
    for name, clip in course.progress(nobody.items(), "With thresholds")
]
display.table(guarded, caption="The usual thresholds: 0.6, -1.0 and 1.35")

# %% [markdown]
# Compare with the table above. The limits are set by hand and judge a text after it was written: a fluent
# invention can pass them, and a mumbled sentence can fail.
#
# **2. Voice activity detection (VAD), beforehand.** A small network that knows only one thing: whether
# somebody speaks, 31 times a second. [Silero VAD](https://github.com/snakers4/silero-vad) comes with
# faster-whisper. Give it speech, music, speech:

# %%
from faster_whisper.vad import get_speech_timestamps, get_vad_model


def speech_in(samples):
    """Stretches of speech as (start, end, label), in seconds; under a tenth of a second it is a click."""
    found = get_speech_timestamps(samples, min_speech_duration_ms=100)
    return [(stretch["start"] / rate, stretch["end"] / rate, "speech") for stretch in found]


mixed = audio.concatenate(
    [story[: 8 * rate], music[: 8 * rate], noise[: 4 * rate], story[8 * rate : 16 * rate]]
)
frames = mixed[: len(mixed) // 512 * 512]
probability = get_vad_model()(frames).ravel()
above, below = plots.axes(rows=2, height=1.5, sharex=True)
plots.waveform(mixed, rate, above)
below.plot(np.arange(len(probability)) * 512 / rate, probability)
for start, end, _ in speech_in(mixed):
    below.axvspan(start, end, color="#009e73", alpha=0.25)
below.set(xlabel="time (s)", ylabel="p(speech)", ylim=(0, 1.02))
display.figure(
    below.figure,
    alt="Waveform of speech, music, noise and speech, 28 s in all; below, the probability of speech: near 1 "
    "where somebody speaks and low between. The stretches taken for speech are shaded.",
)

# %%
for name, clip in nobody.items():
    print(f"{name:8} {len(speech_in(clip))} stretches of speech")

# %% [markdown]
# What the detector leaves out, Whisper never hears, and cannot fill with text. It also saves the time of
# decoding it.
#
# ## How fast can it be?
#
# Now the question of every long recording. What costs time, and what of it is needed?
#
# - **Beams.** Five candidate texts cost more than one.
# - **Batches.** On a GPU they fill idle units. A CPU with two cores has none idle.
# - **Attention kernels.** `sdpa` never writes the matrix of scores to memory, `eager` does.
# - **Number formats.** float16 on a GPU; 8-bit integers (`int8`) on a CPU, with a library made for it:
#   [CTranslate2](https://opennmt.net/CTranslate2/), on which **faster-whisper** is built.
# - **Silence and padding.** A window of 14 s that is padded to 30 s is more than half work on zeros.
#
# faster-whisper's batched pipeline finds speech with the VAD, joins it to windows of up to 30 s and decodes
# them as a batch. We go one step further (`helpers/longform.py`): windows of up to 14 s, sorted by length,
# each batch only as long as its longest window, but never shorter than 8 s. Here they are:

# %%
from helpers import longform

windows = longform.windows(story)
ax = plots.axes(height=1.6)
bars = [(window.start / rate, window.end / rate, str(number + 1)) for number, window in enumerate(windows)]
plots.timeline({"even": bars[1::2], "odd": bars[::2]}, duration=story_seconds, ax=ax)
display.figure(
    ax.figure, alt=f"{len(windows)} windows of at most 14 s along five minutes, each ending in a pause."
)
heard = sum(window.end - window.start for window in windows) / rate
print(f"{len(windows)} windows hold {heard:.0f} s; padded to 30 s each they would hold {30 * len(windows)} s")

# %% [markdown]
# Whisper was trained on windows of 30 s, but its encoder also takes shorter ones: fewer frames, fewer
# positions. There is a limit: in a window of two or three seconds Whisper often writes a short sentence
# twice or more often, which `tests/test_longform.py` shows on clips of that length. So short speech is padded
# to 8 s. A second of silence at the end lets it finish. We keep two beams, not five.

# %%
from faster_whisper import WhisperModel

quantized = WhisperModel(
    catalog.faster_whisper(),
    device=course.device(),
    compute_type=course.budget(cpu="int8", gpu="int8_float16"),
)
with course.timed("packed windows", story_seconds) as packed_time:
    packed = longform.transcribe(quantized, story, "es")
packed_text = " ".join(segment.text for segment in packed)
packed_wer = metrics.wer(reference, packed_text, language="es")
print(packed_text[:300], "...")

# %%
course.record("WER recommended road", packed_wer, "%")
course.record("Speed recommended road", story_seconds / packed_time.seconds, "× real time")

# %% [markdown]
# The segments it returns are as good for subtitles as the ones before, and where nobody speaks it returns
# none:

# %% tags=["nbval-check-output"]
for name, clip in nobody.items():
    print(name, longform.transcribe(quantized, clip, "es"))

# %% [markdown]
# ### The table, here
#
# Each road on the same excerpt, which is short on a CPU, so that the slow ones do not keep us waiting. (The
# WER of a short clip is coarse: a few words decide.)

# %%
import torch
from faster_whisper import BatchedInferencePipeline

cut = course.budget(cpu=4, gpu=len(clips))
excerpt, said = audio.concatenate(clips[:cut]), " ".join(texts[:cut])
batched = BatchedInferencePipeline(model=quantized)


def joined(segments):
    """One text from segments of faster-whisper or of ours."""
    return " ".join(segment.text for segment in segments)


def chunks(batch_size, model=whisper, **generate):
    """The pipeline with chunks of 30 s."""
    generate = {"language": "spanish", **generate}
    return model(sound(excerpt), chunk_length_s=30, batch_size=batch_size, generate_kwargs=generate)["text"]


def another(**options):
    """The pipeline once more, with another number format or attention kernel."""
    options = {"dtype": course.dtype(), "device": course.device(), **options}
    found = pipeline(
        "automatic-speech-recognition", model=catalog.checkpoint("openai/whisper-base"), **options
    )
    found.tokenizer.pad_token = found.tokenizer.eos_token
    return found


eager = another(model_kwargs={"attn_implementation": "eager"})
halved = another(dtype=torch.bfloat16)

# %%
roads = {
    "original: chunks, batch 8, 5 beams": lambda: chunks(8),
    "chunks, batch 8, greedy": lambda: chunks(8, num_beams=1),
    "chunks, batch 1, greedy": lambda: chunks(1, num_beams=1),
    "chunks, batch 8, greedy, bfloat16": lambda: chunks(8, halved, num_beams=1),
    "chunks, batch 8, greedy, eager attention": lambda: chunks(8, eager, num_beams=1),
    "faster-whisper int8": lambda: joined(quantized.transcribe(excerpt, language="es")[0]),
    "faster-whisper batched int8": lambda: joined(
        batched.transcribe(excerpt, language="es", batch_size=16)[0]
    ),
    "packed windows, int8, 2 beams": lambda: joined(longform.transcribe(quantized, excerpt, "es")),
}
length = len(excerpt) / rate
measured = []
for name, road in course.progress(roads.items(), "Roads"):
    with course.timed(name, length) as timing:
        text = road()
    wer = metrics.wer(said, text, language="es")
    measured.append(
        {"road": name, "seconds": timing.seconds, "× real time": length / timing.seconds, "WER": wer}
    )

# %%
display.table(measured, caption=f"{length:.0f} s of the story on this machine", formats={"WER": ".1%"})

# %% [markdown]
# ### The table, in full
#
# The same comparison with all five minutes, each run in a process of its own, so that its peak of memory
# can be read. This one is **stored**: `make bench` measured it on the machine and the day it names, with
# the offline audiobook, in medians of one to three runs.

# %%
import json

bench = json.loads((catalog.asset("bench") / "long_form.json").read_text(encoding="utf-8"))
slowest = next(iter(bench["roads"].values()))["seconds"]
display.table(
    [
        {
            "road": road,
            "seconds": row["seconds"],
            "× real time": bench["seconds"] / row["seconds"],
            "× original": slowest / row["seconds"],
            "peak MB": int(row["memory"]),
            "WER": row["wer"],
        }
        for road, row in bench["roads"].items()
    ],
    caption=f"Stored: {bench['machine']}, {bench['date']}; {bench['clip']}",
    formats={"WER": ".2%", "seconds": ".1f", "× real time": ".1f", "× original": ".1f"},
)

# %%
ax = plots.axes(height=4)
plots.bars({road: row["seconds"] for road, row in bench["roads"].items()}, ax=ax, unit="s")
display.figure(
    ax.figure,
    alt="Seconds for five minutes of speech on each road, stored results, as bars.",
)

# %% [markdown]
# bfloat16 halves the memory of the weights. Whether it also saves time depends on the processor: compare
# its row in the first table. `torch.compile` first writes and compiles code for a model, and again for each
# new shape of its input. That pays where the same shapes pass thousands of times, on a GPU above all, and
# not for one recording.
#
# **What to take:** for one clip and no fuss, `return_timestamps=True`. For hours of audio, packed windows
# with int8 on a CPU, and faster-whisper's batched pipeline with float16 on a GPU. In each case say the
# language, and let a VAD decide what Whisper may hear.
#
# ## Exercises
#
# 1. **Shorter stride.** Transcribe the first 90 s with `chunk_length_s=30` and with `stride_length_s=1`.
#    Which words change? *Hint:* `display.diff` of both texts.
# 2. **How short may a window be?** Run `longform.transcribe(quantized, story, "es", seconds=...)` with 4,
#    8, 12, 20 and 28 seconds, and plot WER against time. *Hint:* `course.timed` inside a loop. Short windows
#    are padded to `longform.SHORTEST_SECONDS`; set it to 0 to see what that prevents.
# 3. **Subtitles in another language.** Write English subtitles for the story. *Hint:* `task="translate"`.
# 4. **Hide the music.** Put 20 s of `music` into the middle of the story and compare the texts of the
#    sequential road with and without VAD. *Hint:* `audio.concatenate`, and `longform.windows` for what is
#    speech.

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
