"""The flow in a frame on a company's page: a browser that has no cookie there."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import httpx
from flask import Flask

from tests.people import Visitor

SHOP = "https://shop.example"


class Frame(Visitor):
    """A frame on a page of *origin*: it has no cookie, only the key on its first page."""

    def __init__(self, app: Flask, origin: str | None = SHOP) -> None:
        super().__init__(app)
        self.origin, self.key = origin, ""

    def is_given(self, token: str) -> httpx.Response:
        sent = {"Sec-Fetch-Site": "cross-site", **({"Origin": self.origin} if self.origin else {})}
        self.page = self.http.post("/frame", data={"token": token}, headers=sent)
        if found := re.search(r'hx-headers:inherited="([^"]+)"', self.page.text):
            (self.key,) = json.loads(html.unescape(found[1])).values()
            self.http.headers["Gangway-Session"] = self.key
        return self.page

    @property
    def here(self) -> str:
        found = re.search(r'data-here="([^"]+)"', self.first.text)
        assert found
        return found[1]

    def opens_with(self, token: str) -> None:
        self.first = self.is_given(token)
        assert self.first.status_code == 200, self.first.text

    def looks_again(self) -> str:
        self.opens(self.here)
        return self.view()

    def facts(self) -> dict[str, Any]:
        found = re.search(r'data-facts="([^"]+)"', self.page.text)
        assert found
        return dict(json.loads(html.unescape(found[1])))

    def hands_off(self) -> httpx.Response:
        return self.http.post(f"{self.here}/handoff", headers={"Sec-Fetch-Site": "same-origin"})


def error_on(page: httpx.Response) -> dict[str, Any]:
    found = re.search(r'data-error="([^"]+)"', page.text)
    assert found, page.text
    return dict(json.loads(html.unescape(found[1])))


def refused(page: httpx.Response, status: int, code: str) -> None:
    assert (page.status_code, error_on(page)["error_code"]) == (status, code)
    assert "Set-Cookie" not in page.headers and "hx-headers" not in page.text
