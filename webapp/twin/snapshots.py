"""Snapshots: the whole world as one JSON document, to come back to or to keep in a file.

The registry of what a world remembers is the world itself: `remembered` is every attribute of it that is not in
`LASTING`. A new store is therefore in every snapshot, and a test sees that `reset` makes it anew (rule e.11).
"""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
import threading
from collections import Counter, deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .clock import moment, parse_moment
from .errors import ControlError
from .objects import Object

if TYPE_CHECKING:
    from .world import World

DOCUMENT_VERSION = 1
"""The control version that wrote a document; another one cannot read it."""

LASTING = {"lock", "api_key", "admin_key", "epoch", "snapshots", "stream", "columns"}
"""What outlives a reset or is made of what else there is, and is in no snapshot: the keys, and what is not state."""

JOURNALS = {"journal", "traces", "seq"}
"""What a restore leaves alone when the journal is to be kept."""

KEYS = {"id", "name", "control_version", "now", "seq", "sha256", "bytes", "world"}

UNWRITTEN = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event)
"""Fields of these types are not state: a restored world has its own."""

TAG = "$type"


class Snapshots:
    """The snapshots taken of a world, oldest first. Whoever calls it holds the world's lock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._count = 0
        self._documents: dict[str, Object] = {}

    def create(self, name: str = "") -> Object:
        """Take a snapshot; what `list` shows of it."""
        world = self.world
        content = {attribute: encoded(value) for attribute, value in remembered(world).items()}
        return self._keep(
            {
                "name": name,
                "control_version": DOCUMENT_VERSION,
                "now": moment(world.clock.now),
                "seq": world.seq,
                "sha256": world.state_hash(),
                "bytes": len(json.dumps(content, separators=(",", ":"))),
                "world": content,
            }
        )

    def list(self) -> list[Object]:
        return [_summary(document) for document in self._documents.values()]

    def get(self, id_or_name: str) -> Object:
        """The whole document; the newest of that name."""
        for document in reversed(self._documents.values()):
            if id_or_name in (document["id"], document["name"]):
                return document
        raise ControlError(
            404, "unknown_snapshot", f"no snapshot {id_or_name!r}", hint="GET /__admin__/snapshots lists them"
        )

    def add(self, document: Object) -> Object:
        """Take in a document that `get` gave, of this world or another; it gets an id of its own here."""
        if document.get("control_version") != DOCUMENT_VERSION:
            raise ControlError(
                409,
                "snapshot_version",
                f"the document is of control version {document.get('control_version')!r}, this is {DOCUMENT_VERSION}",
            )
        if set(document) != KEYS or not isinstance(document["world"], dict):
            raise ControlError(422, "unknown_field", "this is not a whole snapshot", hint=f"it has {sorted(KEYS)}")
        missing = set(remembered(self.world)) ^ set(document["world"])
        if missing:
            raise ControlError(422, "unknown_field", f"its world and this one differ in {sorted(missing)}")
        try:
            for value in document["world"].values():
                decoded(value, self.world)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ControlError(422, "unknown_field", f"the document is damaged: {error!r}") from error
        return self._keep({key: value for key, value in document.items() if key != "id"})

    def restore(self, id_or_name: str, *, keep_journal: bool = False) -> Object:
        """Make the world as it was, in a new epoch: work under way for the old one is discarded."""
        world = self.world
        content = self.get(id_or_name)["world"]
        kept = {name: value for name, value in remembered(world).items() if keep_journal and name in JOURNALS}
        world.reset()
        for name, fresh in remembered(world).items():
            setattr(world, name, kept[name] if name in kept else _revived(content[name], fresh, world))
        return {"epoch": world.epoch, "now": moment(world.clock.now), "sha256": world.state_hash()}

    def delete(self, id_or_name: str) -> None:
        del self._documents[self.get(id_or_name)["id"]]

    def clear(self) -> None:
        self._documents.clear()

    def _keep(self, document: Object) -> Object:
        self._count += 1
        kept = {"id": f"snap_{self._count:04d}", **copy.deepcopy(document)}
        self._documents[kept["id"]] = kept
        return _summary(kept)


def remembered(world: World) -> Object:
    """Every store and room of the world that reset makes anew and a snapshot holds, by name."""
    return {name: value for name, value in vars(world).items() if name not in LASTING}


def _summary(document: Object) -> Object:
    return {key: document[key] for key in ("id", "name", "now", "seq", "sha256", "bytes")}


# --- the world as JSON -----------------------------------------------------------------------------------------


def encoded(value: Any) -> Any:
    """*value* as JSON. What JSON has no word for becomes an object with a `$type`; TypeError for what is not data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [encoded(one) for one in value]
    if isinstance(value, dict):  # as a list of pairs: JSON objects have no order, stores do
        name = "Counter" if isinstance(value, Counter) else "dict"
        return {TAG: name, "items": [[encoded(key), encoded(one)] for key, one in value.items()]}
    if isinstance(value, datetime):
        return {TAG: "datetime", "at": value.isoformat()}
    if isinstance(value, timedelta):
        return {TAG: "timedelta", "microseconds": value // timedelta(microseconds=1)}
    if isinstance(value, bytes | bytearray):
        return {TAG: type(value).__name__, "hex": value.hex()}
    if isinstance(value, set | frozenset):
        return {TAG: type(value).__name__, "items": sorted((encoded(one) for one in value), key=json.dumps)}
    if isinstance(value, tuple | deque):
        most = value.maxlen if isinstance(value, deque) else None
        return {TAG: type(value).__name__, "items": [encoded(one) for one in value], "most": most}
    if _is_ours(type(value)):
        return {TAG: f"{type(value).__module__}:{type(value).__qualname__}", "fields": _fields(value)}
    raise TypeError(f"{value!r} cannot be part of a snapshot")


def decoded(value: Any, world: World) -> Any:
    """What `encoded` was given. Only data and the twin's own classes come to life; none of their code is run."""
    if isinstance(value, list):
        return [decoded(one, world) for one in value]
    if not isinstance(value, dict):
        return value
    name = value[TAG]
    match name:
        case "dict" | "Counter":
            pairs = {decoded(key, world): decoded(one, world) for key, one in value["items"]}
            return Counter(pairs) if name == "Counter" else pairs
        case "datetime":
            return parse_moment(value["at"])
        case "timedelta":
            return timedelta(microseconds=value["microseconds"])
        case "bytes" | "bytearray":
            content = bytes.fromhex(value["hex"])
            return bytearray(content) if name == "bytearray" else content
        case "set" | "frozenset" | "tuple":
            make = {"set": set, "frozenset": frozenset, "tuple": tuple}[name]
            return make(decoded(one, world) for one in value["items"])
        case "deque":
            return deque((decoded(one, world) for one in value["items"]), value["most"])
    module, _, qualname = name.partition(":")
    kind: Any = getattr(sys.modules.get(module), qualname, None)
    if not isinstance(kind, type) or not _is_ours(kind):
        raise ValueError(f"{name!r} is nothing of the twin's")
    made: Any = object.__new__(kind)
    for field, one in value["fields"].items():
        object.__setattr__(made, field, decoded(one, world))  # dataclasses may be frozen
    if "world" in getattr(vars(kind).get("__init__"), "__annotations__", {}):
        object.__setattr__(made, "world", world)
    return made


def _revived(value: Any, fresh: Any, world: World) -> Any:
    """A decoded value; a room keeps being the fresh object, with its own locks and functions."""
    made = decoded(value, world)
    if type(made) is type(fresh) and _is_ours(type(made)):
        vars(fresh).update(vars(made))
        return fresh
    return made


def _fields(value: Any) -> Object:
    own = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else list(vars(value))
    fields = {name: getattr(value, name) for name in own}
    return {name: encoded(one) for name, one in fields.items() if not _is_wiring(name, one)}


def _is_wiring(name: str, value: Any) -> bool:
    """The way back to the world, locks and functions: how a room is connected, not what it knows."""
    return name == "world" or isinstance(value, UNWRITTEN) or callable(value)


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith(__name__.rpartition(".")[0] + ".")
