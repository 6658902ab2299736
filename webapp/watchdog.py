"""What webhooks never told us: whether Deck still delivers, and what it has not delivered."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from . import metrics
from .bus import INBOX
from .current import bus, deck
from .db import now, writing
from .deck import DeckError
from .deck import Event as Told
from .models import Chore, Event
from .sync import sync_destination

OVERLAP = timedelta(minutes=10)
"""Asked for twice, because Deck may list an event later than it dates it."""

KEPT = timedelta(days=30)
"""How far back Deck's list goes (docs.deck.co/events/events)."""

log = logging.getLogger("gangway.watchdog")


def look_after_destination(chore: Chore) -> str:
    """Is our webhook there and active? If not it is made so, and what was missed is fetched."""
    done: list[str] = []
    sync_destination(done.append, even_if_fine=False)
    with writing():
        if done:
            Chore.soon("events")
    return "; ".join(done)


def catch_up(chore: Chore) -> str:
    """Fetch the events that were listed since the last time and take those that never came. Deck's time counts."""
    since = _moment(chore.state.get("since"))
    newest, missed = since, 0
    listed = deck().events(created_after=since - OVERLAP)
    while page := list(islice(listed, 100)):
        told = [(event, body) for body in page if (event := _readable(body))]
        newest = max([newest, *(event.created_at for event, _ in told)])
        with writing():
            missed += sum(_take(event, body) for event, body in told)
    with writing():
        chore.state = {"since": newest.isoformat()}
    metrics.events_missed.inc(missed)
    if missed:
        log.warning("webhook events that never came: %s", missed)
        bus().ring(INBOX)
    return ""


def _take(event: Told, body: dict[str, Any]) -> bool:
    return Event.record(
        deck_id=event.id,
        webhook_id=f"listed-{event.id}"[:255],
        type=event.type,
        subject=event.subject,
        body=json.dumps(body, separators=(",", ":")).encode(),
    )


def _readable(body: dict[str, Any]) -> Told | None:
    try:
        return Told.from_json(body)
    except DeckError:
        return None


def _moment(text: object) -> datetime:
    """How far we have seen. The first time, a day: what is older nobody waits for."""
    seen = datetime.fromisoformat(text) if isinstance(text, str) else now() - timedelta(days=1)
    return max(seen, now() - KEPT)
