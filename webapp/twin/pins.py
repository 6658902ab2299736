"""Pins: values from outside Deck's logic, each bound when what it is for comes about."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import ControlError
from .matching import ENTITIES, check_match, differences, specificity
from .objects import Object
from .pinnable import check_path, check_value, kind_of, misfits
from .sessions import OVER

if TYPE_CHECKING:
    from .world import World

NOT_OF_RUNS = {"destination_id", "header"}
"""Keys of a match that say nothing about a run."""

PIN_KEYS = {
    "on",
    "match",
    "path",
    "value",
    "values",
    "mode",
    "times",
    "per",
    "on_exhausted",
    "validate",
    "label",
}

MISSING = object()


class Unbindable(Exception):
    """A pin that should have given a value cannot: the run it was for fails."""


@dataclass
class Pin:
    """One pinned value, or a queue of them."""

    id: str
    on: str
    kind: str
    event: str
    """The only event it binds for; "" for any."""
    match: Object
    path: str
    values: list[Any]
    mode: str
    order: int
    remaining: int | None
    per: str = "binding"
    on_exhausted: str = "fallthrough"
    validate: str = "strict"
    label: str = ""
    bound: int = 0
    holder: str = ""
    """The run that is going through a queue `per` run."""
    warnings: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        return "spent" if self.remaining == 0 else "active"

    @property
    def specificity(self) -> tuple[int, int, int, int]:
        return specificity(self.match, named=True)

    def view(self) -> Object:
        return {
            "id": self.id,
            "on": self.on,
            "match": self.match,
            "path": self.path,
            "mode": self.mode,
            "remaining": self.remaining,
            "bound": self.bound,
            "state": self.state,
            "specificity": list(self.specificity),
            "label": self.label,
            "warnings": self.warnings,
        }


class Pins:
    """All pins of the world, and which of them answers when a value binds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pins: dict[str, Pin] = {}

    def add(self, given: Object) -> Pin:
        """Pin a value; 422 for what can never happen."""
        _check_keys(given)
        match = check_match(given.get("match") or {})
        if useless := NOT_OF_RUNS & set(match):
            raise ControlError(422, "unknown_field", f"a pin cannot be matched by {sorted(useless)[0]}")
        kind, event = kind_of(given, match)
        path = check_path(kind, event, given.get("path"))
        values = given.get("values", [given.get("value")])
        for value in values:
            check_value(kind, event, path, value)
        number = self.world.derive.ordinals["pin"] + 1
        mode = given.get("mode", "queue" if "values" in given else "sticky")
        pin = Pin(
            id=f"pin_{number:04d}",
            on=event or kind,
            kind=kind,
            event=event,
            match=match,
            path=path,
            values=list(values),
            mode=mode,
            order=number,
            remaining={"sticky": given.get("times"), "once": 1, "queue": len(values)}[mode],
            per=given.get("per", "binding"),
            on_exhausted=given.get("on_exhausted", "fallthrough"),
            validate=given.get("validate", "strict"),
            label=given.get("label", ""),
        )
        self._check_task(pin)
        self.world.derive.ordinals["pin"] = number
        self.pins[pin.id] = pin
        return pin

    def clear(self, id: str | None = None) -> int:
        gone = [id] if id else list(self.pins)
        return sum(self.pins.pop(i, None) is not None for i in gone)

    # --- binding -------------------------------------------------------------------------------------------------

    def bind(self, run: Object, path: str, *, kind: str = "task_run", event: str = "") -> Any:
        """The value pinned for *path* of this run, or of its credential or files, taken; `MISSING` without a pin.

        Raises Unbindable where a pin has nothing left to give or a value that does not fit the run's task.
        """
        pins = [pin for pin in self.pins.values() if (pin.kind, pin.path) == (kind, path)]
        about = self._facts(run, kind) if pins else {}
        fitting = [pin for pin in pins if self._answers(pin, event, run, about)]
        best = max(fitting, key=lambda pin: (pin.specificity, pin.order), default=None)
        beat = [pin.id for pin in fitting if pin is not best]
        return self._bound(run, path, kind, best, beat)

    def bind_next(self, run: Object, path: str, *, kind: str = "task_run") -> Any:
        """The next value of a queue `per` run that *run* is going through; `MISSING` when it is through."""
        held = (pin for pin in self.pins.values() if (pin.kind, pin.path, pin.holder) == (kind, path, run["id"]))
        pin = next((pin for pin in held if pin.remaining), None)
        return MISSING if pin is None else self._bound(run, path, kind, pin, [])

    def output_fields(self, run: Object) -> Object:
        """Values pinned for single output fields, by dotted path."""
        paths = {pin.path for pin in self.pins.values() if pin.path.startswith("output.")}
        event = "task_run.completed"
        return {
            p.removeprefix("output."): v for p in sorted(paths) if (v := self.bind(run, p, event=event)) is not MISSING
        }

    def _bound(self, run: Object, path: str, kind: str, pin: Pin | None, beat: list[str]) -> Any:
        shown = path if kind == "task_run" else f"{kind}.{path}"
        problem = self._problem(pin, run) if pin else None
        self.world.journal.bound(run, shown, pin.id if pin else None, beat, problem)
        if pin is None:
            return MISSING
        if problem:
            _warn(pin, problem["message"])
            if problem["code"] == "pin_exhausted" or pin.validate == "strict":
                raise Unbindable(problem["message"])
        value = copy.deepcopy(_upcoming(pin))
        pin.bound += 1
        if pin.remaining:
            pin.remaining -= 1
        if pin.per == "run":
            pin.holder = run["id"]
        return value

    def _answers(self, pin: Pin, event: str, run: Object, about: Object) -> bool:
        if pin.event and pin.event != event:
            return False
        if pin.remaining == 0 and pin.on_exhausted == "fallthrough":
            return False
        return not self._taken(pin, run) and not differences(about, pin.match)

    def _taken(self, pin: Pin, run: Object) -> bool:
        """Whether another run is in the middle of a queue that is for one run at a time."""
        holder = self.world.find("task_runs", pin.holder) if pin.holder != run["id"] else None
        return bool(pin.remaining) and holder is not None and holder["status"] not in OVER

    def _facts(self, run: Object, kind: str) -> Object:
        """What a match can say about *run*, in the words of `matching.differences`."""
        credential = self.world.find("credentials", run["credential_id"]) or {"auth_credentials": {}}
        named = run["credential_id"] if kind == "credential" else run["id"]
        return {
            "operation": "credentials.create" if kind == "credential" else "task_runs.create",
            "kind": kind,
            "id": [named],
            **{key: [run.get(key)] for key in ENTITIES},
            "username": credential["auth_credentials"].get("username"),
            "input": run["input"],
        }

    # --- what is wrong with it -----------------------------------------------------------------------------------

    def _check_task(self, pin: Pin) -> None:
        """Check a pinned output against its task, where that is known already."""
        task = self.world.find("tasks", pin.match.get("task_id"))
        for value in pin.values:
            problems = _against(pin, task, value)
            if problems is None:
                raise ControlError(422, "unknown_path", f"the task's output schema has no {pin.path!r}")
            if problems and pin.validate == "strict":
                hint = '"validate": "off" pins it all the same'
                text = problems[0]["message"]
                raise ControlError(422, "pin_schema_mismatch", text, hint=hint, errors=problems)
            for problem in problems:
                _warn(pin, problem["message"])

    def _problem(self, pin: Pin, run: Object) -> Object | None:
        """Why the pin cannot give its value to *run*, as the trace tells it."""
        if pin.remaining == 0 and pin.on_exhausted == "error":
            text = f"{pin.label or pin.id} has no value left for {run['id']}"
            return {"status": 500, "code": "pin_exhausted", "message": text}
        value = _upcoming(pin)
        problems = _against(pin, self.world.find("tasks", run["task_id"]), value)
        if problems is None and value is not None:
            text = f"the output schema of {run['task_id']} has no {pin.path!r}"
            return {"status": 422, "code": "unknown_path", "message": text}
        if problems:
            text = f"{pin.path} of {run['id']}: {problems[0]['message']}"
            return {"status": 422, "code": "pin_schema_mismatch", "message": text}
        return None


def _check_keys(given: Object) -> None:
    """422 for what is wrong with a pin whatever it is for."""
    if unknown := set(given) - PIN_KEYS:
        hint = f"a pin has {', '.join(sorted(PIN_KEYS))}"
        raise ControlError(422, "unknown_field", f"no field {sorted(unknown)[0]!r}", hint=hint)
    if ("value" in given) == ("values" in given):
        raise ControlError(422, "unknown_field", "give exactly one of value and values")
    queue = "values" in given
    if queue and (not isinstance(given["values"], list) or not given["values"]):
        raise ControlError(422, "unknown_field", "values is a list of at least one value")
    for name, known in (
        ("mode", ("queue",) if queue else ("sticky", "once")),
        ("per", ("binding", "run")),
        ("on_exhausted", ("fallthrough", "repeat_last", "error")),
        ("validate", ("strict", "warn", "off")),
    ):
        if name in given and given[name] not in known:
            raise ControlError(422, "unknown_field", f"{name} cannot be {given[name]!r}", hint=f"known: {known}")
    times = given.get("times", 1)
    if type(times) is not int or times < 1 or ("times" in given and (queue or given.get("mode") == "once")):
        raise ControlError(422, "unknown_field", "times is how often a sticky pin binds, at least once")
    if not isinstance(given.get("label", ""), str):
        raise ControlError(422, "unknown_field", "label is a text")


def _upcoming(pin: Pin) -> Any:
    return pin.values[min(pin.bound, len(pin.values) - 1)] if pin.mode == "queue" else pin.values[0]


def _against(pin: Pin, task: Object | None, value: Any) -> list[Object] | None:
    """What `misfits` says of a pinned output; nothing where there is nothing to compare."""
    if pin.validate == "off" or not pin.path.startswith("output") or not task or not task["output_schema"]:
        return []
    return misfits(task["output_schema"], pin.path, value)


def _warn(pin: Pin, text: str) -> None:
    if text not in pin.warnings:
        pin.warnings.append(text)
