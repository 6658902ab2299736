"""The staff's sessions: begun with a new id, and ended on the server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from ..browsers import browser
from ..db import db, now
from ..door import address
from ..models import Staff, StaffSession
from ..public_ids import public_id
from .gate import half_session, record


def start(staff: Staff, **known: Any) -> tuple[StaffSession, str]:
    """A new session in this browser, and its token; whichever was open here is over. Inside `writing()`."""
    end_this()
    session, token = StaffSession.start(staff, address=address(), browser=browser(), **known)
    db.session.flush()
    return session, token


def let_in(staff: Staff, method: str, proved_at: datetime | None) -> str:
    """They have given both factors: the token of their session. Inside `writing()`."""
    session, token = start(staff, is_whole=True, method=method, proved_at=proved_at)
    record("sign_in", public_id("staff", staff.ref), staff=staff, session=session.ref, method=method)
    return token


def end_this() -> None:
    """The session of this browser is over. Inside `writing()`."""
    found = half_session()
    if found is not None:
        found.ended_at = now()


def end_all(staff: Staff, but: int | None = None) -> int:
    """All their sessions are over, but for the one with the id *but*; how many were. Inside `writing()`."""
    mine = update(StaffSession).where(StaffSession.staff_id == staff.id, StaffSession.ended_at.is_(None))
    done = db.session.execute(mine.where(StaffSession.id != (but or 0)).values(ended_at=now()))
    return int(getattr(done, "rowcount", 0))


def hold(id: int) -> Staff:
    """Somebody's row, which nobody else changes until the commit. Inside `writing()`.

    Others may refer to it meanwhile: an entry in the audit log does, and whoever writes one has its lock already.
    """
    query = select(Staff).filter_by(id=id).with_for_update(key_share=True)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()
