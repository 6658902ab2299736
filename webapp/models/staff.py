"""Somebody who helps: support staff, with a password, a second factor and a role."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from ..db import Json, Model, Moment, db, now
from .browser_session import hashed
from .connection import masked
from .person import same_email
from .refs import Ref

ROLES = ("viewer", "agent", "lead", "admin")
"""Each may do what those before it may."""
INVITED_FOR = timedelta(minutes=15)
IDLE = timedelta(minutes=15)
AT_MOST = timedelta(hours=8)
FRESH = timedelta(minutes=10)
NOTICED_EVERY = timedelta(seconds=30)
REMEMBERED_FOR = timedelta(days=30)
"""How long an address at which somebody was let in is no stranger's."""


def reaches(role: str, needed: str) -> bool:
    return ROLES.index(role) >= ROLES.index(needed)


class Staff(Model):
    """Nobody is staff by default: the first admin comes by a one-time link from the command line."""

    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(80), default="")
    role: Mapped[str] = mapped_column(String(10))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    sealed_seed: Mapped[str | None] = mapped_column(Text)
    """Of the second factor."""
    last_step: Mapped[int] = mapped_column(default=0)
    """The newest time step whose code was used: no code works twice."""
    recovery: Mapped[Json] = mapped_column(default=list)
    """SHA-256 of the recovery codes that are left."""
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong passwords and codes in a row."""
    failed_at: Mapped[Moment | None]
    invite_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    invite_until: Mapped[Moment | None]
    created_at: Mapped[Moment] = mapped_column(default=now)
    disabled_at: Mapped[Moment | None]

    @property
    def seed_place(self) -> str:
        return f"staff.sealed_seed.{self.ref}"

    @property
    def called(self) -> str:
        """What colleagues see: who comes by single sign-on was never asked for a name."""
        return self.name or masked(self.email)

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None

    def may(self, role: str) -> bool:
        return self.is_active and reaches(self.role, role)

    def invite(self) -> str:
        """A one-time token to set a password and a second factor with. Inside `writing()`."""
        token = secrets.token_urlsafe(32)
        self.invite_hash, self.invite_until = hashed(token), now() + INVITED_FOR
        return token

    @classmethod
    def by_email(cls, email: str) -> Staff | None:
        return db.session.scalar(select(Staff).filter_by(email=same_email(email)))

    @classmethod
    def by_ref(cls, ref: str) -> Staff | None:
        return db.session.scalar(select(Staff).filter_by(ref=ref))

    @classmethod
    def by_invitation(cls, token: str) -> Staff | None:
        """Whom a link that still works was made for."""
        found = db.session.scalar(select(Staff).filter_by(invite_hash=hashed(token)))
        works = found is not None and found.is_active and found.invite_until is not None and now() < found.invite_until
        return found if works else None


class StaffSession(Model):
    """One browser in which somebody of the staff is signed in, or half: `is_whole` once the second factor is given."""

    __tablename__ = "staff_session"
    __table_args__ = (Index(None, "address", "created_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    is_whole: Mapped[bool] = mapped_column(default=False)
    method: Mapped[str] = mapped_column(String(10), default="password")
    """How they proved who they are: password, recovery or sso."""
    address: Mapped[str] = mapped_column(String(45), default="")
    browser: Mapped[str] = mapped_column(String(60), default="")
    """In words, such as "Firefox on Linux"."""
    proved_at: Mapped[Moment | None]
    """When they last gave both factors."""
    created_at: Mapped[Moment] = mapped_column(default=now, index=True)
    seen_at: Mapped[Moment] = mapped_column(default=now)
    ended_at: Mapped[Moment | None]

    staff: Mapped[Staff] = relationship()

    @property
    def is_open(self) -> bool:
        in_time = now() - self.seen_at < IDLE and now() - self.created_at < AT_MOST
        return self.ended_at is None and in_time and self.staff.is_active

    @property
    def is_fresh(self) -> bool:
        """Whether both factors were given a moment ago, as the most sensitive acts ask for."""
        return self.proved_at is not None and now() - self.proved_at < FRESH

    @classmethod
    def start(cls, staff: Staff, **known: Any) -> tuple[StaffSession, str]:
        """A new session, and the token only its cookie holds. Inside `writing()`."""
        token = secrets.token_urlsafe(32)
        session = cls(staff=staff, token_hash=hashed(token), **known)
        db.session.add(session)
        return session, token

    @classmethod
    def by_token(cls, token: str) -> StaffSession | None:
        """The session of a cookie, while it is open."""
        query = select(StaffSession).filter_by(token_hash=hashed(token)).options(joinedload(cls.staff))
        found: StaffSession | None = db.session.scalar(query)
        return found if found is not None and found.is_open else None

    @classmethod
    def was_let_in_at(cls, address: str) -> bool:
        """Whether anybody of the staff gave both factors at this address lately."""
        query = select(StaffSession.id).filter_by(address=address, is_whole=True)
        return db.session.scalar(query.where(StaffSession.created_at > now() - REMEMBERED_FOR).limit(1)) is not None

    @classmethod
    def is_open_still(cls, id: int) -> bool:
        """For streams: whether the session they were opened in is open."""
        query = select(StaffSession).filter_by(id=id, is_whole=True).options(joinedload(cls.staff))
        found = db.session.scalar(query)
        return found is not None and found.is_open


class StaffToken(Model):
    """A program's key to the JSON twins of the pages: it may read what its owner may read, and do nothing."""

    __tablename__ = "staff_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    ending: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[Moment] = mapped_column(default=now)
    revoked_at: Mapped[Moment | None]

    staff: Mapped[Staff] = relationship()

    @classmethod
    def issue(cls, staff: Staff, name: str) -> str:
        """A new token: told once, then nobody can read it again. Inside `writing()`."""
        token = f"st_{secrets.token_urlsafe(32)}"
        db.session.add(cls(staff=staff, name=name, token_hash=hashed(token), ending=token[-4:]))
        return token

    @classmethod
    def by_token(cls, token: str) -> StaffToken | None:
        query = select(StaffToken).filter_by(token_hash=hashed(token), revoked_at=None).options(joinedload(cls.staff))
        found = db.session.scalar(query)
        return found if found is not None and found.staff.is_active else None


class StaffNote(Model):
    """What staff write down about a connection for each other."""

    __tablename__ = "staff_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    text: Mapped[str] = mapped_column(String(2000))
    at: Mapped[Moment] = mapped_column(default=now)

    staff: Mapped[Staff] = relationship()


class SavedView(Model):
    """A list with its filters, under a name: somebody's own, or everybody's."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("staff_id", "page", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    is_shared: Mapped[bool] = mapped_column(default=False)
    page: Mapped[str] = mapped_column(String(20), index=True)
    """Which list."""
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[str] = mapped_column(String(500))
    """The filters as they stand in the address."""
    created_at: Mapped[Moment] = mapped_column(default=now)

    staff: Mapped[Staff] = relationship()
