"""Whether a connection page would show something else than before, without drawing it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from ..db import db
from ..models import (
    AuditEntry,
    Connection,
    ConnectSession,
    Delivery,
    ErrorReport,
    Event,
    HostEvent,
    Intent,
    Move,
    Prompt,
    Run,
    StaffNote,
    VisitEvent,
)
from ..public_ids import public_id
from .timeline import MOST

NEWEST = MOST + 1
"""Rows of a kind: as many as a page of the timeline reads, so that none it shows changes unseen."""

Rows = tuple[Any, ...]


def version_of(connection: Connection) -> int:
    """Differs as soon as anything has happened that `case.known_of` tells: few columns of what it reads, all by index.

    A number, because every open page keeps one.
    """
    runs = rows(
        select(Run.id, Run.ref, Run.deck_id, Run.connect_session_id, Run.version, Run.status, Run.is_stopping)
        .add_columns(Run.looked_at, Run.ended_at)
        .where(Run.connection_id == connection.id)
        .order_by(Run.id.desc())
    )
    visits = rows(
        select(ConnectSession.id, ConnectSession.version, ConnectSession.ended_at)
        .where(ConnectSession.connection_id == connection.id)
        .order_by(ConnectSession.id.desc())
    )
    known = (
        (connection.status, connection.status_since, connection.deck_id, connection.username_hint),
        (connection.source.name, connection.source.health, connection.person.closing_at),
        runs,
        visits,
        rows(
            select(Prompt.id, Prompt.state, Prompt.answered_at)
            .where(Prompt.run_id.in_({run.id for run in runs}))
            .order_by(Prompt.id.desc())
        ),
        rows(
            select(Intent.id, Intent.state, Intent.attempts, Intent.error)
            .where(Intent.connection_id == connection.id)
            .order_by(Intent.id.desc())
        ),
        rows(
            select(Event.id, Event.parked).where(Event.subject.in_(names(connection, runs))).order_by(Event.id.desc())
        ),
        told(connection),
        latest(connection, runs, visits),
    )
    return hash(known)


def names(connection: Connection, runs: Rows) -> list[str]:
    """What Deck's events call it."""
    return [name for name in (connection.deck_id, *(run.deck_id for run in runs)) if name]


def told(connection: Connection) -> Rows:
    """How what their host is told of it fares."""
    if connection.person.host_id is None:
        return ()
    query = select(HostEvent.id, Delivery.state, Delivery.tries).outerjoin(Delivery, Delivery.event_id == HostEvent.id)
    is_about_it = HostEvent.data["connection_id"].as_string() == public_id("conn", connection.ref)
    query = query.where(HostEvent.person_id == connection.person_id, is_about_it)
    return rows(query.order_by(HostEvent.id.desc()))


def latest(connection: Connection, runs: Rows, visits: Rows) -> Rows:
    """The last of each kind that is only ever added."""
    objects = [public_id("conn", connection.ref), *(public_id("run", run.ref) for run in runs)]
    visited = {*(visit.id for visit in visits), *(run.connect_session_id for run in runs)}
    added = (
        (Move.id, Move.run_id.in_([run.id for run in runs])),
        (VisitEvent.id, VisitEvent.connect_session_id.in_(visited)),
        (ErrorReport.id, ErrorReport.person_id == connection.person_id),
        (AuditEntry.id, AuditEntry.object.in_(objects)),
        (StaffNote.id, StaffNote.connection_id == connection.id),
    )
    return tuple(
        db.session.execute(select(*(select(func.max(id)).where(of).scalar_subquery() for id, of in added))).one()
    )


def rows(query: Any) -> Rows:
    return tuple(db.session.execute(query.limit(NEWEST)))
