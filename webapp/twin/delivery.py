"""Sends what the world owes its destinations, for real: webhooks are signed by Standard Webhooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
from standardwebhooks import Webhook

from .carriers import Parcel, Sender, carry, egress
from .clock import moment
from .destinations import custom_headers, forged_secret, valid_secrets
from .errors import ControlError
from .events import Shipment
from .objects import Object
from .world import DRAIN_LIMIT, World

OFF_BY = timedelta(minutes=10)
"""How far a stale or future timestamp is from now: receivers tolerate five minutes."""

SHORTEST_TIMEOUT = 0.001
"""Seconds: none at all would mean for ever to some clients."""


class Deliverer:
    """Empties the world's outbox. State changes under the world's lock; the posting itself never does.

    It reaches this machine only, unless *allow_hosts* names others. A *sender* that was handed in answers for itself:
    it stands for the network, so webhooks through it are free to go anywhere unless *allow_hosts* says so too.
    """

    def __init__(
        self, world: World, sender: Sender | None = None, *, allow_hosts: Collection[str] | None = None
    ) -> None:
        self.world = world
        self.sender = sender or httpx.Client(trust_env=False, follow_redirects=False)
        self._may_reach = egress(allow_hosts or ())
        self._may_post = egress(("*",)) if sender and allow_hosts is None else self._may_reach

    def drain(self, first: Iterable[Sequence[Shipment]] = ()) -> dict[str, int]:
        """Send the batches of *first*, all that is due, and what comes of it: one after the other to each destination,
        destinations side by side. Outcomes are noted in the order things were due, so that threads do not make the
        world differ. `held` is how many are held back as it ends."""
        outcomes: list[bool] = []
        for batch in first:
            outcomes += self._send(batch)
        enough = len(outcomes) + len(self.world.outbox) + DRAIN_LIMIT
        while due := self._take():
            if len(outcomes) > enough:
                raise ControlError(
                    500, "drain_limit", "a receiver answers every delivery with a call that causes another"
                )
            outcomes += self._send(due)
        return {
            "attempted": len(outcomes),
            "succeeded": sum(outcomes),
            "failed": len(outcomes) - sum(outcomes),
            "held": len(self.world.rules.held),
        }

    def _take(self) -> list[Shipment]:
        with self.world.lock:
            return self.world.events.next_shipments()

    def _send(self, batch: Sequence[Shipment]) -> list[bool]:
        """Everything of *batch* at the very same time; whether each attempt counts as delivered."""
        if len(batch) == 1:
            attempts = [self._attempt(batch[0])]
        else:
            start = threading.Barrier(len(batch))

            def together(shipment: Shipment) -> Object:
                start.wait()
                return self._attempt(shipment)

            with ThreadPoolExecutor(max_workers=len(batch)) as pool:
                attempts = list(pool.map(together, batch))
        self._note(batch, attempts)
        return [attempt["error"] is None for attempt in attempts]

    def _note(self, batch: Sequence[Shipment], attempts: Sequence[Object]) -> None:
        """Tell the world how *batch* fared."""
        with self.world.lock:
            for shipment, attempt in zip(batch, attempts, strict=True):
                self.world.events.delivered(shipment, attempt)
                if shipment.epoch == self.world.epoch:
                    self.world.stream.delivery(shipment.delivery, shipment.event, shipment.delivery["_attempts"][-1])

    def _attempt(self, shipment: Shipment) -> Object:
        """One attempt: what was sent and what came back."""
        destination, event, send = shipment.destination, shipment.event, shipment.send
        body = event["_body"].encode()
        headers: dict[str, str] = {}
        if destination["type"] == "webhook":
            headers = {**custom_headers(destination["_config"]), **self._signed(shipment, body)}
        if send["signature"] == "body_tampered":
            body = tampered(body)
        may_reach = self._may_post if destination["type"] == "webhook" else self._may_reach
        timeout = max(SHORTEST_TIMEOUT, self.world.clock.span("delivery_timeout").total_seconds())
        parcel = Parcel(destination["_config"], event, body, headers, timeout)
        started = time.perf_counter()  # before real_at: the answer never came later than real_at and its ms say
        attempt: Object = {
            "variant": send["variant"],
            "at": moment(self.world.clock.now),
            "real_at": moment(datetime.now(UTC)),
            "headers": headers,
        }
        if trouble := {key: send[key] for key in ("timestamp", "signature", "damage") if send[key] not in NO_TROUBLE}:
            attempt["tampered"] = trouble
        outcome = carry(destination["type"], parcel, self.sender, may_reach)
        if outcome["response"]:
            outcome["response"]["ms"] = int((time.perf_counter() - started) * 1000)
        return {**attempt, **outcome}

    def _signed(self, shipment: Shipment, body: bytes) -> dict[str, str]:
        """Standard Webhooks headers, dressed as the send says. The timestamp is real time, because receivers compare
        it with their own clock, unless a rule or the send says that this one's clock is the virtual one.
        """
        destination, send, id = shipment.destination, shipment.send, shipment.event["id"]
        virtual = "virtual" in (send["timestamp"], shipment.delivery.get("_signed_by"))
        now = self.world.clock.now if virtual else datetime.now(UTC)
        if send["timestamp"] == "original":
            when = datetime.fromtimestamp(int(send["sent_at"]), UTC)
        else:
            when = now + {"stale": -OFF_BY, "future": OFF_BY}.get(send["timestamp"], timedelta(0))
        secrets = valid_secrets(destination, moment(self.world.clock.now))
        if send["signature"] == "invalid":
            secrets = [forged_secret(secret) for secret in secrets]
        elif send["signature"] == "old_secret":
            secrets = [destination["_previous"]["secret"]]
        signed = {
            "webhook-id": id,
            "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": " ".join(Webhook(secret).sign(id, when, body.decode()) for secret in secrets),
        }
        if send["signature"] == "missing":
            del signed["webhook-signature"]
        if send["damage"] == "headers_missing":
            signed = {}
        elif send["damage"] == "id":
            signed["webhook-id"] = f"{id}x"
        return {"content-type": "application/json", "user-agent": "Deck-Twin/1", **signed}


NO_TROUBLE = (None, "fresh", "virtual", "valid")


def tampered(body: bytes) -> bytes:
    """Still an event to whoever does not check its signature."""
    return b'{"tampered":true,' + body[1:]
