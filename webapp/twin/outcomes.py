"""How a run comes out: what its pins say, or else its site, or else what is made up."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import synth
from .branches import ALLOWED_RESULTS, ARMS, error_elements
from .files import capture
from .objects import KINDS, Object
from .pins import MISSING

if TYPE_CHECKING:
    from .world import World

ANY_CODE: Object = {
    "type": "mfa",
    "message": "Enter the code we sent you.",
    "fields": [{"name": "code", "type": "string", "label": "Code"}],
}
"""What the `interaction` arm asks when nothing else is pinned."""


def decide(world: World, run: Object) -> str:
    """Which way this run goes; the arm is fixed from here on.

    Its credential is asked before the run: a sign-in that is refused uses up no arm of the run's.
    """
    credential = world.find("credentials", run["credential_id"])
    source = world.find("sources", run["source_id"])
    site = world.sites.of(source)
    gone = run["source_id"] is not None and source is None  # deleted while the run was on its way
    status = "down" if gone else world.sites.status(source)
    person = world.sites.person(site, credential) if site else {}
    sign_in = world.pins.bind(run, "branch", kind="credential") if credential and status == "up" else MISSING
    if sign_in == "verified" and person is None:
        person = dict(world.sites.known(site, credential))
    branch: Any = "auth_invalid" if sign_in == "invalid" else world.pins.bind(run, "branch")
    if branch is MISSING:
        branch = "source_down" if status == "down" else _branch_of(site, person, credential)
    arm, then = (branch["arm"], branch.get("then", "completed")) if isinstance(branch, dict) else (branch, None)
    run["_found"] = person or {}
    run["_arm"] = then or ARMS[arm].get("then", arm)
    run["_review"] = arm == "review"
    return str(arm)


def _branch_of(site: Object | None, person: Object | None, credential: Object | None) -> Any:
    """What the simulated site does with this sign-in."""
    if site is None:
        return "completed"
    if site["status"] != "up":
        return {"down": "source_down", "blocked": "blocked", "blocklisted": "source_blocked"}[site["status"]]
    if person is None and credential is not None and credential["auth_method"] != "none":
        return "auth_invalid"
    return (person or {}).get("branch", "completed")


def first_questions(world: World, run: Object, arm: str) -> list[Object]:
    """What is asked at the sign-in. A pinned queue gives its next question only when this one is answered."""
    pinned = world.pins.bind(run, "interaction", event="task_run.interaction_required")
    if pinned is not MISSING:
        return [pinned]
    return copy.deepcopy(run["_found"].get("asks")) or ([copy.deepcopy(ANY_CODE)] if arm == "interaction" else [])


def next_questions(world: World, run: Object) -> list[Object]:
    pinned = world.pins.bind_next(run, "interaction")
    return [] if pinned is MISSING else [pinned]


def bring_files(world: World, run: Object) -> None:
    """Capture what the site holds, or what is pinned, for a task that wants files."""
    if not (task_of(world, run)["storage"] or {}).get("enabled"):
        return
    pinned = world.pins.bind(run, "file", kind="storage", event="storage.created")
    files: list[Object | None] = list(run["_found"].get("files", [])) if pinned is MISSING else []
    while pinned is not MISSING:
        files.append(pinned)
        pinned = world.pins.bind_next(run, "file", kind="storage")
    for file in files:
        if file is not None:
            capture(world, run, file)


def output_of(world: World, run: Object) -> Any:
    output = world.pins.bind(run, "output", event="task_run.completed")
    if output is MISSING:
        output = _found_output(world, run)
    for path, value in world.pins.output_fields(run).items():
        output = overlaid(output, path.split("."), value)
    return output


def _found_output(world: World, run: Object) -> Any:
    """What the site holds for this person, cut to the task's schema; made up where there is no site."""
    schema = task_of(world, run)["output_schema"]
    found = copy.deepcopy(run["_found"].get("output"))
    if schema is None:
        return found
    return synth.value(world.derive, schema, run["task_id"]) if found is None else synth.cut(found, schema)


def result_of(world: World, run: Object, arm: str) -> str:
    """The result of a run that ends by *arm*: as pinned, where that is lawful, or as the arm has it."""
    event = f"task_run.{ARMS[arm]['status']}"
    pinned = world.pins.bind(run, "result", event=event)
    return str(pinned if pinned in ALLOWED_RESULTS[event] else ARMS[arm]["result"])


def errors_of(world: World, run: Object, arm: str) -> list[Object]:
    """Why it failed: as pinned for the run, else for its credential where that was refused, else by its arm."""
    pinned = world.pins.bind(run, "errors", event="task_run.failed")
    if pinned is MISSING and arm == "auth_invalid" and run["credential_id"]:
        pinned = world.pins.bind(run, "errors", kind="credential", event="credential.invalid")
    return error_elements(arm) if pinned is MISSING else list(pinned)


def task_of(world: World, run: Object) -> Object:
    """The run's task; one that was deleted meanwhile asks for nothing any more."""
    return world.find("tasks", run["task_id"]) or {"id": run["task_id"], **KINDS["tasks"].defaults}


def overlaid(output: Any, path: list[str], value: Any) -> Any:
    """*output* with the field at *path* set, and objects put wherever the way there leads through something else."""
    name, *rest = path
    output = output if isinstance(output, dict) else {}
    return {**output, name: overlaid(output.get(name), rest, value) if rest else value}
