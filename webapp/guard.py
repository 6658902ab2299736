"""Protects people's accounts at a source: too many refused sign-ins lock them, insisting makes a block worse."""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from .current import config
from .db import db, now
from .models import Connection, Prompt, Run

WARN_AFTER = 2
PAUSE_AFTER = 3
AT_ONCE = 3
"""So many sign-ins of one person may be under way at one source: each may be one that is refused."""
PAUSE_USERNAME_AFTER = 6
"""So many refusals of one username at one source, whoever typed it, as far as we were told."""
REJECTED_PAUSE = timedelta(minutes=15)
BLOCKED_PAUSE = timedelta(hours=6)


@dataclass(frozen=True)
class Caution:
    """How careful to be with one person's account at one source."""

    rejections: int
    """Refused sign-ins in a row, lately."""
    paused_until: datetime | None
    reason: str = ""
    """`rejected` or `blocked`, when paused."""

    @property
    def warns(self) -> bool:
        return self.rejections >= WARN_AFTER

    @property
    def minutes_left(self) -> int:
        """Rounded up, so that nobody comes back too early."""
        return max(1, math.ceil(((self.paused_until or now()) - now()).total_seconds() / 60))

    @property
    def time_left(self) -> str:
        """How long the pause still is, in words."""
        minutes = self.minutes_left
        count, unit = (minutes, "minute") if minutes < 90 else (math.ceil(minutes / 60), "hour")
        return f"{count} {unit}{'s' if count > 1 else ''}"


def caution(person_id: int, source_id: int) -> Caution:
    """Three refused sign-ins in a row pause for 15 minutes, a block by the site for six hours.

    Only the last three runs that ended by themselves at this source count: stopping one takes nothing back.
    """
    query = (
        select(Run.errors, Run.ended_at)
        .join(Connection, Run.connection_id == Connection.id)
        .where(Connection.person_id == person_id, Connection.source_id == source_id)
        .where(Run.ended_at > now() - BLOCKED_PAUSE, Run.status != "canceled")
        .order_by(Run.id.desc())
        .limit(PAUSE_AFTER)
    )
    rejections, last, blocked_at = 0, None, None
    counting = True
    for errors, ended_at in db.session.execute(query):
        codes = {error["code"] for error in errors}
        if codes & {"blocked"} and blocked_at is None and counting:
            blocked_at = ended_at
        counting = counting and "auth_invalid" in codes and ended_at > now() - REJECTED_PAUSE
        if counting:
            rejections += 1
            last = last or ended_at
    if blocked_at is not None:
        return Caution(rejections, blocked_at + BLOCKED_PAUSE, "blocked")
    if rejections >= PAUSE_AFTER and last is not None:
        return Caution(rejections, last + REJECTED_PAUSE, "rejected")
    return Caution(rejections, None)


def caution_about(source_id: int, username: str) -> Caution:
    """The same for a username at a source, over everybody's visits: nobody gets more tries by more accounts."""
    query = (
        select(Run.ended_at)
        .join(Connection, Run.connection_id == Connection.id)
        .filter_by(username_digest=username_digest(source_id, username))
        .where(Run.ended_at > now() - REJECTED_PAUSE, Run.trouble.startswith("auth_invalid/"))
        .order_by(Run.ended_at.desc())
        .limit(PAUSE_USERNAME_AFTER)
    )
    refused = [ended_at for ended_at in db.session.scalars(query) if ended_at is not None]
    if len(refused) < PAUSE_USERNAME_AFTER:
        return Caution(len(refused), None)
    return Caution(len(refused), refused[0] + REJECTED_PAUSE, "rejected")


def is_busy(person_id: int, source_id: int) -> bool:
    """Whether as many of somebody's sign-ins as may be are under way there. What a site asks about has let them in."""
    query = (
        select(Run.id)
        .join(Connection, Run.connection_id == Connection.id)
        .where(Connection.person_id == person_id, Connection.source_id == source_id)
        .where(Run.status.in_(["new", "queued", "running"]), ~exists().where(Prompt.run_id == Run.id))
        .limit(AT_ONCE)
    )
    return len(list(db.session.scalars(query))) == AT_ONCE


def username_digest(source_id: int, username: str) -> str:
    """Tells whether two sign-ins name the same account. Nobody without our key can try names against it."""
    named = f"{source_id}.{username.strip().casefold()}"
    return hmac.new(config().secret_key.encode(), named.encode(), hashlib.sha256).hexdigest()
