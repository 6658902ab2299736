"""Starting a run and stopping it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..bus import WORK
from ..current import bus, deck, vault
from ..db import db, now, writing
from ..deck import DeckRefused, DeckUnreadable
from ..models import ConnectSession, Intent, Run
from ..refresh import announce, take
from .attempts import attempt, carries_out, in_time, looks_up, refused, run_of

SKEW = timedelta(minutes=10)
"""How far Deck's clock and ours may be apart."""


def start_run(session: ConnectSession, *, input: Mapping[str, Any] | None, form: str) -> None:
    """Run the session's task with its credential. Deck may be busy: then the worker keeps trying."""
    with writing(session.person_id):
        intent = plan_run(session, input=input, form=form)
    if intent is not None:
        attempt(intent)
        announce(run_of(intent))


def plan_run(session: ConnectSession, *, input: Mapping[str, Any] | None, form: str) -> Intent | None:
    """Decide on a run; None when another one or a new sign-in is on its way. Inside `writing()`."""
    connection = session.connection
    if connection is None or connection.is_over or Intent.is_signing_in(connection):
        return None
    if Intent.by_form(form) or Run.open_at([connection]):
        return None
    run = Run(connect_session=session, connection=connection, source=connection.source, task=session.task)
    intent = Intent(kind="run.start", connection=connection, run=run, form=form)
    db.session.add_all([run, intent])
    db.session.flush()
    if input is not None:
        intent.sealed_input = vault().seal(dict(input), place=intent.input_place)
    return intent


@carries_out("run.start")
def _start(intent: Intent) -> None:
    run, connection, owner = run_of(intent), intent.connection, intent.owner
    input = vault().open(intent.sealed_input, place=intent.input_place) if intent.sealed_input else None
    task_id, credential_id, key = run.task.deck_id or "", connection.deck_id or "", intent.key
    seen = run.version
    in_time(intent)
    db.session.rollback()
    try:
        told = deck().run_task(task_id, credential_id=credential_id, input=input, key=key)
    except DeckRefused as error:
        with writing(owner):
            if intent.state == "pending":
                refused(intent, error)
                run.fail_here(error.type or "request", error.code or "refused")
    except DeckUnreadable:  # it began, most likely, and its key would bring the same answer for a day
        if not _is_listed(intent):
            raise
    else:
        with writing(owner):
            run.adopt(told.id)
            take(run, told, seen)
            intent.settle("done")
            stop = plan_stop(run) if run.is_stopping else None
        if stop is not None:
            attempt(stop)
    announce(run)


@looks_up("run.start")
def _find(intent: Intent) -> None:
    """Nobody ever heard whether it began, and it must not be sent again: it is in Deck's list, or nobody knows."""
    if _is_listed(intent):
        return
    run = run_of(intent)
    with writing(intent.owner):
        if intent.state == "pending":
            intent.settle("lost")
            run.fail_here("task", "task_result_unknown", result="unknown")
    announce(run)


def _is_listed(intent: Intent) -> bool:
    """Whether Deck lists a run that can only be this one's; then it is. Also when somebody else has settled it."""
    run, owner, credential_id = run_of(intent), intent.owner, intent.connection.deck_id or ""
    since = intent.created_at - SKEW
    db.session.rollback()
    listed = list(deck().runs(credential_id=credential_id, created_after=since)) if credential_id else []
    with writing(owner):
        if intent.state != "pending":
            return True
        ours = {known.deck_id for known in Run.known_as([told.id for told in listed])}
        found = next((told for told in reversed(listed) if told.id not in ours), None)  # newest first: ours is oldest
        if found is None:
            return False
        run.adopt(found.id)
        intent.settle("done", error="found in the list")
        stop = plan_stop(run) if run.is_stopping else None
    if stop is not None:
        attempt(stop)
    announce(run)
    return True


def stop_run(run: Run, *, at_once: bool = True) -> None:
    """Cancel at Deck, unless *at_once* by the worker. One that Deck has not taken yet is cancelled once it has."""
    with writing(run.owner):
        intent = plan_stop(run)
        if intent is not None and not at_once:
            intent.due_at = now()
    if intent is not None:
        attempt(intent) if at_once else bus().ring(WORK)


def plan_stop(run: Run) -> Intent | None:
    """Decide that it stops; None when there is nothing to tell Deck now. Inside `writing()`."""
    if run.is_over:
        return None
    run.is_stopping = True
    run.touch()
    if run.deck_id is None or Intent.is_cancelling(run):
        return None
    intent = Intent(kind="run.cancel", connection=run.connection, run=run)
    db.session.add(intent)
    return intent


@carries_out("run.cancel")
def _stop(intent: Intent) -> None:
    run, owner = run_of(intent), intent.owner
    deck_id, seen, key = run.deck_id or "", run.version, intent.key
    in_time(intent)
    db.session.rollback()
    try:
        told = deck().cancel_run(deck_id, key=key)
    except DeckRefused as error:  # over already, most likely: a look will tell
        with writing(owner):
            refused(intent, error)
            run.news()
    else:
        with writing(owner):
            take(run, told, seen)
            intent.settle("done")
    announce(run)


@looks_up("run.cancel")
def _stopped_long_ago(intent: Intent) -> None:
    """No run lives for a day: a look tells how it ended."""
    with writing(intent.owner):
        run_of(intent).news()
        intent.settle("lost")
