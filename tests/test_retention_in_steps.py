"""What is past its time goes in small steps that may end anywhere, each by an index, while people notice nothing."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import event, func, select

import tests.test_retention as stories
import webapp.retention
from tests.people import Deck, Visitor
from tests.plans import plan_of
from tests.test_retention import House, Later, ago
from webapp.db import db, now, writing
from webapp.models import (
    Chore,
    Connection,
    Event,
)
from webapp.retention import KINDS, PURGE, purge

house = stories.house


# --- in the product ----------------------------------------------------------------------------------------------


def test_the_worker_does_it_and_people_notice_nothing(app: Flask, robin: Visitor, deck: Deck, later: Later) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Event))
        ref = db.session.scalars(select(Connection.ref)).one()
    later(days=800)
    deck.our_watchdog_looks()
    with app.app_context():
        assert db.session.scalars(select(Event).where(Event.received_at < ago(days=35))).all() == []
        assert db.session.get_one(Chore, PURGE).problem == ""
    robin.opens("/sign-in")
    robin.presses("Sign in", email="robin@sample.example", password="correct horse battery")
    robin.opens(f"/connections/{ref}")
    assert "Balance" in robin.sees() and "bill-2026-10.txt" in robin.sees()


# --- in small steps ----------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webapp.retention, "BATCH", 3)


class PowerCut(BaseException):
    pass


def test_killed_between_any_two_batches_it_goes_on(house: House, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        house.event(40 + number)
    commit, deaths = db.session.commit, 0

    def dies_after() -> None:
        commit()
        raise PowerCut

    while house.count(Event):
        before = house.count(Event)
        with monkeypatch.context() as patch, house.app.app_context():
            with writing():
                chore = db.session.get(Chore, PURGE) or Chore(name=PURGE, state={})
                db.session.add(chore)
            patch.setattr(db.session, "commit", dies_after)
            with pytest.raises(PowerCut):
                purge(chore)
            db.session.remove()
        assert house.count(Event) == max(0, before - 3)
        deaths += 1
    assert deaths == 4


def test_what_is_kept_does_not_hide_what_comes_after_it(house: House, small: None) -> None:
    """More rows that stay than fit into a batch, and one behind them that goes."""
    for number in range(7):
        house.run(house.connection(), 300 - number)
    old = house.run(connection := house.connection(), 200)
    house.run(connection, 1)
    house.purges()
    assert old not in house.with_result() and len(house.with_result()) == 8


def test_a_pass_that_ends_early_goes_on_where_it_was(
    house: House, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webapp.retention, "MOST_BATCHES", 1)
    for number in range(6):
        house.run(house.connection(), 300 - number)
    house.run(connection := house.connection(), 200)
    house.run(connection, 1)
    for _ in range(2):
        house.purges()
        assert len(house.with_result()) == 8, "so far only what stays was looked at"
    house.purges()
    assert len(house.with_result()) == 7


def test_what_one_pass_could_not_do_is_done_at_once(
    house: House, small: None, deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webapp.retention, "MOST_BATCHES", 1)
    for number in range(10):
        house.event(40 + number)
    for left in (7, 4, 1, 0):
        deck.our_watchdog_looks()
        assert house.count(Event) == left
    with house.app.app_context():
        chore = db.session.get_one(Chore, PURGE)
        assert chore.due_at > now() and "goes_on" not in chore.state


def test_rows_of_the_same_moment_are_all_seen(house: House, small: None) -> None:
    when = ago(days=50)
    for _ in range(10):
        house.event(50, received_at=when)
    house.purges()
    assert house.count(Event) == 0


def test_a_thousand_rows_take_a_handful_of_statements_each_by_an_index(house: House) -> None:
    came = ago(days=50)
    with house.app.app_context(), writing():
        names = [f"evt_{number}" for number in range(1_000)]
        rows = [{"deck_id": n, "webhook_id": n, "body": b"{}", "received_at": came, "handled_at": came} for n in names]
        db.session.execute(Event.__table__.insert(), [{**row, "type": "", "subject": "", "parked": ""} for row in rows])
    statements: list[str] = []
    with house.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note := lambda *args: statements.append(args[2]))
    house.purges()
    event.remove(engine, "before_cursor_execute", note)
    assert house.count(Event) == 0
    about_events = [s for s in statements if re.match(r"(SELECT|DELETE|UPDATE).*\bevent\b", s, re.DOTALL)]
    assert len(about_events) == 11, "five batches, each looked up and deleted, and a look that finds nothing"


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.what)
def test_each_kind_is_looked_up_by_an_index(app: Flask, kind: webapp.retention.Kind) -> None:
    with app.app_context():
        steps = plan_of(webapp.retention.looked_at(kind, kind.past, [now().isoformat(), 1]))
    assert not [step for step in steps if step.startswith("SCAN") and "INDEX" not in step], steps
    searched = kind.since.class_.__tablename__
    index = rf"(ix_{searched}\w*{kind.since.key}|sqlite_autoindex_{searched}_1 \({kind.since.key})"
    assert any(re.match(rf"SEARCH {searched} USING .*INDEX {index}", s) for s in steps), steps
