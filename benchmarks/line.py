"""A client that costs next to nothing, so that what it measures is the server: one bare socket, kept alive."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from types import TracebackType


class Line:
    """Calls to one server, one after the other; a server that hangs up after an answer is called anew."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self.address = ("127.0.0.1", port)
        self.head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items())
        self.kept_alive = True
        self._socket: socket.socket | None = None

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def call(self, method: str, path: str, body: bytes = b"", type: str = "application/json") -> bytes:
        """The body of the answer; ValueError when the server does not like the call."""
        about = f"Content-Type: {type}\r\nContent-Length: {len(body)}\r\n" if body else ""
        connection = self._connected()
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{self.head}{about}\r\n".encode() + body)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more(connection)
        head, _, content = got.partition(b"\r\n\r\n")
        status, _, fields = head.lower().partition(b"\r\n")
        length = int(fields.partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(content) < length:
            content += self._more(connection)
        if status.startswith(b"http/1.0") or b"connection: close" in fields:
            self.kept_alive = False
            self.hang_up()
        if status.split()[1] not in (b"200", b"201"):
            raise ValueError(f"{method} {path}: {status.decode()}: {content[:200]!r}")
        return content

    def json(self, method: str, path: str, body: bytes = b"", type: str = "application/json") -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.call(method, path, body, type))
        return answer

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self.address, timeout=10)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        more = connection.recv(65_536)
        if not more:
            raise ConnectionError("the server hung up in the middle of an answer")
        return more
