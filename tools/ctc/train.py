"""CTC training of the English letters on a Wav2Vec2 that begins as Whisper's encoder.

First the new head alone, then head, layers and projection together; a trained checkpoint is polished in its
upper layers only. The convolutions and the positions stay as they were computed. The convolutions see clip by
clip, so that padding never enters their statistics.
"""

import io
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch

from tools.ctc.augment import augment
from tools.ctc.model import LETTERS, letter_vocabulary

RATES = {"head": 3e-3, "projection": 1e-4, "layers": 2e-4}
POLISH = {"head": 1e-4, "projection": 0.0, "layers": 5e-5}  # a head that can spell must not be shaken


class Corpus:
    """Clips of a folder of parquet parts, as int16 in memory: `clips` of (audio, text, language, source)."""

    def __init__(self, folder, split="train", sources=None, languages=None):
        self.folder, self.split, self.sources, self.languages = Path(folder), split, sources, languages
        self.clips, self._known = [], set()
        self.refresh()

    def refresh(self):
        """Read the parts that have come since: synthesis may go on while the training runs."""
        for path in sorted(set(self.folder.glob("*.parquet")) - self._known):
            self._known.add(path)
            name, language = path.stem.split("-")[:2]
            if (self.sources and name not in self.sources) or (
                self.languages and language not in self.languages
            ):
                continue
            for row in pd.read_parquet(path).itertuples():
                if row.split == self.split and 0.8 < row.seconds < 16:
                    audio, _ = soundfile.read(io.BytesIO(row.audio), dtype="int16")
                    self.clips.append((audio, row.text, row.language, row.source))

    def weights(self, shares):
        """Probability of each clip: `shares` (source -> factor), 1 by default."""
        factors = np.array([shares.get(source, 1.0) for _, _, _, source in self.clips], float)
        return factors / factors.sum()


def batches(corpus, shares, seconds, seed, step):
    """Batches of clips of similar length, about `seconds` of audio each, for ever.

    Fixed by seed and step, unless the folder of the corpus grows.
    """
    rng = np.random.default_rng((seed, step))
    while True:
        corpus.refresh()
        chosen = rng.choice(len(corpus.clips), 240, p=corpus.weights(shares))
        chosen = sorted(chosen, key=lambda at: len(corpus.clips[at][0]))
        groups, group = [], []
        for at in chosen:
            if group and len(corpus.clips[at][0]) * (len(group) + 1) > seconds * 16_000:
                groups.append(group)
                group = []
            group.append(at)
        groups.append(group)
        for index in rng.permutation(len(groups)):
            clips = [corpus.clips[at] for at in groups[index]]
            audio = [(clip[0] / 32768.0).astype(np.float32) for clip in clips]
            yield (
                [
                    augment(part, rng, clip[3] == "human", audio[:at] + audio[at + 1 :])
                    for at, (part, clip) in enumerate(zip(audio, clips, strict=True))
                ],
                [clip[1] for clip in clips],
            )


def positions(embedding, hidden):
    """What `embedding` (pos_conv_embed, frozen) gives for hidden (clips, frames, width), by FFT, much faster.

    Only taps of the frame itself and earlier ones are other than zero, see `model.set_positions`.
    """
    weight = embedding.conv.weight.detach()[:, 0]  # (width, taps)
    half = weight.shape[1] // 2
    frames = hidden.shape[1]
    taps = weight[:, max(0, half - frames) : half + 1].flip(1)
    size = 1 << (frames + taps.shape[1] - 1).bit_length()
    series = hidden.float().transpose(1, 2)
    summed = torch.fft.irfft(torch.fft.rfft(series, size) * torch.fft.rfft(taps, size), size)[..., :frames]
    return torch.nn.functional.gelu(summed + embedding.conv.bias.detach()[:, None]).transpose(1, 2)


def narrow():
    """Whether the layers train in bfloat16: only where the CPU has instructions for it."""
    return torch.cpu._is_avx512_bf16_supported()


def logits(model, audio):
    """Logits (clips, frames, letters) of a list of float32 (samples,), and the frames of each clip.

    The same computation as `model(input_values)` on each clip alone; layers in bfloat16 while training, see
    `narrow`.
    """
    wav2vec2 = model.wav2vec2
    encoder = wav2vec2.encoder
    features = []
    for clip in audio:
        clip = torch.from_numpy(((clip - clip.mean()) / np.sqrt(clip.var() + 1e-7)).astype(np.float32))
        with torch.no_grad():
            features.append(wav2vec2.feature_extractor(clip[None])[0].T)
    hidden = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)
    lengths = torch.tensor([len(part) for part in features])
    hidden, _ = wav2vec2.feature_projection(hidden)
    mask = torch.arange(hidden.shape[1])[None] < lengths[:, None]
    if model.training:
        hidden = wav2vec2._mask_hidden_states(hidden, attention_mask=mask)
    hidden = hidden + positions(encoder.pos_conv_embed, hidden)
    bias = torch.zeros(len(audio), 1, 1, hidden.shape[1]).masked_fill(~mask[:, None, None], -1e4)
    half = model.training and narrow()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        for layer in encoder.layers:
            hidden = layer(hidden, attention_mask=bias.to(torch.bfloat16) if half else bias)
    return model.lm_head(encoder.layer_norm(hidden.float())), lengths


def ctc(scores, lengths, texts):
    """CTC loss (blank 0) of logits against texts, the sum over clips divided by the number of symbols."""
    letters = letter_vocabulary()
    labels = [[letters[letter] for letter in text.replace(" ", "|")] for text in texts]
    total = torch.nn.functional.ctc_loss(
        scores.log_softmax(-1).transpose(0, 1),
        torch.tensor([symbol for label in labels for symbol in label]),
        lengths,
        torch.tensor([len(label) for label in labels]),
        blank=0,
        reduction="sum",
        zero_infinity=True,
    )
    return total / sum(len(label) for label in labels)


def greedy(scores, names=LETTERS):
    """Collapsed argmax of logits (frames, tokens), as text."""
    best = scores.argmax(-1)
    best = best[torch.cat([torch.ones(1, dtype=torch.bool), best[1:] != best[:-1]])]
    return "".join(names[at] for at in best.tolist() if at).replace("|", " ").strip()


@torch.no_grad()
def score(model, corpora):
    """WER, CER and an example of each corpus (name -> Corpus), clip by clip."""
    import jiwer

    model.eval()
    figures = {}
    for name, corpus in corpora.items():
        if corpus.clips:
            texts = [text for _, text, _, _ in corpus.clips]
            heard = [greedy(logits(model, [audio / 32768.0])[0][0]) for audio, *_ in corpus.clips]
            figures[name] = {
                "wer": round(jiwer.wer(texts, heard), 4),
                "cer": round(jiwer.cer(texts, heard), 4),
                "example": [texts[0], heard[0]],
            }
    model.train()
    return figures


def groups(model, rates=RATES, first_layer=0):
    """Parameter groups with their peak learning rates; convolutions and positions are frozen here.

    So are the layers below `first_layer` (a third less to compute for 3 of 6), and the projection where its
    rate is 0.
    """
    model.freeze_feature_encoder()
    model.wav2vec2.encoder.pos_conv_embed.requires_grad_(False)
    model.wav2vec2.masked_spec_embed.requires_grad_(False)
    if not rates["projection"]:
        model.wav2vec2.feature_projection.requires_grad_(False)
    model.wav2vec2.encoder.layers[:first_layer].requires_grad_(False)
    found = {"head": [], "projection": [], "layers": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kind = "head" if "lm_head" in name else "projection" if "feature_" in name else "layers"
            found[kind].append(parameter)
    return [
        {"params": parameters, "lr": 0.0, "peak": rates[kind], "kind": kind}
        for kind, parameters in found.items()
        if parameters
    ]


def train(
    model,
    corpus,
    tests,
    folder,
    *,
    steps,
    seconds=40.0,
    shares=None,
    rates=RATES,
    first_layer=0,
    head_steps=60,
    warm_up=60,
    seed=0,
    report=100,
    minutes=None,
    memory=0.0,
):
    """Train until `steps` (or for `minutes`); state.pt and curve.json in `folder`, goes on from state.pt.

    `seconds` of audio a batch. For `head_steps` only the head learns; then the other rates rise for `warm_up`
    steps (the head's too, if it never learns alone). From 40 % of the nearer limit on, all fall linearly to
    zero. With a `memory` (0.99: some 100 steps) a mean of the weights along the way is kept beside them; it
    is the one that is scored, and "mean" in the state. Returns the curve: a list of dicts.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(groups(model, rates, first_layer), betas=(0.9, 0.98), weight_decay=0.01)
    step, curve, spent = 0, [], 0.0
    mean = {name: weight.detach().clone() for name, weight in model.named_parameters()} if memory else {}
    state = folder / "state.pt"
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent"]
        mean = {name: saved["mean"][name] for name in mean}
        curve = json.loads((folder / "curve.json").read_text())
    torch.manual_seed(seed + step)
    np.random.seed(seed + step)  # Transformers draws the masked frames with it
    model.train()
    begun, losses, heard = time.time() - spent, [], 0.0
    for audio, texts in batches(corpus, shares or {}, seconds, seed, step):
        done = max(step / steps, (time.time() - begun) / 60 / minutes if minutes else 0.0)
        if done >= 1:
            break
        falling = min(1.0, (1 - done) / 0.6)
        rising = min(1.0, max(0.0, (step - head_steps) / warm_up))
        for group in optimiser.param_groups:
            alone = group["kind"] == "head" and head_steps
            group["lr"] = float(group["peak"] * falling * (1.0 if alone else rising))
            for parameter in group["params"]:
                parameter.requires_grad_(group["kind"] == "head" or step >= head_steps)
        loss = ctc(*logits(model, audio), texts)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        _follow(mean, model, min(memory, step / (step + 9)))
        heard += sum(map(len, audio)) / 16_000
        losses.append(loss.item())
        if step % 20 == 0:
            minute = (time.time() - begun) / 60
            print(
                f"step {step} {minute:.1f} min, heard {heard / 60:.0f} min, loss {np.mean(losses[-20:]):.3f}",
                flush=True,
            )
        if step % report == 0 or step == steps:
            point = {"step": step, "minutes": round((time.time() - begun) / 60, 1)}
            point["loss"] = round(float(np.mean(losses[-report:])), 4)
            _exchange(mean, model)
            point |= score(model, tests)
            _exchange(mean, model)
            curve.append(point)
            print(json.dumps(point), flush=True)
            (folder / "curve.json").write_text(json.dumps(curve, indent=1))
            _save(model, mean, optimiser, step, time.time() - begun, state)
    _save(model, mean, optimiser, step, time.time() - begun, state)
    return curve


@torch.no_grad()
def _follow(mean, model, memory):
    """Move `mean` (name -> weights) towards the weights of the model that learn."""
    for name, weight in model.named_parameters():
        if name in mean and weight.requires_grad:
            mean[name].lerp_(weight, 1 - memory)


@torch.no_grad()
def _exchange(mean, model):
    """Swap the weights of the model with their mean; a second call swaps them back."""
    for name, weight in model.named_parameters():
        if name in mean:
            kept = weight.clone()
            weight.copy_(mean[name])
            mean[name].copy_(kept)


def _save(model, mean, optimiser, step, spent, path):
    unfinished = path.with_suffix(".part")
    torch.save(
        {
            "model": model.state_dict(),
            "mean": model.state_dict() | mean,
            "optimiser": optimiser.state_dict(),
            "step": step,
            "spent": spent,
        },
        unfinished,
    )
    unfinished.replace(path)
