"""What several tests need: a clip of speech, and a cache of its own for tests that break one."""

import shutil
import subprocess

import numpy as np
import pytest

from helpers import audio, catalog


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """The first clip of the English data set, float32 at 16 kHz."""
    from datasets import Audio, load_dataset

    rows = load_dataset(
        **catalog.data("hf-internal-testing/librispeech_asr_dummy", "clean"), split="validation"
    ).cast_column("audio", Audio(decode=False))
    return audio.read(rows[0]["audio"])


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache folder, used instead of the real one."""
    from helpers.supply import recipes

    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    recipes.path.cache_clear()
    yield tmp_path
    recipes.path.cache_clear()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Key and self-signed certificate for loopback in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    file = tmp_path_factory.mktemp("tls") / "hub.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hub"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", f"{file}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    with open(file, "a") as both, open(f"{file}.crt") as alone:
        both.write(alone.read())
    return file
