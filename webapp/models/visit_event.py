"""What somebody did in their visit, step by step; never what they typed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Json, Model, Moment, db, now
from .refs import Ref


class VisitEvent(Model):
    """Names are those of connect.js. `seq` counts from 1 in each visit, without gaps."""

    __tablename__ = "visit_event"
    __table_args__ = (UniqueConstraint("connect_session_id", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    connect_session_id: Mapped[int] = mapped_column(ForeignKey("connect_session.id", ondelete="CASCADE"))
    seq: Mapped[int]
    name: Mapped[str] = mapped_column(String(30))
    details: Mapped[Json]
    at: Mapped[Moment] = mapped_column(default=now)

    @classmethod
    def add(cls, session_id: int, name: str, details: dict[str, Any]) -> None:
        """The visit's next event. Inside `writing()` of its person, so that numbers are given one by one."""
        last = db.session.scalar(select(func.max(VisitEvent.seq)).filter_by(connect_session_id=session_id))
        db.session.add(cls(connect_session_id=session_id, seq=(last or 0) + 1, name=name, details=details))
        db.session.flush()

    @classmethod
    def page(cls, session_id: int, after: str, limit: int) -> list[VisitEvent] | None:
        """Events after the one with the reference *after*, oldest first; None when there is no such event."""
        query = select(VisitEvent).filter_by(connect_session_id=session_id).order_by(VisitEvent.seq).limit(limit)
        if after:
            last = db.session.scalar(select(VisitEvent.seq).filter_by(connect_session_id=session_id, ref=after))
            if last is None:
                return None
            query = query.where(VisitEvent.seq > last)
        return list(db.session.scalars(query))
