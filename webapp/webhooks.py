"""Where Deck knocks. It waits five seconds and, after four failures, never knocks again: so keep, and say thanks."""

from __future__ import annotations

import time

from flask import Blueprint, Response, abort, g, request
from flask.typing import ResponseReturnValue

from . import logs, metrics
from .bus import INBOX
from .current import bus, parts
from .db import now, writing
from .deck import BadSignature, DeckError
from .deck import Event as Told
from .deck.reading import Unreadable, parse_object
from .models import Event

MAX_BODY = 256_000

bp = Blueprint("webhooks", __name__)

seldom = logs.Seldom(10.0)


@bp.before_request
def small_bodies_only() -> None:
    request.max_content_length = MAX_BODY
    g.knocked = time.monotonic()


@bp.after_request
def count(response: Response) -> Response:
    if response.status_code == 204:
        metrics.webhook_ack.observe(time.monotonic() - g.knocked)
    elif response.status_code in (413, 503):
        metrics.webhooks.labels("too_large" if response.status_code == 413 else "not_kept").inc()
    return response


@bp.post("/webhooks/deck")
def receive() -> ResponseReturnValue:
    """401 for whatever Deck did not sign; 204 once the event is on disk, readable or not."""
    body = request.get_data()
    try:
        webhook_id = parts().signatures.check(body, request.headers)
    except BadSignature as error:
        tell(error)
        abort(401)
    try:
        told = Told.from_json(parse_object(body))
        fields = {"deck_id": told.id, "type": told.type, "subject": told.subject, "parked": ""}
        metrics.event_lag.observe((now() - told.created_at).total_seconds())
    except (Unreadable, DeckError):
        fields = {"deck_id": webhook_id, "type": "", "subject": "", "parked": "unreadable"}
    with writing():
        is_new = Event.record(**fields, webhook_id=webhook_id, body=body)
    if is_new and fields["parked"]:
        metrics.parked.labels("unreadable").inc()
    metrics.webhooks.labels("repeated" if not is_new else fields["parked"] or "kept").inc()
    bus().ring(INBOX)
    return "", 204


def tell(error: BadSignature) -> None:
    """Why, for the operator alone: four of these in a row and Deck never knocks again. Strangers' junk is no news."""
    metrics.webhook_refused(error.reason)
    name = "webhook_refused" if error.looks_real else "webhook_malformed"
    if seldom.may(f"{name} {error.reason}"):
        logs.event(name, reason=error.reason)
