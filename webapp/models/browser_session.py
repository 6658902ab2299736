"""One browser in which somebody is signed in. Ending it here really ends it, whatever cookie was copied."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from flask_login import UserMixin
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from .. import logs
from ..db import TRANSIENT, Model, Moment, db, now, writing
from .person import Person

IDLE = timedelta(hours=2)
AT_MOST = timedelta(hours=24)
NOTICED_EVERY = timedelta(minutes=1)


class BrowserSession(UserMixin, Model):  # type: ignore[misc]
    """What Flask-Login calls the user: the cookie holds a random token, this row its SHA-256."""

    __tablename__ = "browser_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("connect_session.id", ondelete="CASCADE"), index=True)
    """Somebody a host sent us is here for this one visit and sees nothing else."""
    frame_origin: Mapped[str | None] = mapped_column(String(300))
    """Whose page the visit is framed by. Such a session is opened by its key in a header, never by a cookie."""
    created_at: Mapped[Moment] = mapped_column(default=now, index=True)
    seen_at: Mapped[Moment] = mapped_column(default=now)
    ended_at: Mapped[Moment | None]

    person: Mapped[Person] = relationship()

    token = cast("str | None", None)
    """Known only in the request that starts the session."""

    @classmethod
    def start(cls, person: Person) -> BrowserSession:
        token = secrets.token_urlsafe(32)
        session = cls(token_hash=hashed(token), person=person)
        session.token = token
        return session

    @classmethod
    def by_token(cls, token: Any) -> BrowserSession | None:
        """The session a cookie names, while it is open; notes that it was seen."""
        return cls._seen(token, framed=False)

    @classmethod
    def by_frame_key(cls, key: str) -> BrowserSession | None:
        """The session a frame's header names, likewise."""
        return cls._seen(key, framed=True)

    @classmethod
    def _seen(cls, token: Any, *, framed: bool) -> BrowserSession | None:
        if not isinstance(token, str):
            return None
        query = select(BrowserSession).filter_by(token_hash=hashed(token)).options(joinedload(cls.person))
        session: BrowserSession | None = db.session.scalar(query)
        if session is not None and not session.is_open:
            logs.event("session_use_after_expire")
        if session is None or not session.is_open or framed != (session.frame_origin is not None):
            return None
        session.token = token
        if now() - session.seen_at > NOTICED_EVERY:
            with suppress(*TRANSIENT), writing():  # a page can be read while nothing can be written
                session.seen_at = now()
            session.token = token
        return session

    @property
    def is_open(self) -> bool:
        return self.ended_at is None and now() - self.seen_at < IDLE and now() - self.created_at < AT_MOST

    def get_id(self) -> str | None:
        """What Flask-Login puts into the cookie."""
        return self.token


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
