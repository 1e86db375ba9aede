"""The functions that lesson 1 writes in its own cells, its panel, and the script that it ends with."""

import re
import sys

import jupytext
import numpy as np
import pytest
import torch
from datasets import Audio, load_dataset
from transformers import pipeline

from helpers import audio, catalog, course, metrics, players, show
from tests import cells
from tools.notebooks import NOTEBOOKS

SLUG = "01_pipeline_inference"


@pytest.fixture(scope="module")
def clips():
    source = catalog.data("hf-internal-testing/librispeech_asr_dummy", "clean")
    return load_dataset(**source, split="validation").cast_column("audio", Audio(decode=False))


@pytest.fixture(scope="module")
def whisper():
    return pipeline("automatic-speech-recognition", model=catalog.model("openai/whisper-base"))


@pytest.fixture
def lesson(clips, whisper):
    def ctc(sound):
        return {"text": f"{len(sound['array'])} SAMPLES"}

    return cells.tested(
        SLUG,
        audio=audio,
        catalog=catalog,
        clips=clips,
        course=course,
        ctc=ctc,
        device="cpu",
        dtype=torch.float32,
        fill=lambda text, width: text,
        metrics=metrics,
        np=np,
        players=players,
        show=show,
        tale=clips[3],
        torch=torch,
        whisper=whisper,
    )


def test_score_counts_words_and_letters_over_all_texts(lesson):
    assert lesson.score(["a b", "cd ef"], ["a b", "cd xx"]) == {"WER": 0.25, "CER": 0.25}


def test_score_normalises_only_when_told_a_language(lesson):
    assert lesson.score(["MISTER SMITH"], ["Mr. Smith!"], "en")["WER"] == 0
    assert lesson.score(["MISTER SMITH"], ["Mr. Smith!"])["WER"] == 1


def test_score_refuses_lists_of_different_length(lesson):
    with pytest.raises(ValueError):
        lesson.score(["a", "b"], ["a"])


def test_sounds_decodes_one_clip_at_a_time(lesson, clips):
    generator = lesson.sounds(clips)
    first, second = next(generator), next(generator)
    assert np.array_equal(first["array"], audio.read(clips[0]["audio"]))
    assert second["array"].shape == audio.read(clips[1]["audio"]).shape
    assert first["sampling_rate"] == 16_000


def test_transcribe_gives_the_texts_in_order_and_passes_options_on(lesson, clips, capsys):
    seen = []

    def recogniser(sounds, batch_size, **options):
        seen.append((batch_size, options))
        for sound in sounds:
            yield {"text": str(len(sound["array"]))}

    rows = clips.select([4, 1])
    texts = lesson.transcribe(recogniser, rows, "A model", 2, num_beams=5)
    assert texts == [str(len(audio.read(row["audio"]))) for row in rows]
    assert seen == [(2, {"num_beams": 5})]
    assert re.search(r"A model: .* × real time", capsys.readouterr().out)


def test_errors_are_counted_for_each_clip(lesson):
    wrong, words = lesson.count_errors(["ONE TWO", "MISTER X", "A B C"], ["one too", "Mr. X", "b c d"])
    assert wrong.tolist() == [1, 0, 2]
    assert words.tolist() == [2, 2, 3]


def test_the_paired_interval_is_zero_for_equal_systems_and_narrow_for_a_constant_difference(lesson):
    references = [f"clip {number} here now" for number in range(20)]
    worse = [f"clip {number} here" for number in range(20)]
    assert lesson.difference_interval(references, worse, worse).tolist() == [0, 0]
    assert lesson.difference_interval(references, worse, references) == pytest.approx([0.25, 0.25])
    assert lesson.difference_interval(references, references, worse) == pytest.approx([-0.25, -0.25])


def test_the_paired_interval_holds_zero_where_each_wins_once(lesson):
    references = ["one two three"] * 20
    first = ["one two"] * 10 + references[:10]
    second = references[:10] + ["one two"] * 10
    low, high = lesson.difference_interval(references, first, second)
    assert low < 0 < high
    assert lesson.difference_interval(references, first, second).tolist() == [low, high]


def test_the_paired_interval_refuses_lists_of_different_length(lesson):
    with pytest.raises(ValueError):
        lesson.difference_interval(["a", "b"], ["a"], ["a", "b"])


def test_recognise_takes_the_same_array_twice(lesson, clips):
    array = audio.read(clips[2]["audio"])
    answers = [lesson.recognise(array, max_new_tokens=4)["text"] for _ in range(2)]
    assert answers[0] == answers[1] != ""


def test_language_probabilities_sum_to_one_and_find_english(lesson, clips):
    found = lesson.language_probabilities(audio.read(clips[2]["audio"]))
    assert len(found) == 99
    assert sum(found.values()) == pytest.approx(1, abs=1e-4)
    assert max(found, key=found.get) == "en"
    assert set(found) <= set(lesson.LANGUAGES)


def shown_by(lesson, *choice, answer="A text."):
    """What `compare` displays and prints, and what it asked Whisper for."""
    shown, asked = [], []

    def recognise(array, **options):
        asked.append(options)
        return {"text": answer}

    lesson.compare.__globals__.update(
        display=shown.append, recognise=recognise, print=lambda text: shown.append(text)
    )
    lesson.compare(*choice)
    return shown, asked


def test_compare_with_ctc_asks_for_no_language(lesson, clips):
    shown, asked = shown_by(lesson, clips[2], "CTC", "french", "translate")
    assert not asked
    assert "[sound]" in str(shown[0]) and "SAMPLES" in str(shown[1])


def test_compare_with_whisper_detects_the_language_unless_told(lesson, clips):
    _, asked = shown_by(lesson, clips[2], "Whisper")
    assert asked == [{"language": None, "task": "transcribe"}]
    _, asked = shown_by(lesson, clips[2], "Whisper", "spanish")
    assert asked == [{"language": "spanish", "task": "transcribe"}]


def test_compare_shows_a_translation_without_a_diff(lesson, clips):
    shown, _ = shown_by(lesson, clips[2], "Whisper", "", "translate")
    assert shown[1] == "A text."


def test_compare_knows_the_spanish_column(lesson, clips):
    row = {"audio": clips[2]["audio"], "id": "1", "transcript": "¿qué?"}
    shown, _ = shown_by(lesson, row, "Whisper", answer="Qué.")
    assert "0 edits for 1 words" in str(shown[1])


def test_the_panel_starts_with_a_language_and_greys_out_what_ctc_ignores(lesson):
    menus = (lesson.language_menu, lesson.task_menu)
    assert lesson.language_menu.label == "detect" and lesson.language_menu.value == ""
    assert not any(menu.disabled for menu in menus)
    lesson.model_menu.value = "CTC"
    assert all(menu.disabled for menu in menus)
    lesson.model_menu.value = "Whisper"
    assert not any(menu.disabled for menu in menus)


def test_the_panels_button_compares_what_the_menus_say(lesson, clips):
    compared = []
    lesson.run.__globals__["compare"] = lambda *choice: compared.append(choice)
    lesson.clip_menu.value = list(lesson.choices)[1]
    lesson.language_menu.value = "spanish"
    lesson.button.click()
    assert compared == [(clips[0], "Whisper", "spanish", "transcribe")]
    assert not lesson.button.disabled


def the_script() -> str:
    lesson = jupytext.read(NOTEBOOKS / "source" / f"{SLUG}.py")
    (block,) = re.findall(r"```python\n(.*?)```", "\n".join(cell.source for cell in lesson.cells), re.DOTALL)
    return block


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_the_script_transcribes_a_file(rate, clips, whisper, tmp_path, monkeypatch, capsys):
    """Alone, without helpers; only the name on the Hub gives way to the folder of the same weights."""
    import soundfile
    import soxr

    script = the_script()
    assert "helpers" not in script and len(script.splitlines()) <= 14
    samples = soxr.resample(audio.read(clips[2]["audio"]), 16_000, rate)
    soundfile.write(tmp_path / "stereo.wav", np.stack([samples, samples], axis=1), rate)
    monkeypatch.setattr(sys, "argv", ["transcribe.py", str(tmp_path / "stereo.wav")])
    exec(compile(script.replace("openai/whisper-base", whisper.model.name_or_path), "script", "exec"), {})
    assert "the old schoolmaster carved the roast beef" in capsys.readouterr().out
