"""From a sentence to the bytes of a clip: read aloud, trimmed, levelled, a breath of room tone, Opus."""

import hashlib
import io
import os
import tempfile

import numpy as np
import soundfile
import soxr

from helpers.audio import SAMPLE_RATE
from tools.speech import kokoro

RATE = SAMPLE_RATE
OPUS_LEVEL = 0.83  # libsndfile's 0 (256 kbit/s) to 1 (6 kbit/s): about 45 kbit/s for speech at 16 kHz
ROOM_TONE = 10 ** (-66 / 20)  # RMS of full scale
SILENCE = 0.004  # peak of full scale under which a reading has not begun or has ended


def speak(text, voice, language, speed=1.0, threads=2):
    """Kokoro's reading at 16 kHz, kept in the cache so that a second build only reads what has changed.

    Returns float32 (samples,). Raises what tools.speech.kokoro.speak raises.
    """
    symbols = kokoro.phonemes(text, language)
    style = voice if isinstance(voice, str) else hashlib.sha256(np.asarray(voice).tobytes()).hexdigest()
    key = hashlib.sha256(f"{kokoro.MODEL_SHA256} {style} {speed} {symbols}".encode()).hexdigest()
    target = kokoro.cache_folder() / "clips" / f"{key}.npy"
    if target.is_file():
        return np.load(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    samples, rate = kokoro.speak_phonemes(symbols, voice, speed, threads)
    samples = soxr.resample(samples, rate, RATE)
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as part:
        np.save(part, samples)
    os.replace(part.name, target)
    return samples


def finish(samples, seed, level=-24.0, lead=0.25, tail=0.35):
    """A reading as a clip: silence cut to `lead` and `tail` seconds, `level` dB RMS, room tone under it.

    samples: float32 (samples,) at 16 kHz. `seed` draws the room tone. Raises ValueError for a silent reading.
    """
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    if not len(loud):
        raise ValueError("The reading is silent")
    margin = RATE // 50
    samples = samples[max(0, loud[0] - margin) : loud[-1] + margin].astype(np.float64)
    fade = np.linspace(0, 1, margin)
    samples[:margin] *= fade
    samples[-margin:] *= fade[::-1]
    samples *= 10 ** (level / 20) / np.sqrt(np.mean(samples**2))
    samples *= min(1.0, 0.9 / np.abs(samples).max())
    samples = np.concatenate([np.zeros(round(lead * RATE)), samples, np.zeros(round(tail * RATE))])
    return (samples + room_tone(len(samples), seed)).astype(np.float32)


def room_tone(length, seed):
    """Quiet noise, its power falling with the square of the frequency above 200 Hz: float64 (length,)."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / RATE)
    tone = np.fft.irfft(spectrum / np.maximum(frequency, 200.0) * (frequency > 50), length)
    return tone * ROOM_TONE / np.sqrt(np.mean(tone**2))


def encode(samples, serial, rate=RATE):
    """Opus in Ogg, mono, 8 or 16 kHz; the same samples and serial give the same bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="OGG", subtype="OPUS", compression_level=OPUS_LEVEL)
    return _with_serial(bytearray(buffer.getvalue()), serial)


def _with_serial(ogg, serial):
    # libsndfile draws the stream's serial number at random; RFC 3533 says where it and the checksum stand.
    start = 0
    while start < len(ogg):
        lacing = ogg[start + 27 : start + 27 + ogg[start + 26]]
        end = start + 27 + len(lacing) + sum(lacing)
        ogg[start + 14 : start + 18] = serial.to_bytes(4, "little")
        ogg[start + 22 : start + 26] = bytes(4)
        ogg[start + 22 : start + 26] = _checksum(ogg[start:end]).to_bytes(4, "little")
        start = end
    return bytes(ogg)


def _checksum(page):
    register = 0
    for byte in page:
        register = (register << 8 & 0xFFFFFFFF) ^ _CRC[register >> 24 ^ byte]
    return register


def _crc_entry(byte):
    register = byte << 24
    for _ in range(8):
        register = (register << 1 ^ (0x04C11DB7 if register & 0x80000000 else 0)) & 0xFFFFFFFF
    return register


_CRC = [_crc_entry(byte) for byte in range(256)]
