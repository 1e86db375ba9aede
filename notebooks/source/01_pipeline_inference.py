# %%
from helpers import course

course.start("01")

# %% [markdown]
# ## A clip to listen to
#
# We need some speech whose words we know. On the Hub there is a small set of clips from
# [LibriSpeech](https://www.openslr.org/12), sentences from audiobooks, each with its text. (Where the
# course runs offline, a data set of the same form takes its place; the first line below says so.)

# %% tags=["nbval-check-output"]
from helpers import catalog

clips = catalog.dataset("hf-internal-testing/librispeech_asr_dummy", "clean", split="validation")
clips

# %% [markdown]
# Clip 2 is our guinea pig: it mentions Christmas, roast beef and similes, words that trip whoever spells by
# ear. The text is in LibriSpeech's style, all capitals and no punctuation. It is the **target**, or
# **reference**: what a perfect model would write.

# %% tags=["nbval-check-output"]
from textwrap import fill

row = clips[2]
target = row["text"]
print(fill(target, 100))

# %% [markdown]
# The sound is still compressed, as it lies in the file. Our `audio.read` decodes it, mixes it down to one
# channel and brings it to 16,000 samples a second (16 kHz), the rate that all models of this course were
# trained on.

# %%
from helpers import audio, display

speech = audio.read(row["audio"])
display.listen(speech, audio.SAMPLE_RATE, "Clip 2")

# %% [markdown]
# What does a model get to see of it?

# %%
from helpers import plots

above, below = plots.axes(rows=2, height=1.9)
plots.waveform(speech, audio.SAMPLE_RATE, above)
plots.log_mel(speech, audio.SAMPLE_RATE, below)
above.set(xlabel="", title="Waveform")
below.set(title="Log-mel spectrogram")
display.figure(
    below.figure,
    alt="Waveform of clip 2, and its log-mel spectrogram on the same time axis: where the waveform is loud, "
    "the spectrogram shows bright stripes, the pitch and resonances of the voice; pauses are dark.",
)

# %% [markdown]
# Above, the **waveform**: air pressure, 16,000 numbers a second. Below, the **log-mel spectrogram**: 100
# columns a second, each saying how much energy there is in 80 bands from low to high, as wide as our ear
# hears them. Wav2Vec2, our first model, takes the waveform and finds its own features. Whisper, the second,
# takes the log-mel.
#
# ## CPU or GPU, decided once
#
# A model and its input must be on the same device. Decide in one place, and pass the decision everywhere.

# %%
device, dtype = course.device(), course.dtype()
print(device, dtype)

# %% [markdown]
# `dtype` is how a weight is stored. Half precision (`torch.float16`) halves the memory and is faster on a
# GPU; on a CPU it is not, so there we stay with `torch.float32`.
#
# ## One line: a CTC model
#
# `pipeline()` fetches three things that belong together (a feature extractor, a model, a tokenizer) and
# hides them behind one call. Our first checkpoint is a **Wav2Vec2**, trained with CTC.

# %%
from transformers import pipeline

with course.timed("Loading") as loading:
    ctc = pipeline(
        "automatic-speech-recognition",
        model=catalog.checkpoint("facebook/wav2vec2-base-100h"),
        device=device,
        dtype=dtype,
    )
load_seconds = {"CTC": loading.seconds}

# %% tags=["nbval-check-output"]
heard = {"CTC": ctc({"array": speech, "sampling_rate": audio.SAMPLE_RATE})["text"]}
print(fill(heard["CTC"], 100))

# %% [markdown]
# Speech has become text. But is it the *right* text? Put the target above the prediction, and colour what
# differs:

# %%
display.diff(target, heard["CTC"], title="CTC")

# %% [markdown]
# Say a wrong word aloud: often it sounds right. The model spells what it hears, and nothing in it checks
# that the letters make a word. There is no punctuation either, and only one case: its vocabulary has no
# other signs. Lesson 2 takes this model apart.
#
# ## The same line: Whisper
#
# Our second checkpoint is **Whisper base**. Only the name changes. Two options bound the work:
# `max_new_tokens`, how long the answer may get, and `num_beams`, how many candidate texts it keeps in the
# race (more on both below).

# %%
with course.timed("Loading") as loading:
    whisper = pipeline(
        "automatic-speech-recognition",
        model=catalog.checkpoint("openai/whisper-base"),
        device=device,
        dtype=dtype,
    )
load_seconds["Whisper"] = loading.seconds

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE}
heard["Whisper"] = whisper(sound, max_new_tokens=128, num_beams=1)["text"]
print(fill(heard["Whisper"], 100))

# %% [markdown]
# A sentence, with capitals and punctuation: Whisper learnt from transcripts found on the web, where people
# write that way. So how many words are wrong?

# %%
display.diff(target, heard["Whisper"], title="Whisper, compared as written")

# %% [markdown]
# As written, hardly a word agrees: `Christmas` is not `CHRISTMAS`, `beef,` is not `BEEF`. That says nothing
# about hearing. Before comparing, take away what two correct transcriptions may differ in: case and
# punctuation. That is called **normalising**.

# %% tags=["nbval-check-output"]
from helpers import metrics

for text in ("“It’s Mr. Smith’s,” he said.", "IT'S MISTER SMITH'S HE SAID", "Twenty-one? No: 21!"):
    print(metrics.normalise(text, "en"))

# %% [markdown]
# The first two become equal. The third keeps its numbers apart: `21` could have been read in other ways,
# and a careful normaliser leaves alone what may have been heard differently. Now the comparison is fair:

# %%
display.diff(target, heard["Whisper"], language="en", title="Whisper, normalised")

# %% [markdown]
# What is left, if anything, is a true error. Whisper mostly errs with words that exist, and those are
# harder to notice than a misspelling. (It puts words together from pieces, so now and then it misspells as
# well.)
#
# ## Counting: WER and CER
#
# Align target and prediction with as few edits as possible, and count them: S words substituted, D deleted,
# I inserted. The **word error rate** divides by the N words of the target:
#
# **WER = (S + D + I) / N**
#
# The **character error rate** (CER) does the same with letters. 0 % is perfect; with many insertions both
# may exceed 100 %.

# %%
wer, cer = metrics.load("wer"), metrics.load("cer")


def score(references, predictions, language=None):
    """WER and CER of lists of texts; with a language, both sides are normalised first."""
    if language:
        references = [metrics.normalise(text, language) for text in references]
        predictions = [metrics.normalise(text, language) for text in predictions]
    pair = {"references": references, "predictions": predictions}
    return {"WER": wer.compute(**pair), "CER": cer.compute(**pair)}


# %% tags=["nbval-check-output"]
scores = [
    {"model": name, "texts": kind, **score([target], [text], language)}
    for name, text in heard.items()
    for kind, language in {"raw": None, "normalised": "en"}.items()
]
display.table(scores, caption="Clip 2", formats={"WER": ".1%", "CER": ".1%"})

# %% [markdown]
# Look at Whisper's two rows: one text, and two scores that could not be further apart. So a WER means
# nothing until you know what was normalised, and two WERs may be compared only if both had the same done to
# them. From here on we normalise.
#
# CER is gentler than WER: one wrong letter makes a whole word wrong, but it is only one letter. A model
# whose CER is far below its WER is *nearly* right most of the time.

# %%
for entry in scores:
    if entry["texts"] == "normalised":
        course.record(f"WER of {entry['model']} on clip 2", entry["WER"], "%")

# %% [markdown]
# ## Why they differ: CTC against Seq2Seq
#
# ![Two diagrams. CTC: the waveform goes through an encoder and a linear layer, which gives each frame a
# letter or a blank, C C blank A blank blank T T; merging repeats and dropping blanks leaves CAT. All of it
# happens in one pass. Seq2Seq: the waveform goes through an encoder; a decoder looks at it by
# cross-attention and writes one token after another, The, cat, sat; each token goes back in before the next
# is written.](../images/ctc_seq2seq.svg)
#
# | | CTC (Wav2Vec2) | Seq2Seq (Whisper) |
# | --- | --- | --- |
# | parts | encoder + one linear layer | encoder + decoder, joined by cross-attention |
# | output | a letter or a blank for each frame, 50 a second | one token (a piece of a word) a step |
# | speed | one pass, however long the text | one pass of the decoder for each token |
# | knows of language | what little the encoder picked up | the decoder is a language model |
# | typical error | spelt as it sounds, not a word | a real word that was not said; invented sentences |
# | writes | the letters of its vocabulary | capitals, punctuation, 99 languages; can translate |
# | trained on | up to 60,000 h *without* text, then hours with it | 680,000 h *with* text |
#
# Of Whisper's 680,000 hours, 117,000 are in 96 languages other than English.
#
# A decoder has to learn a language as well as hearing, and needs far more labelled data for it. It pays:
# the Whisper paper reports about 3 % WER on LibriSpeech test-clean and 4.7 % on TED-LIUM without training
# on either. CTC is small and fast, never loops, and its letters are tied to moments of the clip; where a
# few hours of one language are all you have, it is the place to start (lessons 6 and 7).
#
# ## Many clips
#
# One clip is an anecdote. Give each model many: on a GPU all, on a CPU every second one. A generator feeds
# the pipeline, which can group them in batches. A batch keeps a GPU busy. On a CPU one clip is work enough,
# and batches bring nothing.


# %%
def sounds(rows):
    """Inputs for a pipeline, decoded one by one as it asks for them."""
    for row in rows:
        yield {"array": audio.read(row["audio"]), "sampling_rate": audio.SAMPLE_RATE}


many = clips.select(range(0, len(clips), course.budget(cpu=2, gpu=1)))
batch_size = course.budget(cpu=1, gpu=16)
seconds_of_audio = sum(len(sound["array"]) for sound in sounds(many)) / audio.SAMPLE_RATE
print(f"{len(many)} of {len(clips)} clips, {seconds_of_audio / 60:.1f} minutes")


# %%
def transcribe_many(recogniser, name, **options):
    """Texts of the clips, and the seconds it took."""
    answers = recogniser(sounds(many), batch_size=batch_size, **options)
    with course.timed(name, seconds_of_audio) as timing:
        texts = [answer["text"] for answer in course.progress(answers, name, total=len(many))]
    return texts, timing.seconds


# %%
everything = {
    "CTC": transcribe_many(ctc, "CTC"),
    "Whisper": transcribe_many(whisper, "Whisper", num_beams=1),
}

# %% [markdown]
# Times are best told as a **real-time factor** (RTF): seconds of work for a second of sound. Below 1 it
# keeps up with a speaker.

# %%
references = list(many["text"])
measured = []
for name, recogniser in {"CTC": ctc, "Whisper": whisper}.items():
    texts, seconds = everything[name]
    interval = metrics.confidence_interval(references, texts, "en")
    measured.append(
        {
            "model": name,
            "parameters (M)": recogniser.model.num_parameters() / 1e6,
            "load (s)": load_seconds[name],
            "clips (s)": seconds,
            "real-time factor": seconds / seconds_of_audio,
            **score(references, texts, "en"),
            "95 % interval": f"{interval.low:.1%} to {interval.high:.1%}",
        }
    )
formats = dict.fromkeys(["parameters (M)", "load (s)", "clips (s)"], ".1f")
formats |= {"real-time factor": ".3f", "WER": ".1%", "CER": ".1%"}
display.table(measured, caption=f"{len(many)} clips on {course.device_name()}", formats=formats)

# %%
for entry in measured:
    course.record(f"WER of {entry['model']}, {len(many)} clips", entry["WER"], "%")
    course.record(f"Real-time factor of {entry['model']}", entry["real-time factor"], digits=3)

# %% [markdown]
# The **interval** is what the WER would do if the clips were drawn anew: with so few clips it is wide, and
# a difference smaller than that is no difference.
#
# Which words go wrong most?

# %%
for name, (texts, _) in everything.items():
    worst = metrics.word_errors(references, texts, "en")[:6]
    shown = ", ".join(f"{error.target or '(nothing)'} → {error.prediction or '(nothing)'}" for error in worst)
    print(f"{name}: {shown}")

# %% [markdown]
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
# Checkpoints with `.en` know English only. Layers are counted in the encoder and again in the decoder;
# turbo has cut its decoder to 4, which is where the time goes. Speeds are
# [OpenAI's](https://github.com/openai/whisper), measured on an A100; memory is what transcribing takes
# (turbo's figure is OpenAI's own). Does the checkpoint in our hands agree with the table?

# %% tags=["nbval-check-output"]
config = whisper.model.config
print(f"{whisper.model.num_parameters() / 1e6:.1f} M parameters")
print(f"{config.encoder_layers} + {config.decoder_layers} layers, width {config.d_model}")
print(f"{config.encoder_attention_heads} heads, {len(whisper.model.generation_config.lang_to_id)} languages")

# %% [markdown]
# It does, give or take a little: 74 M is OpenAI's own, rounded figure.
#
# ## How long, how careful: `max_new_tokens` and `num_beams`
#
# Whisper writes until it thinks it is done. `max_new_tokens` is the emergency brake, useful where a model
# may loop; set too low, it cuts the text off, without a warning:

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE}
print(whisper(sound, num_beams=1, max_new_tokens=8)["text"])

# %% [markdown]
# `num_beams` is how many candidate texts are kept at each step. The pipeline's own default is 5: that costs
# time, and sometimes finds a better text than taking the best token each time (`num_beams=1`, **greedy**
# search).

# %%
for beams in (1, 5):
    with course.timed(f"{beams} beam(s)", len(speech) / audio.SAMPLE_RATE):
        text = whisper({"array": speech, "sampling_rate": audio.SAMPLE_RATE}, num_beams=beams)["text"]
    print(fill(text, 100))

# %% [markdown]
# Remember that default when you compare the speed of two libraries: greedy against greedy, or it is no
# comparison.
#
# ## Spanish, by streaming
#
# Multilingual LibriSpeech has hundreds of hours of Spanish audiobooks. We want one clip. With
# `streaming=True` nothing is downloaded but what we look at:

# %% tags=["nbval-check-output"]
spanish = catalog.dataset("facebook/multilingual_librispeech", "spanish", split="dev", streaming=True)
tale = next(iter(spanish))
print(fill(tale["transcript"], 100))

# %%
spanish_speech = audio.read(tale["audio"])
display.listen(spanish_speech, audio.SAMPLE_RATE, "First clip of the Spanish audiobook")


# %%
def listen_to(array, **options):
    """What Whisper makes of a clip, greedily; a new dict each time, as the pipeline will empty it."""
    return whisper({"array": array, "sampling_rate": audio.SAMPLE_RATE}, num_beams=1, **options)


answer = listen_to(spanish_speech, return_language=True)
print("language:", answer["chunks"][0]["language"])
display.diff(tale["transcript"], answer["text"], language="es", title="Whisper, unaided")

# %% [markdown]
# Nobody said "Spanish": the first token that Whisper writes is the language it heard. We can look over its
# shoulder. After the start token, the model gives every token a score; those of the language tokens make a
# probability.

# %%
import torch

languages = whisper.model.generation_config.lang_to_id


def language_probabilities(array):
    """Probability of each of Whisper's languages for one clip."""
    features = whisper.feature_extractor(array, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt")
    start = torch.tensor([[whisper.model.generation_config.decoder_start_token_id]], device=device)
    with torch.inference_mode():
        logits = whisper.model(features.input_features.to(device, dtype), decoder_input_ids=start).logits
    probabilities = logits[0, -1, list(languages.values())].float().softmax(-1)
    return {token.strip("<|>"): float(value) for token, value in zip(languages, probabilities, strict=True)}


# %%
both = plots.axes(columns=2, height=2.2)
for ax, (name, array) in zip(both, {"Clip 2": speech, "Audiobook": spanish_speech}.items(), strict=True):
    ranked = sorted(language_probabilities(array).items(), key=lambda pair: -pair[1])
    plots.bars(dict(ranked[:4]), ax, unit="%").set(title=name)
display.figure(
    both[0].figure,
    alt="Bars of the four most probable languages: for clip 2 nearly all of the probability is English, "
    "for the audiobook it is Spanish.",
)

# %% [markdown]
# Short or noisy clips, accents and music are where this goes wrong. If you know the language, say so. But
# say it right: Whisper does as it is told.

# %%
for language in ("spanish", "english", "french"):
    text = listen_to(spanish_speech, language=language)["text"]
    print(fill(f"{language}: {text}", 100, subsequent_indent="    "))

# %% [markdown]
# Told that the Spanish is English or French, it doesn't object: it writes *something* in that language, or
# halfway there: a translation nobody asked for, or words that only sound like it. Nothing warns you. That
# is also why fine-tuning sets the language once and for all (lesson 5).
#
# ## Translation, by another task
#
# Whisper was trained on two tasks: write down, or translate into English. A token chooses; we choose by
# `task`.

# %%
translated = listen_to(spanish_speech, generate_kwargs={"task": "translate", "language": "spanish"})["text"]
print(fill(translated, 100))

# %%
import json

translations = catalog.asset("spanish-audiobook") / "translation.json"
by_hand = json.loads(translations.read_text(encoding="utf-8")).get(tale["id"])
print(fill(by_hand or "No translation by hand for this clip: Multilingual LibriSpeech has none.", 100))

# %% [markdown]
# Is it the same story? A WER would be the wrong question: two good translations may share few words. (The
# field's scores, BLEU and COMET, compare with several references, or compare meaning.) So read, and look
# for what got lost on the way, names first. Whisper translates *into English* only.
#
# ## What the pipeline does to your dict
#
# You may have noticed that we wrote a new dict for every call. Here is why:

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE, "speaker": "anyone"}
answer = whisper(sound, num_beams=1)
print("the dict afterwards:", sound)
print("keys of the answer: ", list(answer))

# %% [markdown]
# The pipeline *takes the sound out of the dict*, and passes on whatever else is in it (in a list). The
# second call on the same dict has nothing to hear:

# %% tags=["nbval-check-output"]
try:
    whisper(sound)
except ValueError as error:
    print(fill(str(error), 100))

# %% [markdown]
# So pass a copy. A shallow one is enough, because the samples themselves are left alone:

# %% tags=["nbval-check-output"]
sound = {"array": speech, "sampling_rate": audio.SAMPLE_RATE}
print(whisper(sound.copy(), num_beams=1) == whisper(sound.copy(), num_beams=1), list(sound))

# %% [markdown]
# ## Traps that raise no error
#
# That one at least complained. These don't: a bare array is taken for 16 kHz whatever it is, integers are
# taken for sound 32,768 times too loud, and silence is not nothing. What does Whisper write, and what do
# our helpers say?

# %%
traps = {
    "8 kHz, rate not told": (audio.resample(speech, audio.SAMPLE_RATE, 8_000), 8_000),
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
display.table(found)

# %% [markdown]
# Wherever a sound comes from, let `audio.read` open it and `audio.check` look at it: the cost is a
# millisecond, and the alternative is a sentence that nobody said. Stereo is mixed down on the way:

# %% tags=["nbval-check-output"]
stereo = {"array": [speech, speech], "sampling_rate": audio.SAMPLE_RATE}
print(audio.check(audio.read(stereo)).shape == speech.shape)

# %% [markdown]
# ## Hear, read, compare
#
# One function that puts the lesson together: a clip, a model, and for Whisper a language and a task.

# %%
from IPython.display import display as show

choices = {
    f"{index}: {clips[index]['text'].capitalize()[:48]}…": clips[index] for index in (2, 0, 20, 40, 60)
}
choices["Spanish audiobook"] = tale


def compare(clip, model, language, task):
    """Play a clip and show what the model makes of it, against the text of the data set."""
    array = audio.read(clip["audio"])
    written = clip.get("text") or clip["transcript"]
    own_language = "en" if "text" in clip else "es"
    show(display.listen(array, audio.SAMPLE_RATE, f"Clip {clip['id']}"))
    if model == "CTC":
        heard = ctc({"array": array, "sampling_rate": audio.SAMPLE_RATE})["text"]
    else:
        heard = listen_to(array, language=language, task=task)["text"]
    if task == "translate" and model != "CTC":
        print(fill(heard, 100))
    else:
        show(display.diff(written, heard, language=own_language, title=model))


# %%
compare(clips[20], "Whisper", None, "transcribe")

# %% [markdown]
# The same with menus, for you to play with. (Run the lesson to use it: a stored page cannot compute.)

# %%
import ipywidgets as widgets

clip_menu = widgets.Dropdown(options=choices, description="Clip")
model_menu = widgets.Dropdown(options=["CTC", "Whisper"], description="Model")
language_menu = widgets.Dropdown(
    options={"detect": None, "English": "english", "Spanish": "spanish", "French": "french"},
    description="Language",
)
task_menu = widgets.Dropdown(options=["transcribe", "translate"], description="Task")
button = widgets.Button(description="Hear and read", button_style="primary")
result = widgets.Output()


def run(_):
    """Compare what the menus say, in the space below them."""
    button.disabled, button.description = True, "Listening …"
    result.clear_output()
    with result:
        compare(clip_menu.value, model_menu.value, language_menu.value, task_menu.value)
    button.disabled, button.description = False, "Hear and read"


button.on_click(run)
widgets.VBox([clip_menu, model_menu, language_menu, task_menu, button, result])

# %% [markdown]
# Things to try: the audiobook with the CTC model, which knows only English; the audiobook told to be
# French; an English clip with the task "translate".
#
# ## Exercises
#
# 1. **The hardest clip.** Which of the clips has the highest WER for each model? Listen to it: can you tell
#    why? *Hint:* `metrics.wer(reference, text, "en")` takes one pair; the texts are in `everything`.
# 2. **Are five beams worth it?** Transcribe ten clips with `num_beams=1` and with `num_beams=5`. Compare
#    time and WER, and look at the interval before you call one better. *Hint:* `transcribe_many` passes its
#    options on.
# 3. **Your own voice.** Record a sentence with your telephone, save it as wav, mp3 or ogg next to the
#    notebook, and give `audio.check(audio.read("mine.wav"))` to both models. *Hint:* write the target
#    yourself for `display.diff`.
# 4. **How much does it need?** Cut the Spanish clip to its first 0.5, 1, 2 and 4 seconds and plot the
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
# - Panayotov et al., [LibriSpeech](https://www.openslr.org/12) (2015), and Pratap et al., [Multilingual
#   LibriSpeech](https://arxiv.org/abs/2012.03411) (2020): the data.
# - Transformers: [pipelines](https://huggingface.co/docs/transformers/main_classes/pipelines) and
#   [Whisper](https://huggingface.co/docs/transformers/model_doc/whisper).
