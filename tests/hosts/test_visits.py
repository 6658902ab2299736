"""A company lets its people connect accounts: a call from its server, a link, and what came back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.companies import (
    BANK,
    CARD,
    RETURN,
    Company,
    Server,
    connects,
    follows,
    led_to,
    revokes_the_key,
    run_command,
)
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.models import Host, HostKey


@pytest.fixture
def tidepool(company: Company) -> Server:
    return company()


# --- the way it is meant -----------------------------------------------------------------------------------------


def test_a_company_sends_kim_who_connects_a_bank_and_comes_back(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    invited = tidepool.invites(return_url=RETURN, state="basket 9", tags={"plan": "plus"})
    follows(kim, invited)
    assert "Tidepool Savings" in kim.sees() and "Harbourlight" not in kim.sees()
    connects(kim, deck)
    assert kim.view() == "outcome" and "Tidepool Savings can now read" in kim.sees()

    kim.presses("Back to Tidepool Savings")
    address = led_to(kim)
    assert str(address).startswith(RETURN + "?")
    assert dict(address.params) == {"session_id": invited["session_id"], "status": "connected", "state": "basket 9"}

    seen = tidepool.reads(f"/connect/sessions/{invited['session_id']}")
    assert (seen["status"], seen["client_user_id"], seen["tags"]) == ("connected", "user-7", {"plan": "plus"})
    (connection,) = tidepool.reads("/connections?client_user_id=user-7")["data"]
    assert connection["connection_id"] == seen["connection_id"]
    assert (connection["status"], connection["source"]["name"]) == ("verified", BANK)
    (run,) = tidepool.reads(f"/connections/{connection['connection_id']}/runs")["data"]
    read = tidepool.reads(f"/connections/{connection['connection_id']}/runs/{run['run_id']}")
    assert read["status"] == "completed" and read["output"]


def test_one_source_is_not_picked_from_a_list(tidepool: Server, kim: Visitor) -> None:
    follows(kim, tidepool.invites(source_id="maple-and-main"))
    kim.presses("Agree and continue")
    assert kim.view() == "sign_in"


def test_only_what_the_company_may_offer_can_be_picked(company: Company, kim: Visitor) -> None:
    few = company("Few Sources", sources=["maple-and-main", "northlight-power"])
    follows(kim, few.invites())
    kim.presses("Agree and continue")
    assert BANK in kim.sees() and "Stillwater Trust" not in kim.sees()
    path = kim.page.url.path
    assert kim.posts(f"{path}/source", {"source": "stillwater-trust"}).status_code == 404
    refused = few.asks("POST", "/connect/sessions", {"user": {"client_user_id": "u"}, "source_id": "stillwater-trust"})
    assert refused.json()["error"]["error_code"] == "source_not_supported"


def test_a_company_repairs_and_ends_a_connection(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    (connection,) = tidepool.reads("/connections")["data"]
    id = connection["connection_id"]
    follows(kim, tidepool.invites(connection_id=id))
    assert "Agree and continue" in kim.sees() or kim.view() == "sign_in"
    ended = tidepool.asks("POST", f"/connections/{id}/disconnect").json()
    assert ended["status"] in ("deleting", "deleted")
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]


def test_whoever_opens_a_reconnect_link_does_not_read_the_whole_username(
    tidepool: Server, kim: Visitor, deck: Deck
) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    (connection,) = tidepool.reads("/connections")["data"]
    follows(kim, tidepool.invites(connection_id=connection["connection_id"]))
    if kim.view() != "sign_in":
        kim.presses("Agree and continue")
    assert CARD not in kim.page.text and "Until now you signed in as 4" in kim.sees()
    kim.presses("Sign in", username=CARD, password="mistyped")
    deck.goes_on()
    kim.looks_again()
    assert kim.field("username").get("value") == CARD, "what was typed in this visit is not typed again"


def test_the_same_request_again_is_the_same_session(tidepool: Server) -> None:
    body = {"user": {"client_user_id": "user-7"}}
    first, again = (tidepool.asks("POST", "/connect/sessions", body, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert first.json()["session_id"] == again.json()["session_id"]
    other = {"user": {"client_user_id": "user-8"}}
    refused = tidepool.asks("POST", "/connect/sessions", other, **{"Idempotency-Key": "k1"})
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (409, "idempotency_error")


# --- the link ----------------------------------------------------------------------------------------------------


def test_a_link_works_once(tidepool: Server, app: Flask) -> None:
    invited = tidepool.invites()
    first, second = Visitor(app), Visitor(app)
    second.opens(invited["hosted_url"].removeprefix("http://localhost"))  # looking uses nothing up
    follows(first, invited)
    assert first.view() == "consent"
    assert second.presses("Continue").status_code == 410
    assert "has been used" in second.sees()


def test_a_link_that_ran_out_or_was_revoked(tidepool: Server, kim: Visitor, later: Callable[..., None]) -> None:
    late, revoked = tidepool.invites("a"), tidepool.invites("b")
    tidepool.asks("POST", f"/connect/sessions/{revoked['session_id']}/expire")
    assert kim.opens(revoked["hosted_url"].removeprefix("http://localhost")).status_code == 410
    later(minutes=31)
    assert kim.opens(late["hosted_url"].removeprefix("http://localhost")).status_code == 410
    assert tidepool.reads(f"/connect/sessions/{late['session_id']}")["status"] == "token_expired"
    assert kim.opens("/go/ct_live_nothing").status_code == 404


def test_a_link_for_a_week_begins_when_it_is_opened(tidepool: Server, kim: Visitor, later: Callable[..., None]) -> None:
    invited = tidepool.invites(hosted={"lifetime_seconds": 7 * 86_400})
    later(days=6)
    follows(kim, invited)
    assert kim.view() == "consent"


def test_revoking_shows_an_open_visit_the_door(tidepool: Server, kim: Visitor) -> None:
    invited = tidepool.invites()
    follows(kim, invited)
    tidepool.asks("POST", f"/connect/sessions/{invited['session_id']}/expire")
    assert kim.looks_again() == "left"


def test_one_visit_does_not_watch_another(tidepool: Server, kim: Visitor, app: Flask) -> None:
    """Not even another one of the same person's."""
    on_the_train, at_home = kim, Visitor(app)
    follows(on_the_train, tidepool.invites())
    follows(at_home, tidepool.invites())
    theirs, mine = on_the_train.page.url.path, at_home.page.url.path
    assert at_home.http.get(f"{mine}/live").text.startswith("data: <section")
    assert at_home.http.get(f"{theirs}/live").status_code == at_home.http.get(theirs).status_code == 404


def test_a_visit_is_not_the_whole_house(tidepool: Server, kim: Visitor, app: Flask) -> None:
    invited = tidepool.invites()
    follows(kim, invited)
    visit = kim.page.url.path
    for path in ("/connections", "/"):
        assert kim.opens(path).url.path == visit
    assert kim.posts("/connect/start").status_code == 404
    another = Visitor(app)
    follows(another, tidepool.invites())  # the same user's other visit
    assert kim.opens(another.page.url.path).status_code == 404


# --- keys and strangers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "Bearer ", "Bearer sk_live_wrong", "Basic abc"])
def test_without_a_valid_key_there_is_nothing(app: Flask, tidepool: Server, key: str) -> None:
    answer = tidepool.http.get("/connections", headers={"Authorization": key.encode()})
    assert answer.status_code == 401
    assert answer.json()["error"]["error_code"] == "invalid_api_key"
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"]


def test_another_companys_things_are_nobodys(company: Company, kim: Visitor, deck: Deck) -> None:
    ours, theirs = company("Ours"), company("Theirs")
    invited = ours.invites()
    follows(kim, invited)
    connects(kim, deck)
    (connection,) = ours.reads("/connections")["data"]
    id = connection["connection_id"]
    (run,) = ours.reads(f"/connections/{id}/runs")["data"]
    for path, missing in (
        (f"/connect/sessions/{invited['session_id']}", "/connect/sessions/cs_0000000000000000"),
        (f"/connections/{id}", "/connections/conn_0000000000000000"),
        (f"/connections/{id}/runs/{run['run_id']}", "/connections/conn_0000000000000000/runs/run_0"),
    ):
        foreign, none = theirs.asks("GET", path), theirs.asks("GET", missing)
        assert foreign.status_code == none.status_code == 404
        assert {**foreign.json(), "request_id": ""} == {**none.json(), "request_id": ""}
    assert theirs.reads("/connections")["data"] == []
    body = {"user": {"client_user_id": "user-7"}, "connection_id": id}
    assert theirs.asks("POST", "/connect/sessions", body).status_code == 404


def test_a_revoked_key_and_a_paused_host_open_nothing(app: Flask, tidepool: Server, company: Company) -> None:
    paused = company("Paused")
    with app.app_context(), writing():
        db.session.query(HostKey).filter_by(ending=tidepool.key[-4:]).update({"revoked_at": db.func.now()})
        db.session.query(Host).filter_by(name="Paused").update({"paused_at": db.func.now()})
    assert tidepool.asks("GET", "/connections").status_code == 401
    assert paused.asks("GET", "/connections").status_code == 401


# --- a key that got into the wrong hands -------------------------------------------------------------------------


def another_key(app: Flask, tidepool: Server) -> Server:
    """The operator gives the company a second key."""
    return Server(app, run_command(app, "key", "Tidepool Savings").strip())


def opening(kim: Visitor, invited: dict[str, Any]) -> int:
    return kim.opens(invited["hosted_url"].removeprefix("http://localhost")).status_code


def test_a_revoked_key_takes_the_links_nobody_has_opened_with_it(app: Flask, tidepool: Server, kim: Visitor) -> None:
    new, opened = another_key(app, tidepool), Visitor(app)
    follows(opened, tidepool.invites("a"))
    stolen, ours = tidepool.invites("b", hosted={"lifetime_seconds": 7 * 86_400}), new.invites("c")
    assert opening(kim, stolen) == 200, "before anybody knows"

    assert "as nobody had opened them: 1" in revokes_the_key(app, tidepool)

    assert kim.presses("Continue").status_code == 410 and "has run out" in kim.sees()
    assert opening(kim, stolen) == 410
    assert new.reads(f"/connect/sessions/{stolen['session_id']}")["status"] == "token_expired"
    assert opened.looks_again() == "consent", "who is in the middle of it stays"
    follows(kim, ours)
    assert kim.view() == "consent"


def test_a_key_takes_no_other_companys_links_with_it(app: Flask, tidepool: Server, company: Company) -> None:
    theirs = company("Others").invites()
    revokes_the_key(app, tidepool)
    assert opening(Visitor(app), theirs) == 200


def test_a_link_that_ran_out_long_ago_ran_out_then(app: Flask, tidepool: Server, later: Callable[..., None]) -> None:
    invited, new = tidepool.invites(), another_key(app, tidepool)
    later(days=1)
    assert "as nobody had opened them: 0" in revokes_the_key(app, tidepool)
    assert new.reads(f"/connect/sessions/{invited['session_id']}")["expires_at"] == invited["expires_at"]


def test_a_link_belongs_to_the_key_that_asked_for_it_last(app: Flask, tidepool: Server, kim: Visitor) -> None:
    """Who repeats a request is told a link of their own, and the one before is worth nothing."""
    body, again = {"user": {"client_user_id": "user-7"}}, {"Idempotency-Key": "k1"}
    new = another_key(app, tidepool)
    links = [server.asks("POST", "/connect/sessions", body, **again).json() for server in (tidepool, new)]
    assert links[0]["session_id"] == links[1]["session_id"]
    revokes_the_key(app, tidepool)
    assert opening(kim, links[0]) == 404 and opening(kim, links[1]) == 200
    revokes_the_key(app, new)
    assert opening(kim, links[1]) == 410


def test_a_link_that_was_being_made_while_its_key_was_revoked_opens_nothing(
    app: Flask, tidepool: Server, kim: Visitor
) -> None:
    """It was not there yet when the others ran out."""
    invited = tidepool.invites()
    with app.app_context(), writing():
        db.session.query(HostKey).update({"revoked_at": db.func.now()})
    assert opening(kim, invited) == 200
    assert kim.presses("Continue").status_code == 410


# --- mistakes are named ------------------------------------------------------------------------------------------

USER = {"client_user_id": "user-7"}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_field", "user.client_user_id"),
        ({"user": {"client_user_id": "kim@tidepool.example"}}, "invalid_field", "user.client_user_id"),
        ({"user": {"client_user_id": 7}}, "invalid_field", "user.client_user_id"),
        ({"user": {"client_user_id": "a\u0000b"}}, "invalid_field", "user.client_user_id"),
        ({"user": "kim"}, "invalid_field", "user"),
        ({"user": USER, "colour": "red"}, "unknown_field", "colour"),
        ({"user": USER, "return_url": RETURN + "/"}, "return_url_not_allowed", "return_url"),
        ({"user": USER, "return_url": "https://evil.example"}, "return_url_not_allowed", "return_url"),
        ({"user": USER, "source_id": "nowhere"}, "source_not_supported", "source_id"),
        ({"user": USER, "source_id": 1}, "invalid_field", "source_id"),
        ({"user": USER, "allowed_source_ids": []}, "invalid_field", "allowed_source_ids"),
        ({"user": USER, "connection_id": "conn_0000000000000000"}, "not_found", "connection_id"),
        ({"user": USER, "hosted": {"lifetime_seconds": 5}}, "invalid_field", "hosted.lifetime_seconds"),
        ({"user": USER, "hosted": {"lifetime_seconds": True}}, "invalid_field", "hosted.lifetime_seconds"),
        ({"user": USER, "tags": {str(n): "x" for n in range(21)}}, "invalid_field", "tags"),
        ({"user": USER, "tags": {"a": 1}}, "invalid_field", "tags.a"),
        ({"user": USER, "state": "x" * 501}, "invalid_field", "state"),
    ],
)
def test_a_mistake_is_named_with_its_field(tidepool: Server, body: Any, code: str, param: str) -> None:
    error = tidepool.asks("POST", "/connect/sessions", body)
    assert 400 <= error.status_code < 500
    assert (error.json()["error"]["error_code"], error.json()["error"]["param"]) == (code, param)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 9_000, b"x" * 40_000])
def test_a_body_that_is_no_object(tidepool: Server, body: bytes) -> None:
    answer = tidepool.http.post("/connect/sessions", content=body)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["error_code"] in ("invalid_json", "missing_field", "request_too_large")


def test_an_unknown_address_has_the_same_envelope(tidepool: Server) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/no/where", 404)):
        answer = tidepool.asks(method, path)
        assert (answer.status_code, answer.json()["error"]["error_code"]) == (status, "not_found")


# --- going away --------------------------------------------------------------------------------------------------


def test_leaving_without_an_address_to_go_back_to_says_so(tidepool: Server, kim: Visitor) -> None:
    follows(kim, tidepool.invites())
    kim.presses("Not now")
    kim.presses("Back to Tidepool Savings")
    assert kim.page.status_code == 200 and "You can close this page" in kim.sees()


def test_leaving_and_letting_it_finish_leads_away_and_it_finishes(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    invited = tidepool.invites(return_url=RETURN)
    follows(kim, invited)
    kim.presses("Agree and continue")
    kim.presses("Northlight Power")
    kim.presses("Sign in", username="robin@sample.example", password="bright-light-7")
    assert kim.view() == "progress", kim.sees()
    kim.presses("Leave, and let it finish")
    assert led_to(kim).params["status"] == "in_progress"
    deck.goes_on()
    assert tidepool.reads(f"/connect/sessions/{invited['session_id']}")["status"] == "connected"


def test_people_without_a_page_here_are_not_told_of_one(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites())
    assert "disconnect at any time by asking Tidepool Savings" in kim.sees()
    connects(kim, deck)
    assert kim.view() == "outcome" and "My connections" not in kim.page.text
