"""Closing an account: a row says so first, Deck destroys every sign-in, and only then do the rows go."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import InstrumentedAttribute

from .bus import WORK, person_topic
from .current import bus, deck
from .db import db, now, writing
from .deck import DeckError, NotFound
from .intents import disconnect, stop_run
from .models import BrowserSession, Chore, Connection, Event, Intent, Person, Run
from .models.run import OVER

CLOSING = "closing"
"""The chore's name."""

GRACE = timedelta(minutes=2)
"""Longer than any request lasts: one that came just before still finds its rows, and what it began is undone too."""

LONGEST_PASS = 40.0
"""Seconds after which a pass ends and leaves the others to the next one; its lease is two minutes."""

ENOUGH_FAILURES = 3
BATCH = 200
MOST = 1_000

log = logging.getLogger("gangway.closing")


def close_account(person_id: int) -> None:
    """From now on nobody signs in; open pages and streams end. The worker does the rest, however long Deck is away."""
    with writing(person_id):
        person = db.session.get_one(Person, person_id)
        person.closing_at = person.closing_at or now()
        open_ones = update(BrowserSession).where(BrowserSession.person_id == person_id)
        db.session.execute(open_ones.where(BrowserSession.ended_at.is_(None)).values(ended_at=now()))
        if db.session.get(Chore, CLOSING) is not None:
            Chore.soon(CLOSING)
    bus().ring(person_topic(person_id))
    bus().ring(WORK)


def close_accounts(chore: Chore) -> str:
    """The chore: a step on for everybody who wants to be forgotten, each in turn, so that nobody holds up another."""
    after, failures = int(chore.state.get("after", 0)), 0
    until = time.monotonic() + LONGEST_PASS
    closing = select(Person.id).where(Person.closing_at.is_not(None))
    for person_id in db.session.scalars(closing.order_by(Person.id <= after, Person.id).limit(MOST)).all():
        if failures == ENOUGH_FAILURES or time.monotonic() > until or bus().closing:
            break
        try:
            step_on(person_id)
        except DeckError as error:
            failures += 1
            log.warning("an account cannot be closed yet: %s request=%s", error, error.request_id)
        after = person_id
    if chore.state.get("after", 0) != after:
        with writing():
            chore.state = {"after": after}
    return "Accounts wait to be deleted until Deck can be asked about their sign-ins." if failures else ""


def step_on(person_id: int) -> None:
    """Whatever can be done now for one person; everything already done is seen in the rows. Raises `DeckError`."""
    let_go(person_id)
    closing_at = db.session.scalar(select(Person.closing_at).where(Person.id == person_id))
    if closing_at is None or closing_at > now() - GRACE:
        return
    mine = select(Connection.id).where(Connection.person_id == person_id, ~pending_at(Connection.id))
    for connection_id in db.session.scalars(mine.order_by(Connection.id)).all():
        if is_gone(connection_id):
            delete_connection(connection_id, person_id)
    with writing(person_id):
        left = exists().where(Connection.person_id == person_id)
        done = db.session.execute(delete(Person).where(Person.id == person_id, Person.closing_at.is_not(None), ~left))
    if getattr(done, "rowcount", 0):
        log.info("an account is closed")


# --- at Deck -----------------------------------------------------------------------------------------------------


def let_go(person_id: int) -> None:
    """Decide on what is still to be done at Deck: open runs stop, sign-ins are destroyed. The worker does it."""
    is_stopped = exists().where(Intent.run_id == Run.id, Intent.kind == "run.cancel")
    waits = Run.is_stopping & Run.deck_id.is_(None)  # it stops as soon as Deck has taken it
    runs = select(Run).join(Connection, Run.connection_id == Connection.id).where(Connection.person_id == person_id)
    for run in db.session.scalars(runs.where(Run.status.not_in(OVER), ~is_stopped, ~waits)).all():
        stop_run(run, at_once=False)
    kept = select(Connection).where(
        Connection.person_id == person_id, Connection.status.not_in(["deleting", "deleted"])
    )
    on_its_way = pending_at(Connection.id, "credential.store")  # whether Deck has it is found out first
    for connection in db.session.scalars(kept.where(~on_its_way)).all():
        disconnect(connection, at_once=False)


def is_gone(connection_id: int) -> bool:
    """Whether Deck itself says that nothing is left of a connection. What is left is set right first."""
    connection = db.session.get_one(Connection, connection_id)
    deck_id, owner, source_id = connection.deck_id, connection.person_id, connection.source.deck_id or ""
    lost = select(Intent.id, Intent.key).where(Intent.connection_id == connection_id, Intent.state == "lost")
    lost = lost.where(Intent.kind.in_(["credential.store", "credential.forget"]))
    unknown = [(id, key) for id, key in db.session.execute(lost)]
    db.session.rollback()  # hold no transaction while Deck thinks
    turned_up = [id for id, key in unknown if is_kept_as(source_id, key, besides=deck_id)]
    is_kept = deck_id is not None and not is_deleted(deck_id)
    if not turned_up and not is_kept:
        return True
    with writing(owner):
        for intent in db.session.scalars(select(Intent).where(Intent.id.in_(turned_up), Intent.state == "lost")):
            intent.reopen("credential.forget")
        if is_kept:
            db.session.add(Intent(kind="credential.delete", connection=connection, due_at=now()))
    bus().ring(WORK)
    return False


def is_deleted(deck_id: str) -> bool:
    try:
        return deck().get_credential(deck_id).status == "deleted"
    except NotFound:
        return True


def is_kept_as(source_id: str, external_id: str, *, besides: str | None) -> bool:
    """Whether a sign-in whose fate nobody knew is at Deck after all."""
    found = deck().find_credential(source_id=source_id, external_id=external_id)
    return found is not None and found.id != besides and found.status != "deleted"


# --- here --------------------------------------------------------------------------------------------------------


def pending_at(connection_id: InstrumentedAttribute[int], *kinds: str) -> ColumnElement[bool]:
    """Whether a write at Deck (of these *kinds*) is not settled yet."""
    pending = exists().where(Intent.connection_id == connection_id, Intent.state == "pending")
    return pending.where(Intent.kind.in_(kinds)) if kinds else pending


def delete_connection(connection_id: int, person_id: int) -> None:
    """Everything about it, the runs first and some at a time. Of events stays that they came, not what they said."""
    some = select(Run.id, Run.deck_id).where(Run.connection_id == connection_id).order_by(Run.id).limit(BATCH)
    while runs := db.session.execute(some).all():
        with writing(person_id):
            empty_events([run.deck_id for run in runs])
            db.session.execute(delete(Run).where(Run.id.in_([run.id for run in runs])))
    with writing(person_id):
        empty_events(db.session.scalars(select(Connection.deck_id).where(Connection.id == connection_id)).all())
        itself = delete(Connection).where(Connection.id == connection_id, ~pending_at(Connection.id))
        db.session.execute(itself.execution_options(synchronize_session=False))


def empty_events(subjects: Sequence[str | None]) -> None:
    """Kept are their ids, so that Deck's repeats still meet themselves."""
    told = [subject for subject in subjects if subject]
    if told:
        emptied = update(Event).where(Event.subject.in_(told)).values(body=b"", subject="")
        db.session.execute(emptied.execution_options(synchronize_session=False))
