"""The inbox: every event Deck delivered, kept before it is acted on."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Index, LargeBinary, String, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Model, Moment, db, now
from .refs import DeckId

IS_PARKED = text("parked != ''")
"""Written out, because SQLite uses an index of some rows only where it sees the very same words."""


class Event(Model):
    """Found again when Deck repeats itself: unique on its own id and on its message's."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "handled_at", "id"),
        Index(None, "received_at"),
        Index(None, "type", "id"),
        Index("ix_event_parked", "id", sqlite_where=IS_PARKED, postgresql_where=IS_PARKED),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    deck_id: Mapped[DeckId] = mapped_column(unique=True)
    webhook_id: Mapped[DeckId] = mapped_column(unique=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """As it came, byte for byte."""
    type: Mapped[str] = mapped_column(String(200), default="")
    subject: Mapped[str] = mapped_column(String(255), default="", index=True)
    parked: Mapped[str] = mapped_column(String(40), default="")
    """Why it led to nothing: unreadable, or about something we do not know."""
    received_at: Mapped[Moment] = mapped_column(default=now)
    handled_at: Mapped[Moment | None]

    @classmethod
    def record(cls, *, deck_id: str, webhook_id: str, type: str, subject: str, body: bytes, parked: str = "") -> bool:
        """Keep an event; a repeat changes nothing, and is False."""
        insert = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
        row: dict[str, object] = {"deck_id": deck_id, "webhook_id": webhook_id, "type": type, "subject": subject}
        row |= {"body": body, "parked": parked, "received_at": now(), "handled_at": now() if parked else None}
        done = db.session.execute(insert(cls).values(row).on_conflict_do_nothing())
        return bool(getattr(done, "rowcount", 0) == 1)

    @classmethod
    def known_as(cls, deck_ids: Sequence[str]) -> set[str]:
        """Which of these events of Deck's are here."""
        return set(db.session.scalars(select(Event.deck_id).where(Event.deck_id.in_(deck_ids))))

    @classmethod
    def waiting(cls, limit: int) -> list[int]:
        """The ids of the first that nobody has acted on."""
        query = select(Event.id).where(Event.handled_at.is_(None)).order_by(Event.id).limit(limit)
        return list(db.session.scalars(query))

    @classmethod
    def claim(cls, ids: Sequence[int]) -> list[Event]:
        """Those that nobody has acted on meanwhile, in the order they came. Inside `writing()`."""
        query = select(Event).where(Event.id.in_(ids), Event.handled_at.is_(None)).order_by(Event.id)
        return list(db.session.scalars(query.with_for_update(skip_locked=True)))

    def handle(self, *, parked: str = "") -> None:
        self.handled_at, self.parked = now(), parked
