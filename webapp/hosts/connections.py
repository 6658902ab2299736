"""The API's connections and runs: read them, read once more, disconnect."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import contains_eager, joinedload

from ..again import needs_sign_in, visit_again
from ..budget import Lane, calling_as
from ..current import vault
from ..db import db
from ..intents import disconnect
from ..models import Connection, Intent, Person, Run
from ..models.browser_session import hashed
from ..models.run import output_of
from ..public_ids import public_id, ref_in
from ..stamps import stamp
from .door import PAGE, bp, idempotency_key, no_such, told
from .request_fields import BadRequest


@bp.get("/connections")
def list_connections() -> ResponseReturnValue:
    """Newest first; `client_user_id` narrows, `after` goes on where the last page ended."""
    query = (
        select(Connection)
        .join(Person, Connection.person_id == Person.id)
        .where(Person.host_id == g.host.id, Connection.status.not_in(["new", "deleted"]))
        .order_by(Connection.id.desc())
    )
    if user := request.args.get("client_user_id"):
        query = query.where(Person.client_user_id == user)
    if after := request.args.get("after"):
        query = query.where(Connection.id < connection_or_404(after).id)
    query = query.options(contains_eager(Connection.person), joinedload(Connection.source))
    found = list(db.session.scalars(query.limit(PAGE + 1)))
    page = [connection_view(connection) for connection in found[:PAGE]]
    return told({"data": page, "has_more": len(found) > PAGE})


@bp.get("/connections/<id>")
def read_connection(id: str) -> ResponseReturnValue:
    return told(connection_view(connection_or_404(id)))


@bp.post("/connections/<id>/disconnect")
def disconnect_connection(id: str) -> ResponseReturnValue:
    connection = connection_or_404(id)
    with calling_as(Lane.NEWS):  # nobody waits at a screen
        disconnect(connection)
    return told(connection_view(connection))


@bp.post("/connections/<id>/refresh")
def refresh_connection(id: str) -> ResponseReturnValue:
    """Read it once more, with nobody there. A run that goes on is the answer, and so is that of a repeated request."""
    connection = connection_or_404(id)
    key = idempotency_key(g.host)
    form = f"refresh.{hashed(f'{id}.{key}')[:48]}" if key else ""
    known = Intent.by_form(form)
    run = known.run if known else Run.open_at([connection]).get(connection.id)
    if run is None:
        if not connection.is_live:
            raise BadRequest("connection_ended", "This connection is over.", status=409)
        if needs_sign_in(connection):
            raise BadRequest(
                "reconnect_required", "Make a session with connection_id: the person must act.", status=409
            )
        with calling_as(Lane.NEWS):
            session = visit_again(connection, "refresh", form=form)
        run = Run.latest_of(session) or Run.open_at([connection]).get(connection.id)
    if run is None:
        raise BadRequest("reconnect_required", "The task asks the person something: make a session.", status=409)
    return told(run_view(run), 202)


@bp.get("/connections/<id>/runs")
def list_runs(id: str) -> ResponseReturnValue:
    """Newest first; `after` goes on where the last page ended."""
    connection = connection_or_404(id)
    before = run_or_404(connection, after).id if (after := request.args.get("after")) else None
    found = Run.history(connection, PAGE + 1, before=before)
    return told({"data": [run_view(run) for run in found[:PAGE]], "has_more": len(found) > PAGE})


@bp.get("/connections/<id>/runs/<run_id>")
def read_run(id: str, run_id: str) -> ResponseReturnValue:
    """One run with what it brought."""
    run = run_or_404(connection_or_404(id), run_id)
    return told({**run_view(run), "output": output_of(run, vault())})


def run_or_404(connection: Connection, id: str) -> Run:
    run = Run.of_connection(connection, ref_in("run", id))
    if run is None:
        raise no_such("run")
    return run


def connection_view(connection: Connection) -> dict[str, Any]:
    return {
        "connection_id": public_id("conn", connection.ref),
        "client_user_id": connection.person.client_user_id,
        "source": {"source_id": connection.source.slug, "name": connection.source.name},
        "status": connection.status,
        "status_since": stamp(connection.status_since),
        "created_at": stamp(connection.created_at),
    }


def run_view(run: Run) -> dict[str, Any]:
    return {
        "run_id": public_id("run", run.ref),
        "status": run.status,
        "result": run.result or None,
        "errors": run.errors,
        "created_at": stamp(run.created_at),
        "ended_at": stamp(run.ended_at),
    }


def connection_or_404(id: str) -> Connection:
    query = (
        select(Connection)
        .join(Person, Connection.person_id == Person.id)
        .where(Connection.ref == ref_in("conn", id), Person.host_id == g.host.id, Connection.status != "new")
    )
    found = db.session.scalar(query)
    if found is None:
        raise no_such("connection")
    return found
