import pytest

from helpers import course


def test_budget_follows_the_device(monkeypatch):
    monkeypatch.setattr(course, "device", lambda: "cpu")
    assert course.budget(cpu=1, gpu=2) == 1
    monkeypatch.setattr(course, "device", lambda: "cuda")
    assert course.budget(cpu=1, gpu=2) == 2


def test_dtype_follows_the_device(monkeypatch):
    import torch

    monkeypatch.setattr(course, "device", lambda: "cuda")
    assert course.dtype() is torch.float16
    monkeypatch.setattr(course, "device", lambda: "cpu")
    assert course.dtype() is torch.float32


def test_timed_measures_and_says_so(capsys):
    with course.timed("a nap", audio_seconds=100) as timing:
        pass
    assert 0 < timing.seconds < 1
    assert capsys.readouterr().out.startswith("a nap: 0.0 s · ")


def test_timed_lets_errors_through():
    with pytest.raises(ZeroDivisionError), course.timed("nothing"):
        raise ZeroDivisionError


def test_start_says_source_and_device_and_seeds(capsys):
    import torch

    course.start("01")
    first = torch.rand(1)
    course.start("01")
    assert torch.equal(first, torch.rand(1))
    said = capsys.readouterr().out
    assert "Lesson 01 · source: offline · device: " in said
    assert "transformers 5." in said


def test_progress_gives_every_item():
    assert list(course.progress(range(3), "counting")) == [0, 1, 2]


def test_record_reaches_the_report(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    course.record("WER", 0.0412, "%")
    assert shown[0]["text/plain"] == "WER: 4.1 %"
    assert shown[0][course.FIGURE] == {"label": "WER", "value": "4.1 %"}
