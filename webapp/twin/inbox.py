"""A webhook address of a test's own: it keeps what arrives and answers as told."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Item:
    """One delivery, to the byte."""

    headers: dict[str, str]
    content: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.content)

    @property
    def type(self) -> str:
        return str(self.payload.get("type"))

    def verify(self, secret: str) -> Any:
        """The payload; `standardwebhooks.WebhookVerificationError` when the signature is not Deck's."""
        return Webhook(secret).verify(self.content, self.headers)


class Inbox:
    """A server on a free loopback port, from `open` to `close`."""

    def __init__(self) -> None:
        self.secret = ""
        self._items: list[Item] = []
        self._answers: list[int] = []
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def open(self) -> Inbox:
        self._thread.start()
        return self

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def all(self) -> list[Item]:
        with self._news:
            return list(self._items)

    def respond(self, status: int, *, times: int = 1) -> None:
        """Answer the next *times* deliveries with *status*; 204 otherwise."""
        with self._news:
            self._answers += [status] * times

    def wait_for(self, type: str = "*", *, timeout: float = 5) -> Item:
        """The first delivery of *type*, which may have come already; TimeoutError after *timeout* real seconds."""

        def first() -> Item | None:
            return next((item for item in self._items if fnmatchcase(item.type, type)), None)

        with self._news:
            self._news.wait_for(first, timeout)
            found = first()
            if found is None:
                raise TimeoutError(f"no {type} came within {timeout}s; there is {[i.type for i in self._items]}")
            return found

    def take(self, item: Item) -> int:
        """Keep a delivery; the status it is answered with."""
        with self._news:
            self._items.append(item)
            self._news.notify_all()
            return self._answers.pop(0) if self._answers else 204


def _handler(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(inbox.take(Item(headers, content)))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    return Handler
