"""Only our own pages may change anything, and looking never does (design 6: Fetch Metadata, Origin as fallback)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.routing import Rule

from tests.security.conftest import House
from tests.security.tools import ask, filled
from webapp.config import Config
from webapp.db import Base, db

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
SITES = ("same-origin", "same-site", "cross-site", "none", "", "SAME-ORIGIN", "same-origin, cross-site", None)
ORIGINS = (
    "http://localhost",
    "null",
    "https://evil.example",
    "https://localhost",
    "http://localhost:81",
    "http://localhost.evil.example",
    "http://evil.example@localhost",
    "http://localhost@evil.example",
    "http://LOCALHOST/",
    "http://[evil",
    "http://\u2100",
    "localhost",
    "",
    None,
)
PASSES = {("same-origin", origin) for origin in ORIGINS} | {(None, "http://localhost")}


def unsafe_rules(house: House) -> list[tuple[str, Rule]]:
    return [(m, rule) for rule in house.app.url_map.iter_rules() for m in UNSAFE & (rule.methods or set())]


@pytest.mark.parametrize("site", SITES)
def test_only_the_documented_cells_pass(house: House, site: str | None) -> None:
    """A refused request ends as 403 before anything else looks at it; one that passes gets some other answer."""
    for method, rule in unsafe_rules(house):
        if rule.endpoint in ("webhooks.receive", "frame.enter") or rule.endpoint.startswith("hosts."):
            continue  # they look at a signature, a token with its origin, or a key: never at a cookie
        for origin in (
            ORIGINS if site in (None, "same-origin") else ("http://localhost", "null", "https://evil.example", None)
        ):
            given = {"Sec-Fetch-Site": site, "Origin": origin and origin.encode().decode("latin1")}
            sent = {name: value for name, value in given.items() if value is not None}
            reply = ask(house.app, method, filled(rule), headers=sent)
            passed = reply.status != 403
            assert passed == ((site, origin) in PASSES), (method, rule.rule, site, origin, reply.status)
            assert reply.status < 500


def test_neither_header_is_no_reason_to_trust(house: House) -> None:
    for method, rule in unsafe_rules(house):
        if rule.endpoint not in ("webhooks.receive", "frame.enter") and not rule.endpoint.startswith("hosts."):
            referer = {"Referer": "http://localhost/connections", "X-Requested-With": "XMLHttpRequest"}
            assert ask(house.app, method, filled(rule), headers=referer).status == 403, rule.rule


def test_a_refused_request_of_somebody_signed_in_changes_nothing(house: House) -> None:
    before = everything(house)
    mine = house.refs["robin"]
    for method, rule in unsafe_rules(house):
        for ref in (mine["connection"], mine["interaction"], mine["sign_in"], mine["pick"], mine["consent"]):
            headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
            path = filled(rule, ref=ref)
            form = {"source": "fogbank-savings", "username": "x", "password": "y", "f0": "246810"}
            reply = ask(house.app, method, path, headers=headers, form=form, cookie=house.cookies["robin"])
            by_key = rule.endpoint == "webhooks.receive" or rule.endpoint.startswith("hosts.")
            refusals = {401, 429} if by_key else {404} if rule.endpoint == "frame.enter" else {403}
            assert reply.status in refusals
    assert everything(house) == before


def test_an_unknown_method_and_a_form_that_overrides_the_method_are_no_way_around(house: House) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO", "post"):
        assert ask(house.app, method, "/connect/start", cookie=house.cookies["robin"]).status in (403, 405)
    before = everything(house)
    override = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST", "X-HTTP-Method": "POST"}
    path = f"/connections/{house.refs['robin']['connection']}/disconnect?_method=POST"
    assert ask(house.app, "GET", path, headers=override, cookie=house.cookies["robin"]).status == 200
    assert everything(house) == before


def test_webhooks_are_exempt_because_they_are_signed_and_take_no_cookie(house: House) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        reply = ask(house.app, "POST", "/webhooks/deck", headers=headers, cookie=house.cookies["robin"], body=b"{}")
        assert (reply.status, reply.body) == (401, b"")
        assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_never_changes_anything(house: House, method: str) -> None:
    """Every page, signed in and not, about everything Robin has: the database and Deck stay as they were."""
    before, at_deck = everything(house), house.world.state_hash()
    mine, seen = house.refs["robin"], 0
    for rule in house.app.url_map.iter_rules():
        for ref in set(mine.values()) if rule.arguments else {""}:
            path = filled(rule, ref=ref, run_ref=mine["run"], number=0, filename="page.js")
            for cookie in ("", house.cookies["robin"]):
                query = "?q=maple&source=maple-and-main&form=1&prompt=1&f0=246810&username=u&password=p"
                seen += ask(house.app, method, path + query, cookie=cookie).status == 200
    assert seen > 20
    assert everything(house) == before
    assert house.world.state_hash() == at_deck


def everything(house: House) -> dict[str, Any]:
    """Every row of every table; when a browser was last seen, or an error page, does not count."""
    with house.app.app_context():
        found = {}
        for table in Base.metadata.sorted_tables:
            if table.name == "error_report":
                continue
            columns = [c for c in table.columns if c.name != "seen_at"]
            found[table.name] = [
                tuple(row) for row in db.session.execute(select(*columns).order_by(*table.primary_key))
            ]
        db.session.remove()
        assert found["person"] and found["run"] and found["prompt"]
        return found


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("http://localhost", "http://localhost"),
        ("http://localhost:5050", "http://localhost:5050"),
        ("https://Connect.Example.com:443", "https://connect.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://connect.example.com:8443", "https://connect.example.com:8443"),
    ],
)
def test_our_origin_is_written_as_browsers_write_it(build: Callable[..., House], public_url: str, origin: str) -> None:
    house = build(public_url=public_url)
    config: Config = house.app.extensions["gangway"].config
    assert config.origin == origin
    host = {"HTTP_HOST": origin.partition("://")[2]}
    assert ask(house.app, "POST", "/connect/start", headers={"Origin": origin}, **host).status == 401
    other = origin.replace("https:", "http:") if origin.startswith("https") else origin.replace("http:", "https:")
    assert ask(house.app, "POST", "/connect/start", headers={"Origin": other}, **host).status == 403
