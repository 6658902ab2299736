"""One of everything, in the end: what the stories about lost answers and sudden deaths have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from tests.databases import kept_in
from tests.deck.line import PowerCut
from tests.people import Deck, Visitor
from webapp.db import db
from webapp.models import Connection, Intent, Run

BANK, CARD, PASSWORD, CODE = "Maple & Main Bank", "4500123412341234", "maple-leaf-9", "246810"
Later = Callable[..., None]


def intents(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        return [(i.kind, i.state) for i in db.session.scalars(select(Intent).order_by(Intent.id))]


def happened(deck: Deck, type: str) -> int:
    return sum(event["type"] == type for event in deck.objects("events"))


def everything_went_well(robin: Visitor, deck: Deck, later: Later) -> None:
    """From wherever it stands: the code is given if it is asked for, and in the end there is one of everything."""
    deck.our_worker_works()
    if looks(robin) == "input":
        robin.presses("Start")
    if robin.view() == "progress":
        deck.goes_on()
    if looks(robin) == "interaction":
        robin.presses("Continue", f0=CODE)
        deck.goes_on()
    later(minutes=2)
    deck.our_worker_works()
    assert looks(robin) == "outcome"
    assert f"{BANK} is connected" in robin.sees()
    live = [c for c in deck.objects("credentials") if c["status"] != "deleted"]
    assert len(live) == len(deck.objects("task_runs")) == 1
    with deck.app.app_context():
        assert db.session.scalars(select(Connection.deck_id)).all() == [live[0]["id"]]
        assert db.session.scalars(select(Run.deck_id)).all() == [deck.objects("task_runs")[0]["id"]]
        assert "pending" not in db.session.scalars(select(Intent.state)).all()


def looks(robin: Visitor) -> str:
    """The screen of the visit that the present page belongs to."""
    robin.opens("/".join(robin.page.url.path.split("/")[:3]))
    return robin.view()


def dies(act: Callable[[], object]) -> None:
    with pytest.raises(PowerCut):
        act()


def assert_nothing_secret_is_kept(database_url: str) -> None:
    """Not in the database, not in its log, not in what it has forgotten but not overwritten."""
    for place, kept in kept_in(database_url):
        assert PASSWORD.encode() not in kept and CODE.encode() not in kept and CARD.encode() not in kept, place
