"""Letting time pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from flask import Blueprint, Response

from ..actions import event_types
from ..clock import moment
from ..errors import ControlError
from ..objects import Object
from ..world import DRAIN_LIMIT, World
from .plane import Drain, Plane, answer, read, span

END = datetime.max.replace(tzinfo=UTC)


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put the clock on the plane."""
    world, drain = plane.world, plane.drain

    @bp.get("/clock")
    def clock() -> Response:
        with world.lock:
            return answer(200, clock_view(world))

    @bp.post("/clock/mode")
    def set_mode() -> Response:
        body = read("mode", "rate")
        if body.get("mode") not in ("frozen", "realtime"):
            raise ControlError(422, "unknown_field", "mode is frozen or realtime")
        rate = body.get("rate", world.clock.rate)
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate <= 1_000_000:
            raise ControlError(422, "unknown_field", "rate is the number of virtual seconds in a real one")
        with world.lock:
            world.clock.mode = body["mode"]
            world.clock.rate = float(rate)
            return answer(200, clock_view(world))

    @bp.post("/clock/durations")
    def set_durations() -> Response:
        with world.lock:
            world.set_durations(read())
            return answer(200, {"durations": durations(world)})

    @bp.post("/clock/advance")
    def advance() -> Response:
        body = read("by", "to", "until", "max")
        if len({"by", "to", "until"} & set(body)) > 1 or ("max" in body and "until" not in body):
            raise ControlError(422, "unknown_field", "time goes on by, to or until something, and max is for until")
        wanted = read_until(body["until"]) if "until" in body else None
        with world.lock:
            now = world.clock.now
            if "to" in body:
                target = world.at(body["to"])
            else:
                target = now + span(body.get("max", "1h") if wanted else body.get("by", "0s"))
        if target < now:
            raise ControlError(422, "clock_backwards", f"it is {moment(now)} already")
        reached = move(world, drain, target, lambda event: wanted is not None and is_event(event, wanted))
        if wanted and reached["stopped_on"] is None:
            raise ControlError(409, "not_reached", f"{wanted} did not happen in time", **reached)
        return answer(200, reached)

    @bp.post("/clock/run-next")
    def run_next() -> Response:
        count = read("count").get("count", 1)
        if type(count) is not int or count < 1:
            raise ControlError(422, "unknown_field", "count is a whole number from 1 on")
        return answer(200, move(world, drain, END, lambda event: False, until_idle=True, count=count))

    @bp.post("/clock/run-until-idle")
    def run_until_idle() -> Response:
        body = read("max", "stop_on")
        globs = body.get("stop_on", [])
        if not isinstance(globs, list) or not all(isinstance(glob, str) for glob in globs):
            raise ControlError(422, "unknown_field", "stop_on is a list of event types or globs such as task_run.*")
        stops = {type for glob in globs for type in event_types(glob)}
        with world.lock:
            target = world.clock.now + span(body.get("max", "24h"))
        return answer(200, move(world, drain, target, lambda event: event["type"] in stops, until_idle=True))


def move(
    world: World,
    drain: Drain,
    target: datetime,
    stop: Callable[[Object], bool],
    *,
    until_idle: bool = False,
    count: int = DRAIN_LIMIT,
) -> Object:
    """Let time pass up to *target*, delivering as it goes; stop at the first event that *stop* likes, or when *count*
    timers have gone off."""
    with world.lock:
        start, seen = world.clock.now, len(world.stores["events"])
    happened: list[Object] = []
    deliveries: Counter[str] = Counter()
    stopped_on = None
    for gone_off in range(DRAIN_LIMIT):
        deliveries.update(drain())  # first, because a receiver may call the twin and so set new timers
        with world.lock:
            fresh = world.events.history.since(seen)
            seen += len(fresh)
            happened += fresh
            stopped_on = stopped_on or next((event["type"] for event in fresh if stop(event)), None)
            if stopped_on or gone_off >= count or world.fire_next(target) is None:
                if world.rules.flush():
                    continue  # the end of the drain: what waited to be reordered goes out
                break
    else:
        raise ControlError(500, "drain_limit", f"more than {DRAIN_LIMIT} things happened without an end")
    with world.lock:
        if not stopped_on and not until_idle:
            world.clock.now = max(world.clock.now, target)
        return {
            "now": moment(world.clock.now),
            "advanced": f"{(world.clock.now - start).total_seconds():g}s",
            "fired": [event["type"] for event in happened],
            "events": [
                {"id": e["id"], "type": e["type"], "subject": e["_subject"], "at": e["created_at"]} for e in happened
            ],
            "deliveries": {**deliveries, "held": len(world.rules.held)},
            "pending": len(world.clock.timers),
            "idle": not world.clock.timers,
            "stopped_on": stopped_on,
        }


def read_until(wanted: Any) -> Object:
    """The event to wait for; 422 for a type, or a glob, that no event can have (typos must not pass)."""
    if not isinstance(wanted, dict) or not {"event_type"} <= set(wanted) <= {"event_type", "id"}:
        raise ControlError(422, "unknown_field", "until is {event_type, id?}")
    if not all(isinstance(value, str) for value in wanted.values()):
        raise ControlError(422, "unknown_field", "event_type and id are texts")
    event_types(wanted["event_type"])
    return wanted


def is_event(event: Object, wanted: Object) -> bool:
    return fnmatchcase(event["type"], wanted["event_type"]) and wanted.get("id") in (None, event["_subject"])


def clock_view(world: World) -> Object:
    clock = world.clock
    return {
        "now": moment(clock.now),
        "t0": moment(clock.t0),
        "mode": clock.mode,
        "rate": clock.rate,
        "tick": "1ms",
        "durations": durations(world),
        "pending": len(clock.timers),
        "next_due_at": moment(clock.next_due) if clock.next_due else None,
    }


def durations(world: World) -> Object:
    return {**world.clock.durations, "delivery_retry": world.clock.delivery_retry}
