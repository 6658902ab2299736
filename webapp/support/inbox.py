"""What Deck sent us: the inbox and what was parked."""

from __future__ import annotations

from typing import Any

from flask import url_for
from sqlalchemy import ColumnElement, and_, func, literal_column, select
from sqlalchemy.orm import defer

from ..db import db
from ..models import Chore, Connection, Event, Run
from .acts import offers
from .lists import Cell, Filter, Listing, listing
from .targets import deck

PARKED = {
    "unknown": "about nothing we know",
    "unreadable": "nobody can read it",
    "poison": "acting on it failed",
}
STATES = {
    "waiting": Event.handled_at.is_(None),
    "handled": Event.handled_at.is_not(None),
    "parked": Event.parked != literal_column("''"),
}
COUNTED_UP_TO = 10_000


def rows() -> Any:
    query = select(Event, Run.ref, Connection.ref).options(defer(Event.body))
    return query.outerjoin(Run, Run.deck_id == Event.subject).outerjoin(Connection, Connection.deck_id == Event.subject)


def row(found: Any) -> list[Cell]:
    event, run, connection, *_ = found
    if event.parked:
        tone = "" if event.parked == "unknown" else "problem"  # others of the organization make events too
        state = Cell(PARKED.get(event.parked, event.parked), "status", tone=tone)
    elif event.handled_at is None:
        state = Cell("waiting", "status", tone="wait")
    else:
        state = Cell("handled", "status", tone="good")
    about = url_for("support.run", ref=run) if run else ""
    about = url_for("support.connection", ref=connection) if connection else about
    return [
        Cell(event.received_at, "time"),
        Cell(event.type or None, "code"),
        Cell(event.subject or None, "code", about),
        state,
        Cell(event.handled_at, "time"),
        Cell(event.deck_id, "code"),
    ]


def by_reason(value: str) -> ColumnElement[bool]:
    return and_(STATES["parked"], Event.parked == value)


def surroundings() -> dict[str, Any]:
    """What stands above the list: how long the oldest event waits, and how Deck's webhook does."""
    waiting = select(Event.id).where(Event.handled_at.is_(None)).limit(COUNTED_UP_TO).subquery()
    oldest = select(Event.received_at).where(Event.handled_at.is_(None)).order_by(Event.id).limit(1)
    target = deck("here")
    return {
        "waiting": db.session.scalar(select(func.count()).select_from(waiting)) or 0,
        "oldest": db.session.scalar(oldest),
        "destination": chore("destination"),
        "events": chore("events"),
        "offers": offers(target) if target else [],
    }


def chore(name: str) -> dict[str, Any]:
    found = db.session.get(Chore, name)
    return {
        "done_at": found.done_at if found else None,
        "problem": found.problem if found else "",
        "is_done": found is not None and found.done_at is not None,
    }


listing(
    Listing(
        name="inbox",
        title="Inbox",
        columns=("Received", "Type", "About", "State", "Handled", "Deck's id"),
        query=rows,
        key=Event.id,
        row=row,
        filters=(
            Filter("state", "State", STATES.get, lambda: [(name, name.capitalize()) for name in STATES]),
            Filter("parked", "Parked because", by_reason, lambda: list(PARKED.items())),
            Filter("type", "Type", lambda value: Event.type == value),
            Filter("subject", "About (Deck's id)", lambda value: Event.subject == value),
        ),
        empty="Every event Deck sends is kept here before it is acted on. The first ones come with the first run.",
        more=surroundings,
        template="inbox.html",
    )
)
