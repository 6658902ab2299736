"""Kinds of failures: counted, owned, muted, resolved, and open again when they come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import joinedload

from ..db import db, now, writing
from ..deck.reading import clean_text
from ..models import Connection, Issue, Run, Source, Staff
from ..public_ids import public_id
from .gate import LONGEST_REASON, SHORTEST_REASON, me, record
from .health import sources_by_use, troubles_by_day
from .lists import PAGE, Cell, Filter, Listing, choices, chosen, key_in, known, saved_views
from .pages import page, post

WEEK = timedelta(days=7)
LOOK_BACK = timedelta(days=14)
EXAMPLES = 20
STATES = (("open", "Open"), ("muted", "Muted"), ("resolved", "Resolved"))
TONES = {"open": "problem", "resolved": "good"}
ACTS = {
    "own": "Take it",
    "release": "Give it back",
    "mute": "Mute",
    "resolve": "Resolve",
    "reopen": "Open again",
}
WITHOUT_REASON = {"own", "release"}
BECOMES = {"mute": "muted", "resolve": "resolved", "reopen": "open"}


@dataclass(frozen=True)
class Shown:
    """An issue as the list and its page show it."""

    ref: str
    source: str
    slug: str
    code: str
    stage: str
    state: str
    tone: str
    owner: str
    count: int
    people: int
    """In the last 7 days."""
    by_day: list[int]
    """How often it was met on each of the last 14 days."""
    first_at: datetime
    last_at: datetime
    reopened: int


@dataclass(frozen=True)
class Example:
    """A run in which it was met."""

    ref: str
    connection: str
    ended_at: datetime | None
    questions: int
    seconds: float
    """The source's own time."""


# --- the list ----------------------------------------------------------------------------------------------------


def of_owner(value: str) -> ColumnElement[bool] | None:
    if value == "nobody":
        return Issue.owner_id.is_(None)
    staff = me() if value == "me" else Staff.by_ref(value)
    return Issue.owner_id == staff.id if staff else None


def of_source(slug: str) -> ColumnElement[bool] | None:
    source = db.session.scalar(select(Source).filter_by(slug=slug))
    return Issue.source_id == source.id if source else None


def owners() -> Sequence[tuple[str, str]]:
    others = select(Staff).where(Staff.disabled_at.is_(None), Staff.id != me().id).order_by(Staff.name, Staff.id)
    named = [(staff.ref, staff.called) for staff in db.session.scalars(others.limit(200))]
    return [("me", "Me"), ("nobody", "Nobody"), *named]


def csv_row(issue: Any) -> list[Cell]:
    code, _, stage = issue.trouble.rpartition("/")
    values = [public_id("issue", issue.ref), issue.source.slug, code, stage, issue.state, owner_of(issue), issue.count]
    return [Cell(value) for value in [*values, issue.first_at, issue.last_at, issue.reopened]]


LIST = known(
    Listing(
        name="issues",
        title="Issues",
        columns=("Issue", "Source", "Error", "Stage", "State", "Owner", "Runs", "First seen", "Last seen", "Came back"),
        query=lambda: select(Issue).options(joinedload(Issue.source), joinedload(Issue.owner)),
        key=Issue.id,
        row=csv_row,
        filters=(
            Filter("state", "State", lambda value: Issue.state == value, lambda: STATES),
            Filter("source", "Source", of_source, lambda: [(source.slug, source.name) for source in sources_by_use()]),
            Filter("owner", "Owner", of_owner, owners),
        ),
        empty="When runs fail, each source, error and stage together become one issue here, within a minute.",
    )
)


@page("/issues", "issues.html", name="issues")
def show_all() -> dict[str, Any]:
    found = latest(key_in(request.args.get("before", "")))
    rows = shown(found[:PAGE])
    return {
        "title": LIST.title,
        "name": LIST.name,
        "rows": rows,
        "before": found[PAGE - 1].id if len(found) > PAGE else None,
        "choices": choices(LIST),
        "narrowed": chosen(LIST),
        "empty": LIST.empty,
        "views": saved_views(LIST),
    }


def latest(before: int | None) -> list[Issue]:
    """Those met last come first; *before* is the issue at the end of the page before."""
    query = LIST.query().order_by(Issue.last_at.desc(), Issue.id.desc()).limit(PAGE + 1)
    if before is not None:
        last = db.session.get(Issue, before)
        if last is None:
            return []
        query = query.where(or_(Issue.last_at < last.last_at, and_(Issue.last_at == last.last_at, Issue.id < last.id)))
    for filter in LIST.filters:
        value = chosen(LIST).get(filter.name)
        condition = filter.condition(value) if value else None
        if value and condition is None:
            return []
        if condition is not None:
            query = query.where(condition)
    return list(db.session.scalars(query))


def shown(issues: Sequence[Issue]) -> list[Shown]:
    """With whom they met and when: two queries for all of them."""
    by_day = troubles_by_day({issue.source_id for issue in issues})
    people = people_of(issues)
    return [
        Shown(
            ref=issue.ref,
            source=issue.source.name,
            slug=issue.source.slug,
            code=issue.trouble.rpartition("/")[0],
            stage=issue.trouble.rpartition("/")[2],
            state=issue.state,
            tone=TONES.get(issue.state, ""),
            owner=owner_of(issue),
            count=issue.count,
            people=people.get((issue.source_id, issue.trouble), 0),
            by_day=by_day.get((issue.source_id, issue.trouble), [0]),
            first_at=issue.first_at,
            last_at=issue.last_at,
            reopened=issue.reopened,
        )
        for issue in issues
    ]


def people_of(issues: Sequence[Issue]) -> dict[tuple[int, str], int]:
    """How many people met each in the last 7 days."""
    since = now() - WEEK
    recent = [issue for issue in issues if issue.last_at >= since]
    query = (
        select(Run.source_id, Run.trouble, func.count(Connection.person_id.distinct()))
        .join(Connection, Run.connection_id == Connection.id)
        .where(Run.trouble.in_({issue.trouble for issue in recent}), Run.ended_at >= since)
        .where(Run.source_id.in_({issue.source_id for issue in recent}))
        .group_by(Run.source_id, Run.trouble)
    )
    return {(source_id, trouble): count for source_id, trouble, count in db.session.execute(query)} if recent else {}


def owner_of(issue: Issue) -> str:
    return issue.owner.called if issue.owner else ""


# --- one issue ---------------------------------------------------------------------------------------------------


@page("/issues/<ref>", "issue.html", name="issue")
def show_one(ref: str) -> dict[str, Any]:
    return page_of(by_ref(ref))


def by_ref(ref: str) -> Issue:
    """404 when there is none of this name."""
    found: Issue | None = db.session.scalar(LIST.query().filter_by(ref=ref))
    return found or abort(404)


def page_of(issue: Issue, missing: str = "") -> dict[str, Any]:
    """*missing* is the act that was asked for without a reason."""
    return {
        "issue": shown([issue])[0],
        "public_id": public_id("issue", issue.ref),
        "examples": examples(issue),
        "acts": [(act, ACTS[act], act not in WITHOUT_REASON) for act in possible(issue)],
        "may_act": me().may("agent"),
        "missing": missing,
        "shortest": SHORTEST_REASON,
        "longest": LONGEST_REASON,
    }


def possible(issue: Issue) -> list[str]:
    acts = {"open": ["resolve", "mute"], "muted": ["resolve", "reopen"], "resolved": ["reopen"]}[issue.state]
    return ["release" if issue.owner_id == me().id else "own", *acts]


def examples(issue: Issue) -> list[Example]:
    """The latest runs of this kind. Of an issue met rarely they are few."""
    query = (
        select(Run)
        .where(Run.source_id == issue.source_id, Run.trouble == issue.trouble)
        .where(Run.ended_at >= issue.last_at - LOOK_BACK)
        .order_by(Run.ended_at.desc())
        .limit(EXAMPLES)
        .options(joinedload(Run.connection))
    )
    return [
        Example(
            ref=run.ref,
            connection=run.connection.ref,
            ended_at=run.ended_at,
            questions=run.questions,
            seconds=((run.ended_at or run.created_at) - run.created_at).total_seconds() - run.waited,
        )
        for run in db.session.scalars(query)
    ]


@post("/issues/<ref>/<act>", needs_role="agent")
def change_issue(ref: str, act: str) -> ResponseReturnValue:
    """What is so already changes nothing, so a double click is on record once."""
    if act not in ACTS:
        abort(404)
    issue = by_ref(ref)
    reason = clean_text(request.form.get("reason"), longest=LONGEST_REASON)
    if len(reason) < SHORTEST_REASON and act not in WITHOUT_REASON:
        return render_template("support/issue.html", **page_of(issue, missing=act)), 422
    who = me().id
    with writing():
        issue = by_ref(ref)
        before = {"state": issue.state, "owner": issue.owner and public_id("staff", issue.owner.ref)}
        if changes(issue, act, who):
            db.session.flush()
            record(f"issue_{act}", public_id("issue", ref), reason=reason, details={"before": before})
    return redirect(url_for("support.issue", ref=ref), 303)


def changes(issue: Issue, act: str, who: int) -> bool:
    """Do *act*; whether that made a difference. Inside `writing()`."""
    was = (issue.owner_id, issue.state)
    if act == "own":
        issue.owner_id = who
    elif act == "release" and issue.owner_id == who:
        issue.owner_id = None
    elif act in BECOMES:
        issue.state = BECOMES[act]
    if issue.state != was[1]:
        issue.resolved_at = now() if issue.state == "resolved" else None
    return was != (issue.owner_id, issue.state)
