"""Scenarios: ready-made lists of control calls, by name. No magic inputs: each is applied on purpose."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ControlError
from .objects import Object

if TYPE_CHECKING:
    from .world import World

DATA = Path(__file__).with_name("scenarios.toml")
MATCHED = ("/exogenous/pins", "/faults", "/delivery-rules")
"""The calls a match narrows; durations hold for the whole world."""
NEEDS = {"/faults": "faults", "/delivery-rules": "rules"}
"""The part of the world that a call needs."""


@cache
def scenarios() -> dict[str, Object]:
    """Every built-in scenario by name, in the order of the file."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def listed() -> list[Object]:
    """What there is, with the parameters' defaults; None for one that must be given."""
    return [{"name": name, "about": one["about"], "params": _defaults(one)} for name, one in scenarios().items()]


def personas() -> dict[str, str]:
    """Usernames that act out a scenario once they are bound to it, and what that shows.

    Not those that hold for the whole world or need to be told more.
    """
    return {
        f"{name}@twin": str(one["about"])
        for name, one in scenarios().items()
        if not one.get("params_needed") and all(path in MATCHED for path, _ in one["calls"])
    }


def apply(world: World, name: str, *, match: Object, params: Object) -> list[str]:
    """Make the calls of a scenario, narrowed by *match*; the ids of what they made. All of them, or none."""
    known = scenarios()
    if name not in known:
        raise ControlError(404, "unknown_scenario", f"no scenario {name!r}", hint=", ".join(known))
    defaults = _defaults(known[name])
    if unknown := set(params) - set(defaults):
        hint = f"known: {', '.join(defaults) or 'none'}"
        raise ControlError(422, "unknown_field", f"{name} has no parameter {sorted(unknown)[0]!r}", hint=hint)
    given = {**defaults, **params}
    if missing := [param for param, value in given.items() if value is None]:
        raise ControlError(422, "unknown_field", f"{name} needs the parameter {missing[0]}")
    calls = [(path, _filled(json.loads(body), given)) for path, body in known[name]["calls"]]
    for path, body in calls:
        _check_possible(world, name, path)
        if path in MATCHED and match:
            body["match"] = {**body.get("match", {}), **match}
        elif match:
            hint = "apply it without a match"
            raise ControlError(422, "unknown_field", f"{name} holds for the whole world", hint=hint)
    made: list[tuple[str, Callable[[], object]]] = []
    try:
        for path, body in calls:
            made.append(_call(world, path, body))
    except ControlError:
        for _, undo in made:
            undo()
        raise
    return [id for id, _ in made]


def _defaults(scenario: Object) -> Object:
    return {**dict.fromkeys(scenario.get("params_needed", [])), **scenario.get("params", {})}


def _check_possible(world: World, name: str, path: str) -> None:
    part = NEEDS.get(path)
    if part and not hasattr(world, part):
        raise ControlError(
            409,
            "precondition_failed",
            f"{name} needs {part}, which this twin does not have",
            hint="GET /__admin__/scenarios lists the scenarios",
            requires={"part": part},
            actual={"part": None},
        )


def _call(world: Any, path: str, body: Object) -> tuple[str, Callable[[], object]]:
    """Make one call; the id of what it made, and how to take it back."""
    match path:
        case "/exogenous/pins":
            pin = world.pins.add(body)
            return pin.id, lambda: world.pins.clear(pin.id)
        case "/clock/durations":
            before = {name: world.clock.durations[name] for name in body}
            world.set_durations(body)
            return "durations", lambda: world.set_durations(before)
        case "/faults":
            fault = world.faults.arm(body)
            return fault.id, lambda: world.faults.clear(fault.id)
        case "/delivery-rules":
            rule = world.rules.add(body)
            return str(rule["id"]), lambda: world.rules.clear(rule["id"])
    raise ValueError(f"a scenario cannot call {path}")


def _filled(value: Any, params: Object) -> Any:
    """*value* with its ${placeholders} filled in; one that stands alone keeps its parameter's type."""
    if isinstance(value, dict):
        return {key: _filled(one, params) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, params) for one in value]
    if not isinstance(value, str):
        return value
    if alone := re.fullmatch(r"\$\{(\w+)\}", value):
        return params[alone[1]]
    return re.sub(r"\$\{(\w+)\}", lambda found: str(params[found[1]]), value)
