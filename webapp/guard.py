"""Protects people's accounts at a source: too many refused sign-ins lock them, insisting makes a block worse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from .db import db, now
from .models import Connection, Run

WARN_AFTER = 2
PAUSE_AFTER = 3
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

    Only the last three runs that ended at this source count.
    """
    query = (
        select(Run.errors, Run.ended_at)
        .join(Connection, Run.connection_id == Connection.id)
        .where(Connection.person_id == person_id, Connection.source_id == source_id)
        .where(Run.ended_at > now() - BLOCKED_PAUSE)
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
