"""What a fault does to the connection itself: below HTTP, on the socket of the server."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from .objects import Object

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

EFFECT = "twin.line"
"""Where the vendor plane leaves in the environ what is to happen to the line."""
SOCKETS = ("werkzeug.socket", "gevent.socket", "gunicorn.socket")
"""Where servers leave the connection in the environ; `webapp.cli` does so for gevent's."""
GARBAGE = b"\x00\xffthis is not HTTP\r\n\r\n"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LineReset(httpx.ReadError, ConnectionResetError):
    """The connection was reset. An httpx error too: clients mounted with `httpx.WSGITransport` know it as that."""


class LineClosed(httpx.RemoteProtocolError, ConnectionResetError):
    """The connection ended before a whole answer, or what came was no HTTP."""


class LineHung(httpx.ReadTimeout, ConnectionResetError):
    """No answer came."""


IN_PROCESS = {"reset": LineReset, "hang": LineHung}


class Line:
    """WSGI middleware that does to the connection what the vendor plane has asked for."""

    def __init__(self, app: WSGIApplication, sleep: Callable[[float], object]) -> None:
        self.app, self.sleep = app, sleep

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self.app(environ, start_response)
        effect = environ.get(EFFECT)
        if effect is None:
            return answer
        connection = next((environ[name] for name in SOCKETS if environ.get(name)), None)
        if connection is None:
            how = effect["how"]
            raise IN_PROCESS.get(how, LineClosed)(f"a fault did this to the line: {how}")
        self.cut(connection, effect)
        # Servers know this as a client that went away: they say nothing and clean up.
        raise ConnectionResetError(errno.ECONNRESET, "a fault cut the line")

    def cut(self, connection: Any, effect: Object) -> None:
        """Do it; a client that has left already is none of our business."""
        how = effect["how"]
        if how == "hang":
            self.sleep(effect["max"])
        with suppress(OSError):
            if how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                os.close(connection.detach())
                return
            if how == "garbage":
                connection.sendall(GARBAGE)
            elif how == "truncate":
                status = HTTPStatus(effect["status"])
                head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json; charset=utf-8\r\n"
                connection.sendall(f"{head}Content-Length: {effect['length']}\r\n\r\n".encode() + effect["part"])
            connection.shutdown(socket.SHUT_RDWR)
