"""Deck's nouns: their prefixes, fields and the two ways each is shown (REST and event snapshot)."""

from __future__ import annotations

import copy
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

Object = dict[str, Any]
"""One Deck object. Keys that start with an underscore are the twin's own and are never shown."""

Store = MutableMapping[str, Object]


@dataclass(frozen=True)
class Kind:
    """One noun of Deck's."""

    prefix: str
    word: str
    defaults: Object
    snapshot: tuple[str, ...] = ()
    """The fields an event about it carries."""
    references: dict[str, str] = field(default_factory=dict)
    """The fields that name another object, and its kind."""
    may_reference: dict[str, str] = field(default_factory=dict)
    """The same, for fields that can be null."""
    children: dict[str, str] = field(default_factory=dict)
    """The lists whose elements carry the id of another object, and its kind."""
    seedable: bool = True
    kept: timedelta | None = None
    """How long it can be read: older ones are in no list and behind no GET."""

    def fresh(self) -> Object:
        return copy.deepcopy(self.defaults)


KINDS = {
    "agents": Kind("agt", "agent", {"name": None, "description": None}, ("name", "description")),
    "sources": Kind(
        "src",
        "source",
        {"name": None, "type": "website", "website": {"url": ""}},
        ("name", "type", "website"),
    ),
    "credentials": Kind(
        "cred",
        "credential",
        {
            "status": "unverified",
            "external_id": None,
            "source_id": None,
            "auth_method": "none",
            "auth_credentials": {"username": None, "key": None},
            "_password": None,
        },
        ("status", "external_id", "source_id", "auth_method"),
        {"source_id": "sources"},
    ),
    "tasks": Kind(
        "task",
        "task",
        {
            "name": None,
            "prompt": None,
            "status": "learning",
            "agent_id": None,
            "input_schema": None,
            "output_schema": None,
            "storage": None,
            "extraction": False,
            "settings": None,
        },
        ("name", "status", "agent_id"),
        {"agent_id": "agents"},
    ),
    "task_runs": Kind(
        "trun",
        "task_run",
        {
            "status": "queued",
            "result": None,
            "task_id": None,
            "credential_id": None,
            "session_id": None,
            "workflow_id": None,
            "agent_id": None,
            "source_id": None,
            "runtime_ms": 0,
            "input": None,
            "output": None,
            "storage": [],
            "errors": [],
            "interaction": None,
            "canceled_at": None,
            "_pace": {},
            "_rounds": [],
            "_asked": 0,
            "_found": {},
            "_arm": "completed",
        },
        (
            "status",
            "result",
            "task_id",
            "credential_id",
            "agent_id",
            "source_id",
            "workflow_id",
            "runtime_ms",
        ),
        {"task_id": "tasks"},
        {
            "agent_id": "agents",
            "credential_id": "credentials",
            "source_id": "sources",
            "session_id": "sessions",
        },
        {"storage": "storage"},
    ),
    "sessions": Kind(
        "sess",
        "session",
        {"status": "queued", "runtime_ms": 0, "task_runs": []},
        ("status", "runtime_ms"),
        children={"task_runs": "task_runs"},
    ),
    "storage": Kind(
        "stor",
        "storage",
        {
            "file_name": "",
            "file_type": "application/octet-stream",
            "file_size": 0,
            "metadata": None,
            "extraction": None,
            "task_run_id": None,
            "result": "success",
            "purpose": "output",
            "_content": "",
        },
        ("file_name", "file_type", "file_size", "task_run_id"),
        {"task_run_id": "task_runs"},
        kept=timedelta(days=90),
    ),
    "tokens": Kind("tok", "token", {"expires_at": None}, seedable=False),
    "event_destinations": Kind(
        "evtd",
        "event_destination",
        {"name": None, "type": "webhook", "status": "active", "events": ["*"], "webhook": {"url": ""}},
        ("name", "type", "status"),
        seedable=False,
    ),
    "events": Kind("evt", "event", {}, seedable=False, kept=timedelta(days=30)),
    "event_deliveries": Kind("edlv", "event_delivery", {}, seedable=False),
}

ONLY_CREATED_AT = {"events", "event_deliveries", "storage", "tokens"}
"""Kinds without `updated_at`."""

EVENT_TYPES = [
    f"{noun}.{action}"
    for noun, actions in {
        "agent": "created updated deleted",
        "source": "created updated deleted",
        "credential": "created unverified verified invalid deleted",
        "session": "queued running idle completing completed failed",
        "task": "created updated reset deleted",
        "task_run": "queued running interaction_required review_required completed failed canceling canceled",
        "storage": "created",
        "event_destination": "activated deactivated",
        "user": "created",
    }.items()
    for action in actions.split()
]
"""All 33 event types. `task_run.canceling` has one L although the status `cancelling` has two."""


def put_in_order(store: Store) -> None:
    """Oldest first, as lists read a store backwards. Only seeded objects can come out of order."""
    ordered = sorted(store.items(), key=lambda entry: (entry[1]["created_at"], entry[0]))
    store.clear()
    store.update(ordered)


def deletion(item: Object) -> Object:
    """What every DELETE answers."""
    return {"id": item["id"], "object": item["object"], "deleted": True}


def rest_view(kind: str, item: Object) -> Object:
    """The object as the API shows it: without the twin's own fields."""
    shown = {key: value for key, value in item.items() if not key.startswith("_")}
    if kind in ONLY_CREATED_AT:
        shown.pop("updated_at", None)
    return copy.deepcopy(shown)


def snapshot(kind: str, item: Object) -> Object:
    """The frozen subset an event carries: fields dropped, and "" where REST says null."""
    fields = ("id", "object", *KINDS[kind].snapshot, "created_at", "updated_at")
    shown = {name: item[name] for name in fields if name in item}
    if kind in ONLY_CREATED_AT:
        shown.pop("updated_at", None)
    return {name: "" if value is None else copy.deepcopy(value) for name, value in shown.items()}
