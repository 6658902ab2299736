"""What staff did, for good: each entry seals the one before it, so nothing can be taken out or changed unseen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import ForeignKey, Index, String, select, text
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Json, Model, Moment, db, now
from ..stamps import stamp
from .refs import Ref, new_ref

BEGINNING = "0" * 64
LOCK = 7_239_641
"""A number of our own: on PostgreSQL whoever appends holds this lock until the commit."""
EMPTY: dict[str, Any] = {
    "staff_id": None,
    "role": "",
    "method": "",
    "session": "",
    "address": "",
    "object": "",
    "details": {},
    "reason": "",
    "result": "done",
    "request_id": "",
    "once": None,
}
"""What an entry says of things that nobody told it: given at once, because it is sealed before it is written."""


class AuditEntry(Model):
    """Never changed and never deleted: the migration adds triggers that refuse both."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "object", "id"), Index(None, "act", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    at: Mapped[Moment]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"), index=True)
    """Null for the command line, and for somebody who failed to sign in."""
    role: Mapped[str] = mapped_column(String(10))
    method: Mapped[str] = mapped_column(String(10))
    session: Mapped[str] = mapped_column(String(16))
    """The reference of the staff session."""
    address: Mapped[str] = mapped_column(String(45))
    act: Mapped[str] = mapped_column(String(40))
    object: Mapped[str] = mapped_column(String(300))
    """What it was done to, as our public id: ``conn_kR3vQ0sZp1xw8A2c``."""
    details: Mapped[Json]
    """Before and after, counts, addresses: masked, never a secret."""
    reason: Mapped[str] = mapped_column(String(500))
    result: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[str] = mapped_column(String(200))
    once: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The form it came from: a double click meets itself here."""
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)

    @classmethod
    def append(cls, act: str, **what: Any) -> AuditEntry:
        """The next entry of the chain. Inside `writing()`, with what it tells about."""
        if db.engine.dialect.name == "postgresql":
            db.session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        last = db.session.scalar(select(AuditEntry.digest).order_by(AuditEntry.id.desc()).limit(1))
        entry = cls(ref=new_ref(), previous=last or BEGINNING, at=now(), act=act, **{**EMPTY, **what})
        entry.digest = entry.sealed()
        db.session.add(entry)
        db.session.flush()
        return entry

    def sealed(self) -> str:
        """What its digest must be."""
        who = [self.staff_id, self.role, self.method, self.session, self.address]
        what = [self.act, self.object, self.details, self.reason, self.result, self.request_id, self.once]
        everything = [self.previous, self.ref, stamp(self.at), *who, *what]
        return hashlib.sha256(json.dumps(everything, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @classmethod
    def was_done(cls, once: str) -> AuditEntry | None:
        return db.session.scalar(select(AuditEntry).filter_by(once=once)) if once else None
