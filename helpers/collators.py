"""Batches for training with CTC, and the check that vocabulary and model belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IGNORED = -100
"""Label of a place that no loss counts; `torch.nn.functional.cross_entropy` and Wav2Vec2 agree on it."""


@dataclass
class DataCollatorCTCWithPadding:
    """Make a batch of rows that differ in length: sound and letters, each padded to its own longest.

    `processor` is a `Wav2Vec2Processor`. The sound is filled up with zeros, the letters with -100, so that
    the loss does not take padding for letters. With `pad_to_multiple_of` the sound's length becomes a
    multiple of so many samples, which some GPUs like.
    """

    processor: Any
    pad_to_multiple_of: int | None = None

    def __call__(self, rows: Sequence[Mapping]) -> dict:
        """Pad and stack.

        Args:
            rows: each with "input_values", float (samples,), as the feature extractor made them, and
                "labels", int (letters,); other columns are left out.

        Returns:
            "input_values", float32 (batch, samples); "labels", int64 (batch, letters); "attention_mask",
            int (batch, samples), where the feature extractor gives one.

        Raises:
            ValueError: no row, or a row without sound, without letters, or with anything but one channel.
        """
        if not len(rows):
            raise ValueError("There is no row to make a batch of: is the data set empty?")
        for number, row in enumerate(rows):
            _check_row(number, row)
        batch = self.processor.feature_extractor.pad(
            [{"input_values": row["input_values"]} for row in rows],
            padding=True,
            pad_to_multiple_of=self.pad_to_multiple_of,
            return_tensors="pt",
        )
        labels = self.processor.tokenizer.pad(
            [{"input_ids": row["labels"]} for row in rows], padding=True, return_tensors="pt"
        )
        batch["labels"] = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, IGNORED)
        return dict(batch)


def _check_row(number: int, row: Mapping) -> None:
    for column in ("input_values", "labels"):
        if column not in row:
            raise ValueError(
                f"Row {number} has no {column!r}: prepare the data set, and train with "
                "remove_unused_columns=False if the Trainer drops the column."
            )
        if not len(row[column]):
            raise ValueError(f"Row {number} has empty {column!r}: leave such clips out of the data set.")
    if hasattr(row["input_values"][0], "__len__"):
        raise ValueError(
            f"Row {number} holds more than one channel: store input_values[0] of the feature extractor."
        )


def check_vocabulary(processor, model) -> None:
    """Refuse a processor and a model that do not belong together, before training hides it.

    Args:
        processor: `Wav2Vec2Processor`.
        model: `Wav2Vec2ForCTC`; its head has one logit a token, its padding token is CTC's blank.

    Raises:
        ValueError: not as many tokens as logits, or another token for the blank.
    """
    tokens, logits = len(processor.tokenizer), model.lm_head.out_features
    if tokens != logits:
        raise ValueError(
            f"The vocabulary has {tokens} tokens and the model writes {logits}: load the model with "
            "vocab_size=len(processor.tokenizer)."
        )
    pad, blank = processor.tokenizer.pad_token_id, model.config.pad_token_id
    if pad != blank:
        raise ValueError(
            f"The tokenizer pads with token {pad} and the model takes token {blank} for the blank: load the "
            "model with pad_token_id=processor.tokenizer.pad_token_id."
        )
