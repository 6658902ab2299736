"""Whoever sees an error page can read out a code, and the code leads support to the exact place."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from limits import parse
from sqlalchemy.exc import OperationalError

from tests.companies import follows, founded
from tests.people import Deck, Visitor
from webapp import errors
from webapp.db import db
from webapp.deck import DeckDown
from webapp.models import ErrorReport

CODE = re.compile(r"Reference ([A-Z]{2}-\d{4}) if you ask for help")


def too_late(robin: Visitor) -> None:
    """Robin wants another source while the site is already being asked."""
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    robin.posts(f"{robin.page.url.path}/other")
    assert robin.page.status_code == 409


def code_on(visitor: Visitor) -> str:
    found = CODE.search(visitor.sees())
    return found[1] if found else ""


def reports(app: Flask) -> list[ErrorReport]:
    with app.app_context():
        return list(db.session.scalars(db.select(ErrorReport)))


def test_the_code_on_an_error_page_leads_support_to_the_exact_place(robin: Visitor, agent: Visitor, app: Flask) -> None:
    too_late(robin)
    (report,) = reports(app)
    assert code_on(robin) == report.support_code
    assert (report.status, report.page) == (409, "connect.other_source")
    assert report.connect_session_id

    agent.opens(f"/support/search?q={report.support_code.lower().replace('-', '')}")
    assert agent.page.url.path.startswith("/support/connections/")
    assert "Saw an error page (409)" in agent.sees()
    assert report.support_code in agent.sees()


def test_when_deck_is_away_the_page_has_a_code_and_support_sees_decks_request(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    robin.opens("/connections")
    robin.presses("Northlight Power")

    def away(*args: Any, **more: Any) -> None:
        raise DeckDown("no answer", request_id="req_42away")

    monkeypatch.setattr("webapp.connections.disconnect", away)
    robin.posts(f"{robin.page.url.path}/disconnect")
    assert robin.page.status_code == 502
    assert "req_42away" not in robin.sees()
    agent.opens(f"/support/search?q={code_on(robin)}")
    assert agent.page.url.path.startswith("/support/people/")
    assert "req_42away" in agent.sees()


def test_strangers_and_plain_missing_pages_leave_nothing(robin: Visitor, app: Flask) -> None:
    robin.opens("/connections/kR3vQ0sZp1xw8A2c")
    assert robin.page.status_code == 404
    stranger = Visitor(app)
    stranger.opens("/connect/kR3vQ0sZp1xw8A2c")
    assert reports(app) == []


def test_somebody_a_host_sent_gets_a_code_too(app: Flask) -> None:
    invited = founded(app).invites()
    visitor = Visitor(app)
    follows(visitor, invited)
    visitor.presses("Agree and continue")
    visitor.presses("Maple & Main Bank")
    visitor.presses("Sign in", username="4500123412341234", password="maple-leaf-9")
    visitor.posts(f"{visitor.page.url.path}/other")
    assert visitor.page.status_code == 409
    assert code_on(visitor) == reports(app)[0].support_code


def test_without_a_database_the_page_still_appears(robin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*ids: int) -> None:
        raise OperationalError("BEGIN", None, Exception("away"))

    monkeypatch.setattr(errors, "writing", away)
    too_late(robin)
    assert "That was already answered" in robin.sees()
    assert code_on(robin) == ""


def test_one_person_cannot_fill_the_table(robin: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "ERRORS_PER_PERSON", parse("3/hour"))
    too_late(robin)
    for _ in range(5):
        robin.posts(f"{robin.page.url.path.removesuffix('/other')}/other")
    assert robin.page.status_code == 409
    assert "already answered" in robin.sees()
    assert len(reports(app)) == 3
