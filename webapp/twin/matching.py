"""Which requests a fault or a verification means, and which runs a pin means: the `Match` object."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .errors import ControlError
from .objects import KINDS, Object

if TYPE_CHECKING:
    from .world import World

ENTITIES = {
    "agent_id": "agents",
    "task_id": "tasks",
    "source_id": "sources",
    "credential_id": "credentials",
    "session_id": "sessions",
    "destination_id": "event_destinations",
}
"""The keys that name an object, and its kind."""

KIND_OF = {kind.word: name for name, kind in KINDS.items()}
"""Kinds by the word that their objects carry."""

GLOBS = ("operation", "kind", "username", "method", "path")
MATCH_KEYS = ("operation", "kind", "id", *ENTITIES, "username", "input", "header")


def facts_of(
    world: World,
    operation: str,
    route: str,
    args: Mapping[str, str],
    *,
    method: str,
    path: str,
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
    body: Any,
) -> Object:
    """What can be said about a request before it is answered: also what the objects it names belong to."""
    given = body if isinstance(body, dict) else {}
    resource = operation.split(".")[0]
    segments = route.strip("/").split("/")
    named = [
        (segments[at - 1].replace("-", "_"), args[segment[1:-1]])
        for at, segment in enumerate(segments)
        if segment.startswith("<") and segment[1:-1] in args
    ]
    ids = [id for _, id in named] + ([given["id"]] if isinstance(given.get("id"), str) else [])
    for key, kind in ENTITIES.items():
        values = [given.get(key), *(part for value in query.get(key, []) for part in value.split(","))]
        named += [(kind, value) for value in values if isinstance(value, str) and value]
    entities = belongings(world, named)
    secret = given.get("auth_credentials")
    return {
        "operation": operation,
        "kind": KINDS[resource].word if resource in KINDS else resource,
        "id": ids,
        **entities,
        "username": username_of(world, secret if isinstance(secret, dict) else {}, entities["credential_id"]),
        "input": given.get("input"),
        "header": {name.lower(): value for name, value in headers.items()},
        "method": method,
        "path": path,
        "body": body,
    }


def facts_about(world: World, event: Object) -> dict[str, list[str | None]]:
    """What can be said about an event: also what its object belongs to, and the runs a session or a file is of."""
    data, subject = event["data"], event["_subject"]
    kind = KIND_OF.get(data["object"], "")
    item = (world.find(kind, subject) if kind else None) or data
    runs = [run["id"] for run in item.get("task_runs", [])] + [data.get("task_run_id")]
    named = [(kind, subject), *(("task_runs", id) for id in runs if id)]
    named += [(owner, data[key]) for key, owner in ENTITIES.items() if data.get(key)]
    entities = belongings(world, named)
    return {
        **{key: [*ids] for key, ids in entities.items()},
        "event_type": [event["type"]],
        "kind": [data["object"]],
        "id": [subject],
        "username": [username_of(world, {}, entities["credential_id"])],
    }


def belongings(world: World, named: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Every entity *named* and every one those belong to, by key."""
    found: dict[str, list[str]] = {key: [] for key in ENTITIES}
    keys = {kind: key for key, kind in ENTITIES.items()}
    waiting, seen = list(named), set(named)
    while waiting:
        kind, id = waiting.pop(0)
        if kind in keys:
            found[keys[kind]].append(id)
        item = (world.find(kind, id) if kind in KINDS else None) or {}
        owners = [(owner, item[key]) for key, owner in ENTITIES.items() if isinstance(item.get(key), str)]
        waiting += [owner for owner in owners if owner not in seen]
        seen.update(owners)
    return found


def username_of(world: World, secret: Object, credential_ids: list[str]) -> str | None:
    for id in credential_ids:
        credential = world.find("credentials", id)
        if credential and not secret.get("username"):
            secret = credential["auth_credentials"]
    username = secret.get("username")
    return username if isinstance(username, str) else None


def check_match(match: object, *, also: Collection[str] = ()) -> Object:
    """*match*, if it is one; 422 otherwise (typos must not pass). *also* names further keys that are legal."""
    if not isinstance(match, dict):
        raise ControlError(422, "unknown_field", "match is an object")
    known = (*MATCH_KEYS, *also)
    for key, wanted in match.items():
        if key not in known:
            raise ControlError(422, "unknown_field", f"match has no field {key!r}", hint=f"known: {', '.join(known)}")
        if key == "header":
            if not isinstance(wanted, dict) or not all(isinstance(value, str) for value in wanted.values()):
                raise ControlError(422, "unknown_field", "match.header is an object of texts")
        elif key not in ("input", "body") and not isinstance(wanted, str):
            raise ControlError(422, "unknown_field", f"match.{key} is a text")
    return match


def differences(facts: Object, match: Object) -> list[Object]:
    """Where the request is not what *match* asks for, as `{at, want, got}`; nothing when it matches."""
    found: list[Object] = []
    for key, wanted in match.items():
        if key in ("input", "body"):
            found += leaves_that_differ(facts[key], wanted, f"/{key}")
        elif key == "header":
            for name, value in wanted.items():
                got = facts["header"].get(name.lower())
                if not fits(got, value):
                    found.append({"at": f"/header/{name.lower()}", "want": value, "got": got})
        elif key in GLOBS:
            if not fits(facts[key], wanted):
                found.append({"at": f"/{key}", "want": wanted, "got": facts[key]})
        elif wanted not in facts[key]:
            found.append({"at": f"/{key}", "want": wanted, "got": facts[key]})
    return found


def fits(have: str | None, wanted: str) -> bool:
    """Whether *have* is *wanted*, which may hold `*`."""
    return have is not None and (have == wanted or fnmatchcase(have, wanted))


def leaves_that_differ(have: Any, wanted: Any, at: str) -> Iterator[Object]:
    """The leaves of *wanted* that *have* lacks: none when it is a deep subset."""
    if isinstance(wanted, dict) and isinstance(have, dict):
        for key, value in wanted.items():
            yield from leaves_that_differ(have.get(key), value, f"{at}/{key}")
    elif have != wanted:
        yield {"at": at, "want": wanted, "got": have}


def specificity(match: Object, *, named: bool) -> tuple[int, int, int, int]:
    """Highest first: an id; then entity keys; then input leaves; then operation or kind, or a *named* operation."""
    keys = set(match)
    leaves = match.get("input")
    return (
        int("id" in keys),
        len(keys - {"id", "input", "operation", "kind"}),
        count_leaves(leaves) if leaves else 0,
        int(named or bool(keys & {"operation", "kind"})),
    )


def count_leaves(value: Any) -> int:
    return sum(map(count_leaves, value.values())) if isinstance(value, dict) else 1
