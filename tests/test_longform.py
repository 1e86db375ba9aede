import itertools
from types import SimpleNamespace

import evaluate
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Audio, load_dataset

from helpers import audio, catalog, longform, metrics

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def book():
    """Three segments of the audiobook with five seconds of silence after the first, and their texts."""
    where = catalog.data("facebook/multilingual_librispeech", "spanish")
    data = load_dataset(**where, split="dev", streaming=True).cast_column("audio", Audio(decode=False))
    rows = list(data.take(3))
    clips = [audio.read(row["audio"]) for row in rows]
    clips.insert(1, np.zeros(5 * RATE, np.float32))
    return np.concatenate(clips), " ".join(row["transcript"] for row in rows), len(clips[0])


@pytest.fixture(scope="module")
def model():
    from faster_whisper import WhisperModel

    folder = catalog.model("Systran/faster-whisper-base")
    return WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=2)


def test_windows_are_ordered_apart_and_short(book):
    samples, _, _ = book
    found = longform.windows(samples, seconds=8)
    assert found[0].start >= 0 and found[-1].end <= len(samples)
    assert all(0 < window.end - window.start <= 8 * RATE for window in found)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))


def test_longer_windows_are_fewer(book):
    samples, _, _ = book
    assert len(longform.windows(samples, seconds=28)) < len(longform.windows(samples, seconds=6))


def test_a_window_ends_before_a_long_silence(book):
    samples, _, first = book
    assert not any(w.start < first + RATE and w.end > first + 4 * RATE for w in longform.windows(samples, 6))


@pytest.mark.parametrize("seconds", [0, 0.5, 31, float("nan")])
def test_window_lengths_whisper_cannot_hold(book, seconds):
    with pytest.raises(ValueError, match="choose 1 to 30"):
        longform.windows(book[0], seconds)


def test_nobody_speaks(model):
    silence = np.zeros(3 * RATE, np.float32)
    noise = 0.02 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    for samples in (silence, noise):
        assert longform.windows(samples) == []
        assert longform.transcribe(model, samples, "es") == []


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(RATE, np.nan), np.ones(100), "story.wav"])
def test_bad_clips_give_one_sentence(samples):
    with pytest.raises(audio.AudioError) as error:
        longform.windows(samples)
    assert "\n" not in str(error.value)


def test_features_are_as_long_as_the_longest_window(book, model):
    batch = [longform.Window(0, 14 * RATE), longform.Window(14 * RATE, 17 * RATE)]
    assert longform.features(model, book[0], batch, tail=0.5).shape == (2, 80, 1450)
    assert longform.features(model, book[0], batch[1:], tail=0.5).shape == (1, 80, 1200)
    assert longform.features(model, book[0], [longform.Window(0, 40 * RATE)]).shape == (1, 80, 3000)


def test_short_clips_are_not_said_twice(model):
    """Without a shortest spectrogram Whisper says 3 of these 18 sentences twice."""
    rows = pq.read_table(catalog.asset("banking-calls") / "data.parquet").to_pylist()
    clips = [(audio.read(row["audio"]), row["transcription"]) for row in rows]
    short = [(clip, said) for clip, said in clips if RATE < len(clip) <= 3 * RATE]
    assert len(short) >= 15
    for clip, said in short:
        heard = " ".join(segment.text for segment in longform.transcribe(model, clip, "en"))
        assert len(heard.split()) <= 1.5 * len(said.split()) + 1, f"{said!r} is heard as {heard!r}"


def test_text_in_order_and_time(book, model):
    samples, reference, _ = book
    found = longform.transcribe(model, samples, "es", seconds=8, batch_size=2)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    assert found[-1].end <= len(samples) / RATE
    said, heard = reference, " ".join(segment.text for segment in found)
    said, heard = (metrics.normalise(text, "es") for text in (said, heard))
    wer = evaluate.load(catalog.metric("wer"), keep_in_memory=True)
    assert wer.compute(references=[said], predictions=[heard]) < 0.2


def test_language_is_detected(book, model):
    samples = book[0][: 9 * RATE]
    assert longform.transcribe(model, samples) == longform.transcribe(model, samples, "es")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "sing"}, "Unknown task"),
        ({"language": "spanish"}, "Unknown language"),
        ({"batch_size": 0}, "1 or more"),
        ({"beam_size": 0}, "1 or more"),
    ],
)
def test_bad_options(book, model, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        longform.transcribe(model, book[0], **options)


# ---- texts of any script whole, loops cut ------------------------------------------------------------------

SENTENCES = {
    "es": "la puerta del faro estaba abierta y la luz daba vueltas sobre el agua negra",
    "hi": "दरवाज़ा खुला था और रोशनी काले पानी के ऊपर घूम रही थी, लेकिन वहाँ कोई नहीं था",
    "bn": "দরজা খোলা ছিল এবং আলো কালো জলের উপর ঘুরছিল, কিন্তু সেখানে কেউ ছিল না",
    "ta": "கதவு திறந்திருந்தது, கருப்பு நீரின் மேல் ஒளி சுழன்று கொண்டிருந்தது, ஆனால் அங்கே யாரும் இல்லை",
    "te": "తలుపు తెరిచి ఉంది, నల్లని నీటిపై వెలుగు తిరుగుతోంది, కానీ అక్కడ ఎవరూ లేరు",
    "my": "တံခါးပွင့်နေပြီး အလင်းရောင်က ရေမည်းပေါ်မှာ လှည့်နေတယ် ဒါပေမဲ့ အဲဒီမှာ ဘယ်သူမှ မရှိဘူး",
}


class Dictated:
    """Stands for faster_whisper.WhisperModel: writes given tokens, as many as it is allowed to."""

    supported_languages = tuple(SENTENCES)
    max_length = 448

    def __init__(self, model, tokens):
        self.feature_extractor, self.hf_tokenizer = model.feature_extractor, model.hf_tokenizer
        self.get_prompt = model.get_prompt
        self.model = SimpleNamespace(is_multilingual=True, generate=self.generate)
        self.tokens = tokens

    def encode(self, features):
        return features

    def generate(self, encoded, prompts, beam_size, max_length):
        allowed = min(max_length // 2, max_length - len(prompts[0]))
        return [SimpleNamespace(sequences_ids=[self.tokens[:allowed]]) for _ in prompts]


def test_a_text_takes_half_of_max_length(book, model):
    """What the limit of a window is reckoned with; CTranslate2's documentation does not say it."""
    from faster_whisper.tokenizer import Tokenizer

    tokenizer = Tokenizer(model.hf_tokenizer, True, task="transcribe", language="es")
    prompt = model.get_prompt(tokenizer, [], without_timestamps=False)
    encoded = model.encode(longform.features(model, book[0], [longform.Window(0, 10 * RATE)]))
    for length in (8, 12, 20):
        (result,) = model.model.generate(encoded, [prompt], beam_size=1, max_length=length)
        assert len(result.sequences_ids[0]) == length // 2


def dictate(monkeypatch, model, language, seconds, tokens):
    """What `transcribe` makes of one window of some seconds in which the model writes these tokens."""
    window = longform.Window(0, round(seconds * RATE))
    monkeypatch.setattr(longform, "windows", lambda samples, seconds: [window])
    samples = np.full(window.end, 0.1, np.float32)
    return longform.transcribe(Dictated(model, tokens), samples, language)[0].text


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_comes_whole_in_every_script(monkeypatch, model, language):
    """5 s for a sentence of some 75 characters is an ordinary pace."""
    text = SENTENCES[language]
    tokens = model.hf_tokenizer.encode(text, add_special_tokens=False).ids
    assert dictate(monkeypatch, model, language, 5, tokens) == text


def test_a_loop_is_said_once(monkeypatch, model):
    start, loop = (
        model.hf_tokenizer.encode(text, add_special_tokens=False).ids
        for text in ("No había nadie.", " Gracias por ver el video.")
    )
    heard = dictate(monkeypatch, model, "es", 10, start + loop * 100)
    assert heard.startswith("No había nadie. Gracias por ver el video")
    assert 1 <= heard.count("Gracias") <= 2  # the limit may fall into the middle of it


def test_what_is_repeated_in_a_text_that_ends_stays(monkeypatch, model):
    text = "no, no, no, no, no, no"
    tokens = model.hf_tokenizer.encode(text, add_special_tokens=False).ids
    assert dictate(monkeypatch, model, "es", 3, tokens) == text


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([5, 1, 2, 1, 2, 1, 2], [5, 1, 2]),
        ([1, 2, 1, 2, 9], [1, 2, 1, 2, 9]),
        ([7, 4, 4, 4, 4], [7, 4]),
        ([4, 4], [4, 4]),
        ([], []),
    ],
)
def test_without_loop(tokens, kept):
    assert longform._without_loop(tokens) == kept


def test_what_is_written_for_the_time_after_the_window_is_dropped(monkeypatch, model):
    """On padding Whisper may go on, with times beyond the end of the sound."""
    first, second = (
        model.hf_tokenizer.encode(text, add_special_tokens=False).ids
        for text in (" No había nadie.", " Gracias por ver el video.")
    )
    stamp = model.hf_tokenizer.token_to_id("<|0.00|>")
    tokens = [stamp, *first, stamp + 206, stamp + 206, *second, stamp + 300]
    assert dictate(monkeypatch, model, "es", 4, tokens) == "No había nadie."
    assert dictate(monkeypatch, model, "es", 6, tokens) == "No había nadie. Gracias por ver el video."
