"""Looking at what happened: events, and how their deliveries fared."""

from __future__ import annotations

from flask import Blueprint, Response, request

from .plane import Plane, answer


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put events and deliveries on the plane."""
    world = plane.world

    @bp.get("/events")
    def events() -> Response:
        with world.lock:
            log = world.events.log(type=request.args.get("type", "*"), subject=request.args.get("subject"))
        return answer(200, {"data": log})

    @bp.get("/deliveries")
    def deliveries() -> Response:
        filters = {name: request.args.get(name) for name in ("event_id", "destination_id", "status")}
        with world.lock:
            return answer(200, {"data": world.events.delivery_log(**filters)})
