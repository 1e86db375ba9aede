"""A web server for one page on this machine: on 127.0.0.1, by a secret address, without a word of its own."""

from __future__ import annotations

import json
import secrets
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

MOST_BYTES = 8 * 2**20
"""Longest request that is read: 40 s of sound at 48 kHz."""

# The browser itself sees to it that the page asks nobody but this server.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; connect-src 'self'"
)


class Refused(Exception):
    """A request that is not served: its status, and a sentence for who sees the page."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves from now on until `stop`, in threads that end with the program.

    Args:
        page: () -> the page, HTML as bytes.
        answer: (what, values, body) -> what a POST to /what?values is answered, to be sent as JSON. It may
            raise Refused; any other error is told to the page.
        regularly: called about five times a second.

    Attributes:
        port: a free one that the system chose.
        url, path: address of the page, whole and without the host, with the token that it asks for.
    """

    def __init__(self, page: Callable, answer: Callable, regularly: Callable = lambda: None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page, self.answer, self.service_actions = page, answer, regularly
        self.token, self.port = secrets.token_urlsafe(), self.server_address[1]
        self.path = f"/?token={self.token}"
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True).start()

    def stop(self) -> None:
        """Serve nothing more. May be called twice."""
        self.token = None
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address) -> None:
        """Nothing: a browser that went away is no error, and a thread must not print into the cells."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm, timeout = "HTTP/1.1", True, 60

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        small = length.isdecimal() and int(length) <= MOST_BYTES
        self._serve(self.rfile.read(int(length)) if small else None)

    def _serve(self, body: bytes | None) -> None:
        status, kind = HTTPStatus.OK, "text/plain"
        try:
            kind, content = self._content(body)
        except Refused as error:
            status, content = error.status, str(error).encode()
        except Exception as error:  # what listens has failed: the page shall say so, and the server go on
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            content = f"The program failed: {type(error).__name__}: {error}".encode()
        self.send_response(status)
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content))}
        headers |= {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        headers |= {"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
        headers |= {"Connection": "close"} if status != HTTPStatus.OK else {}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _content(self, body: bytes | None) -> tuple[str, bytes]:
        server, address = self.server, urlsplit(self.path)
        values, what = dict(parse_qsl(address.query)), address.path.strip("/")
        # Another site's page may know the port: it knows neither the token nor, by its own name, this host.
        hosts = {f"{name}:{server.port}" for name in ("127.0.0.1", "localhost")}
        known = on_colab() or self.headers.get("Host") in hosts  # on Colab a proxy stands between
        right = server.token and secrets.compare_digest(
            values.get("token", "").encode(), server.token.encode()
        )
        if not known or not right:
            raise Refused(HTTPStatus.FORBIDDEN, "Open the page by the address that the program printed.")
        if body is None:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {MOST_BYTES} bytes at a time.")
        if self.command == "POST":
            return "application/json", json.dumps(server.answer(what, values, body)).encode()
        if what:
            raise Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")
        return "text/html", server.page()

    def log_message(self, *_) -> None:
        """Nothing, for the same reason."""


def on_colab() -> bool:
    """Whether this is a notebook on Google Colab."""
    return "google.colab" in sys.modules
