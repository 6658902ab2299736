"""What we told hosts: deliveries and their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, url_for
from sqlalchemy import ColumnElement, select

from ..db import db
from ..hosts.events import TYPES
from ..models import Attempt, Delivery, Endpoint, Host, HostEvent
from ..public_ids import public_id, ref_in
from .acts import offers
from .lists import Cell, Filter, Listing, listing
from .pages import page
from .targets import delivery as target_of

STATES = {"pending": ("waiting", "wait"), "delivered": ("delivered", "good"), "failed": ("failed", "problem")}
"""In words, and their tone."""
PROBLEMS = {
    "timeout": "no answer in time",
    "unreachable": "could not be reached",
    "address_refused": "not a public address",
    "not_2xx": "not taken",
    "bad_url": "not an address",
    "unreadable": "an answer nobody can read",
}
MOST_ATTEMPTS = 100
MOST_HOSTS = 200


def last_attempt(column: Any) -> Any:
    """What the latest attempt says, for each delivery of a list."""
    latest = select(column).where(Attempt.delivery_id == Delivery.id).order_by(Attempt.id.desc()).limit(1)
    return latest.correlate(Delivery).scalar_subquery()


def rows() -> Any:
    what = Delivery, HostEvent.type, Host.name, Host.ref, last_attempt(Attempt.problem), last_attempt(Attempt.status)
    query = select(*what).join(HostEvent, Delivery.event_id == HostEvent.id)
    return query.join(Endpoint, Delivery.endpoint_id == Endpoint.id).join(Host, Endpoint.host_id == Host.id)


def row(found: Any) -> list[Cell]:
    delivery, type, host, host_ref, problem, status, *_ = found
    words, tone = STATES[delivery.state]
    return [
        Cell(delivery.created_at, "time", url_for("support.delivery", ref=delivery.ref)),
        Cell(host, href=url_for("support.host", ref=host_ref)),
        Cell(type, "code"),
        Cell(words, "status", tone=tone),
        Cell(delivery.tries, "number"),
        Cell(answer(status, problem)),
        Cell(delivery.due_at, "time"),
    ]


def answer(status: int | None, problem: str | None) -> str | None:
    """What came of an attempt, in words; None when there was none."""
    if problem is None:
        return None
    said = PROBLEMS.get(problem, problem) or "taken"
    return f"{said} ({status})" if status is not None else said


def by_host(ref: str) -> ColumnElement[bool]:
    return Host.ref == ref


def all_hosts() -> Sequence[tuple[str, str]]:
    found = db.session.execute(select(Host.ref, Host.name).order_by(Host.name).limit(MOST_HOSTS))
    return [(ref, name) for ref, name in found]


listing(
    Listing(
        name="deliveries",
        title="Deliveries",
        columns=("When", "Host", "Event", "State", "Tries", "Last answer", "Next try"),
        query=rows,
        key=Delivery.id,
        row=row,
        filters=(
            Filter(
                "state",
                "State",
                lambda value: Delivery.state == value,
                lambda: [(state, words.capitalize()) for state, (words, _) in STATES.items()],
            ),
            Filter("host", "Host", by_host, all_hosts),
            Filter("type", "Event", lambda value: HostEvent.type == value, lambda: [(type, type) for type in TYPES]),
        ),
        empty="Once a host has a webhook, everything it is told is here, with every attempt and what it answered.",
    )
)


@page("/deliveries/<ref>", "delivery.html", name="delivery")
def show_delivery(ref: str) -> dict[str, Any]:
    """One delivery: what it tells, each attempt, and sending it again."""
    target = target_of(ref) or abort(404)
    delivery: Delivery = target.row
    attempts = select(Attempt).filter_by(delivery_id=delivery.id).order_by(Attempt.id.desc()).limit(MOST_ATTEMPTS)
    words, tone = STATES[delivery.state]
    host, data = delivery.endpoint.host, delivery.event.data
    return {
        "id": target.id,
        "type": delivery.event.type,
        "event_id": public_id("evt", delivery.event.ref),
        "state": words,
        "tone": tone,
        "host": {"name": host.name, "ref": host.ref},
        "is_paused": delivery.endpoint.paused_at is not None,
        "created_at": delivery.created_at,
        "due_at": delivery.due_at,
        "settled_at": delivery.settled_at,
        "connection": ref_in("conn", data.get("connection_id") or ""),
        "run": ref_in("run", data.get("run_id") or ""),
        "attempts": [
            {
                "at": a.at,
                "answer": answer(a.status, a.problem),
                "is_taken": not a.problem,
                "milliseconds": a.milliseconds,
            }
            for a in db.session.scalars(attempts)
        ],
        "offers": offers(target),
    }
