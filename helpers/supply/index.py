"""The package index that pip is configured with: its links, and a download. Nothing is built or installed."""

from __future__ import annotations

import ast
import base64
import html
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit

_SECONDS = 30


def file_name(url: str) -> str:
    """The last part of an address."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def links(name: str) -> Iterator[str]:
    """All links to archives of a package, of every index and folder that pip is configured with."""
    from pip._internal.models.index import PyPI  # what pip takes where nothing is configured

    settings = pip_settings()
    indexes = [
        *settings.get("index-url", PyPI.simple_url).split(),
        *settings.get("extra-index-url", "").split(),
    ]
    if settings.get("no-index", "false").lower() in ("1", "true", "yes", "on"):
        indexes = []
    project = re.sub(r"[-_.]+", "-", name).lower()
    places = [
        *settings.get("find-links", "").split(),
        *(f"{index.rstrip('/')}/{project}/" for index in indexes),
    ]
    for place in places:
        url = (
            place
            if "://" in place or place.startswith("file:")
            else Path(place).expanduser().resolve().as_uri()
        )
        login = urlsplit(url).netloc.rpartition("@")[0]
        folder = Path(request.url2pathname(urlsplit(url).path))
        if url.startswith("file:") and folder.is_dir():
            yield from (path.as_uri() for path in folder.iterdir())
            url = (folder / "index.html").as_uri()
        try:
            with _open(url) as page:
                text, base = page.read().decode("utf-8", "replace"), page.url
        except OSError:
            continue
        for found in re.findall(r"""<a\s[^>]*?href\s*=\s*["']([^"']+)""", text, re.IGNORECASE):
            link = urljoin(base, html.unescape(found))
            # As in pip, the index's login holds for files on the same server.
            here = login and urlsplit(link).netloc == urlsplit(base).netloc
            yield link.replace("//", f"//{login}@", 1) if here else link


@cache
def pip_settings() -> dict[str, str]:
    """What `pip download` would take from pip's files and variables: option to value, e.g. "index-url"."""
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    lines = re.findall(r"^(\S+?)\.([\w-]+)=(.+)$", listed, re.MULTILINE)
    ranks = {"global": 0, "download": 1, ":env:": 2}
    ranked = sorted((each for each in lines if each[0] in ranks), key=lambda each: ranks[each[0]])
    return {option: ast.literal_eval(value) for _, option, value in ranked}


def _open(url: str, **headers: str):
    """Open an address by pip's proxy and certificates, else by the variables that all programs share."""
    settings, parts = pip_settings(), urlsplit(url)
    if parts.username:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
        url = url.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1)
    context = ssl.create_default_context()
    if settings.get("cert"):
        context.load_verify_locations(os.path.expanduser(settings["cert"]))
    handlers = [request.HTTPSHandler(context=context)]
    if settings.get("proxy"):
        handlers.append(request.ProxyHandler(dict.fromkeys(("http", "https"), settings["proxy"])))
    return request.build_opener(*handlers).open(request.Request(url, headers=headers), timeout=_SECONDS)


def download(url: str, target: Path) -> None:
    """Write what an address gives to a file; what an earlier try has left there is continued."""
    from tqdm import tqdm

    have = target.stat().st_size if target.is_file() else 0
    try:
        answer = _open(url, **({"Range": f"bytes={have}-"} if have else {}))
    except HTTPError as error:
        if error.code != 416:  # there is nothing behind what we have
            raise
        target.unlink()
        answer, have = _open(url), 0
    with answer:
        goes_on = answer.status == 206
        have = have if goes_on else 0
        length = have + int(answer.headers.get("Content-Length") or 0)
        # A bar for what takes longer than two seconds.
        bar = tqdm(
            desc=file_name(url),
            total=length or None,
            initial=have,
            unit="B",
            unit_scale=True,
            delay=2,
            file=sys.stdout,
        )
        with open(target, "ab" if goes_on else "wb") as file, bar:
            while block := answer.read(1 << 20):
                file.write(block)
                bar.update(len(block))
    if target.stat().st_size < length:
        raise URLError("the connection broke off")
