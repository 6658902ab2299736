"""What an attacker has: raw requests, a wire that changes what Deck says, and an eye for a page's shape."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import html5lib
import httpx
from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.routing import Rule
from werkzeug.test import EnvironBuilder

FORM = "application/x-www-form-urlencoded"
OURS = {"Sec-Fetch-Site": "same-origin"}
EMAIL, PASSWORD = "robin@sample.example", "correct horse battery"

NEVER_SHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control, direction-changing and surrogate characters: no page of ours has any."""

TELLING = {"action", "formaction", "href", "method", "name", "src", "target", "type", "autocomplete", "http-equiv"}
"""Attributes whose values text from outside must never choose."""


@dataclass(frozen=True)
class Reply:
    """One answer, as bytes."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def essence(self) -> tuple[int, list[tuple[str, str]], str]:
        """All of it but what differs by chance: nonces and lengths."""
        kept = [(k, without_nonces(v)) for k, v in self.headers if k not in ("Date", "Content-Length")]
        return self.status, sorted(kept), without_nonces(self.text)


def without_nonces(text: str) -> str:
    return re.sub(r"""nonce-[\w-]+|nonce="[\w-]+"|name="once" value="[\w-]+\"""", "…", text)


def ask(
    app: Flask,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | Iterable[tuple[str, str]] = (),
    form: dict[str, str] | None = None,
    body: bytes = b"",
    type: str = FORM,
    cookie: str = "",
    **environ: Any,
) -> Reply:
    """One WSGI call, with nothing between us and the app. Of a stream that goes on, only the first frame."""
    given = {"User-Agent": f"python-httpx/{httpx.__version__}", **dict(headers)}  # the visitors' browser
    if cookie:
        given["Cookie"] = cookie
    builder = EnvironBuilder(method=method, path=path, headers=given, content_type=type)
    if form is not None:
        body = httpx.QueryParams(form).__str__().encode()
    sent = builder.get_environ()
    sent |= {
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.errors": io.StringIO(),
    }
    sent |= environ
    answer: list[Any] = []
    chunks = app(sent, lambda status, headers, exc_info=None: answer.append((status, headers)) or answer.append)
    try:
        got = next(iter(chunks), b"") if "event-stream" in str(answer) else b"".join(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    status, sent_headers = answer[0]
    return Reply(int(status.split()[0]), Headers(sent_headers), got)


def filled(rule: Rule, **values: object) -> str:
    """A rule's path with these values in it."""
    kinds = {"int": "1"}
    return re.sub(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>", lambda m: str(values.get(m[2], kinds.get(m[1], "x"))), rule.rule)


def signs_in(app: Flask, email: str = EMAIL, password: str = PASSWORD, cookie: str = "", **more: str) -> Reply:
    form = {"email": email, "password": password, **more}
    return ask(app, "POST", "/sign-in", headers=OURS, form=form, cookie=cookie)


# --- what Deck says, changed on the way -------------------------------------------------------------------------


class Wire(httpx.BaseTransport):
    """The twin's wire, in somebody's hands: `instead` replaces text inside its JSON, `around` replaces whole calls."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner
        self.instead: dict[str, str] = {}
        self.around: Any = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.around:
            return self.around(request, self.inner.handle_request)
        response = self.inner.handle_request(request)
        body = response.read()
        for mark, text in self.instead.items():
            body = body.replace(mark.encode(), json.dumps(text)[1:-1].encode())
        return httpx.Response(response.status_code, stream=httpx.ByteStream(body))


# --- pages ------------------------------------------------------------------------------------------------------

Shape = list[tuple[int, str, tuple[str, ...]]]


def shape(html: str) -> Shape:
    """Every element with its depth, its attributes' names, and the values only we may choose."""
    return _shape(without_nonces(html))


@cache
def _shape(html: str) -> Shape:
    found: Shape = []

    def walk(element: Any, depth: int) -> None:
        attributes = (
            f"{k}={v}" if k in TELLING or str(v).startswith("/") else str(k) for k, v in element.attrib.items()
        )
        found.append((depth, str(element.tag), tuple(sorted(attributes))))
        for child in element:
            walk(child, depth + 1)

    walk(html5lib.parse(html, namespaceHTMLElements=False), 0)
    return found


def sse_events(stream: str) -> list[tuple[str, str]]:
    """(type, data) of every event a browser would fire. https://html.spec.whatwg.org/#parsing-an-event-stream"""
    events: list[tuple[str, str]] = []
    kind, data = "", ""
    for line in re.split("\r\n|\r|\n", stream.removeprefix("\ufeff")):
        if line == "":
            if data:
                events.append((kind or "message", data.removesuffix("\n")))
            kind, data = "", ""
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data += value + "\n"
    return events
