import subprocess
import sys

import pytest

from helpers.supply import source


def test_offline_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("ASR_SOURCE", raising=False)
    assert source.source() == "offline"
    monkeypatch.setenv("ASR_SOURCE", " Hub ")
    assert source.source() == "hub"


def test_colab_uses_the_hub(monkeypatch):
    monkeypatch.delenv("ASR_SOURCE", raising=False)
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert source.source() == "hub"


def test_unknown_source_is_refused(monkeypatch):
    monkeypatch.setenv("ASR_SOURCE", "moon")
    with pytest.raises(ValueError, match="'offline' or 'hub'"):
        source.source()


def run(code: str, **environment) -> str:
    import os

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_helpers_is_light():
    code = "import sys, helpers; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    assert run(code, ASR_SOURCE="offline") == "[]"


def test_every_module_imports_without_torch():
    code = (
        "import importlib, pkgutil, sys, helpers\n"
        "for module in pkgutil.iter_modules(helpers.__path__):\n"
        "    if not module.ispkg and module.name != '__main__':\n"
        "        importlib.import_module('helpers.' + module.name)\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    assert run(code, ASR_SOURCE="offline") == "[]"


def test_offline_forbids_requests_and_hub_does_not():
    code = "import os, helpers; print(os.environ.get('HF_HUB_OFFLINE'))"
    environment = {"HF_HUB_OFFLINE": "0"}
    assert run(code, ASR_SOURCE="offline", **environment) == "1"
    assert run(code, ASR_SOURCE="hub", **environment) == "0"
