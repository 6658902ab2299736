"""The agent's page changes by itself, and stops when the agent is gone. Read as a browser would, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

import pytest
from flask import Flask

from tests.people import Deck, Visitor
from tests.test_live import Tab
from webapp.db import db, now, writing
from webapp.models import (
    AuditEntry,
    Connection,
    ConnectSession,
    Delivery,
    Endpoint,
    ErrorReport,
    Event,
    Host,
    HostEvent,
    Intent,
    Move,
    Prompt,
    Run,
    StaffSession,
    Task,
    VisitEvent,
)
from webapp.support import connections

OFTEN = connections.LOOK_AGAIN
MANY = 40
"""Newer rows of every kind; with them a page is nearly full."""


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
    robin.presses("Continue", f0="246810")
    assert "Waiting for a code" not in frame(watched).partition("What happened")[0]
    deck.goes_on()
    assert "Done: everything is fine" in frame(watched)


def test_what_rings_no_bell_is_seen_too(watched: Tab, agent: Visitor) -> None:
    frame(watched)
    agent.posts(f"{agent.page.url.path}/notes", {"text": "Called at nine."})
    assert "Called at nine." in frame(watched)


def error_page(it: Connection) -> None:
    db.session.add(ErrorReport(person_id=it.person_id, status=502, page="connect.show", request_id="x"))


def parked_event(it: Connection) -> None:
    Event.record(deck_id="e", webhook_id="w", type="credential.x", subject=str(it.deck_id), body=b"{}", parked="poison")


def unparked_event(it: Connection) -> None:
    db.session.query(Event).filter_by(deck_id="e").one().handle(parked="unreadable")


def act(it: Connection) -> None:
    AuditEntry.append("look_again", object=f"conn_{it.ref}", reason="They called")


def write(it: Connection) -> None:
    db.session.add(Intent(kind="run.cancel", connection=it, form="x"))


def write_again(it: Connection) -> None:
    db.session.query(Intent).filter_by(form="x").one().attempts += 1


def told(it: Connection) -> None:
    host = Host(name="Longwater Savings")
    db.session.add(host)
    db.session.flush()
    it.person.host, it.host_id = host, host.id
    data = {"connection_id": f"conn_{it.ref}"}
    event = HostEvent(host_id=host.id, person_id=it.person_id, type="connection.verified", data=data)
    endpoint = Endpoint(host=host, url="https://hooks.example", sealed_secret="-")
    db.session.add(Delivery(event=event, endpoint=endpoint))


def told_in_vain(it: Connection) -> None:
    the_first_delivery().tries = 3


def delivered(it: Connection) -> None:
    the_first_delivery().state = "delivered"


def the_first_delivery() -> Delivery:
    return db.session.scalars(db.select(Delivery).order_by(Delivery.id).limit(1)).one()


def step(it: Connection) -> None:
    VisitEvent.add(db.session.query(ConnectSession).one().id, "EXIT", {})


def asked_to_be_forgotten(it: Connection) -> None:
    it.person.closing_at = now()


HAPPENS = (
    (error_page, "Saw an error page (502)"),
    (parked_event, "it could not be acted on"),
    (unparked_event, "it could not be read"),
    (act, "They called"),
    (write, "Asked Deck to stop the run"),
    (write_again, "tried"),
    (told, "Is told connection.verified"),
    (told_in_vain, "after 3 tries"),
    (delivered, "delivered"),
    (step, "Left the flow"),
    (asked_to_be_forgotten, "Their account is being deleted"),
)
"""What can happen to a connection without a bell, and what the page says of it. Each goes on from the one before."""


def test_whatever_happens_is_seen_though_the_page_is_drawn_only_then(
    watched: Tab, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    known_of = connections.known_of
    monkeypatch.setattr(connections, "known_of", lambda it, **more: drawn.append(it.ref) or known_of(it, **more))
    frame(watched)
    for number, (happens, words) in enumerate(HAPPENS, 1):
        assert [next(watched) for _ in range(3)] == [": still here\n\n"] * 3
        with app.app_context(), writing():
            happens(db.session.scalars(db.select(Connection)).one())
        assert words in frame(watched), words
        assert len(drawn) == number, f"once for {words}"


def closed(it: Connection) -> None:
    db.session.query(Prompt).one().state = "closed"


def moved(it: Connection) -> None:
    run = db.session.query(Run).order_by(Run.id).first()
    db.session.add(Move(run=run, was="interaction_required", became="canceled", at=now()))


HAPPENS_TO_OLD = (
    (unparked_event, "it could not be read"),
    (write_again, "tried"),
    (told_in_vain, "after 3 tries"),
    (delivered, "delivered"),
    (closed, "went away without an answer"),
    (moved, "Run: stopped"),
)


def test_what_happens_to_the_oldest_row_on_a_full_page_is_seen_as_soon(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "DRAW_AGAIN", inf)
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    deck.goes_on()
    with app.app_context(), writing():
        it = db.session.scalars(db.select(Connection)).one()
        for happens in (parked_event, write, told):
            happens(it)
        db.session.flush()
        for number in range(MANY):
            passes(it, number)
        ref = it.ref
    agent.opens(f"/support/connections/{ref}")
    tab = Tab(agent)
    frame(tab)
    for happens, words in HAPPENS_TO_OLD:
        assert next(tab) == ": still here\n\n"
        with app.app_context(), writing():
            happens(db.session.scalars(db.select(Connection)).one())
        assert words in next(tab) + next(tab), words
    tab.close()


def passes(it: Connection, number: int) -> None:
    """One more of everything that can still change; also at another source, which their host is told of as often."""
    Event.record(deck_id=f"e{number}", webhook_id=f"w{number}", type="x.y", subject=str(it.deck_id), body=b"{}")
    task, source = db.session.query(Task).first(), it.source
    visit = ConnectSession(connection=it, person=it.person, source=source, task=task)
    run = Run(connection=it, connect_session=visit, source=source, task=task, status="completed", ended_at=now())
    db.session.add_all([visit, run, Intent(kind="run.start", connection=it, state="done")])
    for name in (it.ref, "elsewhere"):
        data = {"connection_id": f"conn_{name}"}
        event = HostEvent(host_id=it.host_id, person_id=it.person_id, type="run.completed", data=data)
        endpoint = db.session.query(Endpoint).one()
        db.session.add(Delivery(event=event, endpoint=endpoint, state="delivered", tries=1))


def test_what_depends_on_the_time_is_drawn_anyway(
    watched: Tab, later: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame(watched)
    monkeypatch.setattr(connections, "DRAW_AGAIN", 0.0)
    later(minutes=12)
    assert "longer than usual" in frame(watched)


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
