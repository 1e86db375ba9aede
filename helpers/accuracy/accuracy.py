"""Accuracy as a local `evaluate` module: `evaluate.load(<this folder>)` asks no network."""

import datasets
import evaluate
from sklearn.metrics import accuracy_score

_DESCRIPTION = (
    "Accuracy: the share of predictions that are the right class. 0.5 is chance between two even classes."
)

_INPUTS = """
Args:
    predictions: list of class numbers (int).
    references: the right class numbers, as many.
Returns:
    {"accuracy": share, a fraction (float)}.
"""


class Accuracy(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="Computed by scikit-learn, sklearn.metrics.accuracy_score.",
            inputs_description=_INPUTS,
            features=datasets.Features(
                {name: datasets.Value("int32") for name in ("predictions", "references")}
            ),
        )

    def _compute(self, predictions, references):
        return {"accuracy": float(accuracy_score(references, predictions))}
