"""Whisper over long audio, fast on few cores: speech packed into windows, without padding to 30 s."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from .audio import SAMPLE_RATE, SilentError, check
from .segments import Segment

WINDOW_SECONDS = 20.0
"""Longest window of `windows`, in seconds: long enough for context, short enough to save work."""

TAIL_SECONDS = 1.0
"""Silence after the longest window of a batch: without any, Whisper invents a last word."""

SHORTEST_SECONDS = 12.0
"""Shortest spectrogram of a batch, in seconds: in 2 or 3 s Whisper repeats a short sentence."""

MARGIN_SECONDS = 0.8
"""Sound kept around what the voice activity detection takes for speech; with less, short words get lost."""

_P_SPEECH = 0.35  # a frame is speech from this probability on; Silero's own 0.5 loses short commands too

_TOKENS_A_SECOND = 60  # more than speech has in any script: Burmese 38, Spanish 4; only loops reach it

_SHORTEST_WORD = 100  # ms; what is shorter is a click, or the first stroke of a piece of music
_FRAME, _STAMP = 160, 320  # samples in a column of the log-mel spectrogram; from a time stamp to the next


class Window(NamedTuple):
    """A stretch of the clip to be heard in one go: start and end in samples."""

    start: int
    end: int


def windows(samples: np.ndarray, seconds: float = WINDOW_SECONDS, min_silence: float = 0.16) -> list[Window]:
    """Where there is speech, in windows that begin and end in a pause.

    Voice activity detection finds stretches of speech; neighbours are joined, their pause included, as
    long as they fit into one window.

    Args:
        samples: shape (samples,), at 16 kHz.
        seconds: longest window, 1 to 30, its margins included. Speech without a pause for that long is cut.
        min_silence: shortest pause, in seconds, that separates two stretches.

    Returns:
        Windows in order, without overlap; [] where nobody speaks.

    Raises:
        ValueError: a length that Whisper's window of 30 s does not hold.
        AudioError: as `audio.check`, but a silent clip has no windows.

    Sources: Bain et al., WhisperX (Interspeech 2023), cut and merge; Silero VAD, as in faster-whisper.
    """
    if not 1 <= seconds <= 30:
        raise ValueError(f"Windows of {seconds} s: choose 1 to 30, Whisper's own window.")
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    try:
        samples = check(samples)
    except SilentError:
        return []
    margin = min(MARGIN_SECONDS, seconds / 10)
    options = VadOptions(
        threshold=_P_SPEECH,
        speech_pad_ms=round(1000 * margin),
        max_speech_duration_s=seconds - 2 * margin,
        min_silence_duration_ms=round(1000 * min_silence),
        min_speech_duration_ms=_SHORTEST_WORD,
    )
    packed: list[Window] = []
    for speech in get_speech_timestamps(samples, options):
        start, end = int(speech["start"]), min(int(speech["end"]), len(samples))
        if packed and end - packed[-1].start <= seconds * SAMPLE_RATE:
            packed[-1] = Window(packed[-1].start, end)
        else:
            packed.append(Window(start, end))
    return packed


def features(model, samples: np.ndarray, batch: list[Window], tail: float = TAIL_SECONDS) -> np.ndarray:
    """Log-mel spectrograms of a batch of windows, as long as its longest (12 s at least) and not 30 s.

    Args:
        model: faster_whisper.WhisperModel.
        samples: shape (samples,), at 16 kHz.
        batch: some of `windows`.
        tail: silence after the longest, in seconds.

    Returns:
        float32, shape (windows, bands, frames), 100 frames a second, 1200 to 3000.
    """
    longest = max(window.end - window.start for window in batch) + tail * SAMPLE_RATE
    longest = max(longest, SHORTEST_SECONDS * SAMPLE_RATE)
    # The encoder's second convolution takes every other frame, so the number is made even.
    length = min(30 * SAMPLE_RATE, 2 * _FRAME * math.ceil(longest / (2 * _FRAME)))
    spectrograms = []
    for window in batch:
        clip = samples[window.start : window.end][:length]
        spectrograms.append(model.feature_extractor(np.pad(clip, (0, length - len(clip))), padding=0))
    return np.ascontiguousarray(np.stack(spectrograms), dtype=np.float32)


def transcribe(
    model,
    samples: np.ndarray,
    language: str | None = None,
    *,
    task: str = "transcribe",
    seconds: float = WINDOW_SECONDS,
    tail: float = TAIL_SECONDS,
    batch_size: int = 16,
    beam_size: int = 2,
) -> list[Segment]:
    """Transcribe a clip of any length.

    As faster-whisper's BatchedInferencePipeline, with these differences: windows of one batch have similar
    lengths, and their spectrograms are not padded to 30 s, which saves work in the encoder and in every step
    of the decoder; there is a wider margin around speech; Whisper writes time stamps, and what it writes for
    the time after the window is dropped.

    Args:
        model: faster_whisper.WhisperModel; compute_type "int8" suits CPUs.
        samples: shape (samples,), at 16 kHz; any length from 0.1 s.
        language: code such as "es"; None detects it on the longest window.
        task: "transcribe", or "translate" (into English).
        seconds, tail: see `windows` and `features`.
        batch_size: windows decoded together.
        beam_size: candidates kept; 1 is greedy, and each more costs time for ever fewer errors.

    Returns:
        A segment for each window with text, times in seconds, in order; [] where nobody speaks.

    Raises:
        ValueError: unknown task or language; batch_size or beam_size below 1; as `windows`.
        AudioError: as `windows`.
    """
    if task not in ("transcribe", "translate"):
        raise ValueError(f"Unknown task {task!r}: choose 'transcribe' or 'translate'.")
    if batch_size < 1 or beam_size < 1:
        raise ValueError(f"batch_size={batch_size} and beam_size={beam_size}: both must be 1 or more.")
    if language is not None and language not in model.supported_languages:
        raise ValueError(f"Unknown language {language!r}: pass a code such as 'es', or None to detect it.")
    found = windows(samples, seconds)
    longest_first = sorted(found, key=lambda window: window.start - window.end)
    texts: dict[Window, str] = {}
    tokenizer = None
    for first in range(0, len(found), batch_size):
        batch = longest_first[first : first + batch_size]
        encoded = model.encode(features(model, samples, batch, tail))
        if tokenizer is None:
            tokenizer = _tokenizer(model, task, language or _language(model, encoded))
            prompt = model.get_prompt(tokenizer, [], without_timestamps=False)
        limit = math.ceil(_TOKENS_A_SECOND * (batch[0].end - batch[0].start) / SAMPLE_RATE)
        limit = min(model.max_length - len(prompt), limit)
        # Twice the limit, because CTranslate2 lets a text take half of max_length.
        results = model.model.generate(
            encoded, [prompt] * len(batch), beam_size=beam_size, max_length=2 * limit
        )
        for window, result in zip(batch, results, strict=True):
            tokens = result.sequences_ids[0]
            # What begins at the end of the window or later is made up: only padding is left there.
            end = tokenizer.timestamp_begin + math.ceil((window.end - window.start) / _STAMP)
            said = [token for token in takewhile(end.__gt__, tokens) if token < tokenizer.eot]
            texts[window] = tokenizer.decode(said if len(tokens) < limit else _without_loop(said)).strip()
    return [
        Segment(window.start / SAMPLE_RATE, window.end / SAMPLE_RATE, texts[window])
        for window in found
        if texts[window]
    ]


def _without_loop(tokens: list[int]) -> list[int]:
    """What is said over and over at the end of a text that has no end, said once; up to 64 tokens long."""
    for period in range(1, min(64, len(tokens) // 3) + 1):
        times = 1
        while tokens[-(times + 1) * period : -times * period] == tokens[-period:]:
            times += 1
        if times >= 3:
            return tokens[: len(tokens) - (times - 1) * period]
    return tokens


def _tokenizer(model, task: str, language: str):
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task=task, language=language)


def _language(model, encoded) -> str:
    if not model.model.is_multilingual:
        return "en"
    token, _ = model.model.detect_language(encoded)[0][0]
    return token.strip("<|>")
