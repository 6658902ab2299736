"""The worker does what is due, lets nothing stop it, and never goes back in time."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

import webapp.worker
from tests.deck.line import Line
from tests.people import Deck, Visitor
from tests.plans import plans
from tests.processes import PATIENCE
from webapp.db import db, now, writing
from webapp.deck import Interaction, TaskRun
from webapp.models import Connection, Event, Run
from webapp.worker import Worker

Later = Callable[..., None]


@pytest.fixture
def two_runs(robin: Visitor, deck: Deck, line: Line, later: Later) -> list[str]:
    """Two runs that are over at Deck, of which we have heard nothing; their ids at Deck."""
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.our_worker_works()
    deck.losing_webhooks = True
    deck.lets_pass(minutes=5)
    later(seconds=15)
    return [run["id"] for run in deck.objects("task_runs")]


def statuses(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(Run.status).order_by(Run.id)))


def the_run(app: Flask) -> Run:
    with app.app_context():
        return db.session.scalars(select(Run)).one()


def test_a_run_deck_cannot_tell_about_holds_up_no_other(
    app: Flask, deck: Deck, line: Line, later: Later, two_runs: list[str]
) -> None:
    line.trouble(f"GET /v2/task-runs/{two_runs[0]}", "fails")
    deck.our_worker_works()
    assert statuses(app) == ["queued", "completed"]
    asked = len(line.calls)
    assert deck.worker.do_due() == 0 and len(line.calls) == asked, "not again before a while"
    later(seconds=11)
    deck.our_worker_works()
    assert statuses(app) == ["completed", "completed"]


def test_a_row_that_makes_us_stumble_holds_up_no_other(
    app: Flask, deck: Deck, later: Later, two_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh, stumbles = webapp.worker.refresh_run, [1]

    def stumbling(id: int) -> None:
        if id in stumbles:
            raise ZeroDivisionError
        refresh(id)

    monkeypatch.setattr("webapp.worker.refresh_run", stumbling)
    deck.our_worker_works()
    assert statuses(app) == ["queued", "completed"]
    stumbles.clear()
    later(seconds=11)
    deck.our_worker_works()
    assert statuses(app) == ["completed", "completed"]


def test_several_things_at_once(app: Flask, deck: Deck, two_runs: list[str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert deck.worker.step(pool.map) >= 2
    assert statuses(app) == ["completed", "completed"]


def test_a_run_that_is_over_is_not_due_for_ever(app: Flask, deck: Deck, line: Line, two_runs: list[str]) -> None:
    deck.our_worker_works()
    with app.app_context(), writing():
        db.session.execute(update(Run).values(due_at=now() - timedelta(days=1)))
    asked = len(line.calls)
    deck.our_worker_works()
    assert len(line.calls) == asked
    with app.app_context():
        assert db.session.scalars(select(Run.due_at)).all() == [None, None]


@pytest.mark.sqlite
def test_a_look_for_what_is_due_passes_by_all_that_is_done(app: Flask) -> None:
    """It is taken every second; behind it are hundreds of thousands of rows that are over."""
    with app.app_context(), plans() as steps:
        assert Worker(app).do_due() == 0
    assert steps == [
        "SEARCH intent USING COVERING INDEX ix_intent_state_due_at (state=? AND due_at<?)",
        "SEARCH run USING INDEX ix_run_is_told_due_at (is_told=? AND due_at<?)",
        "SEARCH connection USING INDEX ix_connection_due_at (due_at<?)",
    ]


def test_a_database_that_stumbles_does_not_end_the_worker(
    app: Flask, deck: Deck, two_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> Any:
        raise OperationalError("select", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patch:
        patch.setattr(Run, "claim_due", locked)
        patch.setattr(Event, "waiting", locked)
        deck.our_worker_works()
    assert statuses(app) == ["queued", "queued"]
    deck.our_worker_works()
    assert statuses(app) == ["completed", "completed"]


def test_an_inbox_that_stumbles_keeps_its_events(
    app: Flask, robin: Visitor, deck: Deck, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(ids: list[int]) -> None:
        raise OperationalError("update", {}, Exception("disk I/O error"))

    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    with monkeypatch.context() as patch:
        patch.setattr("webapp.inbox.act_on", stumbles)
        deck.goes_on()
        later(seconds=15)
        deck.our_worker_works()
        assert statuses(app) == ["completed"], "it asks, even if it cannot read what it was told"
    with app.app_context():
        assert Event.waiting(1)
    deck.our_worker_works()
    with app.app_context():
        assert Event.waiting(1) == []


def test_the_worker_wakes_for_the_bell_and_ends_with_the_bus(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.worker.LONGEST_NAP", 10 * PATIENCE)
    steps, stepped = [], threading.Event()
    monkeypatch.setattr(Worker, "do_due", lambda self, map_: steps.append(1) or stepped.set() or 0)
    thread = threading.Thread(target=Worker(app).run_forever, daemon=True)
    thread.start()
    bus = app.extensions["gangway"].bus
    for wanted in (1, 2, 3):
        assert stepped.wait(PATIENCE) and len(steps) == wanted
        stepped.clear()
        bus.ring("work")
    stepped.wait(PATIENCE)
    bus.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_one_event_that_makes_us_stumble_is_parked_and_holds_up_no_other(
    app: Flask, robin: Visitor, deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Event.claim

    def stumbles(ids: list[int]) -> list[Event]:
        if min(db.session.scalars(select(Event.id))) in ids:
            raise ZeroDivisionError
        return claim(ids)

    monkeypatch.setattr(Event, "claim", stumbles)
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    with app.app_context():
        parked = db.session.scalars(select(Event.parked).order_by(Event.id)).all()
    assert parked[0] == "poison" and "poison" not in parked[1:]


# --- events are hints --------------------------------------------------------------------------------------------


def test_an_event_saves_a_look_when_it_tells_enough(app: Flask, robin: Visitor, deck: Deck, line: Line) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.lets_pass(seconds=0)
    assert statuses(app) == ["queued"]
    asked = len(line.calls)
    deck.lets_pass(seconds=1)
    assert statuses(app) == ["running"]
    assert len(line.calls) == asked


def test_late_news_of_an_earlier_state_changes_nothing(app: Flask, robin: Visitor, deck: Deck) -> None:
    """The event was written after the state it tells of had gone: its own time proves nothing."""
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    deck.goes_on()
    assert robin.looks_again() == "interaction"
    before = the_run(app)
    data = f'{{"id": "{before.deck_id}", "status": "running", "updated_at": "2020-01-01T00:00:00Z"}}'
    body = f'{{"id": "evt_late", "data": {data}, "created_at": "2999-01-01T00:00:00Z"}}'.encode()
    with app.app_context(), writing():
        Event.record(deck_id="evt_late", webhook_id="m", type="", subject=before.deck_id or "", body=body)
    deck.our_worker_works()
    assert robin.looks_again() == "interaction"
    assert the_run(app).as_of == before.as_of


@pytest.mark.parametrize("seed", range(4))
def test_events_may_come_in_any_order_and_more_than_once(
    app: Flask, robin: Visitor, deck: Deck, line: Line, seed: int
) -> None:
    robin.signs_in_at("Stillwater Trust", "robin", "runs-deep-6")
    deck.losing_webhooks = True
    deck.lets_pass(minutes=5)
    told = [event for event in deck.objects("events") if event["_subject"] == the_run(app).deck_id] * 2
    random.Random(seed).shuffle(told)
    for i, event in enumerate(told):
        with app.app_context(), writing():
            body = event["_body"].encode()
            names = {"deck_id": f"{event['id']}-{i}", "webhook_id": f"m{i}", "subject": event["_subject"]}
            Event.record(type=event["type"], body=body, **names)
        deck.our_worker_works()
    assert statuses(app) == ["completed"]
    with app.app_context():
        stages = db.session.scalars(select(Run)).one().stages
        assert stages.index("completed") == len(stages) - 1


def test_a_run_never_goes_backwards(app: Flask, robin: Visitor, deck: Deck) -> None:
    """Whatever order its reports come in: the newest wins, and the end is the end."""
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    start = datetime(2030, 1, 1, tzinfo=UTC)
    words = ["queued", "running", "interaction_required", "running", "review_required", "completed"]
    reports = [
        TaskRun("", word, "", start + timedelta(seconds=i), None, (), Interaction("mfa", "?", ()), ())
        for i, word in enumerate(words)
    ]
    orders = random.Random(7).sample(list(itertools.permutations(reports)), 40)
    for order in [reports, reports[::-1], *orders]:
        with app.app_context(), pytest.raises(Undone), writing():
            run, moments = db.session.scalars(select(Run)).one(), []
            for report in order:
                moved = run.move_to(report)
                assert moved == (run.as_of == report.as_of)
                moments.append(run.as_of)
            assert moments == sorted(moments)
            assert (run.status, run.due_at) == ("completed", None)
            asked = [prompt.state for prompt in run.prompts]
            assert "open" not in asked and len(asked) <= 1
            raise Undone


class Undone(Exception):
    """Ends a transaction as if it had never been."""


# --- credentials -------------------------------------------------------------------------------------------------


def test_a_credential_that_stops_working_is_noticed(app: Flask, robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    (credential,) = deck.world.stores["credentials"].values()
    for change, status in ((deck.world.credentials.refuse, "invalid"), (deck.world.credentials.delete, "deleted")):
        with deck.world.lock:
            change(credential)
        deck.lets_pass(seconds=1)
        with app.app_context():
            assert db.session.scalars(select(Connection.status)).all() == [status]


def test_a_credential_deck_knows_nothing_of_is_gone(app: Flask, robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    deck.world.stores["credentials"].clear()
    with app.app_context(), writing():
        db.session.execute(update(Connection).values(due_at=now()))
    deck.our_worker_works()
    with app.app_context():
        gone = db.session.scalars(select(Connection)).one()
        assert (gone.status, gone.due_at) == ("deleted", None)
