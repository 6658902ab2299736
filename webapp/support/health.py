"""How sources fare, added up from their hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from ..db import db, now
from ..models import Source, SourceHour
from .figures import hour_of

DAY = timedelta(days=1)
DAYS = 14
MOST_SOURCES = 200
RECENT = timedelta(hours=3)
FEWEST = 10
"""So many runs must have ended recently before their success says anything."""
FALL = 0.1
"""How much lower than in the week before is trouble."""

of_source = SourceHour.source_id + 0
"""The source, as nothing an index knows: SQLite would rather walk the hours of all years source by source than look
up those of the last days and sort them.
"""


@dataclass
class Fared:
    """The runs of a source in some time."""

    completed: int = 0
    failed: int = 0
    canceled: int = 0
    asked: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.canceled

    @property
    def success(self) -> float | None:
        return success(self.completed, self.failed)


@dataclass
class Fortnight:
    """A source by day, oldest first; today is the last."""

    completed: list[int] = field(default_factory=lambda: [0] * DAYS)
    failed: list[int] = field(default_factory=lambda: [0] * DAYS)
    last_good_at: datetime | None = None

    @property
    def success(self) -> list[float | None]:
        return [success(good, bad) for good, bad in zip(self.completed, self.failed, strict=True)]


def success(completed: int, failed: int) -> float | None:
    """Of the runs that came to an end by themselves; None without any."""
    return completed / (completed + failed) if completed + failed else None


def first_day() -> datetime:
    """When the fortnight began: days are those of UTC."""
    return now().replace(hour=0, minute=0, second=0, microsecond=0) - (DAYS - 1) * DAY


def fared_since(since: datetime, source_ids: Collection[int]) -> dict[int, Fared]:
    """Everything about these sources since then. Meant for a week at most."""
    columns = (SourceHour.completed, SourceHour.failed, SourceHour.canceled, SourceHour.asked)
    query = select(of_source, SourceHour.troubles, SourceHour.times, *columns)
    query = query.where(SourceHour.hour >= since, of_source.in_(source_ids))
    found = {source_id: Fared() for source_id in source_ids}
    for source_id, troubles, times, completed, failed, canceled, asked in db.session.execute(query):
        fared = found[source_id]
        fared.completed += completed
        fared.failed += failed
        fared.canceled += canceled
        fared.asked += asked
        fared.troubles.update(troubles)
        fared.times.update(times)
    return found


def fortnights(source_ids: Collection[int]) -> dict[int, Fortnight]:
    """These sources by day."""
    begins = first_day()
    day = case(*[(SourceHour.hour < begins + n * DAY, n - 1) for n in range(1, DAYS)], else_=DAYS - 1).label("day")
    sums = (func.sum(SourceHour.completed), func.sum(SourceHour.failed), func.max(SourceHour.last_good_at))
    query = select(of_source, day, *sums).where(SourceHour.hour >= begins)
    query = query.where(of_source.in_(source_ids)).group_by(of_source, day)
    found = {source_id: Fortnight() for source_id in source_ids}
    for source_id, number, completed, failed, last_good_at in db.session.execute(query):
        it = found[source_id]
        it.completed[number], it.failed[number] = completed, failed
        it.last_good_at = max(filter(None, (it.last_good_at, last_good_at)), default=None)
    return found


def troubles_by_day(source_ids: Collection[int]) -> dict[tuple[int, str], list[int]]:
    """How often each trouble was met at these sources, by day."""
    begins = first_day()
    query = select(of_source, SourceHour.hour, SourceHour.troubles)
    query = query.where(SourceHour.hour >= begins, of_source.in_(source_ids), SourceHour.failed > 0)
    found: dict[tuple[int, str], list[int]] = {}
    for source_id, hour, troubles in db.session.execute(query):
        for trouble, times in troubles.items():
            found.setdefault((source_id, trouble), [0] * DAYS)[min((hour - begins) // DAY, DAYS - 1)] += times
    return found


def fallen() -> dict[int, tuple[float, float]]:
    """Sources whose success is clearly lower in the last hours than in the week before: now and then, by id."""
    recent = hour_of(now() - RECENT)
    is_recent = SourceHour.hour >= recent
    query = select(
        of_source,
        func.sum(case((is_recent, SourceHour.completed), else_=0)),
        func.sum(case((is_recent, SourceHour.failed), else_=0)),
        func.sum(case((is_recent, 0), else_=SourceHour.completed)),
        func.sum(case((is_recent, 0), else_=SourceHour.failed)),
    )
    query = query.where(SourceHour.hour >= recent - 7 * DAY).group_by(of_source)
    found = {}
    for source_id, good, bad, good_before, bad_before in db.session.execute(query):
        at_present, before = success(good, bad), success(good_before, bad_before)
        enough = min(good + bad, good_before + bad_before) >= FEWEST
        if enough and at_present is not None and before is not None and at_present <= before - FALL:
            found[source_id] = (at_present, before)
    return found


@dataclass(frozen=True)
class State:
    """How a source stands, in words."""

    words: str
    tone: str
    detail: str = ""
    until: datetime | None = None


def state_of(source: Source, fell: tuple[float, float] | None) -> State:
    """The worst that is known of it."""
    if source.is_stopped:
        return State("Stopped", "problem", source.stop_message, source.stopped_until)
    if source.health == "down":
        return State("Down", "problem", f"{source.failures} runs in a row failed at the site.")
    if fell:
        return State("Success fell", "wait", f"From {fell[1]:.0%} in the week before to {fell[0]:.0%}.")
    if source.health == "unsteady":
        return State("Unsteady", "wait", "The latest run failed at the site.")
    return State("Up", "good")


def sources_by_use() -> Sequence[Source]:
    """The most used ones; the catalog is a file somebody wrote, so there are hardly ever more."""
    query = select(Source).where(Source.offered).order_by(Source.popularity.desc(), Source.name, Source.id)
    return db.session.scalars(query.limit(MOST_SOURCES)).all()
