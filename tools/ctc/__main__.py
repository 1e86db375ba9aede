"""The stages that lead to the checkpoints; README.md beside this file says what each does."""

import argparse
import json
import sys
from pathlib import Path

import torch
from transformers import Wav2Vec2ForCTC

from tools.ctc import evaluate, export, model, synthesise, train, transfer

STAGES = ("synthesise", "start", "letters", "polish", "export", "evaluate")
# name, clips, first sentence, language; no sentence is read by two sources: the mixture that Kokoro reads
# takes the first 2,000 of `collect` and of the novels and the last 2,000 of the examples
FULL = [
    *(("human", 0, 0, language) for language in ("en", "es", "fr", "it")),
    ("kokoro", 6000, 0, "en"),
    ("quick", 8000, 2000, "en"),
    ("hibari", 12000, 2000, "en"),
    ("joe", 4000, 14000, "en"),
    ("flite", 12000, 0, "en"),
    ("unseen", 80, 23000, "en"),
]
SMOKE = [("formant", 16, 0, "en")]
SHARES = {"human": 3, "kokoro": 5, "joe": 0.7, "hibari": 0.5, "flite": 0.7, "quick": 0.7}
POLISH_SHARES = SHARES | {"human": 1}  # spelling comes from new sentences, not from prompts known by heart


def arguments(values=None):
    """The command line; `values` stand in for it in tests."""
    parser = argparse.ArgumentParser(prog="python -m tools.ctc", description=__doc__)
    parser.add_argument("stage", nargs="?", default="all", choices=("all", *STAGES))
    parser.add_argument(
        "--work", type=Path, default=Path.home() / ".cache" / "asr-course" / "ctc", help="audio and states"
    )
    parser.add_argument(
        "--assets", type=Path, default=Path("helpers/assets"), help="where the checkpoints go"
    )
    parser.add_argument(
        "--whisper", type=Path, help="Whisper base as a Transformers folder (default: the course's own)"
    )
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, help="limit of the training")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="of polished weights (their mean along the way) in the export, the rest is from before",
    )
    parser.add_argument(
        "--upper", type=int, help="layers that learn in the polish, from the top; half of them if not given"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--smoke", action="store_true", help="all stages in a minute, at a size that learns nothing"
    )
    return parser.parse_args(values)


def start(options, corpus):
    """The Wav2Vec2ForCTC that training begins with: Whisper's encoder, or a tiny one for a smoke test."""
    if options.smoke:
        tiny = model.build("tiny", options.seed)
        model.set_positions(tiny)
        return tiny
    if options.whisper is None:
        from helpers import catalog

        options.whisper = catalog.model("openai/whisper-base")
    from transformers import WhisperFeatureExtractor, WhisperModel

    whisper = WhisperModel.from_pretrained(options.whisper, dtype=torch.float32).eval()
    extractor = WhisperFeatureExtractor.from_pretrained(options.whisper)
    spread = range(0, len(corpus.clips), max(1, len(corpus.clips) // 160))
    clips = [(corpus.clips[at][0] / 32768.0).astype("float32") for at in spread]
    return transfer.encoder(whisper, extractor, clips)


def run(options):
    """Run one stage or all of them; each takes up what the ones before have left in `options.work`."""
    torch.set_num_threads(options.threads)
    audio, begin = options.work / "audio", options.work / "start.pt"
    letters, polished = (options.work / stage / "state.pt" for stage in ("letters", "polish"))
    begun = options.work / "polish" / "begin.pt"
    stages = STAGES if options.stage == "all" else (options.stage,)
    english, multilingual = (options.assets / name for name in ("wav2vec2-ctc-en", "wav2vec2-multilingual"))
    network = model.build("tiny" if options.smoke else "full", options.seed)
    if "synthesise" in stages:
        for name, count, first, language in SMOKE if options.smoke else FULL:
            synthesise.source(name, count, audio, options.seed, first, language)
    if "start" in stages:
        sources = None if options.smoke else ("human", "kokoro")
        network = start(options, _clips(train.Corpus(audio, sources=sources), audio))
        torch.save(network.state_dict(), begin)
    if "letters" in stages:
        _needs(begin, "start")
        network.load_state_dict(torch.load(begin, weights_only=True))
        _train(network, options, "letters", head_steps=2 if options.smoke else 60)
    if "polish" in stages:
        if letters.is_file():
            known = torch.load(letters, weights_only=True)["model"]
        else:
            _needs(english / "model.safetensors", "letters")
            known = Wav2Vec2ForCTC.from_pretrained(english, dtype=torch.float32).state_dict()
        # letters under a mask cannot be heard, and were two thirds of the loss
        unmasked = model.build("tiny" if options.smoke else "full", options.seed)
        unmasked.config.mask_time_prob = 0.0
        unmasked.load_state_dict(known)
        polished.parent.mkdir(parents=True, exist_ok=True)
        if not begun.is_file():
            torch.save(known, begun)
        layers = unmasked.config.num_hidden_layers
        first = layers - (layers // 2 if options.upper is None else options.upper)
        settings = {
            "rates": train.POLISH,
            "first_layer": first,
            "seconds": 20.0,
            "head_steps": 0,
            "memory": 0.995,
        }
        _train(unmasked, options, "polish", shares=POLISH_SHARES, **settings)
    if "export" in stages:
        if not polished.is_file():
            _needs(begin, "start")
            _needs(letters, "letters")
        if begin.is_file():
            network.load_state_dict(torch.load(begin, weights_only=True))
            export.write_projection(network, multilingual)
        latest = polished if polished.is_file() else letters
        weights = torch.load(latest, weights_only=True)["mean"]
        if polished.is_file():
            before = torch.load(begun, weights_only=True)
            weights = {name: before[name].lerp(after, options.share) for name, after in weights.items()}
        network.load_state_dict(weights)
        export.write(network, english)
    if "evaluate" in stages:
        sets = {
            "reserved voices": evaluate.parts(audio, "unseen"),
            "telephone prompts": evaluate.parts(audio, "human"),
        }
        if options.smoke:
            sets = {"smoke": evaluate.parts(audio, "formant", split="train")}
        elif evaluate.LIBRIVOX.is_dir():
            sets["librivox"] = evaluate.librivox()
        figures = evaluate.report(english, sets)
        (options.work / "figures.json").write_text(json.dumps(figures, indent=1))


def _train(network, options, stage, shares=SHARES, **settings):
    """Train on all English clips, watch the test clips; states and curve are kept under the stage's name."""
    audio = options.work / "audio"
    tests = {
        "reserved": train.Corpus(audio, "test", ["unseen"]),
        "prompts": train.Corpus(audio, "test", ["human"], ["en"]),
    }
    train.train(
        network,
        _clips(train.Corpus(audio, languages=["en"]), audio),
        tests,
        options.work / stage,
        steps=6 if options.smoke else options.steps,
        minutes=options.minutes,
        shares=shares,
        seed=options.seed,
        report=3 if options.smoke else 100,
        **settings,
    )


def _clips(corpus, folder):
    if not corpus.clips:
        sys.exit(f"There is no audio in {folder}: run python -m tools.ctc synthesise first.")
    return corpus


def _needs(path, stage):
    if not path.is_file():
        sys.exit(f"There is no {path}: run python -m tools.ctc {stage} first.")


if __name__ == "__main__":
    run(arguments())
