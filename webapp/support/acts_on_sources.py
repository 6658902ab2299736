"""Stopping new sign-ins at a source, with a message and an end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from ..db import db, now
from ..models import ConnectSession, Run, Source
from ..models.connect_session import LASTS
from ..models.run import OVER
from ..pages import when
from ..stamps import stamp
from .acts import Act, Asked, Done, many

LONGEST_HOURS = 7 * 24


class StopSource(Act):
    name, title, button = "stop_source", "Stop new sign-ins", "Stop new sign-ins"
    kinds = ("source",)
    role = "lead"
    is_fresh = is_danger = True
    asks = (
        Asked("hours", "For how many hours", "number", default=lambda: "4", low=1, high=LONGEST_HOURS),
        Asked("message", "What people are told", hint="Plain words; they see it.", high=300, is_needed=False),
    )

    def plan(self, it: Source, given: dict[str, Any]) -> list[str]:
        visits = (
            select(func.count())
            .select_from(ConnectSession)
            .where(
                ConnectSession.source_id == it.id,
                ConnectSession.ended_at.is_(None),
                ConnectSession.signed_in_at.is_(None),
                ConnectSession.created_at > now() - LASTS,
            )
        )
        runs = select(func.count()).select_from(Run).where(Run.source_id == it.id, Run.status.not_in(OVER))
        before, going = db.session.scalar(visits) or 0, db.session.scalar(runs) or 0
        said = [
            f"Nobody is asked for a sign-in at {it.name} until then. It opens again by itself.",
            f"{many(before, 'visit')} before the sign-in {'is' if before == 1 else 'are'} stopped there; "
            f"{many(going, 'run')} going on {'goes' if going == 1 else 'go'} on. Connections stay.",
        ]
        if it.stopped_until is not None and it.is_stopped:
            said.append(
                f"It is stopped already, until {when(it.stopped_until)}: this replaces the end and the message."
            )
        return said

    def do(self, it: Source, given: dict[str, Any]) -> Done:
        was, until = it.stopped_until, now() + timedelta(hours=given["hours"])
        it.stopped_until, it.stop_message = until, given["message"]
        details = {"was": stamp(was), "until": stamp(until), "message": given["message"]}
        return Done(f"New sign-ins at {it.name} are stopped until {when(until)}.", details)


class ReopenSource(Act):
    name, title, button = "reopen_source", "Open it again", "Open again"
    kinds = ("source",)
    role = "lead"
    is_fresh = True

    def why_not(self, it: Source) -> str:
        return "" if it.is_stopped else "It is not stopped."

    def plan(self, it: Source, given: dict[str, Any]) -> list[str]:
        return [f"People can sign in at {it.name} again, from now on."]

    def do(self, it: Source, given: dict[str, Any]) -> Done:
        was, it.stopped_until, it.stop_message = it.stopped_until, None, ""
        return Done(f"{it.name} is open again.", {"was": stamp(was)})
