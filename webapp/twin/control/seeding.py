"""Putting a world together, starting it over and looking at it."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..clock import moment
from ..errors import ControlError
from ..objects import KINDS
from .plane import Plane, answer, read

KEEPABLE = ("durations", "destinations", "pins", "faults", "delivery_rules")


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put seed, reset, state and sites on the plane."""
    world, real_now = plane.world, plane.real_now

    @bp.post("/seed")
    def seed() -> Response:
        body = read("resource", "objects", "mode", "references", "resume")
        objects = body.get("objects")
        if "resource" in body:
            objects = {body["resource"]: objects}
        if not isinstance(objects, dict) or not all(isinstance(v, list) for v in objects.values()):
            raise ControlError(422, "unknown_field", "objects is a list (with resource) or a map of lists")
        references, resume = body.get("references", "strict"), body.get("resume", False)
        if references not in ("strict", "ignore") or not isinstance(resume, bool):
            raise ControlError(422, "unknown_field", "references is strict or ignore, resume true or false")
        with world.lock:
            ids = world.seed(objects, mode=body.get("mode", "insert"), strict=references == "strict", under_way=resume)
        return answer(201, {"inserted": {kind: len(i) for kind, i in ids.items()}, "ids": ids})

    @bp.post("/reset")
    def reset() -> Response:
        body = read("t0", "seed", "keep", "snapshots")
        keep = body.get("keep", [])
        if not isinstance(keep, list) or not set(keep) <= set(KEEPABLE):
            raise ControlError(422, "unknown_field", "keep is a list", hint=f"known: {', '.join(KEEPABLE)}")
        if body.get("snapshots", "keep") not in ("keep", "drop"):
            raise ControlError(422, "unknown_field", "snapshots is keep or drop")
        with world.lock:
            t0 = real_now() if body.get("t0") == "real" else world.at(body["t0"]) if "t0" in body else None
            world.reset(seed=body.get("seed"), t0=t0, keep=keep)
            if body.get("snapshots") == "drop":
                world.snapshots.clear()
            now = moment(world.clock.now)
        return answer(200, {"epoch": world.epoch, "now": now, "seed": world.derive.seed})

    @bp.get("/state")
    def state() -> Response:
        wanted = request.args.get("resource")
        if wanted and wanted not in KINDS:
            raise ControlError(404, "unknown_field", f"no resource {wanted!r}", hint=f"known: {', '.join(KINDS)}")
        with world.lock:
            data = {kind: items for kind, items in world.state().items() if wanted in (None, kind)}
            counts = {kind: len(items) for kind, items in data.items()}
            return answer(200, {"now": moment(world.clock.now), "counts": counts, "data": data})

    @bp.get("/state/hash")
    def state_hash() -> Response:
        with world.lock:
            return answer(200, {"sha256": world.state_hash(), "seq": world.seq})

    @bp.post("/sites")
    def put_site() -> Response:
        with world.lock:
            site = world.sites.put(read())
        return answer(201, {"host": site["host"], "people": len(site["people"])})

    @bp.get("/sites")
    def list_sites() -> Response:
        with world.lock:
            return answer(200, {"data": world.sites.all()})
