"""Companies whose people connect accounts: their servers, their webhook receivers, and somebody they send."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from flask import Flask
from standardwebhooks import Webhook

from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.hosts.commands import group
from webapp.models import Delivery, Endpoint, Host, HostEvent, HostKey

RETURN = "https://tidepool.example/connected"
BANK, CARD, PASSWORD, CODE = "Maple & Main Bank", "4500123412341234", "maple-leaf-9", "246810"


class Server:
    """The company's server, with its secret key."""

    def __init__(self, app: Flask, key: str) -> None:
        self.key = key
        self.http = httpx.Client(
            transport=httpx.WSGITransport(app=app),
            base_url="http://localhost/v1",
            headers={"Authorization": f"Bearer {key}"},
        )

    def asks(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.request(method, path, json=body, headers=headers)

    def invites(self, user: str = "user-7", **more: Any) -> dict[str, Any]:
        answer = self.asks("POST", "/connect/sessions", {"user": {"client_user_id": user}, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def reads(self, path: str) -> dict[str, Any]:
        answer = self.asks("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def founded(app: Flask, name: str = "Tidepool Savings", **more: Any) -> Server:
    """A company the operator has agreed with; its server has a key."""
    with app.app_context(), writing():
        host = Host(name=name, **{"return_urls": [], "origins": [], "is_test": True, **more})
        db.session.add(host)
        db.session.flush()
        key = HostKey.issue(host)
    return Server(app, key)


def listens(app: Flask, url: str, name: str = "Tidepool Savings") -> str:
    """The operator sets up the company's webhook; its secret."""
    with app.app_context(), writing():
        host = db.session.query(Host).filter_by(name=name).one()
        return Endpoint.set_up(host, url, app.extensions["gangway"].vault)


Company = Callable[..., Server]
"""Founds one: its name, and more of a `Host`."""


class Receiver:
    """A company's web server on loopback: answers as told, 204 otherwise, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: deque[int | Callable[[BaseHTTPRequestHandler], None]] = deque()
        self.came = threading.Semaphore(0)
        self.closing = threading.Event()
        """For answers that take their time."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                receiver.came.release()
                answer = receiver.answers.popleft() if receiver.answers else 204
                if not isinstance(answer, int):
                    answer(self)
                    self.close_connection = True
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                if answer == 302:
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    def types(self) -> list[str]:
        return [message["type"] for message in self.told]

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """Everything that came, checked as a company would."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


def the_post_goes(deck: Deck) -> None:
    while deck.worker.courier.deliver():
        pass


def owe_one(app: Flask, name: str = "Tidepool Savings") -> None:
    """Something happened."""
    with app.app_context(), writing():
        host = db.session.query(Host).filter_by(name=name).one()
        event = HostEvent(host_id=host.id, type="run.completed", data={})
        db.session.add_all([event, Delivery(event=event, endpoint=Endpoint.of(host.id))])


def the_delivery(tidepool: Server) -> dict[str, Any]:
    return dict(tidepool.reads("/deliveries")["data"][0])


def run_command(app: Flask, *words: str) -> str:
    """`gangway host …`, by the operator."""
    return app.test_cli_runner().invoke(group, words).output


def revokes_the_key(app: Flask, server: Server, name: str = "Tidepool Savings") -> str:
    """The operator does; what is said."""
    return run_command(app, "key", name, "--revoke", server.key[-4:])


def follows(visitor: Visitor, invited: dict[str, Any]) -> None:
    visitor.opens(invited["hosted_url"].removeprefix("http://localhost"))
    visitor.presses("Continue")


def led_to(visitor: Visitor) -> httpx.URL:
    """Where the page leads by itself."""
    (refresh,) = [i for i in visitor.tree.iter("meta") if i.get("http-equiv") == "refresh"]
    delay, _, address = str(refresh.get("content")).partition(";url=")
    assert delay == "0"
    return httpx.URL(address)


def connects(visitor: Visitor, deck: Deck) -> None:
    visitor.presses("Agree and continue")
    picks_the_bank(visitor, deck)


def picks_the_bank(visitor: Visitor, deck: Deck) -> None:
    """And goes through with it."""
    visitor.presses(BANK)
    visitor.presses("Sign in", username=CARD, password=PASSWORD)
    deck.goes_on()
    visitor.looks_again()
    visitor.presses("Continue", f0=CODE)
    deck.goes_on()
    visitor.looks_again()
