"""One person's tie to one source: its Deck credential, its status, its runs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import ColumnElement, ForeignKey, Index, String, or_, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from ..budget import Lane
from ..db import Model, Moment, db, now
from .news import host_events
from .person import Person
from .refs import DeckId, Ref
from .source import Source

MOST_SHOWN = 200
LONG_USERNAME = 8
"""From here on its last two characters are shown, too: they tell two accounts at one site apart."""
LEASE = timedelta(seconds=30)
LOOK_AGAIN = timedelta(seconds=30)
"""If asking Deck comes to nothing."""


class Connection(Model):
    """Its status is Deck's word for the credential (unverified, verified, invalid, deleted), or `new` or `deleting`."""

    __tablename__ = "connection"
    __table_args__ = (
        Index(None, "person_id", "source_id"),
        Index(None, "status", "status_since"),
        Index(None, "host_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    host_id: Mapped[int | None]
    """The person's, who never changes hosts: kept here too, so that a host's newest are found by one index."""
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"), index=True)
    deck_id: Mapped[DeckId | None] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(String(20), default="new")
    status_since: Mapped[Moment] = mapped_column(default=now)
    username_hint: Mapped[str] = mapped_column(String(40), default="")
    username_digest: Mapped[str | None] = mapped_column(String(64), index=True)
    """See `webapp.guard.username_digest`."""
    """The username, masked. The real one is read back from Deck when a form needs it."""
    due_at: Mapped[Moment | None] = mapped_column(index=True)
    """When to ask Deck again about the credential; null when nothing suggests a change."""
    lease_until: Mapped[Moment | None]
    created_at: Mapped[Moment] = mapped_column(default=now)

    person: Mapped[Person] = relationship()
    source: Mapped[Source] = relationship()

    @property
    def is_live(self) -> bool:
        """Whether Deck holds its sign-in. A status nobody knows yet is one more that it may have there."""
        return self.status not in ("new", "deleting", "deleted")

    @property
    def is_over(self) -> bool:
        """Whether its sign-in is destroyed, or about to be."""
        return self.status in ("deleting", "deleted")

    def become(self, status: str) -> bool:
        """Take Deck's word for the credential. Deleted is for good; False when nothing changed."""
        if status == self.status or self.status == "deleted" or (self.status == "deleting" and status != "deleted"):
            return False
        was, self.status, self.status_since = self.status, status, now()
        host_events().connection_became(self, was)
        return True

    @staticmethod
    def due() -> tuple[ColumnElement[bool], ...]:
        """What `claim_due` finds."""
        free = or_(Connection.lease_until.is_(None), Connection.lease_until <= now())
        return Connection.due_at <= now(), Connection.deck_id.is_not(None), free

    @classmethod
    def claim_due(cls, limit: int) -> list[tuple[int, Lane]]:
        """Ids of connections to ask Deck about, each given its next time, as `Run.claim_due` does."""
        query = select(Connection).where(*cls.due()).order_by(Connection.due_at)
        query = query.limit(limit).with_for_update(skip_locked=True)
        connections = list(db.session.scalars(query))
        for connection in connections:
            connection.due_at, connection.lease_until = now() + LOOK_AGAIN, now() + LEASE
        return [(connection.id, Lane.NEWS) for connection in connections]

    @classmethod
    def put_off(cls, id: int, lane: Lane, seconds: float) -> None:
        """It could not be asked about now. News that came in meanwhile leave it due. Inside `writing()`."""
        mine = update(Connection).where(Connection.id == id)
        again = now() + timedelta(seconds=seconds)
        db.session.execute(mine.where(Connection.due_at > now()).values(due_at=again))
        db.session.execute(mine.values(lease_until=None))

    @classmethod
    def known_as(cls, deck_ids: Collection[str]) -> list[Connection]:
        """The connections whose credentials Deck calls so."""
        return list(db.session.scalars(select(Connection).where(Connection.deck_id.in_(deck_ids))))

    @classmethod
    def of(cls, person_id: int) -> list[Connection]:
        """Somebody's connections, newest first; those that never came to be are left out."""
        query = (
            select(Connection)
            .where(Connection.person_id == person_id, Connection.status.not_in(["new", "deleted"]))
            .options(joinedload(Connection.source))
            .order_by(Connection.id.desc())
            .limit(MOST_SHOWN)
        )
        return list(db.session.scalars(query))

    @classmethod
    def by_ref(cls, ref: str, person_id: int) -> Connection | None:
        """Looked up through its owner: somebody else's is nobody's."""
        query = select(Connection).filter_by(ref=ref, person_id=person_id).options(joinedload(Connection.source))
        return db.session.scalar(query)


def masked(username: str) -> str:
    """Enough to recognise, too little to use: ``j•••@d•••``, ``4•••34`` where it is long, or ``j•••``."""
    name, at, domain = username.partition("@")
    if at:
        return f"{name[:1]}•••@{domain[:1]}•••"
    return f"{name[:1]}•••{name[-2:] if len(name) >= LONG_USERNAME else ''}"
