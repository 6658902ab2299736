"""One timeline: what the person, the source, Deck, we, the host and staff did, in order, and never what was typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from tests.companies import follows, founded, listens, receiving
from tests.people import Deck, Visitor
from webapp.db import db, now, writing
from webapp.models import Connection, ConnectSession, ErrorReport, Run, StaffNote
from webapp.models.staff import Staff
from webapp.support import timeline
from webapp.support.case import connection_by_ref, known_of
from webapp.support.timeline import Entry, Timeline


@contextmanager
def desk(app: Flask) -> Iterator[Connection]:
    """The newest connection as a page of the dashboard loads it."""
    with app.test_request_context("/support"):
        ref = db.session.scalar(db.select(Connection.ref).order_by(Connection.id.desc()).limit(1))
        found = connection_by_ref(ref or "")
        assert found is not None
        yield found


def told(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.who, entry.words) for entry in reversed(entries)]


def goes_through(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0="246810")
    deck.goes_on()


def test_every_side_is_told_in_the_order_it_happened(robin: Visitor, deck: Deck, app: Flask) -> None:
    goes_through(robin, deck)
    with desk(app) as connection:
        entries = timeline.of_connection(connection).entries
    story = told(entries)
    wanted = [
        ("person", "Opened the flow"),
        ("person", "Chose the source"),
        ("person", "Typed their sign-in"),
        ("us", "Asked Deck to start a run"),
        ("source", "Run: reading"),
        ("source", "Asked for a code"),
        ("person", "Answered"),
        ("us", "Passed the answer on to Deck"),
        ("source", "Run: done"),
        ("person", "Was told that it worked"),
    ]
    rest = iter(story)
    assert all(step in rest for step in wanted), story
    assert ("us", "Handed the sign-in to Deck") in story
    assert ("Deck", "Told us task_run.completed") in story
    assert all(entry.codes for entry in entries if entry.id.startswith(("write-", "event-"))), "ids stand beside"
    assert "246810" not in str(entries)
    assert "4821" not in str(entries), "what the site said may hold a phone number"


def test_a_company_sees_its_deliveries_there(deck: Deck, app: Flask) -> None:
    server = founded(app)
    with receiving() as receiver:
        listens(app, receiver.url)
        kim = Visitor(app)
        follows(kim, server.invites())
        kim.presses("Agree and continue")
        kim.presses("Northlight Power")
        kim.presses("Sign in", username="robin@sample.example", password="bright-light-7")
        deck.goes_on()
        while deck.worker.courier.deliver():
            pass
    with desk(app) as connection:
        entries = [entry for entry in timeline.of_connection(connection).entries if entry.who == "host"]
        mine = timeline.of_run(db.session.scalars(db.select(Run)).one()).entries
    assert {"Is told connection.verified", "Is told run.completed"} <= {entry.words for entry in entries}
    assert {entry.detail for entry in entries} == {"delivered at the first try"}
    assert "Is told run.completed" in {entry.words for entry in mine}


def test_what_staff_did_and_error_pages_are_in_it(robin: Visitor, agent: Visitor, deck: Deck, app: Flask) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    robin.posts(f"{robin.page.url.path}/other")
    with desk(app) as connection:
        path = f"/support/connections/{connection.ref}"
    agent.posts(f"{path}/notes", {"text": "Called at nine."})
    with desk(app) as connection:
        story = told(timeline.of_connection(connection).entries)
    assert ("staff", "Agent: note") in story
    assert ("person", "Saw an error page (409)") in story


def test_older_pages_join_without_a_gap_and_nothing_twice(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_through(robin, deck)
    with desk(app) as connection:
        path, whole = f"/support/connections/{connection.ref}", timeline.of_connection(connection).entries
    monkeypatch.setattr(timeline, "MOST", 7)
    seen: list[str] = []
    agent.opens(path)
    while True:
        seen += re.findall(r'<li class="entry [^"]*" id="([^"]+)"', agent.page.text)
        if 'rel="next"' not in agent.page.text:
            break
        agent.presses("Older")
    assert seen == [entry.id for entry in whole]


@pytest.mark.parametrize("key", ["x", "~", "2026-01-01~a", "2026-01-01T00:00:00Z~", "2026-13-01T00:00:00Z~a", "\0"])
def test_a_key_we_never_gave_out_is_refused(robin: Visitor, agent: Visitor, app: Flask, key: str) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    with desk(app) as connection:
        path = f"/support/connections/{connection.ref}"
    agent.page = agent.http.get(path, params={"before": key})
    assert agent.page.status_code == 400


def test_a_busy_connection_takes_as_many_queries_as_a_quiet_one(robin: Visitor, deck: Deck, app: Flask) -> None:
    goes_through(robin, deck)
    quiet = queries_of_its_page(app)
    with app.app_context(), writing():
        fill(db.session.scalars(db.select(Connection)).one())
    with desk(app) as connection:
        busy: Timeline = timeline.of_connection(connection)
    assert len(busy.entries) == timeline.MOST
    assert busy.older
    assert queries_of_its_page(app) == quiet <= 30


def queries_of_its_page(app: Flask) -> int:
    with desk(app) as connection:
        count = 0

        def note(*args: Any) -> None:
            nonlocal count
            count += 1

        event.listen(db.engine, "before_cursor_execute", note)
        known_of(connection, role="lead")
        event.remove(db.engine, "before_cursor_execute", note)
    return count


def fill(connection: Connection) -> None:
    """Months of it."""
    somebody = Staff(email="lead@desk.example", role="lead", name="Lead")
    db.session.add(somebody)
    db.session.flush()
    like = db.session.scalars(db.select(Run)).one()
    for i in range(150):
        visit = ConnectSession(person_id=connection.person_id, task_id=like.task_id, connection=connection)
        db.session.add(visit)
        db.session.flush()
        about = {"connect_session": visit, "connection": connection, "source_id": like.source_id}
        run = Run(**about, task_id=like.task_id, deck_id=f"run_{i}", status="completed", ended_at=now())
        note = StaffNote(connection_id=connection.id, staff_id=somebody.id, text="Again", at=now() - timedelta(days=i))
        error = ErrorReport(
            person_id=connection.person_id, connect_session=visit, status=502, page="connect.show", request_id="r"
        )
        db.session.add_all([run, note, error])


def test_things_of_the_same_moment_read_in_the_order_of_cause() -> None:
    mixed = [Entry(id, now(), "Deck", "") for id in ("asked-1", "event-10", "move-3", "event-9", "write-12", "step-7")]
    moment = mixed[0].at
    read = sorted((replace(entry, at=moment) for entry in mixed), key=timeline.order)
    assert [entry.id for entry in read] == ["step-7", "write-12", "event-9", "event-10", "move-3", "asked-1"]
