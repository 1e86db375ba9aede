"""Accuracy and confusion matrix: the numbers, the shapes, the refusals, and no request."""

import socket

import numpy as np
import pytest

from helpers import metrics


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a request was made")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_accuracy_counts_what_is_right():
    metric = metrics.load("accuracy")
    assert metric.compute(predictions=[0, 1, 1, 0], references=[0, 1, 0, 0]) == {"accuracy": 0.75}
    assert metric.compute(predictions=np.array([1, 0]), references=np.array([0, 1])) == {"accuracy": 0.0}


def test_confusion_matrix_has_references_in_rows_and_predictions_in_columns():
    metric = metrics.load("confusion_matrix")
    result = metric.compute(predictions=[1, 1, 1, 0], references=[0, 0, 1, 0])
    assert result["confusion_matrix"].tolist() == [[1, 2], [0, 1]]


def test_confusion_matrix_keeps_a_class_that_does_not_occur():
    metric = metrics.load("confusion_matrix")
    assert metric.compute(predictions=[1], references=[1])["confusion_matrix"].shape == (1, 1)
    with_all = metric.compute(predictions=[1], references=[1], labels=[0, 1])["confusion_matrix"]
    assert with_all.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("name", ["accuracy", "confusion_matrix"])
def test_both_refuse_what_cannot_be_compared(name):
    metric = metrics.load(name)
    with pytest.raises(ValueError):
        metric.compute(predictions=[0, 1], references=[0])
    with pytest.raises(ValueError):
        metric.compute(predictions=["good"], references=["bad"])
