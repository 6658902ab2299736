"""What a run that is over came to, as far as acts and words depend on it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from ..db import db
from ..models import Connection, Run


def latest_run(connection: Connection) -> Run | None:
    query = select(Run).filter_by(connection_id=connection.id).order_by(Run.id.desc()).limit(1)
    return db.session.scalar(query.options(selectinload(Run.prompts)))


def is_unsure(run: Run | None) -> bool:
    """Nobody knows whether it worked, so doing it once more may be doing it twice."""
    return run is not None and run.is_unsure


def is_wrong_code(run: Run | None) -> bool:
    """The site asked for something and did not accept the answer: the sign-in itself may be fine."""
    return run is not None and run.status == "failed" and "auth_invalid" in run.codes and bool(run.prompts)
