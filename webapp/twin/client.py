"""The twin's Python client: sync, typed, and free of Flask, so that any project's tests can use it.

twin = Twin("http://127.0.0.1:8801")
twin.exogenous.branch("task_run", "failed", "completed", username="alice")
twin.clock.until("task_run.completed")
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import httpx

from .client_deliveries import Deliveries, Webhooks
from .client_rooms import Clock, Exogenous, Faults, Journal, Plane, Snapshots, World, given
from .client_types import (
    Advance,
    Applied,
    Delivery,
    Drop,
    Endpoint,
    Error,
    Fault,
    Hang,
    IllegalOverride,
    Json,
    Latency,
    Malformed,
    Pin,
    Possible,
    PreconditionFailed,
    RateLimit,
    Recorded,
    Rule,
    Snapshot,
    Trace,
    TwinError,
    VerificationFailed,
    view,
)
from .inbox import Inbox

__all__ = [
    "Advance",
    "Applied",
    "Delivery",
    "Drop",
    "Endpoint",
    "Error",
    "Fault",
    "Hang",
    "IllegalOverride",
    "Inbox",
    "Latency",
    "Malformed",
    "Pin",
    "Possible",
    "PreconditionFailed",
    "RateLimit",
    "Recorded",
    "Rule",
    "Snapshot",
    "Trace",
    "Twin",
    "TwinError",
    "VerificationFailed",
]

API_KEY, ADMIN_KEY = "sk_live_twin", "twa_twin"


class Twin:
    """A running twin: its parts are the rooms of the control plane; `base_url` is what the app is pointed at."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str = API_KEY,
        admin_key: str = ADMIN_KEY,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """*url* is with or without `/v2`. *transport* may be `httpx.WSGITransport(app=create_twin(world))`: then there
        are no sockets."""
        self.url = url.rstrip("/").removesuffix("/v2")
        self.base_url = f"{self.url}/v2"
        self.api_key, self.admin_key = api_key, admin_key
        headers = {"Authorization": f"Bearer {admin_key}"}
        http = httpx.Client(base_url=self.url, headers=headers, transport=transport, trust_env=False, timeout=70)
        self.call = Plane(http)
        self.exogenous = Exogenous(self.call)
        self.world = World(self.call)
        self.faults = Faults(self.call)
        self.clock = Clock(self.call)
        self.snapshots = Snapshots(self.call)
        self.journal = Journal(self.call)
        self.deliveries = Deliveries(self.call)
        self.webhooks = Webhooks(self.call)

    def __enter__(self) -> Twin:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.call.http.close()

    def health(self) -> dict[str, Any]:
        return self.call("GET", "/health")

    def seed(
        self, resource: str, objects: Sequence[Json], *, mode: Literal["insert", "upsert"] = "insert"
    ) -> list[str]:
        """Put ready-made objects in place; their ids."""
        body = {"resource": resource, "objects": [dict(one) for one in objects], "mode": mode}
        ids: list[str] = self.call("POST", "/seed", body)["ids"][resource]
        return ids

    def reset(self, *, t0: str | None = None, seed: str | None = None, keep: Collection[str] = ()) -> None:
        self.call("POST", "/reset", given(t0=t0, seed=seed, keep=sorted(keep) or None))

    def state(self, resource: str | None = None) -> dict[str, Any]:
        data: dict[str, Any] = self.call("GET", "/state", resource=resource)["data"]
        return data

    def state_hash(self) -> str:
        return str(self.call("GET", "/state/hash")["sha256"])

    def trace(self, trace_id: str) -> Trace:
        return view(Trace, self.call("GET", f"/trace/{trace_id}"))

    def site(self, host: str, *people: Json, **fields: Any) -> None:
        """Put up a simulated website with the people who have accounts there."""
        self.call("POST", "/sites", {"host": host, "people": [dict(one) for one in people], **fields})

    def scenario(self, name: str, /, *, params: Json | None = None, **match: Any) -> Applied:
        """Apply a built-in scenario; `applied` has the ids of the pins, faults and rules it made."""
        body = {"match": match, "params": dict(params or {})}
        return view(Applied, self.call("POST", f"/scenarios/{name}/apply", body))
