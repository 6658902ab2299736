"""An account is deleted while Deck is away, forgets, or has sign-ins that nobody knows about."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

import tests.test_closing as stories
from tests.deck.line import Line
from tests.deck.once import dies, intents
from tests.people import Deck, Visitor
from tests.test_closing import CREATE, EMAIL, Later, deletes_the_account, kept_at_deck, minutes_pass, rows
from webapp.db import db
from webapp.models import Connection

connected, asked = stories.connected, stories.asked


# --- when Deck is away -------------------------------------------------------------------------------------------


def test_deck_may_be_away_for_days(app: Flask, asked: Visitor, deck: Deck, line: Line, later: Later) -> None:
    line.trouble(".*", "fails", times=100_000)
    deletes_the_account(asked)
    minutes_pass(deck, later)
    for _ in range(3):
        later(days=1)
        minutes_pass(deck, later, minutes=2)
    assert rows(app)["connection"] == 2, "nothing goes before Deck has confirmed"
    assert len(kept_at_deck(deck)) == 2
    line.troubles.clear()
    later(minutes=6)
    minutes_pass(deck, later)
    assert (rows(app), kept_at_deck(deck)) == ({}, [])


def test_deck_that_says_deleted_and_keeps_it_is_told_again(
    app: Flask, connected: Visitor, deck: Deck, later: Later
) -> None:
    """It is what a GET says that counts."""
    deletes_the_account(connected)
    deck.our_watchdog_looks()
    (credential,) = deck.objects("credentials")
    assert credential["status"] == "deleted"
    credential["status"] = "verified"
    later(minutes=3)
    deck.our_watchdog_looks()
    assert rows(app)["connection"] == 1
    minutes_pass(deck, later)
    assert (rows(app), kept_at_deck(deck)) == ({}, [])


def test_a_credential_deck_has_never_heard_of_holds_up_nothing(
    app: Flask, connected: Visitor, deck: Deck, later: Later
) -> None:
    deck.world.stores["credentials"].clear()
    deletes_the_account(connected)
    minutes_pass(deck, later)
    assert rows(app) == {}


def test_one_sign_in_deck_cannot_tell_about_holds_up_nobody_else(
    app: Flask, connected: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    sam = Visitor(app)
    sam.signs_up("sam@sample.example")
    sam.signs_in_at("Northlight Power", EMAIL, "bright-light-7")
    deck.goes_on()
    first = deck.objects("credentials")[0]["id"]
    line.trouble(f"GET /v2/credentials/{first}", "fails", times=100_000)
    for visitor in (connected, sam):
        deletes_the_account(visitor)
    minutes_pass(deck, later)
    assert rows(app)["person"] == 1
    line.troubles.clear()
    minutes_pass(deck, later)
    assert rows(app) == {}


# --- sign-ins nobody knows about -----------------------------------------------------------------------------------


def test_a_sign_in_on_its_way_is_found_and_destroyed(
    app: Flask, robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    line.trouble(CREATE, "we die after")
    dies(lambda: robin.signs_in_at("Northlight Power", EMAIL, "bright-light-7"))
    assert intents(app) == [("credential.store", "pending")]
    deletes_the_account(robin)
    deck.our_watchdog_looks()
    assert len(kept_at_deck(deck)) == 1
    with app.app_context():
        assert db.session.scalars(select(Connection.status)).all() == ["new"], "whether Deck has it is not known yet"
    minutes_pass(deck, later)
    assert (rows(app), kept_at_deck(deck)) == ({}, [])


def test_a_sign_in_that_turns_up_late_is_destroyed_too(
    app: Flask, robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    """Deck did not list it when we first asked."""
    line.trouble(CREATE, "answer is lost")
    line.trouble("GET /v2/credentials", "fails")
    robin.signs_in_at("Northlight Power", EMAIL, "bright-light-7")
    assert robin.page.status_code == 502
    hidden = dict(deck.world.stores["credentials"])
    deck.world.stores["credentials"].clear()
    later(seconds=10)
    deck.our_worker_works()
    assert intents(app) == [("credential.forget", "lost")]
    deck.world.stores["credentials"].update(hidden)
    deletes_the_account(robin)
    minutes_pass(deck, later, minutes=6)
    assert (rows(app), kept_at_deck(deck)) == ({}, [])
