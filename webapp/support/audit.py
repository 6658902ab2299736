"""The audit log: who did what, when and why; and whether anybody has touched it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select

from ..db import db
from ..models import AuditEntry, Staff
from ..models.audit_entry import BEGINNING
from .lists import Cell, Filter, Listing, listing

BATCH = 1_000


def rows() -> Any:
    return select(AuditEntry, Staff.email).outerjoin(Staff, AuditEntry.staff_id == Staff.id)


def row(found: Any) -> list[Cell]:
    entry, email = found[0], found[1]
    return [
        Cell(entry.at, "time"),
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
            if entry.previous != previous or entry.digest != entry.sealed():
                return count, entry
            previous, count, after = entry.digest, count + 1, entry.id
