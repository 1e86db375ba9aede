"""What Whisper base hears in the clips: the check that the synthetic voices say what the text says."""

import hashlib

import jiwer
import numpy as np

from helpers import audio, catalog
from tools.data import table
from tools.speech import kokoro


def transcribe(clips, language):
    """Whisper base (CTranslate2, int8, greedy) on each clip's bytes; a list of texts.

    Digits are suppressed, so that numbers come out in words as in the texts. What was heard once is kept
    in the cache.
    """
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer
    from tqdm.auto import tqdm

    model = WhisperModel(catalog.model("Systran/faster-whisper-base"), device="cpu", compute_type="int8")
    tokenizer = Tokenizer(model.hf_tokenizer, True, task="transcribe", language=language)
    digits = [i for i in range(tokenizer.eot) if any(c.isdigit() for c in tokenizer.decode([i]))]
    texts = []
    for clip in tqdm(clips, desc="Whisper base listens"):
        heard = _heard_file(clip, language)
        if not heard.is_file():
            segments, _ = model.transcribe(
                audio.read(clip),
                language=language,
                beam_size=1,
                temperature=0.0,
                condition_on_previous_text=False,
                suppress_tokens=[-1, *digits],
            )
            heard.parent.mkdir(parents=True, exist_ok=True)
            table.write_text(heard, " ".join(segment.text.strip() for segment in segments))
        texts.append(heard.read_text("utf-8"))
    return texts


def _heard_file(clip, language):
    return kokoro.cache_folder() / "heard" / f"int8-greedy-{language}-{hashlib.sha256(clip).hexdigest()}.txt"


def error_rates(targets, texts):
    """WER in per cent over all clips, and clip by clip: (float, list of float)."""
    each = [100 * jiwer.wer(target, text) for target, text in zip(targets, texts, strict=True)]
    return 100 * jiwer.wer(targets, texts), each


def levels(clips):
    """Peak, RMS in dB of full scale, and seconds of each clip: float array (clips, 3)."""
    figures = []
    for clip in clips:
        samples = audio.read(clip)
        rms = 20 * np.log10(np.sqrt(np.mean(samples**2)))
        figures.append((np.abs(samples).max(), rms, len(samples) / audio.SAMPLE_RATE))
    return np.array(figures)
