"""Load on each database while somebody pulls plugs. ``SOAK_SECONDS`` makes it longer, ``SOAK_SEED`` repeats the killings."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.crash import checks
from tests.crash.soak import GANGWAY, Killer, Stubborn, Ward
from tests.crash.town import rows
from tests.databases import Databases, PostgresDatabases, SqliteFiles, throw_away
from tests.processes import answering, free_ports, running
from tests.services import postgres
from tests.test_programs import gangway, settings
from webapp.sync import WANTED_EVENTS
from webapp.twin.client import Twin
from webapp.twin.clock import parse_moment

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
SEED = int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(1_000_000)))
PEOPLE = 3
RECOVERY = 240.0
"""Seconds until everything is at rest after the last death. A chore's lease is two minutes: nobody waits longer."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * SECONDS + RECOVERY + 120)]


@dataclass
class House:
    """The installation: what is killed in it, and what is not."""

    url: str
    twin: Twin
    wards: list[Ward]
    database: str
    logs: Path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """`gangway serve` and a `gangway worker` beside it; a `gangway twin` in real time."""
    databases: Databases = SqliteFiles(tmp_path)
    if request.param == "postgres":
        server = postgres()
        assert server
        databases = PostgresDatabases(server)
    port, ops, twin_port = free_ports(), free_ports(), free_ports()
    twin_log, log = tmp_path / "twin.log", tmp_path / "gangway.log"
    command = [*GANGWAY, "twin", "--port", str(twin_port), "--api-key", "sk_live_another_key", "--demo-sites"]
    with ExitStack() as stack:
        database = stack.enter_context(throw_away(databases))
        environ = settings(tmp_path, port, twin_port) | {"DATABASE_URL": database}
        process = stack.enter_context(running(command, twin_log))
        answering(f"http://127.0.0.1:{twin_port}/__admin__/health", process, twin_log)
        for prepare in (["db", "upgrade"], ["deck", "sync"]):
            done = gangway(*prepare, environ=environ)
            assert done.returncode == 0, done.stderr
        wards = [
            Ward(["serve", "--bind", f"127.0.0.1:{port}"], environ, log, port),
            Ward(["worker"], environ | {"OPS_BIND": f"127.0.0.1:{ops}"}, log, ops),
        ]
        for ward in wards:
            stack.callback(ward.ends)
        url = f"http://127.0.0.1:{port}"
        answering(url, wards[0].process, log)
        twin = stack.enter_context(Twin(f"http://127.0.0.1:{twin_port}"))
        yield House(url, twin, wards, database, tmp_path)


def test_killed_at_random(house: House) -> None:
    killer = Killer(house.wards, SEED)
    ends = time.monotonic() + SECONDS
    people = [Stubborn(house.url, f"person{i}") for i in range(PEOPLE)]
    print(f"SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:g}")  # shown when it fails
    killing = threading.Thread(target=killer.goes_round, daemon=True)
    killing.start()
    with ThreadPoolExecutor(PEOPLE) as pool:
        lives = [pool.submit(person.lives, lambda: time.monotonic() > ends) for person in people]
        try:
            wait(lives, timeout=SECONDS, return_when=FIRST_COMPLETED)  # none ends early unless it failed
        finally:
            killer.stopping.set()
            killing.join()
        for person, life in zip(people, lives, strict=True):
            life.result()
            person.http.close()
    deaths = sum(ward.deaths for ward in house.wards)
    print(f"{deaths} deaths, {sum(person.rounds for person in people)} connections made and undone")
    assert deaths >= SECONDS / 10, "hardly anybody died"
    assert 500 not in set().union(*(person.statuses for person in people))
    comes_to_rest(house)
    assert_nothing_is_lost(house)
    checks.assert_nothing_secret_is_kept(house.database, house.logs)


def comes_to_rest(house: House) -> None:
    """Nobody does anything; it gets there by itself."""
    until = time.monotonic() + RECOVERY
    while waits := [*checks.unfinished(house.database), *differences(house)]:
        assert time.monotonic() < until, f"after {RECOVERY:g} s: {waits}"
        time.sleep(1)


def differences(house: House) -> list[str]:
    """What Deck and we do not agree on."""
    state = house.twin.state()
    live = {c["id"] for c in state["credentials"] if c["status"] != "deleted"}
    ours = {r["deck_id"] for r in rows(house.database, "SELECT deck_id FROM connection WHERE status != 'deleted'")}
    runs = {run["id"]: run["status"] for run in state["task_runs"]}
    known = rows(house.database, "SELECT deck_id, status FROM run WHERE deck_id IS NOT NULL")
    told = {row["deck_id"] for row in rows(house.database, "SELECT deck_id FROM event")}
    missing = [event["id"] for event in state["events"] if event["type"] in WANTED_EVENTS and event["id"] not in told]
    return [
        *(f"Deck keeps a sign-in that nobody knows: {id}" for id in live - ours),
        *(f"we believe in a sign-in that Deck has not: {id}" for id in ours - live - {None}),
        *(f"a run differs: {run}" for run in runs.items() ^ {(r["deck_id"], r["status"]) for r in known}),
        *(f"an event is missing: {id}" for id in missing),
    ]


def assert_nothing_is_lost(house: House) -> None:
    """Whatever we said thanks for was kept by then, and nothing was done twice."""
    kept = {r["deck_id"]: moment_of(r["received_at"]) for r in rows(house.database, "SELECT * FROM event")}
    for delivery in house.twin.deliveries.list():
        for attempt in delivery.attempts:
            if attempt["error"] is None:
                # both are rounded down to whole milliseconds
                thanked_at = parse_moment(attempt["real_at"]) + timedelta(milliseconds=attempt["response"]["ms"] + 2)
                assert kept[delivery.event_id] <= thanked_at, f"{delivery.event_id}: thanks came first"
    state = house.twin.state()
    external = [c["external_id"] for c in state["credentials"]]
    assert len(external) == len(set(external)), "one intent, several sign-ins"
    intents = {r["key"] for r in rows(house.database, "SELECT key FROM intent WHERE kind LIKE 'credential.%'")}
    assert set(external) <= intents, "a sign-in that no intent wanted"
    starts = rows(house.database, "SELECT key FROM intent WHERE kind = 'run.start'")
    assert len(state["task_runs"]) <= len(starts), "one intent, several runs"


def moment_of(value: datetime | str) -> datetime:
    """As PostgreSQL gives it, or as SQLite has written it down."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value
