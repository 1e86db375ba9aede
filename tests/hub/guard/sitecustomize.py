"""Imported by every Python that has this folder on its path: forbids any connection but to loopback.

What was tried is written to the file that ASR_GUARD names, because libraries may swallow the error.
"""

import os
import socket

_LOOPBACK = {"localhost", "127.0.0.1", "::1", "", None, b"localhost", b"127.0.0.1"}
_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _refuse_unless_loopback(host):
    if host not in _LOOPBACK:
        with open(os.environ["ASR_GUARD"], "a", encoding="utf-8") as log:
            log.write(f"{host}\n")
        raise OSError(f"A test tried to reach {host}: nothing may leave loopback.")


def _address(sock, address):
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        _refuse_unless_loopback(address[0])


def connect(self, address):
    _address(self, address)
    return _connect(self, address)


def connect_ex(self, address):
    _address(self, address)
    return _connect_ex(self, address)


def getaddrinfo(host, *args, **options):
    _refuse_unless_loopback(host)
    return _getaddrinfo(host, *args, **options)


if "ASR_GUARD" in os.environ:
    socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo
