"""A wire of real sockets that is cut after so many bytes."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from werkzeug.serving import WSGIRequestHandler, make_server

Side = Literal["request", "answer"]
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing resets the connection."""


@dataclass
class Cut:
    """What is to happen to the next call like *call*, a regex such as ``POST /v2/credentials``."""

    call: str
    side: Side
    after: int
    times: int = 1
    met: int = 0
    size: int = 0
    """How many bytes of that side there were to see."""


class Cutter:
    """A TCP proxy in front of *port*, one connection per call."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.cut: Cut | None = None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.target)) as server:
                self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        for side in (client, server):
            side.settimeout(5)
        request = whole_request(client)
        cut = self.cut
        line = request.split(b" HTTP/", 1)[0].decode("latin-1")
        if cut is None or not cut.times or not re.fullmatch(cut.call, line):
            server.sendall(request)
            client.sendall(everything(server))
            return
        cut.times -= 1
        cut.met += 1
        if cut.side == "request":
            cut.size = len(request)
            server.sendall(request[: cut.after])
            if cut.after >= len(request):
                everything(server)  # it was all there: it is done, and nobody hears of it
            else:
                reset(server)
        else:
            server.sendall(request)
            answer = everything(server)
            cut.size = len(answer)
            client.sendall(answer[: cut.after])
        reset(client)

    def close(self) -> None:
        self._listener.close()


def whole_request(connection: socket.socket) -> bytes:
    """A request's head and as much body as it promises."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65_536) or fail()
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    wanted = int(length[1]) if length else 0
    while len(body) < wanted:
        more = connection.recv(65_536) or fail()
        body, request = body + more, request + more
    return request


def everything(connection: socket.socket) -> bytes:
    answer = b""
    while more := connection.recv(65_536):
        answer += more
    return answer


def fail() -> bytes:
    raise OSError("it hung up")


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


class Silent(WSGIRequestHandler):
    """HTTP/1.0, so that a connection is a call; and nothing on the terminal."""

    def log(self, type: str, message: str, *args: Any) -> None: ...

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


@contextmanager
def cut_line_to(app: Any) -> Iterator[Cutter]:
    """*app* on a real socket, behind a cutter."""
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=Silent)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    cutter = Cutter(server.server_port)
    try:
        yield cutter
    finally:
        cutter.close()
        server.shutdown()
        thread.join(5)
        server.server_close()
