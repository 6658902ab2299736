"""A company whose people connect accounts through us, and the keys of its server."""

from __future__ import annotations

import secrets

from sqlalchemy import ForeignKey, String, bindparam, false, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..db import Json, Model, Moment, db, now
from .browser_session import hashed
from .refs import Ref


class Host(Model):
    """What an operator has agreed with a company. Lists are exact: nothing in them is a pattern."""

    __tablename__ = "host"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    name: Mapped[str] = mapped_column(String(40), unique=True)
    """What people are told: who is asking."""
    is_test: Mapped[bool] = mapped_column(default=False, server_default=false())
    """May use plain http on this machine."""
    origins: Mapped[Json] = mapped_column(default=list)
    """Where its pages come from, as browsers write it: ``https://shop.example``."""
    return_urls: Mapped[Json] = mapped_column(default=list)
    """Where people may be sent back to."""
    sources: Mapped[Json | None]
    """Slugs of the sources it may offer; null for all."""
    created_at: Mapped[Moment] = mapped_column(default=now)
    paused_at: Mapped[Moment | None]

    keys: Mapped[list[HostKey]] = relationship(back_populates="host")

    @classmethod
    def by_key(cls, key: str) -> tuple[Host, int] | None:
        """Whose secret key this is, while it is valid, and the key's id.

        The host as it is now, which no later write reads again. Every call of the API asks this, so it goes around
        the ORM.
        """
        found = db.session.connection().execute(BY_KEY, {"key_hash": hashed(key)}).one_or_none()
        if found is None:
            return None
        columns = dict(found._mapping)
        key_id = int(columns.pop("key_id"))
        return cls(**columns), key_id


class HostKey(Model):
    """A secret key of a host's server: only its hash is kept, and its end so that people can tell keys apart."""

    __tablename__ = "host_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    ending: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[Moment] = mapped_column(default=now)
    revoked_at: Mapped[Moment | None]

    host: Mapped[Host] = relationship(back_populates="keys")

    @classmethod
    def issue(cls, host: Host) -> str:
        """A new key for *host*: told once, then nobody can read it again. Inside `writing()`."""
        key = f"sk_{'test' if host.is_test else 'live'}_{secrets.token_urlsafe(32)}"
        db.session.add(cls(host=host, key_hash=hashed(key), ending=key[-4:]))
        return key


BY_KEY = (
    select(*Host.__table__.columns, HostKey.id.label("key_id"))
    .join(HostKey)
    .filter_by(key_hash=bindparam("key_hash"), revoked_at=None)
    .where(Host.paused_at.is_(None))
)
