"""How far visits came, counted by the database over a window that has an end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select

from ..db import db, now
from ..hosts.events import SILENCE
from ..models import ConnectSession, Event, Person, VisitEvent

MOST = 50_000
"""Visits counted at once: the newest of the window."""

WEEK = timedelta(days=7)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Steps:
    """How many visits were opened and in how many each thing happened. The last three say how those not handed over
    stand; a visit that is neither left nor abandoned goes on."""

    opened: int = 0
    picked: int = 0
    submitted: int = 0
    asked: int = 0
    answered: int = 0
    handed_over: int = 0
    left: int = 0
    abandoned: int = 0

    @property
    def sign_in_rate(self) -> float | None:
        """Of the visits in which credentials were submitted."""
        return self.handed_over / self.submitted if self.submitted else None

    @property
    def conversion(self) -> float | None:
        """Of the visits opened."""
        return self.handed_over / self.opened if self.opened else None

    @property
    def abandonment(self) -> float | None:
        """Likewise: visits in which nothing was heard for a quarter of an hour, without an end."""
        return self.abandoned / self.opened if self.opened else None

    def __add__(self, other: Steps) -> Steps:
        mine, theirs = asdict(self), asdict(other)
        return Steps(**{name: mine[name] + theirs[name] for name in mine})


EVENTS = {
    "opened": "OPEN",
    "picked": "SELECT_SOURCE",
    "submitted": "SUBMIT_CREDENTIALS",
    "asked": "MFA_REQUIRED",
    "answered": "SUBMIT_MFA",
    "handed_over": "HANDOFF",
    "left": "EXIT",
}
GROUPS: dict[str, ColumnElement[Any]] = {
    "source": ConnectSession.source_id.expression,
    "host": Person.host_id.expression,
    "device": ConnectSession.device.expression,
}
"""What visits can be told apart by."""


def steps_by(by: str, since: datetime, until: datetime, *narrowed: ColumnElement[bool]) -> dict[Any, Steps]:
    """The newest `MOST` visits begun in the window, by one of `GROUPS`. Refreshes have nothing to type: left out."""
    visits = newest(since, until, *narrowed).add_columns(GROUPS[by].label("key")).limit(MOST).subquery()
    happened = [func.max(case((VisitEvent.name == event, 1), else_=0)).label(it) for it, event in EVENTS.items()]
    each = (
        select(visits.c.key, func.max(VisitEvent.at).label("heard_at"), *happened)
        .join(VisitEvent, VisitEvent.connect_session_id == visits.c.id)
        .group_by(visits.c.id, visits.c.key)
        .subquery()
    )
    is_out = and_(each.c.left == 1, each.c.handed_over == 0)
    is_silent = and_(each.c.handed_over == 0, each.c.left == 0, each.c.heard_at < now() - SILENCE)
    sums = {
        **{name: func.sum(each.c[name]) for name in EVENTS},
        "left": func.sum(case((is_out, 1), else_=0)),
        "abandoned": func.sum(case((is_silent, 1), else_=0)),
    }
    columns = [sums[field.name] for field in fields(Steps)]
    query = select(each.c.key, *columns).where(each.c.opened == 1).group_by(each.c.key)
    return {key: Steps(*counts) for key, *counts in db.session.execute(query)}


def counted_from(since: datetime, until: datetime, *narrowed: ColumnElement[bool]) -> datetime | None:
    """When the oldest visit that is counted began, if there are more in the window; None when all are counted."""
    query = newest(since, until, *narrowed).with_only_columns(ConnectSession.created_at)
    return db.session.scalar(query.offset(MOST - 1).limit(1))


def newest(since: datetime, until: datetime, *narrowed: ColumnElement[bool]) -> Select[Any]:
    return (
        select(ConnectSession.id)
        .join(Person, ConnectSession.person_id == Person.id)
        .where(ConnectSession.created_at >= since, ConnectSession.created_at < until)
        .where(ConnectSession.purpose != "refresh", *narrowed)
        .order_by(ConnectSession.created_at.desc())
    )


def total(groups: dict[Any, Steps]) -> Steps:
    return sum(groups.values(), Steps())


def last_day() -> dict[str, Any]:
    """The last 24 hours and the same hours a week before, as plain numbers: kept by the chore `figures`."""
    until = now()
    parked = select(func.count()).where(Event.received_at >= until - DAY, Event.parked != "")
    return {
        "parked": db.session.scalar(parked) or 0,
        "at": until.isoformat(),
        "today": asdict(total(steps_by("device", until - DAY, until))),
        "before": asdict(total(steps_by("device", until - DAY - WEEK, until - WEEK))),
    }
