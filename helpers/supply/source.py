"""Where checkpoints and data come from, and what the Hugging Face libraries are told about it."""

import os
import sys
from pathlib import Path

SOURCES = ("offline", "hub")

_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_FOLDERS = {
    "HF_HOME": ".",
    "HF_HUB_CACHE": "hub",
    "HF_DATASETS_CACHE": "datasets",
    "HF_MODULES_CACHE": "modules",
}
_SECONDS = "10"
_ON_THE_HUB = {
    # Else the Hub is told the versions of what is installed, and asked another question for that.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_ETAG_TIMEOUT": _SECONDS,
    "HF_HUB_DOWNLOAD_TIMEOUT": _SECONDS,
    # Else `datasets` and `evaluate` tell Amazon what is loaded, by name: a local folder's path as well.
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
}


def source() -> str:
    """Return "hub" or "offline": `ASR_SOURCE` when it is set, else "hub" on Colab and "offline" elsewhere.

    The network is never probed, so the answer is the same with and without Wi-Fi.

    Raises:
        ValueError: `ASR_SOURCE` holds anything else.
    """
    chosen = os.environ.get("ASR_SOURCE", "").strip().lower()
    if not chosen:
        return "hub" if "google.colab" in sys.modules else "offline"
    if chosen not in SOURCES:
        raise ValueError(f"ASR_SOURCE is {chosen!r}: set it to 'offline' or 'hub', or leave it unset.")
    return chosen


def cache_folder() -> Path:
    """The folder for everything that is downloaded or made: `ASR_CACHE`, else ~/.cache/asr-course."""
    return Path(os.path.expanduser(os.environ.get("ASR_CACHE") or "~/.cache/asr-course"))


def set_environment() -> None:
    """Tell the Hugging Face libraries where to look, before they are imported: they read this only once.

    Offline no request may be made (a failing look-up is tried again for some 20 s a file), and what the
    libraries write goes to the course's cache, so that the learner's own stays as it is. On the Hub a server
    that says nothing is given up after 10 s, and no downloads are counted at Amazon.
    """
    if source() == "hub":
        for name, value in _ON_THE_HUB.items():
            os.environ.setdefault(name, value)
        return
    os.environ.update(_OFFLINE)
    for name, folder in _FOLDERS.items():
        os.environ[name] = str(cache_folder() / "huggingface" / folder)
