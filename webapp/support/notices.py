"""What an act has done, said once on the page it leads back to."""

from __future__ import annotations

from datetime import timedelta

from flask import request
from sqlalchemy import select

from ..db import db, now
from ..models import AuditEntry
from .gate import half_session

SAID_FOR = timedelta(minutes=10)
"""An address with a notice in it, opened later, says nothing."""


def notice() -> str:
    """What the entry named in the address says, if it is one's own and new."""
    found, ref = half_session(), request.args.get("did", "")
    if found is None or not found.is_whole or len(ref) != 16:
        return ""
    entry = db.session.scalar(select(AuditEntry).filter_by(ref=ref, staff_id=found.staff_id))
    return str(entry.details.get("said", "")) if entry is not None and now() - entry.at < SAID_FOR else ""
