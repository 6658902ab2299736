"""Around every request: its line in the log, its numbers, and what it cost."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from .. import logs, metrics
from ..current import config
from ..db import db

OUTCOMES = {2: "ok", 3: "ok", 4: "refused", 5: "failed"}


def init_app(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(end)
    app.teardown_request(forget)
    with app.app_context():
        count_statements(db.engine)


def begin() -> None:
    """A name for this request, of our own making: one that a client sends could be anything."""
    g.began = time.monotonic()
    metrics.tally.set(metrics.Tally(id=secrets.token_hex(5)))


def end(response: Response) -> Response:
    """For a stream this is its beginning."""
    began = g.get("began", time.monotonic())
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in metrics.METHODS else "other"
    status = response.status_code
    metrics.http_requests.labels(method, route, status).inc()
    metrics.http_seconds.labels(route).observe(time.monotonic() - began)
    outcome = OUTCOMES.get(status // 100, "ok") if response.mimetype != "text/event-stream" else "streaming"
    about = {"route": route, "method": method, "status": status, "outcome": outcome}
    logs.event("request", **about, **who(), **logs.cost(began))
    return response


def forget(error: BaseException | None) -> None:
    """What is logged from now on does not belong to this request."""
    metrics.tally.set(None)


def who() -> dict[str, object]:
    """Who asks, where that matters; never by a name that means something elsewhere."""
    if "actor" not in g:
        return {"actor_type": "nobody"}
    kind, id = g.actor
    digest = hmac.digest(config().secret_key.encode(), f"{kind}/{id}".encode(), "sha256")
    return {"actor_type": kind, "actor_id_hash": digest.hex()[:12]}


def count_statements(engine: Engine) -> None:
    """What the database took, for the line; and what it could not do, for the metric."""

    @event.listens_for(engine, "before_cursor_execute")
    def _begins(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        connection.info["began"] = time.monotonic()

    @event.listens_for(engine, "after_cursor_execute")
    def _ends(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if (tally := metrics.tally.get()) is not None:
            tally.db_calls += 1
            tally.db_seconds += time.monotonic() - connection.info["began"]

    @event.listens_for(engine, "handle_error")
    def _fails(context: Any) -> None:
        if isinstance(context.sqlalchemy_exception, OperationalError):
            metrics.db_busy.inc()
