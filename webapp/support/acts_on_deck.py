"""What staff may do when Deck's events do not come: switch our webhook on again, fetch what was missed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from ..db import db, now
from ..limits import BULK_ACTS_PER_STAFF
from ..models import Chore, Event
from ..stamps import stamp
from ..watchdog import KEPT
from .acts import Act, Asked, CannotNow, Done, Mistyped, many
from .acts_on_hosts import a_day_ago


class ReactivateDestination(Act):
    name, title, button = "reactivate_destination", "Switch Deck's webhook on again", "Switch webhook on"
    kinds = ("deck",)
    role = "lead"
    limit = BULK_ACTS_PER_STAFF

    def plan(self, it: None, given: dict[str, Any]) -> list[str]:
        return [
            "We look at our event destination at Deck now, and switch it on if it is off.",
            "If that was needed, the events missed meanwhile are fetched.",
        ]

    def do(self, it: None, given: dict[str, Any]) -> Done:
        Chore.soon("destination")
        return Done("The destination is being looked after. How it went is below in a moment.")


class Replay(Act):
    name, title, button = "replay", "Fetch Deck's events again", "Replay events"
    kinds = ("deck",)
    role = "lead"
    limit = BULK_ACTS_PER_STAFF
    asks = (Asked("since", "Since (UTC)", "moment", default=a_day_ago, comes_first=True),)

    def plan(self, it: None, given: dict[str, Any]) -> list[str]:
        self._possible(given)
        query = select(func.count()).select_from(Event).where(Event.received_at >= given["since"])
        count = db.session.scalar(query) or 0
        return [
            "Deck's list of events since then is fetched, and those that never came are acted on.",
            f"{many(count, 'event')} since then came already and will change nothing.",
        ]

    def do(self, it: None, given: dict[str, Any]) -> Done:
        self._possible(given)
        chore = db.session.scalar(select(Chore).filter_by(name="events").with_for_update()) or Chore(name="events")
        if chore.lease_until is not None and chore.lease_until > now():
            raise CannotNow("They are being fetched this moment. Try again in two minutes.")
        chore.state, chore.due_at = {"since": given["since"].isoformat()}, now()
        db.session.add(chore)
        return Done("The events are being fetched.", {"since": stamp(given["since"])})

    @staticmethod
    def _possible(given: dict[str, Any]) -> None:
        if not now() - KEPT < given["since"] < now() + timedelta(minutes=1):
            raise Mistyped("since", f"Deck keeps events for {KEPT.days} days: give a time in them.")
