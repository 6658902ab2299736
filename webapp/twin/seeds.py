"""Seeds: ready-made objects put in place, as if their history had happened.

Nothing happens by it: no events, and no timers unless what was under way is to be resumed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .beginnings import resume, resume_session
from .bodies import schema_problem
from .clock import moment
from .errors import ControlError
from .files import check_file, content_of, put_on, size_of
from .objects import KINDS, Object, put_in_order
from .pinnable import PUBLIC_INTERACTION, check_interaction

if TYPE_CHECKING:
    from .world import World

Seeded = list[tuple[str, Object]]
"""What is about to be put in place, each with its kind."""


def plant(
    world: World, objects: dict[str, list[Object]], *, mode: str, strict: bool, under_way: bool
) -> dict[str, list[str]]:
    """Put *objects*, by kind, in place: all of them, or none and a 422 or 409. Their ids, by kind.

    *mode* is insert or upsert. With *strict* every object they name has to be there; with *under_way* those in the
    middle of something go on with it.
    """
    if mode not in ("insert", "upsert"):
        raise ControlError(422, "unknown_field", f"no mode {mode!r}", hint="insert or upsert")
    ready: Seeded = []
    for kind, items in objects.items():
        if kind not in KINDS or not KINDS[kind].seedable:
            known = ", ".join(k for k, v in KINDS.items() if v.seedable)
            raise ControlError(422, "unknown_field", f"{kind} cannot be seeded", hint=f"known: {known}")
        ready += [(kind, _whole(world, kind, item, mode)) for item in items]
    arriving = {(kind, item["id"]) for kind, item in ready}
    if len(arriving) < len(ready):
        raise ControlError(409, "seed_conflict", "an id is there twice")
    if strict:
        _check_references(world, ready, arriving)
    for kind, item in ready:
        _forget_timers(world, kind, item["id"])
        world.stores[kind][item["id"]] = item
    for kind in objects:
        put_in_order(world.stores[kind])
    _join_families(world, arriving)
    if under_way:
        _resume(world, ready)
    return {kind: [item["id"] for k, item in ready if k == kind] for kind in objects}


def _whole(world: World, kind: str, given: Object, mode: str) -> Object:
    """The object with everything that was left out, its secrets where no read shows them."""
    noun = KINDS[kind]
    if not isinstance(given, dict):
        raise ControlError(422, "unknown_field", f"{kind} are objects, not {given!r}")
    id = given.get("id") or world.new_id(kind)
    pattern = rf"^{noun.prefix}_[0-9A-Za-z]{{4,32}}$"
    if not isinstance(id, str) or not re.fullmatch(pattern, id):
        raise ControlError(422, "invalid_seed_id", f"{id!r} does not match {kind} pattern {pattern}")
    if id in world.stores[kind] and mode == "insert":
        raise ControlError(409, "seed_conflict", f"{id} exists already", hint='use "mode": "upsert"')
    given = _written_as_found(kind, copy.deepcopy(given))
    if unknown := set(given) - set(noun.defaults) - {"id", "created_at", "updated_at"}:
        raise ControlError(422, "unknown_field", f"{kind} has no field {sorted(unknown)[0]!r}")
    now = moment(world.clock.now)
    item = {"id": id, "object": noun.word, **noun.fresh(), "created_at": now, "updated_at": now}
    item.update(given, id=id)
    for name in ("created_at", "updated_at"):
        item[name] = moment(world.at(item[name]))
    return item


def _written_as_found(kind: str, given: Object) -> Object:
    """The parts that are written as a caller or a site would give them, in the twin's own form."""
    if kind == "credentials" and "password" in (given.get("auth_credentials") or {}):
        given["_password"] = given["auth_credentials"].pop("password")
    if kind == "tasks":
        for name in ("input_schema", "output_schema"):
            if given.get(name) is not None and (problem := schema_problem(given[name])):
                raise ControlError(422, "unknown_field", f"{name} of a task {problem}")
    if kind == "storage" and {"content", "content_base64"} & given.keys():
        file: Object = {name: given[name] for name in ("content", "content_base64") if name in given}
        check_file({"file_name": "", **file})
        given = {name: value for name, value in given.items() if name not in file}
        given["_content"] = content_of(file)
        given["file_size"] = size_of(given["_content"])
    if kind == "task_runs" and given.get("interaction") is not None:
        check_interaction(given["interaction"])
        given["_rounds"] = [copy.deepcopy(given["interaction"])]
        given["interaction"] = {name: given["interaction"][name] for name in PUBLIC_INTERACTION}
    return given


# --- what belongs together ---------------------------------------------------------------------------------------


def _named(kind: str, item: Object) -> Iterator[tuple[str, str, object]]:
    """Every object *item* names, its children too: under which key, of what kind and by which id."""
    for key, target in KINDS[kind].references.items():
        yield key, target, item.get(key)
    for key, target in KINDS[kind].may_reference.items():
        if item.get(key) is not None:
            yield key, target, item[key]
    for key, target in KINDS[kind].children.items():
        for child in item[key]:
            yield f"{key}.id", target, child.get("id") if isinstance(child, dict) else child


def _check_references(world: World, ready: Seeded, arriving: set[tuple[str, str]]) -> None:
    for kind, item in ready:
        for key, target, id in _named(kind, item):
            if (target, id) not in arriving and not world.find(target, id):
                text = f"{kind} {item['id']} names {key} {id!r}, which does not exist"
                hint = 'seed it, too, or use "references": "ignore"'
                raise ControlError(422, "dangling_reference", text, hint=hint)


def _join_families(world: World, arriving: set[tuple[str, str]]) -> None:
    """Let both sides know each other: runs their task's agent and their session, sessions and files their runs."""
    for kind, id in sorted(arriving):
        item = world.stores[kind][id]
        if kind == "task_runs":
            task, credential = world.find("tasks", item["task_id"]), world.find("credentials", item["credential_id"])
            item["agent_id"] = item["agent_id"] or (task and task["agent_id"])
            item["source_id"] = item["source_id"] or (credential and credential["source_id"])
    for kind, id in sorted(arriving):
        item = world.stores[kind][id]
        if kind == "task_runs" and (session := world.find("sessions", item["session_id"])):
            world.runs.sessions.link(session, item)
        for link in item["task_runs"] if kind == "sessions" else ():
            if run := world.find("task_runs", link["id"]):
                run["session_id"] = run["session_id"] or id
    for item in world.stores["storage"].values():
        run = world.find("task_runs", item["task_run_id"])
        if run and {("storage", item["id"]), ("task_runs", run["id"])} & arriving:
            put_on(run, item)


# --- what is under way -------------------------------------------------------------------------------------------


def _forget_timers(world: World, kind: str, id: str) -> None:
    """What is replaced waits for nothing any more."""
    if id in world.stores[kind] and kind in ("task_runs", "sessions"):
        world.clock.drop(**{"run_id" if kind == "task_runs" else "session_id": id})


def _resume(world: World, ready: Seeded) -> None:
    for kind, item in ready:
        if kind == "sessions":
            resume_session(world, item)
    for kind, item in ready:
        if kind == "task_runs":
            resume(world, item)
