"""Somebody who wants to hear when a source works again: their host is told, once, and tells them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..db import Model, Moment, db, now
from .connect_session import ConnectSession
from .connection import Connection
from .person import Person
from .source import TROUBLE_LASTS, Source


class Follow(Model):
    """It waits as long as it is here: it goes in the transaction in which the host is told."""

    __tablename__ = "follow"
    __table_args__ = (UniqueConstraint("connect_session_id", "source_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    connect_session_id: Mapped[int] = mapped_column(ForeignKey("connect_session.id", ondelete="CASCADE"))
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"), index=True)
    created_at: Mapped[Moment] = mapped_column(default=now)

    connect_session: Mapped[ConnectSession] = relationship()
    source: Mapped[Source] = relationship()

    @classmethod
    def of_visit(cls, session: ConnectSession) -> Follow | None:
        """What the visit waits for, if it waits for the source it is at now."""
        return db.session.scalar(select(Follow).filter_by(connect_session_id=session.id, source_id=session.source_id))

    @classmethod
    def over(cls, limit: int) -> list[tuple[int, int]]:
        """Whose, and which: nobody has stopped the source, and a run got through or none failed for a while."""
        works = or_(Source.failures == 0, Source.failed_at.is_(None), Source.failed_at < now() - TROUBLE_LASTS)
        open_ = or_(Source.stopped_until.is_(None), Source.stopped_until <= now())
        query = select(Person.id, Follow.id).select_from(Follow).join(Source).join(ConnectSession)
        query = query.join(Person, ConnectSession.person_id == Person.id).where(works, open_, Source.offered)
        found = db.session.execute(query.where(Person.closing_at.is_(None)).order_by(Follow.id).limit(limit))
        return [(person_id, id) for person_id, id in found]

    @property
    def is_settled(self) -> bool:
        """Whether they got through by themselves since."""
        theirs = (Connection.person_id == self.connect_session.person_id, Connection.source_id == self.source_id)
        found = select(Connection.id).where(*theirs, Connection.status == "verified")
        return db.session.scalar(found.where(Connection.status_since > self.created_at).limit(1)) is not None
