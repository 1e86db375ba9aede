"""A Hub on loopback: as much of the Hub's HTTP interface as the Hugging Face libraries use to download.

Routes and headers are those that huggingface_hub asks for (hf_api.py, file_download.py, hf_file_system.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = {".safetensors", ".bin", ".parquet"}
"""What the Hub keeps outside git (LFS) and serves by a redirect."""

MAIN = "main"


@dataclass
class Fault:
    """What goes wrong for requests whose "METHOD /path" matches `pattern`, and how many `times`.

    `status`: answer with this code, `headers` and `body`; `seconds`: wait first; `cut`: close the connection
    after this share of the bytes asked for; `damage`: change one byte of the content; `drip`: send a header
    every so many seconds, without end.
    """

    pattern: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    cut: float | None = None
    damage: bool = False
    body: bytes = b""
    drip: float = 0
    times: float = float("inf")


@dataclass
class File:
    """A file of a repository: where it lies, and what the Hub calls its content."""

    path: Path
    large: bool
    etag: str
    size: int


@cache
def _digest(path: Path, size: int, changed: int, large: bool) -> str:
    digest = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % size)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Repositories:
    """Folders ROOT/models/OWNER/NAME and ROOT/datasets/OWNER/NAME.

    Another branch than main lies beside it, in NAME@BRANCH, with "+" for its slashes.
    """

    def __init__(self, root: Path):
        self.root = Path(root)

    def files(self, kind: str, name: str, branch: str = MAIN) -> dict[str, File] | None:
        """Path in the repository to file, in order; None if there is no such branch."""
        folder = self.root / kind / name
        if branch != MAIN:
            folder = folder.with_name(f"{folder.name}@{branch.replace('/', '+')}")
        if not folder.is_dir():
            return None
        found = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                facts, large = path.stat(), path.suffix in LARGE
                etag = _digest(path.resolve(), facts.st_size, facts.st_mtime_ns, large)
                found[path.relative_to(folder).as_posix()] = File(path, large, etag, facts.st_size)
        return found

    def commit(self, kind: str, name: str, branch: str = MAIN) -> str | None:
        """The commit a branch stands for: a digest of its content."""
        files = self.files(kind, name, branch)
        if files is None:
            return None
        return hashlib.sha1(repr([(path, file.etag) for path, file in files.items()]).encode()).hexdigest()

    def at(self, kind: str, name: str, revision: str) -> tuple[str, dict[str, File]] | None:
        """Commit and files that a revision (branch or commit) stands for."""
        folder = self.root / kind / name
        beside = folder.parent.glob(f"{folder.name}@*") if folder.parent.is_dir() else []
        branches = [MAIN, *(path.name.partition("@")[2].replace("+", "/") for path in beside)]
        for branch in branches:
            commit = self.commit(kind, name, branch)
            if commit and revision in (branch, commit):
                return commit, self.files(kind, name, branch)
        return None


class Hub:
    """The server, started by `with`. `requests` lists what was asked, as (method, path, range).

    `certificate`: a PEM file with key and certificate, for https.
    """

    def __init__(self, root: Path, certificate: Path | None = None):
        self.repositories = Repositories(root)
        self.connections: list[socket.socket] = []
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.url = self.url.replace("http:", "https:")

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """Go down: open connections end, new ones are refused from now on."""
        self.stopped = True
        self._server.shutdown()
        self._server.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def asked(self, pattern: str) -> list[tuple[str, str, str]]:
        """The requests whose "METHOD /path" matches."""
        return [each for each in self.requests if re.search(pattern, f"{each[0]} {each[1]}")]

    def fault(self, request: str) -> Fault:
        """What is to go wrong for this request; nothing, mostly."""
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, request):
                fault.times -= 1
                return fault
        return Fault("")


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            hub.connections.append(self.connection)

        def log_message(self, *_):
            pass

        def do_GET(self):
            address = urlsplit(self.path)
            path = unquote(address.path)
            hub.requests.append((self.command, path, self.headers.get("Range", "")))
            self.now = hub.fault(f"{self.command} {path}")
            time.sleep(self.now.seconds)
            if self.now.drip:
                return self.drip()
            if self.now.status:
                return self.answer(self.now.status, self.now.body, self.now.headers)
            # A revision may hold slashes, which the libraries quote: routes are told apart before unquoting.
            for pattern, route in ROUTES:
                if found := re.fullmatch(pattern, address.path):
                    parts = {key: unquote(value or "") for key, value in found.groupdict().items()}
                    return route(self, parts, parse_qs(address.query))
            return self.answer(404, b"")

        do_HEAD = do_GET
        do_POST = do_GET

        def drip(self):
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for number in range(100):
                    self.wfile.write(b"X-%d: slow\r\n" % number)
                    time.sleep(self.now.drip)
            self.close_connection = True

        def listing(self, parts, query):
            self.answer_json([])

        def info(self, parts, query):
            kind, name, revision = parts["kind"], parts["name"], parts["revision"] or MAIN
            if (found := self.look_up(kind, name, revision)) is None:
                return
            commit, files = found
            siblings = [
                {"rfilename": path, **({"size": file.size} if query.get("blobs") else {})}
                for path, file in files.items()
            ]
            body = {"_id": "0", "id": name, "sha": commit, "siblings": siblings, "tags": []}
            body |= dict.fromkeys(("private", "gated", "disabled"), False)
            self.answer_json(body | dict.fromkeys(("downloads", "likes"), 0))

        def refs(self, parts, query):
            if found := self.look_up(parts["kind"], parts["name"], MAIN):
                branch = {"name": MAIN, "ref": "refs/heads/main", "targetCommit": found[0]}
                self.answer_json({"branches": [branch], "converts": [], "tags": []})

        def tree(self, parts, query):
            found = self.look_up(parts["kind"], parts["name"], parts["revision"])
            if found is None:
                return
            recursive = query.get("recursive", ["False"])[0].lower() == "true"
            prefix = f"{parts['path']}/" if parts["path"] else ""
            entries = [each for each in _entries(found[1]) if each["path"].startswith(prefix)]
            if prefix and not entries:
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            if not recursive:
                entries = [each for each in entries if "/" not in each["path"][len(prefix) :]]
            self.answer_json(entries)

        def paths_info(self, parts, query):
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if found := self.look_up(parts["kind"], parts["name"], parts["revision"]):
                wanted = {path.rstrip("/") for path in form.get("paths", [])}
                self.answer_json([each for each in _entries(found[1]) if each["path"] in wanted])

        def resolve(self, parts, query):
            found = self.look_up(parts["kind"] or "models", parts["name"], parts["revision"])
            if found is None:
                return
            commit, files = found
            headers = {"X-Repo-Commit": commit}
            file = files.get(parts["path"])
            if file is None:
                return self.answer(404, b"", headers | {"X-Error-Code": "EntryNotFound"})
            if not file.large:
                return self.content(file, headers | {"ETag": f'"{file.etag}"'})
            headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.etag}"'}
            hub.large[file.etag] = file
            # Another host than the Hub's, as the real one has: the libraries tell them apart.
            location = f"{hub.url.replace('127.0.0.1', 'localhost')}/large/{file.path.name}?{file.etag}"
            self.answer(302, b"", headers | {"Location": location})

        def large(self, parts, query):
            file = hub.large[urlsplit(self.path).query]
            self.content(file, {"ETag": f'"{file.etag}"'})

        def look_up(self, kind, name, revision):
            if hub.repositories.files(kind, name) is None:
                # What the Hub says of a repository that it will not show to a stranger.
                self.answer(401, b"", {"X-Error-Code": "RepoNotFound"})
                return None
            found = hub.repositories.at(kind, name, revision)
            if found is None:
                self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return found

        def content(self, file, headers):
            first, last = 0, file.size - 1
            if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                first, last = int(asked[1]), min(int(asked[2] or last), last)
                headers = headers | {"Content-Range": f"bytes {first}-{last}/{file.size}"}
            with open(file.path, "rb") as stored:
                stored.seek(first)
                body = bytearray(stored.read(last - first + 1)) if self.command != "HEAD" else None
            if body and self.now.damage:
                body[len(body) // 2] ^= 1
            headers |= {"Accept-Ranges": "bytes"}
            self.answer(206 if asked else 200, body, headers, length=last - first + 1)

        def answer_json(self, body):
            self.answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def answer(self, status, body, headers=None, length=None):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD" or not body:
                return
            with contextlib.suppress(ConnectionError):
                if self.now.cut is None:
                    self.wfile.write(body)
                else:
                    self.wfile.write(body[: int(self.now.cut * len(body))])
                    self.close_connection = True

    name = r"(?P<name>[^/]+/[^/]+)"
    api = rf"/api/(?P<kind>models|datasets)/{name}"
    ROUTES = [
        (r"/api/models", Handler.listing),
        (rf"{api}(?:/revision/(?P<revision>[^/]+))?", Handler.info),
        (rf"{api}/refs", Handler.refs),
        (rf"{api}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", Handler.tree),
        (rf"{api}/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
        (rf"/(?:(?P<kind>datasets)/)?{name}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Handler.resolve),
        (r"/large/.*", Handler.large),
    ]
    hub.large = {}
    return Handler


def _entries(files: dict[str, File]) -> list[dict]:
    """Files and the folders they lie in, as the Hub lists them."""
    folders = sorted({parent.as_posix() for path in files for parent in Path(path).parents if parent.name})
    entries = [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders]
    for path, file in files.items():
        entry = {"type": "file", "path": path, "size": file.size, "oid": file.etag[:40]}
        if file.large:
            entry["lfs"] = {"oid": file.etag, "size": file.size, "pointerSize": 134}
        entries.append(entry)
    return entries
