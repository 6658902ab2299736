"""The control plane: how a developer makes anything happen, under /__admin__."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Response, request

from ..branches import BRANCHES
from ..clock import moment
from ..errors import ControlError
from ..pinnable import PATHS
from ..vendor import OPERATIONS
from ..world import World
from . import (
    clock,
    deliveries,
    documents,
    exogenous,
    faults,
    happenings,
    journal,
    scenarios,
    seeding,
    snapshots,
    stream,
)
from . import world as outside
from .clock import move
from .plane import Drain, Plane, answer

CONTROL_VERSION = 1
ROOMS = (
    seeding,
    exogenous,
    clock,
    happenings,
    faults,
    journal,
    stream,
    documents,
    outside,
    snapshots,
    scenarios,
    deliveries,
)

__all__ = ["move", "plane"]


def plane(world: World, *, drain: Drain, changed: Callable[[], None], real_now: Callable[[], datetime]) -> Blueprint:
    """The /__admin__ blueprint. Every verb has happened, deliveries included, when its answer comes."""
    bp = Blueprint("control", __name__, url_prefix="/__admin__")

    @bp.before_request
    def needs_the_admin_key() -> Response | None:
        given = request.headers.get("Authorization", "")
        open_to_all = request.path == "/__admin__/health"
        if open_to_all or hmac.compare_digest(given.encode(), f"Bearer {world.admin_key}".encode()):
            return None
        hint = "send Authorization: Bearer twa_… (the admin key, not the vendor key)"
        return answer(401, ControlError(401, "unauthorized", "the admin key is missing or wrong", hint=hint).body())

    @bp.errorhandler(ControlError)
    def refuse(error: ControlError) -> Response:
        return answer(error.status, error.body())

    @bp.after_request
    def say_where_we_are(response: Response) -> Response:
        response.headers["X-Twin-Control-Version"] = str(CONTROL_VERSION)
        response.headers["X-Twin-Seq"] = str(world.seq)
        with world.lock:
            world.stream.clock(world)
        changed()
        return response

    @bp.get("/health")
    def health() -> Response:
        return answer(200, {"ok": True, "epoch": world.epoch})

    @bp.get("/")
    def discover() -> Response:
        operations = [
            {
                "resource": op.name.split(".")[0],
                "operation": op.name.split(".")[1],
                "method": op.method,
                "path": "/v2" + op.path.replace("<", "{").replace(">", "}"),
                "fidelity": op.fidelity,
            }
            for op in OPERATIONS
        ]
        body = {
            "control_version": CONTROL_VERSION,
            "pack": "deck",
            "api": "2.0.0",
            "seed": world.derive.seed,
            "t0": moment(world.clock.t0),
            "epoch": world.epoch,
            "clock": {"mode": world.clock.mode, "now": moment(world.clock.now)},
            "operations": operations,
            "kinds": {kind: {"paths": list(PATHS[kind]), "arms": list(BRANCHES.get(kind, {}))} for kind in PATHS},
        }
        return answer(200, body)

    for room in ROOMS:
        room.routes(bp, Plane(world, drain, real_now))

    @bp.route("/<path:_>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def unknown(_: str) -> Response:
        hint = "GET /__admin__/ lists what there is"
        raise ControlError(404, "unknown_operation", f"nothing at {request.method} {request.path}", hint=hint)

    return bp
