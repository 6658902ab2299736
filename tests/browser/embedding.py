"""A company's page on another origin, under a strict policy of its own, and somebody who looks at it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Frame, FrameLocator, Locator, Page, Request, expect
from sqlalchemy import select

from tests.browser.demo import Demo
from tests.browser.visitor import Visitor
from tests.conftest import settings
from webapp import create_app
from webapp.db import db, writing
from webapp.models import BrowserSession, Host, HostKey
from webapp.models.browser_session import hashed

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<script src="{src}" integrity="{integrity}" crossorigin="anonymous" defer></script>{more}</head>
<body><main><h1>Shop</h1><button id="first">First</button><div id="place"></div>
<button id="plain" data-gangway-connect-token-url="/token" data-gangway-connect-success-url="/connected">Link a bank</button>
</main></body></html>"""

STRANGER = """
for (let number = -1; number < parent.length; number += 1) {{
  const other = number < 0 ? parent : parent[number];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => parent.postMessage("stolen", "*");
  other.postMessage({{ v: 1, type: "init" }}, "*", [channel.port2]);
  other.postMessage({{ v: 1, seq: 99, type: "success", payload: {{ public_token: "forged", metadata: {{}} }} }}, "*");
  other.postMessage({{ v: 1, seq: 99, type: "exit", payload: {{}} }}, "*");
}}
"""
HTML = "text/html; charset=utf-8"
PAGES = {
    "/outer": (HTML, '<!doctype html><title>Outer</title><iframe title="Shop" src="{shop}/"></iframe>'),
    "/stranger": (HTML, '<!doctype html><title>Stranger</title><script src="/stranger.js" defer></script>'),
    "/stranger.js": ("text/javascript", STRANGER),
}
"""What is not the company's own page; served under both names."""

LISTEN = """(config) => {
  if (config.container) config.container = document.querySelector(config.container);
  const told = (window.told = window.told || []);
  if (config.tokens) {
    const tokens = config.tokens;
    config.getToken = async () => ({ connect_token: tokens.shift() });
  }
  window.handler = GangwayConnect.create({
    ...config,
    onSuccess: (token, metadata) => told.push(["success", token, metadata]),
    onExit: (error, metadata) => told.push(["exit", error, metadata]),
    onEvent: (name, metadata) => told.push([name, metadata]),
    onLoad: () => told.push(["load"]),
  });
}"""


@dataclass
class Site:
    """A company's website."""

    demo: Demo
    origin: str
    elsewhere: str = "about:"
    """Another origin that its pages may show."""


class Shop(Site):
    """The company: its server key, its page, and what its server was posted."""

    def __init__(self, demo: Demo, key: str, port: int) -> None:
        super().__init__(demo, f"http://localhost:{port}", f"http://127.0.0.1:{port}")
        self.api = httpx.Client(base_url=f"{demo.url}/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        self.posted: list[dict[str, list[str]]] = []
        self.users = 0

    def invites(self, **more: Any) -> dict[str, Any]:
        self.users += 1
        answer = self.api.post("/connect/sessions", json={"user": {"client_user_id": f"u-{self.users}"}, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def token(self, **more: Any) -> str:
        return str(self.invites(**more)["connect_token"])

    def exchanges(self, public_token: str) -> httpx.Response:
        return self.api.post("/connect/public_token/exchange", json={"public_token": public_token})

    def scans_the_code(self) -> str:
        """What a camera does: nobody else reads the link, so the newest code gets one that we know."""
        link = f"ph_camera-{secrets.token_urlsafe(8)}"
        with database_of(self.demo) as app, app.app_context(), writing():
            waiting = select(BrowserSession).filter_by(frame_origin=None).where(BrowserSession.visit_id.is_not(None))
            newest = db.session.scalars(waiting.order_by(BrowserSession.id.desc()).limit(1)).one()
            newest.token_hash = hashed(link)
        return f"/phone/{link}"

    def headers(self, path: str) -> dict[str, str]:
        """Strict ones, and for some paths a way in which companies' pages differ."""
        ours = self.demo.url
        policy = {"default-src": "'none'", "script-src": ours, "frame-src": ours, "form-action": ours}
        found = {"Content-Type": "text/html; charset=utf-8"}
        if path == "/no-frames":
            policy.pop("frame-src")
        if path == "/no-forms":
            policy["form-action"] = "'none'"
        if path == "/button":
            policy |= {"connect-src": "'self'", "form-action": f"{ours} 'self'"}
        if path == "/neighbour":
            policy["frame-src"] = f"{ours} {self.elsewhere}"
        if path == "/outer":
            policy["frame-src"] = self.origin
        if path.startswith("/stranger"):
            policy = {"default-src": "'none'", "script-src": "'self'"}
        if path == "/quiet":
            found["Referrer-Policy"] = "no-referrer"
        if path == "/isolated":
            found |= {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"}
        return {**found, "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items())}


@contextmanager
def a_shop(demo: Demo, name: str, *, origins: bool = True) -> Iterator[Shop]:
    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path in PAGES:
                type, text = PAGES[path]
                page = text.format(shop=shop.origin, elsewhere=shop.elsewhere)
                return self.answer(page.encode(), {**shop.headers(path), "Content-Type": type})
            about = httpx.get(f"{demo.url}/connect.json", trust_env=False).json()
            more = f'<script src="{demo.url}/connect.js" defer></script>' * 2 if path == "/twice" else ""
            self.answer(PAGE.format(**about, more=more).encode(), shop.headers(path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.path == "/token":
                self.answer(b'{"connect_token": "%s"}' % shop.token().encode(), {"Content-Type": "application/json"})
            else:
                shop.posted.append(parse_qs(body))
                self.answer(b"<!doctype html><title>Thanks</title><h1>Thanks</h1>", {"Content-Type": "text/html"})

        def answer(self, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(200)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    port = server.server_address[1]
    shop = Shop(demo, registered(demo, name, [f"http://localhost:{port}"] if origins else []), port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        shop.api.close()


def registered(demo: Demo, name: str, origins: list[str]) -> str:
    """A host in the demo's own database; its secret key."""
    with database_of(demo) as app, app.app_context(), writing():
        host = Host(name=name, is_test=True, origins=origins, return_urls=[f"{origin}/back" for origin in origins])
        db.session.add(host)
        db.session.flush()
        key = HostKey.issue(host)
    return key


@contextmanager
def database_of(demo: Demo) -> Iterator[Flask]:
    """The demo's own database, for what only its operator or a camera could do."""
    app = create_app(settings(f"sqlite:///{demo.folder / 'gangway.sqlite3'}"))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    app.extensions["gangway"].bus.close()


class Shopper(Visitor):
    """Somebody on the company's page. What `Visitor` does on our page they do inside the frame."""

    def __init__(self, shop: Site, browser: Browser, path: str = "/", **looks: Any) -> None:
        self.shop = shop
        super().__init__(shop.demo, browser, **looks)
        self.cookies_sent: list[str] = []
        self.is_framed = True
        self.page.goto(shop.origin + path)
        self.page.wait_for_function("window.GangwayConnect")

    def _asked(self, request: Request) -> None:
        if request.headers.get("cookie"):
            self.cookies_sent.append(request.url)
        if not request.url.startswith((self.demo.url, self.shop.origin, self.shop.elsewhere)):
            self.complaints.append(f"asked a stranger: {request.url}")

    def _heard(self, message: ConsoleMessage) -> None:
        """A page that takes the frame away cuts its stream, and htmx remarks on that."""
        if "htmx:sse:error: network error" not in message.text:
            super()._heard(message)

    # --- the company's page --------------------------------------------------------------------------------

    def is_offered(self, **config: Any) -> None:
        """The page makes a handler and writes down all it is told."""
        self.page.evaluate(LISTEN, config)

    def asks(self, script: str) -> Any:
        return self.page.evaluate(script)

    def opens_the_flow(self, **config: Any) -> None:
        self.is_offered(**config)
        self.asks("handler.open()")
        self.was_told("load")

    def was_told(self, name: str) -> list[Any]:
        """Wait until the page hears *name*; what came with it."""
        self.page.wait_for_function("(name) => (window.told || []).some(([n]) => n === name)", arg=name, timeout=60_000)
        return next(list(more) for n, *more in self.told() if n == name)

    def goes_back(self) -> None:
        """The browser's Back button."""
        self.page.evaluate("void setTimeout(() => history.back())")

    def told(self) -> list[list[Any]]:
        return list(self.asks("window.told || []"))

    def heard(self) -> list[str]:
        return [name for name, *_ in self.told()]

    def frames(self) -> int:
        return self.page.locator("iframe").count()

    # --- inside --------------------------------------------------------------------------------------------

    @property
    def inside(self) -> FrameLocator | Page:
        return self.page.frame_locator("iframe") if self.is_framed else self.page

    def is_sent_to_our_own_page(self) -> None:
        """The flow without a frame, where a cookie is as it should be."""
        self.page.wait_for_url("**/go/*")
        self.is_framed = False

    def has_come_back(self, address: str) -> None:
        self.page.wait_for_url(address)
        self.is_framed = True
        self.context.clear_cookies()
        self.cookies_sent.clear()

    @property
    def main(self) -> Locator:
        return self.inside.locator("main")

    def presses_and_is_gone(self, words: str) -> None:
        """Playwright's own click waits for a frame that this very click takes away."""
        button = self.inside.get_by_role("button", name=words, exact=True)
        button.evaluate("(it) => { setTimeout(() => it.click()) }")

    @property
    def heading(self) -> Locator:
        return self.inside.locator("h1")

    @property
    def screen(self) -> Locator:
        return self.inside.locator("#view > .view")

    def field(self, label: str) -> Locator:
        return self.main.get_by_label(label).and_(self.inside.locator("input"))

    def types(self, label: str, text: str) -> None:
        self.field(label).fill(text)

    @property
    def document(self) -> Frame:
        return next(frame for frame in self.page.frames if frame.url.startswith(self.demo.url))

    def goes_to_the_sign_in(self, source: str = "Maple & Main Bank") -> None:
        self.presses("Agree and continue")
        self.presses(source)
        self.comes_to("sign_in")

    def goes_to_the_code(self) -> None:
        self.goes_to_the_sign_in()
        self.types("Access card", "4500123412341234")
        self.types_a_secret("Password", "maple-leaf-9")
        self.presses("Sign in")
        self.comes_to("interaction")

    def signs_in_at_northlight(self) -> None:
        self.goes_to_the_sign_in("Northlight Power")
        self.types("Email", "robin@sample.example")
        self.types_a_secret("Password", "bright-light-7")
        self.presses("Sign in")

    def is_back_on_the_page(self) -> None:
        """Nothing of the flow is left on the company's page."""
        expect(self.page.locator("iframe, dialog")).to_have_count(0)
        left = self.asks("[document.documentElement.getAttribute('style'), document.body.children.length]")
        assert left == [None, 1], left


Comes = Callable[..., Shopper]
