"""The Python client's rooms about events on their way: deliveries, and the addresses they go to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from .client_rooms import Room, given, one
from .client_types import Delivery, Endpoint, Json, Rule, TwinError, view
from .inbox import Inbox


class Deliveries(Room):
    """How events arrive: again, twice, swapped or held back; never invented."""

    def redeliver(
        self,
        event: str,
        *,
        times: int = 1,
        concurrent: bool = False,
        timestamp: str = "fresh",
        signature: str = "valid",
    ) -> list[Delivery]:
        """Send an event that happened once more; each of its deliveries with the attempts this made."""
        body = {"times": times, "concurrent": concurrent, "timestamp": timestamp, "signature": signature}
        made = self.call("POST", f"/events/{event}/redeliver", body)["deliveries"]
        rows = {row["id"]: row for row in self.call.rows("/deliveries", event_id=event)}
        return [view(Delivery, {**rows[one["id"]], "attempts": one["attempts"]}) for one in made]

    def rule(self, action: Json, *, count: int | None = None, label: str | None = None, **match: Any) -> Rule:
        """A rule for deliveries to come, such as `{"type": "drop"}`."""
        body = given(action=action, match=match, count=count, label=label)
        return view(Rule, self.call("POST", "/delivery-rules", body))

    def duplicate(self, event_type: str = "*", *, times: int = 2, concurrent: bool = False) -> Rule:
        return self.rule({"type": "duplicate", "times": times, "concurrent": concurrent}, event_type=event_type)

    def reorder(self, window: int, order: str | Sequence[int] = "reverse", *, event_type: str = "*") -> Rule:
        return self.rule({"type": "reorder", "window": window, "order": order}, event_type=event_type)

    def clear_rules(self, rule: Rule | str | None = None) -> None:
        self.call("DELETE", one("/delivery-rules", rule))

    @contextmanager
    def holding(self, **match: Any) -> Iterator[Held]:
        """Keep deliveries back inside the block; what is left at its end is let go in order."""
        self.call("POST", "/deliveries/hold", {"match": match})
        held = Held(self.call)
        try:
            yield held
        finally:
            held.release()

    def list(self, **filters: Any) -> list[Delivery]:
        return [view(Delivery, row) for row in self.call.rows("/deliveries", **filters)]


class Held(Room):
    def release(self, order: str | Sequence[str] = "fifo", *, concurrent: bool = False) -> dict[str, Any]:
        return self.call("POST", "/deliveries/release", {"order": order, "concurrent": concurrent})


class Webhooks(Room):
    """Where events go."""

    def register(self, url: str, subscribe: Sequence[str] = ("*",)) -> Endpoint:
        return view(Endpoint, self.call("POST", "/webhooks/endpoints", {"url": url, "subscribe": list(subscribe)}))

    def unregister(self, endpoint: Endpoint | str) -> None:
        self.call("DELETE", one("/webhooks/endpoints", endpoint))

    @contextmanager
    def sink(self, subscribe: Sequence[str] = ("*",)) -> Iterator[Inbox]:
        """An address of the test's own, registered for the block."""
        inbox = Inbox().open()
        try:
            endpoint = self.register(inbox.url, subscribe)
            inbox.secret = endpoint.secret
            yield inbox
            with suppress(TwinError):  # a reset may have taken it away
                self.unregister(endpoint)
        finally:
            inbox.close()
