"""What we tell hosts: rows, written in the transaction of what they tell about. Sending is `webapp.deliveries`.

People without a host have nobody to be told about them; only the steps of their visits are kept, for support.
Everything here is called inside `writing()` of the person it is about.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, literal, or_, select

from .db import db, now, writing
from .models import (
    BrowserSession,
    Chore,
    Connection,
    ConnectSession,
    Delivery,
    Endpoint,
    HostEvent,
    Invitation,
    Person,
    Prompt,
    Run,
    VisitEvent,
)
from .public_ids import public_id

FINISHED, ABANDONED = "connect.session.finished", "connect.session.abandoned"
TYPES = (
    FINISHED,
    ABANDONED,
    "connection.created",
    "connection.verified",
    "connection.reconnect_required",
    "connection.repaired",
    "connection.disconnected",
    "run.completed",
    "run.failed",
)
STEPS = (
    "OPEN",
    "SELECT_SOURCE",
    "SUBMIT_CREDENTIALS",
    "MFA_REQUIRED",
    "SUBMIT_MFA",
    "SELECT_ACCOUNT",
    "STATUS_CHANGED",
    "ERROR",
    "HANDOFF",
    "HANDOFF_DEVICE",
    "EXIT",
)
"""What a visit event may be called. A part of what connect.js says; the rest never reaches the server."""

SILENCE = timedelta(minutes=15)
LOOK_BACK = timedelta(days=2)
"""How old a visit may be that is found abandoned: older ones were found before."""
AT_ONCE = 200

ERROR_TYPES = {
    "auth_invalid": "CREDENTIALS_ERROR",
    "interaction_timeout": "INTERACTION_ERROR",
    "mfa_timeout": "INTERACTION_ERROR",
    "blocked": "SOURCE_ERROR",
    "source_blocked": "SOURCE_ERROR",
    "source_error": "SOURCE_ERROR",
    "source_not_available": "SOURCE_ERROR",
    "task_failed": "SOURCE_ERROR",
    "timeout": "SOURCE_ERROR",
}
"""Ours, by Deck's code; what is not here is an API_ERROR."""
MFA_TYPES = {"mfa": "code", "security_question": "questions"}


def tell(
    host_id: int,
    type: str,
    *,
    person: Person,
    visit: Invitation | None = None,
    connection: Connection | None = None,
    run: Run | None = None,
    status: str = "",
    error: dict[str, str] | None = None,
    once: str | None = None,
) -> None:
    """Write an event, and a delivery if the host has an endpoint. What has a name in *once* is told once."""
    if once and HostEvent.was_told(once):
        return
    db.session.flush()  # or what is new has no reference yet
    data = {
        "session_id": visit and public_id("cs", visit.ref),
        "connection_id": connection and public_id("conn", connection.ref),
        "run_id": run and public_id("run", run.ref),
        "client_user_id": person.client_user_id,
        "tags": visit.tags if visit else {},
        "status": status,
        "error": error,
    }
    event = HostEvent(host_id=host_id, person_id=person.id, type=type, data=data, once=once)
    db.session.add(event)
    endpoint = Endpoint.of(host_id)
    if endpoint is not None:
        db.session.add(Delivery(event=event, endpoint=endpoint))


# --- connections and runs --------------------------------------------------------------------------------------


def connection_became(connection: Connection, was: str) -> None:
    """Its status is another one than *was* now."""
    db.session.flush()
    person = connection.person
    if person.host_id is None:
        return
    session = next(iter(ConnectSession.about(connection)), None)
    visit = Invitation.of_visit(session) if session else None
    types = []
    if was == "new" and connection.status != "deleted":
        types.append("connection.created")
    if connection.status == "verified":
        is_again = session is not None and session.purpose == "reconnect"
        types.append("connection.repaired" if was == "invalid" or is_again else "connection.verified")
    elif connection.status == "invalid" and was == "verified":
        types.append("connection.reconnect_required")
    elif connection.status == "deleted" and was != "new":
        types.append("connection.disconnected")
    for type in types:
        tell(person.host_id, type, person=person, visit=visit, connection=connection, status=connection.status)


def run_ended(run: Run) -> None:
    """It is over, with its result and errors in place."""
    session = run.connect_session
    person, went_well, error = session.person, run.status == "completed", error_of(run)
    if went_well:
        note(session, "HANDOFF", run=run)
    elif error is not None:
        note(session, "ERROR", run=run, **error)
    if person.host_id is None:
        return
    visit = Invitation.of_visit(session)
    type = "run.completed" if went_well else "run.failed"
    about = {"person": person, "visit": visit, "connection": run.connection, "run": run}
    tell(person.host_id, type, status=run.status, error=error, **about)  # type: ignore[arg-type]
    if went_well and visit is not None:
        tell(person.host_id, FINISHED, status="connected", once=finished(session), **about)  # type: ignore[arg-type]


def error_of(run: Run) -> dict[str, str] | None:
    """What went wrong, in our words for hosts; None when nothing did."""
    if not run.errors:
        return None
    code = str(run.errors[0]["code"])
    return {"error_type": ERROR_TYPES.get(code, "API_ERROR"), "error_code": code}


# --- visits ----------------------------------------------------------------------------------------------------


def visit_ends(session: ConnectSession) -> None:
    """Somebody is about to leave, or is shown the door: call this while it still shows where they stood."""
    from .hosts import status_of

    visit = Invitation.of_visit(session) if session.person.host_id is not None else None
    run = Run.latest_of(session) if session.connection_id else None
    if visit is None:
        note(session, "EXIT", run=run)
        return
    status = status_of(visit, run)
    note(session, "EXIT", run=run, exit_status=status)
    tell(
        visit.host_id,
        FINISHED,
        person=session.person,
        visit=visit,
        connection=session.connection,
        run=run,
        status=status,
        error=error_of(run) if run else None,
        once=finished(session),
    )


def note(session: ConnectSession, name: str, *, run: Run | None = None, **more: Any) -> None:
    """A step of a visit. *more* is our own words and numbers, never text from a form."""
    assert name in STEPS
    db.session.flush()
    details = {
        "is_update_mode": session.purpose == "reconnect",
        "source_id": session.source.slug if session.source else None,
        "source_name": session.source.name if session.source else None,
        "run_id": public_id("run", run.ref) if run else None,
        **more,
    }
    VisitEvent.add(session.id, name, details)


def note_prompt(run: Run, prompt: Prompt) -> None:
    """The site asks for something; choosing accounts is no proof of who somebody is."""
    if prompt.type != "account_selection":
        note(run.connect_session, "MFA_REQUIRED", run=run, mfa_type=mfa_type(prompt), attempt=prompt.ordinal)


def note_answer(run: Run, prompt: Prompt) -> None:
    name = "SELECT_ACCOUNT" if prompt.type == "account_selection" else "SUBMIT_MFA"
    note(run.connect_session, name, run=run, mfa_type=mfa_type(prompt), attempt=prompt.ordinal)


def mfa_type(prompt: Prompt) -> str:
    if prompt.type == "mfa" and any(field["options"] for field in prompt.fields):
        return "device"
    return MFA_TYPES.get(prompt.type, "selections")


def finished(session: ConnectSession) -> str:
    return f"finished.{session.id}"


def abandoned(session_id: int) -> str:
    return f"abandoned.{session_id}"


# --- chores ----------------------------------------------------------------------------------------------------


def find_abandoned(chore: Chore) -> str:
    """Links nobody opened in time, and visits of which nothing was heard for a quarter of an hour."""
    for person_id, invitation_id in db.session.execute(_silent()).all():
        with writing(person_id):
            visit = db.session.scalar(_silent().with_only_columns(Invitation).where(Invitation.id == invitation_id))
            if visit is not None:
                _abandon(visit)
    return ""


def _abandon(visit: Invitation) -> None:
    from .hosts import status_of

    session = visit.connect_session
    run = Run.latest_of(session) if session.connection_id else None
    tell(
        visit.host_id,
        ABANDONED,
        person=session.person,
        visit=visit,
        connection=session.connection,
        run=run,
        status=status_of(visit, run),
        error=error_of(run) if run else None,
        once=abandoned(session.id),
    )


def _silent() -> Any:
    """Those that are neither finished nor known to be abandoned; a run that goes on by itself is no silence."""
    id = cast(ConnectSession.id, String)
    told = select(HostEvent.id).where(HostEvent.once.in_([literal("finished.") + id, literal("abandoned.") + id]))
    return (
        select(ConnectSession.person_id, Invitation.id)
        .join(ConnectSession, Invitation.connect_session_id == ConnectSession.id)
        .where(ConnectSession.ended_at.is_(None), or_(_unopened(), _left_alone()), ~told.exists())
        .order_by(Invitation.id)
        .limit(AT_ONCE)
    )


def _unopened() -> ColumnElement[bool]:
    ran_out = Invitation.expires_at.between(now() - LOOK_BACK, now())
    return and_(Invitation.opened_at.is_(None), ran_out)


def _left_alone() -> ColumnElement[bool]:
    since = now() - SILENCE
    seen = select(BrowserSession.id).where(BrowserSession.visit_id == ConnectSession.id, BrowserSession.seen_at > since)
    stepped = select(VisitEvent.id).where(VisitEvent.connect_session_id == ConnectSession.id, VisitEvent.at > since)
    busy = select(Run.id).where(Run.connect_session_id == ConnectSession.id)
    busy = busy.where(Run.status.not_in(["completed", "failed", "canceled", "interaction_required"]))
    opened = Invitation.opened_at.between(now() - LOOK_BACK, since)
    return and_(opened, ~seen.exists(), ~stepped.exists(), ~busy.exists())
