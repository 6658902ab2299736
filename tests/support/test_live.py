"""The agent's page changes by itself, and stops when the agent is gone. Read as a browser would, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.people import Deck, Visitor
from tests.test_live import Tab
from webapp.db import db, now, writing
from webapp.models import Connection, StaffSession
from webapp.support import connections

OFTEN = connections.LOOK_AGAIN


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK_AGAIN", 0.001)


@pytest.fixture
def watched(robin: Visitor, agent: Visitor, app: Flask) -> Iterator[Tab]:
    """The stream of Robin's connection, which the agent has open."""
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    with app.app_context():
        ref = db.session.scalars(db.select(Connection)).one().ref
    agent.opens(f"/support/connections/{ref}")
    tab = Tab(agent)
    yield tab
    tab.close()


def frame(tab: Tab) -> str:
    """The next frame that has something to tell."""
    for text in tab:
        if text.startswith(("data:", "event:")):
            return text
    return ""


def test_the_page_follows_the_person_step_by_step(watched: Tab, robin: Visitor, deck: Deck) -> None:
    assert "In line at Deck" in frame(watched)
    assert next(watched) == ": still here\n\n", "what has not changed is not sent again"
    deck.goes_on()
    assert "Waiting for a code" in frame(watched)
    robin.looks_again()
    robin.presses("Send code", f0="246810")
    assert "Waiting for a code" not in frame(watched).partition("What happened")[0]
    deck.goes_on()
    assert "Done: everything is fine" in frame(watched)


def test_what_rings_no_bell_is_seen_too(watched: Tab, agent: Visitor) -> None:
    frame(watched)
    agent.posts(f"{agent.page.url.path}/notes", {"text": "Called at nine."})
    assert "Called at nine." in frame(watched)


@pytest.mark.parametrize("end", ["ended_at", "idle", "disabled"])
def test_it_ends_with_the_session(watched: Tab, app: Flask, end: str, later: Callable[..., None]) -> None:
    frame(watched)
    if end == "idle":
        later(minutes=16)
    else:
        with app.app_context(), writing():
            session = db.session.scalars(db.select(StaffSession)).one()
            session.ended_at = now() if end == "ended_at" else None
            session.staff.disabled_at = now() if end == "disabled" else None
    assert frame(watched) == "event: over\ndata: \n\n"


def test_the_page_looks_again_within_two_seconds_and_holds_no_connection(watched: Tab, app: Flask) -> None:
    frame(watched)
    assert OFTEN <= 2
    with app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_nobody_else_can_listen(watched: Tab, agent: Visitor, robin: Visitor) -> None:
    assert robin.http.get(f"{agent.page.url.path}/live").status_code in (302, 303)
    assert agent.http.get("/support/connections/kR3vQ0sZp1xw8A2c/live").status_code == 404
