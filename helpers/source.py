"""Where checkpoints and data come from: the Hub, or the offline default that ships with the course."""

import os
import sys

SOURCES = ("offline", "hub")


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


def keep_to_the_hub() -> None:
    """Tell the Hugging Face libraries to ask the Hub for files and nothing else, by plain HTTP.

    Xet, the Hub's other way of transfer, runs past `helpers.hub.watch` and is not needed for files of this
    size. Like the variables below, these are read when the libraries are imported.
    """
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")


def keep_off_the_network() -> None:
    """Tell the Hugging Face libraries that no request may be made.

    They read these variables when they are imported; set later they have no effect, and a failing look-up
    then retries for about 20 s a file.
    """
    for name in ("HF_HUB_OFFLINE", "HF_EVALUATE_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[name] = "1"
