"""Counting runs by source and hour, so that no page counts a million rows: the chore `figures`."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from ..db import db, now, writing
from ..models import Chore, Issue, Run, SourceHour
from ..models.run import OVER
from .visits import last_day

FIGURES = "figures"
"""The chore's name."""

HOUR = timedelta(hours=1)
LOOK_BACK = timedelta(minutes=5)
"""What ended before the last pass may have been written after it."""

LONGEST_PASS = 10.0
"""Seconds. Other chores wait meanwhile."""

SHORTEST, LONGEST, BUCKETS = 0.5, 1_800.0, 20
BOUNDS: tuple[float, ...] = tuple(SHORTEST * (LONGEST / SHORTEST) ** (n / (BUCKETS - 1)) for n in range(BUCKETS))
"""Seconds at which the buckets of `SourceHour.times` end. One more takes what is longer than all of them."""


@dataclass
class Tally:
    """What became of the runs of one source that ended in some time."""

    ended: Counter[str] = field(default_factory=Counter)
    """By status."""
    asked: int = 0
    last_good_at: datetime | None = None
    troubles: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    """By bucket."""
    met: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    """When each trouble was met first and last."""


def count_runs(chore: Chore) -> str:
    """The chore. Each hour is counted anew and written at once; ended anywhere, it goes on there the next time."""
    until = time.monotonic() + LONGEST_PASS
    for done, hour in enumerate(hours_since(chore.state.get("seen"))):
        looked_at, tallies = now(), counted(hour)
        with writing():
            write(hour, tallies)
            chore.state = {**chore.state, "seen": min(hour + HOUR + LOOK_BACK, looked_at).isoformat()}
        if done and time.monotonic() > until:  # the first may be one that is only looked back at
            break
    day = last_day()
    with writing():
        chore.state = {**chore.state, "day": day}
    return ""


def hours_since(seen: str | None) -> Iterator[datetime]:
    """The hours in which runs ended since it was last *seen* to, oldest first."""
    since = hour_of(datetime.fromisoformat(seen) - LOOK_BACK) if seen else None
    while True:
        query = select(func.min(Run.ended_at))
        first = db.session.scalar(query if since is None else query.where(Run.ended_at >= since))
        if first is None:
            return
        yield hour_of(first)
        since = hour_of(first) + HOUR


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def counted(hour: datetime) -> dict[int, Tally]:
    """The runs that ended in this hour, by source."""
    columns = (Run.source_id, Run.status, Run.trouble, Run.questions, Run.waited, Run.created_at, Run.ended_at)
    query = select(*columns).where(Run.ended_at >= hour, Run.ended_at < hour + HOUR, Run.status.in_(OVER))
    found: dict[int, Tally] = {}
    for source_id, status, trouble, questions, waited, created_at, ended_at in db.session.execute(
        query.execution_options(yield_per=1_000)
    ):
        assert ended_at is not None
        tally = found.setdefault(source_id, Tally())
        tally.ended[status] += 1
        tally.asked += questions > 0
        if status == "completed":
            tally.times[bucket((ended_at - created_at).total_seconds() - waited)] += 1
            tally.last_good_at = max(tally.last_good_at or ended_at, ended_at)
        if trouble:
            tally.troubles[trouble] += 1
            first, last = tally.met.get(trouble, (ended_at, ended_at))
            tally.met[trouble] = (min(first, ended_at), max(last, ended_at))
    return found


def write(hour: datetime, tallies: dict[int, Tally]) -> None:
    """This is what the hour was like, whatever was known before. Inside `writing()`."""
    known = db.session.execute(select(SourceHour.source_id, SourceHour.troubles).where(SourceHour.hour == hour))
    before = {(source_id, trouble): n for source_id, troubles in known for trouble, n in troubles.items()}
    db.session.execute(delete(SourceHour).where(SourceHour.hour == hour))
    db.session.add_all(
        SourceHour(
            hour=hour,
            source_id=source_id,
            **{status: tally.ended[status] for status in OVER},
            asked=tally.asked,
            last_good_at=tally.last_good_at,
            troubles=dict(tally.troubles),
            times=dict(tally.times),
        )
        for source_id, tally in tallies.items()
    )
    note_issues(tallies, before)


def note_issues(tallies: dict[int, Tally], before: Mapping[tuple[int, str], int]) -> None:
    """Each trouble at a source is an issue; *before* is how often it was counted in this hour already."""
    sources = [source_id for source_id, tally in tallies.items() if tally.troubles]
    found = db.session.scalars(select(Issue).where(Issue.source_id.in_(sources))) if sources else ()
    issues = {(issue.source_id, issue.trouble): issue for issue in found}
    for source_id in sources:
        tally = tallies[source_id]
        for trouble, times in tally.troubles.items():
            first, last = tally.met[trouble]
            issue = issues.get((source_id, trouble))
            if issue is None:
                issue = Issue(source_id=source_id, trouble=trouble, state="open", count=0, reopened=0)
                issue.first_at, issue.last_at = first, last
                db.session.add(issue)
            issue.count += times - before.get((source_id, trouble), 0)
            issue.first_at, issue.last_at = min(issue.first_at, first), max(issue.last_at, last)
            if issue.state == "resolved" and issue.resolved_at is not None and last > issue.resolved_at:
                issue.state, issue.resolved_at, issue.reopened = "open", None, issue.reopened + 1


# --- how long it took --------------------------------------------------------------------------------------------


def bucket(seconds: float) -> str:
    """The bucket of the source's own time, as JSON wants a key."""
    return str(bisect_left(BOUNDS, seconds))


def quantile(times: Mapping[str, int], share: float) -> float | None:
    """The seconds below which this *share* of runs lie, taken as spread evenly in their bucket; None without runs."""
    wanted = share * sum(times.values())
    if not wanted:
        return None
    for number in range(len(BOUNDS)):
        inside = times.get(str(number), 0)
        if inside and wanted <= inside:
            below = BOUNDS[number - 1] if number else 0.0
            return below + (BOUNDS[number] - below) * wanted / inside
        wanted -= inside
    return LONGEST
