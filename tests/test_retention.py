"""Everything has its time, and goes when that is over: in small steps that may end anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.conftest import settings
from webapp import create_app
from webapp.config import BadSetting, Config
from webapp.current import vault
from webapp.db import db, now, writing
from webapp.models import (
    BrowserSession,
    Chore,
    Connection,
    ConnectSession,
    Event,
    Intent,
    Move,
    Person,
    Prompt,
    Run,
    Source,
    Task,
)
from webapp.retention import KINDS, PURGE, purge

Later = Callable[..., None]

DOCS = (Path(__file__).parent.parent / "docs/retention.md").read_text()


def ago(**span: float) -> Any:
    return now() - timedelta(**span)


class House:
    """Rows of a person, as old as wanted."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        with app.app_context(), writing():
            person = Person(email="robin@sample.example", password_hash="-")
            db.session.add(person)
            db.session.flush()
            self.person = person.id
            self.source = db.session.scalars(select(Source.id).limit(1)).one()
            self.task = db.session.scalars(select(Task.id).limit(1)).one()

    def add(self, row: Any) -> int:
        with self.app.app_context(), writing():
            db.session.add(row)
            db.session.flush()
            return int(row.id)

    def connection(self, status: str = "verified", since: Any = None) -> int:
        values = {"status": status, "status_since": since or now(), "person_id": self.person, "source_id": self.source}
        return self.add(Connection(**values))

    def visit(self, days: float, connection: int | None = None) -> int:
        began = ago(days=days)
        return self.add(
            ConnectSession(person_id=self.person, task_id=self.task, created_at=began, connection_id=connection)
        )

    def run(self, connection: int, days: float, status: str = "completed", **values: Any) -> int:
        """One that ended so many days ago, with all that belongs to a run."""
        over = ago(days=days)
        run = Run(connect_session_id=self.visit(days, connection), connection_id=connection, status=status)
        run.source_id, run.task_id, run.created_at, run.ended_at = self.source, self.task, over, over
        run.errors, run.files = [], [{"id": "f", "name": "bill.pdf", "type": "", "size": 1}]
        run.ref = f"r{days}-{connection}"[:16]
        with self.app.app_context():
            run.sealed_output = vault().seal({"balance": 1}, place=run.output_place)
        for name, value in values.items():
            setattr(run, name, value)
        id = self.add(run)
        self.add(Move(run_id=id, was="new", became=status, at=over))
        asked = self.add(Prompt(run_id=id, ordinal=1, fingerprint="", type="", message="", fields=[], as_of=over))
        self.intent(connection, days, run_id=id, prompt_id=asked)
        return id

    def intent(self, connection: int, days: float, state: str = "done", **values: Any) -> int:
        settled = None if state == "pending" else ago(days=days)
        values |= {"state": state, "settled_at": settled, "created_at": ago(days=days), "kind": "run.answer"}
        return self.add(Intent(connection_id=connection, **values))

    def event(self, days: float, **values: Any) -> int:
        came = ago(days=days)
        name = f"evt_{days}_{len(values)}_{self.count(Event)}"
        values = {"received_at": came, "handled_at": came, "body": b"{}", **values}
        return self.add(Event(deck_id=name, webhook_id=name, **values))

    def count(self, model: Any) -> int:
        return len(self.ids(model))

    def ids(self, model: Any) -> list[int]:
        with self.app.app_context():
            return list(db.session.scalars(select(model.id).order_by(model.id)))

    def with_result(self) -> list[int]:
        with self.app.app_context():
            kept = select(Run.id).where(Run.sealed_output.is_not(None)).order_by(Run.id)
            runs = db.session.scalars(kept).all()
            assert [run.id for run in db.session.scalars(select(Run).order_by(Run.id)) if run.files] == list(runs)
            return list(runs)

    def purges(self) -> None:
        with self.app.app_context():
            with writing():
                chore = db.session.get(Chore, PURGE) or Chore(name=PURGE, state={})
                db.session.add(chore)
            purge(chore)


@pytest.fixture
def house(app: Flask) -> House:
    return House(app)


# --- each its time -----------------------------------------------------------------------------------------------


def test_events_stay_35_days(house: House) -> None:
    house.event(36), house.event(35.1)
    kept = [house.event(34.9), house.event(0), house.event(99, handled_at=None)]
    house.purges()
    assert house.ids(Event) == kept, "one nobody has acted on yet is never lost"


def test_browser_sessions_stay_30_days_after_their_end(house: House) -> None:
    for days in (40, 31.1):
        house.add(BrowserSession(person_id=house.person, token_hash=f"{days}", created_at=ago(days=days)))
    kept = house.add(BrowserSession(person_id=house.person, token_hash="b", created_at=ago(days=30.9)))
    house.purges()
    assert house.ids(BrowserSession) == [kept]


def test_visits_that_came_to_nothing_stay_90_days(house: House) -> None:
    house.visit(91)
    connection = house.connection()
    house.run(connection, 100)
    kept = [*house.ids(ConnectSession)[1:], house.visit(89)]
    house.purges()
    assert house.ids(ConnectSession) == kept


def test_results_go_after_90_days_but_for_what_a_live_connection_shows(house: House) -> None:
    live, left, broken = house.connection(), house.connection("deleted"), house.connection("invalid")
    house.run(live, 200)
    shown = house.run(live, 100)
    house.run(live, 95, status="failed")
    house.run(left, 91)
    still = house.run(left, 89)
    in_need = house.run(broken, 120)
    house.purges()
    assert house.with_result() == [shown, still, in_need]
    assert house.count(Run) == 6, "that it was read stays known"
    newer = house.run(live, 0)
    house.purges()
    assert house.with_result() == [still, in_need, newer]


def test_history_stays_a_year(house: House) -> None:
    live, left = house.connection(), house.connection("deleted")
    house.run(live, 500)
    latest = house.run(live, 400)
    house.run(left, 366)
    recent = house.run(left, 364)
    running = house.run(live, 900, status="running", ended_at=None)
    house.purges()
    assert house.ids(Run) == [latest, recent, running]
    assert house.count(Move) == house.count(Prompt) == 3
    assert house.count(Intent) == 1, "settled writes have the same time, whatever they belong to"
    assert house.count(ConnectSession) == 3


def test_a_write_that_is_not_settled_stays_and_keeps_what_it_is_about(house: House) -> None:
    gone = house.connection("deleted", ago(days=400))
    pending = house.intent(gone, 400, state="pending")
    house.purges()
    assert (house.ids(Intent), house.ids(Connection)) == ([pending], [gone])


def test_deleted_connections_stay_30_days(house: House) -> None:
    for days in (31, 29):
        house.run(house.connection("deleted", ago(days=days)), days)
    kept = house.connection("verified", ago(days=500))
    house.purges()
    assert house.count(Run) == 1
    assert house.ids(Connection)[1:] == [kept] and house.count(Connection) == 2


def test_connections_that_never_came_to_be_stay_90_days(house: House) -> None:
    house.connection("new", ago(days=91))
    kept = house.connection("new", ago(days=89))
    house.purges()
    assert house.ids(Connection) == [kept]


def test_operators_may_differ(world: Any, database_url: str) -> None:
    app = create_app(settings(database_url, keep_results_days=7, keep_history_days=14))
    house = House(app)
    connection = house.connection()
    house.run(connection, 15)
    emptied, kept = house.run(connection, 8), house.run(connection, 6)
    house.purges()
    assert (house.ids(Run), house.with_result()) == ([emptied, kept], [kept])
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("value", ["0", "-1", "3651", "ninety", "1.5", "1e3"])
def test_a_time_that_is_none_stops_the_start(value: str) -> None:
    with pytest.raises(BadSetting, match="KEEP_RESULTS_DAYS must be a number of days") as error:
        Config.from_env({**ENOUGH, "KEEP_RESULTS_DAYS": value})
    assert value not in str(error.value).replace("1 to 3650", "")


ENOUGH = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
    "VAULT_KEYS": "k:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",
    "PUBLIC_URL": "http://localhost",
    "DECK_API_KEY": "sk_live_x",
    "DECK_WEBHOOK_SECRETS": "whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw",
}


# --- what the documentation says ---------------------------------------------------------------------------------


def test_the_documentation_has_the_same_table() -> None:
    told = re.findall(r"^\| (.+) \| (?:(\d+) days|`([A-Z_]+)`) \| (.+) \|$", DOCS, re.MULTILINE)
    written = [(what, int(days) if days else setting, after) for what, days, setting, after in told]
    assert written == [(kind.what, kind.days, kind.after) for kind in KINDS]
    assert f"`KEEP_RESULTS_DAYS` is {Config.keep_results_days}" in DOCS
    assert f"`KEEP_HISTORY_DAYS` is {Config.keep_history_days}" in DOCS


def test_every_table_has_its_time() -> None:
    """Or a reason to have none."""
    with_a_time = {kind.model.__tablename__ for kind in KINDS}
    with_another = {"move", "prompt", "delivery", "attempt", "invitation", "visit_event", "follow", "staff_note"}
    for_good = {"person", "source", "task", "chore", "host", "host_key", "endpoint"}
    for_good |= {"staff", "staff_token", "saved_view", "audit_entry"}
    assert with_a_time | with_another | for_good == set(db.metadata.tables)
