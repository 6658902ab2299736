"""Where several write at once, on PostgreSQL: nobody is passed over, and nobody waits in a circle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, text
from sqlalchemy.exc import OperationalError

from tests.companies import founded, listens, owe_one
from tests.faults import test_storage as storage_stories
from tests.processes import PATIENCE
from webapp.db import db, writing
from webapp.models import AuditEntry, Delivery, Endpoint, Host, HostEvent, Staff
from webapp.support.sessions import hold

on_postgres = storage_stories.on_postgres

pytestmark = pytest.mark.postgres


def something_happened() -> dict[str, Any]:
    """To the one company that there is."""
    return {"host_id": db.session.scalars(select(Host.id)).one(), "type": "run.completed", "data": {}}


def test_an_event_that_is_seen_after_a_newer_one_is_listed_all_the_same(
    on_postgres: Flask, later: Callable[..., None]
) -> None:
    tidepool = founded(on_postgres)
    with on_postgres.app_context(), db.engine.connect() as slow:
        slow.execute(insert(HostEvent), something_happened())
        with writing():
            db.session.add(HostEvent(**something_happened()))
        read = tidepool.reads("/events")["data"]
        slow.commit()
    later(seconds=6)
    read += tidepool.reads(f"/events?after={read[-1]['id']}" if read else "/events")["data"]
    assert len({event["id"] for event in read}) == 2


def test_a_webhook_goes_out_while_something_new_is_written_for_the_same_company(on_postgres: Flask) -> None:
    founded(on_postgres)
    listens(on_postgres, "http://127.0.0.1:9/hooks")
    owe_one(on_postgres)
    with on_postgres.app_context(), db.engine.connect() as other:
        endpoint = db.session.scalars(select(Endpoint.id)).one()
        new = other.scalar(insert(HostEvent).returning(HostEvent.id), something_happened())
        other.execute(insert(Delivery), {"event_id": new, "endpoint_id": endpoint})
        with writing():
            assert Endpoint.claim_due(5) == [endpoint]


def test_somebody_who_signs_in_and_somebody_at_work_do_not_wait_for_each_other(on_postgres: Flask) -> None:
    """Ash is at work in one browser and signs in in another: both write the record, and both are about Ash."""
    problems: list[OperationalError] = []
    with on_postgres.app_context(), writing():
        db.session.add(ash := Staff(email="ash@desk.example", role="agent"))
        db.session.flush()
        id = ash.id

    def signs_in() -> None:
        try:
            with on_postgres.app_context(), writing():
                hold(id)
                AuditEntry.append("sign_in", staff_id=id)
        except OperationalError as error:
            problems.append(error)

    elsewhere = threading.Thread(target=signs_in)
    with on_postgres.app_context():
        with writing():
            AuditEntry.append("reveal")
            elsewhere.start()
            until_somebody_waits_for_the_record()
            AuditEntry.append("note", staff_id=id)
        elsewhere.join(PATIENCE)
        assert (problems, db.session.scalars(select(AuditEntry.act)).all()) == ([], ["reveal", "note", "sign_in"])


def until_somebody_waits_for_the_record() -> None:
    here = "SELECT oid FROM pg_database WHERE datname = current_database()"
    waits = text(f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = ({here})")
    until = time.monotonic() + PATIENCE
    while db.session.scalar(waits) is None:
        assert time.monotonic() < until, "nobody waits"
