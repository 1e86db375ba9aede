import random
import subprocess
import sys

import pytest

from helpers import course


def test_budget_follows_the_device(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert course.budget(cpu=1, gpu=2) == 1
    assert course.device_name().startswith("cpu (")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "some GPU")
    assert course.budget(cpu=1, gpu=2) == 2
    assert course.device_name() == "some GPU"


def test_timed_measures_and_says_so(capsys):
    with course.timed("a nap", audio_seconds=100) as timing:
        pass
    assert 0 < timing.seconds < 1
    assert capsys.readouterr().out.startswith("a nap: 0.0 s · ")


def test_timed_says_seconds_and_how_much_faster_than_listening(monkeypatch, capsys):
    ticks = iter([10.0, 12.5, 20.0, 21.0])
    monkeypatch.setattr(course.time, "perf_counter", lambda: next(ticks))
    with course.timed("work", audio_seconds=30) as timing:
        assert timing.seconds == 0.0
    with course.timed("other work"):
        pass
    assert timing.seconds == 2.5
    assert capsys.readouterr().out == "work: 2.5 s · 12.0 × real time\nother work: 1.0 s\n"


def test_a_bar_in_a_notebook_is_one_output_that_ends_empty(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    monkeypatch.setattr(course, "_in_notebook", lambda: True)
    monkeypatch.setattr(
        "IPython.display.display", lambda data, raw, display_id: shown.append(data) or Handle()
    )
    assert list(course.progress(iter("ab"), "letters", total=2)) == ["a", "b"]
    assert shown[0] == shown[-1] == {}
    assert "letters:   0%" in shown[1]["text/plain"] and "/2 " in shown[1]["text/plain"]
    assert all(len(each.get("text/plain", "")) <= 70 for each in shown)


def test_timed_lets_errors_through():
    with pytest.raises(ZeroDivisionError), course.timed("nothing"):
        raise ZeroDivisionError


def test_start_says_source_and_device_and_seeds(capsys):
    import numpy as np
    import torch

    course.start("01")
    first = torch.rand(1), np.random.rand()
    course.start("01")
    assert (torch.rand(1), np.random.rand()) == first
    assert random.random() == random.Random(42).random()
    assert first[0] == torch.rand(1, generator=torch.Generator().manual_seed(42))
    assert first[1] == np.random.RandomState(42).rand()
    said = capsys.readouterr().out
    assert "Lesson 01 · source: offline · device: " in said
    assert "transformers 5." in said


def test_warnings_of_the_libraries_are_shown_and_their_bars_are_not():
    code = (
        "from helpers import course\ncourse.start('01')\n"
        "from transformers import AutoModelForSequenceClassification as Model\n"
        "from helpers import catalog\nModel.from_pretrained(catalog.model('google-bert/bert-base-uncased'))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "classifier.weight" in result.stderr, "what is new in a model is what a learner must know"
    assert "%|" not in result.stderr


def test_progress_gives_every_item():
    assert list(course.progress(range(3), "counting")) == [0, 1, 2]


def test_what_the_learner_made_lies_in_the_courses_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    assert course.mine("model") == tmp_path / "mine" / "model"
    assert not course.mine("model").exists()


@pytest.mark.parametrize(
    ("where", "prefetched", "asked", "said"),
    [
        ("offline", True, 0, "offline"),
        ("hub", True, 0, "the copy that prefetch made"),
        ("hub", False, 1, "hub"),
    ],
)
def test_the_hub_is_asked_only_where_nothing_was_prefetched(
    where, prefetched, asked, said, monkeypatch, capsys
):
    questions = []
    monkeypatch.setenv("ASR_SOURCE", where)
    for name in ("HF_HUB_OFFLINE", "HF_EVALUATE_OFFLINE"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(course.catalog, "is_prefetched", lambda: prefetched)
    monkeypatch.setattr(course.hub, "ask", lambda: questions.append("is anybody there?"))
    course.start("01")
    assert len(questions) == asked
    assert f"source: {where}" in (banner := capsys.readouterr().out) and said in banner


def test_what_is_kept_replaces_an_older_copy_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "made"
    made.mkdir()
    for content in ("first", "second"):
        (made / "model.bin").write_text(content)
        kept = course.keep(made, "a model")
        assert kept == course.mine("a model")
        assert (kept / "model.bin").read_text() == content
    (kept / "notes.txt").write_text("the learner's own")
    with pytest.raises(ValueError, match=r"holds notes\.txt, which the course did not write"):
        course.keep(made, "a model")
    assert (kept / "notes.txt").read_text() == "the learner's own"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert course.keep("~/made", "from home").is_dir()
    with pytest.raises(FileNotFoundError, match="run the cells that make it first"):
        course.keep(tmp_path / "nowhere", "a model")
