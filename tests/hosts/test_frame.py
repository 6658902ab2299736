"""The flow in a frame on a company's page, seen from our server: who gets in, what the answers carry, what is handed over."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from flask import Flask

from tests.companies import BANK, CARD, CODE, PASSWORD, Company, Server, connects, follows, revokes_the_key
from tests.framed import SHOP, Frame, refused
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.frame import VERSION
from webapp.models import BrowserSession, Host


@pytest.fixture
def tidepool(company: Company) -> Server:
    return company(origins=[SHOP])


@pytest.fixture
def kim(app: Flask) -> Frame:
    return Frame(app)


# --- the way it is meant -----------------------------------------------------------------------------------------


def test_kim_connects_in_a_frame_and_the_company_exchanges_what_it_was_handed(
    tidepool: Server, kim: Frame, deck: Deck
) -> None:
    invited = tidepool.invites()
    kim.opens_with(invited["connect_token"])
    assert kim.view() == "consent" and "Tidepool Savings" in kim.sees()
    assert kim.hands_off().json() == {"error_code": "not_connected"}
    connects(kim, deck)
    assert kim.facts()["view_name"] == "CONNECTED"

    first, second = kim.hands_off().json(), kim.hands_off().json()
    assert first["metadata"]["session_id"] == invited["session_id"]
    assert first["public_token"] != second["public_token"]
    replaced = tidepool.asks("POST", "/connect/public_token/exchange", {"public_token": first["public_token"]})
    assert (replaced.status_code, replaced.json()["error"]["error_code"]) == (400, "token_invalid")
    body = {"public_token": second["public_token"]}
    exchanged = tidepool.asks("POST", "/connect/public_token/exchange", body).json()
    (connection,) = tidepool.reads("/connections")["data"]
    assert (exchanged["connection_id"], exchanged["session_id"]) == (
        connection["connection_id"],
        invited["session_id"],
    )
    again = tidepool.asks("POST", "/connect/public_token/exchange", body)
    assert (again.status_code, again.json()["error"]["error_code"]) == (409, "token_already_used")
    assert kim.hands_off().status_code == 409
    assert "Connect another" not in kim.sees()


def test_what_was_handed_over_is_worth_something_for_half_an_hour_and_to_one_company(
    tidepool: Server,
    company: Company,
    kim: Frame,
    deck: Deck,
    later: Callable[..., None],
) -> None:
    kim.opens_with(tidepool.invites()["connect_token"])
    connects(kim, deck)
    body = {"public_token": kim.hands_off().json()["public_token"]}
    foreign = company("Others").asks("POST", "/connect/public_token/exchange", body)
    nothing = tidepool.asks("POST", "/connect/public_token/exchange", {})
    assert foreign.status_code == nothing.status_code == 400
    later(minutes=31)
    late = tidepool.asks("POST", "/connect/public_token/exchange", body)
    assert (late.status_code, late.json()["error"]["error_code"]) == (410, "token_expired")


def test_an_update_says_so(tidepool: Server, kim: Frame, app: Flask, deck: Deck) -> None:
    kim.opens_with(tidepool.invites()["connect_token"])
    connects(kim, deck)
    (connection,) = tidepool.reads("/connections")["data"]
    again = Frame(app)
    again.opens_with(tidepool.invites(connection_id=connection["connection_id"])["connect_token"])
    assert again.facts()["is_update_mode"] is True


# --- what the answers carry --------------------------------------------------------------------------------------


def test_only_the_company_may_frame_it_and_no_cookie_is_set(tidepool: Server, kim: Frame, deck: Deck) -> None:
    kim.opens_with(tidepool.invites()["connect_token"])
    headers = kim.first.headers
    assert "frame-ancestors https://shop.example" in headers["Content-Security-Policy"].split("; ")
    assert "X-Frame-Options" not in headers
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    connects(kim, deck)
    assert "frame-ancestors 'none'" in kim.page.headers["Content-Security-Policy"]
    assert kim.page.headers["X-Frame-Options"] == "DENY"
    kim.hands_off()
    assert not kim.http.cookies and "Set-Cookie" not in headers


def test_the_key_is_in_one_place_and_kept_as_a_hash(tidepool: Server, kim: Frame, app: Flask) -> None:
    kim.opens_with(tidepool.invites()["connect_token"])
    assert kim.first.text.count(kim.key) == 1
    with app.app_context():
        (row,) = db.session.query(BrowserSession)
        assert kim.key not in repr(vars(row)) and row.frame_origin == SHOP


def test_a_cookie_opens_no_frame_and_a_frame_key_ignores_cookies(
    tidepool: Server, kim: Frame, app: Flask, robin: Visitor
) -> None:
    kim.opens_with(tidepool.invites()["connect_token"])
    robin.http.headers["Gangway-Session"] = "nothing"
    assert robin.http.get("/connections").status_code == 401
    robin.http.headers["Gangway-Session"] = kim.key
    assert robin.opens(kim.here).status_code == 200 and robin.view() == "consent"
    del robin.http.headers["Gangway-Session"]
    assert robin.opens(kim.here).status_code == 404

    cookie = robin.http.cookies
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    forged = Visitor(app)
    for one in cookie.jar:
        held = signer.loads(one.value)
        forged.http.cookies.set(one.name, signer.dumps({**held, "_user_id": kim.key}))
    assert forged.http.get(kim.here).status_code == 302  # to the sign-in page


def test_a_hosted_visits_key_is_no_frame_key(tidepool: Server, app: Flask) -> None:
    hosted = Visitor(app)
    follows(hosted, tidepool.invites())
    with app.app_context():
        signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        (key,) = (signer.loads(one.value)["_user_id"] for one in hosted.http.cookies.jar)
    stranger = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost")
    assert stranger.get(hosted.page.url.path, headers={"Gangway-Session": key}).status_code == 401
    path = f"{hosted.page.url.path}/handoff"
    assert hosted.http.post(path, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 404


def test_nobody_elses_page_can_use_the_key(tidepool: Server, kim: Frame) -> None:
    kim.opens_with(tidepool.invites()["connect_token"])
    for path in ("/agree", "/handoff"):
        assert kim.http.post(kim.here + path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert kim.http.get("/connections").status_code == 303
    another = tidepool.invites()
    assert kim.http.get(f"/connect/{another['session_id'][3:]}").status_code == 404


def test_the_host_learns_names_and_codes_never_what_was_typed(tidepool: Server, kim: Frame, deck: Deck) -> None:
    kim.opens_with(tidepool.invites()["connect_token"])
    kim.presses("Agree and continue")
    kim.presses(BANK)
    assert (kim.facts()["view_name"], kim.facts()["source_id"]) == ("CREDENTIAL", "maple-and-main")
    kim.presses("Sign in", username=CARD, password="not the right one")
    deck.goes_on()
    kim.looks_again()
    told = [kim.facts()]
    assert told[0]["error"]["error_type"] == "CREDENTIALS_ERROR" and told[0]["error"]["error_code"] == "auth_invalid"
    kim.presses("Sign in", username=CARD, password=PASSWORD)
    deck.goes_on()
    kim.looks_again()
    told.append(kim.facts())
    assert (told[1]["view_name"], told[1]["mfa_type"], told[1]["status"]) == ("MFA", "code", "requires_code")
    kim.presses("Continue", f0=CODE)
    deck.goes_on()
    kim.looks_again()
    told.append(kim.facts())
    assert (told[2]["view_name"], told[2]["answered"]) == ("CONNECTED", 1)
    assert not [secret for secret in (CARD, PASSWORD, CODE, "not the right one") if secret in json.dumps(told)]


def test_people_of_our_own_have_no_facts_on_their_pages(robin: Visitor) -> None:
    robin.picks(BANK)
    assert "data-facts" not in robin.page.text


# --- who does not get in -----------------------------------------------------------------------------------------


def test_a_token_opens_once(tidepool: Server, kim: Frame, app: Flask) -> None:
    token = tidepool.invites()["connect_token"]
    kim.opens_with(token)
    refused(Frame(app).is_given(token), 410, "token_already_used")
    assert Visitor(app).opens(f"/go/{token}").status_code == 410


@pytest.mark.sqlite
def test_of_many_who_try_at_once_one_gets_in(tidepool: Server, app: Flask) -> None:
    token = tidepool.invites()["connect_token"]
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(Frame(app).is_given, token) for _ in range(16)]
    assert sorted(one.result().status_code for one in found) == [200] + [410] * 15


def test_a_token_that_ran_out_or_was_revoked(tidepool: Server, kim: Frame, later: Callable[..., None]) -> None:
    late, revoked = tidepool.invites("a"), tidepool.invites("b")
    tidepool.asks("POST", f"/connect/sessions/{revoked['session_id']}/expire")
    later(seconds=1)
    refused(kim.is_given(revoked["connect_token"]), 410, "token_expired")
    later(minutes=31)
    refused(kim.is_given(late["connect_token"]), 410, "token_expired")
    refused(kim.is_given("ct_live_nothing"), 404, "token_invalid")
    refused(kim.is_given("\0"), 404, "token_invalid")


def test_a_token_that_ran_out_with_its_key(tidepool: Server, kim: Frame, app: Flask) -> None:
    token = tidepool.invites()["connect_token"]
    revokes_the_key(app, tidepool)
    refused(kim.is_given(token), 410, "token_expired")


def test_a_paused_companys_token(tidepool: Server, kim: Frame, app: Flask) -> None:
    token = tidepool.invites()["connect_token"]
    with app.app_context(), writing():
        db.session.query(Host).update({"paused_at": db.func.now()})
    refused(kim.is_given(token), 404, "token_invalid")


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example.evil.example",
        "https://evil.example",
        "https://shop.example:8443",
        "https://shop.example.",
        "https://SHOP.example",
        "https://shop.example/",
        "http://shop.example",
        "https://xn--shp-fxa.example",
        "https://shop.example; frame-ancestors *",
        "https://a.example, https://shop.example",
        "https://*.example",
        "*",
        "null",
        "",
        None,
    ],
)
def test_an_origin_that_looks_like_the_companys_is_another(tidepool: Server, app: Flask, origin: str | None) -> None:
    token = tidepool.invites()["connect_token"]
    page = Frame(app, origin).is_given(token)
    refused(page, 403, "origin_not_allowed")
    (policy,) = [d for d in page.headers["Content-Security-Policy"].split("; ") if d.startswith("frame-ancestors")]
    is_origin = bool(origin) and re.fullmatch(r"https?://[a-z0-9.-]+(:\d+)?", origin or "")
    assert policy == f"frame-ancestors {origin}" if is_origin else policy == "frame-ancestors 'none'"
    Frame(app).opens_with(token)  # nothing was used up


def test_two_companies_never_frame_each_others_visits(tidepool: Server, company: Company, app: Flask) -> None:
    theirs = company("Others", origins=["https://others.example"])
    refused(Frame(app).is_given(theirs.invites()["connect_token"]), 403, "origin_not_allowed")


def test_a_frame_after_its_visit_was_revoked(tidepool: Server, kim: Frame) -> None:
    invited = tidepool.invites()
    kim.opens_with(invited["connect_token"])
    tidepool.asks("POST", f"/connect/sessions/{invited['session_id']}/expire")
    assert kim.looks_again() == "left"


# --- the script --------------------------------------------------------------------------------------------------


def test_the_script_is_small_and_the_only_thing_others_may_load(app: Flask) -> None:
    http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost")
    about = http.get("/connect.json").json()
    assert (about["version"], about["src"]) == (VERSION, f"http://localhost/connect-{VERSION}.js")
    rolling, versioned = http.get("/connect.js"), http.get(f"/connect-{VERSION}.js")
    source = Path("static/connect.js").read_bytes()
    assert rolling.content == versioned.content == source
    assert len(gzip.compress(source)) <= 6_000
    assert f"GangwayConnect {VERSION}" in source.decode() and f'version: "{VERSION}"' in source.decode()
    for script in (rolling, versioned):
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert script.headers["Access-Control-Allow-Origin"] == "*"
        assert "Set-Cookie" not in script.headers
    assert "immutable" in versioned.headers["Cache-Control"] and "immutable" not in rolling.headers["Cache-Control"]
    for path in ("/connect.json", "/static/connect.js", "/static/page.js", "/"):
        assert http.get(path).headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_script_asks_for_nothing_newer_and_evaluates_nothing() -> None:
    source = Path("static/connect.js").read_text()
    assert not re.search(
        r"\?\.|\?\?|\beval\b|new Function|innerHTML|document\.cookie|localStorage|setAttribute\(\"style", source
    )


def test_another_script_is_another_version() -> None:
    """Hosts pin a version by its integrity value: whoever changes the file gives it a new number, here as well."""
    assert (VERSION, hashlib.sha384(Path("static/connect.js").read_bytes()).hexdigest()[:16]) == (
        "1.2.1",
        "09f73141109074d0",
    )
