"""Events that happened, and what is owed to each destination for them. Sending is done elsewhere."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from .clock import duration, moment
from .derive import signing_secret
from .destinations import change_secret, visible, wants
from .log import EventLog
from .objects import Object, rest_view, snapshot

if TYPE_CHECKING:
    from .world import World


BY_HAND: Object = {"kind": "control", "ref": None}
"""The cause of what nothing in the world brings about: the control plane or its page does."""

INTACT: Object = {"timestamp": "fresh", "signature": "valid", "damage": None}
"""A send as it should be; anything else is a network or a forger at work."""


class Shipment(NamedTuple):
    """One thing to post: a send of a delivery, which says how it is dressed."""

    delivery: Object
    event: Object
    destination: Object
    send: Object
    epoch: int


class Events:
    """The event log, its destinations and their deliveries."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cause = BY_HAND
        """Why whatever happens now happens: `kind` is `request`, `timer`, `world_event`, `delivery` or `control`, and
        `ref` names the one."""

    @property
    def history(self) -> EventLog:
        history = self.world.stores["events"]
        assert isinstance(history, EventLog)
        return history

    @contextmanager
    def because(self, kind: str, ref: str) -> Iterator[None]:
        """What happens inside is caused by *ref*."""
        before, self.cause = self.cause, {"kind": kind, "ref": ref}
        try:
            yield
        finally:
            self.cause = before

    def emit(self, type: str, kind: str, item: Object) -> Object:
        """Record that *type* happened to *item*, freeze its bytes and owe it to every destination that asks."""
        type = sys.intern(type)
        id = self.world.derive.unused_id("evt", item["id"], type, taken=self.history)
        created_at = moment(self.world.clock.tick())
        data = snapshot(kind, item)
        event: Object = {
            "id": id,
            "object": "event",
            "type": type,
            "data": data,
            "created_at": created_at,
            "request_id": self.cause["ref"] if self.cause["kind"] == "request" else None,
            "_subject": item["id"],
            "_cause": self.cause,
        }
        wire = {k: event[k] for k in ("id", "object", "type", "data", "created_at")}
        event["_body"] = json.dumps(wire, ensure_ascii=False, separators=(",", ":"))
        self.history[id] = event
        self.world.stream.event(event)
        for destination in self.world.stores["event_destinations"].values():
            if destination["status"] == "active" and wants(destination, type):
                self.owe(event, destination)
        return event

    def owe(self, event: Object, destination: Object) -> Object:
        """A delivery of *event* to *destination*, due after `delivery_delay`."""
        owed = self.world.stores["event_deliveries"]
        delivery: Object = {
            "id": self.world.derive.unused_id("edlv", event["id"], destination["id"], taken=owed),
            "object": "event_delivery",
            "status": "failure",  # until it succeeds (our choice)
            "event_type": event["type"],
            "event_id": event["id"],
            "event_destination_id": destination["id"],
            "attempts": 0,
            "created_at": moment(self.world.clock.now),
            "delivered_at": None,
            "_state": "pending",
            "_attempts": [],
            "_sends": [],
            "_next_at": None,
        }
        owed[delivery["id"]] = delivery
        wait = self.world.clock.span("delivery_delay")
        if wait:
            self.wait(delivery, wait)
        else:
            self.due(delivery)
        return delivery

    def wait(self, delivery: Object, wait: timedelta) -> None:
        """The next attempt is due after *wait*."""
        timer = self.world.clock.after(wait, "events.delivery_due", delivery_id=delivery["id"])
        delivery["_next_at"] = moment(timer.due_at)

    def on_delivery_due(self, delivery_id: str) -> None:
        self.due(self.world.stores["event_deliveries"][delivery_id])

    def due(self, delivery: Object) -> None:
        """Put the next attempt on its way, unless a rule has other plans for it."""
        delivery["_next_at"] = None
        if self.world.rules.let_pass(delivery):
            delivery["_state"] = "pending"
            delivery["_sends"] += self.world.rules.sends(delivery)
            self.world.outbox.append(delivery["id"])

    def hurry(self) -> int:
        """Make every attempt that waits for its time due now, in the order they would have come; how many."""
        waiting = [
            timer.args["delivery_id"] for timer in self.world.clock.timers if timer.name == "events.delivery_due"
        ]
        for id in waiting:
            self.world.clock.drop(delivery_id=id)
            self.due(self.world.stores["event_deliveries"][id])
        return len(waiting)

    def on_copy_due(self, of: str, send: Object) -> None:
        delivery = self.world.stores["event_deliveries"][of]
        delivery["_sends"].append(send)
        self.world.outbox.append(of)

    def next_shipments(self) -> list[Shipment]:
        """Take the oldest thing owed to each destination off the outbox, with what goes alongside it."""
        taken: dict[str, list[Shipment]] = {}
        for _ in range(len(self.world.outbox)):
            delivery = self.world.stores["event_deliveries"][self.world.outbox.popleft()]
            if not delivery["_sends"]:
                continue
            if delivery["event_destination_id"] in taken:
                self.world.outbox.append(delivery["id"])
            elif shipments := self.take(delivery):
                taken[delivery["event_destination_id"]] = shipments
                if delivery["_sends"]:
                    self.world.outbox.append(delivery["id"])
        return [shipment for shipments in taken.values() for shipment in shipments]

    def take(self, delivery: Object) -> list[Shipment]:
        """The next send of *delivery* and those alongside it; what is owed to a switched-off destination is lost."""
        destination = self.world.find("event_destinations", delivery["event_destination_id"])
        sends, delivery["_sends"] = delivery["_sends"], []
        if destination is None or destination["status"] != "active":
            if delivery["_state"] == "pending":
                delivery["_state"] = "failure"
            return []
        together = 1
        while together < len(sends) and sends[together].get("alongside"):
            together += 1
        delivery["_sends"] = sends[together:]
        event = self.world.stores["events"][delivery["event_id"]]
        return [Shipment(delivery, event, destination, send, self.world.epoch) for send in sends[:together]]

    def delivered(self, shipment: Shipment, attempt: Object) -> None:
        """Take note of an attempt; retry up to three times, then switch the whole destination off.

        Copies are noted and change nothing: that the network repeats itself says nothing about how a delivery fared.
        """
        delivery = shipment.delivery
        if shipment.epoch != self.world.epoch:
            return  # from before a reset: it leaves no trace
        if shipment.send["variant"] == "normal" and attempt["error"] is None and delivery.get("_disbelieve", 0):
            delivery["_disbelieve"] -= 1
            attempt["error"] = "treated_as_failed"
        delivery["_attempts"].append({"n": len(delivery["_attempts"]) + 1, **attempt})
        if shipment.send["variant"] != "normal":
            return
        delivery["attempts"] += 1
        if attempt["error"] is None:
            delivery["status"] = delivery["_state"] = "success"
            delivery["delivered_at"] = moment(self.world.clock.now)
            return
        retries = self.world.clock.delivery_retry
        if delivery["attempts"] <= len(retries):
            self.wait(delivery, duration(retries[delivery["attempts"] - 1]))
            return
        delivery["_state"] = "failure"
        destination = self.world.find("event_destinations", delivery["event_destination_id"])
        if destination:
            with self.because("delivery", delivery["id"]):
                self.set_status(destination, "inactive")

    # --- destinations --------------------------------------------------------------------------------------

    def add_destination(self, *, name: str, type: str, config: Object, events: list[str]) -> Object:
        """A new destination, active at once; a webhook without a secret of its own gets one."""
        if type == "webhook":
            config = {**config, "secret": config.get("secret") or signing_secret(self.world.admin_key, config["url"])}
        destination = self.world.add(
            "event_destinations",
            {
                "name": name,
                "type": type,
                "status": "active",
                "events": events,
                type: visible(type, config),
                "_config": config,
            },
        )
        self.emit("event_destination.activated", "event_destinations", destination)
        return destination

    def reconfigure(self, destination: Object, config: Object) -> None:
        """Put *config* in place; a secret it replaces stays good for `secret_rollover`."""
        secret = config.get("secret")
        if destination["type"] == "webhook" and secret != destination["_config"]["secret"]:
            self.rotate(destination, str(secret), self.world.clock.span("secret_rollover"))
        destination["_config"] = config

    def rotate(self, destination: Object, secret: str, rollover: timedelta) -> None:
        """Sign with *secret* from now on, and with the one before it too while *rollover* lasts."""
        change_secret(destination, secret, old_until=moment(self.world.clock.now + rollover))

    def set_status(self, destination: Object, status: str) -> None:
        if destination["status"] != status:
            self.world.touch(destination, status=status)
            what = "activated" if status == "active" else "deactivated"
            self.emit(f"event_destination.{what}", "event_destinations", destination)

    # --- for the control plane -----------------------------------------------------------------------------

    def log(self, *, type: str = "*", subject: str | None = None) -> list[Object]:
        """Events oldest first: what each is about, why it came, and the digest of the bytes that were sent."""
        return [
            {
                **rest_view("events", event),
                "seq": seq,
                "subject": event["_subject"],
                "cause": event["_cause"],
                "body_sha256": hashlib.sha256(event["_body"].encode()).hexdigest(),
            }
            for seq, event in enumerate(self.history.values(), start=1)
            if fnmatchcase(event["type"], type) and subject in (None, event["_subject"])
        ]

    def delivery_log(self, **filters: Any) -> list[Object]:
        """Deliveries with every attempt; filters are event_id, destination_id and status."""
        rows = [
            {
                **rest_view("event_deliveries", d),
                "destination_id": d["event_destination_id"],
                "status": d["_state"],
                "next_attempt_at": d["_next_at"],
                "attempts": d["_attempts"],
            }
            for d in self.world.stores["event_deliveries"].values()
        ]
        return [row for row in rows if all(v is None or row[k] == v for k, v in filters.items())]
