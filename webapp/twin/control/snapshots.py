"""Coming back to a world that was."""

from __future__ import annotations

import json

from flask import Blueprint, Response

from ..errors import ControlError
from .plane import Plane, answer, read


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put snapshots on the plane."""
    world = plane.world

    @bp.post("/snapshots")
    def take_snapshot() -> Response:
        name = read("name").get("name", "")
        if not isinstance(name, str):
            raise ControlError(422, "unknown_field", "name is a text")
        with world.lock:
            return answer(201, world.snapshots.create(name))

    @bp.post("/snapshots/import")
    def import_snapshot() -> Response:
        with world.lock:
            return answer(201, world.snapshots.add(read()))

    @bp.get("/snapshots")
    def list_snapshots() -> Response:
        with world.lock:
            return answer(200, {"data": world.snapshots.list()})

    @bp.get("/snapshots/<id_or_name>")
    def get_snapshot(id_or_name: str) -> Response:
        """The document in ASCII: it may hold bytes that are no text."""
        with world.lock:
            return Response(json.dumps(world.snapshots.get(id_or_name)), content_type="application/json")

    @bp.post("/snapshots/<id_or_name>/restore")
    def restore_snapshot(id_or_name: str) -> Response:
        journal = read("journal").get("journal", "restore")
        if journal not in ("restore", "keep"):
            raise ControlError(422, "unknown_field", "journal is restore or keep")
        with world.lock:
            return answer(200, world.snapshots.restore(id_or_name, keep_journal=journal == "keep"))

    @bp.delete("/snapshots/<id_or_name>")
    def delete_snapshot(id_or_name: str) -> Response:
        with world.lock:
            world.snapshots.delete(id_or_name)
        return answer(200, {"deleted": 1})
