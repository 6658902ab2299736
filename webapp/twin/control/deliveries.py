"""Trouble on the way: delivery rules, holding back, redelivering, and endpoints with their secrets."""

from __future__ import annotations

import copy
from typing import Any

from flask import Blueprint, Response

from ..actions import event_types, read_repetition, wrong
from ..derive import signing_secret
from ..destinations import is_signing_secret, is_web_address
from ..errors import ControlError
from ..events import INTACT, Shipment
from ..objects import Object
from ..world import World
from .plane import Plane, answer, read, span

TIMESTAMPS = ("fresh", "original", "stale", "future", "virtual")
SIGNATURES = ("valid", "invalid", "missing", "old_secret", "body_tampered")


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put endpoints, delivery rules, holds and redelivery on the plane."""
    world = plane.world

    # --- endpoints and their secrets -----------------------------------------------------------------------

    @bp.post("/webhooks/endpoints")
    def add_endpoint() -> Response:
        body = read("url", "subscribe", "secret")
        with world.lock:
            endpoint = world.events.add_destination(
                name="twin endpoint", type="webhook", config=endpoint_config(body), events=subscription(body)
            )
            return answer(201, {"id": endpoint["id"], "secret": endpoint["_config"]["secret"]})

    @bp.delete("/webhooks/endpoints/<id>")
    def remove_endpoint(id: str) -> Response:
        with world.lock:
            found(world, "event_destinations", id)
            del world.stores["event_destinations"][id]
        return answer(200, {"deleted": 1})

    @bp.post("/webhooks/endpoints/<id>/rotate-secret")
    def rotate_secret(id: str) -> Response:
        body = read("rollover")
        with world.lock:
            endpoint = found(world, "event_destinations", id)
            if endpoint["type"] != "webhook":
                raise ControlError(409, "precondition_failed", f"{id} is {endpoint['type']}: only webhooks are signed")
            rollover = span(body.get("rollover", world.clock.durations["secret_rollover"]))
            endpoint["_rotations"] = endpoint.get("_rotations", 0) + 1
            purpose = f"{endpoint['_config']['url']}|{endpoint['_rotations']}"
            world.events.rotate(endpoint, signing_secret(world.admin_key, purpose), rollover)
            return answer(200, {"secret": endpoint["_config"]["secret"]})

    # --- rules ---------------------------------------------------------------------------------------------

    @bp.post("/delivery-rules")
    def add_rule() -> Response:
        body = read("match", "action", "count", "probability", "label")
        with world.lock:
            return answer(201, world.rules.add(body))

    @bp.get("/delivery-rules")
    def list_rules() -> Response:
        with world.lock:
            return answer(200, {"data": [world.rules.view(rule) for rule in world.rules.rules.values()]})

    @bp.get("/delivery-rules/<id>")
    def get_rule(id: str) -> Response:
        with world.lock:
            return answer(200, world.rules.view(found_rule(world, id)))

    @bp.delete("/delivery-rules")
    @bp.delete("/delivery-rules/<id>")
    def clear_rules(id: str | None = None) -> Response:
        with world.lock:
            if id:
                found_rule(world, id)
            return answer(200, {"deleted": world.rules.clear(id)})

    # --- holding back and letting go -----------------------------------------------------------------------

    @bp.post("/deliveries/hold")
    def hold() -> Response:
        match = read("match").get("match", {})
        with world.lock:
            return answer(200, {"match": match, "held": world.rules.hold_back(match)})

    @bp.post("/deliveries/release")
    def release() -> Response:
        body = read("order", "concurrent")
        concurrent = body.get("concurrent", False)
        if not isinstance(concurrent, bool):
            raise wrong("concurrent is true or false")
        with world.lock:
            shipments = world.rules.release(body.get("order", "fifo"))
        counts = plane.drain([shipments] if concurrent and shipments else [[one] for one in shipments])
        ids = list(dict.fromkeys(one.delivery["id"] for one in shipments))
        return answer(200, {"released": ids, "deliveries": counts})

    @bp.post("/deliveries/flush")
    def flush() -> Response:
        if read():
            raise wrong("flush takes nothing")
        with world.lock:
            flushed = world.events.hurry()
        return answer(200, {"flushed": flushed, "deliveries": plane.drain()})

    # --- again ---------------------------------------------------------------------------------------------

    def redeliver(body: Object, deliveries: list[Object]) -> Response:
        """Send *deliveries* again, dressed as *body* says; each attempt made is in the answer."""
        with world.lock:
            batches = [batch for delivery in deliveries for batch in redelivery(world, delivery, body)]
            before = {delivery["id"]: len(delivery["_attempts"]) for delivery in deliveries}
        if body.get("concurrent"):
            batches = [[shipment for batch in batches for shipment in batch]]
        plane.drain(batches)
        with world.lock:
            rows = [
                {"id": delivery["id"], "attempts": copy.deepcopy(delivery["_attempts"][before[delivery["id"]] :])}
                for delivery in deliveries
            ]
        return answer(200, {"deliveries": rows})

    @bp.post("/events/<id>/redeliver")
    def redeliver_event(id: str) -> Response:
        body = read_redelivery()
        with world.lock:
            event = found(world, "events", id)
            wanted = body.get("destination_id")
            if wanted is not None:
                found(world, "event_destinations", wanted)
            deliveries = [
                delivery
                for delivery in world.stores["event_deliveries"].values()
                if delivery["event_id"] == event["id"]
                and wanted in (None, delivery["event_destination_id"])
                and world.find("event_destinations", delivery["event_destination_id"])
            ]
            if not deliveries:
                raise ControlError(
                    409, "precondition_failed", f"{id} was never owed to a destination that is still there"
                )
        return redeliver(body, deliveries)

    @bp.post("/deliveries/<id>/redeliver")
    def redeliver_delivery(id: str) -> Response:
        body = read_redelivery()
        with world.lock:
            delivery = found(world, "event_deliveries", id)
            if body.get("destination_id") not in (None, delivery["event_destination_id"]):
                raise wrong(f"{id} goes to {delivery['event_destination_id']}")
        return redeliver(body, [delivery])


def redelivery(world: World, delivery: Object, body: Object) -> list[list[Shipment]]:
    """The sends of one delivery, once more; those that are spaced are put on the clock."""
    destination = found(world, "event_destinations", delivery["event_destination_id"])
    send: Object = {**INTACT, "variant": "redelivery", "timestamp": body["timestamp"], "signature": body["signature"]}
    unsigned = destination["type"] != "webhook"
    if unsigned and (send["timestamp"], send["signature"]) not in (("fresh", "valid"), ("fresh", "body_tampered")):
        raise ControlError(409, "precondition_failed", f"{destination['id']} is not a webhook: nothing there is signed")
    if send["signature"] == "old_secret" and "_previous" not in destination:
        raise ControlError(
            409, "precondition_failed", f"{destination['id']} has no old secret", hint="rotate its secret first"
        )
    if send["timestamp"] == "original":
        if not delivery["_attempts"]:
            raise ControlError(409, "precondition_failed", f"{delivery['id']} was not attempted yet")
        send["sent_at"] = delivery["_attempts"][0]["headers"].get("webhook-timestamp", "0")
    repetition = {name: body[name] for name in ("times", "concurrent", "spacing")}
    sends = [send, *world.rules.copies(delivery, send, **repetition)]
    event = found(world, "events", delivery["event_id"])
    return [[Shipment(delivery, event, destination, one, world.epoch)] for one in sends]


# --- reading what was asked for ------------------------------------------------------------------------------------


def read_redelivery() -> Object:
    body = read("destination_id", "times", "concurrent", "spacing", "timestamp", "signature")
    body |= read_repetition(body, default_times=1)
    body.setdefault("timestamp", "fresh")
    body.setdefault("signature", "valid")
    for name, known in (("timestamp", TIMESTAMPS), ("signature", SIGNATURES)):
        if body[name] not in known:
            raise wrong(f"{name} is one of: {', '.join(known)}")
    return body


def endpoint_config(body: Object) -> Object:
    if not is_web_address(body.get("url")):
        raise wrong("url is an http or https address")
    if body.get("secret") is None:
        return {"url": body["url"]}
    if not is_signing_secret(body["secret"]):
        raise wrong("secret is whsec_ followed by base64")
    return {"url": body["url"], "secret": body["secret"]}


def subscription(body: Object) -> list[str]:
    """`subscribe` as Deck writes it: each glob becomes the types it stands for, and `*` stays itself."""
    globs: Any = body.get("subscribe", ["*"])
    if not isinstance(globs, list) or not globs or not all(isinstance(glob, str) for glob in globs):
        raise wrong("subscribe is a list of event types or globs such as task_run.*")
    if "*" in globs:
        return ["*"]
    return list(dict.fromkeys(type for glob in globs for type in event_types(glob)))


def found(world: World, kind: str, id: object) -> Object:
    item = world.find(kind, id)
    if item is None:
        raise ControlError(404, "unknown_field", f"no {kind} {id!r}")
    return item


def found_rule(world: World, id: str) -> Object:
    if id not in world.rules.rules:
        raise ControlError(404, "unknown_field", f"no delivery rule {id!r}")
    return world.rules.rules[id]
