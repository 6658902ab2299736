"""The wire from the app to the twin: what may happen to a call, and a record of what Deck took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from tests.deck.line import PowerCut

if TYPE_CHECKING:
    from tests.model.stage import Scene

A_MOMENT = 0.005
"""Seconds a call takes."""

FATES = (
    "never arrives",
    "answer is lost",
    "times out",
    "503 and nothing done",
    "500 but done",
    "429",
    "we die before",
    "we die after",
)


@dataclass
class Trouble:
    fate: str
    times: int
    only_writes: bool
    skip: int = 0
    """So many calls go well before."""


@dataclass(frozen=True)
class Accepted:
    """An answer that Deck took: for the question asked at which moment, and by whose tab."""

    run: str
    asked_at: str
    tab: object


class Wire(httpx.BaseTransport):
    """Carries calls to the twin, and knows afterwards which of them it carried out."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._twin = httpx.WSGITransport(app=scene.twin)
        self.begin()

    def begin(self) -> None:
        self.trouble: Trouble | None = None
        self.made: dict[str, set[str]] = {}
        """What Deck made for each idempotency key: runs and credentials."""
        self.accepted: list[Accepted] = []
        self.typing: object = None
        """The tab whose answer is on its way."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.scene.ours_moves(A_MOMENT)
        fate = self._fate(request)
        if fate == "never arrives":
            raise httpx.ConnectError("no way through")
        if fate == "we die before":
            raise PowerCut
        if fate == "503 and nothing done":
            return httpx.Response(503, stream=httpx.ByteStream(b"<html>"))
        if fate == "429":
            return httpx.Response(429, headers={"Retry-After": "1"}, stream=httpx.ByteStream(b"{}"))
        status, headers, content = self._carry(request)
        self.scene.ours_moves(A_MOMENT)
        if fate == "answer is lost":
            raise httpx.ReadError("the connection was reset")
        if fate == "times out":
            self.scene.ours_moves(8)
            raise httpx.ReadTimeout("too slow")
        if fate == "we die after":
            raise PowerCut
        if fate == "500 but done":
            return httpx.Response(500, stream=httpx.ByteStream(b""))
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))

    def _fate(self, request: httpx.Request) -> str:
        trouble = self.trouble
        if trouble is None or (trouble.only_writes and request.method == "GET"):
            return ""
        if trouble.skip:
            trouble.skip -= 1
            return ""
        trouble.times -= 1
        if not trouble.times:
            self.trouble = None
        return trouble.fate

    def _carry(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        """Have the twin do it, and note what that was."""
        runs = self.scene.world.stores["task_runs"]
        known = {kind: set(self.scene.world.stores[kind]) for kind in ("task_runs", "credentials")}
        room, _, rest = request.url.path.removeprefix("/v2/").partition("/")
        run = runs.get(rest.partition("/")[0]) if room == "task-runs" and rest.endswith("/interaction") else None
        asked_at = run["updated_at"] if run else ""
        answer = self._twin.handle_request(request)
        content = answer.read()
        if key := request.headers.get("Idempotency-Key"):
            for kind, before in known.items():
                for made in set(self.scene.world.stores[kind]) - before:
                    self.made.setdefault(key, set()).add(made)
        if run and run["updated_at"] != asked_at:
            self.accepted.append(Accepted(run["id"], asked_at, self.typing))
        return answer.status_code, answer.headers, content
