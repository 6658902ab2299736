"""What the world outside does, and what it could do now."""

from __future__ import annotations

from flask import Blueprint, Response

from ..errors import ControlError
from .clock import move
from .plane import Plane, answer, read


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put world events on the plane."""
    world = plane.world

    @bp.post("/world/events")
    def trigger() -> Response:
        """Let it happen; with `drain`, everything that is due by now happens too, deliveries included."""
        body = read("event", "data", "drain")
        data, drain = body.get("data", {}), body.get("drain", False)
        if not isinstance(data, dict) or not isinstance(drain, bool):
            raise ControlError(422, "unknown_field", "data is an object, drain true or false")
        with world.lock:
            happened = world.world_events.trigger(body.get("event"), data)
            now = world.clock.now
        if drain:
            happened["drained"] = move(world, plane.drain, now, lambda event: False)
        return answer(201, happened)

    @bp.get("/world/next")
    def what_can_happen() -> Response:
        with world.lock:
            return answer(200, world.world_events.next())
