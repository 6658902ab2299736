"""The migrations make what the models say, on both databases, and can be undone."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import JSON, DateTime, MetaData, Table, func, inspect, select

from tests.conftest import settings, wire
from tests.people import Deck, Visitor
from tests.services import postgres
from webapp import create_app
from webapp.db import UTCDateTime, db, writing
from webapp.deck import DeckClient
from webapp.models import Connection, Run
from webapp.models.person import hash_password
from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import World
from webapp.vault import Vault


@pytest.fixture
def on_postgres() -> Iterator[str]:
    """An empty database of its own."""
    address = postgres()
    if address is None:
        pytest.skip("no PostgreSQL server")
    name = f"gangway_test_{secrets.token_hex(6)}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"postgresql+psycopg://{address.partition('://')[2].rpartition('/')[0]}/{name}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def both(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    return str(request.getfixturevalue("on_postgres"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    app = create_app(settings(both(request, tmp_path)))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_upgrading_from_empty_equals_the_models(empty: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), db.metadata) == []


def test_every_migration_can_be_undone(empty: Flask) -> None:
    upgrade()
    downgrade(revision="base")
    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}


def test_every_look_up_has_an_index(empty: Flask) -> None:
    """Each foreign key is followed from both ends somewhere, so each is the start of an index."""
    upgrade()
    tables = inspect(db.engine)
    for table in db.metadata.tables:
        starts = {next(iter(i["column_names"])) for i in tables.get_indexes(table)}
        starts |= {c["column_names"][0] for c in tables.get_unique_constraints(table)}
        for key in tables.get_foreign_keys(table):
            column = key["constrained_columns"][0]
            assert column in starts or (table, column) in SMALL, f"{table}.{column} has no index"


SMALL = {
    ("connect_session", "source_id"),  # sources and tasks are never deleted, and never asked for their visits
    ("connect_session", "task_id"),
    ("run", "source_id"),
    ("run", "task_id"),
}


# --- the old and the new at once ---------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
THEN = datetime(2026, 11, 1, 12, 30, 15, 123456, tzinfo=UTC)
EMAIL, PASSWORD = "robin@sample.example", "correct horse battery"

CHAIN = [step.revision for step in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][::-1]
OLD = CHAIN[:-1]
"""Every revision that a running installation may still be at."""


@dataclasses.dataclass(frozen=True)
class AtDeck:
    """What Deck knows of Robin: a sign-in, a run that is over and one that we think is open."""

    source: str
    task: str
    credential: str
    done: str
    open: str


def rows(number: int, at: AtDeck, source_id: int, task_id: int) -> dict[str, dict[str, Any]]:
    """A row of every table, in an order in which they can be put in: the columns of the first migration.

    What later migrations add must not be needed here, because code that knows nothing of it still runs beside the
    new one. A table of a later migration gets its row in `LATER`.
    """
    n, id = str(number), 1_000 + number  # far from where the databases begin to count
    mine = {"id": id}
    of_run = {"connect_session_id": id, "connection_id": id, "source_id": source_id, "task_id": task_id}
    ref = f"oldrun{n}"
    sealed = Vault([("test", b"0" * 32)]).seal({"balance": 12.5}, place=f"run.sealed_output.{ref}")
    return {
        "event": mine
        | {
            "deck_id": f"evt_{n}",
            "webhook_id": f"msg_{n}",
            "body": b'{"id": "evt_old", "x": "\xc3\xa9"}',
            "type": "task_run.queued",
            "subject": at.done,
            "parked": "",
            "received_at": THEN,
            "handled_at": THEN,
        },
        "person": mine
        | {
            "email": EMAIL if number == 1 else f"{n}.{EMAIL}",
            "password_hash": hash_password(PASSWORD),
            "created_at": THEN,
        },
        "browser_session": mine | {"token_hash": n * 64, "person_id": id, "created_at": THEN, "seen_at": THEN},
        "connection": mine
        | {
            "ref": f"oldconnection{n}",
            "person_id": id,
            "source_id": source_id,
            "deck_id": at.credential if number == 1 else f"cred_{n}",
            "status": "verified",
            "status_since": THEN,
            "username_hint": "r•••@s•••",
            "created_at": THEN,
        },
        "connect_session": mine
        | {
            "ref": f"oldvisit{n}",
            "support_code": f"KX-000{n}",
            "purpose": "connect",
            "person_id": id,
            "source_id": source_id,
            "task_id": task_id,
            "connection_id": id,
            "version": 3,
            "consented_at": THEN,
            "consent_version": "2026-11",
            "signed_in_at": THEN,
            "created_at": THEN,
        },
        "run": mine
        | of_run
        | {
            "ref": ref,
            "deck_id": at.done if number == 1 else f"run_{n}",
            "status": "completed",
            "result": "success",
            "errors": [{"type": "task", "code": "x"}],
            "files": [{"id": "file_1", "name": "Rechnung é.pdf", "type": "", "size": 7}],
            "sealed_output": sealed,
            "as_of": THEN,
            "version": 4,
            "is_stopping": False,
            "created_at": THEN,
            "ended_at": THEN,
        },
        "move": mine | {"run_id": id, "was": "running", "became": "completed", "at": THEN, "noticed_at": THEN},
        "prompt": mine
        | {
            "ref": f"oldprompt{n}",
            "run_id": id,
            "ordinal": 1,
            "fingerprint": "f" * 64,
            "type": "mfa",
            "message": "Code?",
            "fields": [{"name": "code"}],
            "state": "answered",
            "is_again": False,
            "as_of": THEN,
            "asked_at": THEN,
        },
        "intent": mine
        | {
            "key": f"gangway-{n}",
            "form": f"form{n}",
            "kind": "run.start",
            "state": "done",
            "connection_id": id,
            "run_id": id,
            "attempts": 0,
            "error": "",
            "request_id": "",
            "created_at": THEN,
            "settled_at": THEN,
        },
    }


LATER: dict[str, dict[str, dict[str, Any]]] = {
    "0002": {"chore": {"name": "events", "due_at": THEN, "problem": "", "state": {"since": "2026-11-01"}}},
    "0003": {
        "host": {"id": 1, "ref": "oldhost", "name": "Tidepool", "origins": [], "return_urls": [], "created_at": THEN},
        "host_key": {"id": 1, "host_id": 1, "key_hash": "0" * 64, "ending": "beef", "created_at": THEN},
        "invitation": {
            "id": 1,
            "ref": "oldinvitation",
            "connect_session_id": 1_001,
            "host_id": 1,
            "request_digest": "",
            "token_hash": "1" * 64,
            "expires_at": THEN,
            "return_url": "",
            "state": "",
            "tags": {"plan": "plus"},
            "created_at": THEN,
        },
    },
    "0004": {
        "endpoint": {
            "id": 1_001,
            "ref": "oldendpoint",
            "host_id": 1,
            "url": "https://tidepool.example/hooks",
            "sealed_secret": "sealed",
            "created_at": THEN,
        },
        "host_event": {
            "id": 1_001,
            "ref": "oldhostevent",
            "host_id": 1,
            "type": "run.completed",
            "once": "finished.1",
            "data": {"status": "connected"},
            "created_at": THEN,
        },
        "delivery": {
            "id": 1_001,
            "ref": "olddelivery",
            "endpoint_id": 1_001,
            "event_id": 1_001,
            "state": "delivered",
            "tries": 1,
            "created_at": THEN,
            "settled_at": THEN,
        },
        "attempt": {"id": 1_001, "delivery_id": 1_001, "status": 204, "problem": "", "milliseconds": 12, "at": THEN},
        "visit_event": {
            "id": 1_001,
            "ref": "oldvisitevent",
            "connect_session_id": 1_001,
            "seq": 1,
            "name": "OPEN",
            "details": {"run_id": None},
            "at": THEN,
        },
    },
}
"""Rows of the tables that each later migration brought."""


class Rows:
    """Reads and writes tables as they are, without the models: as code of another version sees them."""

    def __init__(self) -> None:
        self.metadata = MetaData()
        self.metadata.reflect(db.engine)
        for table in self.metadata.tables.values():
            for column in table.columns:
                if isinstance(column.type, DateTime):
                    column.type = UTCDateTime()
                elif str(column.type) == "JSON":
                    column.type = JSON()

    def put(self, given: dict[str, dict[str, Any]]) -> None:
        with writing():
            for name, row in given.items():
                table = self.metadata.tables[name]
                assert set(row) <= set(table.columns.keys())
                db.session.connection().execute(table.insert().values(row))

    def all(self, columns: dict[str, list[str]] | None = None) -> dict[str, list[dict[str, Any]]]:
        """Every row by table, with these columns if they are given."""
        found = {}
        for table in self.tables:
            wanted = [table.c[name] for name in (columns[table.name] if columns else table.columns.keys())]
            query = select(*wanted).order_by(*table.primary_key.columns)
            found[table.name] = [dict(row._mapping) for row in db.session.connection().execute(query)]
        db.session.rollback()
        return found

    @property
    def tables(self) -> list[Table]:
        return [table for table in self.metadata.sorted_tables if table.name != "alembic_version"]


@pytest.fixture
def at_deck(world: World) -> AtDeck:
    """Deck as an old installation left it: the catalog is there, and somebody has connected."""
    client = DeckClient(
        api_key="sk_live_twin",
        base_url="http://twin.localhost/v2",
        transport=httpx.WSGITransport(app=create_twin(world)),
    )
    source = next(s["id"] for s in world.stores["sources"].values() if s["name"] == "Northlight Power")
    task = next(iter(world.stores["tasks"]))
    sign_in: dict[str, Any] = {"username": EMAIL, "password": "bright-light-7", "source_fields": {}}
    credential = client.create_credential(source_id=source, external_id="gangway-1", key="1", **sign_in)
    runs = [client.run_task(task, credential_id=credential.id, input=None, key=f"run{n}").id for n in range(2)]
    with world.lock:
        world.pass_time(world.clock.now + timedelta(hours=1))
    world.outbox.clear()
    return AtDeck(source, task, credential.id, *runs)


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, empty: Flask, world: World, at_deck: AtDeck) -> str:
    """The database of an installation at an older revision, with a row in every table. The revision."""
    revision = str(request.param)
    upgrade(revision=revision)
    there = Rows()
    catalog: dict[str, dict[str, Any]] = {
        "source": {
            "id": 1,
            "slug": "northlight-power",
            "name": "Northlight Power",
            "url": "https://northlight.example",
            "deck_id": at_deck.source,
            "popularity": 1,
            "words": {"username_label": "Email"},
            "offered": True,
            "failures": 0,
        },
        "task": {
            "id": 1,
            "slug": "account-summary",
            "name": "Account summary",
            "gets": ["your balance"],
            "will_not": [],
            "output_schema": {"type": "object", "properties": {"balance": {"type": "number", "title": "Balance"}}},
            "deck_id": at_deck.task,
            "offered": True,
            "position": 0,
        },
    }
    there.put(catalog | rows(1, at_deck, 1, 1))
    for step in CHAIN[1 : CHAIN.index(revision) + 1]:
        there.put(LATER.get(step, {}))
    bare = [name for name, found in there.all().items() if not found]
    assert not bare, f"no row in {bare}: add one to LATER[{revision!r}]"
    return revision


def test_an_upgrade_keeps_every_row_and_value(empty: Flask, old: str) -> None:
    before, columns = Rows().all(), {table.name: list(table.columns.keys()) for table in Rows().tables}
    upgrade()
    after = Rows()
    after.metadata = restricted(after.metadata, set(before))
    assert after.all(columns) == before
    assert before["run"][0]["ended_at"] == THEN and before["run"][0]["files"][0]["name"] == "Rechnung é.pdf"


def restricted(metadata: MetaData, names: set[str]) -> MetaData:
    """Without the tables that are new."""
    for table in list(metadata.tables.values()):
        if table.name not in names:
            metadata.remove(table)
    return metadata


def test_code_that_only_knows_the_old_columns_still_writes(empty: Flask, old: str, at_deck: AtDeck) -> None:
    """As during a rolling deploy: migrated already, and old processes still at work."""
    known = {table.name: set(table.columns.keys()) for table in Rows().tables}
    upgrade()
    there = Rows()
    given = rows(2, at_deck, 1, 1)
    assert all(set(row) <= known[name] for name, row in given.items())
    there.put(given)
    for name in given:
        table = there.metadata.tables[name]
        assert db.session.connection().scalar(select(func.count()).select_from(table)) == 2, name
    run = db.session.get_one(Run, 1_002)
    assert (run.is_told, run.lease_until, run.stages) == (False, None, ["completed"])


def test_the_app_goes_on_with_what_was_there(empty: Flask, old: str, world: World, at_deck: AtDeck) -> None:
    """Robin's old password opens the account; the old result shows; a run that was open is asked about."""
    columns = rows(1, at_deck, 1, 1)
    open_run = {"id": 1_007, "ref": "oldopen", "deck_id": at_deck.open, "status": "queued", "due_at": THEN}
    Rows().put({"run": columns["run"] | open_run | {"ended_at": None, "sealed_output": None, "as_of": None}})
    db.session.remove()
    upgrade()
    deliverer = Deliverer(world, httpx.Client(transport=httpx.WSGITransport(app=empty)))
    wire(empty, httpx.WSGITransport(app=create_twin(world, deliverer)))
    robin, deck = Visitor(empty), Deck(empty, world, deliverer)
    robin.opens("/sign-in")
    robin.presses("Sign in", email=EMAIL, password=PASSWORD)
    robin.opens("/connections/oldconnection1")
    assert "12.5" in robin.sees() and "Rechnung é.pdf" in robin.sees() and "In line" in robin.sees()
    deck.our_worker_works()
    db.session.rollback()
    assert db.session.get_one(Run, 1_007).status == "completed"
    robin.opens("/connections/oldconnection1")
    robin.presses("Refresh")
    deck.goes_on()
    assert robin.looks_again() == "outcome", robin.sees()
    deck.our_watchdog_looks()
    db.session.rollback()
    assert db.session.scalars(select(Connection.status)).all() == ["verified"]
