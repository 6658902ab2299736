"""Ready-made situations by name."""

from __future__ import annotations

from flask import Blueprint, Response

from ..errors import ControlError
from ..scenarios import apply, listed
from .plane import Plane, answer, read


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put scenarios on the plane."""
    world = plane.world

    @bp.get("/scenarios")
    def list_scenarios() -> Response:
        return answer(200, {"data": listed()})

    @bp.post("/scenarios/<name>/apply")
    def apply_scenario(name: str) -> Response:
        body = read("match", "params")
        match, params = body.get("match", {}), body.get("params", {})
        if not isinstance(match, dict) or not isinstance(params, dict):
            raise ControlError(422, "unknown_field", "match and params are objects")
        with world.lock:
            return answer(200, {"applied": apply(world, name, match=match, params=params)})
