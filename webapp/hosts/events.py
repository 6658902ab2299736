"""What we tell hosts: rows, written in the transaction of what they tell about. Sending is `webapp.hosts.deliveries`.

People without a host have nobody to be told about them; only the steps of their visits are kept, for support.
Everything here is called inside `writing()` of the person it is about.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, literal, or_, select

from ..db import db, now, writing
from ..exits import error_of, kind_of, status_of
from ..models import (
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
from ..public_ids import public_id
from .wishes import is_place_of

FINISHED, ABANDONED = "connect.session.finished", "connect.session.abandoned"
AVAILABLE = "source.available"
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
    AVAILABLE,
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
    "BACKGROUND",
    "ISSUE_FOLLOWED",
    "EXIT",
)
"""What a visit event may be called. A part of what connect.js says; the rest never reaches the server."""

SILENCE = timedelta(minutes=15)
LOOK_BACK = timedelta(days=2)
"""How old a visit may be that is found abandoned: older ones were found before."""
AT_ONCE = 200


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
    **more: Any,
) -> None:
    """Write an event, and a delivery if the host has an endpoint. What has a name in *once* is told once.

    It goes where the visit wished; what happens to a connection without one, where its last visit wished. A place that
    is no longer the host's is told of nothing.
    """
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
        **more,
    }
    event = HostEvent(host_id=host_id, person_id=person.id, type=type, data=data, once=once)
    db.session.add(event)
    endpoint = Endpoint.of(host_id)
    if endpoint is not None:
        visit = visit or (Invitation.latest_about(connection) if connection else None)
        wished = visit.wishes.get("webhook_url", "") if visit else ""
        url = wished if wished and is_place_of(endpoint, wished) else ""
        db.session.add(Delivery(event=event, endpoint=endpoint, url=url))


# --- connections and runs --------------------------------------------------------------------------------------


def connection_became(connection: Connection, was: str) -> None:
    """Its status is another one than *was* now."""
    db.session.flush()
    person = connection.person
    if person.host_id is None:
        return
    session = next(iter(ConnectSession.about(connection)), None)
    visit = Invitation.of_visit(session) if session else Invitation.latest_about(connection)
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
    if went_well and visit is not None and not may_connect_more(visit):
        tell_of_visit(visit, FINISHED)


def may_connect_more(visit: Invitation) -> bool:
    """Whether it is not finished when something is connected: then its end comes when they leave, or go silent."""
    was_given_up = HostEvent.was_told(f"abandoned.{visit.connect_session_id}")
    return "multi_source" in visit.features and not was_given_up


# --- visits ----------------------------------------------------------------------------------------------------


def visit_ends(session: ConnectSession) -> None:
    """Somebody is about to leave, or is shown the door: call this while it still shows where they stood."""
    visit = Invitation.of_visit(session) if session.person.host_id is not None else None
    run = Run.latest_of(session) if session.connection_id else None
    if visit is None:
        note(session, "EXIT", run=run)
        return
    note(session, "EXIT", run=run, exit_status=status_of(visit, run))
    tell_of_visit(visit, FINISHED)


def tell_of_visit(visit: Invitation, type: str) -> None:
    """How it stands, once for each *type*; when it has connected something, that is what it stands for."""
    session = visit.connect_session
    run = Run.latest_of(session) if session.connection_id else None
    status, made = status_of(visit, run), Run.connected_in(session)
    connection = made[-1] if made and status == "connected" else session.connection
    if connection is not session.connection:
        run = None
    tell(
        visit.host_id,
        type,
        person=session.person,
        visit=visit,
        connection=connection,
        run=run,
        status=status,
        error=error_of(run) if run else None,
        once=f"{'finished' if type == FINISHED else 'abandoned'}.{session.id}",
        connection_ids=[public_id("conn", one.ref) for one in made],
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
        note(run.connect_session, "MFA_REQUIRED", run=run, mfa_type=kind_of(prompt), attempt=prompt.ordinal)


def note_answer(run: Run, prompt: Prompt) -> None:
    name = "SELECT_ACCOUNT" if prompt.type == "account_selection" else "SUBMIT_MFA"
    note(run.connect_session, name, run=run, mfa_type=kind_of(prompt), attempt=prompt.ordinal)


# --- chores ----------------------------------------------------------------------------------------------------


def find_abandoned(chore: Chore) -> str:
    """Links nobody opened in time, and visits of which nothing was heard for a quarter of an hour."""
    for person_id, invitation_id in db.session.execute(_silent()).all():
        with writing(person_id):
            visit = db.session.scalar(_silent().with_only_columns(Invitation).where(Invitation.id == invitation_id))
            if visit is not None:
                tell_of_visit(visit, FINISHED if Run.connected_in(visit.connect_session) else ABANDONED)
    return ""


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
