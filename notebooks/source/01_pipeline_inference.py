# %%
from helpers import course

course.start("01")

# %% [markdown]
# ## A clip to listen to
#
# We need some speech whose words we know. On the Hub there is a small set of clips from
# [LibriSpeech](https://www.openslr.org/12), sentences from audiobooks, each with its text. `load_dataset`
# loads it; `catalog.data` only says where it is: on the Hub, or in a folder of the course, where a data set
# of the same form takes its place. (In a script of your own you write
# `load_dataset("hf-internal-testing/librispeech_asr_dummy", "clean", split="validation")`.)

# %% tags=["nbval-check-output"]
from datasets import Audio, load_dataset

from helpers import catalog

source = catalog.data("hf-internal-testing/librispeech_asr_dummy", "clean")
clips = load_dataset(**source, split="validation").cast_column("audio", Audio(decode=False))
clips

# %% [markdown]
# `Audio(decode=False)` leaves the sound as it is stored: the bytes of a compressed file. Decoding it inside
# `datasets` would need two more programs, torchcodec and FFmpeg.
#
# We begin with clip 2. Its text is in LibriSpeech's style, all capitals and no punctuation. It is the
# **target**, or **reference**: the words that were said, with which we compare what a model writes.

# %% tags=["nbval-check-output"]
from textwrap import fill

row = clips[2]
target = row["text"]
print(fill(target, 100))

# %% [markdown]
# From bytes to what a model takes, in three steps: decode, average the channels to one (mono), and resample
# to 16,000 samples a second (16 kHz), the rate that all models of this course were trained on.

# %% tags=["nbval-check-output"]
import io

import numpy as np
import soundfile
import soxr

from helpers import audio

stored = io.BytesIO(row["audio"]["bytes"])
samples, rate = soundfile.read(stored, dtype="float32", always_2d=True)  # (samples, channels)
by_hand = soxr.resample(samples.mean(axis=1), rate, audio.SAMPLE_RATE)  # (samples,), floats in [-1, 1]

speech = audio.read(row["audio"])
print(f"{samples.shape[1]} channel, {rate:,} Hz, {len(speech) / audio.SAMPLE_RATE:.1f} s, {speech.dtype}")
print("audio.read gives the same samples:", np.array_equal(speech, by_hand))

# %% [markdown]
# `audio.read` is these lines and a few checks: a file that is missing, empty or damaged is refused with a
# sentence that says what to do. It takes a path as well: `audio.read("my-recording.mp3")`. From here on we
# use it.
#
# ### Exercise 1.1: two channels become one (3 minutes)
#
# A stereo recording has the shape (samples, 2). Write the function that makes one channel of it: the mean of
# the two. For `[[0.2, 0.4], [0.0, 1.0]]` it should give `[0.3, 0.5]`.
#
# <details><summary>Hint</summary>NumPy's `mean` takes an `axis`: 0 goes along the samples, 1 along the
# channels.</details>


# %% tags=["exercise"]
def to_mono(stereo):
    """One channel, shape (samples,), from an array of shape (samples, channels)."""
    # <solution>
    return stereo.mean(axis=1)
    # </solution>


# %% tags=["wrong"]
def to_mono(stereo):
    return stereo[:, 0]


# %% tags=["wrong"]
def to_mono(stereo):
    return stereo.mean(axis=0)


# %% tags=["wrong"]
def to_mono(stereo):
    return stereo.sum(axis=1)


# %% tags=["check"]
from helpers.exercises import checking

NOTHING = "The function gives nothing back: write your code, and end it with return."
with checking("1.1", "two channels become one"):
    mono = to_mono(np.array([[0.2, 0.4], [0.0, 1.0], [0.0, 0.0]]))
    assert mono is not None, NOTHING
    assert np.shape(mono) != (2,), "That is one number a channel: take the mean along the other axis."
    assert np.shape(mono) == (3,), f"Three samples were expected, not the shape {np.shape(mono)}."
    assert not np.allclose(mono, [0.2, 0, 0]), "The right channel is lost: who speaks there is not heard."
    assert not np.allclose(mono, [0.6, 1, 0]), "The sum is twice as loud and may exceed 1: take the mean."
    assert np.allclose(mono, [0.3, 0.5, 0]), f"[0.3, 0.5, 0] was expected, not {mono}."

# %% [markdown]
# Back to clip 2. Listen to it. (A player works at once. Colours, captions and buttons further down appear
# when you run their cells, or trust the notebook: Ctrl+Shift+C, Trust Notebook.)

# %%
from helpers import players

players.listen(speech, audio.SAMPLE_RATE, "Clip 2")

# %% [markdown]
# What does a model get to see of it?

# %%
import librosa
import librosa.display

from helpers import plots, show

above, below = plots.axes(rows=2, height=1.9, sharex=True)
librosa.display.waveshow(speech, sr=audio.SAMPLE_RATE, ax=above, color=plots.BLUE)
energy = librosa.feature.melspectrogram(y=speech, sr=audio.SAMPLE_RATE, n_fft=400, hop_length=160, n_mels=80)
decibels = librosa.power_to_db(energy, ref=np.max)  # (80 bands, 100 frames a second)
librosa.display.specshow(
    decibels, sr=audio.SAMPLE_RATE, hop_length=160, x_axis="s", y_axis="mel", cmap="magma", ax=below
)
above.set(xlabel="", ylabel="amplitude", title="Waveform")
below.set(xlabel="time (s)", title="Log-mel spectrogram")
show.figure(
    below.figure,
    alt="Waveform of clip 2, and its log-mel spectrogram on the same time axis: where the waveform is loud, "
    "the spectrogram shows bright stripes, the pitch and resonances of the voice; pauses are dark.",
)

# %% [markdown]
# Above, the **waveform**: air pressure, 16,000 numbers a second. Below, the **log-mel spectrogram**: 100
# columns a second, each with the energy in 80 frequency bands, narrow for low and wide for high frequencies,
# because the ear separates low ones better. Wav2Vec2, our first model, takes the waveform. Whisper, the
# second, takes the log-mel spectrogram.
#
# ## CPU or GPU, decided once
#
# A model and its input must be on the same device. Decide in one place, and pass the decision everywhere.

# %% tags=["nbval-check-output"]
import torch

device = "cuda" if torch.cuda.is_available() else "cpu"
dtype = torch.float16 if device == "cuda" else torch.float32
print(device, dtype)

# %% [markdown]
# `dtype` is how a weight is stored. Half precision (`torch.float16`) takes half the memory and is faster on
# a GPU; on a CPU it is not faster, so there we stay with `torch.float32`.
#
# ## One line: a CTC model
#
# `pipeline()` fetches three things that belong together (a feature extractor, a model, a tokenizer) and
# puts them behind one call. Our first checkpoint is a **Wav2Vec2**, trained with CTC. Like `catalog.data`,
# `catalog.model` only says where it is; on the Hub it returns the name.

# %% tags=["nbval-check-output"]
from transformers import pipeline

with course.timed("Loading"):
    ctc = pipeline(
        "automatic-speech-recognition",
        model=catalog.model("facebook/wav2vec2-base-100h"),
        device=device,
        dtype=dtype,
    )

# %% tags=["nbval-check-output"]
heard = {"CTC": ctc({"array": speech, "sampling_rate": audio.SAMPLE_RATE})["text"]}
print(fill(heard["CTC"], 100))

# %% [markdown]
# Is the text right? Put the target above the prediction, and colour what differs:

# %% tags=["nbval-check-output"]
show.diff(target, heard["CTC"], title="CTC")

# %% [markdown]
# Say the wrong words aloud: some sound right, or nearly. The model writes letters by their sound, and nothing
# in it checks that the letters make a word. On LibriSpeech's clip, `facebook/wav2vec2-base-100h` writes
# CHRISTMAUS for CHRISTMAS, ROSE for ROAST and SIMALYIS for SIMILES. There is no punctuation either, apart
# from the apostrophe, and only one case: its vocabulary has no other signs. Lesson 2 takes this model apart.
#
# ## The same line: Whisper
#
# Our second checkpoint is **Whisper base**. Only the name changes. Two options limit the work:
# `max_new_tokens`, how long the text may get, and `num_beams`, how many candidate texts are followed at once
# (more on both below).

# %% tags=["nbval-check-output"]
with course.timed("Loading"):
    whisper = pipeline(
        "automatic-speech-recognition",
        model=catalog.model("openai/whisper-base"),
        device=device,
        dtype=dtype,
    )

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE}
heard["Whisper"] = whisper(sound, max_new_tokens=128, num_beams=1)["text"]
print(fill(heard["Whisper"], 100))

# %% [markdown]
# A sentence, with capitals and punctuation: Whisper learnt from transcripts found on the web, where people
# write that way. So how many words are wrong?
#
# **Before you run:** we compare this text with the target exactly as written, capitals and commas included.
# The word error rate (wrong words divided by words of the target) will be (a) near 0 %, since the words are
# right (b) near 100 % (c) about half.

# %% tags=["nbval-check-output"]
show.diff(target, heard["Whisper"], title="Whisper, compared as written")

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> The target is all capitals, so every word with a small
# letter in it counts as wrong. (a) is what you would like to measure; it needs the next step.</details>
#
# That says nothing about how well the words were recognised. Before
# comparing, take away what two correct transcriptions may differ in: case and punctuation. That is called
# **normalising**.

# %% tags=["nbval-check-output"]
from helpers import metrics

for text in ("“It’s Mr. Smith’s,” he said.", "IT'S MISTER SMITH'S HE SAID", "Twenty-one? No: 21!"):
    print(metrics.normalise(text, "en"))

# %% [markdown]
# The first two become equal. In the third `twenty one` and `21` stay different: figures can be read aloud in
# several ways, so they are left as they are written.
#
# ### Exercise 1.2: normalise by hand (8 minutes)
#
# Write a small one for English: lower case; every character that is neither a letter, a digit, an apostrophe
# nor a space becomes a space; single spaces. `"It's ROAST beef, isn't it?"` becomes
# `"it's roast beef isn't it"`.
#
# <details><summary>Hint</summary>`text.lower()`, then build the text anew character by character
# (`character.isalnum()`), and `" ".join(text.split())` at the end.</details>


# %% tags=["exercise"]
def plain(text):
    """An English text in lower case without punctuation, words joined by single spaces."""
    # <solution>
    kept = [character if character.isalnum() or character == "'" else " " for character in text.lower()]
    return " ".join("".join(kept).split())
    # </solution>


# %% tags=["wrong"]
def plain(text):
    return " ".join(text.lower().replace(",", "").replace(".", "").replace("?", "").split())


# %% tags=["wrong"]
def plain(text):
    return " ".join("".join(c if c.isalpha() or c == "'" else " " for c in text.lower()).split())


# %% tags=["wrong"]
def plain(text):
    return "".join(c if c.isalnum() or c == "'" else " " for c in text.lower())


# %% tags=["wrong"]
def plain(text):
    return " ".join("".join(c for c in text.lower() if c.isalnum() or c in "' ").split())


# %% tags=["check"]
with checking("1.2", "normalise by hand"):
    assert plain("A") is not None, NOTHING
    assert "21" in plain("No: 21!"), "The figures are gone: digits are said too."
    assert plain("beef, and") == "beef and", (
        "Two spaces in a row, or a comma, are left: split and join at the end."
    )
    assert plain("well-known") != "wellknown", (
        "The hyphen must leave a space behind: well known is two words."
    )
    assert plain("well-known (yes!)") == "well known yes", "Hyphens and brackets are punctuation as well."
    assert plain("It's ROAST beef, isn't it?") == "it's roast beef isn't it", "Compare with the text above."

# %% [markdown]
# `metrics.normalise` does this for many languages, with their titles and their rules. Now the comparison is
# fair:

# %% tags=["nbval-check-output"]
show.diff(target, heard["Whisper"], language="en", title="Whisper, normalised")

# %% [markdown]
# The words are shown as written but compared after normalising. What is still marked is most likely an error
# of the model; later we shall see other causes. Whisper builds words from pieces, so it can write a word that
# does not exist (offline `similies`), and it can write an existing word that was not said: on LibriSpeech's
# clip 2, Whisper base writes *similarly* for *similes*. The second kind is harder to notice when you read.
#
# ## Counting: WER and CER
#
# Align target and prediction with as few edits as possible, and count them: S words substituted, D deleted,
# I inserted. The **word error rate** divides by the N words of the target:
#
# **WER = (S + D + I) / N**
#
# The **character error rate** (CER) does the same with letters. 0 % is perfect; with many insertions both
# may exceed 100 %. The library `evaluate` computes them.

# %% tags=["tested"]
import evaluate

wer = evaluate.load(catalog.metric("wer"))
cer = evaluate.load(catalog.metric("cer"))


def score(references, predictions, language=None):
    """WER and CER, fractions, of two lists of texts; with a language, both lists are normalised first."""
    if language:
        references = [metrics.normalise(text, language) for text in references]
        predictions = [metrics.normalise(text, language) for text in predictions]
    return {
        "WER": wer.compute(references=references, predictions=predictions),
        "CER": cer.compute(references=references, predictions=predictions),
    }


# %% tags=["nbval-check-output", "report"]
import pandas as pd

scores = [
    {"model": name, "texts": kind, **score([target], [text], language)}
    for name, text in heard.items()
    for kind, language in {"raw": None, "normalised": "en"}.items()
]
pd.DataFrame(scores).set_index(["model", "texts"]).map("{:.1%}".format)

# %% [markdown]
# Look at Whisper's two rows: the same text, and very different scores. So a WER means nothing until you know
# what was normalised, and two WERs may be compared only if their texts were normalised alike. From here on
# we normalise.
#
# CER is gentler than WER: one wrong letter makes a whole word wrong, but it is only one letter. A model
# whose CER is far below its WER writes most of its wrong words *nearly* right.
#
# ## Why they differ: CTC against Seq2Seq

# %% tags=["nbval-check-output"]
from helpers import drawings

alt = (
    "Two diagrams. CTC: the waveform goes through an encoder and a linear layer, which gives each frame a "
    "letter or a blank, C C blank A blank blank T T; merging repeats and dropping blanks leaves CAT. All of "
    "it happens in one pass. Seq2Seq: the waveform goes through an encoder; a decoder looks at it by cross- "
    "attention and writes one token after another, The, cat, sat; each token goes back in before the next "
    "is written."
)
drawings.show("ctc_seq2seq", alt)

# %% [markdown]
# | | CTC (our Wav2Vec2) | Seq2Seq (Whisper) |
# | --- | --- | --- |
# | parts | encoder + one linear layer | encoder + decoder, joined by cross-attention |
# | output | a letter or a blank for each frame, 50 a second | one token (a piece of a word) a step |
# | work | one pass over the clip | the encoder once, over 30 s (clips are padded); the decoder once a token |
# | language model | none but what the encoder picked up | the decoder is one |
# | typical error | spelt as it sounds, not a word | a real word that was not said; invented sentences |
# | writes | the letters of its vocabulary | capitals, punctuation, 99 languages; can translate |
# | trained on | on the Hub: 960 h *without* text, then 100 h with it | 680,000 h *with* text |
#
# (The offline stand-in was made differently: it starts from Whisper base's encoder and learnt its letters
# from mostly synthetic speech.) Of Whisper's 680,000 hours, 117,000 are transcribed speech in 96 languages
# other than English, and another 125,000 are such speech with an English translation. 99 is the number of
# language tokens in the vocabulary, English included (large-v3 has 100).
#
# A decoder has to learn the language as well as its sounds, and needs far more labelled data for it. In
# return Whisper transcribes data sets it was not trained on: about 3 % WER on LibriSpeech test-clean and 4.7
# % on TED-LIUM are the figures usually quoted, from Table 8 of its paper, without a size. Sizes matter:
# decoded greedily, large has 2.7 and 4.0 %, base.en 4.2 and 4.9 %
# ([OLMoASR](https://arxiv.org/abs/2508.20869), Table 4). Speakers matter too: Whisper's model card warns of
# higher error rates for languages with little training data, and for some accents, dialects and groups of
# speakers.
#
# Wav2Vec2 learns first from speech alone, by filling in masked stretches, as HuBERT, a later encoder of the
# same shape, does. Up to 60,000 h without text were used. Then little text is enough: its paper reports 4.8 %
# WER on LibriSpeech test-clean for the large model with ten minutes of labelled speech and a language model.
# Where a few hours of one language are all you have, start there (lessons 6 and 7). CTC does not loop, and
# each of its letters belongs to a moment of the clip.
#
# **Misspelling is not a property of CTC.** It comes from single letters as output, little labelled speech and
# no language model. With larger output units and far more labelled speech, even greedy CTC is among the best:
# on the [Open ASR Leaderboard](https://huggingface.co/spaces/hf-audio/open_asr_leaderboard) (English, mean
# WER) Granite Speech 5.0 TurboCTC has 5.0 % (August 2026) and FastConformer-CTC with 115 M parameters 9.0 %
# (May 2026); wav2vec2-base-960h has 29.4 %, Whisper large-v3 7.4 %.
#
# ## Many clips
#
# One clip proves little. Give each model many: on a GPU all, on a CPU every third one. A generator feeds
# the pipeline, which can group them in batches. A batch keeps a GPU busy; on a CPU one clip is work enough,
# so the batch size there is 1.


# %% tags=["tested"]
def sounds(rows):
    """Inputs for a pipeline, each decoded when it is asked for: dicts with array, (samples,), and rate."""
    for row in rows:
        yield {"array": audio.read(row["audio"]), "sampling_rate": audio.SAMPLE_RATE}


def transcribe(recogniser, rows, name, batch_size=1, **options):
    """Texts of the rows, in order; prints how long it took."""
    seconds = sum(len(sound["array"]) for sound in sounds(rows)) / audio.SAMPLE_RATE
    answers = recogniser(sounds(rows), batch_size=batch_size, **options)
    with course.timed(name, seconds):
        return [answer["text"] for answer in course.progress(answers, name, total=len(rows))]


# %%
many = clips.select(range(0, len(clips), course.budget(cpu=3, gpu=1)))
batch_size = course.budget(cpu=1, gpu=16)
print(f"{len(many)} of {len(clips)} clips on {device}, {torch.get_num_threads()} CPU thread(s)")
texts = {
    "CTC": transcribe(ctc, many, "CTC", batch_size),
    "Whisper": transcribe(whisper, many, "Whisper", batch_size, num_beams=1),
}

# %% [markdown]
# `× real time` is seconds of sound for a second of work: above 1 the model keeps up with a speaker. Whisper
# is the slower one: it processes 30 seconds of sound for each clip, however short, and its decoder runs once
# for each token. (Lesson 3 gets rid of the first.) The number of weights matters too (next table): offline it
# also makes Whisper slower; on the Hub Whisper has fewer weights and is slower all the same. How good are the
# texts?

# %% tags=["nbval-check-output", "report"]
references = list(many["text"])
measured = []
for name, recogniser in {"CTC": ctc, "Whisper": whisper}.items():
    rates = score(references, texts[name], "en")
    interval = metrics.confidence_interval(references, texts[name], "en")
    measured.append(
        {
            "model": name,
            "parameters": f"{recogniser.model.num_parameters() / 1e6:.1f} M",
            "WER": f"{rates['WER']:.1%}",
            "95 % interval": f"{interval.low:.1%} to {interval.high:.1%}",
            "CER": f"{rates['CER']:.1%}",
        }
    )
pd.DataFrame(measured).set_index("model")

# %% [markdown]
# The **interval** is how far one model's WER would move with other clips of the same kind. It comes from the
# **bootstrap**: draw as many clips as there are, with replacement, a thousand times, and look where 95 % of
# the WERs lie. With few clips it is wide.
#
# To compare two models, do not check whether their intervals overlap. Both heard the same clips, and a clip
# that is hard for one is often hard for the other; two separate intervals ignore that. Draw the clips once
# for both and look at the **difference**:


# %% tags=["tested"]
from helpers.alignment import align


def count_errors(references, predictions):
    """Wrong words and words of each clip, English, normalised: two integer arrays of shape (clips,)."""
    said, written = ([metrics.normalise(t, "en").split() for t in side] for side in (references, predictions))
    edits = [align(*pair) for pair in zip(said, written, strict=True)]
    wrong = [sum(edit.kind != "equal" for edit in clip) for clip in edits]
    return np.array(wrong), np.array([len(words) for words in said])


def difference_interval(references, first, second, draws=1000):
    """95 % interval (low, high), fractions, of WER of `first` minus WER of `second`: paired bootstrap."""
    wrong_first, words = count_errors(references, first)
    wrong_second, _ = count_errors(references, second)
    drawn = np.random.default_rng(0).integers(len(words), size=(draws, len(words)))  # (draws, clips)
    differences = (wrong_first - wrong_second)[drawn].sum(axis=1) / words[drawn].sum(axis=1)  # (draws,)
    return np.quantile(differences, [0.025, 0.975])


# %% tags=["nbval-check-output", "report"]
low, high = difference_interval(references, texts["CTC"], texts["Whisper"])
print(f"CTC's WER minus Whisper's: {100 * low:.1f} to {100 * high:.1f} points (95 %)")

# %% [markdown]
# If the interval does not contain 0, the order of the two would most likely be the same on other clips *like
# these*: read sentences with little noise. About telephone calls or accents it says nothing.
# (`metrics.difference_interval` is this function for any language; later lessons use it.)
#
# ### Exercise 1.3: the hardest clip (5 minutes)
#
# Which clip has the highest WER? Write a function that gives its **number** in the list. `score([reference],
# [text], "en")["WER"]` is the WER of one clip.
#
# <details><summary>Hint</summary>Make a list of the WERs, and look for the place of the largest: `max(range(
# len(rates)), key=...)`, or `np.argmax`.</details>


# %% tags=["exercise"]
def hardest(references, predictions):
    """Number of the clip with the highest WER, counted from 0."""
    # <solution>
    pairs = zip(references, predictions, strict=True)
    rates = [score([reference], [text], "en")["WER"] for reference, text in pairs]
    return max(range(len(rates)), key=lambda number: rates[number])
    # </solution>


# %% tags=["wrong"]
def hardest(references, predictions):
    pairs = zip(references, predictions, strict=True)
    return max(score([reference], [text], "en")["WER"] for reference, text in pairs)


# %% tags=["wrong"]
def hardest(references, predictions):
    pairs = zip(references, predictions, strict=True)
    rates = [score([reference], [text], "en")["WER"] for reference, text in pairs]
    return min(range(len(rates)), key=lambda number: rates[number])


# %% tags=["wrong"]
def hardest(references, predictions):
    wrong, _ = count_errors(references, predictions)
    return int(np.argmax(wrong))


# %% tags=["check"]
with checking("1.3", "the hardest clip"):
    said, got = ["A B C D E F", "YES", "NO"], ["a b x y e f", "yet", "no"]
    number = hardest(said, got)
    assert number is not None, NOTHING
    assert number == int(number) and not isinstance(number, float), (
        "That is a rate; the number of its clip is wanted."
    )
    assert number != 2, "That is the easiest clip: look for the highest WER."
    assert number != 0, "Clip 0 has more errors, but it is longer: compare the rates."
    assert number == 1, f"Clip 1 was expected, not {number}."

# %% [markdown]
# Which words go wrong most?

# %% tags=["nbval-check-output"]
for name in texts:
    worst = metrics.word_errors(references, texts[name], "en")[:6]
    shown = ", ".join(f"{error.target or '(nothing)'} → {error.prediction or '(nothing)'}" for error in worst)
    print(f"{name}: {shown}")

# %% [markdown]
# ## A person reads
#
# So far (offline) no person has spoken: the clips are synthetic. Here are five sentences from *Sense and
# Sensibility*, read by a LibriVox volunteer, with the text that comes with them. They come inside the source
# archive of a package, so they are the same offline and on the Hub.

# %% tags=["nbval-check-output"]
people = load_dataset(**catalog.data("sense-and-sensibility"), split="test")
people = people.cast_column("audio", Audio(decode=False))
seconds = sum(len(audio.read(row["audio"])) for row in people) / audio.SAMPLE_RATE
print(f"{len(people)} sentences, {seconds:.0f} s, one reader")
players.listen(audio.read(people[3]["audio"]), audio.SAMPLE_RATE, "Sentence 3")

# %% [markdown]
# **Before you run:** compared with the clips above, will the WER here be (a) lower, since a person speaks
# more naturally (b) higher, for at least one of the two models (c) the same?

# %% tags=["nbval-check-output", "report"]
human = {name: transcribe(model, people, name, **options) for name, model, options in (
    ("CTC", ctc, {}), ("Whisper", whisper, {"num_beams": 1}),
)}  # fmt: skip
rows = []
for name in human:
    here, there = score(people["text"], human[name], "en"), score(references, texts[name], "en")
    rows.append(
        {"model": name, "these five": f"{here['WER']:.1%}", f"{len(many)} clips": f"{there['WER']:.1%}"}
    )
pd.DataFrame(rows).set_index("model").add_prefix("WER, ")

# %% tags=["nbval-check-output"]
from IPython.display import display

display(show.diff(people[3]["text"], human["CTC"][3], title="CTC, sentence 3"))
display(show.diff(people[3]["text"], human["Whisper"][3], "en", title="Whisper, sentence 3, normalised"))

# %% [markdown]
# <details><summary>Your prediction</summary>Offline <b>b</b>: the CTC stand-in was trained almost only on
# synthetic voices and makes far more errors on this reader, while Whisper, trained on many people, does not.
# On the Hub both models were trained on people, so (a) or (b) may come out. Five sentences by one reader
# cannot settle a small difference, but they do show a gap as wide as the stand-in's.</details>
#
# Test clips of synthetic voices can flatter a model that has been trained on such voices. Whatever you build,
# test it on recordings of people before you trust a figure.
#
# ### Exercise 1.4: who made the mistake? (3 minutes)
#
# Look at sentence 3 once more, and listen to it. One "error" of Whisper's is not its own: the **reference**
# says something that the reader does not. Write the sentence as it was read, in capitals.
#
# <details><summary>Hint</summary>Which word cannot stand there in English?</details>

# %% tags=["exercise"]
mended = people[3]["text"]
# <solution>
mended = mended.replace("A MORE A AMIABLE", "A MORE AMIABLE")
# </solution>

# %% tags=["wrong"]
mended = people[3]["text"].replace("A MORE A AMIABLE", "MORE AMIABLE")

# %% tags=["wrong"]
mended = human["Whisper"][3]

# %% tags=["check"]
with checking("1.4", "who made the mistake?"):
    assert mended != people[3]["text"], "That is the reference as it is: one of its words was not said."
    assert mended == mended.upper(), "Write it as the reference is written: capitals, no punctuation."
    assert "MARRIED A MORE" in mended, "The first A is said: HE MARRIED A MORE ..."
    right = people[3]["text"].replace("A MORE A AMIABLE", "A MORE AMIABLE")
    assert mended == right, "Only one word goes; all others stay as they are."

# %% [markdown]
# References are typed by people, and people err. A WER of 1 or 2 % can be the error rate of the references.
#
# ## Which Whisper?
#
# We use *base* because it fits anywhere. The family:
#
# | checkpoint | parameters | layers | width | heads | GPU memory | relative speed | languages |
# | --- | --- | --- | --- | --- | --- | --- | --- |
# | `whisper-tiny` | 39 M | 4 | 384 | 6 | 1.4 GB | ~10× | `.en` or multilingual |
# | `whisper-base` | 74 M | 6 | 512 | 8 | 1.5 GB | ~7× | `.en` or multilingual |
# | `whisper-small` | 244 M | 12 | 768 | 12 | 2.3 GB | ~4× | `.en` or multilingual |
# | `whisper-medium` | 769 M | 24 | 1024 | 16 | 4.2 GB | ~2× | `.en` or multilingual |
# | `whisper-large`, v2, v3 | 1550 M | 32 | 1280 | 20 | 7.5 GB | 1× | multilingual only |
# | `whisper-large-v3-turbo` | 809 M | 32 + 4 | 1280 | 20 | about 6 GB | ~8× | multilingual; no translation |
#
# Checkpoints with `.en` know English only. The encoder and the decoder each have this number of layers;
# turbo's decoder is cut to 4, because decoding takes most of the time. Speeds are
# [OpenAI's](https://github.com/openai/whisper), measured on an A100; memory is what transcribing takes
# (turbo's figure is OpenAI's own). Does the checkpoint in our hands agree with the table?

# %% tags=["nbval-check-output"]
config = whisper.model.config
print(f"{whisper.model.num_parameters() / 1e6:.1f} M parameters")
print(f"{config.encoder_layers} + {config.decoder_layers} layers, width {config.d_model}")
print(f"{config.encoder_attention_heads} heads, {len(whisper.model.generation_config.lang_to_id)} languages")

# %% [markdown]
# Layers, width and heads agree. The parameters do not quite: ours is a count of all weights, each once (the
# matrix that reads tokens also writes them); 74 M is the figure OpenAI published, and it does not say how it
# was counted.
#
# Is a smaller one enough? Measure it. `tiny.en` has half the weights and knows English only, so the two
# differ in size and in languages. We run both sizes in
# [faster-whisper](https://github.com/SYSTRAN/faster-whisper), a library that holds the weights in 8 bits and
# is faster on a CPU (lesson 3), on every fourth clip and on the five sentences of the reader.

# %%
from faster_whisper import WhisperModel


def heard_by(size, rows):
    """Texts of the rows by faster-whisper, greedily, in 8 bits."""
    sounds = (audio.read(row["audio"]) for row in course.progress(rows, size))
    answers = (sizes[size].transcribe(sound, language="en", beam_size=1)[0] for sound in sounds)
    return ["".join(segment.text for segment in segments) for segments in answers]


tiny, base = catalog.model("Systran/faster-whisper-tiny.en"), catalog.model("Systran/faster-whisper-base")
sizes = {
    "tiny.en": WhisperModel(tiny, device="auto", compute_type="int8"),
    "base": WhisperModel(base, device="auto", compute_type="int8"),
}
some = clips.select(range(0, len(clips), 4))
sets = {f"{len(some)} clips": some, f"{len(people)} of a reader": people}
by_size = {(size, name): heard_by(size, rows) for size in sizes for name, rows in sets.items()}

# %% tags=["report"]
rows = []
for name, data in sets.items():
    said = list(data["text"])
    row = {"speech": name} | {s: f"{score(said, by_size[s, name], 'en')['WER']:.1%}" for s in sizes}
    low, high = difference_interval(said, by_size["tiny.en", name], by_size["base", name])
    rows.append(row | {"tiny.en minus base (95 %)": f"{100 * low:.1f} to {100 * high:.1f} points"})
pd.DataFrame(rows).set_index("speech")

# %% [markdown]
# ### Exercise 1.5: is it clear? (2 minutes)
#
# Write the rule: is one of two models better, going by the interval (`low`, `high`) of their difference? True
# if the interval does not hold 0.


# %% tags=["exercise"]
def is_clear(low, high):
    """Whether the interval of a difference leaves 0 out."""
    # <solution>
    return low > 0 or high < 0
    # </solution>


# %% tags=["wrong"]
def is_clear(low, high):
    return low > 0


# %% tags=["wrong"]
def is_clear(low, high):
    return low != 0 and high != 0


# %% tags=["wrong"]
def is_clear(low, high):
    return (low + high) / 2 != 0


# %% tags=["check"]
with checking("1.5", "is it clear?"):
    assert is_clear(0.01, 0.05) is not None, NOTHING
    assert is_clear(0.01, 0.05), "From 1 to 5 points: the second model is better in all of it."
    assert is_clear(-0.05, -0.01), "From -5 to -1 points is as clear, the other way round."
    assert not is_clear(-0.02, 0.02), "From -2 to 2 points holds 0: either may be better."
    assert not is_clear(-0.02, 0.05), "From -2 to 5 points holds 0 too, although its middle is above it."

# %% [markdown]
# Apply it to your two intervals. With five sentences even a difference of several points is often not clear.
#
# ## Which model today?
#
# Whisper is from 2022. Before you train anything, try a pretrained checkpoint. Mean WER on the English sets
# of the [Open ASR Leaderboard](https://huggingface.co/spaces/hf-audio/open_asr_leaderboard) on 22 May 2026,
# and how many times faster than real time on the leaderboard's GPU:
#
# | model | WER | × real time | in Transformers |
# | --- | --- | --- | --- |
# | Cohere Transcribe | 5.4 % | 525 | `AutoModelForSpeechSeq2Seq` |
# | Granite 4.0 1B Speech | 5.5 % | 280 | `AutoModelForMultimodalLM` |
# | Qwen3-ASR 1.7B | 5.8 % | 148 | `AutoModelForMultimodalLM` |
# | Parakeet TDT v3 | 6.3 % | 3,333 | `AutoModelForTDT` |
# | Moonshine streaming medium, 245 M | 6.7 % | 448 | `pipeline` |
# | Whisper large-v3 / turbo | 7.4 / 7.8 % | 146 / 200 | `pipeline` |
# | FastConformer-CTC, 115 M | 9.0 % | 6,399 | `pipeline` |
# | wav2vec2-base-960h | 29.4 % | 686 | `pipeline` |
#
# Choose by language first (most of these know few), then by your machine, by what you need (time stamps,
# streaming, words of your own, fine-tuning) and by licence. Then measure two or three on fifty clips of your
# own, with the interval of the difference.
#
# ## How long, how careful: `max_new_tokens` and `num_beams`
#
# Whisper writes until it produces its end token. `max_new_tokens` stops it before, useful where a model may
# loop; set too low, it cuts the text off, without a warning:

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE}
print(whisper(sound, num_beams=1, max_new_tokens=8)["text"])

# %% [markdown]
# `num_beams` is how many candidate texts are kept at each step. The pipeline's own default is 5: that costs
# time, and sometimes finds a better text than taking the best token each time (`num_beams=1`, **greedy**
# search).
#
# **Before you run:** with five beams it takes (a) the same time (b) longer, but far less than five times (c)
# five times as long.

# %% tags=["nbval-check-output"]
for beams in (1, 5):
    with course.timed(f"{beams} beam(s)", len(speech) / audio.SAMPLE_RATE):
        text = whisper({"array": speech, "sampling_rate": audio.SAMPLE_RATE}, num_beams=beams)["text"]
    print(fill(text, 100))

# %% [markdown]
# <details><summary>Your prediction</summary>Mostly <b>b</b>: the encoder runs once, whatever the beams; only
# the decoder's steps become wider, and the five candidates go through it together.</details>
#
# Remember that default when you compare the speed of two libraries: compare greedy with greedy.
#
# ## Spanish, by streaming
#
# Multilingual LibriSpeech has hundreds of hours of Spanish audiobooks. We want one clip. With
# `streaming=True` only the part we look at is downloaded:

# %% tags=["nbval-check-output"]
source = catalog.data("facebook/multilingual_librispeech", "spanish")
spanish = load_dataset(**source, split="dev", streaming=True).cast_column("audio", Audio(decode=False))
tale = next(iter(spanish))
print(fill(tale["transcript"], 100))

# %%
spanish_speech = audio.read(tale["audio"])
players.listen(spanish_speech, audio.SAMPLE_RATE, "First clip of the Spanish audiobook")


# %% tags=["tested"]
def recognise(array, **options):
    """Whisper's answer, greedy, for a clip of shape (samples,) at 16 kHz; a new dict for each call."""
    return whisper({"array": array, "sampling_rate": audio.SAMPLE_RATE}, num_beams=1, **options)


# %% tags=["nbval-check-output"]
answer = recognise(spanish_speech, return_language=True)
print("language:", answer["chunks"][0]["language"])
show.diff(tale["transcript"], answer["text"], language="es", title="Whisper, no language given")

# %% [markdown]
# We did not say "Spanish": the first token that Whisper writes is the language it detects. We can look at
# that step. After the start token, the model gives every token a score; those of the language tokens,
# through a softmax, are probabilities.

# %% tags=["tested"]
from transformers.models.whisper.tokenization_whisper import LANGUAGES


def language_probabilities(array):
    """{code: probability} of Whisper's languages for a clip of shape (samples,) at 16 kHz."""
    languages = whisper.model.generation_config.lang_to_id
    features = whisper.feature_extractor(array, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt")
    start = torch.tensor([[whisper.model.generation_config.decoder_start_token_id]], device=device)  # (1, 1)
    with torch.inference_mode():
        logits = whisper.model(features.input_features.to(device, dtype), decoder_input_ids=start).logits
    probabilities = logits[0, -1, list(languages.values())].float().softmax(-1)  # (languages,)
    return {token.strip("<|>"): float(value) for token, value in zip(languages, probabilities, strict=True)}


# %%
both = plots.axes(columns=2, height=2.2)
for ax, (name, array) in zip(both, {"Clip 2": speech, "Audiobook": spanish_speech}.items(), strict=True):
    ranked = sorted(language_probabilities(array).items(), key=lambda pair: -pair[1])
    plots.bars({LANGUAGES[code]: value for code, value in ranked[:4]}, ax, unit="%").set(title=name)
show.figure(
    both[0].figure,
    alt="Bars of the four most probable languages: for clip 2 nearly all of the probability is English, "
    "for the audiobook it is Spanish.",
)

# %% [markdown]
# With short or noisy clips, accents and music the detection is less sure. If you know the language, give it.
# But give the right one.
#
# **Before you run:** told `language="english"` for Spanish speech, Whisper (a) stops with an error (b) writes
# Spanish all the same (c) writes something in English.

# %% tags=["nbval-check-output"]
told = {}
for language in ("spanish", "english", "french"):
    told[language] = recognise(spanish_speech, language=language)["text"]
    print(fill(f"{language}: {told[language]}", 100, subsequent_indent="    "))

# %% [markdown]
# <details><summary>Your prediction</summary><b>c.</b> The language is a token in front of the text; the
# decoder goes on in that language as well as it can.</details>
#
# Told that the Spanish is English or French, Whisper writes *something* in that language, or half in it: a
# translation nobody asked for, or words that only sound like what was said. Nothing warns you. That is also
# why fine-tuning sets the language once and for all (lesson 5).
#
# ## Translation, by another task
#
# Whisper was trained on two tasks: transcribe, and translate into English. A token chooses between them; we
# choose by `task`.

# %% tags=["nbval-check-output"]
options = {"task": "translate", "language": "spanish"}
translated = recognise(spanish_speech, generate_kwargs=options)["text"]
print(fill(translated, 100))
print("the same text as with language='english':", translated == told["english"])

# %% tags=["nbval-check-output"]
import json

translations = catalog.asset("spanish-audiobook") / "translation.json"
by_hand = json.loads(translations.read_text(encoding="utf-8")).get(tale["id"])
print(fill(by_hand or "No translation by hand for this clip: Multilingual LibriSpeech has none.", 100))

# %% [markdown]
# Is it the same story? A WER would be the wrong measure: two good translations may share few words. (The
# usual scores are BLEU, which counts word sequences shared with one or more reference translations, and
# COMET, in which a trained model judges the meaning.) So read, and look for what is lost, names first. (In
# the course's offline clip a girl finds a *brújula*, a compass; Whisper writes *witch*, in Spanish *bruja*.)
# Whisper translates *into English* only. If the line under Whisper's translation says True,
# `language="english"` had the same effect as the task "translate".
#
# ## What the pipeline does to your dict
#
# We wrote a new dict for every call. **Before you run:** after the call the dict (a) is as it was (b) has
# lost its sound (c) holds the text as well.

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE, "speaker": "anyone"}
answer = ctc(sound)
print("the dict afterwards:", sound)
print("keys of the answer: ", list(answer))

# %% [markdown]
# <details><summary>Your prediction</summary><b>b.</b> The first line shows what is left.</details>
#
# The pipeline *takes the sound out of the dict*, and passes on whatever else is in it. A second
# call with the same dict finds no sound:

# %% tags=["nbval-check-output"]
try:
    ctc(sound)
except ValueError as error:
    print(fill(str(error), 100))

# %% [markdown]
# So pass a copy. A shallow one is enough, because the samples themselves are left alone:

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE}
print(ctc(sound.copy()) == ctc(sound.copy()), list(sound))

# %% [markdown]
# ## Traps that raise no error
#
# That mistake raised an error. These do not: a bare array is taken for 16 kHz whatever its rate, integers
# are taken for sound 32,768 times too loud, and for silence Whisper writes words all the same. What does it
# write, and what does our `audio.check` say?

# %% tags=["nbval-check-output"]
traps = {
    "8 kHz, rate not told": (soxr.resample(speech, audio.SAMPLE_RATE, 8_000), 8_000),
    "16-bit integers": ((speech * 32_767).round().astype("int16"), audio.SAMPLE_RATE),
    "silence": (0 * speech, audio.SAMPLE_RATE),
    "nothing at all": (speech[:0], audio.SAMPLE_RATE),
    "not a number": (float("nan") * speech, audio.SAMPLE_RATE),
}
found = []
for name, (array, rate) in traps.items():
    written = whisper(array, num_beams=1, max_new_tokens=24)["text"]
    try:
        audio.check(array, rate)
        verdict = "repaired: scaled to floats in [-1, 1]"
    except audio.AudioError as error:
        verdict = str(error)
    found.append({"clip": name, "Whisper writes": written, "audio.check says": verdict})
pd.set_option("display.max_colwidth", 100, "display.width", 220)
pd.DataFrame(found).set_index("clip")

# %% [markdown]
# Open every sound with `audio.read`, and pass it through `audio.check` before you transcribe it. A wrong rate
# is found only if you pass the true one, `audio.check(samples, rate)`: the samples alone do not show it.
#
# ## Hear, read, compare
#
# One function that puts the lesson together: a clip, a model, and for Whisper a language and a task.


# %% tags=["tested"]
def compare(clip, model, language="", task="transcribe"):
    """Play a row's clip and show what the model writes, against the text of the data set.

    `language` ("" lets Whisper detect it) and `task` are for Whisper only.
    """
    array = audio.read(clip["audio"])
    display(players.listen(array, audio.SAMPLE_RATE, f"Clip {clip['id']}"))
    if model == "CTC":
        written = ctc({"array": array, "sampling_rate": audio.SAMPLE_RATE})["text"]
    else:
        written = recognise(array, language=language or None, task=task)["text"]
        if task == "translate":
            return print(fill(written, 100))
    own_text, own_language = (clip["text"], "en") if "text" in clip else (clip["transcript"], "es")
    display(show.diff(own_text, written, language=own_language, title=model))


# %%
compare(tale, "CTC")

# %% [markdown]
# The CTC model knows the letters of English only, and writes Spanish with them. The same function with
# menus, for you to try other choices. (Run the lesson to use it: a stored page cannot compute.)

# %% tags=["tested"]
import ipywidgets as widgets

choices = {f"{index}: {clips[index]['text'].capitalize()[:70]}": clips[index] for index in (2, 0, 20, 40, 60)}
choices["Spanish audiobook"] = tale
languages = [("detect", ""), ("English", "english"), ("Spanish", "spanish"), ("French", "french")]
clip_menu = widgets.Dropdown(options=list(choices), description="Clip", layout={"width": "44em"})
model_menu = widgets.Dropdown(options=["Whisper", "CTC"], description="Model")
language_menu = widgets.Dropdown(options=languages, description="Language")
task_menu = widgets.Dropdown(options=["transcribe", "translate"], description="Task")
button = widgets.Button(description="Hear and read", button_style="primary")
result = widgets.Output()


def run(_):
    """Compare what the menus say, in the space below them."""
    button.disabled, button.description = True, "Transcribing …"
    result.clear_output()
    with result:
        compare(choices[clip_menu.value], model_menu.value, language_menu.value, task_menu.value)
    button.disabled, button.description = False, "Hear and read"


# %% tags=["tested"]
def grey_out(change):
    """Language and task are Whisper's alone: disable their menus while the CTC model is chosen."""
    language_menu.disabled = task_menu.disabled = change["new"] == "CTC"


model_menu.observe(grey_out, names="value")
button.on_click(run)
widgets.VBox([clip_menu, model_menu, language_menu, task_menu, button, result])

# %% [markdown]
# Things to try: the audiobook told to be French; an English clip with the task "translate"; one clip with
# both models.
#
# ## Your turn
#
# Record a sentence or two with your telephone or your browser (m4a, webm, mp3, wav, …), put the files into a
# folder `my-recordings` beside this notebook, and run this cell. Without recordings the lesson goes on.

# %%
from pathlib import Path

folder = Path("my-recordings")
recordings = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
for path in recordings:
    try:
        mine = audio.check(audio.read(path), max_seconds=30)
    except audio.AudioError as error:
        print(f"{path.name}: {error}")
        continue
    display(players.listen(mine, audio.SAMPLE_RATE, path.name))
    sound = {"array": mine, "sampling_rate": audio.SAMPLE_RATE}
    print("Whisper:", fill(whisper(sound.copy(), num_beams=1)["text"].strip(), 100))
    print("CTC:    ", fill(ctc(sound.copy())["text"], 100))
print(f"{len(recordings)} recordings in {folder}/")

# %% [markdown]
# ## How sure are we?
#
# - The clips are read sentences with little noise; offline all but five are synthetic voices, on the Hub the
#   readers of audiobooks. Telephones, accents, children, noise: not measured here.
# - No setting was tuned on these clips; only the examples shown were picked. The intervals count how the
#   figures move with other clips of the same kind, not with other kinds.
# - Two checkpoints differ in more than their method: data, size, text style. "CTC against Seq2Seq" is a
#   comparison of these two, not of all.
#
# ## Take it with you
#
# This is all you need outside this course. Save it as `transcribe.py` and run
# `python transcribe.py my-recording.mp3`:
#
# ```python
# import sys
#
# import soundfile
# import torch
# from transformers import pipeline
#
# device = "cuda" if torch.cuda.is_available() else "cpu"
# dtype = torch.float16 if device == "cuda" else torch.float32
# asr = pipeline("automatic-speech-recognition", model="openai/whisper-base", device=device, dtype=dtype)
# samples, rate = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
# sound = {"array": samples.mean(axis=1), "sampling_rate": rate}
# print(asr(sound, return_timestamps=True)["text"])
# ```
#
# If torchaudio is installed, the pipeline resamples by itself when the dict gives the rate; without it the
# recording must have 16 kHz.
# `return_timestamps=True` lets the recording be longer than 30 s (lesson 3). Where the program FFmpeg is
# installed, the pipeline also takes the file's path: `asr("my-recording.m4a")`; then the two lines with
# soundfile go, and formats work that soundfile cannot read.
#
# And a whole folder, each recording into a text and into subtitles:
#
# {script: transcribe_folder.py}
#
# Offline, `--model` takes the folder that `python -m helpers where openai/whisper-base` prints.
#
# ## More to try
#
# 1. **Are five beams worth it?** Transcribe the first ten clips with `num_beams=1` and with `num_beams=5`.
#    Compare time and WER, and look at the interval of the difference. *Hint:* `transcribe(whisper,
#    clips.select(range(10)), "5 beams", num_beams=5)`, and `difference_interval`.
# 2. **How much sound does it need?** Cut the Spanish clip to its first 0.5, 1, 2 and 4 seconds and plot the
#    probability of Spanish. *Hint:* `spanish_speech[: int(0.5 * audio.SAMPLE_RATE)]`, and
#    `language_probabilities(...)["es"]`.

# %% [markdown] tags=["further"]
# ## Further reading
#
# - Graves et al., [Connectionist Temporal Classification](https://dl.acm.org/doi/10.1145/1143844.1143891)
#   (2006): the loss that lets an encoder learn letters without knowing when each was said.
# - Baevski et al., [wav2vec 2.0](https://arxiv.org/abs/2006.11477) (2020): learning from speech without
#   text.
# - Radford et al., [Robust Speech Recognition via Large-Scale Weak
#   Supervision](https://arxiv.org/abs/2212.04356) (2022): Whisper, its tasks and its errors.
# - Bisani, Ney, *Bootstrap estimates for confidence intervals in ASR performance evaluation* (2004): both
#   intervals of this lesson.
# - Panayotov et al., [LibriSpeech](https://www.openslr.org/12) (2015), and Pratap et al., [Multilingual
#   LibriSpeech](https://arxiv.org/abs/2012.03411) (2020): the data.
# - Transformers: [pipelines](https://huggingface.co/docs/transformers/main_classes/pipelines) and
#   [Whisper](https://huggingface.co/docs/transformers/model_doc/whisper).
