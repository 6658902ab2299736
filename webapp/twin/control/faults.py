"""Making things go wrong: faults, and Deck's request budget."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..errors import ControlError
from ..faults import Fault
from ..objects import Object
from .plane import Plane, answer, read


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put faults and the limits on the plane."""
    world = plane.world

    def find(id: str) -> Fault:
        fault = next((fault for fault in world.faults.list() if fault.id == id), None)
        if fault is None:
            raise ControlError(404, "unknown_field", f"no fault {id!r}", hint="GET /__admin__/faults lists them")
        return fault

    def limits() -> Object:
        return world.budget.view()

    @bp.post("/faults")
    def arm() -> Response:
        with world.lock:
            return answer(201, world.faults.arm(read()).view())

    @bp.get("/faults")
    def list_faults() -> Response:
        with world.lock:
            return answer(200, {"data": [fault.view() for fault in world.faults.list()]})

    @bp.get("/faults/<id>")
    def get_fault(id: str) -> Response:
        with world.lock:
            fault = find(id)
            return answer(200, {**fault.view(), "hit_requests": fault.hit_requests})

    @bp.delete("/faults")
    def clear_faults() -> Response:
        with world.lock:
            return answer(200, {"cleared": world.faults.clear()})

    @bp.delete("/faults/<id>")
    def clear_fault(id: str) -> Response:
        with world.lock:
            return answer(200, {"cleared": world.faults.clear(find(id).id)})

    @bp.get("/limits")
    def get_limits() -> Response:
        with world.lock:
            return answer(200, limits())

    @bp.post("/limits")
    def set_limits() -> Response:
        off = (request.get_data() or b"{}").strip() == b"null"
        body = {"requests": None} if off else read("requests", "per")
        if "requests" not in body:
            raise ControlError(422, "unknown_field", "say how many requests, or null for no limit")
        with world.lock:
            if body["requests"] is None:
                world.budget.switch_off()
            else:
                world.budget.set(body["requests"], body.get("per", world.budget.per))
            return answer(200, limits())
