"""Confusion matrix as a local `evaluate` module: `evaluate.load(<this folder>)` asks no network."""

import datasets
import evaluate
from sklearn.metrics import confusion_matrix

_DESCRIPTION = """How often each class was taken for each: one row for a right class, one column for a
predicted class, both in ascending order. What is right stands on the diagonal."""

_INPUTS = """
Args:
    predictions: list of class numbers (int).
    references: the right class numbers, as many.
    labels: the classes to show, in this order; by default those that occur, ascending.
Returns:
    {"confusion_matrix": counts, integers of shape (classes, classes)}.
"""


class ConfusionMatrix(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="Computed by scikit-learn, sklearn.metrics.confusion_matrix.",
            inputs_description=_INPUTS,
            features=datasets.Features(
                {name: datasets.Value("int32") for name in ("predictions", "references")}
            ),
        )

    def _compute(self, predictions, references, labels=None):
        return {"confusion_matrix": confusion_matrix(references, predictions, labels=labels)}
