"""Somebody who links accounts."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

import argon2
import gevent
from gevent.monkey import is_module_patched
from sqlalchemy import ForeignKey, ScalarSelect, String, UniqueConstraint, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.exceptions import ServiceUnavailable

from ..db import Model, Moment, db, now
from .refs import RefText

if TYPE_CHECKING:
    from .host import Host

Done = TypeVar("Done")

HASHER = argon2.PasswordHasher()
PEOPLES_TURNS = threading.BoundedSemaphore(2)
"""A hash takes 64 MiB and a core for a moment: so many at once and no more."""
STAFFS_TURNS = threading.BoundedSemaphore(1)
"""Their own: however many strangers guess at the people's door, whoever helps comes in."""
LONGEST_WAIT = 5.0
"""Seconds for one's turn to come. Whoever waited longer would only make the queue longer for everybody."""

NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$qX/sZ1ORvLSiERd9o0nO3A$emQR7Az8xKHPR61iROwLkLbUaxRCsdAtvzsivoA4JpQ"
"""Of a password that nobody has or knows. Checked when the email is unknown, so that both answers take as long."""


class Person(Model):
    """Somebody with an account here has an email and a password; somebody a host sends has the host's name for them."""

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("host_id", "client_user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    host_id: Mapped[int | None] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"))
    client_user_id: Mapped[str | None] = mapped_column(RefText(200), index=True)
    """The host's own id of its user."""

    host: Mapped[Host | None] = relationship()
    created_at: Mapped[Moment] = mapped_column(default=now)
    closing_at: Mapped[Moment | None] = mapped_column(index=True)
    """When they asked to be forgotten: nobody signs in any more, and everything of theirs is being deleted."""

    @classmethod
    def by_email(cls, email: str) -> Person | None:
        return db.session.scalar(select(Person).filter_by(email=same_email(email)))

    @classmethod
    def id_sent_by_host(cls) -> ScalarSelect[int]:
        """For a statement with `host_id` and `client_user_id`: whose they are, or NULL."""
        query = select(cls.id).where(cls.host_id == bindparam("host_id"))
        return query.where(cls.client_user_id == bindparam("client_user_id")).scalar_subquery()

    @classmethod
    def sign_up(cls, email: str, password: str) -> Person:
        """A new account. Call it outside a write transaction: hashing takes a moment."""
        return cls(email=same_email(email), password_hash=hash_password(password))

    @classmethod
    def with_password(cls, email: str, password: str) -> Person | None:
        """Whoever has this email and this password. Takes as long for a stranger as for a wrong password."""
        person = cls.by_email(email)
        kept = person.password_hash if person else None
        db.session.rollback()  # hold no connection while a core is at it
        return person if is_password(kept, password) else None


def is_password(kept: str | None, given: str, turns: threading.BoundedSemaphore = PEOPLES_TURNS) -> bool:
    """Whether *given* is the password *kept* is the hash of. Takes as long when nothing is kept."""
    with one_of(turns):
        try:
            _aside(HASHER.verify, kept or NOBODY, given)
        except argon2.exceptions.VerificationError:
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with weaker settings than today's."""
    return HASHER.check_needs_rehash(kept)


def hash_password(password: str, turns: threading.BoundedSemaphore = PEOPLES_TURNS) -> str:
    with one_of(turns):
        return _aside(HASHER.hash, password)


@contextmanager
def one_of(turns: threading.BoundedSemaphore) -> Iterator[None]:
    """One's turn at hashing; 503 for whoever has waited too long, who may come back in a moment."""
    if not turns.acquire(timeout=LONGEST_WAIT):
        raise ServiceUnavailable(retry_after=1 + secrets.randbelow(4))
    try:
        yield
    finally:
        turns.release()


def _aside(function: Callable[..., Done], *args: str) -> Done:
    """In a thread of its own where greenlets share one: streams and webhooks would stand still meanwhile."""
    if not is_module_patched("threading"):
        return function(*args)
    return cast(Done, gevent.get_hub().threadpool.apply(function, args))


def same_email(email: str) -> str:
    """The form in which two spellings of one address meet."""
    return email.strip().casefold()
