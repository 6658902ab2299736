"""Faults: what goes wrong on purpose, for which calls and how often."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .budget import Bucket
from .clock import duration, moment
from .effects import DRESSED, FIELDS, check_effect
from .errors import ControlError
from .matching import check_match, differences, fits, specificity
from .objects import Object

if TYPE_CHECKING:
    from .world import World

FAULT_KEYS = {"resource", "operation", "match", "effect", "when", "skip", "count", "probability", "until", "label"}
FLAT_KEYS = FIELDS["error"]


@dataclass
class Fault:
    """One thing that goes wrong, until it has done so often enough."""

    id: str
    order: int
    resource: str
    operation: str
    match: Object
    effect: Object
    when: str
    skip: int
    count: int | None
    probability: float
    until: str | None
    label: str
    matches: int = 0
    hits: int = 0
    expired: bool = False
    hit_requests: list[str] = field(default_factory=list)
    buckets: dict[str, Bucket] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """`armed`, `spent` when it has hit `count` times, or `expired` when `until` has come."""
        spent = self.count is not None and self.hits >= self.count
        return "spent" if spent else "expired" if self.expired else "armed"

    @property
    def specificity(self) -> tuple[int, int, int, int]:
        return specificity(self.match, named=(self.resource, self.operation) != ("*", "*"))

    @property
    def roll_key(self) -> str:
        """What its rolls are derived from: its label, or its definition, so that the order of arming is irrelevant."""
        if self.label:
            return self.label
        what = [self.resource, self.operation, self.match, self.effect, self.when]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def view(self) -> Object:
        names = ("resource", "operation", "match", "effect", "when", "skip", "count", "probability", "until", "label")
        return {
            "id": self.id,
            "state": self.state,
            "hits": self.hits,
            "matches": self.matches,
            "remaining": None if self.count is None else self.count - self.hits,
            **{name: getattr(self, name) for name in names},
        }


@dataclass
class Strike:
    """What goes wrong with one request: waits that add up, and at most one effect that ends it."""

    fault_id: str | None = None
    effect: Object | None = None
    when: str = "before"
    waits: list[tuple[str, str, timedelta]] = field(default_factory=list)
    """(when, clock, how long)"""

    def wait(self, when: str, clock: str) -> timedelta:
        return sum((wait for at, by, wait in self.waits if (at, by) == (when, clock)), timedelta())


class Faults:
    """All faults of the world, and which of them a request runs into."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults: dict[str, Fault] = {}
        self.armed = 0

    def arm(self, given: Object) -> Fault:
        """Arm a fault, in ProdBreak's flat form or with an `effect`; 422 for what can never happen."""
        if unknown := set(given) - FAULT_KEYS - FLAT_KEYS:
            hint = f"a fault has {', '.join(sorted(FAULT_KEYS))}"
            raise ControlError(422, "unknown_field", f"no field {sorted(unknown)[0]!r}", hint=hint)
        flat = {name: given[name] for name in FLAT_KEYS & set(given) if name == "body" or given[name] not in (None, "")}
        if bool(flat) == ("effect" in given):
            raise ControlError(422, "unknown_field", "give either an effect, or status and code")
        effect = check_effect(given.get("effect", {"type": "error", **flat}))
        resource, operation = given.get("resource", "*"), given.get("operation", "*")
        match = check_match(given.get("match") or {})
        check_operation(f"{resource}.{operation}")
        check_operation(match.get("operation", "*"))
        dressed = effect.get("how") in DRESSED
        when = given.get("when", "after" if dressed else "before")
        if when not in ("before", "after") or (dressed and when == "before"):
            hint = f"{', '.join(DRESSED)} change a real answer, so they come after"
            raise ControlError(422, "unknown_field", f"when cannot be {when!r}", hint=hint)
        count, skip, probability = given.get("count"), given.get("skip", 0), given.get("probability", 1.0)
        if not (count is None or (type(count) is int and count > 0)) or type(skip) is not int or skip < 0:
            raise ControlError(422, "unknown_field", "count is a whole number from 1 on or null, skip one from 0 on")
        if type(probability) not in (int, float) or not 0 <= probability <= 1:
            raise ControlError(422, "unknown_field", "probability is a number from 0 to 1")
        label, until = given.get("label") or "", given.get("until")
        if not isinstance(label, str):
            raise ControlError(422, "unknown_field", "label is a text")
        self.armed += 1
        fault = Fault(
            id=f"flt_{self.armed:04d}",
            order=self.armed,
            resource=resource,
            operation=operation,
            match=match,
            effect=effect,
            when=when,
            skip=skip,
            count=count,
            probability=float(probability),
            until=until and moment(self.world.at(until)),
            label=label,
        )
        self.faults[fault.id] = fault
        return fault

    def list(self) -> Sequence[Fault]:
        """All faults in the order of arming, as they are now."""
        for fault in self.faults.values():
            fault.expired = bool(fault.until) and moment(self.world.clock.now) >= str(fault.until)
        return [*self.faults.values()]

    def clear(self, id: str | None = None) -> int:
        gone = [id] if id else [*self.faults]
        return sum(self.faults.pop(i, None) is not None for i in gone)

    def strike(self, facts: Object, request_id: str) -> Strike:
        """What this request runs into: the most specific fault first, the newest of equals."""
        strike = Strike()
        for fault in sorted(self.list(), key=lambda f: (f.specificity, f.order), reverse=True):
            is_latency = fault.effect["type"] == "latency"
            if (strike.effect and not is_latency) or not self._means(fault, facts):
                continue
            fault.matches += 1
            if fault.matches <= fault.skip or not self._rolled(fault):
                continue
            effect = self._over_the_limit(fault, facts) if fault.effect["type"] == "rate_limit" else fault.effect
            if effect is None:
                continue
            fault.hits += 1
            fault.hit_requests.append(request_id)
            if is_latency:
                strike.waits.append((fault.when, effect["clock"], self._delay(fault)))
                strike.fault_id = strike.fault_id or fault.id
            else:
                strike.effect, strike.when, strike.fault_id = effect, fault.when, fault.id
        return strike

    def _means(self, fault: Fault, facts: Object) -> bool:
        named = fits(facts["operation"], f"{fault.resource}.{fault.operation}")
        return named and fault.state == "armed" and not differences(facts, fault.match)

    def _rolled(self, fault: Fault) -> bool:
        nth = fault.matches - fault.skip
        return self._fraction("roll", fault.roll_key, nth) < fault.probability

    def _fraction(self, *purpose: object) -> float:
        return self.world.derive.number(*purpose) / 2**64

    def _delay(self, fault: Fault) -> timedelta:
        jitter = duration(fault.effect["jitter"])
        return duration(fault.effect["delay"]) + jitter * self._fraction("jitter", fault.roll_key, fault.hits)

    def _over_the_limit(self, fault: Fault, facts: Object) -> Object | None:
        """The 429 for a request that finds its bucket empty; None for one that gets a token."""
        effect = fault.effect
        whose: dict[str, Any] = {"world": "", "operation": facts["operation"], "key": "the organisation's only key"}
        fresh = Bucket(effect["limit"], duration(effect["per"]))
        wait = fault.buckets.setdefault(whose[effect["scope"]], fresh).take(self.world.clock.now)
        if wait is None:
            return None
        after = duration(effect["retry_after"]) if "retry_after" in effect else wait
        retry_after = str(max(1, math.ceil(after.total_seconds())))
        return check_effect({"type": "error", "code": "rate_limit_exceeded", "headers": {"Retry-After": retry_after}})


def check_operation(pattern: object) -> None:
    """422 `unknown_operation` unless *pattern*, which may hold `*`, means an operation that exists."""
    from .vendor import OPERATIONS

    known = [op.name for op in OPERATIONS]
    if not isinstance(pattern, str) or not any(fits(name, pattern) for name in known):
        hint = "GET /__admin__/ lists them"
        raise ControlError(422, "unknown_operation", f"no operation {pattern!r}", hint=hint, operations=known)
