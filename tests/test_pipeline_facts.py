"""What lesson 1 says of the speech recognition pipeline, held against the installed transformers."""

import numpy as np
import pytest
import soxr
import torch

from helpers import audio, catalog

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def whisper():
    from transformers import pipeline

    folder = catalog.model("openai/whisper-base")
    return pipeline("automatic-speech-recognition", model=folder, device="cpu", dtype=torch.float32)


@pytest.fixture
def generated(whisper, monkeypatch):
    """Keyword arguments of each `generate`, which answers " Hello." without computing."""
    calls = []
    tokens = whisper.tokenizer(" Hello.", add_special_tokens=False, return_tensors="pt").input_ids

    def generate(**options):
        calls.append(options)
        return tokens

    monkeypatch.setattr(whisper.model, "generate", generate)
    return calls


@pytest.fixture
def tone():
    return 0.1 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE).astype(np.float32)


def test_the_dict_is_emptied_and_other_keys_come_back_in_lists(whisper, generated, tone):
    sound = {"array": tone, "sampling_rate": RATE, "path": "a.wav", "speaker": 101}
    answer = whisper(sound)
    assert sound == {"speaker": 101}
    assert answer == {"text": " Hello.", "speaker": [101]}


def test_the_emptied_dict_is_refused_and_a_copy_is_not(whisper, generated, tone):
    sound = {"array": tone, "sampling_rate": RATE}
    assert whisper(sound.copy()) == whisper(sound.copy())
    assert sorted(sound) == ["array", "sampling_rate"]
    whisper(sound)
    assert sound == {}
    with pytest.raises(ValueError, match="dict needs to contain"):
        whisper(sound)


def test_the_array_in_the_dict_is_left_as_it_was(whisper, generated, tone):
    before = tone.copy()
    whisper({"array": tone, "sampling_rate": RATE})
    np.testing.assert_array_equal(tone, before)


def test_five_beams_unless_told_otherwise(whisper, generated, tone):
    whisper(tone)
    whisper(tone, num_beams=1, max_new_tokens=8)
    assert [call["num_beams"] for call in generated] == [5, 1]
    assert generated[1]["max_new_tokens"] == 8


def test_language_and_task_reach_generate_either_way(whisper, generated, tone):
    whisper(tone, language="spanish", task="translate")
    whisper(tone, generate_kwargs={"language": "spanish", "task": "translate"})
    assert [(call["language"], call["task"]) for call in generated] == [("spanish", "translate")] * 2


def test_a_declared_rate_is_resampled_and_a_bare_array_is_taken_at_16_khz(whisper, generated, tone):
    slow = soxr.resample(tone, RATE, 8_000)
    for sound in (tone, {"array": slow, "sampling_rate": 8_000}, slow):
        whisper(sound)
    frames = [int((call["attention_mask"] != 0).sum()) for call in generated]
    assert frames == [100, 100, 50]


def test_a_cell_of_a_data_set_with_decoding_off_is_refused(whisper, tone):
    with pytest.raises(ValueError, match="dict needs to contain"):
        whisper({"bytes": audio.encode(tone, RATE, "flac"), "path": "a.flac"})


def test_a_file_needs_ffmpeg(whisper, tone, tmp_path, monkeypatch):
    file = tmp_path / "a.wav"
    file.write_bytes(audio.encode(tone, RATE, "wav"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="ffmpeg"):
        whisper(str(file))


def test_samples_by_channels_are_refused_and_channels_by_samples_averaged(whisper, generated, tone):
    stereo = np.stack([tone, tone], axis=1)
    with pytest.raises(ValueError, match="transpose"):
        whisper({"array": stereo, "sampling_rate": RATE})
    whisper({"array": stereo.T.copy(), "sampling_rate": RATE})
    assert len(generated) == 1


@pytest.mark.parametrize("broken", ["int16", "silent", "nan"])
def test_no_word_of_warning_about_samples_that_mean_nothing(whisper, generated, tone, broken, recwarn):
    samples = {
        "int16": (tone * 32767).astype(np.int16),
        "silent": np.zeros_like(tone),
        "nan": np.full_like(tone, np.nan),
    }[broken]
    assert whisper({"array": samples, "sampling_rate": RATE})["text"] == " Hello."
    if broken != "int16":
        with pytest.raises(audio.AudioError):
            audio.check(samples)


def test_more_than_thirty_seconds_need_an_option(whisper):
    with pytest.raises(ValueError, match="return_timestamps"):
        whisper({"array": np.zeros(31 * RATE, np.float32), "sampling_rate": RATE}, num_beams=1)


def test_the_language_is_detected_and_max_new_tokens_cuts_the_text(whisper, speech):
    sound = {"array": speech, "sampling_rate": RATE}
    answer = whisper(sound, num_beams=1, max_new_tokens=6, return_language=True)
    assert answer["chunks"][0]["language"] == "english"
    assert 1 <= len(answer["text"].split()) <= 6


def test_the_keyword_of_old_tutorials_is_refused(whisper, tone):
    with pytest.raises((TypeError, ValueError), match="generate_kwarg"):
        whisper(tone, generate_kwarg={"task": "translate"})
