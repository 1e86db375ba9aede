"""Start a Wav2Vec2 from Whisper base: its stem behind the filter bank, its layers, its positions.

Whisper (Radford et al. 2022, MIT licence) and a pre-norm Wav2Vec2 of the same width have the same layers. The
input differs (log-mel with a level per clip against a normalised filter bank), so the stem is fitted by least
squares on some clips; positions are made by `model.set_positions`. No gradient is needed for any of it.
"""

import torch

from helpers.supply.encoder import whisper_layers
from tools.ctc.model import START, build, set_positions


@torch.no_grad()
def fit_stem(model, whisper, extractor, clips):
    """Fit layers 2 and 3 and the projection so that they give Whisper's stem (before positions).

    `model` is a Wav2Vec2ForCTC of width 512, `whisper` a WhisperModel, `clips` float32 arrays at 16 kHz.
    Returns the share of the stem's variance left unexplained.
    """
    layers = model.wav2vec2.feature_extractor.conv_layers
    encoder = whisper.encoder
    pooled, mels = [], []
    for clip in clips:
        normal = torch.tensor((clip - clip.mean()) / (clip.std() + 1e-7)).float()[None, None]
        hidden = layers[1](layers[0](normal))[0]  # (thresholds * MELS, frames)
        mel = torch.tensor(extractor(clip, sampling_rate=16_000, return_tensors="np").input_features[0])
        pooled.append(hidden)
        mels.append(mel[:, START : START + hidden.shape[1]])
    count = mels[0].shape[0]
    steps = torch.cat(pooled, 1).reshape(-1, count, sum(part.shape[1] for part in pooled))
    target = torch.cat(mels, 1)
    weights = torch.zeros(count, steps.shape[0])  # log-mel = weights . steps + bias, band by band
    bias = torch.zeros(count)
    for band in range(count):
        design = torch.cat([steps[:, band].T, torch.ones(steps.shape[2], 1)], 1).double()
        ridge = design.T @ design + 1e-3 * len(design) * torch.eye(design.shape[1])
        solved = torch.linalg.solve(ridge, design.T @ target[band].double())
        weights[band], bias[band] = solved[:-1], solved[-1]
    kernel = encoder.conv1.weight  # (512, 80, 3)
    layers[2].conv.weight.copy_(
        torch.einsum("omk,mt->otmk", kernel, weights).reshape(kernel.shape[0], -1, kernel.shape[2])
    )
    layers[2].conv.bias.copy_(encoder.conv1.bias + torch.einsum("omk,m->o", kernel, bias))
    layers[3].conv.weight.copy_(encoder.conv2.weight)
    layers[3].conv.bias.copy_(encoder.conv2.bias)

    projection = model.wav2vec2.feature_projection
    ours, theirs = [], []
    gelu = torch.nn.functional.gelu
    for hidden, clip in zip(pooled, clips, strict=True):
        state = layers[3](layers[2](hidden[None]))[0].T
        mel = torch.tensor(extractor(clip, sampling_rate=16_000, return_tensors="np").input_features)
        stem = gelu(encoder.conv2(gelu(encoder.conv1(mel))))[0].T
        ours.append(projection.layer_norm(state))
        theirs.append(stem[START : START + len(state)])
    ours, theirs = torch.cat(ours).double(), torch.cat(theirs).double()
    design = torch.cat([ours, torch.ones(len(ours), 1)], 1)
    ridge = design.T @ design + 1e-3 * len(design) * torch.eye(design.shape[1])
    solved = torch.linalg.solve(ridge, design.T @ theirs)
    projection.projection.weight.copy_(solved[:-1].T)
    projection.projection.bias.copy_(solved[-1])
    left = (design @ solved - theirs).var(0).sum() / theirs.var(0).sum()
    return float(left)


def take_layers(model, whisper):
    """Copy Whisper's first encoder layers and its final norm; a key bias, which it lacks, becomes zero."""
    states = {f"model.{name}": tensor.float().numpy() for name, tensor in whisper.state_dict().items()}
    ours = model.wav2vec2.state_dict()
    taken = {name: torch.tensor(array) for name, array in whisper_layers(states).items() if name in ours}
    model.wav2vec2.load_state_dict(ours | taken)


def encoder(whisper, extractor, clips):
    """A Wav2Vec2ForCTC whose encoder gives Whisper's states, with a new head; prints the fit of the stem."""
    model = build("full").eval()
    left = fit_stem(model, whisper, extractor, clips)
    print(f"Whisper's stem: {100 * left:.0f} % of its variance unexplained")
    take_layers(model, whisper)
    set_positions(model)
    return model
