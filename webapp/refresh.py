"""What Deck says, taken over. Events are hints; the answer to a GET decides."""

from __future__ import annotations

from . import metrics
from .budget import Lane, lane
from .bus import WORK, visit_topic
from .current import bus, deck, vault
from .db import db, now, writing
from .deck import DeckUnreadable, NotFound, TaskRun
from .models import Connection, ConnectSession, Run
from .models.run import UNREADABLE_AFTER


def refresh_run(run_id: int) -> None:
    """Ask Deck about a run and take what it says. Raises `DeckError`."""
    run = db.session.get_one(Run, run_id)
    owner, deck_id, seen = run.owner, run.deck_id, run.version
    if deck_id is None or run.is_over:
        with writing(owner):
            run.due_at = run.lease_until = None  # or it would be due for ever
        return
    db.session.rollback()  # hold no transaction while Deck thinks
    try:
        told = deck().get_run(deck_id)
    except NotFound:
        with writing(owner):
            run.vanish()
    except DeckUnreadable:
        with writing(owner):
            run.vanish(after=UNREADABLE_AFTER)
        announce(run)
        raise
    else:
        with writing(owner):
            run.looked()
            if take(run, told, seen) and lane() is Lane.SWEEPS:
                metrics.corrections.inc()
    announce(run)


def take(run: Run, told: TaskRun, seen: int) -> bool:
    """Move *run* to what Deck told when it was asked about the version *seen*, and keep what it brought.

    Inside `writing()`; False when we knew better.
    """
    if not run.move_to(told, seen=seen):
        if run.version != seen and not run.is_over:
            run.news()  # something changed here while Deck was asked: ask again
        return False
    if run.status == "completed" and told.output is not None:
        run.sealed_output = vault().seal(told.output, place=run.output_place)
    if run.is_over:
        run.connection.due_at = now()  # whether the sign-in works shows at the end of a run
    return True


def refresh_connection(connection_id: int) -> None:
    """Ask Deck about a credential and take its word for it. Raises `DeckError`."""
    connection = db.session.get_one(Connection, connection_id)
    owner, deck_id = connection.person_id, connection.deck_id
    db.session.rollback()
    if deck_id is None:
        return
    try:
        status = deck().get_credential(deck_id).status
    except NotFound:
        status = "deleted"
    with writing(owner):
        connection.lease_until = None
        if connection.due_at is not None and connection.due_at > now():
            connection.due_at = None  # nothing came in while we asked
        watched = ConnectSession.about(connection) if connection.become(status) else []
        for session in watched:
            session.touch()
    for session in watched:
        bus().ring(visit_topic(session.ref))


def announce(run: Run) -> None:
    """Ring for whoever watches the run, and for the worker if it has something to do."""
    bus().ring(visit_topic(run.connect_session.ref))
    bus().ring(WORK)
