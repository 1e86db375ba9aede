import json
import os
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
        "for module in pkgutil.walk_packages(helpers.__path__, 'helpers.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "assert 'helpers.supply.recipes' in sys.modules and 'helpers.catalog' in sys.modules\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    assert run(code, ASR_SOURCE="offline") == "[]"


def environment(**given) -> dict:
    code = "import json, os, helpers; print(json.dumps(dict(os.environ)))"
    return json.loads(run(code, **given))


def test_offline_forbids_requests_and_hub_does_not():
    assert environment(ASR_SOURCE="offline", HF_HUB_OFFLINE="0")["HF_HUB_OFFLINE"] == "1"
    assert environment(ASR_SOURCE="hub", HF_HUB_OFFLINE="0")["HF_HUB_OFFLINE"] == "0"


def test_offline_the_learners_own_cache_is_left_alone(tmp_path):
    found = environment(
        ASR_SOURCE="offline", ASR_CACHE=str(tmp_path), HF_HOME="/mine", HF_HUB_CACHE="/mine/hub"
    )
    for name in ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE"):
        assert found[name].startswith(str(tmp_path)), name


def test_on_the_hub_the_learner_decides(tmp_path):
    found = environment(ASR_SOURCE="hub", HF_HOME=str(tmp_path), HF_HUB_ETAG_TIMEOUT="60")
    assert found["HF_HOME"] == str(tmp_path) and found["HF_HUB_ETAG_TIMEOUT"] == "60"
    assert found["HF_HUB_DOWNLOAD_TIMEOUT"] == "10"


def test_the_libraries_take_the_time_outs(tmp_path):
    code = "import helpers; from huggingface_hub import constants as c; print(c.HF_HUB_ETAG_TIMEOUT)"
    assert run(code, ASR_SOURCE="hub") == "10"
