"""What the Python client hands out and takes in: frozen dataclasses, and the errors of the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

Json = Mapping[str, Any]
T = TypeVar("T")


class TwinError(Exception):
    """The control plane said no."""

    def __init__(self, code: str, message: str, detail: Json, hint: str, status: int) -> None:
        super().__init__(f"{code}: {message}" + (f" ({hint})" if hint else ""))
        self.code, self.message, self.detail, self.hint, self.status = code, message, detail, hint, status


class PreconditionFailed(TwinError):
    """The world is not in a state for that; `detail` has `requires` and `actual`."""


class VerificationFailed(TwinError):
    """The app did not call as expected; `detail` has `expected`, `actual` and `near_misses`."""


class IllegalOverride(TwinError):
    """That follows from what happens and cannot be set."""


ERRORS: dict[str, type[TwinError]] = {
    "precondition_failed": PreconditionFailed,
    "verification_failed": VerificationFailed,
    "illegal_override": IllegalOverride,
}


def view(kind: type[T], row: Json) -> T:
    """*row* as a *kind*: its fields by name; all of the row when there is a field `raw`."""
    known = [one for one in fields(kind) if one.name != "raw"]  # type: ignore[arg-type]
    given = {one.name: row.get(one.name) for one in known if one.name in row or one.default is MISSING}
    raw = {"raw": row} if len(known) < len(fields(kind)) else {}  # type: ignore[arg-type]
    return kind(**given, **raw)


# --- answers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pin:
    id: str
    path: str
    mode: str
    state: str
    bound: int
    remaining: int | None
    label: str
    match: Json
    warnings: list[str]


@dataclass(frozen=True)
class Advance:
    """What came of letting time pass."""

    now: str
    advanced: str
    fired: list[str]
    events: list[Json]
    deliveries: Json
    pending: int
    idle: bool
    stopped_on: str | None

    @property
    def held(self) -> int:
        """How many deliveries are held back by now."""
        return int(self.deliveries.get("held", 0))


@dataclass(frozen=True)
class Applied:
    """What came of a world event (the objects it changed), or of a scenario (the ids of what it made)."""

    applied: list[Any]
    id: str = ""
    event: str = ""
    now: str = ""
    events: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class Possible:
    """A world event that can happen now, with data that would make it happen."""

    event: str
    subject: Json
    example: dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    id: str
    name: str
    now: str
    seq: int
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Fault:
    id: str
    state: str
    hits: int
    remaining: int | None
    label: str = ""
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Rule:
    id: str
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Delivery:
    id: str
    event_id: str
    event_type: str
    destination_id: str
    status: str
    attempts: list[Json]


@dataclass(frozen=True)
class Recorded:
    """A request the app made."""

    seq: int
    request_id: str
    method: str
    path: str
    operation: str | None
    body: Any
    response: Json
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Endpoint:
    id: str
    secret: str


@dataclass(frozen=True)
class Trace:
    """Why a call's values came out as they did."""

    id: str
    fields: list[Json]
    raw: Json = field(default_factory=dict, repr=False)


# --- effects of faults -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    type: ClassVar[str]

    def body(self) -> dict[str, Any]:
        return {"type": self.type, **{name: value for name, value in asdict(self).items() if value is not None}}


@dataclass(frozen=True)
class Error(Effect):
    type = "error"
    status: int | None = None
    code: str | None = None
    error_type: str | None = None
    message: str | None = None
    field: str | None = None
    headers: dict[str, str] | None = None


@dataclass(frozen=True)
class RateLimit(Effect):
    type = "rate_limit"
    limit: int
    per: str
    scope: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True)
class Latency(Effect):
    type = "latency"
    delay: str
    jitter: str | None = None
    clock: str | None = None


@dataclass(frozen=True)
class Hang(Effect):
    type = "hang"
    max: str | None = None


@dataclass(frozen=True)
class Drop(Effect):
    type = "drop"
    how: str = "reset"
    after_bytes: int | None = None


@dataclass(frozen=True)
class Malformed(Effect):
    type = "malformed"
    how: str = "invalid_json"
    status: int | None = None
    fields: list[str] | None = None
