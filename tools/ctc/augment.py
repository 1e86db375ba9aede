"""Make synthetic speech less clean: speed, rooms, noise, other talkers, telephone.

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


def talk_over(audio, others, decibels):
    """Add other clips (float32 at 16 kHz, repeated or cut to length), together `decibels` below the audio."""
    chorus = np.zeros(len(audio), np.float32)
    for other in others:
        chorus += np.resize(other, len(audio)) / (np.sqrt((other**2).mean()) + 1e-9)
    ratio = np.sqrt((audio**2).mean() / ((chorus**2).mean() + 1e-9)) * 10 ** (-decibels / 20)
    return (audio + ratio * chorus).astype(np.float32)


def muffle(audio, hertz):
    """Cut what lies above `hertz`, as old records and strong compression do."""
    lowpass = scipy.signal.butter(6, hertz, fs=SAMPLE_RATE, output="sos")
    return scipy.signal.sosfilt(lowpass, audio).astype(np.float32)


def surround(audio, before, after):
    """Silence of so many seconds before and after; comes before rooms and noise, which fill it."""
    return np.pad(audio, (int(before * SAMPLE_RATE), int(after * SAMPLE_RATE)))


def augment(audio, rng, human=False, others=()):
    """A random mixture of all of these; a third of the clips keep their own speed, human ones their own line.

    `others` are clips of which a random one to three may be heard behind this one.
    """
    if rng.random() < 0.65:
        audio = change_speed(audio, rng.uniform(0.87, 1.15))
    if rng.random() < 0.3:
        audio = surround(audio, *rng.uniform(0, 0.6, 2))
    if rng.random() < 0.35:
        audio = reverberate(audio, rng.uniform(0.1, 0.6), rng)
    if len(others) and rng.random() < 0.12:
        chosen = rng.permutation(len(others))[: rng.integers(1, 4)]
        audio = talk_over(audio, [others[at] for at in chosen], rng.uniform(8, 25))
    if rng.random() < 0.4:
        audio = add_noise(audio, rng.uniform(8, 40), rng)
    if not human:
        line = rng.random()
        if line < 0.12:
            audio = telephone(audio)
        elif line < 0.27:
            audio = muffle(audio, rng.uniform(2800, 7000))
    return audio
