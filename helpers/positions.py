"""The positional convolution of a Wav2Vec2, computed fast where its kernel is long."""

from __future__ import annotations

import types

_LONG = 256
"""Taps from which the Fourier transform is quicker than counting; Wav2Vec2's own kernel has 128."""


def quicken(model):
    """Compute a long depthwise positional convolution by Fourier transform; the results stay the same.

    The course's stand-ins have 2,048 taps a channel, which a CPU multiplies one by one, most of them with the
    padding. Other models, wav2vec2-base among them, are left as they are.

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
        convolution.forward = types.MethodType(_by_fourier, convolution)
    return model


def _by_fourier(convolution, frames):
    """`frames`: (batch, channels, frames). The kernel is cut to the taps that can meet a frame at all."""
    import torch

    length, padding = frames.shape[-1], convolution.padding[0]
    weight = convolution.weight[:, 0].float()
    first = max(0, padding - length + 1)
    taps = weight[:, first : padding + length]
    size = length + taps.shape[-1] - 1
    spectrum = torch.fft.rfft(frames.float(), size) * torch.fft.rfft(taps.flip(-1), size)
    sums = torch.fft.irfft(spectrum, size)
    # Output i of the convolution meets frame i + k - padding with tap k.
    wanted = length + 2 * padding - weight.shape[-1] + 1
    start = taps.shape[-1] - 1 - (padding - first)
    sums = torch.nn.functional.pad(sums, (0, max(0, start + wanted - size)))[..., start : start + wanted]
    return (sums + convolution.bias[:, None]).to(frames.dtype)
