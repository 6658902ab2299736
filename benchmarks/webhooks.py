"""How fast webhooks are acknowledged: signed, stored with synchronous=FULL, open loop. A usual day, and a flood."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from benchmarks.figures import Figure, percentile
from benchmarks.stage import SECRET, stage


def measure() -> Iterator[Figure]:
    with stage() as running:
        waits, refused = asyncio.run(knock(running.url, per_second=100, seconds=20))
    yield Figure("webhook acknowledged at 100/s on SQLite, p50", 1000 * percentile(waits, 0.5), 10, "ms")
    yield Figure("webhook acknowledged at 100/s on SQLite, p99", 1000 * percentile(waits, 0.99), 250, "ms")
    yield Figure(f"webhooks not acknowledged, of {len(waits)}", refused, 0, "")


def flood() -> Iterator[Figure]:
    with stage() as running:
        waits, refused = asyncio.run(knock(running.url, per_second=500, seconds=60))
        backlog = until_read(running.database)
    yield Figure(
        "webhook acknowledged at 500/s for a minute on SQLite, p99", 1000 * percentile(waits, 0.99), 1000, "ms"
    )
    yield Figure(f"webhooks not acknowledged, of {len(waits)}", refused, 0, "")
    yield Figure("until the flood's backlog was gone", backlog, 300, "s")


def until_read(database: str) -> float:
    """Seconds until no event waits in the inbox."""
    begun = time.monotonic()
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection:
        while connection.execute("SELECT 1 FROM event WHERE handled_at IS NULL LIMIT 1").fetchone():
            time.sleep(0.1)
    return time.monotonic() - begun


async def knock(url: str, *, per_second: int, seconds: int) -> tuple[list[float], int]:
    """Each delivery starts on time whether or not earlier ones are done: (seconds of each, how many were refused)."""
    waits: list[float] = []
    refused = 0

    async def one(client: httpx.AsyncClient, number: int) -> None:
        nonlocal refused
        body, headers = delivery(number)
        started = time.perf_counter()
        answer = await client.post(f"{url}/webhooks/deck", content=body, headers=headers)
        waits.append(time.perf_counter() - started)
        refused += answer.status_code != 204

    async with httpx.AsyncClient(timeout=10) as client:
        begun = time.perf_counter()
        tasks = []
        for number in range(per_second * seconds):
            await asyncio.sleep(max(0, begun + number / per_second - time.perf_counter()))
            tasks.append(asyncio.create_task(one(client, number)))
        await asyncio.gather(*tasks)
    return waits, refused


def delivery(number: int) -> tuple[bytes, dict[str, str]]:
    now = datetime.now(UTC)
    id = f"evt_bench{number:011d}"
    data = {"id": f"trun_{number:016d}", "object": "task_run", "status": "running", "result": ""}
    event = {"id": id, "object": "event", "type": "task_run.running", "data": data, "created_at": now.isoformat()}
    body = json.dumps(event)
    signature = Webhook(SECRET).sign(id, now, body)
    headers = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return body.encode(), headers
