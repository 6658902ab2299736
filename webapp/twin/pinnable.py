"""What can be pinned, and what each value has to look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import jsonschema

from .branches import ALLOWED_RESULTS, BRANCHES, check_branch
from .clock import duration
from .errors import ControlError
from .files import FILE_FIELDS, PURPOSES, check_file
from .objects import KINDS, Object
from .synth import resolved


@dataclass(frozen=True)
class Path:
    """One field that comes from outside."""

    binds_at: str
    null_when: str
    schema: Object
    events: tuple[str, ...] = ()
    """The events it is bound for. A pin `on` another event could never bind."""


TEXT: Object = {"type": "string"}
ERRORS: Object = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "code", "message"],
        "properties": {"type": TEXT, "code": TEXT, "message": TEXT, "field": {"type": ["string", "null"]}},
    },
}
INTERACTION: Object = {
    "type": "object",
    "required": ["type", "message", "fields"],
    "properties": {
        "type": TEXT,
        "message": TEXT,
        "fields": {"type": "array", "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT}}},
        "expect": {"type": "object"},
        "max_attempts": {"type": "integer"},
        "on_reject": {"enum": ["reprompt", "fail"]},
        "reject_message": TEXT,
        "window": {"type": ["string", "number"]},
    },
}
FILE: Object = {
    "type": ["object", "null"],
    "required": ["file_name"],
    "properties": {name: {"enum": list(PURPOSES)} if name == "purpose" else {} for name in FILE_FIELDS},
}

PATHS: dict[str, dict[str, Path]] = {
    "task_run": {
        "output": Path("completed", "the run fails or is cancelled", {}, ("task_run.completed",)),
        "output.*": Path("completed", "the agent could not fill it", {}, ("task_run.completed",)),
        "errors": Path("failed", "the run succeeds ([])", ERRORS, ("task_run.failed",)),
        "interaction": Path("interaction_required", "not paused", INTERACTION, ("task_run.interaction_required",)),
        "result": Path("terminal", "not terminal", {"enum": ["success", "failure", "unknown"]}, (*ALLOWED_RESULTS,)),
        "branch": Path("terminal", "never", {"enum": list(BRANCHES["task_run"])}),
    },
    "credential": {
        "branch": Path("sign_in", "never", {"enum": list(BRANCHES["credential"])}),
        "errors": Path("invalid", "it is accepted", ERRORS, ("credential.invalid",)),
    },
    "storage": {"file": Path("created", "the task keeps no files", FILE, ("storage.created",))},
}
"""Legal paths by kind. `output.*` stands for every dotted path below the output."""

RESOURCES = {"task_run": "task_runs", "credential": "credentials", "storage": "storage"}

PUBLIC_INTERACTION = ("type", "message", "fields")
STEERING = {"expect", "max_attempts", "on_reject", "reject_message", "window"}


def kind_of(given: Object, match: Object) -> tuple[str, str]:
    """The kind a pin is for, and the event it is limited to or ""; 422 for what brings nothing from outside."""
    operation = str(match.get("operation", "")).split(".")[0]
    implied = next((kind for kind, resource in RESOURCES.items() if resource == operation), "task_run")
    on = given.get("on") or (match["kind"] if match.get("kind") in PATHS else implied)
    kind, _, action = str(on).partition(".")
    known = [*PATHS, *sorted({event for paths in PATHS.values() for path in paths.values() for event in path.events})]
    if on not in known:
        raise ControlError(422, "unknown_field", f"on cannot be {on!r}", hint=f"known: {', '.join(known)}")
    return kind, str(on) if action else ""


def check_path(kind: str, event: str, path: object) -> str:
    """*path*, if it can be pinned on *kind* and binds at *event*; 422 otherwise."""
    paths = PATHS[kind]
    faithful = {*KINDS[RESOURCES[kind]].defaults, "id", "object", "created_at", "updated_at"}
    if isinstance(path, str) and path not in paths and path in faithful:
        text = f"{path} follows from what happens; it cannot be set"
        raise ControlError(422, "illegal_override", text, allowed_paths=list(paths))
    below = kind == "task_run" and isinstance(path, str) and re.fullmatch(r"output(\.[^.*]+)+", path)
    if not isinstance(path, str) or (path not in paths and not below):
        raise ControlError(422, "unknown_path", f"{path!r} cannot be pinned", hint=f"known: {', '.join(paths)}")
    bound_for = paths["output.*" if path.startswith("output.") else path].events
    if event and event not in bound_for:
        hint = f"on {' or '.join(bound_for) or repr(kind)}"
        raise ControlError(422, "unknown_path", f"{path} is never bound for {event}", hint=hint)
    return path


def check_value(kind: str, event: str, path: str, value: Any) -> None:
    """422 for a value its path can never have. Outputs are checked against the task instead: see `misfits`."""
    if path == "branch":
        check_branch(value, kind)
    elif path == "errors":
        check_errors(value)
    elif path == "result":
        allowed = ALLOWED_RESULTS.get(event, ("success", "failure", "unknown"))
        if value not in allowed:
            raise ControlError(422, "illegal_override", f"a result is {' or '.join(allowed)}, not {value!r}")
    elif path == "interaction":
        check_interaction(value)
    elif path == "file" and value is not None:
        check_file(value)


def check_errors(value: Any) -> None:
    """422 unless *value* is a list of Deck's error elements."""
    elements = value if isinstance(value, list) else [None]
    needed = ERRORS["items"]["required"]
    for element in elements:
        if not isinstance(element, dict) or not all(isinstance(element.get(k), str) for k in needed):
            raise ControlError(422, "pin_schema_mismatch", f"errors is a list of {{{', '.join(needed)}}}")


def check_interaction(value: Any) -> None:
    """422 unless *value* is an interaction with the keys that steer it."""
    if not isinstance(value, dict) or not all(key in value for key in PUBLIC_INTERACTION):
        raise ControlError(422, "pin_schema_mismatch", "an interaction needs type, message and fields")
    fields = value["fields"]
    if not isinstance(fields, list) or not all(isinstance(f, dict) and isinstance(f.get("name"), str) for f in fields):
        raise ControlError(422, "pin_schema_mismatch", "fields is a list of {name, type, label}")
    if not isinstance(value.get("expect", {}), dict) or type(value.get("max_attempts", 1)) is not int:
        raise ControlError(422, "pin_schema_mismatch", "expect is an object and max_attempts a whole number")
    if value.get("on_reject", "reprompt") not in ("reprompt", "fail"):
        raise ControlError(422, "pin_schema_mismatch", "on_reject is reprompt or fail")
    try:
        duration(value.get("window", "0s"))
    except ValueError as error:
        raise ControlError(422, "invalid_duration", str(error)) from error
    if unknown := set(value) - set(PUBLIC_INTERACTION) - STEERING:
        raise ControlError(
            422, "unknown_field", f"no field {sorted(unknown)[0]!r}", hint=f"steering: {sorted(STEERING)}"
        )


# --- outputs against the schema of the task ----------------------------------------------------------------------

Lenient: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"required": lambda *_: ()}
)
"""Nothing has to be there: sources may lack any field."""


def misfits(root: Object, path: str, value: Any) -> list[Object] | None:
    """Where *value*, at *path* of an output, does not fit the schema *root*, as `{at, message}`.

    None when the schema has no such path. Null is lawful everywhere: sources may lack a field.
    """
    part: Any = root
    for name in path.split(".")[1:]:
        part = resolved(part, root) or {}
        if "properties" not in part:
            return []
        part = part["properties"].get(name)
        if part is None:
            return None
    if value is None:
        return []
    problems = Lenient(root).evolve(schema=part).iter_errors(without_nulls(value))
    return [{"at": "/" + "/".join(map(str, one.absolute_path)), "message": one.message} for one in problems]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value
