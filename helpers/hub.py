"""Checkpoints and data sets of the Hub in the local cache; what goes wrong is told in one sentence."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from .offline import cache_folder
from .supply.files import replacing

SECONDS = 10
"""How long the Hub may be silent before we give up, in seconds."""

_OFFLINE = "or set ASR_SOURCE=offline and start again"
_OTHER_FRAMEWORKS = ["*.h5", "*.msgpack", "*.ot", "*.onnx", "onnx/*", "coreml/*", "*.mlmodel", "*.tflite"]
_CONVERTED = "refs/convert/parquet"
"""The branch on which the Hub itself keeps every data set as parquet."""


class HubError(RuntimeError):
    """Something on the Hub cannot be had. The message says what to do."""


@dataclass(frozen=True)
class Split:
    """One split of a data set: `files` are paths in the repository at commit `revision`.

    `builder` is the loader of `datasets` that reads them ("parquet"), `features` their types (None: as the
    files say).
    """

    revision: str
    builder: str
    files: list[str]
    features: dict | None


def snapshot(name: str, revision: str | None = None) -> Path:
    """Folder of a checkpoint in the Hub's cache; what is there already is used without asking the Hub.

    Weights for other frameworks are left out, and pickled ones too where there are safetensors. What was
    downloaded is compared with the Hub's checksums.

    Args:
        name: id on the Hub.
        revision: commit; None is the newest on first use, and the same from then on.

    Raises:
        HubError: it cannot be had.
    """
    if found := _cached_snapshot(name, revision):
        return found
    from huggingface_hub import HfApi, snapshot_download

    with explained(name, revision):
        siblings = HfApi().model_info(name, revision=revision, timeout=SECONDS).siblings
        safe = any(file.rfilename.endswith(".safetensors") for file in siblings)
        left_out = _OTHER_FRAMEWORKS + (["*.bin"] if safe else [])
        folder = Path(snapshot_download(name, revision=revision, ignore_patterns=left_out))
        _compare_checksums(name, [path for path in folder.rglob("*") if path.is_file()])
    return folder


def _cached_snapshot(name: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for left_out in ([*_OTHER_FRAMEWORKS, "*.bin"], _OTHER_FRAMEWORKS):
        try:
            found = snapshot_download(
                name, revision=revision, local_files_only=True, ignore_patterns=left_out
            )
        except LocalEntryNotFoundError:
            continue
        # Where the repository has no safetensors, a folder without its pickled weights would look complete.
        if any(path.suffix in {".safetensors", ".bin"} for path in Path(found).iterdir()):
            return Path(found)
    return None


def is_cached(name: str, revision: str | None = None) -> bool:
    """Whether `snapshot` would find a checkpoint without asking the Hub."""
    return _cached_snapshot(name, revision) is not None


def split(name: str, config: str | None, part: str, revision: str | None = None) -> Split:
    """Which files a split consists of. The answer is kept, so that the Hub is asked once.

    Args:
        name: id of a data set on the Hub.
        config: its configuration; None where there is one only.
        part: the split, e.g. "train".
        revision: commit; None is the newest on first use, and the same from then on.

    Raises:
        HubError: no such configuration or split, or it cannot be had.
    """
    record = _record(name, config, part, revision)
    if (record / "split.json").is_file():
        return Split(**json.loads((record / "split.json").read_text(encoding="utf-8")))
    found = newest_split(name, config, part, revision)
    with replacing(record) as scratch:
        (scratch / "split.json").write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _record(name: str, config: str | None, part: str, revision: str | None) -> Path:
    """Folder that keeps the answer about a split."""
    words = filter(None, (name.replace("/", "--"), config, part, revision))
    return cache_folder() / "hub" / "--".join(words)


def is_split_cached(name: str, config: str | None, part: str, revision: str | None = None) -> bool:
    """Whether `split` and `download` would find a split without asking the Hub."""
    from huggingface_hub import try_to_load_from_cache

    if not (_record(name, config, part, revision) / "split.json").is_file():
        return False
    found = split(name, config, part, revision)
    where = {"repo_type": "dataset", "revision": found.revision}
    return all(isinstance(try_to_load_from_cache(name, file, **where), str) for file in found.files)


def newest_split(name: str, config: str | None, part: str, revision: str | None = None) -> Split:
    """As `split`, but the Hub is asked in any case and nothing is kept.

    Raises:
        HubError: as `split`.
    """
    with explained(name, revision):
        return _ask_for_split(name, config, part, revision)


def _ask_for_split(name: str, config: str | None, part: str, revision: str | None) -> Split:
    from datasets import load_dataset_builder

    commit = newest(name, "dataset", revision)
    try:
        builder = load_dataset_builder(name, config, revision=commit)
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        return _converted_split(name, config, part, _CONVERTED)
    except ValueError as error:
        if "BuilderConfig" not in str(error):
            raise
        # A pinned commit of the converted branch has folders, but no card that names configurations.
        return _converted_split(name, config, part, commit)
    files = (builder.config.data_files or {}).get(part)
    if not files:
        raise HubError(f"{name} on the Hub has no split {part!r}: update the course, {_OFFLINE}.")
    features = builder.info.features
    paths = [str(file).partition(f"@{commit}/")[2] for file in files]
    return Split(commit, builder.name, paths, features.to_dict() if features else None)


def _converted_split(name: str, config: str | None, part: str, revision: str) -> Split:
    """The split as the Hub has converted it, for a data set whose own repository holds a loading script."""
    from huggingface_hub import HfApi

    info = HfApi().dataset_info(name, revision=revision, timeout=SECONDS)
    pattern = re.compile(rf"{re.escape(config or 'default')}/({part}/|[^/]*-{part}[-.])[^/]*parquet$")
    files = sorted(file.rfilename for file in info.siblings if pattern.match(file.rfilename))
    if not files:
        raise HubError(
            f"{name} on the Hub has no configuration {config!r} with {part!r}: update the course, {_OFFLINE}."
        )
    return Split(info.sha, "parquet", files, None)


def download(name: str, found: Split) -> list[str]:
    """The files of a split as paths in the local cache, compared with the Hub's checksums when they are new.

    Raises:
        HubError: they cannot be had.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    where = {"repo_type": "dataset", "revision": found.revision}
    paths = []
    for file in found.files:
        path = try_to_load_from_cache(name, file, **where)
        if not isinstance(path, str):
            with explained(name, found.revision):
                path = hf_hub_download(name, file, **where)
                _compare_checksums(name, [Path(path)])
        paths.append(path)
    return paths


def streamed(name: str, found: Split) -> list[str]:
    """The files of a split as addresses to read from; as local paths when all of them are in the cache."""
    from huggingface_hub import try_to_load_from_cache

    watch()
    local = [
        try_to_load_from_cache(name, file, repo_type="dataset", revision=found.revision)
        for file in found.files
    ]
    if all(isinstance(path, str) for path in local):
        return local
    revision = found.revision.replace("/", "%2F")
    return [f"hf://datasets/{name}@{revision}/{file}" for file in found.files]


def newest(name: str, kind: str = "model", revision: str | None = None) -> str:
    """Commit that a revision of a repository stands for (None: the newest); one short question to the Hub.

    Args:
        name: id on the Hub.
        kind: "model" or "dataset".
        revision: branch, tag or commit.

    Raises:
        HubError: the Hub does not say.
    """
    from huggingface_hub import HfApi

    with explained(name, revision):
        return HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=SECONDS).sha


def _compare_checksums(name: str, paths: list[Path]) -> None:
    """Remove what differs from its checksum: the cache names a file by its SHA-256, or by git's SHA-1."""
    damaged = []
    for path in paths:
        blob = path.resolve()
        if re.fullmatch(r"[0-9a-f]{64}", blob.name):
            digest = hashlib.sha256()
        elif re.fullmatch(r"[0-9a-f]{40}", blob.name):
            digest = hashlib.sha1(b"blob %d\0" % blob.stat().st_size)
        else:
            continue  # no links on this system: the cache holds the file itself
        with open(blob, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != blob.name:
            damaged.append(path.name)
            path.unlink()
            blob.unlink()
    if damaged:
        raise HubError(
            f"{', '.join(damaged)} of {name} differs from the Hub's checksum, so it was changed or damaged, "
            f"and was removed from the cache: run the cell again; if that does not help, update the course, "
            f"{_OFFLINE}."
        )


# ---- errors ------------------------------------------------------------------------------------------------


@contextmanager
def explained(name: str, revision: str | None = None) -> Iterator[None]:
    """Turn what the libraries raise about a repository into one sentence that says what to do.

    Args:
        name: id of the repository that is asked for inside the block.
        revision: the revision asked for.

    Raises:
        HubError: instead of the libraries' errors of network, access, content and disk.
    """
    watch()
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        sentence = next(filter(None, (_sentence(each, name, revision) for each in _chain(error))), None)
        if sentence is None:
            raise
        raise HubError(sentence) from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _sentence(error: BaseException, name: str, revision: str | None) -> str | None:
    from huggingface_hub import errors

    if isinstance(error, HubError):
        return str(error)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return (
            f"{name} is not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub: unset it, fetch all "
            f"with `python -m helpers prefetch` where there is a network, {_OFFLINE}."
        )
    if isinstance(error, errors.GatedRepoError):
        return (
            f"{name} is shown only to who has accepted its terms: accept them on its page on the Hub and log "
            f"in with `hf auth login`, {_OFFLINE}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} no longer has the revision {revision or 'main'}: update the course, {_OFFLINE}."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"The Hub does not show {name}: it is gone or private, or your token has expired. "
            f"Log in anew with `hf auth login` or remove the token with `hf auth logout`, {_OFFLINE}."
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"A file of {name} is missing on the Hub: update the course, {_OFFLINE}."
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return (
                f"The Hub refuses your token for {name}: log in anew with `hf auth login` or remove the "
                f"token with `hf auth logout`, {_OFFLINE}."
            )
        return f"The Hub answers HTTP {status} for {name}: update the course, {_OFFLINE}."
    if isinstance(error, (json.JSONDecodeError, errors.FileMetadataError)):
        return (
            f"What answers is not the Hub: log in to the Wi-Fi in a browser, check HF_ENDPOINT if you have "
            f"set it, {_OFFLINE}."
        )
    if isinstance(error, _library().TransportError):
        return _broken_off(name)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full: free some space, or let HF_HOME name a folder on another disk, {_OFFLINE}."
    if type(error) is OSError and "Consistency check failed" in str(error):
        return f"A file of {name} came with another size than the Hub states: run the cell again, {_OFFLINE}."
    return None


@cache
def watch() -> None:
    """Let requests of the Hugging Face libraries fail within seconds and in one sentence.

    Left alone, huggingface_hub repeats a failing request for half a minute a file, waits without limit for a
    silent server, and sleeps for as long as a rate limit lasts. Answers about access and missing files stay
    as they are, because the libraries act on them; a download that breaks off goes on where it stopped.
    """
    from huggingface_hub import get_session, set_client_factory

    library, hooks = _library(), get_session().event_hooks
    client = _client_class(library)
    set_client_factory(lambda: client(event_hooks=hooks, follow_redirects=True, timeout=SECONDS))


@cache
def _library():
    """What huggingface_hub speaks HTTP with: httpx, or its own edition of it."""
    from huggingface_hub import get_session

    return sys.modules[type(get_session()).__module__.partition(".")[0]]


def _client_class(library):
    """A subclass of `library.Client` (httpx, or huggingface_hub's edition of it) that explains failures."""

    class Body(library.SyncByteStream):
        def __init__(self, stream, url):
            self.stream, self.url = stream, url

        def __iter__(self):
            received = 0
            try:
                for piece in self.stream:
                    received += len(piece)
                    yield piece
            except library.TransportError:
                if received:
                    raise  # huggingface_hub asks for the rest
                raise HubError(_broken_off(Path(self.url.path).name)) from None

        def close(self):
            self.stream.close()

    class Client(library.Client):
        def send(self, request, **options):
            limits = request.extensions.get("timeout") or {}
            request.extensions["timeout"] = {
                phase: min(limits.get(phase) or SECONDS, SECONDS)
                for phase in ("connect", "read", "write", "pool")
            }
            try:
                response = self._patiently(request, **options)
            except library.ConnectError:
                raise HubError(_unreachable(request.url)) from None
            except library.TimeoutException:
                raise HubError(
                    f"The Hub has not answered for {SECONDS} s: try again later, {_OFFLINE}."
                ) from None
            except library.TransportError:
                raise HubError(_broken_off(Path(request.url.path).name)) from None
            if options.get("stream"):
                response.stream = Body(response.stream, request.url)
            return response

        def _patiently(self, request, **options):
            """Send; once more after a second if the server stumbles."""
            for attempt in (1, 2):
                try:
                    response = super().send(request, **options)
                except library.RemoteProtocolError:
                    if attempt == 2:
                        raise
                else:
                    if response.status_code == 429:
                        response.close()
                        raise HubError(_rate_limit(response.headers.get("retry-after", "")))
                    if response.status_code < 500:
                        return response
                    response.close()
                    if attempt == 2:
                        raise HubError(_in_trouble(response.status_code))
                time.sleep(1)

    return Client


def _unreachable(url) -> str:
    return (
        f"The Hub ({url.host}) cannot be reached: connect to the network and run the cell again, {_OFFLINE}."
    )


def _broken_off(what: str) -> str:
    return f"The connection broke off at {what}: run the cell again (finished files are kept), {_OFFLINE}."


def _in_trouble(status: int) -> str:
    return f"The Hub has trouble of its own (HTTP {status}): run the cell again in some minutes, {_OFFLINE}."


def _rate_limit(retry_after: str) -> str:
    wait = f"{retry_after} s" if retry_after.isdigit() else "some minutes"
    return (
        f"The Hub limits how much this network may fetch: wait {wait} and run the cell again, log in with "
        f"`hf auth login` (which raises the limit), {_OFFLINE}."
    )
