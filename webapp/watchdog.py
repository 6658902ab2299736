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
from .db import db, now, writing
from .deck import DeckError
from .deck import Event as Told
from .models import Chore, Event
from .models.run import FAR_AHEAD
from .sync import WANTED_EVENTS, sync_destination

OVERLAP = timedelta(minutes=10)
"""Asked for twice, because Deck may list an event later than it dates it."""

KEPT = timedelta(days=30)
"""How far back Deck's list goes (docs.deck.co/events/events)."""

TICK = timedelta(milliseconds=1)
"""How finely Deck tells time."""

ON_ITS_WAY = timedelta(minutes=1)
"""What is younger is taken too, but its webhook may still come: nobody can say yet that it was missed."""

PAGE = 100
MOST = 5_000
"""Events in one pass: 50 calls, so that other chores get their turn. The next pass goes on at once."""

log = logging.getLogger("gangway.watchdog")


def look_after_destination(chore: Chore) -> str:
    """Is our webhook there and active? If not it is made so, and what was missed is fetched."""
    done: list[str] = []
    sync_destination(done.append, even_if_fine=False)
    if done:
        with writing():
            Chore.soon("events")
    return "; ".join(done)


def catch_up(chore: Chore) -> str:
    """Fetch the events that were listed since the last time and take those that never came. Deck's time counts.

    The list begins with the newest. Where there are more than one pass takes, or our process ends, the next pass goes
    on below what this one has seen, and only when all are there does `since` move.
    """
    is_first = not chore.state
    since, until = _moment(chore.state.get("since")), chore.state.get("until")
    newest = _moment(chore.state["newest"]) if until else since
    oldest, seen, found, missed = None, 0, 0, 0
    before = datetime.fromisoformat(until) if until else None
    listed = islice(deck().events(created_after=since - OVERLAP, created_before=before), MOST)
    while page := list(islice(listed, PAGE)):
        told = [(event, body) for body in page if (event := _readable(body))]
        dates = [event.created_at for event, _ in told if event.created_at <= now() + FAR_AHEAD]
        newest = max([newest, *dates])
        oldest = min([event.created_at for event, _ in told], default=oldest)
        seen += len(page)
        wanted = [both for both in told if both[0].type in WANTED_EVENTS]  # the list has every type
        here = Event.known_as([event.id for event, _ in wanted])
        db.session.rollback()  # hold no transaction while Deck thinks
        if fresh := [both for both in wanted if both[0].id not in here]:
            with writing():
                new = [event for event, body in reversed(fresh) if _take(event, body)]  # the oldest is acted on first
            found += len(new)
            missed += sum(now() - event.created_at > ON_ITS_WAY for event in new)
        if bus().closing:
            break
    with writing():
        if (seen == MOST or bus().closing) and oldest is not None:
            below = oldest + TICK if oldest + TICK != before else oldest  # some of the same moment may be left
            place = {"until": below.isoformat(), "newest": newest.isoformat(), "goes_on": True}
            chore.state = {"since": since.isoformat(), **place}
        else:
            chore.state = {"since": newest.isoformat()}
    metrics.events_missed.inc(missed)
    if found:
        bus().ring(INBOX)
    if missed and not is_first:  # what happened before there was a webhook is not missed
        log.warning("webhook events that never came: %s", missed)
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
