"""When too many come at once, some are asked to come back in a moment, before everybody waits too long.

Whoever is in the middle of something (a form with a password or a code) goes first: pages are refused long before
forms are. Deck's webhooks, health and streams are never refused; each of them has limits of its own.
"""

from __future__ import annotations

import secrets
import threading

from flask import Flask, g, request
from werkzeug.exceptions import ServiceUnavailable

PAGES_AT_ONCE = 100
FORMS_AT_ONCE = 400
"""A page takes about 5 ms of the one core a process has, so the last of these waits for about half a second."""
ALWAYS_LET_IN = {"webhooks", "health", "live", None}
"""Blueprints; None is what has no blueprint, above all static files."""


class Crowd:
    """How many requests are being answered in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = 0

    def enter(self) -> None:
        with self._lock:
            self.inside += 1

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1


def init_app(app: Flask) -> None:
    crowd = app.extensions["gangway.crowd"] = Crowd()

    @app.before_request
    def let_in() -> None:
        if request.blueprint in ALWAYS_LET_IN:
            return
        most = PAGES_AT_ONCE if request.method == "GET" else FORMS_AT_ONCE
        if crowd.inside >= most:
            raise ServiceUnavailable(retry_after=1 + secrets.randbelow(4))
        crowd.enter()
        g.is_inside = True

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        if g.pop("is_inside", False):
            crowd.leave()
