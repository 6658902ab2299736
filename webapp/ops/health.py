"""Whether this process should be sent anything: `/livez` and `/readyz`, small JSON, in every role."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from typing import Any, cast

from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from .. import assets, db
from ..bus import RedisBus
from ..current import Parts

WITHIN = 0.2
"""Seconds in which the database must take a write."""

KEPT = 1.0
"""Seconds an answer is kept: whoever asks all the time does not keep the database busy."""

INSERT = "INSERT INTO chore (name, due_at, problem, state) VALUES (:name, CURRENT_TIMESTAMP, '', '{}')"
DELETE = "DELETE FROM chore WHERE name = :name"

bp = Blueprint("health", __name__)


class Health:
    """Of one app in one process."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.is_leaving = False
        """Set when the process is asked to end: nobody should send us anything new, but we still answer."""
        self._checked: tuple[float, dict[str, str]] = (float("-inf"), {})
        self._checking: threading.Thread | None = None

    @property
    def parts(self) -> Parts:
        return cast(Parts, self._app.extensions["gangway"])

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Whether to send us something, and why not. Deck and Redis are told, but decide nothing.

        Without them we still keep what Deck delivers; refusing it would have Deck switch our webhook off.
        """
        if self.is_leaving or self.parts.bus.closing:
            return False, {"process": "leaving"}
        checks = self.database()
        return all(found in ("ok", "ahead") for found in checks.values()), {**checks, **self.others()}

    def others(self) -> dict[str, str]:
        return {"deck": "resting" if self.parts.budget.is_in_trouble else "ok", "redis": redis_state(self.parts.bus)}

    def database(self) -> dict[str, str]:
        """Whether it takes a write, and whether its tables are those we know. At most `WITHIN` seconds."""
        at, found = self._checked
        if time.monotonic() - at < KEPT:
            return found
        if self._checking is None or not self._checking.is_alive():
            self._checking = threading.Thread(target=self._check, name="readiness", daemon=True)
            self._checking.start()
        self._checking.join(WITHIN)
        now_at, now_found = self._checked
        return now_found if now_at > at else {"database": "slow"}

    def _check(self) -> None:
        with self._app.app_context():
            try:
                revision = write_something()
                found = {"database": "ok", "migrations": compared(revision)}
            except Exception as error:
                found = {"database": "locked" if "locked" in str(error) else "failed"}
            finally:
                db.db.session.remove()
        self._checked = (time.monotonic(), found)


def write_something() -> str:
    """Write and take it back, on disk both: a full or read-only one shows. The revision of the tables, or ""."""
    ping = {"name": f"ping-{secrets.token_hex(6)}"}
    with quick_connection() as run:
        run(INSERT, ping)
        run(DELETE, ping)
        found = run("SELECT version_num FROM alembic_version", {})
    return str(found or "")


@contextmanager
def quick_connection() -> Any:
    """A write transaction that gives up soon; yields a function that runs a statement and gives its first value."""
    engine = db.db.engine
    if engine.dialect.name == "sqlite":  # waiting inside SQLite holds up every greenlet
        with closing(engine.raw_connection()) as pooled:
            sqlite = cast(Any, pooled)
            (patience,) = sqlite.execute("PRAGMA busy_timeout").fetchone()
            sqlite.execute(f"PRAGMA busy_timeout={int(WITHIN * 900)}")
            sqlite.execute("PRAGMA query_only=OFF")
            try:
                sqlite.execute("BEGIN IMMEDIATE")
                yield first_of(sqlite.execute)
                sqlite.execute("COMMIT")
            finally:
                sqlite.execute(f"PRAGMA busy_timeout={patience}")
        return
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 200"))
        yield first_of(lambda statement, values: connection.execute(text(statement), values))


def first_of(execute: Callable[..., Any]) -> Callable[[str, dict[str, Any]], Any]:
    def run(statement: str, values: dict[str, Any]) -> Any:
        done = execute(statement, values)
        row = done.fetchone() if statement.startswith("SELECT") else None
        return row[0] if row else None

    return run


def compared(revision: str) -> str:
    """`ok`; `behind` when the tables are older than this code; `ahead` when a newer version has changed them.

    Changes never break the version before, so while a new one is rolled out the old one stays in service.
    """
    script = ScriptDirectory(assets.shipped("migrations"))
    if revision == script.get_current_head():
        return "ok"
    known = {step.revision for step in script.walk_revisions()}
    return "behind" if revision in known or not revision else "ahead"


def redis_state(bus: object) -> str:
    """none, heard or away."""
    if not isinstance(bus, RedisBus):
        return "none"
    return "heard" if bus.patience == float("inf") else "away"


def init_app(app: Flask) -> None:
    app.extensions["gangway.health"] = Health(app)
    app.register_blueprint(bp)


def health_of(app: Flask) -> Health:
    return cast(Health, app.extensions["gangway.health"])


@bp.get("/livez")
def live() -> ResponseReturnValue:
    """The process answers; nothing else is asked."""
    return {"status": "ok"}, 200, {"Cache-Control": "no-store"}


@bp.get("/readyz")
def ready() -> ResponseReturnValue:
    """200, or 503 when the next one should be asked instead."""
    is_ready, checks = health_of(current_app).ready()
    status = "ready" if is_ready else "not ready"
    return {"status": status, "checks": checks}, 200 if is_ready else 503, {"Cache-Control": "no-store"}
