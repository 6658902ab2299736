"""The database: locked, full, cut off, crossed, restored from yesterday. Nothing is thanked for before it is kept."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event as sa_event
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

import webapp.db
from tests.conftest import settings
from tests.databases import PostgresDatabases, throw_away
from tests.deck.once import BANK, CARD, CODE, PASSWORD, Later, looks
from tests.people import Deck, Visitor
from tests.services import postgres
from tests.test_webhooks import Knocker, event
from webapp import create_app
from webapp.db import changed_one, db, writing
from webapp.models import BrowserSession, Event, Person
from webapp.twin.world import World

POWER = ("Northlight Power", "robin@sample.example", "bright-light-7")
Runs = Callable[[], list[tuple[str, str]]]


# --- power -------------------------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_r16_a_commit_is_on_disk_before_anybody_is_thanked(app: Flask) -> None:
    with app.app_context():
        for writes in (True, False):
            with db.engine.connect().execution_options(writes=writes, until=0.0) as connection:
                assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
                assert connection.execute(text("PRAGMA synchronous")).scalar() == 2, "FULL"


# --- locked ------------------------------------------------------------------------------------------------------


@contextmanager
def somebody_writes(database_url: str) -> Iterator[Callable[[], None]]:
    """Another process that holds SQLite's write lock; what it yields lets go."""
    other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield lambda: other.execute("ROLLBACK") and None
    finally:
        other.close()


@pytest.mark.sqlite
def test_r17_a_short_lock_is_waited_for(robin: Visitor, door: Knocker, database_url: str) -> None:
    with somebody_writes(database_url) as let_go:
        threading.Timer(0.1, let_go).start()
        assert door.delivers(event()) == 204
    assert len(door.kept()) == 1


@pytest.mark.sqlite
def test_r17_a_long_lock_is_a_503_for_all_who_wait_and_none_waits_long(
    robin: Visitor, door: Knocker, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight deliveries at once: the last one hears no later than the first that we cannot keep it."""
    monkeypatch.setattr(webapp.db, "BUSY_MS", 200)
    answers: list[tuple[int, float]] = []

    def knocks(i: int) -> None:
        began = time.monotonic()
        status = door.delivers(event(f"evt_{i}"), webhook_id=f"evt_{i}")
        answers.append((status, time.monotonic() - began))

    with somebody_writes(database_url):
        threads = [threading.Thread(target=knocks, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {status for status, _ in answers} == {503}
        assert max(took for _, took in answers) < 4 * 0.2, "not one after the other: Deck waits five seconds for each"
        robin.posts("/connect/start")
        assert robin.page.status_code == 503
        assert "We are busy for a moment" in robin.page.text and "Traceback" not in robin.page.text
        assert robin.opens("/connections").status_code == 200, "reading goes on"
    assert door.delivers(event()) == 204
    robin.posts("/connect/start")
    assert robin.page.status_code == 200


@pytest.mark.sqlite
def test_r17_whoever_did_not_say_so_cannot_write(app: Flask) -> None:
    """A reader that turns writer would fail at once with BUSY_SNAPSHOT, in production and at random."""
    with app.app_context():
        db.session.scalars(select(Person)).all()
        db.session.add(Person(email="a", password_hash="x"))
        with pytest.raises(OperationalError, match="readonly"):
            db.session.commit()
        db.session.rollback()


# --- full --------------------------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_r18_when_the_disk_is_full_pages_can_be_read_and_nothing_is_thanked_for(
    app: Flask, robin: Visitor, deck: Deck, door: Knocker, later: Later
) -> None:
    robin.signs_in_at(*POWER)
    deck.goes_on()
    assert looks(robin) == "outcome"
    visit = robin.page.url.path
    full = [True]

    def no_more(raw: sqlite3.Connection, *_: object) -> None:
        pages = raw.execute("PRAGMA page_count").fetchone()[0] if full[0] else 1_000_000
        raw.execute(f"PRAGMA max_page_count={pages}")

    with app.app_context():
        sa_event.listen(db.engine, "checkout", no_more)
        db.engine.dispose()
    big = event(x="a" * 100_000)
    assert door.delivers(big) == 503
    assert "We cannot save anything at the moment" in robin.opens(visit).text
    later(minutes=5)  # even noticing that Robin is there takes a write
    for path in ("/connections", visit):
        assert robin.opens(path).status_code == 200, path
    deck.our_worker_works()
    deck.our_watchdog_looks()
    full[0] = False
    assert door.delivers(big) == 204
    assert "evt_1" in [kept.deck_id for kept in door.kept()]
    robin.signs_in_at(*POWER)
    deck.goes_on()
    assert looks(robin) == "outcome", "and nobody had to start us again"
    assert "We cannot save anything" not in robin.page.text


# --- PostgreSQL --------------------------------------------------------------------------------------------------


@pytest.fixture
def on_postgres() -> Iterator[Flask]:
    """The app on PostgreSQL, without a Deck."""
    server = postgres()
    if server is None:
        pytest.skip("no PostgreSQL server")
    with throw_away(PostgresDatabases(server)) as address:
        app = create_app(settings(address))
        with app.app_context():
            from flask_migrate import upgrade

            upgrade()
            with writing():
                db.session.add_all([Person(email=name, password_hash="x") for name in "ab"])
        yield app
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def cut_all(address: str, app: Flask) -> None:
    """As a failover does it: every connection to the app's database is gone."""
    with app.app_context():
        name = db.engine.url.database
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [name],
        )


@pytest.mark.postgres
def test_r18_a_server_that_only_lets_read_is_a_503_and_a_warning(on_postgres: Flask) -> None:
    """As in the minute after a failover to a stand-by."""
    visitor, server = Visitor(on_postgres), postgres() or ""

    def lets_write(yes: bool) -> None:
        with on_postgres.app_context(), psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{db.engine.url.database}" SET default_transaction_read_only = {not yes}')
        cut_all(server, on_postgres)

    lets_write(False)
    visitor.posts("/sign-up", {"email": "robin@sample.example", "password": "correct horse battery"})
    assert visitor.page.status_code == 503
    visitor.opens("/sign-up")
    assert visitor.page.status_code == 200 and "We cannot save anything at the moment" in visitor.page.text
    lets_write(True)
    visitor.signs_up("robin@sample.example")
    assert visitor.page.url.path == "/connections" and "We cannot save" not in visitor.page.text


@pytest.mark.postgres
def test_r19_a_connection_that_was_cut_is_not_noticed_by_the_next_one(on_postgres: Flask) -> None:
    door, server = Knocker(on_postgres), str(postgres())
    assert door.delivers(event()) == 204
    for i in range(3):
        cut_all(server, on_postgres)
        assert door.delivers(event(f"evt_c{i}"), webhook_id=f"evt_c{i}") == 204
    with on_postgres.app_context():
        assert len(db.session.scalars(select(Event.id)).all()) == 4


@pytest.mark.postgres
def test_r19_what_something_between_us_forgot_is_asked_first_when_it_has_rested(
    on_postgres: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Knocker(on_postgres)
    with monkeypatch.context() as later:
        later.setattr(webapp.db, "RESTED", 0.0)
        assert door.delivers(event()) == 204
        with forgotten(on_postgres):
            assert door.delivers(event("evt_2"), webhook_id="evt_2") == 204
    with forgotten(on_postgres):
        assert door.delivers(event("evt_3"), webhook_id="evt_3") == 503, "it was at work just now, so nobody asked"
        assert door.delivers(event("evt_3"), webhook_id="evt_3") == 204
    assert sorted(kept.deck_id for kept in door.kept()) == ["evt_1", "evt_2", "evt_3"]


@pytest.mark.postgres
def test_r19_what_our_own_side_has_given_up_is_not_noticed_either(on_postgres: Flask) -> None:
    door = Knocker(on_postgres)
    assert door.delivers(event()) == 204
    with on_postgres.app_context(), db.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
    raw.close()
    assert door.delivers(event("evt_2"), webhook_id="evt_2") == 204


@contextmanager
def forgotten(app: Flask) -> Iterator[None]:
    """The app's one connection leads to somebody who has forgotten it, and hangs up only when spoken to."""
    ours, theirs = socket.socketpair()
    forgetful = threading.Thread(target=lambda: (theirs.recv(1), theirs.close()))
    with ours, app.app_context():
        with db.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
        os.dup2(ours.fileno(), raw.fileno())
        forgetful.start()
        yield
    forgetful.join()


@pytest.mark.postgres
def test_r19_cut_in_the_middle_nothing_is_half_done_and_it_can_be_done_again(
    on_postgres: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, server, record = Knocker(on_postgres), str(postgres()), Event.record

    def cut(**fields: object) -> bool:
        kept = record(**fields)  # type: ignore[arg-type]
        cut_all(server, on_postgres)
        return kept

    with monkeypatch.context() as patch:
        patch.setattr(Event, "record", cut)
        assert door.delivers(event()) == 503, "never a thank-you for what is not kept"
    assert door.kept() == []
    assert door.delivers(event()) == 204
    assert len(door.kept()) == 1


@pytest.mark.postgres
def test_r19_two_that_cross_do_not_wait_for_each_other_for_ever(on_postgres: Flask) -> None:
    """Decisions about two people each, in opposite order, a hundred times over."""
    with on_postgres.app_context():
        one, two = db.session.scalars(select(Person.id).order_by(Person.id)).all()
    problems: list[Exception] = []

    def decides(*ids: int) -> None:
        try:
            with on_postgres.app_context():
                for _ in range(50):
                    with writing(*ids):
                        for person in [db.session.get_one(Person, id) for id in ids]:
                            changed_one(update(Person).where(Person.id == person.id).values(password_hash="y"), person)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=decides, args=ids) for ids in ((one, two), (two, one)) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == [] and not any(thread.is_alive() for thread in threads)


# --- yesterday ---------------------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_r39_a_backup_of_an_hour_ago_catches_up_with_deck(
    app: Flask, robin: Visitor, deck: Deck, world: World, database_url: str, later: Later, tmp_path: Path, runs: Runs
) -> None:
    world.clock.now = datetime.now(UTC)
    robin.signs_in_at(*POWER)
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.lets_pass(seconds=3)
    deck.our_watchdog_looks()
    visit, path = robin.page.url.path, database_url.removeprefix("sqlite:///")
    backup = sqlite3.connect(tmp_path / "backup.sqlite3")
    with sqlite3.connect(path) as original:
        original.backup(backup)
    original.close()
    backup.close()
    robin.opens(visit)
    robin.presses("Continue", f0=CODE)
    deck.lets_pass(seconds=30)
    assert runs() == [("completed", "success")] * 2

    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    for file in Path(path).parent.glob(f"{Path(path).name}*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.sqlite3", path)
    assert runs() != [("completed", "success")] * 2
    later(hours=1)
    deck.lets_pass(hours=1)
    deck.our_watchdog_looks()
    assert runs() == [("completed", "success")] * 2
    robin.opens(visit)
    everything = robin.sees()
    assert f"{BANK} is connected" in everything
    with app.app_context():
        assert db.session.scalars(select(BrowserSession.id)).all()
