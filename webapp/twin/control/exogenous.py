"""Pinning what comes from outside."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..branches import BRANCHES, DEFAULTS
from ..errors import ControlError
from ..objects import Object
from ..pinnable import PATHS
from .plane import Plane, answer, read


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put pins and branches on the plane."""
    world = plane.world

    @bp.post("/exogenous/pins")
    def add_pin() -> Response:
        with world.lock:
            return answer(201, world.pins.add(read()).view())

    @bp.get("/exogenous/pins")
    def list_pins() -> Response:
        wanted = request.args.get("state")
        with world.lock:
            pins = [pin.view() for pin in world.pins.pins.values()]
        pins = [pin for pin in pins if wanted in (None, pin["state"]) or (wanted == "unused" and not pin["bound"])]
        return answer(200, {"data": pins})

    @bp.delete("/exogenous/pins")
    @bp.delete("/exogenous/pins/<id>")
    def clear_pins(id: str | None = None) -> Response:
        with world.lock:
            gone = world.pins.clear(id)
        if id and not gone:
            raise ControlError(404, "unknown_field", f"no pin {id!r}")
        return answer(200, {"deleted": gone})

    @bp.get("/exogenous/paths")
    def legal_paths() -> Response:
        rows = [
            {"on": kind, "path": path, "binds_at": p.binds_at, "null_when": p.null_when, "schema": p.schema}
            for kind, paths in PATHS.items()
            for path, p in paths.items()
        ]
        return answer(200, {"data": rows})

    @bp.get("/branches")
    def branches() -> Response:
        def shown(arm: Object) -> Object:
            errors = [{"type": element[0], "code": element[1]} for element in arm.get("errors", [])]
            return {**arm, "errors": errors} if "errors" in arm else arm

        body = {
            kind: {"default": DEFAULTS[kind], "arms": {name: shown(arm) for name, arm in arms.items()}}
            for kind, arms in BRANCHES.items()
        }
        return answer(200, body)
