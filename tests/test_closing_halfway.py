"""Killed while an account is deleted, or overtaken by something that was on its way: it goes on, and nothing is left."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

import tests.test_closing as stories
import webapp.closing
from tests.deck.line import Line, PowerCut
from tests.deck.once import dies
from tests.people import Deck, Visitor
from tests.test_closing import DELETE, EMAIL, SEE, Later, deletes_the_account, kept_at_deck, minutes_pass, rows
from webapp.db import db
from webapp.models import Event

connected, asked = stories.connected, stories.asked


# --- dying -------------------------------------------------------------------------------------------------------


@pytest.fixture
def power(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """`power(n)`: the process is gone right before or after the n-th write transaction from now on."""
    count, end = itertools.count(), [-1]
    committed = webapp.closing.db.session.commit

    def commit() -> None:
        number = next(count)
        if number == end[0] * 2:
            raise PowerCut
        committed()
        if next(count) == end[0] * 2 + 1:
            raise PowerCut

    def cut(number: int) -> None:
        nonlocal count
        count = itertools.count()
        end[0] = number

    monkeypatch.setattr(db.session, "commit", commit)
    yield cut
    monkeypatch.undo()


def test_killed_at_any_write_it_goes_on(
    app: Flask, asked: Visitor, deck: Deck, later: Later, power: Callable[[int], None]
) -> None:
    """Every pass is cut short, one write later each time; what was begun is finished by the next ones."""
    deletes_the_account(asked)
    deaths = 0
    for number in range(40):
        later(minutes=3)
        power(number % 8)
        try:
            deck.our_watchdog_looks()
        except PowerCut:
            deaths += 1
        power(-1)
        if not rows(app):
            break
    assert deaths > 4
    minutes_pass(deck, later)
    assert (rows(app), kept_at_deck(deck)) == ({}, [])


@pytest.mark.parametrize("fate", ["we die before", "we die after"])
@pytest.mark.parametrize("call", [DELETE, SEE])
def test_killed_in_the_middle_of_a_call_it_goes_on(
    app: Flask, asked: Visitor, deck: Deck, line: Line, later: Later, call: str, fate: str
) -> None:
    deletes_the_account(asked)
    line.trouble(call, fate)  # type: ignore[arg-type]
    dies(lambda: minutes_pass(deck, later))
    minutes_pass(deck, later)
    assert (rows(app), kept_at_deck(deck)) == ({}, [])


# --- latecomers --------------------------------------------------------------------------------------------------


def test_a_webhook_that_comes_late_is_parked(app: Flask, connected: Visitor, deck: Deck, later: Later) -> None:
    credential = deck.objects("credentials")[0]["id"]
    deletes_the_account(connected)
    minutes_pass(deck, later)
    assert rows(app) == {}
    with deck.world.lock:
        deck.world.touch(deck.world.stores["credentials"][credential], status="invalid")
        deck.world.events.emit("credential.invalid", "credentials", deck.world.stores["credentials"][credential])
    deck.lets_pass(seconds=1)
    with app.app_context():
        last = db.session.scalars(select(Event).order_by(Event.id.desc())).first()
        assert last is not None and (last.subject, last.parked) == (credential, "unknown")
    assert rows(app) == {}


def test_requests_under_way_still_find_their_rows(app: Flask, robin: Visitor, deck: Deck, later: Later) -> None:
    deletes_the_account(robin)
    deck.our_watchdog_looks()
    later(minutes=1, seconds=30)
    deck.our_watchdog_looks()
    assert rows(app)["person"] == 1
    later(minutes=1)
    deck.our_watchdog_looks()
    assert rows(app) == {}


def test_a_sign_in_that_was_being_sent_meanwhile_goes_too(
    app: Flask, robin: Visitor, deck: Deck, line: Line, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form was sent just before: its request finishes while the account is closing."""
    robin.picks("Northlight Power")
    other_tab = Visitor(app)
    other_tab.http.cookies = robin.http.cookies
    carry, done = line.handle_request, []

    def meanwhile(request: object) -> object:
        if not done:
            done.append(1)
            deletes_the_account(other_tab)
            deck.our_watchdog_looks()
        return carry(request)  # type: ignore[arg-type]

    monkeypatch.setattr(line, "handle_request", meanwhile)
    robin.presses("Sign in", username=EMAIL, password="bright-light-7")
    assert robin.page.status_code < 500 and done
    minutes_pass(deck, later, minutes=6)
    assert (rows(app), kept_at_deck(deck)) == ({}, [])
