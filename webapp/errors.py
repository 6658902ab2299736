"""Every failure is one plain page: what happened, what to do, and a reference support can look up."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress

from flask import Flask, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from markupsafe import escape
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection
from werkzeug.exceptions import HTTPException, SecurityError

from . import logs
from .current import config, limits
from .db import db, writing
from .deck import DeckError, DeckRefused
from .limits import ERRORS_PER_PERSON
from .metrics import tally
from .models import ConnectSession, ErrorReport

log = logging.getLogger("gangway")

WORDS = {
    400: ("We could not read that", "Go back, and try it once more."),
    401: ("Sign in first", "Then you can go on."),
    403: (
        "That came from somewhere else",
        "We only take forms from our own pages. Go back and try again.",
    ),
    404: ("There is nothing here", "The address may be old, or it was never one of yours."),
    405: ("There is nothing here", "The address may be old, or it was never one of yours."),
    409: ("That was already answered", "Go back to see where things stand."),
    410: ("This link has been used or has run out", "Ask whoever sent it for a new one."),
    413: ("That is too much at once", "Send less, and try again."),
    429: ("Too many tries for now", "Wait a few minutes, then try again."),
    502: ("We cannot reach our provider", "Nothing was lost. Try again in a minute."),
    503: ("We are busy for a moment", "Nothing was lost. Try again in a minute."),
}
OTHERWISE = ("Something went wrong on our side", "Try again, and tell us the reference if it keeps happening.")

BARE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>{0}</title><h1>{0}</h1><p>{1}</p><p>{2}</p>'
"""The page when the real one cannot be drawn: without a database there is no menu."""

KEPT_HEADERS = ("Allow", "Content-Range", "Retry-After")

HAS_A_CODE = (409, 410, 429)
"""Besides 5xx: what people ask for help about. The page tells a code instead of a reference."""

OF_STAFF = {"support", "support_api"}

FRAMES: list[Callable[[int, str], str | None]] = []
"""Rooms that draw failures in a frame of their own for whoever they know: from a status and a reference, or None."""

NO_PAGE = {"webhooks", "health"}
"""Blueprints that talk to programs: they get the status and nothing else."""


def init_app(app: Flask) -> None:
    app.before_request(refuse_another_address)
    app.before_request(refuse_nonsense)
    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(DeckError, blame_deck)
    app.register_error_handler(DataError, blame_input)
    app.register_error_handler(OperationalError, blame_database)
    app.register_error_handler(NoConnection, blame_database)


def refuse_another_address() -> ResponseReturnValue | None:
    """At an IPv6 address we look ourselves: Werkzeug compares hosts up to their first colon only."""
    ours = config().hostname
    return name_ourselves() if ":" in ours and not request.host.lower().startswith(ours) else None


def refuse_nonsense() -> None:
    """What Werkzeug fails at as soon as anybody looks at it: a query that is no text, a date of no calendar."""
    if request.routing_exception is not None:
        return
    try:
        _ = request.args, request.if_modified_since, request.if_range
    except (UnicodeDecodeError, OverflowError):
        abort(400)


def refuse(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error, SecurityError):
        return name_ourselves()
    code, reference = error.code or 500, ""
    if code >= 500:
        reference = new_reference()
        log.error("request failed reference=%s", reference)
    if code in (400, 413):
        logs.event("input_validation_fail")
    return *page(code, reference), [(name, value) for name, value in error.get_headers() if name in KEPT_HEADERS]


def name_ourselves() -> ResponseReturnValue:
    """Asked under a name that is not ours: no page, whose links would be wrong, but where we are. That is no secret."""
    logs.event("input_validation_fail")
    told = f"This installation answers at {config().public_url}."
    if request.path.startswith("/v1/"):
        error = {"error_code": "unknown_host", "error_message": told}
        return jsonify(error=error, request_id=f"req_{new_reference()}"), 400
    return f"{told}\n", 400, {"Content-Type": "text/plain; charset=utf-8"}


def blame_deck(error: DeckError) -> ResponseReturnValue:
    reference = error.request_id or new_reference()
    is_ours = isinstance(error, DeckRefused)  # a bad key, most likely: nobody but the operator can put it right
    log.log(logging.ERROR if is_ours else logging.WARNING, "deck: %s reference=%s", error, reference)
    return page(502, reference)


def blame_input(error: DataError) -> ResponseReturnValue:
    """Text no column takes: PostgreSQL refuses what SQLite keeps, such as NUL."""
    db.session.rollback()
    logs.event("input_validation_fail")
    return page(400)


def blame_database(error: OperationalError | NoConnection) -> ResponseReturnValue:
    """Locked, full, or all connections taken: whoever knocked should knock again, so never a 2xx."""
    db.session.rollback()
    reference = new_reference()
    log.error("database: %s reference=%s", type(getattr(error, "orig", None) or error).__name__, reference)
    return *page(503, reference, can_report=False), {"Retry-After": "2"}


def page(code: int, reference: str = "", *, can_report: bool = True) -> tuple[str, int]:
    if request.blueprint in NO_PAGE:
        return "", code
    title, advice = WORDS.get(code, OTHERWISE)
    support_code = report(code, reference) if can_report else ""
    try:
        for framed in FRAMES:
            if (html := framed(code, reference)) is not None:
                return html, code
        return render_template(
            "error.html", title=title, advice=advice, reference=reference, support_code=support_code
        ), code
    except Exception as error:
        log.error("no error page: %s reference=%s", type(error).__name__, reference)
        with suppress(SQLAlchemyError):
            db.session.rollback()
    return BARE.format(title, advice, escape(support_code or reference)), code


def report(code: int, reference: str) -> str:
    """The support code of what somebody signed in sees now; "" when there is none. Never in the error page's way."""
    if (
        request.routing_exception is not None
        or request.blueprint in OF_STAFF
        or not (code in HAS_A_CODE or code >= 500)
    ):
        return ""
    try:
        db.session.rollback()
        if not current_user.is_authenticated:
            return ""
        person_id, visit_id = current_user.person_id, current_user.visit_id
        if not limits().allows(ERRORS_PER_PERSON, "error", str(person_id)):
            return ""
        visit = ConnectSession.by_ref((request.view_args or {}).get("ref", ""), person_id)
        seen = ErrorReport(
            person_id=person_id,
            connect_session_id=visit.id if visit else visit_id,
            status=code,
            page=(request.endpoint or "")[:80],
            request_id=(reference or new_reference())[:200],
        )
        with writing(person_id):
            db.session.add(seen)
            db.session.flush()
            support_code = seen.support_code
        return support_code
    except Exception as error:
        log.warning("no error report: %s reference=%s", type(error).__name__, reference)
        with suppress(SQLAlchemyError):
            db.session.rollback()
        return ""


def new_reference() -> str:
    """The name this request has in the log."""
    now = tally.get()
    return now.id if now and now.id else secrets.token_hex(5)
