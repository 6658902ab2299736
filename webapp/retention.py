"""How long things are kept. What is past its time goes in small batches, a short write each: the chore `purge`."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, delete, exists, or_, select, true, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from .current import bus, config
from .db import db, now, writing
from .models import (
    BrowserSession,
    Chore,
    Connection,
    ConnectSession,
    ErrorReport,
    Event,
    HostEvent,
    Intent,
    Issue,
    Run,
    SourceHour,
    StaffSession,
)
from .models import staff as staff_models
from .models.browser_session import AT_MOST

PURGE = "purge"
"""The chore's name."""

BATCH = 200
MOST_BATCHES = 200
"""Of one kind in one pass; the next pass goes on, at once."""

LONGEST_PASS = 30.0
"""Seconds. Other chores wait meanwhile."""

log = logging.getLogger("gangway.retention")


@dataclass(frozen=True)
class Kind:
    """One kind of data. `docs/retention.md` repeats `what`, `days` and `after`."""

    what: str
    days: int | str
    """A setting's name where operators may differ."""
    after: str
    model: type[Any]
    since: InstrumentedAttribute[Any]
    """The moment its time runs from: an indexed column of the row, or of its connection."""
    may_go: ColumnElement[bool]
    """Which of those that are old enough go."""
    among: ColumnElement[bool] | None = None
    """What narrows the search beside the moment, if the index knows it."""
    margin: timedelta = timedelta(0)
    """How much further the moment must lie back."""
    becomes: dict[str, Any] | None = None
    """The row stays, with these values. Otherwise it goes, and with it what hangs on it."""
    second: InstrumentedAttribute[Any] | None = None
    """What names a row together with its moment, where it has no id of its own."""

    @property
    def id(self) -> Any:
        """What tells rows of the same moment apart."""
        return self.model.id if self.second is None else self.second

    @property
    def past(self) -> datetime:
        """What began before this is past its time."""
        settings = {"KEEP_RESULTS_DAYS": config().keep_results_days, "KEEP_HISTORY_DAYS": config().keep_history_days}
        days = settings[self.days] if isinstance(self.days, str) else self.days
        return now() - timedelta(days=days) - self.margin


later = aliased(Run)
has_later_result = exists().where(
    later.connection_id == Run.connection_id, later.status == "completed", later.id > Run.id
)
is_of_live = exists().where(
    Connection.id == Run.connection_id, Connection.status.in_(["unverified", "verified", "invalid"])
)
is_latest_result = and_(Run.status == "completed", ~has_later_result, is_of_live)
brought_something = or_(Run.sealed_output.is_not(None), cast(Run.files, String) != "[]")
is_settled = ~exists().where(Intent.run_id == Run.id, Intent.state == "pending")
is_left_alone = and_(
    ~exists().where(Run.connection_id == Connection.id),
    ~exists().where(Intent.connection_id == Connection.id, Intent.state == "pending"),
)

KINDS = [
    Kind("events Deck sent", 35, "they came", Event, Event.received_at, Event.handled_at.is_not(None)),
    Kind("what hosts were told, with its deliveries", 30, "it happened", HostEvent, HostEvent.created_at, true()),
    Kind(
        "browser sessions",
        30,
        "they end",
        BrowserSession,
        BrowserSession.created_at,
        true(),
        margin=AT_MOST,  # by then it is over, whether it was ended or not
    ),
    Kind(
        "results and names of files, but for the latest of a live connection",
        "KEEP_RESULTS_DAYS",
        "the run ended",
        Run,
        Run.ended_at,
        and_(brought_something, ~is_latest_result),
        becomes={"sealed_output": None, "files": []},
    ),
    Kind(
        "runs with their moves and questions, but for those that hold such a result",
        "KEEP_HISTORY_DAYS",
        "the run ended",
        Run,
        Run.ended_at,
        and_(is_settled, ~is_latest_result),
    ),
    Kind(
        "writes at Deck that are settled",
        "KEEP_HISTORY_DAYS",
        "they were settled",
        Intent,
        Intent.settled_at,
        Intent.state != "pending",
    ),
    Kind(
        "runs of a deleted connection",
        30,
        "it was deleted",
        Run,
        Connection.status_since,
        is_settled,
        among=Connection.status == "deleted",
    ),
    Kind(
        "deleted connections",
        30,
        "they were deleted",
        Connection,
        Connection.status_since,
        is_left_alone,
        among=Connection.status == "deleted",
    ),
    Kind(
        "connections that never came to be",
        90,
        "the first try",
        Connection,
        Connection.status_since,
        is_left_alone,
        among=Connection.status == "new",
    ),
    Kind(
        "visits without a run that is kept",
        90,
        "they began",
        ConnectSession,
        ConnectSession.created_at,
        ~exists().where(Run.connect_session_id == ConnectSession.id),
    ),
    Kind("error pages people saw", 30, "they saw them", ErrorReport, ErrorReport.at, true()),
    Kind(
        "staff's browser sessions",
        30,
        "they end",
        StaffSession,
        StaffSession.created_at,
        true(),
        margin=staff_models.AT_MOST,
    ),
    Kind(
        "how sources fared, hour by hour",
        400,
        "the hour",
        SourceHour,
        SourceHour.hour,
        true(),
        second=SourceHour.source_id,
    ),
    Kind(
        "issues",
        180,
        "a run met them last",
        Issue,
        Issue.last_at,
        true(),
        among=Issue.state.in_(["open", "muted", "resolved"]),
    ),
]
"""In this order: what hangs on others goes first."""


def purge(chore: Chore) -> str:
    """The chore. Ended between any two batches it goes on there the next time; `chore.state` says where."""
    until, gone, goes_on = time.monotonic() + LONGEST_PASS, 0, False
    for kind in KINDS:
        more = True
        for _ in range(MOST_BATCHES):
            if time.monotonic() > until or bus().closing:
                break
            count, more = purge_some(kind, chore)
            gone += count
            if not more:
                break
        goes_on = goes_on or more
    if goes_on != ("goes_on" in chore.state):
        with writing():
            places = {what: place for what, place in chore.state.items() if what != "goes_on"}
            chore.state = {**places, "goes_on": True} if goes_on else places
    if gone:
        log.info("past their time: %s rows", gone)
    return ""


def purge_some(kind: Kind, chore: Chore) -> tuple[int, bool]:
    """One batch of a kind: how many rows had to go, and whether there are more to look at."""
    past = kind.past
    page = db.session.execute(looked_at(kind, past, chore.state.get(kind.what))).all()
    going = [row.id for row in page if row.goes]
    more = len(page) == BATCH
    mark = [page[-1].since.isoformat(), page[-1].id] if more else None
    if not going and not more and kind.what not in chore.state:
        return 0, False
    with writing():
        if going:
            mine = and_(kind.id.in_(going), kind.may_go)
            if kind.second is not None:  # other rows of these moments go as well: they are as old
                mine = and_(mine, kind.since.in_({row.since for row in page if row.goes}))
            change = (
                update(kind.model).where(mine).values(kind.becomes) if kind.becomes else delete(kind.model).where(mine)
            )
            db.session.execute(change.execution_options(synchronize_session=False))
        others = {what: place for what, place in chore.state.items() if what != kind.what}
        chore.state = {**others, kind.what: mark} if mark else others
    return len(going), more


def looked_at(kind: Kind, past: datetime, mark: list[Any] | None) -> Select[Any]:
    """The next rows old enough, oldest first, from the *mark* on: `id`, `since`, and whether it `goes`."""
    query = select(kind.id.label("id"), kind.since.label("since"), kind.may_go.label("goes")).where(kind.since < past)
    if kind.since.class_ is not kind.model:
        query = query.join(Connection, kind.model.connection_id == Connection.id)
    if kind.among is not None:
        query = query.where(kind.among)
    if mark:
        since, id = datetime.fromisoformat(mark[0]), mark[1]
        # Said twice, because not every database looks up a pair in an index of its first half.
        query = query.where(kind.since >= since, or_(kind.since > since, kind.id > id))
    return query.order_by(kind.since, kind.id).limit(BATCH)
