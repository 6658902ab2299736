"""How many connect sessions one process makes in a second, on each database; the callers are processes of their own."""

from __future__ import annotations

import json
import multiprocessing
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from math import inf

from benchmarks.figures import Figure
from benchmarks.line import Line
from benchmarks.stage import Stage, stage
from tests.conftest import settings
from tests.services import postgres, redis
from webapp import create_app
from webapp.db import db, writing
from webapp.models import Host, HostKey

HOSTS, EACH, CALLERS = 8, 250, 4


def measure() -> Iterator[Figure]:
    with stage() as running:
        yield from made(running, "SQLite")
    if postgres() and redis():
        with stage(shared=True) as running:
            yield from made(running, "PostgreSQL")
    else:
        print("*** NOT RUN: connect sessions on PostgreSQL; it is not here, or there is no Redis")


def made(running: Stage, where: str) -> Iterator[Figure]:
    """As fast as a few servers ask; each host stays within its 600 a minute. The first round warms everybody up."""
    keys, port = hosts_of(running), int(running.url.rpartition(":")[2])
    with ProcessPoolExecutor(CALLERS, multiprocessing.get_context("spawn")) as pool:
        for _ in ("warm", "measured"):
            began, computed = time.perf_counter(), running.cpu_seconds()
            list(pool.map(ask, [port] * len(keys), keys))
    count = EACH * len(keys)
    each, cost = (time.perf_counter() - began) / count, (running.cpu_seconds() - computed) / count
    what = f"a connect session made, {where}"
    yield Figure(f"{what} ({1 / each:.0f} a second), {CALLERS} callers", each * 1000, 1000 / 300, "ms")
    yield Figure(f"{what}: what the app computes", cost * 1000, inf, "ms")


def ask(port: int, key: str) -> None:
    body = json.dumps({"user": {"client_user_id": "user-7"}, "tags": {"plan": "plus"}}).encode()
    with Line(port, {"Authorization": f"Bearer {key}"}) as line:
        for _ in range(EACH):
            line.json("POST", "/v1/connect/sessions", body, "application/json")


def hosts_of(running: Stage) -> list[str]:
    """Keys of as many hosts, written where the app reads."""
    app = create_app(settings(running.database))
    with app.app_context():
        with writing():
            hosts = [Host(name=f"Bench {secrets.token_hex(4)}", is_test=True) for _ in range(HOSTS)]
            db.session.add_all(hosts)
            db.session.flush()
            keys = [HostKey.issue(host) for host in hosts]
        db.session.remove()
        db.engine.dispose()
    app.extensions["gangway"].bus.close()
    return keys
