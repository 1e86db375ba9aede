"""The course's small Wav2Vec2: a stock Transformers class that begins as Whisper base's encoder.

Convolutions. Layer 0 is a windowed Fourier transform (kernel 520, hop 160: 10 ms), every cosine and sine in
both signs, since gelu(x) + gelu(-x) = x erf(x / sqrt 2) is a smooth rectifier: quadratic for small x, |x|
for large. Its GroupNorm gives each band unit variance over the clip, which takes the channel out. Layer 1
pools the bands on the mel scale and compares each with several thresholds, which together approximate a
logarithm. So the rest starts from something like a log-mel spectrogram at a hundredth of the usual cost
(raw-waveform convolutions run at 3,200 Hz, these at 100 Hz). Layers 2 and 3 have the shape of Whisper's
stem.

Positions. Wav2Vec2 has no absolute positions, only a convolution over the frames, padded with zeros.
`set_positions` makes Whisper's sinusoids with it: the projection's bias puts every frame at -32, far from
the zero padding, so the convolution can count how many frames lie before each one; its taps are the
differences of the sinusoid table.
"""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

BANDS = 200  # Fourier bins of 40 Hz, the constant left out
KERNEL, WINDOW = 520, 400  # the window sits at the end: frame centres fall on multiples of 320 samples
MELS = 80
THRESHOLDS = (12.0, 3.0, 0.8, 0.2, 0.03, 0.004)
LEVEL = 4.0  # a band's standard deviation after GroupNorm

OFFSET = 32.0  # how far the frames are moved from the zero padding
START = 2  # our frame i has the centre of Whisper's frame i + 2

# The token order of facebook/wav2vec2-base-100h.
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINHSRDLUMWCFGYPBVK'XJQZ"]
SIZES = {
    "full": {
        "hidden_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
        "num_conv_pos_embeddings": 2048,  # taps: positions of the first 1,024 frames, 20 s
        "num_conv_pos_embedding_groups": 512,
    },
    "tiny": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "num_conv_pos_embeddings": 256,
        "num_conv_pos_embedding_groups": 64,
    },
}


def config(size, vocabulary_size, **changes):
    """A pre-norm Wav2Vec2Config with the filter-bank front end: 20 ms a frame, as in wav2vec2-base."""
    width = SIZES[size]["hidden_size"]
    return Wav2Vec2Config(
        **{
            "vocab_size": vocabulary_size,
            "conv_dim": (4 * BANDS, MELS * len(THRESHOLDS), width, width),
            "conv_kernel": (KERNEL, 1, 3, 3),
            "conv_stride": (160, 1, 1, 2),
            "conv_bias": True,
            "feat_extract_norm": "group",
            "do_stable_layer_norm": True,
            "hidden_dropout": 0.0,
            "attention_dropout": 0.0,
            "activation_dropout": 0.0,
            "feat_proj_dropout": 0.0,
            "final_dropout": 0.0,
            "layerdrop": 0.0,
            "mask_time_prob": 0.05,
            "mask_time_length": 10,
            "ctc_loss_reduction": "mean",
            "ctc_zero_infinity": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        }
        | SIZES[size]
        | changes
    )


def mel_filters():
    """Slaney mel filters over the bands: (MELS, BANDS), each row summing to 1."""
    import librosa

    weights = librosa.filters.mel(sr=16_000, n_fft=WINDOW, n_mels=MELS)[:, 1:]
    return weights / weights.sum(axis=1, keepdims=True)


@torch.no_grad()
def set_filter_bank(model):
    """Write the analytic weights of layers 0 and 1 into a Wav2Vec2 made by `config`."""
    first, second = model.wav2vec2.feature_extractor.conv_layers[:2]
    time = np.arange(WINDOW) - WINDOW / 2
    hann = np.hanning(WINDOW + 1)[:-1]
    phase = 2 * np.pi * np.outer(np.arange(1, BANDS + 1), time) / WINDOW
    waves = (
        np.stack([np.cos(phase), np.sin(phase), -np.cos(phase), -np.sin(phase)]) * hann
    )  # (4, BANDS, WINDOW)
    waves /= np.sqrt((waves**2).sum(axis=2, keepdims=True) + 1e-9)
    waves[[1, 3], BANDS - 1] = waves[[0, 2], BANDS - 1]  # the sine at 8 kHz is zero at every sample
    kernel = np.zeros((4 * BANDS, 1, KERNEL))
    kernel[:, 0, KERNEL - WINDOW :] = waves.reshape(4 * BANDS, WINDOW)
    first.conv.weight.copy_(torch.tensor(kernel))
    first.conv.bias.zero_()
    first.layer_norm.weight.fill_(LEVEL)
    first.layer_norm.bias.zero_()
    pooled = np.tile(mel_filters(), 4) / 2  # mean over phases of |cos| + |-cos|: (MELS, 4 BANDS)
    steps = np.concatenate([-pooled / threshold for threshold in THRESHOLDS])
    second.conv.weight.copy_(torch.tensor(steps)[:, :, None])
    second.conv.bias.fill_(1.5)


def sinusoids(count, width):
    """Whisper's position table: (count, width), sines then cosines, periods from 2 pi to 20,000 pi frames."""
    rates = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.outer(np.arange(count), rates)
    return torch.tensor(np.concatenate([np.sin(angles), np.cos(angles)], axis=1), dtype=torch.float32)


@torch.no_grad()
def set_positions(model):
    """Make the positional convolution add Whisper's sinusoids; once only, after the projection is set.

    Tap tau of a channel is -(p[tau] - p[tau - 1]) / 32, with p[-1] = 0. Over frames that all lie at -32 and
    begin after zeros, the taps sum up to p[t]. The convolution's bias of 32 keeps GELU in its linear part and
    takes the offset back when Wav2Vec2 adds the result to the frames. Masked frames get the offset too.
    """
    wav2vec2 = model.wav2vec2
    convolution = wav2vec2.encoder.pos_conv_embed.conv
    half = wav2vec2.config.num_conv_pos_embeddings // 2
    table = sinusoids(half + 1 + START, wav2vec2.config.hidden_size)[START:]
    steps = torch.diff(table, dim=0, prepend=torch.zeros_like(table[:1]))  # (taps, width)
    taps = torch.zeros(wav2vec2.config.hidden_size, 1, 2 * half)
    taps[:, 0, : half + 1] = -steps.T.flip(1) / OFFSET
    norm = taps.pow(2).sum((0, 1), keepdim=True).sqrt()
    convolution.parametrizations.weight.original0.copy_(norm)
    taps[:, :, norm[0, 0] == 0] = 1e-3  # a direction for weight norm where the length is zero
    convolution.parametrizations.weight.original1.copy_(taps)
    convolution.bias.fill_(OFFSET)
    wav2vec2.feature_projection.projection.bias.sub_(OFFSET)
    wav2vec2.masked_spec_embed.fill_(-OFFSET)


def build(size, seed=0, **changes):
    """A new Wav2Vec2ForCTC with the letters of wav2vec2-base-100h: filter bank set, the rest at random.

    Positions are not set yet: `set_positions` comes after the projection.
    """
    torch.manual_seed(seed)
    model = Wav2Vec2ForCTC(config(size, len(LETTERS), **changes))
    set_filter_bank(model)
    for layer in model.wav2vec2.feature_extractor.conv_layers[2:]:
        torch.nn.init.kaiming_normal_(layer.conv.weight)
        torch.nn.init.zeros_(layer.conv.bias)
    return model


def letter_vocabulary():
    """Token -> id as in facebook/wav2vec2-base-100h."""
    return {token: at for at, token in enumerate(LETTERS)}


def processor(vocabulary, folder):
    """Write the processor files for a vocabulary (token -> id) into `folder` and return the processor."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    tokenizer = Wav2Vec2CTCTokenizer(folder / "vocab.json", pad_token="<pad>", word_delimiter_token="|")
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    made = Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer)
    made.save_pretrained(folder)
    extractor.save_pretrained(
        folder
    )  # preprocessor_config.json, which other readers than Transformers look for
    return made
