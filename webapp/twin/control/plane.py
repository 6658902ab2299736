"""What every room of the control plane shares: its world, and how it is talked to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response, request

from ..clock import duration
from ..errors import ControlError
from ..objects import Object
from ..world import World

Drain = Callable[..., dict[str, int]]


@dataclass(frozen=True)
class Plane:
    """The world being controlled, and the outside world it may ask for."""

    world: World
    drain: Drain
    """Delivers all that is due, after the batches it is given, and counts it."""
    real_now: Callable[[], datetime]


def span(value: object) -> timedelta:
    try:
        return duration(value)
    except ValueError as error:
        raise ControlError(422, "invalid_duration", str(error)) from error


def read(*known: str) -> Object:
    """The JSON body; 400 when it is not one, 422 for a key nobody knows (typos must not pass)."""
    try:
        body = json.loads(request.get_data() or b"{}")
    except (ValueError, RecursionError):
        raise ControlError(400, "not_json", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ControlError(400, "not_json", "the body must be a JSON object")
    if known and (unknown := set(body) - set(known)):
        raise ControlError(422, "unknown_field", f"no field {sorted(unknown)[0]!r}", hint=f"known: {', '.join(known)}")
    return body


def answer(status: int, body: Object) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status=status, content_type="application/json; charset=utf-8")
