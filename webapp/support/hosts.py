"""The companies whose people connect accounts here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import abort, url_for
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import selectinload

from ..db import db, now
from ..models import ConnectSession, Delivery, Endpoint, Host, Invitation
from ..models.connect_session import LASTS
from .acts import offers
from .lists import Cell, Filter, Listing, listing
from .pages import page
from .targets import host as target_of
from .targets import hosts as all_of_them

MOST_KEYS = 100


def failing() -> Any:
    """How many deliveries of each host failed for good, or were not taken so far."""
    trouble = and_(Delivery.state.in_(["failed", "pending"]), or_(Delivery.state == "failed", Delivery.tries > 0))
    count = select(func.count(Delivery.id)).join(Endpoint, Delivery.endpoint_id == Endpoint.id)
    return count.where(Endpoint.host_id == Host.id, trouble).correlate(Host).scalar_subquery()


def open_visits() -> Any:
    """How many of each host's people are in a visit now."""
    count = select(func.count(Invitation.id)).join(ConnectSession, Invitation.connect_session_id == ConnectSession.id)
    is_open = ConnectSession.ended_at.is_(None), Invitation.opened_at > now() - LASTS
    return count.where(Invitation.host_id == Host.id, *is_open).correlate(Host).scalar_subquery()


def rows() -> Any:
    query = select(Host, Endpoint.id, Endpoint.paused_at, Endpoint.failing_since, failing(), open_visits())
    return query.outerjoin(Endpoint, Endpoint.host_id == Host.id)


def row(found: Any) -> list[Cell]:
    host, endpoint, paused_at, failing_since, failed, visits, *_ = found
    words, tone = webhook_state(endpoint is not None, paused_at, failing_since)
    return [
        Cell(host.name, href=url_for("support.host", ref=host.ref)),
        Cell("test" if host.is_test else "live", "status"),
        Cell(host.created_at, "time"),
        Cell(len(host.origins), "number"),
        Cell(words, "status", tone=tone),
        Cell(failed, "number"),
        Cell(visits, "number"),
    ]


def webhook_state(is_there: bool, paused_at: datetime | None, failing_since: datetime | None) -> tuple[str, str]:
    """In words, and its tone."""
    if not is_there:
        return "none", ""
    if paused_at is not None:
        return "paused", "problem"
    return ("failing", "wait") if failing_since is not None else ("working", "good")


listing(
    Listing(
        name="hosts",
        title="Hosts",
        columns=("Name", "Kind", "Since", "Origins", "Webhook", "Deliveries in trouble", "Open visits"),
        query=rows,
        key=Host.id,
        row=row,
        filters=(
            Filter("name", "Name begins with", lambda value: Host.name.istartswith(value, autoescape=True)),
            Filter(
                "webhook",
                "Webhook",
                {"paused": Endpoint.paused_at.is_not(None), "failing": Endpoint.failing_since.is_not(None)}.get,
                lambda: [("paused", "Paused"), ("failing", "Failing")],
            ),
        ),
        empty="A company that sends its people here is a host. An admin adds it and gives its server a key.",
        more=lambda: {"offers": offers(target) if (target := all_of_them("here")) else []},
        template="hosts.html",
    )
)


@page("/hosts/<ref>", "host.html", name="host")
def show_host(ref: str) -> dict[str, Any]:
    """One host: what was agreed with it, its keys' endings, how its webhook does."""
    target = target_of(ref) or abort(404)
    host: Host = db.session.get_one(Host, target.row.id, options=[selectinload(Host.keys)])
    endpoint = Endpoint.of(host.id)
    paused_at, failing_since = (endpoint.paused_at, endpoint.failing_since) if endpoint else (None, None)
    words, tone = webhook_state(endpoint is not None, paused_at, failing_since)
    counted = db.session.execute(select(failing(), open_visits()).select_from(Host).where(Host.id == host.id)).one()
    newest = sorted(host.keys, key=lambda key: key.id, reverse=True)[:MOST_KEYS]
    return {
        "id": target.id,
        "ref": host.ref,
        "name": host.name,
        "is_test": host.is_test,
        "is_paused": host.paused_at is not None,
        "created_at": host.created_at,
        "origins": list(host.origins),
        "return_urls": list(host.return_urls),
        "sources": host.sources,
        "keys": [{"ending": k.ending, "created_at": k.created_at, "revoked_at": k.revoked_at} for k in newest],
        "webhook": {
            "url": endpoint.url if endpoint else "",
            "state": words,
            "tone": tone,
            "paused_at": paused_at,
            "failing_since": failing_since,
        },
        "failing": counted[0],
        "open_visits": counted[1],
        "offers": offers(target),
    }
