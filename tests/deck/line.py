"""The wire between the app and the twin, with everything that can happen to a wire."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import httpx
from flask import Flask

from tests.deck.wire import wire
from webapp.twin.server import create_twin
from webapp.twin.world import World

Fate = Literal["never arrives", "answer is lost", "fails", "we die before", "we die after"]

WHOLE_CALL = 3
"""So many tries a call makes."""


class PowerCut(BaseException):
    """Our process is gone: nothing it would have done afterwards happens."""


@dataclass
class Trouble:
    call: str
    fate: Fate
    times: int
    after: int


class Line(httpx.BaseTransport):
    """Carries calls to the twin, except those that are in trouble."""

    def __init__(self, app: Flask, world: World) -> None:
        self.twin = httpx.WSGITransport(app=create_twin(world))
        self.deliverer = app.extensions["test.deliverer"]
        self.troubles: list[Trouble] = []
        self.calls: list[str] = []
        self.during: dict[str, Callable[[], object]] = {}
        """What somebody does while a call is on its way, once, by a regex such as ``PATCH /v2/credentials/.*``."""
        self.webhooks_overtake = False
        wire(app, self)

    def trouble(self, call: str, fate: Fate, times: int | None = None, after: int = 0) -> None:
        """The next *times* calls like *call*, a regex such as ``POST /v2/credentials``, have this *fate*.

        The first *after* of them go through. Unless told otherwise, every try of one call has it; we die but once.
        """
        often = times or (1 if fate.startswith("we die") else WHOLE_CALL)
        self.troubles.append(Trouble(call, fate, often, after))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        call = f"{request.method} {request.url.path}"
        self.calls.append(call)
        for pattern in [pattern for pattern in self.during if re.fullmatch(pattern, call)]:
            self.during.pop(pattern)()
        fate = self._fate_of(call)
        if fate == "never arrives":
            raise httpx.ConnectError("no way through")
        if fate == "we die before":
            raise PowerCut
        if fate == "fails":
            return httpx.Response(503, stream=httpx.ByteStream(b"<html>"))
        answer = self.twin.handle_request(request)
        content = answer.read()
        if self.webhooks_overtake:
            self.deliverer.drain()
        if fate == "answer is lost":
            raise httpx.ReadError("the connection was reset")
        if fate == "we die after":
            raise PowerCut
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(content))

    def _fate_of(self, call: str) -> Fate | None:
        for trouble in self.troubles:
            if trouble.times and re.fullmatch(trouble.call, call):
                if trouble.after:
                    trouble.after -= 1
                else:
                    trouble.times -= 1
                    return trouble.fate
        return None
