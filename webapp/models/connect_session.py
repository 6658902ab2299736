"""One visit to the connect flow."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ForeignKey, String, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from ..db import Json, Model, Moment, db, now
from .connection import Connection
from .news import host_events
from .person import Person
from .refs import Ref, free_support_code
from .source import Source
from .task import Task

LASTS = timedelta(minutes=60)
CONSENT_VERSION = "2026-11-22"
"""Changes with the text people agree to, so that we can say what somebody saw."""


class ConnectSession(Model):
    """From "agree and continue" to the outcome. `purpose` is connect, reconnect or refresh."""

    __tablename__ = "connect_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    support_code: Mapped[str] = mapped_column(String(7), unique=True, default=free_support_code)
    purpose: Mapped[str] = mapped_column(String(10), default="connect")
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    connection_id: Mapped[int | None] = mapped_column(ForeignKey("connection.id", ondelete="SET NULL"), index=True)
    sources: Mapped[Json | None]
    """Slugs of the sources that may be picked; null for all."""
    version: Mapped[int] = mapped_column(default=0)
    """Counts every change a person could see, so that a page never goes back to an older view."""
    device: Mapped[str] = mapped_column(String(10), default="", server_default="")
    """`phone` or `computer`, as the browser that began it said."""
    consented_at: Mapped[Moment | None]
    consent_version: Mapped[str] = mapped_column(String(20), default="")
    signed_in_at: Mapped[Moment | None]
    """When Deck took the sign-in typed in this visit."""
    created_at: Mapped[Moment] = mapped_column(default=now, index=True)
    ended_at: Mapped[Moment | None]

    person: Mapped[Person] = relationship()
    source: Mapped[Source | None] = relationship()
    task: Mapped[Task] = relationship()
    connection: Mapped[Connection | None] = relationship()

    @property
    def is_expired(self) -> bool:
        return now() - self.created_at > LASTS

    def touch(self) -> None:
        """Something a person can see has changed."""
        db.session.flush()
        db.session.execute(update(ConnectSession).filter_by(id=self.id).values(version=ConnectSession.version + 1))

    def agree(self) -> None:
        self.consented_at, self.consent_version = now(), CONSENT_VERSION
        self.touch()

    def pick(self, source: Source | None) -> None:
        """Go on with *source*, or back to the list. What was begun with another one stays where it is."""
        self.source, self.connection, self.signed_in_at = source, None, None
        self.touch()
        if source is not None:
            host_events().note(self, "SELECT_SOURCE")

    def sign_in_taken(self) -> None:
        self.signed_in_at = now()
        self.touch()

    def end(self) -> None:
        if self.ended_at is not None:
            return
        host_events().visit_ends(self)
        self.ended_at = now()
        self.touch()

    @classmethod
    def about_again(cls, connection: Connection, task: Task, purpose: str) -> ConnectSession:
        """A new visit about a connection that exists already."""
        whose = {"person_id": connection.person_id, "source": connection.source, "connection": connection}
        return cls(task=task, purpose=purpose, **whose)

    @classmethod
    def about(cls, connection: Connection) -> list[ConnectSession]:
        """The latest visit concerned with *connection*."""
        query = select(ConnectSession).filter_by(connection_id=connection.id).order_by(ConnectSession.id.desc())
        return list(db.session.scalars(query.limit(1)))

    @classmethod
    def by_ref(cls, ref: str, person_id: int) -> ConnectSession | None:
        """Looked up through its owner: somebody else's is nobody's."""
        query = (
            select(ConnectSession)
            .filter_by(ref=ref, person_id=person_id)
            .options(
                joinedload(ConnectSession.source),
                joinedload(ConnectSession.task),
                joinedload(ConnectSession.connection),
            )
        )
        return db.session.scalar(query)
