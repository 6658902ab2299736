"""Reading what a developer wants done to deliveries: actions, and which deliveries they are for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from .clock import duration
from .errors import ControlError
from .matching import ENTITIES, KIND_OF
from .objects import EVENT_TYPES, Object

MOST_TIMES = 100
LONGEST_WINDOW = 1000
MAX_HOLD = "1m"
"""How long, in virtual time, a reorder window waits to be filled when it does not say."""

DAMAGES: dict[str, Object] = {
    "signature": {"signature": "invalid"},
    "body": {"signature": "body_tampered"},
    "timestamp_stale": {"timestamp": "stale"},
    "timestamp_future": {"timestamp": "future"},
    "id": {"damage": "id"},
    "headers_missing": {"damage": "headers_missing"},
}
"""What `tamper` does to a send, by its `what`."""

ACTIONS = {
    "duplicate": ("times", "concurrent", "spacing"),
    "delay": ("by",),
    "reorder": ("window", "order", "max_hold"),
    "hold": (),
    "drop": (),
    "tamper": ("what",),
    "treat_as_failed": ("times",),
    "sign": ("timestamp",),
}
SIGNING_CLOCKS = ("real", "virtual")
"""By which clock a webhook can be signed."""

MATCH_KEYS = ("event_type", "kind", "id", *ENTITIES, "username")
"""What a delivery can be matched by: the keys of `Match` that say something about an event."""


def read_match(given: Any) -> Object:
    """Which deliveries are meant: any of `MATCH_KEYS`; all of them are texts, and may hold `*`."""
    known = f"match may name {', '.join(MATCH_KEYS)}"
    if not isinstance(given, dict) or set(given) - set(MATCH_KEYS):
        raise wrong(known)
    if not all(isinstance(value, str) for value in given.values()):
        raise wrong(f"{known}: all of them are texts")
    if given.get("kind", "event") not in KIND_OF:
        raise wrong(f"match.kind is one of: {', '.join(KIND_OF)}")
    event_types(given.get("event_type", "*"))
    return dict(given)


def event_types(glob: str) -> list[str]:
    """The event types *glob* stands for; 422 when there are none."""
    if fitting := [type for type in EVENT_TYPES if fnmatchcase(type, glob)]:
        return fitting
    raise ControlError(422, "unknown_event", f"no event type fits {glob!r}", hint=f"known: {', '.join(EVENT_TYPES)}")


def read_action(given: Any) -> Object:
    """An action with everything it leaves out filled in."""
    if not isinstance(given, dict) or given.get("type") not in list(ACTIONS):
        raise wrong(f"action.type is one of: {', '.join(ACTIONS)}")
    type = given["type"]
    if unknown := set(given) - {"type", *ACTIONS[type]}:
        known = ", ".join(ACTIONS[type]) or "no more fields"
        raise ControlError(422, "unknown_field", f"{type} has no field {sorted(unknown)[0]!r}", hint=f"known: {known}")
    action = {"type": type, **given}
    if type == "duplicate":
        action |= read_repetition(given, default_times=2)
    elif type == "treat_as_failed":
        action["times"] = whole(given.get("times", 1), "times", at_most=MOST_TIMES)
    elif type == "delay":
        read_span(given.get("by"))
    elif type == "reorder":
        action["window"] = whole(given.get("window"), "window", at_most=LONGEST_WINDOW)
        action["order"] = read_order(given.get("order", "reverse"), action["window"])
        action["max_hold"] = read_span(given.get("max_hold", MAX_HOLD))
    elif type == "sign" and given.get("timestamp") not in SIGNING_CLOCKS:
        raise wrong(f"sign.timestamp is one of: {', '.join(SIGNING_CLOCKS)}")
    elif type == "tamper" and given.get("what") not in list(DAMAGES):
        raise wrong(f"tamper.what is one of: {', '.join(DAMAGES)}")
    return action


def read_repetition(given: Object, *, default_times: int) -> Object:
    """`times`, `concurrent` and `spacing`; what comes at once cannot be spaced."""
    times = whole(given.get("times", default_times), "times", at_most=MOST_TIMES)
    concurrent, spacing = given.get("concurrent", False), read_span(given.get("spacing", "0s"))
    if not isinstance(concurrent, bool):
        raise wrong("concurrent is true or false")
    if concurrent and duration(spacing):
        raise wrong("concurrent sends have no spacing")
    return {"times": times, "concurrent": concurrent, "spacing": spacing}


def read_order(order: Any, window: int) -> Any:
    positions = list(range(window))
    if order in ("reverse", "shuffle") or (
        isinstance(order, list) and all(type(at) is int for at in order) and sorted(order) == positions
    ):
        return order
    raise wrong(f"order is reverse, shuffle or a list of the positions {positions}")


def read_span(value: Any) -> Any:
    try:
        duration(value)
    except ValueError as error:
        raise ControlError(422, "invalid_duration", str(error)) from error
    return value


def whole(value: Any, name: str, *, at_most: int) -> int:
    if type(value) is not int or not 1 <= value <= at_most:
        raise wrong(f"{name} is a whole number from 1 to {at_most}")
    return value


def wrong(message: str) -> ControlError:
    return ControlError(422, "unknown_field", message)
