"""Having Deck destroy a sign-in."""

from __future__ import annotations

from contextlib import suppress

from ..bus import WORK
from ..current import bus, deck
from ..db import db, now, writing
from ..deck import NotFound
from ..models import Connection, Intent
from .attempts import attempt, carries_out, in_time, looks_up


def disconnect(connection: Connection, *, at_once: bool = True) -> None:
    """Have Deck destroy the sign-in. Tried until Deck confirms it; unless *at_once*, by the worker."""
    with writing(connection.person_id):
        intent = plan_disconnect(connection)
        if intent is not None and not at_once:
            intent.due_at = now()
    if intent is not None:
        attempt(intent) if at_once else bus().ring(WORK)


def plan_disconnect(connection: Connection) -> Intent | None:
    """Decide that its sign-in is destroyed; None when there is nothing to tell Deck. Inside `writing()`."""
    if connection.status in ("deleting", "deleted"):
        return None
    if connection.deck_id is None:
        connection.become("deleted")
        return None
    connection.become("deleting")
    intent = Intent(kind="credential.delete", connection=connection)
    db.session.add(intent)
    return intent


@carries_out("credential.delete")
def _delete(intent: Intent) -> None:
    owner, deck_id, key = intent.owner, intent.connection.deck_id or "", intent.key
    in_time(intent)
    db.session.rollback()
    with suppress(NotFound):  # gone is what we wanted
        deck().delete_credential(deck_id, key=key)
    with writing(owner):
        intent.connection.become("deleted")
        intent.settle("done")


@looks_up("credential.delete")
def _delete_again(intent: Intent) -> None:
    """Deleted twice is deleted, so a new key is no risk."""
    with writing(intent.owner):
        intent.settle("lost")
        db.session.add(Intent(kind=intent.kind, connection=intent.connection, due_at=now()))
