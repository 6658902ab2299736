"""Mistakes the product does not make, to see that somebody would notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import webapp.again
import webapp.connect
import webapp.intents.running
import webapp.webhooks
import webapp.worker
from webapp.current import deck
from webapp.db import db, writing
from webapp.models import ConnectSession, Event, Intent, Run
from webapp.models.intent import new_key
from webapp.refresh import announce, take


def a_key_for_every_attempt() -> None:
    claim_due = Intent.claim_due

    def with_a_new_key(limit: int) -> Any:
        claimed = claim_due(limit)
        for id, _ in claimed:
            db.session.get_one(Intent, id).key = new_key()
        return claimed

    Intent.claim_due = with_a_new_key  # type: ignore[method-assign, assignment]


def the_row_after_the_call() -> None:
    def start_run(session: ConnectSession, *, input: Mapping[str, Any] | None, form: str) -> None:
        connection, key = session.connection, new_key()
        assert connection is not None
        if Intent.by_form(form):
            return
        told = deck().run_task(session.task.deck_id or "", credential_id=connection.deck_id or "", input=input, key=key)
        with writing(session.person_id):
            run = Run(connect_session=session, connection=connection, source=connection.source, task=session.task)
            intent = Intent(kind="run.start", connection=connection, run=run, form=form, key=key)
            db.session.add_all([run, intent])
            db.session.flush()
            run.adopt(told.id)
            take(run, told, run.version)
            intent.settle("done")
        announce(run)

    webapp.connect.start_run = webapp.again.start_run = start_run


def thanks_before_it_is_kept() -> None:
    """An inbox in memory, as so many have it."""
    kept: list[dict[str, Any]] = []
    read_inbox = webapp.worker.read_inbox

    class InMemory:
        @staticmethod
        def record(**fields: Any) -> None:
            kept.append(fields)

    def keeps_first() -> int:
        with writing():
            while kept:
                Event.record(**kept.pop(0))
        return read_inbox()

    webapp.webhooks.Event = InMemory  # type: ignore[misc, assignment]
    webapp.worker.read_inbox = keeps_first


BUGS: dict[str, tuple[Callable[[], None], str]] = {
    "a key for every attempt": (a_key_for_every_attempt, "refreshes"),
    "the row after the call": (the_row_after_the_call, "refreshes"),
    "thanks before it is kept": (thanks_before_it_is_kept, "Deck tells and asks"),
}
"""By name: how it gets in, and an act in which it shows."""


def plant(name: str) -> None:
    if name:
        BUGS[name][0]()
