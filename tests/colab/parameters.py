"""Which keywords the libraries take, here and on Colab.

parameters.json is written by this file in an environment of Python 3.13 with the versions of shipped.txt:
`python tests/colab/parameters.py > parameters.json`. The course need not be installed there.
"""

from __future__ import annotations

import inspect
import json
from importlib import import_module, metadata
from pathlib import Path

STORED = Path(__file__).with_name("parameters.json")

CHECKED = {
    "transformers": (
        "TrainingArguments",
        "Seq2SeqTrainingArguments",
        "Trainer",
        "Seq2SeqTrainer",
        "EarlyStoppingCallback",
        "DataCollatorWithPadding",
        "pipeline",
    ),
    "peft": ("LoraConfig",),
}
"""Library to what lessons and tools call in it by keyword, and versions have renamed keywords of."""

_PIPELINES = ("AutomaticSpeechRecognitionPipeline", "TextClassificationPipeline")


def installed() -> dict[str, list[str]]:
    """Name to the keywords that it takes in this environment."""
    found = {}
    for library, names in CHECKED.items():
        for name in names:
            found[name] = set(inspect.signature(getattr(import_module(library), name)).parameters)
    for kind in _PIPELINES:
        options = getattr(import_module("transformers"), kind)._sanitize_parameters
        found["pipeline"] |= set(inspect.signature(options).parameters)
    return {name: sorted(keywords) for name, keywords in found.items()}


def stored() -> dict:
    """What was written on Colab's versions: the libraries' `versions`, and `keywords` as from `installed`."""
    return json.loads(STORED.read_text(encoding="utf-8"))


if __name__ == "__main__":
    versions = {library: metadata.version(library) for library in CHECKED}
    print(json.dumps({"versions": versions, "keywords": installed()}, indent=1))
