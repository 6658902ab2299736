"""The rooms of the control plane as the Python client shows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx

from .client_types import (
    ERRORS,
    Advance,
    Applied,
    Effect,
    Endpoint,
    Fault,
    Json,
    Pin,
    Possible,
    RateLimit,
    Recorded,
    Rule,
    Snapshot,
    TwinError,
    view,
)

Exhausted = Literal["fallthrough", "repeat_last", "error"]


class Plane:
    """The control plane over HTTP: JSON in, JSON out, `TwinError` for every refusal."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def __call__(self, method: str, path: str, body: Json | None = None, **query: Any) -> dict[str, Any]:
        params = {name: value for name, value in query.items() if value is not None}
        response = self.http.request(method, f"/__admin__{path}", json=body, params=params)
        try:
            answer: Any = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            text = f"{response.request.method} {response.request.url} gave no JSON"
            raise TwinError("not_a_twin", text, {}, "", response.status_code)
        if response.is_error:
            error = answer.get("error", {})
            code = str(error.get("code", response.status_code))
            kind = ERRORS.get(code, TwinError)
            detail, hint = error.get("detail", {}), error.get("hint", "")
            raise kind(code, error.get("message", ""), detail, hint, response.status_code)
        return answer

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self("GET", path, **query)["data"]
        return rows


class Room:
    def __init__(self, call: Plane) -> None:
        self.call = call


class Exogenous(Room):
    """What comes from outside Deck: pinned by result."""

    def on(self, kind: str, path: str, value: Any, /, *, once: bool = False, **match: Any) -> Pin:
        return self.pin(match, path, value, on=kind, mode="once" if once else "sticky")

    def queue(
        self, kind: str, path: str, values: Sequence[Any], /, *, on_exhausted: Exhausted = "fallthrough", **match: Any
    ) -> Pin:
        body = {"on": kind, "match": match, "path": path, "values": list(values), "on_exhausted": on_exhausted}
        return view(Pin, self.call("POST", "/exogenous/pins", body))

    def branch(self, kind: str, *arms: str, **match: Any) -> Pin:
        """One arm for every run, or several as a queue."""
        return (
            self.on(kind, "branch", arms[0], **match) if len(arms) == 1 else self.queue(kind, "branch", arms, **match)
        )

    def pin(self, match: Json, path: str, value: Any, **opts: Any) -> Pin:
        return view(Pin, self.call("POST", "/exogenous/pins", {"match": match, "path": path, "value": value, **opts}))

    def list(self, state: str | None = None) -> list[Pin]:
        return [view(Pin, row) for row in self.call.rows("/exogenous/pins", state=state)]

    def clear(self, pin: Pin | str | None = None) -> int:
        return int(self.call("DELETE", one("/exogenous/pins", pin))["deleted"])


class World(Room):
    """What happens outside the API."""

    def trigger(self, event: str, /, *, drain: bool = False, **data: Any) -> Applied:
        """Let it happen; `PreconditionFailed` when it cannot."""
        return view(Applied, self.call("POST", "/world/events", {"event": event, "data": data, "drain": drain}))

    def next(self) -> list[Possible]:
        return [view(Possible, row) for row in self.call.rows("/world/next")]

    def timers(self) -> list[dict[str, Any]]:
        timers: list[dict[str, Any]] = self.call("GET", "/world/next")["timers"]
        return timers


class Faults(Room):
    """What goes wrong with the app's calls."""

    def arm(
        self,
        resource: str,
        operation: str,
        *,
        status: int | None = None,
        code: str | None = None,
        effect: Effect | None = None,
        when: Literal["before", "after"] = "before",
        count: int | None = None,
        skip: int = 0,
        probability: float = 1.0,
        match: Json | None = None,
        label: str | None = None,
    ) -> Fault:
        body = given(status=status, code=code, effect=effect and effect.body(), when=when, count=count)
        more = given(skip=skip, probability=probability, match=match, label=label)
        return view(Fault, self.call("POST", "/faults", {"resource": resource, "operation": operation, **body, **more}))

    def rate_limit(self, limit: int, per: str, *, resource: str = "*") -> Fault:
        return self.arm(resource, "*", effect=RateLimit(limit, per))

    def list(self) -> list[Fault]:
        return [view(Fault, row) for row in self.call.rows("/faults")]

    def clear(self, fault: Fault | str | None = None) -> int:
        return int(self.call("DELETE", one("/faults", fault))["cleared"])


class Clock(Room):
    """Virtual time."""

    def freeze(self) -> None:
        self.call("POST", "/clock/mode", {"mode": "frozen"})

    def realtime(self, rate: float = 1.0) -> None:
        self.call("POST", "/clock/mode", {"mode": "realtime", "rate": rate})

    def now(self) -> str:
        return str(self.call("GET", "/clock")["now"])

    def advance(self, by: str | timedelta = "0s") -> Advance:
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        return self._move("advance", by=seconds)

    def to(self, when: datetime) -> Advance:
        return self._move("advance", to=when.isoformat())

    def until(self, event_type: str, id: str | None = None, *, max: str = "1h") -> Advance:
        """Up to the next such event; `TwinError` `not_reached` when none comes within *max*."""
        return self._move("advance", until=given(event_type=event_type, id=id), max=max)

    def run_next(self, count: int = 1) -> Advance:
        return self._move("run-next", count=count)

    def run_until_idle(self, *, max: str = "24h", stop_on: Collection[str] = ()) -> Advance:
        return self._move("run-until-idle", max=max, stop_on=sorted(stop_on))

    def set_durations(self, **named: str | Sequence[str]) -> None:
        self.call("POST", "/clock/durations", named)

    def _move(self, verb: str, **body: Any) -> Advance:
        return view(Advance, self.call("POST", f"/clock/{verb}", body))


class Snapshots(Room):
    """Worlds to come back to."""

    def create(self, name: str = "") -> Snapshot:
        return view(Snapshot, self.call("POST", "/snapshots", {"name": name}))

    def list(self) -> list[Snapshot]:
        return [view(Snapshot, row) for row in self.call.rows("/snapshots")]

    def document(self, snapshot: Snapshot | str) -> dict[str, Any]:
        """The whole of it, for a file."""
        return self.call("GET", one("/snapshots", snapshot))

    def load(self, document: Json) -> Snapshot:
        return view(Snapshot, self.call("POST", "/snapshots/import", document))

    def restore(self, snapshot: Snapshot | str, *, journal: Literal["restore", "keep"] = "restore") -> str:
        """Make the world as it was then; its state hash."""
        return str(self.call("POST", f"{one('/snapshots', snapshot)}/restore", {"journal": journal})["sha256"])

    def delete(self, snapshot: Snapshot | str) -> None:
        self.call("DELETE", one("/snapshots", snapshot))


class Journal(Room):
    """What the app asked."""

    def requests(self, **filters: Any) -> list[Recorded]:
        return [view(Recorded, row) for row in self.call.rows("/requests", **filters)]

    def verify(
        self, *, count: int | None = None, at_least: int | None = None, wait: str = "0s", **match: Any
    ) -> list[Recorded]:
        """The requests that fit; `VerificationFailed` unless there are as many as expected (at least one)."""
        expected = {"exactly": count} if count is not None else {"at_least": 1 if at_least is None else at_least}
        seqs = self.call("POST", "/requests/verify", {"match": match, "count": expected, "wait": wait})["seqs"]
        return [one for one in self.requests(since_seq=seqs[0] - 1) if one.seq in seqs] if seqs else []

    def clear(self) -> None:
        self.call("DELETE", "/requests")


def given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def one(path: str, what: Pin | Fault | Rule | Snapshot | Endpoint | str | None) -> str:
    """The address of one thing, or of all of them."""
    if what is None:
        return path
    return f"{path}/{what if isinstance(what, str) else what.id}"
