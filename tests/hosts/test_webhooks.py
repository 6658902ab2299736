"""A company is told what happens to its people's connections."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import select

from tests.companies import (
    BANK,
    CARD,
    CODE,
    PASSWORD,
    Receiver,
    Server,
    connects,
    follows,
    revokes_the_key,
    the_post_goes,
)
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.hosts.events import TYPES
from webapp.models import Connection, HostEvent

Later = Callable[..., None]


# --- what is told ------------------------------------------------------------------------------------------------


def test_a_company_hears_how_kim_connects_a_bank(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, secret: str
) -> None:
    invited = tidepool.invites(tags={"plan": "plus"})
    follows(kim, invited)
    connects(kim, deck)
    the_post_goes(deck)
    told = receiver.verified(secret)
    assert [message["type"] for message in told] == [
        "connection.created",
        "run.completed",
        "connect.session.finished",
        "connection.verified",
    ]
    finished = told[2]["data"]
    (connection,) = tidepool.reads("/connections")["data"]
    assert finished["session_id"] == invited["session_id"]
    assert finished["connection_id"] == connection["connection_id"]
    assert (finished["status"], finished["client_user_id"], finished["tags"]) == (
        "connected",
        "user-7",
        {"plan": "plus"},
    )
    assert finished["error"] is None and finished["run_id"].startswith("run_")
    everything = b" ".join(body for _, body in receiver.got).decode()
    for typed in (CARD, PASSWORD, CODE, "2841"):
        assert typed not in everything
    assert [message["id"] for message in told] == [headers["webhook-id"] for headers, _ in receiver.got]


def test_a_failure_is_told_with_what_went_wrong(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, secret: str
) -> None:
    follows(kim, tidepool.invites(source_id="maple-and-main"))
    kim.presses("Agree and continue")
    kim.presses("Sign in", username=CARD, password="wrong-password-1")
    deck.goes_on()
    the_post_goes(deck)
    failed = next(message["data"] for message in receiver.told if message["type"] == "run.failed")
    assert failed["error"] == {"error_type": "CREDENTIALS_ERROR", "error_code": "auth_invalid"}
    assert "connect.session.finished" not in receiver.types()  # Kim can type again
    kim.looks_again()
    leave = kim.page.url.path + "/leave"
    kim.posts(leave)
    the_post_goes(deck)
    (finished,) = [m["data"] for m in receiver.told if m["type"] == "connect.session.finished"]
    assert finished["status"] == "requires_credentials"


def test_a_connection_breaks_is_repaired_and_ends(
    app: Flask, tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, secret: str
) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    with app.app_context(), writing():
        db.session.scalars(select(Connection)).one().become("invalid")
    with app.app_context(), writing():
        db.session.scalars(select(Connection)).one().become("verified")
    (connection,) = tidepool.reads("/connections")["data"]
    tidepool.asks("POST", f"/connections/{connection['connection_id']}/disconnect")
    the_post_goes(deck)
    assert receiver.types()[-3:] == [
        "connection.reconnect_required",
        "connection.repaired",
        "connection.disconnected",
    ]


def test_a_visit_finishes_once(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    invited = tidepool.invites()
    follows(kim, invited)
    connects(kim, deck)
    tidepool.asks("POST", f"/connect/sessions/{invited['session_id']}/expire")
    later(hours=2)
    deck.our_watchdog_looks()
    the_post_goes(deck)
    assert receiver.types().count("connect.session.finished") == 1
    assert "connect.session.abandoned" not in receiver.types()


def test_a_link_nobody_opens_is_known_as_abandoned(
    tidepool: Server, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    invited = tidepool.invites()
    later(minutes=29)
    deck.our_watchdog_looks()
    the_post_goes(deck)
    assert receiver.types() == []
    for _ in range(3):
        later(minutes=2)
        deck.our_watchdog_looks()
    the_post_goes(deck)
    (told,) = receiver.told
    assert (told["type"], told["data"]["status"]) == ("connect.session.abandoned", "token_expired")
    assert told["data"]["session_id"] == invited["session_id"]


def test_a_link_that_ran_out_with_its_key_is_told_like_any_other(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    invited = tidepool.invites(hosted={"lifetime_seconds": 7 * 86_400})
    revokes_the_key(app, tidepool)
    for _ in range(3):
        later(minutes=2)
        deck.our_watchdog_looks()
    the_post_goes(deck)
    (told,) = receiver.told
    assert (told["type"], told["data"]["status"]) == ("connect.session.abandoned", "token_expired")
    assert told["data"]["session_id"] == invited["session_id"]


def test_a_visit_that_goes_quiet_is_known_after_a_quarter_of_an_hour(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    follows(kim, tidepool.invites())
    kim.presses("Agree and continue")
    later(minutes=10)
    kim.looks_again()
    later(minutes=10)
    deck.our_watchdog_looks()
    the_post_goes(deck)
    assert receiver.types() == []
    later(minutes=6)
    deck.our_watchdog_looks()
    the_post_goes(deck)
    (told,) = receiver.told
    assert (told["type"], told["data"]["status"]) == ("connect.session.abandoned", "requires_source_selection")


def test_a_run_that_goes_on_by_itself_is_not_abandoned(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    follows(kim, tidepool.invites(source_id="maple-and-main"))
    kim.presses("Agree and continue")
    kim.presses("Sign in", username=CARD, password=PASSWORD)
    later(minutes=20)
    deck.our_watchdog_looks()
    the_post_goes(deck)
    assert receiver.types() == ["connection.created"]


def test_nobody_is_told_about_people_without_a_company(app: Flask, robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    with app.app_context():
        assert db.session.scalars(select(HostEvent)).all() == []


def test_without_an_endpoint_events_are_kept_to_be_asked_for(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    assert {event["type"] for event in tidepool.reads("/events")["data"]} <= set(TYPES)
    assert tidepool.reads("/deliveries") | {"request_id": ""} == {
        "data": [],
        "has_more": False,
        "endpoint": None,
        "request_id": "",
    }
