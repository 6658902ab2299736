"""The part of the API for hosts that tells what happened: events, what a visit's person did, deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app, g, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..bus import WORK
from ..current import bus, limits
from ..db import db, now, writing
from ..limits import RESENDS_PER_DELIVERY
from ..models import Attempt, Delivery, Endpoint, HostEvent, VisitEvent
from ..public_ids import public_id, ref_in
from ..stamps import moment_in, stamp
from .deliveries import event_view
from .door import PAGE, no_such, told
from .door import bp as bp
from .openapi import document
from .request_fields import BadRequest
from .sessions import invitation_or_404

DELIVERY_STATES = ("pending", "delivered", "failed")
SETTLED_AFTER = timedelta(seconds=5)
"""How old an event is before it is listed where several write at once: it gets its number before its commit, so a newer
one may be seen first, and whoever goes on behind that would never be told. No transaction of ours lasts as long."""


@bp.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """What this API is, for programs. It is no secret, so it needs no key."""
    return jsonify(document(current_app.extensions["gangway"].config.public_url))


@bp.get("/connect/sessions/<id>/events")
def list_visit_events(id: str) -> ResponseReturnValue:
    """What the person did, oldest first; `after` goes on behind an event."""
    visit = invitation_or_404(id)
    after = request.args.get("after", "")
    session = visit.connect_session
    found = VisitEvent.page(session.id, ref_in("vev", after) if after else "", PAGE + 1)
    if found is None or (after and not ref_in("vev", after)):
        raise no_such("event")
    page = [visit_event_view(event, id) for event in found[:PAGE]]
    return told({"data": page, "has_more": len(found) > PAGE})


def visit_event_view(event: VisitEvent, session_id: str) -> dict[str, Any]:
    return {
        "event_id": public_id("vev", event.ref),
        "seq": event.seq,
        "name": event.name,
        "timestamp": stamp(event.at),
        "session_id": session_id,
        "metadata": event.details,
    }


@bp.get("/events")
def list_events() -> ResponseReturnValue:
    """What webhooks tell, oldest first: to catch up with after a time away. Kept for 30 days."""
    query = select(HostEvent).where(HostEvent.host_id == g.host.id).order_by(HostEvent.id).limit(PAGE + 1)
    if db.engine.dialect.name != "sqlite":  # it has one writer
        query = query.where(HostEvent.created_at < now() - SETTLED_AFTER)
    if since := request.args.get("since"):
        moment = moment_in(since)
        if moment is None:
            raise BadRequest("invalid_field", "Give a time such as 2026-11-21T09:30:00Z.", param="since")
        query = query.where(HostEvent.created_at >= moment)
    if after := request.args.get("after"):
        last = db.session.scalar(select(HostEvent).filter_by(ref=ref_in("evt", after), host_id=g.host.id))
        if last is None:
            raise no_such("event")
        query = query.where(HostEvent.id > last.id)
    found = list(db.session.scalars(query))
    return told({"data": [event_view(event) for event in found[:PAGE]], "has_more": len(found) > PAGE})


@bp.get("/deliveries")
def list_deliveries() -> ResponseReturnValue:
    """Newest first; `state` narrows, `after` goes on where the last page ended."""
    endpoint = Endpoint.of(g.host.id)
    if endpoint is None:
        return told({"data": [], "has_more": False, "endpoint": None})
    query = select(Delivery).where(Delivery.endpoint_id == endpoint.id).order_by(Delivery.id.desc()).limit(PAGE + 1)
    if state := request.args.get("state"):
        if state not in DELIVERY_STATES:
            raise BadRequest("invalid_field", f"One of {', '.join(DELIVERY_STATES)}.", param="state")
        query = query.where(Delivery.state == state)
    if after := request.args.get("after"):
        query = query.where(Delivery.id < delivery_or_404(after).id)
    found = list(db.session.scalars(query.options(joinedload(Delivery.event))))
    attempts = Attempt.newest_of(found[:PAGE])
    page = [delivery_view(delivery, attempts[delivery.id]) for delivery in found[:PAGE]]
    return told({"data": page, "has_more": len(found) > PAGE, "endpoint": endpoint_view(endpoint)})


@bp.post("/deliveries/<id>/resend")
def resend_delivery(id: str) -> ResponseReturnValue:
    """Once more from the beginning, with the same event id."""
    delivery = delivery_or_404(id)
    limits().count(RESENDS_PER_DELIVERY, delivery.ref)
    with writing():
        if delivery.endpoint.paused_at is not None:
            raise BadRequest("endpoint_paused", "Your endpoint is paused: ask the operator to resume it.", status=409)
        delivery.resend()
    bus().ring(WORK)
    return told(delivery_view(delivery, Attempt.newest_of([delivery])[delivery.id]), 202)


def delivery_view(delivery: Delivery, attempts: list[Attempt]) -> dict[str, Any]:
    return {
        "delivery_id": public_id("dlv", delivery.ref),
        "event_id": public_id("evt", delivery.event.ref),
        "type": delivery.event.type,
        "state": delivery.state,
        "url": delivery.url or delivery.endpoint.url,
        "created_at": stamp(delivery.created_at),
        "next_attempt_at": stamp(delivery.due_at),
        "settled_at": stamp(delivery.settled_at),
        "attempts": [
            {
                "at": stamp(attempt.at),
                "status": attempt.status,
                "problem": attempt.problem or None,
                "milliseconds": attempt.milliseconds,
            }
            for attempt in attempts
        ],
    }


def endpoint_view(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "failing_since": stamp(endpoint.failing_since),
        "paused_at": stamp(endpoint.paused_at),
    }


def delivery_or_404(id: str) -> Delivery:
    query = select(Delivery).join(Endpoint).where(Delivery.ref == ref_in("dlv", id), Endpoint.host_id == g.host.id)
    found = db.session.scalar(query)
    if found is None:
        raise no_such("delivery")
    return found
