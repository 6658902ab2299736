"""The door of the server API for host companies, and the one way to answer. `docs/hosts.md` is its reference.

A host sees its own objects; anybody else's are 404, byte for byte like none at all.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, make_response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from werkzeug.exceptions import HTTPException

from ..current import limits
from ..db import db
from ..door import network
from ..errors import KEPT_HEADERS, blame_database, new_reference
from ..limits import API_PER_HOST, API_TRIES_PER_ADDRESS
from ..models import Host
from .request_fields import BadRequest

MAX_BODY = 32_000
PAGE = 50
VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
OPEN_TO_ALL = {"hosts.openapi"}
NAMES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large", 429: "rate_limit_exceeded"}

bp = Blueprint("hosts", __name__, url_prefix="/v1")


@bp.before_request
def known_hosts_only() -> ResponseReturnValue | None:
    """Only a valid key goes on. Guessing keys is slow."""
    request.max_content_length = MAX_BODY
    if request.endpoint in OPEN_TO_ALL:
        return None
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    found = Host.by_key(key) if scheme.lower() == "bearer" and key else None
    if found is None:
        if not limits().allows(API_TRIES_PER_ADDRESS, network()):
            return problem(429, "rate_limit_exceeded", "Too many calls without a valid key.")
        return problem(401, "invalid_api_key", what_is_wrong_with(key))
    g.host, g.host_key_id = found
    g.actor = ("host", g.host.id)
    if not limits().allows(API_PER_HOST, str(g.host.id)):
        return problem(429, "rate_limit_exceeded", "Too many calls; slow down.")
    return None


def what_is_wrong_with(key: str) -> str:
    """A key that was cut off or is an old one is told apart from none; its end is shown to whoever sent it."""
    if not key.startswith("sk_"):
        return "Give a secret key: Authorization: Bearer sk_…"
    end = key[-4:] if len(key) > 20 and key.isascii() and key.isprintable() else ""
    return f"No key of ours ends in …{end}: it may be cut off, or revoked." if end else "This key is cut off."


@bp.after_request
def name_the_call(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    return response


def request_id() -> str:
    """The call's name here and in the log. Made when it is first needed: a crowd is refused before it gets here."""
    if "api_request_id" not in g:
        g.api_request_id = f"req_{new_reference()}"
    return str(g.api_request_id)


@bp.errorhandler(BadRequest)
def bad_request(error: BadRequest) -> ResponseReturnValue:
    return problem(error.status, error.code, error.message, param=error.param)


@bp.errorhandler(HTTPException)
def refused(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    response = make_response(problem(status, NAMES.get(status, "api_error"), error.description or ""))
    for name, value in error.get_headers():
        if name in KEPT_HEADERS:
            response.headers[name] = value
    return response


@bp.errorhandler(DataError)
def not_taken(error: DataError) -> ResponseReturnValue:
    """Text that no column takes, such as a NUL on PostgreSQL."""
    db.session.rollback()
    return problem(400, "invalid_field", "There is a character in it that nobody can keep.")


@bp.errorhandler(OperationalError)
@bp.errorhandler(NoConnection)
def busy(error: OperationalError | NoConnection) -> ResponseReturnValue:
    """Logged as on every page, and answered as everything is here."""
    blame_database(error)
    response = make_response(problem(503, "api_error", "We are busy for a moment. Nothing was done: try again."))
    response.headers["Retry-After"] = "2"
    return response


def problem(status: int, code: str, message: str, *, param: str = "") -> ResponseReturnValue:
    """The one error envelope."""
    error: dict[str, Any] = {"error_code": code, "error_message": message}
    if param:
        error["param"] = param
    return jsonify(error=error, request_id=request_id()), status


def told(body: dict[str, Any], status: int = 200) -> ResponseReturnValue:
    return jsonify({**body, "request_id": request_id()}), status


@bp.route("/<path:anything>", methods=VERBS)
def nowhere(anything: str) -> ResponseReturnValue:
    """An address that is none answers like everything here: JSON, and to hosts only."""
    if others := verbs_of(request.path):
        response = make_response(problem(405, "method_not_allowed", f"This address takes {', '.join(others)}."))
        response.headers["Allow"] = ", ".join(others)
        return response
    raise BadRequest("not_found", "There is nothing at this address; see /v1/openapi.json.", status=404)


def verbs_of(path: str) -> list[str]:
    """What may be done at this address; nothing when there is none."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    found = []
    for verb in VERBS:
        with suppress(HTTPException):
            endpoint, _ = adapter.match(path, method=verb)
            found += [verb] if endpoint != request.endpoint else []
    return found


def no_such(what: str) -> BadRequest:
    return BadRequest("not_found", f"No such {what}.", status=404)


def idempotency_key(host: Host) -> str | None:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 256:
        raise BadRequest("idempotency_key_error", "An Idempotency-Key has at most 256 characters.")
    return f"{host.id}:{key}" if key else None
