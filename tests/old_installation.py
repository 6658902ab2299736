"""What a running installation may still have in its database: a row of every table, as old code wrote it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import JSON, DateTime, MetaData, Table, select

from webapp.db import UTCDateTime, db, writing
from webapp.models.person import hash_password
from webapp.vault import Vault

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
    "0005": {
        "staff": {
            "id": 1_001,
            "ref": "oldstaff",
            "email": "lee@desk.example",
            "name": "Lee",
            "role": "lead",
            "last_step": 0,
            "recovery": ["2" * 64],
            "failures": 0,
            "created_at": THEN,
        },
        "staff_session": {
            "id": 1_001,
            "ref": "oldstaffsession",
            "token_hash": "3" * 64,
            "staff_id": 1_001,
            "is_whole": True,
            "method": "password",
            "address": "203.0.113.7",
            "browser": "Firefox on Linux",
            "created_at": THEN,
            "seen_at": THEN,
        },
        "staff_token": {
            "id": 1_001,
            "ref": "oldstafftoken",
            "staff_id": 1_001,
            "token_hash": "4" * 64,
            "name": "nightly report",
            "ending": "cafe",
            "created_at": THEN,
        },
        "staff_note": {"id": 1_001, "connection_id": 1_001, "staff_id": 1_001, "text": "Asked the bank.", "at": THEN},
        "saved_view": {
            "id": 1_001,
            "ref": "oldview",
            "staff_id": 1_001,
            "is_shared": True,
            "page": "runs",
            "name": "Failed today",
            "query": "status=failed",
            "created_at": THEN,
        },
        "audit_entry": {
            "id": 1_001,
            "ref": "oldauditentry",
            "at": THEN,
            "staff_id": 1_001,
            "role": "lead",
            "method": "password",
            "session": "oldstaffsession",
            "address": "203.0.113.7",
            "act": "note",
            "object": "conn_oldconnection1",
            "details": {},
            "reason": "",
            "result": "done",
            "request_id": "req_1",
            "previous": "",
            "digest": "5" * 64,
        },
        "source_hour": {
            "hour": THEN.replace(minute=0, second=0, microsecond=0),
            "source_id": 1,
            "completed": 2,
            "failed": 1,
            "canceled": 0,
            "asked": 1,
            "last_good_at": THEN,
            "troubles": {"task:x": 1},
            "times": {"30": 2},
        },
        "issue": {
            "id": 1_001,
            "ref": "oldissue",
            "source_id": 1,
            "trouble": "task:x",
            "state": "open",
            "owner_id": 1_001,
            "count": 1,
            "first_at": THEN,
            "last_at": THEN,
            "reopened": 0,
        },
        "error_report": {
            "id": 1_001,
            "support_code": "KX-9001",
            "person_id": 1_001,
            "connect_session_id": 1_001,
            "status": 500,
            "page": "/connections",
            "request_id": "req_2",
            "at": THEN,
        },
        "follow": {"id": 1_001, "connect_session_id": 1_001, "source_id": 1, "created_at": THEN},
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
