"""Listening to the world while things happen."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..errors import ControlError
from ..stream import FILTERS, KINDS, End
from .journal import number
from .plane import Plane, span

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put the stream on the plane."""
    world = plane.world

    @bp.get("/stream")
    def listen() -> Response:
        """Lines of the kinds asked for, from now on; the first says where the world is.

        `limit` ends it after so many lines, `wait` after so much real time.
        """
        known = ("kind", *FILTERS, "limit", "wait")
        if unknown := set(request.args) - set(known):
            hint = f"known: {', '.join(known)}"
            raise ControlError(422, "unknown_field", f"no filter {sorted(unknown)[0]!r}", hint=hint)
        kinds = tuple(request.args.get("kind", ",".join(KINDS)).split(","))
        if strangers := set(kinds) - set(KINDS):
            hint = f"known: {', '.join(KINDS)}"
            raise ControlError(422, "unknown_field", f"no kind of line {sorted(strangers)[0]!r}", hint=hint)
        wanted = {name: request.args[name] for name in FILTERS if name in request.args}
        lines = max(1, number("limit", 1)) if "limit" in request.args else None
        until = plane.real_now() + span(request.args["wait"]) if "wait" in request.args else None
        with world.lock:
            listener = world.stream.listen(world, kinds, wanted, End(lines, until, plane.real_now))
        return Response(listener, mimetype="text/event-stream", headers=HEADERS, direct_passthrough=True)
