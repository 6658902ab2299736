"""The audit log: nobody can change it unseen, and reading it is on record too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from tests.people import Visitor
from tests.support.conftest import Somebody
from tests.support.routes import routes
from webapp.db import db, now, writing
from webapp.models import AuditEntry, Staff, StaffToken
from webapp.support.audit import verify

OnRecord = Callable[[], list[tuple[str, str, str]]]
TRIGGERS = {
    "sqlite": ["DROP TRIGGER audit_entry_no_update", "DROP TRIGGER audit_entry_no_delete"],
    "postgresql": ["DROP TRIGGER audit_entry_no_change ON audit_entry"],
}


@pytest.fixture
def five_entries(app: Flask) -> Flask:
    with app.app_context(), writing():
        for n in range(5):
            AuditEntry.append("cancel", object=f"run_{n}", reason=f"Ticket {n}", details={"was": "queued", "n": n})
    return app


@pytest.mark.parametrize("change", ["UPDATE audit_entry SET reason = 'x' WHERE id = 3", "DELETE FROM audit_entry"])
def test_the_database_refuses_to_change_what_is_on_record(five_entries: Flask, change: str) -> None:
    with five_entries.app_context():
        with pytest.raises(DatabaseError, match="append-only"), writing():
            db.session.execute(text(change))
        assert verify() == (5, None)


@pytest.mark.parametrize(
    ("change", "holds", "broken"),
    [
        ("UPDATE audit_entry SET reason = 'x' WHERE id = 3", 2, "run_2"),
        ("UPDATE audit_entry SET at = '2020-01-01 00:00:00' WHERE id = 1", 0, "run_0"),
        ("UPDATE audit_entry SET staff_id = NULL, role = 'admin' WHERE id = 5", 4, "run_4"),
        ("UPDATE audit_entry SET ref = 'another' WHERE id = 4", 3, "run_3"),
        ("DELETE FROM audit_entry WHERE id = 2", 1, "run_2"),
    ],
)
def test_whoever_gets_round_the_database_is_found_out(
    five_entries: Flask, change: str, holds: int, broken: str
) -> None:
    with five_entries.app_context():
        assert verify() == (5, None)
        with writing():
            for drop in TRIGGERS[db.engine.dialect.name]:
                db.session.execute(text(drop))
            db.session.execute(text(change))
        count, entry = verify()
        assert entry is not None and (count, entry.object) == (holds, broken)


def test_reading_it_is_on_record_once_an_hour(lead: Visitor, later: Callable[..., None], on_record: OnRecord) -> None:
    for _ in range(3):
        lead.opens("/support/audit")
    assert [act for act, *_ in on_record()] == ["audit.read"]
    later(minutes=14)
    lead.opens("/support/audit?act=audit.read")
    assert len(on_record()) == 1


def test_another_hour_or_another_person_is_another_entry(
    app: Flask, staff: Somebody, later: Callable[..., None], on_record: OnRecord
) -> None:
    staff("lead").opens("/support/audit")
    staff("admin").opens("/support/audit")
    later(minutes=61)
    staff("lead").opens("/support/audit")
    assert [act for act, *_ in on_record()] == ["audit.read"] * 3


def test_a_program_that_reads_it_is_on_record_by_its_owner(app: Flask, lead: Visitor, on_record: OnRecord) -> None:
    with app.app_context(), writing():
        owner = Staff.by_email("lead@desk.example")
        assert owner is not None
        token = StaffToken.issue(owner, "nightly")
    for _ in range(2):
        answer = lead.http.get("/support/api/audit", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200 and len(on_record()) == 1
    with app.app_context():
        entry = db.session.query(AuditEntry).one()
        assert (entry.method, entry.role, entry.staff_id) == ("token", "lead", db.session.query(Staff).one().id)
        assert now() >= entry.at


def test_every_export_is_on_record(app: Flask, lead: Visitor, on_record: OnRecord) -> None:
    paths = [path for _, path, _ in routes(app) if path.endswith(".csv")]
    assert len(paths) > 5
    for path in paths:
        assert lead.opens(path).status_code == 200
    assert sorted(path for act, path, _ in on_record() if act == "export") == sorted(name_of(path) for path in paths)


def name_of(path: str) -> str:
    return path.removeprefix("/support/").removesuffix(".csv")


def test_an_export_is_on_record_with_the_names_of_its_filters(lead: Visitor, app: Flask, on_record: OnRecord) -> None:
    lead.opens("/support/inbox.csv?type=about-robin")
    assert on_record() == [("export", "inbox", "")]
    with app.app_context():
        entry = db.session.query(AuditEntry).one()
        assert entry.details == {"filters": ["type"]}, "what somebody looked for may be about a person"
