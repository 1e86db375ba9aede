"""What makes a batch of rows, for CTC: sound and letters padded apart, each to the longest of the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IGNORED = -100
"""The label that a loss leaves out."""


class BatchError(ValueError):
    """Rows that make no batch, or a processor that does not fit its model. The message says what to do."""


@dataclass
class DataCollatorCTCWithPadding:
    """Pad the sound with silence and the labels with -100, each to the longest of the batch.

    Attributes:
        processor: transformers.Wav2Vec2Processor; its feature extractor says whether a mask is needed.

    Source: Transformers documentation, task guide "Automatic speech recognition".
    """

    processor: Any

    def __call__(self, rows: Sequence[Mapping]) -> dict:
        """Make a batch.

        Args:
            rows: each with "input_values", floats of shape (samples,), and "labels", token ids.

        Returns:
            input_values of shape (rows, samples), labels of shape (rows, tokens), both torch.Tensor, and an
            attention_mask of shape (rows, samples) where the feature extractor makes one.

        Raises:
            BatchError: no row, a column missing, or a row without sound or labels, or with several clips.
        """
        if not len(rows):
            raise BatchError("There is no row to make a batch of: is the data set empty?")
        for number, row in enumerate(rows):
            for column in ("input_values", "labels"):
                if column not in row:
                    raise BatchError(
                        f"Row {number} has no {column!r}: prepare the rows first, and keep the columns "
                        "(remove_unused_columns=False)."
                    )
                if not len(row[column]):
                    raise BatchError(f"Row {number} has empty {column!r}: leave that clip out.")
            if hasattr(row["input_values"][0], "__len__"):
                raise BatchError(f"Row {number} holds a list of clips: store input_values[0].")
        sound = [{"input_values": row["input_values"]} for row in rows]
        batch = dict(self.processor.feature_extractor.pad(sound, padding=True, return_tensors="pt"))
        letters = [{"input_ids": row["labels"]} for row in rows]
        padded = self.processor.tokenizer.pad(letters, padding=True, return_tensors="pt")
        batch["labels"] = padded["input_ids"].masked_fill(padded["attention_mask"] == 0, IGNORED)
        return batch


def check_vocabulary(processor, model) -> None:
    """Refuse a model whose outputs do not fit the tokens, before torch does so in the middle of training.

    Args:
        processor: transformers.Wav2Vec2Processor.
        model: transformers.Wav2Vec2ForCTC.

    Raises:
        BatchError: another number of outputs than tokens, or another blank than the padding token.
    """
    tokens, outputs = len(processor.tokenizer), model.config.vocab_size
    if tokens != outputs:
        raise BatchError(
            f"The tokenizer has {tokens} tokens and the model {outputs} outputs: load the model with "
            f"vocab_size={tokens}, ignore_mismatched_sizes=True."
        )
    blank = processor.tokenizer.pad_token_id
    if model.config.pad_token_id != blank:
        raise BatchError(
            f"The model takes token {model.config.pad_token_id} for the blank and the tokenizer {blank}: "
            f"load the model with pad_token_id={blank}."
        )
