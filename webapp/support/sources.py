"""How sources fare: the table, and one source in detail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import abort, request
from sqlalchemy import select

from ..db import db, now
from ..deck.reading import one_line
from ..models import Issue, Source, SourceHour
from .figures import quantile
from .health import (
    DAY,
    DAYS,
    MOST_SOURCES,
    Fared,
    Fortnight,
    State,
    fallen,
    fared_since,
    first_day,
    fortnights,
    sources_by_use,
    state_of,
)
from .pages import page

PERIODS = {"1": "24 hours", "7": "7 days"}
MOST_ERRORS = 3
MOST_ISSUES = 20


@dataclass(frozen=True)
class Trouble:
    """How often runs failed in one way; `part` is its share of those that failed."""

    code: str
    stage: str
    times: int
    part: float


@dataclass(frozen=True)
class Health:
    """One source, in numbers. Times are the source's own, in seconds: waiting for a person is not counted."""

    slug: str
    name: str
    state: State
    ended: int
    success: float | None
    troubles: list[Trouble]
    p50: float | None
    p90: float | None
    p99: float | None
    asked: float | None
    last_good_at: datetime | None
    by_day: list[float | None]
    """Success of each of the last 14 days."""


@dataclass(frozen=True)
class Kind:
    """An issue at this source."""

    ref: str
    code: str
    stage: str
    state: str
    count: int
    last_at: datetime


@page("/sources", "sources.html", name="sources")
def show_all() -> dict[str, Any]:
    days, name = period(), one_line(request.args.get("name"))
    all_sources = sources_by_use()
    sources = [source for source in all_sources if name.casefold() in source.name.casefold()]
    only_troubled = request.args.get("state") == "trouble"
    fell = fallen()
    if only_troubled:
        sources = [source for source in sources if state_of(source, fell.get(source.id)).tone != "good"]
    ids = [source.id for source in sources]
    fared, by_day = fared_since(now() - int(days) * DAY, ids), fortnights(ids)
    rows = [health(s, fared[s.id], by_day[s.id], state_of(s, fell.get(s.id))) for s in sources]
    rows.sort(key=lambda row: ("problem", "wait", "good").index(row.state.tone))
    return {
        "rows": rows,
        "days": days,
        "periods": PERIODS,
        "name": name,
        "only_troubled": only_troubled,
        "is_narrowed": bool(name or only_troubled),
        "is_cut": len(all_sources) == MOST_SOURCES,
    }


@page("/sources/<slug>", "source.html", name="source")
def show_one(slug: str) -> dict[str, Any]:
    source = db.session.scalar(select(Source).filter_by(slug=slug.replace("\0", "")))
    if source is None:
        abort(404)
    days = period()
    fared = fared_since(now() - int(days) * DAY, [source.id])[source.id]
    state = state_of(source, fallen().get(source.id))
    return {
        "source": health(source, fared, fortnights([source.id])[source.id], state, most_errors=50),
        "days": days,
        "periods": PERIODS,
        "is_stopped": source.is_stopped,
        "begins": first_day(),
        "hours": by_hour(source),
        "issues": issues_of(source),
    }


def period() -> str:
    """How many days the numbers are about, as the address says."""
    asked = request.args.get("days", "")
    return asked if asked in PERIODS else "1"


def health(source: Source, fared: Fared, by_day: Fortnight, state: State, most_errors: int = MOST_ERRORS) -> Health:
    return Health(
        slug=source.slug,
        name=source.name,
        state=state,
        ended=fared.ended,
        success=fared.success,
        troubles=[trouble(it, times, fared.failed) for it, times in fared.troubles.most_common(most_errors)],
        p50=quantile(fared.times, 0.5),
        p90=quantile(fared.times, 0.9),
        p99=quantile(fared.times, 0.99),
        asked=fared.asked / fared.ended if fared.ended else None,
        last_good_at=by_day.last_good_at,
        by_day=by_day.success,
    )


def trouble(name: str, times: int, failed: int) -> Trouble:
    code, _, stage = name.rpartition("/")
    return Trouble(code, stage, times, times / max(1, failed))


def by_hour(source: Source) -> list[list[tuple[int, int]]]:
    """How many runs completed and failed, for each hour of each day of the fortnight."""
    begins = first_day()
    found = [[(0, 0)] * 24 for _ in range(DAYS)]
    query = select(SourceHour.hour, SourceHour.completed, SourceHour.failed)
    for hour, completed, failed in db.session.execute(
        query.where(SourceHour.source_id == source.id, SourceHour.hour >= begins).order_by(SourceHour.hour)
    ):
        day, rest = divmod(hour - begins, DAY)
        if day < DAYS:
            found[day][rest // timedelta(hours=1)] = (completed, failed)
    return found


def issues_of(source: Source) -> list[Kind]:
    query = select(Issue).where(Issue.source_id == source.id).order_by(Issue.last_at.desc()).limit(MOST_ISSUES)
    return [
        Kind(it.ref, *it.trouble.rpartition("/")[::2], state=it.state, count=it.count, last_at=it.last_at)
        for it in db.session.scalars(query)
    ]
