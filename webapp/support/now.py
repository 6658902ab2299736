"""Now: what happens this moment, and what is in trouble."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import render_template
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from ..db import db, now
from ..models import Chore, Delivery, Endpoint, Event, HostEvent, Issue, Run
from .figures import FIGURES
from .gate import needs
from .health import DAY, State, fallen, fared_since, sources_by_use, state_of
from .pages import bp, page
from .visits import Steps

TOP = 5
LATE = timedelta(minutes=10)
"""A chore that is due for so long is one nobody does."""
WAITS_FOR_PERSON = "interaction_required"
STAGES = {
    "new": "Not at Deck yet",
    "queued": "In Deck's queue",
    "running": "At the site",
    WAITS_FOR_PERSON: "Asking the person",
    "review_required": "Being checked by Deck",
    "cancelling": "Stopping",
}
"""Deck's statuses of open runs, in words."""


@dataclass(frozen=True)
class Success:
    """Rates of the last 24 hours, and the same a week before; None where there were no such visits."""

    counted_at: datetime
    today: Steps
    before: Steps
    sign_in: float | None
    sign_in_before: float | None
    conversion: float | None
    conversion_before: float | None
    abandoned: float | None
    abandoned_before: float | None
    parked: int
    """Events of the last 24 hours that led to nothing."""


@dataclass(frozen=True)
class TopIssue:
    ref: str
    source: str
    trouble: str
    owner: str
    times: int
    """In the last 24 hours."""


@dataclass(frozen=True)
class InTrouble:
    slug: str
    name: str
    state: State


@dataclass(frozen=True)
class Waiting:
    """What came in, what goes out, and what could not."""

    inbox: int
    inbox_since: datetime | None
    failed_deliveries: int
    late_deliveries: int
    failing_endpoints: int
    paused_endpoints: int


@dataclass(frozen=True)
class Duty:
    """A chore that has something to say."""

    name: str
    problem: str
    done_at: datetime | None


@page("", "now.html", name="now")
def known() -> dict[str, Any]:
    stages = open_runs()
    on_person = stages.get(WAITS_FOR_PERSON, 0)
    return {
        "stages": stages,
        "stage_names": STAGES,
        "on_person": on_person,
        "on_source": sum(stages.values()) - on_person,
        "success": success_of_a_day(),
        "issues": top_issues(),
        "troubled": in_trouble(),
        "waiting": waiting(),
        "destination": destination(),
        "duties": duties(),
    }


@needs("viewer")
def look_again() -> str:
    """The page's inside, for a page that stays open: an address of its own, so that it keeps nobody signed in."""
    return render_template("support/_now.html", **known())


bp.add_url_rule("/live", "now_live", look_again)


def open_runs() -> dict[str, int]:
    """By status; one we do not know is "other". Both queries read nothing but an index."""
    query = select(Run.status, func.count()).where(Run.status.in_(STAGES)).group_by(Run.status)
    known = dict(db.session.execute(query).all())
    others = (db.session.scalar(select(func.count()).where(Run.ended_at.is_(None))) or 0) - sum(known.values())
    found = {status: known[status] for status in STAGES if status in known}
    return {**found, **({"other": others} if others > 0 else {})}


def success_of_a_day() -> Success | None:
    """As it was counted a moment ago; None before anybody has counted."""
    chore = db.session.get(Chore, FIGURES)
    counted = chore.state.get("day") if chore is not None else None
    if counted is None:
        return None
    today, before = Steps(**counted["today"]), Steps(**counted["before"])
    return Success(
        counted_at=datetime.fromisoformat(counted["at"]),
        today=today,
        before=before,
        sign_in=today.sign_in_rate,
        sign_in_before=before.sign_in_rate,
        conversion=today.conversion,
        conversion_before=before.conversion,
        abandoned=today.abandonment,
        abandoned_before=before.abandonment,
        parked=counted["parked"],
    )


def top_issues() -> list[TopIssue]:
    """Those met most often in the last 24 hours."""
    since = now() - DAY
    query = select(Issue).where(Issue.state == "open", Issue.last_at >= since).order_by(Issue.last_at.desc()).limit(200)
    issues = db.session.scalars(query.options(joinedload(Issue.source), joinedload(Issue.owner))).all()
    fared = fared_since(since, {issue.source_id for issue in issues})
    counted = [(fared[issue.source_id].troubles[issue.trouble], issue) for issue in issues]
    counted.sort(key=lambda it: it[0], reverse=True)
    return [
        TopIssue(it.ref, it.source.name, it.trouble, it.owner.called if it.owner else "", times)
        for times, it in counted[:TOP]
    ]


def in_trouble() -> list[InTrouble]:
    fell = fallen()
    states = [(source, state_of(source, fell.get(source.id))) for source in sources_by_use()]
    found = [InTrouble(source.slug, source.name, state) for source, state in states if state.tone != "good"]
    return sorted(found, key=lambda it: it.state.tone != "problem")


def waiting() -> Waiting:
    inbox = select(func.count(), func.min(Event.received_at)).where(Event.handled_at.is_(None))
    count, since = db.session.execute(inbox).one()
    failed = select(func.count()).select_from(Delivery).join(HostEvent, Delivery.event_id == HostEvent.id)
    failed = failed.where(HostEvent.created_at >= now() - 2 * DAY, Delivery.state == "failed")
    late = select(func.count()).select_from(Delivery).where(Delivery.due_at < now() - LATE)
    failing = select(func.count(Endpoint.failing_since), func.count(Endpoint.paused_at))
    return Waiting(
        count,
        since,
        db.session.scalar(failed) or 0,
        db.session.scalar(late) or 0,
        *db.session.execute(failing).one(),
    )


def destination() -> Duty | None:
    """Whether Deck still delivers to us, as the chore of that name saw it last; None before its first look."""
    chore = db.session.get(Chore, "destination")
    return duty(chore) if chore is not None else None


def duties() -> list[Duty]:
    """Chores that have a problem, or that nobody does."""
    found = db.session.scalars(select(Chore).order_by(Chore.name).limit(50))
    return [it for it in map(duty, found) if it.problem]


def duty(chore: Chore) -> Duty:
    problem = chore.problem
    if not problem and chore.due_at < now() - LATE:
        problem = "It is overdue: is a worker running?"
    return Duty(chore.name, problem, chore.done_at)
