"""How many connect sessions one process makes in a second, on each database; the callers are processes of their own."""

from __future__ import annotations

import json
import multiprocessing
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from math import inf
from statistics import median

from benchmarks.figures import Figure
from benchmarks.line import Line
from benchmarks.stage import Stage, stage
from tests.conftest import settings
from tests.services import postgres, redis
from webapp import create_app
from webapp.db import db, writing
from webapp.models import Host, HostKey

HOSTS, EACH, CALLERS, ROUNDS = 8, 250, 4, 6


def measure() -> Iterator[Figure]:
    with stage() as running:
        yield from made(running, "SQLite")
    if postgres() and redis():
        with stage(shared=True) as running:
            yield from made(running, "PostgreSQL")
    else:
        print("*** NOT RUN: connect sessions on PostgreSQL; it is not here, or there is no Redis")


def made(running: Stage, where: str) -> Iterator[Figure]:
    """As fast as a few servers ask; each host stays within its 600 a minute. The first round warms everybody up.

    The best round counts, for a machine that is lent to others as well only ever slows one down; the middle one is
    told beside it.
    """
    port, count = int(running.url.rpartition(":")[2]), HOSTS * EACH
    each, costs = [], []
    with ProcessPoolExecutor(CALLERS, multiprocessing.get_context("spawn")) as pool:
        for _ in range(1 + ROUNDS):
            keys = hosts_of(running)
            began, computed = time.perf_counter(), running.cpu_seconds()
            list(pool.map(ask, [port] * HOSTS, keys))
            each.append((time.perf_counter() - began) / count)
            costs.append((running.cpu_seconds() - computed) / count)
    best, usual = min(each[1:]), median(each[1:])
    what = f"a connect session made, {where}"
    yield Figure(f"{what}, best of {ROUNDS} ({1 / best:.0f} a second)", best * 1000, 1000 / 300, "ms")
    yield Figure(f"{what}: the middle of them ({1 / usual:.0f} a second)", usual * 1000, inf, "ms")
    yield Figure(f"{what}: what the app computes", min(costs[1:]) * 1000, inf, "ms")


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
