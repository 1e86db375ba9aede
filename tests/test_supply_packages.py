"""Archives of the package index: found as pip is configured, checked before they are opened, never run."""

import errno
import hashlib
import io
import re
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers.supply import SupplyError, index, packages


def source_archive(path: Path, **files: str) -> bytes:
    """A source archive whose set-up would leave a file behind if anybody ran it."""
    trap = f"open({str(path.parent / 'was-run')!r}, 'w')"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {"setup.py": trap, "PKG-INFO": "Metadata-Version: 2.1", **files}.items():
            entry = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path.read_bytes()


def wheel(path: Path, **files: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path.read_bytes()


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, a part of them if asked; `cut` closes the connection after so many bytes, once."""

    asked, cut, password = [], None, None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Range", "")))
        if self.password and self.headers.get("Authorization") != self.password:
            return self.send_error(401)
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send_error(404)
        body, first = path.read_bytes(), 0
        if found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            first = int(found[1])
            if first >= len(body):
                return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        if Handler.cut is not None and path.suffix != ".html":
            body, Handler.cut = body[: Handler.cut], None
        self.wfile.write(body[first:])


class Index:
    """An index on loopback: `put` adds a package's archive, `url` is what pip would be told."""

    def __init__(self, root: Path, url: str):
        self.root, self.url = root, url

    def put(self, project: str, file: str, stated: str | None = None) -> None:
        page = self.root / "simple" / project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        fragment = f"#sha256={stated}" if stated else ""
        with open(page, "a") as listing:
            listing.write(
                f'<a href="../../files/{file}{fragment}" data-requires-python="&gt;=3">{file}</a>\n'
            )


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """pip without any setting of this machine; call it with those it shall have."""
    for name in ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def configure(**settings: str) -> None:
        file = tmp_path / "pip.conf"
        lines = [f"{key.replace('_', '-')} = {value}" for key, value in settings.items()]
        file.write_text("\n".join(["[global]", *lines]))
        monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
        index.pip_settings.cache_clear()

    yield configure
    index.pip_settings.cache_clear()


@pytest.fixture
def server(tmp_path, monkeypatch):
    root = tmp_path / "index"
    (root / "files").mkdir(parents=True)
    monkeypatch.setattr(Handler, "asked", [])
    monkeypatch.setattr(Handler, "cut", None)
    monkeypatch.setattr(Handler, "password", None)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    yield Index(root, f"http://127.0.0.1:{httpd.server_port}/simple")
    httpd.shutdown()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pinned(tmp_path: Path, **archives: bytes) -> Path:
    """A file of pins for packages of version 1.0."""
    file = tmp_path / "pins.txt"
    file.write_text(
        "# a comment\n\n"
        + "".join(
            f"{name.replace('_', '-')}==1.0 --hash=sha256:{hashlib.sha256(data).hexdigest()}\n"
            for name, data in archives.items()
        )
    )
    return file


def test_every_line_of_the_course_is_pinned_with_a_hash():
    lines = [line for line in packages.PINS.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(packages.pins()) >= 4
    assert not packages.PINS.is_symlink()


def test_a_source_archive_is_read_and_nothing_in_it_is_run(server, pip, cache, tmp_path):
    data = source_archive(server.root / "files" / "Some.Data-1.0.tar.gz", **{"data.txt": "words"})
    server.put("some-data", "Some.Data-1.0.tar.gz", hashlib.sha256(data).hexdigest())
    pip(index_url=server.url)
    archive = packages.fetch(requirements=pinned(tmp_path, some_data=data))["some-data"]
    assert packages.read(archive, "Some.Data-1.0/data.txt") == b"words"
    assert not list(tmp_path.rglob("was-run"))
    before = len(Handler.asked)
    assert packages.fetch(requirements=tmp_path / "pins.txt") == {"some-data": archive}
    assert len(Handler.asked) == before, "what is in the cache is not asked for again"


def test_pip_itself_would_run_it(server, tmp_path):
    """Why `pip download` is not used: the trap above does work."""
    source_archive(server.root / "files" / "trap-1.0.tar.gz")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--dest", str(tmp_path), str(server.root / "files" / "trap-1.0.tar.gz")]
    subprocess.run(command, capture_output=True)
    assert list(tmp_path.rglob("was-run"))


@pytest.mark.parametrize(
    "kind", ["find_links", "find_links as url", "extra_index_url", "file index", "login"]
)
def test_every_place_that_pip_may_be_told(kind, server, pip, cache, tmp_path):
    data = wheel(server.root / "files" / "some_data-1.0-py3-none-any.whl", word="yes")
    server.put("some-data", "some_data-1.0-py3-none-any.whl")
    nowhere = "http://127.0.0.1:9/simple"
    files = server.root / "files"
    if kind == "find_links":
        pip(no_index="true", find_links=str(files))
    elif kind == "find_links as url":
        pip(index_url=nowhere, find_links=f"{tmp_path / 'absent'} {files.as_uri()}")
    elif kind == "extra_index_url":
        pip(index_url=nowhere, extra_index_url=f"\n  {nowhere}\n  {server.url}")
    elif kind == "file index":
        pip(index_url=(server.root / "simple").as_uri())
    else:
        Handler.password = "Basic bWU6c2VjcmV0"
        pip(index_url=server.url.replace("//", "//me:secret@"))
    archive = packages.fetch(requirements=pinned(tmp_path, some_data=data))["some-data"]
    assert packages.read(archive, "word") == b"yes"


def test_pips_certificate_is_trusted(pip, cache, tmp_path, certificate):
    data = wheel(tmp_path / "some_data-1.0-py3-none-any.whl", word="yes")
    pins = pinned(tmp_path, some_data=data)
    (tmp_path / "index.html").write_text('<a href="some_data-1.0-py3-none-any.whl">it</a>')
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    url = f"https://127.0.0.1:{httpd.server_port}/"
    pip(no_index="true", find_links=url)
    with pytest.raises(SupplyError):
        packages.fetch(requirements=pins)
    pip(no_index="true", find_links=url, cert=f"{certificate}.crt")
    assert packages.fetch(requirements=pins)["some-data"].read_bytes() == data
    httpd.shutdown()


def test_variables_go_before_files(pip, monkeypatch):
    pip(index_url="https://file.invalid/simple")
    assert index.pip_settings()["index-url"] == "https://file.invalid/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable.invalid/simple")
    index.pip_settings.cache_clear()
    assert index.pip_settings()["index-url"] == "https://variable.invalid/simple"


def test_pips_proxy_is_asked(server, pip, cache, tmp_path):
    pip(index_url="http://index.invalid/simple", proxy=server.url.removesuffix("/simple"))
    with pytest.raises(SupplyError):
        packages.fetch(requirements=pinned(tmp_path, some_data=b"x"))
    assert ("http://index.invalid/simple/some-data/", "") in Handler.asked


def test_another_content_than_pinned_is_refused_and_not_kept(server, pip, cache, tmp_path):
    wheel(server.root / "files" / "some_data-1.0-py3-none-any.whl", word="forged")
    server.put("some-data", "some_data-1.0-py3-none-any.whl")
    pip(index_url=server.url)
    with pytest.raises(SupplyError, match=r"some-data 1.0 .*another SHA-256 .*do not use it"):
        packages.fetch(requirements=pinned(tmp_path, some_data=b"the true one"))
    assert list((cache / "packages").iterdir()) == []


def test_one_missing_package_does_not_stop_the_others(server, pip, cache, tmp_path):
    data = wheel(server.root / "files" / "there-1.0-py3-none-any.whl", word="yes")
    server.put("there", "there-1.0-py3-none-any.whl")
    pip(index_url=server.url)
    with pytest.raises(SupplyError) as caught:
        packages.fetch(requirements=pinned(tmp_path, first=b"1", there=data, last=b"2"))
    first, last = str(caught.value).splitlines()
    assert first.startswith("first 1.0 could not be downloaded") and last.startswith("last 1.0")
    assert "connect to the network" in first and str(cache / "packages") in first
    assert [path.name for path in (cache / "packages").iterdir()] == ["there-1.0-py3-none-any.whl"]


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server, pip, cache, tmp_path):
    data = wheel(server.root / "files" / "some_data-1.0-py3-none-any.whl", word="yes" * 100)
    server.put("some-data", "some_data-1.0-py3-none-any.whl")
    pip(index_url=server.url)
    Handler.cut = 50
    pins = pinned(tmp_path, some_data=data)
    with pytest.raises(SupplyError, match="broke off"):
        packages.fetch(requirements=pins)
    archive = packages.fetch(requirements=pins)["some-data"]
    assert archive.read_bytes() == data
    assert [part for path, part in Handler.asked if path.endswith(".whl")] == ["", "bytes=50-"]


def test_a_rest_that_nothing_follows_is_begun_anew(server, pip, cache, tmp_path):
    data = wheel(server.root / "files" / "some_data-1.0-py3-none-any.whl", word="yes")
    server.put("some-data", "some_data-1.0-py3-none-any.whl")
    pip(index_url=server.url)
    pins = pinned(tmp_path, some_data=data)
    (cache / "packages").mkdir(parents=True)
    (cache / "packages" / f".{hashlib.sha256(data).hexdigest()}.part").write_bytes(bytes(len(data)))
    assert packages.fetch(requirements=pins)["some-data"].read_bytes() == data


def test_a_damaged_archive_is_fetched_again(server, pip, cache, tmp_path):
    data = wheel(server.root / "files" / "some_data-1.0-py3-none-any.whl", word="yes")
    server.put("some-data", "some_data-1.0-py3-none-any.whl")
    pip(index_url=server.url)
    (cache / "packages").mkdir(parents=True)
    (cache / "packages" / "some_data-1.0-py3-none-any.whl").write_bytes(b"damaged")
    assert packages.fetch(requirements=pinned(tmp_path, some_data=data))["some-data"].read_bytes() == data


def test_other_versions_and_names_are_left_alone(server, pip, cache, tmp_path):
    data = wheel(server.root / "files" / "some_data-1.0-py3-none-any.whl", word="yes")
    for other in ("some_data-1.0.1-py3-none-any.whl", "some_data_more-1.0-py3-none-any.whl"):
        wheel(server.root / "files" / other, word="no")
        server.put("some-data", other)
    server.put("some-data", "some_data-1.0-py3-none-any.whl")
    pip(index_url=server.url)
    packages.fetch(requirements=pinned(tmp_path, some_data=data))
    assert [path for path, _ in Handler.asked if path.endswith(".whl")] == [
        "/files/some_data-1.0-py3-none-any.whl"
    ]


def test_a_full_disk_is_not_taken_for_the_network(server, pip, cache, tmp_path, monkeypatch):
    def full(url, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    server.put("one-pack", "one_pack-1.0.tar.gz")
    pip(index_url=server.url)
    monkeypatch.setattr(index, "download", full)
    with pytest.raises(SupplyError, match=r"cache cannot be written \(No space left on device\): free some"):
        packages.fetch(requirements=pinned(tmp_path, one_pack=b"1"))
