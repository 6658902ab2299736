"""Pictures of what the agent saw, about every five seconds of a run.

None is stored: how long a run worked says how many there are, and each is painted when somebody looks.
"""

from __future__ import annotations

import struct
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

from .clock import moment, parse_moment
from .objects import Object

if TYPE_CHECKING:
    from .world import World

EVERY = timedelta(seconds=5)
KEPT = timedelta(days=15)
MOST = 720
"""An hour's worth, so that a run with a timeout of years still has a list. Deck publishes no limit; ours."""

FILE_TYPE = "image/png"
WIDTH, HEIGHT = 32, 18
REASONING = (
    "Opened the page and looked for the way to sign in.",
    "Signed in and looked around.",
    "Went to where the task's answer should be.",
    "Read what the page shows.",
)
"""What the agent thought at the first, second and third picture, and at every later one."""


def of_run(world: World, run: Object) -> list[Object]:
    """The pictures of *run* that are still kept, oldest first."""
    began = parse_moment(run.get("_began") or run["created_at"])
    count = min(run["runtime_ms"] // (EVERY // timedelta(milliseconds=1)), MOST)
    shots = [_shot(run, n, moment(began + n * EVERY)) for n in range(1, count + 1)]
    since = moment(world.clock.now - KEPT)
    return [shot for shot in shots if shot["created_at"] >= since]


def find(world: World, id: str) -> Object | None:
    """The picture with this id, with its bytes as the content of a file."""
    run_id, _, _ = id.partition("-")
    run = world.find("task_runs", run_id)
    shot = next((shot for shot in of_run(world, run) if shot["id"] == id), None) if run else None
    if shot is None:
        return None
    red, green, blue = world.derive.digest("screenshot", id)[:3]
    return {**shot, "_content": png(red, green, blue).decode(errors="surrogateescape")}


def _shot(run: Object, n: int, created_at: str) -> Object:
    return {
        "id": f"{run['id']}-{n}",
        "file_name": f"screenshot-{n:03d}.png",
        "file_type": FILE_TYPE,
        "file_size": SIZE,
        "created_at": created_at,
        "reasoning": REASONING[min(n, len(REASONING)) - 1],
    }


def png(red: int, green: int, blue: int) -> bytes:
    """A small picture of one colour. Nothing is compressed, so every one has the same size on every machine."""
    row = b"\0" + bytes((red, green, blue)) * WIDTH
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    pixels = zlib.compress(row * HEIGHT, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


SIZE = len(png(0, 0, 0))
