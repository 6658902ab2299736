"""Deck's events: what came, what waits, what nobody could act on."""

from __future__ import annotations

from flask import Flask

from tests.companies import BANK, CARD, PASSWORD
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.models import Chore, Event, Run


def test_events_lead_to_what_they_are_about(robin: Visitor, deck: Deck, app: Flask, agent: Visitor) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    with app.app_context():
        run = db.session.query(Run).one()
        ref, deck_id = run.ref, run.deck_id
    agent.opens(f"/support/inbox?subject={deck_id}")
    assert f"/support/runs/{ref}" in agent.page.text and "task_run.interaction_required" in agent.sees()
    assert "handled" in agent.sees() and "nothing" in agent.sees(), "and nothing waits"


def test_what_waits_and_what_was_parked_is_told_apart(app: Flask, agent: Visitor, lead: Visitor) -> None:
    with app.app_context(), writing():
        for n, (type, parked) in enumerate([("task_run.running", ""), ("", "unreadable"), ("x.y", "unknown")]):
            Event.record(deck_id=f"e{n}", webhook_id=f"w{n}", type=type, subject=f"s{n}", body=b"{}", parked=parked)
        Chore.named("destination").problem = "the event destination was switched off"
    agent.opens("/support/inbox")
    assert "1, the oldest came" in agent.sees() and "the event destination was switched off" in agent.sees()
    assert "Replay events" not in agent.sees(), "that is for leads"
    assert "Replay events" in lead.opens("/support/inbox").text
    for query, kept in (("state=waiting", "s0"), ("state=parked", "s1"), ("parked=unknown", "s2"), ("type=x.y", "s2")):
        agent.opens(f"/support/inbox?{query}")
        rows = agent.page.text.partition("<tbody>")[2]
        assert kept in rows, query
    assert "s1" not in rows


def test_an_empty_inbox_says_what_comes_here(agent: Visitor) -> None:
    agent.opens("/support/inbox")
    assert "Every event Deck sends is kept here" in agent.sees()
