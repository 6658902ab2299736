"""A connection that exists already is read once more: a visit of its own, whether or not somebody watches."""

from __future__ import annotations

from flask import abort

from .current import limits
from .db import db, now, writing
from .guard import caution
from .hosts.events import note
from .intents import start_run
from .limits import RUNS_PER_PERSON, VISITS_PER_PERSON
from .models import Connection, ConnectSession, Task


def needs_sign_in(connection: Connection) -> bool:
    """Whether reading it again would only try a bad sign-in once more."""
    paused = caution(connection.person_id, connection.source_id).paused_until
    return connection.status == "invalid" or paused is not None


def visit_again(connection: Connection, purpose: str, *, device: str = "", form: str = "") -> ConnectSession:
    """A new visit about it: a refresh starts its run at once, unless the task wants to know something first.

    *device* is what somebody looks at; "" when nobody does. *form* names the request, so that it starts one run.
    """
    if purpose == "refresh":
        limits().count(RUNS_PER_PERSON, "run", str(connection.person_id))
    else:
        limits().count(VISITS_PER_PERSON, "visit", str(connection.person_id))
    with writing(connection.person_id):
        task = Task.first()
        if task is None:
            abort(503)
        session = ConnectSession.about_again(connection, task, purpose)
        session.consented_at, session.device = now(), device
        db.session.add(session)
        note(session, "OPEN")
        if purpose == "refresh":
            session.signed_in_at = now()
    if purpose == "refresh" and not task.asks_for_input:
        start_run(session, input=None, form=form or f"refresh.{session.ref}")
    return session
