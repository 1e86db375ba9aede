"""Make synthetic speech less clean: speed, rooms, noise, telephone.

Every function takes and gives float32 (samples,) at 16 kHz.
"""

import numpy as np
import scipy.signal

SAMPLE_RATE = 16_000


def change_speed(audio, factor):
    """Play faster (factor > 1) or slower: tempo and pitch together, so that a voice becomes another one."""
    count = int(len(audio) / factor)
    return np.interp(np.arange(count) * factor, np.arange(len(audio)), audio).astype(np.float32)


def add_noise(audio, decibels, rng, colour=None):
    """Add noise at `decibels` signal to noise; colour 0 is white, 1 pink, 2 brown."""
    colour = rng.uniform(0, 2) if colour is None else colour
    spectrum = np.fft.rfft(rng.standard_normal(len(audio)))
    spectrum *= np.maximum(np.arange(len(spectrum)), len(audio) // 320) ** (-colour / 2)
    noise = np.fft.irfft(spectrum, len(audio))
    ratio = np.sqrt((audio**2).mean() / (noise**2).mean()) * 10 ** (-decibels / 20)
    return (audio + ratio * noise).astype(np.float32)


def reverberate(audio, seconds, rng):
    """Convolve with exponentially decaying noise, -60 dB after `seconds`, behind a strong direct sound."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    room = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    room *= rng.uniform(0.2, 0.8) / np.sqrt((room**2).sum())
    room[0] = 1.0
    return scipy.signal.oaconvolve(audio, room)[: len(audio)].astype(np.float32)


def telephone(audio):
    """8 kHz, 300-3,400 Hz and mu-law, as a telephone line does."""
    narrow = scipy.signal.resample_poly(audio, 1, 2)
    narrow = scipy.signal.sosfilt(
        scipy.signal.butter(2, (250, 3500), "bandpass", fs=SAMPLE_RATE / 2, output="sos"), narrow
    )
    narrow /= np.abs(narrow).max() + 1e-9
    companded = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    companded = np.round(companded * 127) / 127
    narrow = np.sign(companded) * (256 ** np.abs(companded) - 1) / 255
    return scipy.signal.resample_poly(narrow, 2, 1)[: len(audio)].astype(np.float32)


def augment(audio, rng, human=False):
    """A random mixture of all of these; half the clips keep their own speed, human ones their own line."""
    if rng.random() < 0.5:
        audio = change_speed(audio, rng.uniform(0.92, 1.12))
    if rng.random() < 0.25:
        audio = reverberate(audio, rng.uniform(0.1, 0.4), rng)
    if rng.random() < 0.4:
        audio = add_noise(audio, rng.uniform(12, 40), rng)
    if not human and rng.random() < 0.15:
        audio = telephone(audio)
    return audio
