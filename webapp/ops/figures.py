"""What the database knows of how we are doing: one small query for each figure, asked when somebody looks."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from ..db import db, now
from ..models import Chore, Event, Intent, Run

KEPT = 3.0
"""Seconds for which figures are good enough."""

STATUSES = {"new", "queued", "running", "interaction_required", "review_required", "cancelling"}


@dataclass(frozen=True)
class Figures:
    """Ages are in seconds; 0 when there is nothing that could be old."""

    inbox: int = 0
    inbox_age: float = 0.0
    intents: dict[str, int] = field(default_factory=dict)
    """Pending ones by kind."""
    intent_age: float = 0.0
    runs: dict[str, int] = field(default_factory=dict)
    """Open ones by status."""
    run_staleness: float = 0.0
    """Since Deck last confirmed the run it confirmed longest ago."""
    chores: dict[str, ChoreState] = field(default_factory=dict)
    connections: int = 0
    """Of this process to the database, in use now."""
    is_there: bool = True
    """False when the database could not be asked: all others say nothing then."""


@dataclass(frozen=True)
class ChoreState:
    age: float | None
    """Since it last went well; None for never."""
    problem: str


class Watcher:
    """The figures, fresh enough."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._known: tuple[float, Figures] = (float("-inf"), Figures())

    def look(self) -> Figures:
        with self._lock:
            at, figures = self._known
            if time.monotonic() - at >= KEPT:
                figures = read(self._app)
                self._known = (time.monotonic(), figures)
            return figures


def read(app: Flask) -> Figures:
    with app.app_context():
        try:
            return _read()
        except SQLAlchemyError:
            return Figures(is_there=False)
        finally:
            db.session.remove()


def _read() -> Figures:
    (inbox,) = rows(select(func.count(), func.min(Event.received_at)).where(Event.handled_at.is_(None)))
    pending = select(Intent.kind, func.count(), func.min(Intent.created_at)).where(Intent.state == "pending")
    intents = rows(pending.group_by(Intent.kind))
    seen = func.min(func.coalesce(Run.looked_at, Run.created_at))
    runs = rows(select(Run.status, func.count(), seen).where(Run.ended_at.is_(None)).group_by(Run.status))
    by_status: dict[str, int] = {}
    for status, count, _ in runs:
        name = status if status in STATUSES else "other"
        by_status[name] = by_status.get(name, 0) + count
    chores = {
        name: ChoreState(age_of(done_at) if done_at else None, problem)
        for name, done_at, problem in rows(select(Chore.name, Chore.done_at, Chore.problem))
    }
    return Figures(
        inbox=inbox[0],
        inbox_age=age_of(inbox[1]),
        intents={kind: count for kind, count, _ in intents},
        intent_age=max((age_of(since) for _, _, since in intents), default=0.0),
        runs=by_status,
        run_staleness=max((age_of(since) for _, _, since in runs), default=0.0),
        chores=chores,
        connections=getattr(db.engine.pool, "checkedout", lambda: 0)(),
    )


def rows(query: Any) -> list[Any]:
    return list(db.session.execute(query))


def age_of(moment: datetime | None) -> float:
    return max(0.0, (now() - moment).total_seconds()) if moment else 0.0
