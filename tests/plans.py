"""How SQLite goes about its queries. PostgreSQL plans by the size of tables, so there a plan says nothing here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from webapp.db import db


def plan_of(query: Any) -> list[str]:
    """The steps of a query that is not run. Inside an app's context."""
    text = query.compile(db.engine, compile_kwargs={"render_postcompile": True})
    return _steps(str(text), tuple(None for _ in text.positiontup or []))  # a plan does not depend on the values


@contextmanager
def plans() -> Iterator[list[str]]:
    """The steps of all SELECTs that are run meanwhile, known at the end. Inside an app's context."""
    steps: list[str] = []
    asked: list[tuple[str, Any]] = []
    event.listen(db.engine, "before_cursor_execute", note := lambda *args: asked.append((args[2], args[3])))
    try:
        yield steps
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    for text, values in asked:
        if text.startswith("SELECT"):
            steps += _steps(text, values)


def _steps(text: str, values: Any) -> list[str]:
    rows = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
    return [row[3] for row in rows]
