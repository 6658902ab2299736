"""A person's page, and a visit's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..current import limits
from ..db import db, writing
from ..deck.reading import clean_text
from ..limits import REVEALS_PER_STAFF
from ..models import Connection, ConnectSession, ErrorReport, Invitation, Person, Run, VisitEvent
from ..public_ids import public_id
from .case import RunLine, run_line
from .gate import LONGEST_REASON, SHORTEST_REASON, me, record
from .lists import LARGEST_ID
from .pages import page, post
from .words import CONNECTION_WORDS, TONES, who_of

MOST = 50
REVEALED = "person_email"


@dataclass(frozen=True)
class ConnectionLine:
    id: str
    href: str
    source: str
    status: str
    tone: str
    since: datetime


@dataclass(frozen=True)
class VisitLine:
    code: str
    href: str
    purpose: str
    source: str
    device: str
    began: datetime
    ended: datetime | None


@dataclass(frozen=True)
class ErrorLine:
    id: int
    code: str
    status: int
    page: str
    request_id: str
    at: datetime


@dataclass(frozen=True)
class Step:
    at: datetime
    name: str
    more: str


# --- a person --------------------------------------------------------------------------------------------------


@page("/people/<int:id>", "person.html")
def person(id: int) -> dict[str, Any]:
    return known_of(person_or_404(id))


@post("/people/<int:id>/reveal", needs_role="agent", fresh=True)
def reveal(id: int) -> ResponseReturnValue:
    """The whole email, this once, for a reason that goes on record."""
    found = person_or_404(id)
    reason = clean_text(request.form.get("reason"), longest=LONGEST_REASON)
    if found.email is None or len(reason) < SHORTEST_REASON:
        wrong = f"Say why, in at least {SHORTEST_REASON} characters." if found.email else ""
        return render_template("support/person.html", **known_of(found), wrong=wrong), 422
    limits().count(REVEALS_PER_STAFF, "reveal", str(me().id))
    with writing():
        record("reveal", f"person_{id}", reason=reason, details={"what": REVEALED})
    return render_template("support/person.html", **known_of(person_or_404(id)), revealed=found.email)


def person_or_404(id: int) -> Person:
    if id > LARGEST_ID:
        abort(404)
    query = select(Person).filter_by(id=id).options(joinedload(Person.host))
    return db.session.scalar(query) or abort(404)


def known_of(found: Person) -> dict[str, Any]:
    who, host = who_of(found)
    return {
        "id": found.id,
        "who": who,
        "host": host,
        "host_href": url_for("support.host", ref=found.host.ref) if found.host else "",
        "since": found.created_at,
        "closing": found.closing_at,
        "connections": connections_of(found),
        "visits": visits_of(found),
        "errors": errors_of(ErrorReport.person_id == found.id),
        "may_reveal": found.email is not None and me().may("agent"),
    }


def connections_of(found: Person) -> list[ConnectionLine]:
    query = select(Connection).filter_by(person_id=found.id).options(joinedload(Connection.source))
    return [
        ConnectionLine(
            id=public_id("conn", connection.ref),
            href=url_for("support.connection", ref=connection.ref),
            source=connection.source.name,
            status=CONNECTION_WORDS.get(connection.status, connection.status),
            tone=TONES.get(connection.status, ""),
            since=connection.status_since,
        )
        for connection in db.session.scalars(query.order_by(Connection.id.desc()).limit(MOST))
    ]


def visits_of(found: Person) -> list[VisitLine]:
    query = select(ConnectSession).filter_by(person_id=found.id).options(joinedload(ConnectSession.source))
    return [
        VisitLine(
            code=visit.support_code,
            href=url_for("support.visit", ref=visit.ref),
            purpose=visit.purpose,
            source=visit.source.name if visit.source else "",
            device=visit.device,
            began=visit.created_at,
            ended=visit.ended_at,
        )
        for visit in db.session.scalars(query.order_by(ConnectSession.id.desc()).limit(MOST))
    ]


def errors_of(whose: Any) -> list[ErrorLine]:
    found = db.session.scalars(select(ErrorReport).where(whose).order_by(ErrorReport.id.desc()).limit(MOST))
    return [ErrorLine(seen.id, seen.support_code, seen.status, seen.page, seen.request_id, seen.at) for seen in found]


# --- a visit ---------------------------------------------------------------------------------------------------


@page("/visits/<ref>", "visit.html")
def visit(ref: str) -> dict[str, Any]:
    person = joinedload(ConnectSession.person).joinedload(Person.host)
    about = person, joinedload(ConnectSession.source), joinedload(ConnectSession.connection)
    found = db.session.scalar(select(ConnectSession).filter_by(ref=ref).options(*about)) or abort(404)
    who, host = who_of(found.person)
    invitation = db.session.scalar(select(Invitation).filter_by(connect_session_id=found.id))
    connection = found.connection
    return {
        "id": public_id("visit", found.ref),
        "code": found.support_code,
        "who": who,
        "host": host,
        "person_href": url_for("support.person", id=found.person_id),
        "source": found.source.name if found.source else "",
        "connection_href": url_for("support.connection", ref=connection.ref) if connection else "",
        "purpose": found.purpose,
        "device": found.device,
        "began": found.created_at,
        "agreed": found.consented_at,
        "consent_version": found.consent_version,
        "signed_in": found.signed_in_at,
        "ended": found.ended_at,
        "is_expired": found.is_expired and found.ended_at is None,
        "session_id": public_id("cs", invitation.ref) if invitation else "",
        "opened": invitation.opened_at if invitation else None,
        "steps": steps_of(found),
        "runs": runs_of(found),
        "errors": errors_of(ErrorReport.connect_session_id == found.id),
    }


def steps_of(found: ConnectSession) -> list[Step]:
    query = select(VisitEvent).filter_by(connect_session_id=found.id).order_by(VisitEvent.seq.desc()).limit(MOST)
    keys = ("source_name", "status", "mfa_type", "error_code", "exit_status")
    steps = db.session.scalars(query).all()
    return [
        Step(step.at, step.name, " ".join(str(step.details[key]) for key in keys if step.details.get(key)))
        for step in steps
    ]


def runs_of(found: ConnectSession) -> list[RunLine]:
    query = select(Run).filter_by(connect_session_id=found.id).order_by(Run.id.desc()).limit(MOST)
    return [run_line(run) for run in db.session.scalars(query)]
