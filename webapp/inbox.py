"""From events to work: each says that a run or a sign-in has news, and Deck is asked what they are."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import or_, select

from . import logs, metrics
from .bus import WORK, visit_topic
from .current import bus
from .db import TRANSIENT, db, now, writing
from .deck import DeckError
from .deck import Event as Told
from .deck.reading import Unreadable, parse_object
from .models import Connection, Event, Run

BATCH = 100

log = logging.getLogger("gangway.inbox")


def read_inbox() -> int:
    """Act on the events that wait; how many there were. One that cannot be acted on is parked, the others are not."""
    ids = Event.waiting(BATCH)
    if not ids:
        return 0
    try:
        with logs.job("inbox", count=len(ids)):
            act_on(ids)
    except TRANSIENT:
        raise
    except Exception:
        log.exception("a batch of events could not be acted on: one by one then")
        for id in ids:
            act_on_or_park(id)
    return len(ids)


def act_on(ids: Sequence[int]) -> None:
    """Mark the runs and sign-ins these events are about as due, in the transaction that marks the events handled.

    A crash before it repeats the batch; a crash after it has lost nothing.
    """
    subjects = set(db.session.scalars(select(Event.subject).where(Event.id.in_(ids), Event.subject != "")))
    with writing(*owners_of(subjects)):
        runs = {run.deck_id: run for run in Run.known_as(subjects)}
        connections = {connection.deck_id: connection for connection in Connection.known_as(subjects)}
        watched = {
            session
            for event in Event.claim(ids)
            if (session := _act_on(event, runs.get(event.subject), connections.get(event.subject)))
        }
    for session in watched:
        bus().ring(visit_topic(session))
    if runs or connections:  # something is due now
        bus().ring(WORK)


def act_on_or_park(id: int) -> None:
    try:
        act_on([id])
    except TRANSIENT:
        raise
    except Exception:
        log.exception("event %s is parked", id)
        with writing():
            db.session.get_one(Event, id).handle(parked="poison")
        metrics.parked.labels("poison").inc()


def owners_of(subjects: set[str]) -> Sequence[int]:
    """The people whose runs and sign-ins these are."""
    of_runs = select(Run.connection_id).where(Run.deck_id.in_(subjects))
    theirs = or_(Connection.deck_id.in_(subjects), Connection.id.in_(of_runs))
    return db.session.scalars(select(Connection.person_id).where(theirs)).all()


def _act_on(event: Event, run: Run | None, connection: Connection | None) -> str:
    """The visit to ring for, if it shows something new already."""
    rings = ""
    if run is not None and not run.is_over:
        told = _readable(event)
        if told is None or told.as_of is None or not run.hint(told.status, told.as_of):
            run.news()
        else:
            rings = run.connect_session.ref
    if connection is not None:
        connection.due_at = now()
    if run is None and connection is None:
        metrics.parked.labels("unknown").inc()
    event.handle(parked="unknown" if run is None and connection is None else "")
    return rings


def _readable(event: Event) -> Told | None:
    try:
        return Told.from_json(parse_object(event.body))
    except (DeckError, Unreadable):
        return None
