"""Wherever a page of the dashboard leads, it is to a page of ours, whatever sites, hosts and people say."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import html5lib
import pytest
from flask import Flask

from tests.support.one_of_each import Desk
from tests.support.routes import lists_of
from webapp.support import lists

LEADING = {"href", "src", "action", "formaction", "poster", "ping", "data", "cite", "background", "manifest"}
LEADING |= {f"hx-{method}" for method in ("get", "post", "put", "patch", "delete", "sse:connect", "push-url")}
ELSEWHERE = [
    "javascript:alert(1)",
    "//evil.example/x",
    "/no/such/page",
    "https://evil.example/x",
    "/\\evil.example",
    "data:text/html,x",
]
"""What somebody says who would like to be an address."""


def addresses(html: str) -> Iterator[tuple[str, str, str]]:
    """Element, attribute and value of everything on a page that a browser or htmx would go to."""
    for element in html5lib.parse(html, namespaceHTMLElements=False).iter():
        for name, value in element.attrib.items():
            if name in LEADING:
                yield str(element.tag), name, value


def is_ours(app: Flask, value: str) -> bool:
    """From the root of our own origin to a route that is there."""
    if value.startswith("#"):
        return True
    parts = urlsplit(value)
    if parts.scheme or parts.netloc or not value.startswith("/") or value.startswith(("//", "/\\")):
        return False
    routes = app.url_map.bind("localhost")
    return any(routes.test(parts.path, method) for method in ("GET", "POST"))


def wrong_on(desk: Desk, path: str) -> list[tuple[str, ...]]:
    answer = desk.admin.http.get(path)
    assert answer.status_code in (200, 302, 303), (path, answer.status_code)
    return [(path, *found) for found in addresses(answer.text) if not is_ours(desk.app, found[-1])]


def test_the_check_sees_what_it_is_for(app: Flask) -> None:
    for value in ELSEWHERE:
        assert not is_ours(app, value), value
    seen = list(addresses('<a href="x"></a><form action="y" hx-post="z"><p hx-sse:connect="w" hx-target="this">'))
    assert {value for _, _, value in seen} == {"x", "y", "z", "w"}


def test_every_address_on_every_page_is_ours(desk: Desk) -> None:
    for text in ELSEWHERE[:3]:
        desk.says(text)
        assert not [wrong for path in desk.pages() for wrong in wrong_on(desk, path)]


def test_filters_and_the_next_page_lead_to_the_same_list(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses a list makes of what was asked for: its CSV, its next page, its saved views."""
    monkeypatch.setattr(lists, "PAGE", 0)
    desk.says("x")
    for name in lists_of(desk.app):
        for text in ELSEWHERE:
            narrowed = {filter.name: text for filter in lists.LISTINGS[name].filters}
            for asked in ({}, narrowed, {"next": text, "view": text}):
                answer = desk.admin.http.get(f"/support/{name}", params=asked)
                leading = [value for _, _, value in addresses(answer.text)]
                assert [value for value in leading if not is_ours(desk.app, value)] == [], (name, asked)
