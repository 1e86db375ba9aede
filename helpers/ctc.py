"""Fine-tuning with CTC: batches of sound and letters, and two checks of a model before it is trained."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_LONG = 256
"""Taps from which the Fourier transform is quicker than counting; Wav2Vec2's own kernel has 128."""


class BatchError(ValueError):
    """Rows that make no batch, or a processor that does not fit its model. The message says what to do."""


@dataclass
class DataCollatorCTCWithPadding:
    """Pad the sound with zeros and the labels with -100, which the loss leaves out, each to its longest.

    Attributes:
        processor: transformers.Wav2Vec2Processor; its feature extractor says whether a mask is needed.

    Source: Transformers documentation, task guide "Automatic speech recognition".
    """

    processor: Any

    def __call__(self, rows: Sequence[Mapping]) -> dict:
        """Make a batch.

        Args:
            rows: each with "input_values", floats of shape (samples,), and "labels", token ids of shape
                (tokens,); lists, NumPy arrays or torch tensors.

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
                if np.ndim(row[column][0]):
                    raise BatchError(f"Row {number} holds a list of clips: store {column}[0].")
        sound = [{"input_values": row["input_values"]} for row in rows]
        batch = dict(self.processor.feature_extractor.pad(sound, padding=True, return_tensors="pt"))
        letters = [{"input_ids": row["labels"]} for row in rows]
        padded = self.processor.tokenizer.pad(letters, padding=True, return_tensors="pt")
        batch["labels"] = padded["input_ids"].masked_fill(padded["attention_mask"] == 0, -100)
        return batch


def check_vocabulary(processor, model) -> None:
    """Refuse a model whose outputs do not fit the tokens, before torch does so in the middle of training.

    Args:
        processor, model: transformers.Wav2Vec2Processor and Wav2Vec2ForCTC.

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


def quicken(model):
    """Freeze a long depthwise positional convolution and compute it by Fourier transform, to the same result.

    The course's offline checkpoints have 2,048 computed taps a channel, which say where a frame stands: a CPU
    is slow with them, and the first steps of an optimiser would shake them apart. Other models, wav2vec2-base
    among them, are left as they are.

    Args:
        model: `Wav2Vec2ForCTC` or `Wav2Vec2Model`.

    Returns:
        The same model.

    Raises:
        ValueError: the model has no positional convolution.
    """
    encoder = getattr(getattr(model, "wav2vec2", model), "encoder", None)
    if not hasattr(encoder, "pos_conv_embed"):
        raise ValueError(f"{type(model).__name__} has no positional convolution: pass a Wav2Vec2.")
    convolution = encoder.pos_conv_embed.conv
    if convolution.kernel_size[0] >= _LONG and convolution.groups == convolution.in_channels:
        convolution.requires_grad_(False)
        convolution.forward = types.MethodType(_by_fourier, convolution)
    return model


def _by_fourier(convolution, frames):
    """`frames`: (batch, channels, frames). The kernel is cut to about the taps that can meet a frame."""
    from scipy.fft import next_fast_len
    from torchaudio.functional import fftconvolve

    length, padding, taps = frames.shape[-1], convolution.padding[0], convolution.kernel_size[0]
    # With a few taps more the transform has a length without large prime factors.
    first = max(0, padding + 2 * length - 1 - next_fast_len(3 * length - 1, real=True))
    kernel = convolution.weight[None, :, 0, first : padding + length].float().flip(-1)
    start = kernel.shape[-1] - 1 - padding + first
    sums = fftconvolve(frames.float(), kernel)[..., start : start + length + 2 * padding - taps + 1]
    return (sums + convolution.bias[:, None]).to(frames.dtype)
