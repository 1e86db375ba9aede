"""The Hub: one question whether it answers, and a copy of what the lessons take from it."""

from __future__ import annotations

import json
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from . import SupplyError
from .source import cache_folder

SECONDS = 10
"""How long the Hub may be silent, in seconds."""

PATIENCE = 20
"""How long the whole question may take: a network that drops packets is silent once for each address."""

PREFETCHED = "prefetched.json"
"""File of the course's cache: name to what `catalog` then gives, for all that `prefetch` has copied."""

_OFFLINE = "or set ASR_SOURCE=offline and start again"
_OTHER_FRAMEWORKS = ["*.h5", "*.msgpack", "*.ot", "*.onnx", "onnx/*", "coreml/*", "*.mlmodel", "*.tflite"]


def ask() -> None:
    """Ask one question, by the session of later requests (proxies, certificates); none if HF_HUB_OFFLINE.

    Raises:
        SupplyError: no answer of the Hub within `PATIENCE` seconds; one sentence that says what to do.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return
    answers = SimpleQueue()
    Thread(target=lambda: answers.put(_problem()), daemon=True).start()
    try:
        problem = answers.get(timeout=PATIENCE)
    except Empty:
        problem = f"The Hub has not answered for {PATIENCE} s: try again later"
    if problem:
        raise SupplyError(f"{problem}, {_OFFLINE}.")


def _problem() -> str | None:
    """What keeps the Hub from answering, and what to do about it; None if it answers."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.utils import build_hf_headers

    host = urlsplit(constants.ENDPOINT).netloc
    try:
        question = f"{constants.ENDPOINT}/api/models?limit=1"
        answer = get_session().get(question, headers=build_hf_headers(), timeout=SECONDS)
    except Exception as error:
        return _why(error, host)
    status, wait = answer.status_code, answer.headers.get("retry-after", "")
    if status == 200:
        try:
            answer.json()
            return None
        except ValueError:
            return f"{host} answers with a page that is not the Hub's: log in to the Wi-Fi in a browser"
    wait = f"{wait} s" if wait.isdigit() else "some minutes"
    log_in = "log in anew with `hf auth login`, remove the token with `hf auth logout`"
    sentences = {
        401: f"The Hub refuses your token (HTTP 401): {log_in}",
        403: f"The Hub refuses your token (HTTP 403): {log_in}",
        404: f"{host} is not the Hub (HTTP 404): check HF_ENDPOINT",
        429: f"The Hub limits this network (HTTP 429): wait {wait}, log in with `hf auth login`",
    }
    trouble = f"The Hub has trouble of its own (HTTP {status}): try again in some minutes"
    return sentences.get(status, trouble)


def _why(error: BaseException, host: str) -> str:
    """The sentence for an exception of the session. huggingface_hub uses httpx or httpx2: told by name."""
    chain = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    names = {base.__name__ for each in chain for base in type(each).__mro__}
    if untrusted := next((each for each in chain if isinstance(each, ssl.SSLCertVerificationError)), None):
        return (
            f"The certificate that {host} shows is not trusted ({untrusted.verify_message}): log in to the "
            "Wi-Fi in a browser, let SSL_CERT_FILE name the file with your network's own certificate"
        )
    if "socks" in str(error).lower():
        return "A SOCKS proxy is set (ALL_PROXY), and its package is missing: `pip install socksio`"
    if "UnsupportedProtocol" in names:
        return f"HF_ENDPOINT holds no address: let it begin with https://, or unset it ({error})"
    if "FileNotFoundError" in names:
        return "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a file that is not there: mend or unset it"
    if "TimeoutException" in names:
        return f"The Hub has not answered for {SECONDS} s: try again later"
    if "ProxyError" in names:
        return f"The proxy does not let requests to {host} pass ({error}): check HTTPS_PROXY"
    if "TransportError" in names:
        return f"The Hub ({host}) cannot be reached ({error}): connect to the network"
    return (
        f"The Hub ({host}) cannot be asked ({type(error).__name__}: {error}): check HF_ENDPOINT and proxies"
    )


def prefetched() -> dict[str, str | dict]:
    """Name to what was copied and is still there: a folder, or what `load_dataset` takes."""
    file = cache_folder() / PREFETCHED
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {name: given for name, given in known.items() if all(path.exists() for path in _paths(given))}


def _paths(given: str | dict) -> Iterator[Path]:
    if isinstance(given, str):
        # A damaged cache has links to files that are gone.
        yield from [Path(given), *Path(given).rglob("*")]
    else:
        yield from (Path(file) for files in given["data_files"].values() for file in files)


def prefetch(wanted: Mapping[str, tuple[str | dict, tuple[str, ...]]]) -> None:
    """Copy checkpoints and splits into the Hub's cache, compared with its checksums, and note where they are.

    Args:
        wanted: name to what finds it on the Hub (an id, or keyword arguments of `load_dataset`), and the
            splits.

    Raises:
        SupplyError: the Hub does not answer, or names all that could not be copied; the rest is noted.
    """
    ask()
    problems = []
    for name, (where, splits) in wanted.items():
        if name in prefetched():
            continue
        print(f"{name} ...", flush=True)
        try:
            _note(name, _splits(where, splits) if splits else _checkpoint(where))
        except Exception as error:
            # Where the Hub has gone meanwhile, its sentence is said once and nothing more is tried.
            ask()
            problems.append(f"{name}: {str(error).strip().partition(chr(10))[0]}")
    if problems:
        raise SupplyError("\n".join([*problems, "The rest is there: call prefetch again for these."]))


def _note(name: str, given: str | dict) -> None:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(prefetched() | {name: given}, indent=1)
    with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8", delete=False) as file:
        file.write(text)
    os.replace(file.name, folder / PREFETCHED)


def _checkpoint(name: str) -> str:
    """Folder of a checkpoint; pickled weights come only where there are no safetensors."""
    from huggingface_hub import HfApi, snapshot_download

    safe = any(file.endswith(".safetensors") for file in HfApi().list_repo_files(name))
    folder = snapshot_download(name, ignore_patterns=_OTHER_FRAMEWORKS + (["*.bin"] if safe else []))
    _compare(name, "model", Path(folder).name)
    return folder


def _splits(where: dict, splits: tuple[str, ...]) -> dict:
    """The files of some splits, as `load_dataset` takes them."""
    from datasets import load_dataset_builder
    from huggingface_hub import hf_hub_download

    listed = load_dataset_builder(**where).config.data_files or {}
    files = {}
    for split in splits:
        if split not in listed:
            raise ValueError(f"the Hub has no split {split!r} of it: update the course")
        files[split] = []
        for address in listed[split]:
            # hf://datasets/OWNER/NAME@COMMIT/PATH
            repository, _, rest = address.removeprefix("hf://datasets/").partition("@")
            commit, _, path = rest.partition("/")
            files[split].append(hf_hub_download(repository, path, repo_type="dataset", revision=commit))
    _compare(repository, "dataset", commit)
    return {"path": "parquet", "data_files": files}


def _compare(name: str, kind: str, commit: str) -> None:
    from huggingface_hub import HfApi

    compared = HfApi().verify_repo_checksums(name, repo_type=kind, revision=commit)
    damaged = [each["path"] for each in compared.mismatches]
    for path in damaged:
        # Without the file the next call fetches it anew.
        (compared.verified_path / path).resolve().unlink()
        (compared.verified_path / path).unlink(missing_ok=True)
    if damaged:
        raise ValueError(f"{', '.join(damaged)} differs from the Hub's checksum and was removed")
