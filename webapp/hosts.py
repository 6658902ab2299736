"""The server API for host companies: JSON, a secret key, and the same few verbs as elsewhere in the field.

`docs/hosts.md` is its reference. A host sees its own objects; anybody else's are 404, byte for byte like none at all.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Response, g, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.exceptions import HTTPException

from .account import address
from .again import needs_sign_in, visit_again
from .current import config, limits, vault
from .db import db, now, writing
from .host_requests import SessionRequest
from .intents import disconnect
from .limits import API_PER_HOST, API_TRIES_PER_ADDRESS
from .models import Connection, ConnectSession, Host, Intent, Invitation, Person, Run, Task
from .models.browser_session import hashed
from .models.run import output_of
from .public_ids import public_id, ref_in
from .request_fields import BadRequest, read_json, text
from .stamps import stamp

MAX_BODY = 32_000
PAGE = 50
OPEN_TO_ALL = {"hosts.openapi"}
NAMES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large", 429: "rate_limit_exceeded"}

bp = Blueprint("hosts", __name__, url_prefix="/v1")


@bp.before_request
def known_hosts_only() -> ResponseReturnValue | None:
    """Every call has an id; only a valid key goes on. Guessing keys is slow."""
    g.api_request_id = f"req_{secrets.token_urlsafe(12)}"
    request.max_content_length = MAX_BODY
    if request.endpoint in OPEN_TO_ALL:
        return None
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    host = Host.by_key(key) if scheme.lower() == "bearer" and key else None
    if host is None:
        if not limits().allows(API_TRIES_PER_ADDRESS, address()):
            return problem(429, "rate_limit_exceeded", "Too many calls without a valid key.")
        return problem(401, "invalid_api_key", "Give a secret key: Authorization: Bearer sk_…")
    if not limits().allows(API_PER_HOST, str(host.id)):
        return problem(429, "rate_limit_exceeded", "Too many calls; slow down.")
    g.host = host
    return None


@bp.after_request
def name_the_call(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("api_request_id", "")
    return response


@bp.errorhandler(BadRequest)
def bad_request(error: BadRequest) -> ResponseReturnValue:
    return problem(error.status, error.code, error.message, param=error.param)


@bp.errorhandler(HTTPException)
def refused(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    return problem(status, NAMES.get(status, "api_error"), error.description or "")


def problem(status: int, code: str, message: str, *, param: str = "") -> ResponseReturnValue:
    """The one error envelope."""
    error: dict[str, Any] = {"error_code": code, "error_message": message}
    if param:
        error["param"] = param
    return jsonify(error=error, request_id=g.api_request_id), status


def told(body: dict[str, Any], status: int = 200) -> ResponseReturnValue:
    return jsonify({**body, "request_id": g.api_request_id}), status


# --- connect sessions ------------------------------------------------------------------------------------------


@bp.post("/connect/sessions")
def create_session() -> ResponseReturnValue:
    """A visit for one of the host's users. The same Idempotency-Key with the same request gives the same session.

    The link is told once: a repeated request gets a new one, and the old one is worth nothing.
    """
    body = read_json()
    wanted = SessionRequest.read(body, g.host)
    form = idempotency_key(g.host)
    asked = hashed(repr(sorted(body.items())))
    with writing():
        invitation = db.session.scalar(select(Invitation).filter_by(form=form)) if form else None
        if invitation is None:
            invitation = invite(g.host, wanted)
            invitation.form, invitation.request_digest = form, asked
        elif not secrets.compare_digest(invitation.request_digest, asked):
            raise BadRequest("idempotency_error", "This Idempotency-Key came with another request.", status=409)
        token = invitation.new_token()
        db.session.flush()
        made = {
            "session_id": public_id("cs", invitation.ref),
            "connect_token": token,
            "expires_at": stamp(invitation.expires_at),
            "hosted_url": config().public_url + url_for("invited.arrive", token=token),
        }
    return told(made, 201)


def invite(host: Host, wanted: SessionRequest) -> Invitation:
    """Inside `writing()`: the visit, and the host's side of it."""
    person = Person.sent_by(host.id, wanted.client_user_id)
    task = Task.first()
    if task is None:
        raise BadRequest("no_task", "This installation offers nothing to connect for yet.", status=503)
    connection, source = wanted.connection_of(person), wanted.only_source()
    session = ConnectSession(
        person=person,
        task=task,
        source=connection.source if connection else source,
        connection=connection,
        purpose="reconnect" if connection else "connect",
        sources=wanted.source_slugs,
    )
    invitation = Invitation(
        host=host,
        connect_session=session,
        expires_at=now() + wanted.lifetime,
        return_url=wanted.return_url,
        state=wanted.state,
        tags=wanted.tags,
        wishes=wanted.wishes,
    )
    db.session.add(invitation)
    return invitation


@bp.get("/connect/sessions/<id>")
def read_session(id: str) -> ResponseReturnValue:
    return told(session_view(invitation_or_404(id)))


@bp.post("/connect/sessions/<id>/expire")
def expire_session(id: str) -> ResponseReturnValue:
    """Revoke it now, opened or not."""
    invitation = invitation_or_404(id)
    with writing(invitation.connect_session.person_id):
        invitation.expire()
    return told(session_view(invitation))


@bp.post("/connect/public_token/exchange")
def exchange_public_token() -> ResponseReturnValue:
    """What the host's page was handed, for the connection it stands for. Once."""
    invitation = Invitation.by_public_token(text(read_json(), "public_token"), g.host)
    connection = invitation and invitation.connect_session.connection
    if invitation is None or connection is None:
        raise BadRequest("token_invalid", "There is no such public token.", param="public_token")
    with writing():
        if not invitation.exchange():
            if invitation.exchanged_at is not None:
                raise BadRequest("token_already_used", "This public token was exchanged already.", status=409)
            raise BadRequest("token_expired", "A public token lives for 30 minutes.", status=410)
    return told({"connection_id": public_id("conn", connection.ref), "session_id": public_id("cs", invitation.ref)})


def session_view(invitation: Invitation) -> dict[str, Any]:
    session = invitation.connect_session
    run = Run.latest_of(session) if session.connection_id else None
    return {
        "session_id": public_id("cs", invitation.ref),
        "status": status_of(invitation, run),
        "client_user_id": session.person.client_user_id,
        "source": session.source and {"source_id": session.source.slug, "name": session.source.name},
        "connection_id": public_id("conn", session.connection.ref) if connected(run) and session.connection else None,
        "run": run and run_view(run),
        "support_code": session.support_code,
        "tags": invitation.tags,
        "created_at": stamp(invitation.created_at),
        "expires_at": stamp(invitation.expires_at),
        "opened_at": stamp(invitation.opened_at),
    }


def connected(run: Run | None) -> bool:
    return run is not None and run.status == "completed"


def status_of(invitation: Invitation, run: Run | None) -> str:
    """Where a visit stands, in the words of `connect.exit_status`."""
    session = invitation.connect_session
    if connected(run):
        return "connected"
    if run is not None and run.is_over:
        if "auth_invalid" in run.codes:
            return "requires_credentials"
        return "result_unknown" if run.result == "unknown" else "source_unavailable"
    if run is not None:
        return "in_progress"
    if session.ended_at is not None or session.is_expired or invitation.is_expired:
        return "token_expired"
    if session.consented_at is None:
        return "requires_consent"
    return "requires_source_selection" if session.source is None else "requires_credentials"


# --- connections -----------------------------------------------------------------------------------------------


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
    found = list(db.session.scalars(query.limit(PAGE + 1)))
    page = [connection_view(connection) for connection in found[:PAGE]]
    return told({"data": page, "has_more": len(found) > PAGE})


@bp.get("/connections/<id>")
def read_connection(id: str) -> ResponseReturnValue:
    return told(connection_view(connection_or_404(id)))


@bp.post("/connections/<id>/disconnect")
def disconnect_connection(id: str) -> ResponseReturnValue:
    connection = connection_or_404(id)
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
        if not connection.is_live or connection.status == "deleting":
            raise BadRequest("connection_ended", "This connection is over.", status=409)
        if needs_sign_in(connection):
            raise BadRequest(
                "reconnect_required", "Make a session with connection_id: the person must act.", status=409
            )
        session = visit_again(connection, "refresh", form=form)
        run = Run.latest_of(session) or Run.open_at([connection]).get(connection.id)
    if run is None:
        raise BadRequest("reconnect_required", "The task asks the person something: make a session.", status=409)
    return told(run_view(run), 202)


@bp.get("/connections/<id>/runs")
def list_runs(id: str) -> ResponseReturnValue:
    return told({"data": [run_view(run) for run in Run.history(connection_or_404(id), PAGE)], "has_more": False})


@bp.get("/connections/<id>/runs/<run_id>")
def read_run(id: str, run_id: str) -> ResponseReturnValue:
    """One run with what it brought."""
    run = Run.of_connection(connection_or_404(id), ref_in("run", run_id))
    if run is None:
        raise no_such("run")
    return told({**run_view(run), "output": output_of(run, vault())})


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


@bp.route("/<path:anything>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def nowhere(anything: str) -> ResponseReturnValue:
    """An address that is none answers like everything here: JSON, and to hosts only."""
    raise BadRequest("not_found", "There is nothing at this address; see the reference.", status=404)


# --- the small things ------------------------------------------------------------------------------------------


def invitation_or_404(id: str) -> Invitation:
    found = Invitation.by_ref(ref_in("cs", id), g.host)
    if found is None:
        raise no_such("session")
    return found


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


def no_such(what: str) -> BadRequest:
    return BadRequest("not_found", f"No such {what}.", status=404)


def idempotency_key(host: Host) -> str | None:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 256:
        raise BadRequest("idempotency_key_error", "An Idempotency-Key has at most 256 characters.")
    return f"{host.id}:{key}" if key else None
