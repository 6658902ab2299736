"""Several of us at once: old code beside new, four workers, many more people than usual, a log nobody reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import TimeoutError

import tests.test_logs as log_stories
import tests.test_migrations as migration_stories
import tests.test_upgrades as upgrade_stories
from tests.conftest import settings
from tests.deck.line import Line
from tests.deck.once import CODE, Later, happened, intents, looks
from tests.people import Deck, Visitor
from tests.test_webhooks import Knocker, event
from webapp import create_app
from webapp.db import db
from webapp.models import Chore
from webapp.ops.crowd import PAGES_AT_ONCE
from webapp.twin.world import World
from webapp.worker import Worker

POWER = ("Northlight Power", "robin@sample.example", "bright-light-7")

empty, on_postgres = migration_stories.empty, migration_stories.on_postgres
old, at_deck = upgrade_stories.old, upgrade_stories.at_deck


def test_r34_old_code_goes_on_beside_the_new_schema(empty: Flask, old: str, at_deck: upgrade_stories.AtDeck) -> None:
    """What else an upgrade must keep is told in `tests/test_upgrades.py`."""
    upgrade_stories.test_code_that_only_knows_the_old_columns_still_writes(empty, old, at_deck)


def test_r36_a_crowd_is_told_to_wait_and_whoever_is_in_the_middle_goes_on(
    asked: Visitor, app: Flask, deck: Deck
) -> None:
    statuses, waits = [], set()
    for i in range(30):
        stranger = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost")
        typed = {"email": f"crowd{i}@sample.example", "password": "correct horse battery"}
        answer = stranger.post("/sign-up", data=typed, headers={"Sec-Fetch-Site": "same-origin"})
        statuses.append(answer.status_code)
        waits.add(answer.headers.get("Retry-After", ""))
    assert statuses.count(429) >= 10 and set(statuses) == {303, 429}
    assert all(int(wait) > 0 for wait in waits - {""})
    asked.presses("Continue", f0=CODE)
    deck.goes_on()
    assert looks(asked) == "outcome"


def test_r36_pages_are_refused_before_forms_and_before_everybody_waits(
    asked: Visitor, app: Flask, deck: Deck, door: Knocker
) -> None:
    crowd = app.extensions["gangway.crowd"]
    assert crowd.inside == 0, "everybody who came has gone again"
    crowd.inside = PAGES_AT_ONCE
    refused = asked.presses("Continue", f0=CODE)  # the answer is taken, the page it leads to is not shown
    assert refused.status_code == 503 and "Nothing was lost" in asked.sees()
    assert 1 <= int(refused.headers["Retry-After"]) <= 4
    assert door.delivers(event()) == 204, "Deck is always let in"
    crowd.inside = 0
    deck.goes_on()
    assert looks(asked) == "outcome", "an answer was taken in the middle of the crowd"
    assert crowd.inside == 0


def test_r36_when_every_connection_to_the_database_is_taken_it_is_busy_and_says_so(
    robin: Visitor, app: Flask, door: Knocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        pool = db.engine.pool
        monkeypatch.setattr(pool, "_timeout", 0.01)
        held = []
        with contextlib.suppress(TimeoutError):
            while len(held) < 100:
                held.append(db.engine.connect())
    try:
        robin.opens("/connections")
        assert robin.page.status_code == 503
        assert int(robin.page.headers["Retry-After"]) > 0
        assert door.delivers(event()) == 503, "Deck tries again"
    finally:
        for connection in held:
            connection.close()
    assert robin.opens("/connections").status_code == 200


@pytest.fixture
def four(app: Flask, world: World, database_url: str, redis_url: str) -> Iterator[list[Worker]]:
    """Four processes' workers on one database."""
    apps = [create_app(settings(database_url, redis_url=redis_url)) for _ in range(4)]
    for one in apps:
        one.extensions["test.deliverer"] = app.extensions["test.deliverer"]
        Line(one, world)
    yield [Worker(one) for one in apps]
    for one in apps:
        one.extensions["gangway"].bus.close()
        with one.app_context():
            db.engine.dispose()


def test_r38_four_workers_at_once_do_everything_once(
    robin: Visitor, deck: Deck, line: Line, four: list[Worker], later: Later
) -> None:
    line.trouble("POST /v2/tasks/.*/run", "answer is lost", times=1_000)
    kim = Visitor(deck.app)
    kim.signs_up("kim@sample.example")
    for somebody in (robin, robin, robin, kim, kim):
        somebody.signs_in_at(*POWER)
    deck.losing_webhooks = True
    later(minutes=6)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            list(pool.map(lambda worker: worker.step(), four))
        deck.lets_pass(minutes=1)
        later(minutes=1)
        for _ in range(4):
            list(pool.map(lambda worker: worker.step(), four))
    assert happened(deck, "task_run.queued") == 5
    assert [state for kind, state in intents(deck.app) if kind == "run.start"] == ["done"] * 5
    looks(robin)
    assert "Northlight Power is connected" in robin.sees()
    with deck.app.app_context():
        assert all(chore.done_at is not None for chore in db.session.scalars(select(Chore)))
    looked = [call for worker in four for call in calls_of(worker) if call == "GET /v2/event-destinations"]
    assert len(looked) <= 2, "once each time it was due, and not by all four"


def calls_of(worker: Worker) -> list[str]:
    line: Line = worker.app.extensions["gangway"].deck._http._transport
    return line.calls


def test_r41_a_log_nobody_reads_stops_nobody() -> None:
    log_stories.test_a_reader_that_stands_still_stops_nobody_and_what_it_misses_is_counted()


@pytest.mark.parametrize("broken", ["/dev/full", "closed"])
def test_r41_a_log_that_cannot_be_written_stops_nobody(broken: str) -> None:
    log_stories.test_a_full_disk_stops_nobody(broken)
