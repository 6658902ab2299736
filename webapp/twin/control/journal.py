"""Looking at what an app asked, and checking that it asked the right things."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from ..errors import ControlError
from ..journal import MOST_KEPT
from ..matching import check_match
from ..objects import Object
from .plane import Plane, answer, read, span

REQUEST_KEYS = ("method", "path", "body")
"""What a request can be verified by, beyond the keys of every `Match`."""
FILTERS = ("operation", "method", "path", "status", "fault")
QUERY = (*FILTERS, "unmatched", "since_seq", "limit")
COUNTS = ("exactly", "at_least", "at_most")
LONGEST_WAIT = 60.0


def routes(bp: Blueprint, plane: Plane) -> None:
    """Put the journal, its verification and the traces on the plane."""
    world = plane.world

    @bp.get("/requests")
    def list_requests() -> Response:
        if unknown := set(request.args) - set(QUERY):
            raise ControlError(422, "unknown_field", f"no filter {sorted(unknown)[0]!r}", hint=f"known: {QUERY}")
        filters = {name: request.args.get(name) for name in FILTERS}
        unmatched = request.args.get("unmatched", "false") == "true"
        since, limit = number("since_seq", 0), number("limit", MOST_KEPT)
        with world.lock:
            data = world.journal.requests(since_seq=since, limit=limit, unmatched=unmatched, **filters)
        return answer(200, {"data": data, "next_since_seq": data[-1]["seq"] if data else since})

    @bp.delete("/requests")
    def clear_requests() -> Response:
        with world.lock:
            return answer(200, {"cleared": world.journal.clear()})

    @bp.post("/requests/verify")
    def verify() -> Response:
        body = read("match", "count", "wait")
        match = check_match(body.get("match", {}), also=REQUEST_KEYS)
        count, wait = check_count(body.get("count", {"at_least": 1})), span(body.get("wait", "0s")).total_seconds()
        if wait > LONGEST_WAIT:
            raise ControlError(422, "invalid_duration", "nobody waits longer than a minute")
        with world.lock:
            seqs = world.journal.verify(match, count, wait=wait)
        return answer(200, {"matched": len(seqs), "seqs": seqs})

    @bp.post("/requests/verify-sequence")
    def verify_sequence() -> Response:
        body = read("matches", "strict")
        given = body.get("matches")
        if not isinstance(given, list) or not given or type(body.get("strict", False)) is not bool:
            raise ControlError(422, "unknown_field", "matches is a list of at least one match, strict true or false")
        matches = [check_match(match, also=REQUEST_KEYS) for match in given]
        with world.lock:
            seqs = world.journal.verify_sequence(matches, strict=body.get("strict", False))
        return answer(200, {"matched": len(seqs), "seqs": seqs})

    @bp.get("/trace/<id>")
    def trace(id: str) -> Response:
        with world.lock:
            return answer(200, world.journal.trace(id))


def number(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise ControlError(422, "unknown_field", f"{name} is a whole number, not {text!r}")
    return int(text)


def check_count(count: Any) -> Object:
    """422 unless *count* says how many: `exactly`, `at_least`, `at_most`."""
    whole = isinstance(count, dict) and all(type(value) is int and value >= 0 for value in count.values())
    if not isinstance(count, dict) or not whole or not count or not set(count) <= set(COUNTS):
        raise ControlError(422, "unknown_field", "count is {exactly}, {at_least} or {at_most}", hint="whole numbers")
    return count
