"""The old and the new at once: an upgrade keeps what is there, and old code goes on beside the new schema."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import MetaData, func, select

import tests.test_migrations as stories
from tests.deck.wire import wire
from tests.old_installation import CHAIN, EMAIL, LATER, OLD, PASSWORD, THEN, AtDeck, Rows, rows
from tests.people import Deck, Visitor
from webapp.db import db
from webapp.deck import DeckClient
from webapp.models import Connection, Run
from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import World

on_postgres, empty = stories.on_postgres, stories.empty


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
