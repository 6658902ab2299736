"""The event log, kept small: 100,000 runs leave a million events behind, and most are never looked at again.

The newest are at hand as they are. Older ones lie in blocks, compressed with the bytes that were sent, and are read
again when somebody asks: what comes out is what went in.
"""

from __future__ import annotations

import json
import struct
import zlib
from bisect import bisect_right
from collections.abc import Collection, Iterator, MutableMapping
from functools import lru_cache

from .objects import EVENT_TYPES, Object

BLOCK = 64
"""Events of a block: with fewer, less is alike among them; with more, reading one costs more."""


class EventLog(MutableMapping[str, Object]):
    """Events by id, oldest first. They are added with growing `created_at`, and never changed or taken away."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._recent: list[Object] = []
        self._types = bytearray()
        self._places = Places()

    def __len__(self) -> int:
        return len(self._types)

    def __iter__(self) -> Iterator[str]:
        return (self.at(place)["id"] for place in range(len(self)))

    def __getitem__(self, id: str) -> Object:
        for place in self._places.of(id):
            event = self.at(place)
            if event["id"] == id:
                return event
        raise KeyError(id)

    def __setitem__(self, id: str, event: Object) -> None:
        self._places.add(id, len(self))
        self._types.append(EVENT_TYPES.index(event["type"]))
        self._recent.append(event)
        if len(self._recent) == 2 * BLOCK:
            self._blocks.append(packed(self._recent[:BLOCK]))
            self._recent = self._recent[BLOCK:]

    def __delitem__(self, id: str) -> None:
        raise TypeError("what happened cannot be undone")

    def at(self, place: int) -> Object:
        """The event at *place*, counted from 0."""
        block, offset = divmod(place, BLOCK)
        if block < len(self._blocks):
            return unpacked(self._blocks[block])[offset]
        return self._recent[place - BLOCK * len(self._blocks)]

    def since(self, count: int) -> list[Object]:
        """What was added after the first *count*, oldest first."""
        return [self.at(place) for place in range(count, len(self))]

    def newest_first(self, *, types: Collection[str] = (), until: str = "") -> Iterator[Object]:
        """Events of *types*, or all, up to the moment *until*; other types are passed over without being read."""
        end = len(self)
        if until:
            end = bisect_right(range(end), until, key=lambda place: self.at(place)["created_at"])
        wanted = {EVENT_TYPES.index(type) for type in types if type in EVENT_TYPES}
        marks = self._types.translate(bytes(not types or code in wanted for code in range(256)))
        while (end := marks.rfind(1, 0, end)) >= 0:
            yield self.at(end)


class Places:
    """Where each id is: eight bytes for each, as one of a million must not cost a dict's entry and a text."""

    ROW = struct.Struct("<II")

    def __init__(self) -> None:
        self._shelves: dict[int, bytearray] = {}

    def add(self, id: str, place: int) -> None:
        mark = zlib.crc32(id.encode())
        self._shelves.setdefault(mark % 4096, bytearray()).extend(self.ROW.pack(mark, place))

    def of(self, id: str) -> Iterator[int]:
        """The places where *id* may be. Another id can have the same mark, so whoever asks has to look."""
        mark = zlib.crc32(id.encode(errors="replace"))
        shelf, at = self._shelves.get(mark % 4096, b""), -1
        while (at := shelf.find(mark.to_bytes(4, "little"), at + 1)) >= 0:
            if at % self.ROW.size == 0:
                yield self.ROW.unpack_from(shelf, at)[1]


def packed(events: list[Object]) -> bytes:
    rows = [[event[name] for name in ("_body", "request_id", "_subject", "_cause")] for event in events]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode())


@lru_cache(maxsize=4)
def unpacked(block: bytes) -> list[Object]:
    """The events of *block*, for reading only: the next reader gets the same ones."""
    return [
        {**json.loads(body), "request_id": request_id, "_subject": subject, "_cause": cause, "_body": body}
        for body, request_id, subject, cause in json.loads(zlib.decompress(block))
    ]
