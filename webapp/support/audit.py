"""The audit log: who did what, when and why; and whether anybody has touched it."""

from __future__ import annotations

from datetime import timedelta
from hmac import compare_digest
from typing import Any

from sqlalchemy import ColumnElement, select

from ..db import db, now, writing
from ..models import AuditEntry, Staff
from ..models.audit_entry import BEGINNING
from .gate import me, record
from .lists import Cell, Filter, Listing, listing

BATCH = 1_000
READ, READ_AGAIN = "audit.read", timedelta(hours=1)
"""Who reads on for an hour is written down once."""


def rows() -> Any:
    return select(AuditEntry, Staff.email).outerjoin(Staff, AuditEntry.staff_id == Staff.id)


def row(found: Any) -> list[Cell]:
    entry, email = found[0], found[1]
    return [
        Cell(entry.at, "moment"),
        Cell(email or "command line"),
        Cell(entry.act, "code"),
        Cell(entry.object, "code"),
        Cell(entry.reason),
        Cell(entry.result, "status", tone="problem" if entry.result in ("refused", "failed") else ""),
        Cell(entry.address, "code"),
        Cell(entry.request_id, "code"),
    ]


def by_person(email: str) -> ColumnElement[bool] | None:
    staff = Staff.by_email(email)
    return AuditEntry.staff_id == staff.id if staff else None


def reading() -> dict[str, Any]:
    """Reading what is on record is itself on record."""
    lately = select(AuditEntry.id).filter_by(act=READ, staff_id=me().id).where(AuditEntry.at > now() - READ_AGAIN)
    if db.session.scalar(lately.limit(1)) is None:
        with writing():
            record(READ, "audit")
    return {}


listing(
    Listing(
        name="audit",
        title="Audit",
        columns=("When", "Who", "Act", "What", "Reason", "Result", "Address", "Request"),
        query=rows,
        key=AuditEntry.id,
        row=row,
        filters=(
            Filter("who", "Who (email)", by_person),
            Filter("act", "Act", lambda value: AuditEntry.act == value),
            Filter("object", "What (id)", lambda value: AuditEntry.object == value),
        ),
        empty="Every sign-in of the staff and everything they do is written here, and nobody can change it.",
        needs_role="lead",
        more=reading,
    )
)


def verify() -> tuple[int, AuditEntry | None]:
    """Walk the chain: how many entries hold, and the first that does not, if any."""
    previous, count, after = BEGINNING, 0, 0
    while True:
        query = select(AuditEntry).where(AuditEntry.id > after).order_by(AuditEntry.id).limit(BATCH)
        entries = list(db.session.scalars(query))
        db.session.expunge_all()
        if not entries:
            return count, None
        for entry in entries:
            if entry.previous != previous or not compare_digest(entry.digest, entry.sealed()):
                return count, entry
            previous, count, after = entry.digest, count + 1, entry.id
