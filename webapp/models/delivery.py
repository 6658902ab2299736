"""What we owe hosts: an event for each thing that happened, and its delivery to their endpoint, tried for a day."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, exists, func, or_, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from ..db import Json, Model, Moment, db, now
from .host import Host
from .refs import Ref

if TYPE_CHECKING:
    from ..vault import Vault

LEASE = timedelta(seconds=30)
"""Whoever calls an endpoint has it alone for so long."""
REST = timedelta(seconds=5)
"""An endpoint that did not take a call is left alone for so long."""
OVERLAP = timedelta(hours=24)
"""After a rotation both secrets sign for so long."""
PAUSE_AFTER = timedelta(hours=24)
WAITS = [timedelta(seconds=s) for s in (5, 30, 120, 600, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600)]
"""After the first try, the second, …: a day in all, then it has failed."""
MOST_SHOWN = 20
"""Attempts of one delivery that its host is shown."""


class Endpoint(Model):
    """Where a host wants its events. Called by one caller at a time, so a slow host holds up nobody but itself."""

    __tablename__ = "endpoint"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"), unique=True)
    url: Mapped[str] = mapped_column(String(2000))
    sealed_secret: Mapped[str] = mapped_column(Text)
    sealed_previous: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[Moment | None]
    lease_until: Mapped[Moment | None]
    """Somebody is calling it until then, or it rests; what is past tells when its turn was."""
    failing_since: Mapped[Moment | None]
    paused_at: Mapped[Moment | None]
    """It failed for a day. Events wait until an operator says that it works again."""
    created_at: Mapped[Moment] = mapped_column(default=now)

    host: Mapped[Host] = relationship()

    @property
    def secret_place(self) -> str:
        return f"endpoint.sealed_secret.{self.ref}"

    @property
    def previous_place(self) -> str:
        return f"endpoint.sealed_previous.{self.ref}"

    @classmethod
    def of(cls, host_id: int) -> Endpoint | None:
        return db.session.scalar(select(Endpoint).filter_by(host_id=host_id))

    @classmethod
    def set_up(cls, host: Host, url: str, vault: Vault) -> str:
        """A new endpoint; its secret, which is told once. Inside `writing()`."""
        endpoint = cls(host=host, url=url, sealed_secret="")
        db.session.add(endpoint)
        db.session.flush()
        secret = new_secret()
        endpoint.sealed_secret = vault.seal(secret, place=endpoint.secret_place)
        return secret

    def rotate(self, vault: Vault) -> str:
        """A new secret; the old one goes on signing beside it for a day. Inside `writing()`."""
        old = vault.open(self.sealed_secret, place=self.secret_place)
        self.sealed_previous = vault.seal(old, place=self.previous_place)
        self.previous_until = now() + OVERLAP
        secret = new_secret()
        self.sealed_secret = vault.seal(secret, place=self.secret_place)
        return secret

    def secrets(self, vault: Vault) -> list[str]:
        """All that sign now, the newest first."""
        found = [vault.open(self.sealed_secret, place=self.secret_place)]
        if self.sealed_previous and self.previous_until and self.previous_until > now():
            found.append(vault.open(self.sealed_previous, place=self.previous_place))
        return found

    def resume(self) -> None:
        """Somebody says that it works: what waits goes out now. Inside `writing()`."""
        self.paused_at = self.failing_since = self.lease_until = None
        waiting = update(Delivery).where(Delivery.endpoint_id == self.id, Delivery.due_at.is_not(None))
        db.session.execute(waiting.values(due_at=now()))

    @classmethod
    def is_any_due(cls) -> bool:
        """Whether `claim_due` would find something: the usual case is that it would not, and takes no lock."""
        return db.session.scalar(select(Endpoint.id).where(*cls._due()).limit(1)) is not None

    @classmethod
    def claim_due(cls, limit: int) -> list[int]:
        """Ids of endpoints to call, whose turn was longest ago first. Inside `writing()`.

        Also those that something new is being written for: that refers to them and changes nothing.
        """
        query = select(Endpoint).where(*cls._due()).order_by(Endpoint.lease_until.nulls_first(), Endpoint.id)
        endpoints = list(db.session.scalars(query.limit(limit).with_for_update(skip_locked=True, key_share=True)))
        for endpoint in endpoints:
            endpoint.lease_until = now() + LEASE
        return [endpoint.id for endpoint in endpoints]

    @staticmethod
    def _due() -> tuple[ColumnElement[bool], ...]:
        # asked of each endpoint that may be called, so what waits at a paused one is never walked through
        waiting = exists().where(Delivery.endpoint_id == Endpoint.id, Delivery.due_at <= now())
        hosts = select(Host.id).where(Host.paused_at.is_(None))
        free = or_(Endpoint.lease_until.is_(None), Endpoint.lease_until <= now())
        return Endpoint.paused_at.is_(None), free, Endpoint.host_id.in_(hosts), waiting


class HostEvent(Model):
    """Something a host wants to know. Never what came back, never anything typed."""

    __tablename__ = "host_event"
    __table_args__ = (Index(None, "host_id", "id"), Index(None, "created_at"), Index(None, "person_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id", ondelete="SET NULL"))
    """Whom it is about, as long as we know them: that they are forgotten is told too."""
    type: Mapped[str] = mapped_column(String(40))
    once: Mapped[str | None] = mapped_column(String(40), unique=True)
    """For what is told once and never again."""
    data: Mapped[Json]
    created_at: Mapped[Moment] = mapped_column(default=now)

    @classmethod
    def was_told(cls, once: str) -> bool:
        return db.session.scalar(select(HostEvent.id).filter_by(once=once)) is not None


class Delivery(Model):
    """An event we owe an endpoint. States: pending → delivered, or failed after a day."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index(None, "endpoint_id", "id"),
        Index(None, "endpoint_id", "due_at"),
        Index(None, "state", "endpoint_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoint.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(ForeignKey("host_event.id", ondelete="CASCADE"), unique=True)
    url: Mapped[str] = mapped_column(String(2000), default="", server_default="")
    """Where a session wished it to go instead; "" for the endpoint's own address."""
    state: Mapped[str] = mapped_column(String(10), default="pending")
    tries: Mapped[int] = mapped_column(default=0)
    """Since it was last asked for."""
    due_at: Mapped[Moment | None] = mapped_column(default=now, index=True)
    """When to try next; null once it is delivered or has failed."""
    created_at: Mapped[Moment] = mapped_column(default=now)
    settled_at: Mapped[Moment | None]

    endpoint: Mapped[Endpoint] = relationship()
    event: Mapped[HostEvent] = relationship()
    attempts: Mapped[list[Attempt]] = relationship(back_populates="delivery", order_by="Attempt.id")

    @classmethod
    def next_due(cls, endpoint_id: int, but_not: Collection[str] = ()) -> Delivery | None:
        """The oldest that is due there; none that goes to a wished address among *but_not*."""
        query = select(Delivery).where(Delivery.endpoint_id == endpoint_id, Delivery.due_at <= now())
        query = query.where(Delivery.url.not_in(but_not)) if but_not else query
        query = query.order_by(Delivery.due_at, Delivery.id).limit(1)
        return db.session.scalar(query.options(joinedload(Delivery.event)))

    def tried(self, *, status: int | None, problem: str, milliseconds: int) -> None:
        """An attempt was made; no *problem* means that it was taken. Inside `writing()`.

        How a wished address fares says nothing about the endpoint: it neither rests nor is paused for it.
        """
        db.session.add(Attempt(delivery=self, status=status, problem=problem, milliseconds=milliseconds))
        self.tries += 1
        endpoint = self.endpoint
        if not problem:
            self._settle("delivered")
            endpoint.lease_until = now() + LEASE
            endpoint.failing_since = endpoint.failing_since if self.url else None
            return
        if self.tries > len(WAITS):
            self._settle("failed")
        else:
            self.due_at = now() + WAITS[self.tries - 1]
        if self.url:
            return
        endpoint.failing_since = endpoint.failing_since or now()
        endpoint.lease_until = now() + REST
        if now() - endpoint.failing_since >= PAUSE_AFTER:
            endpoint.paused_at = endpoint.paused_at or now()

    def resend(self) -> None:
        """From the beginning, with the same id. Inside `writing()`."""
        self.state, self.tries, self.due_at, self.settled_at = "pending", 0, now(), None

    def _settle(self, state: str) -> None:
        self.state, self.due_at, self.settled_at = state, None, now()


class Attempt(Model):
    """One call of an endpoint, and what came of it."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"), index=True)
    status: Mapped[int | None]
    """HTTP's; null when there was no answer."""
    problem: Mapped[str] = mapped_column(String(20), default="")
    """Why it was not taken: see `webapp.hosts.deliveries`."""
    milliseconds: Mapped[int]
    at: Mapped[Moment] = mapped_column(default=now)

    delivery: Mapped[Delivery] = relationship(back_populates="attempts")

    @classmethod
    def newest_of(cls, deliveries: Collection[Delivery]) -> dict[int, list[Attempt]]:
        """By delivery, oldest first: as many as a day brings and a few more, as one may be sent again for ever."""
        nth = func.row_number().over(partition_by=cls.delivery_id, order_by=cls.id.desc())
        ids = [delivery.id for delivery in deliveries]
        newest = select(cls.id, nth.label("nth")).where(cls.delivery_id.in_(ids)).subquery()
        query = select(cls).join(newest, newest.c.id == cls.id).where(newest.c.nth <= MOST_SHOWN).order_by(cls.id)
        found: dict[int, list[Attempt]] = {id: [] for id in ids}
        for attempt in db.session.scalars(query):
            found[attempt.delivery_id].append(attempt)
        return found


def new_secret() -> str:
    """As Standard Webhooks wants it: 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
