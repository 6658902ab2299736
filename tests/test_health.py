"""Who should be sent visitors: what a balancer and an operator are told, whatever is broken."""

from __future__ import annotations

import dataclasses
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask
from flask_migrate import upgrade

from tests.conftest import settings
from tests.databases import PostgresDatabases
from tests.deck.test_client_bounds import Server
from tests.processes import PATIENCE, answering, free_ports, running
from tests.services import postgres
from tests.test_programs import GANGWAY, gangway
from tests.test_programs import settings as environment
from webapp import create_app
from webapp.bus import RedisBus
from webapp.db import db
from webapp.ops import health
from webapp.ops.port import Port

pytestmark = (
    pytest.mark.sqlite
)  # a locked or missing database file; the other database has its own test, marked postgres


@pytest.fixture(autouse=True)
def every_answer_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 0.0)
    monkeypatch.setattr(health, "WITHIN", 10.0)  # the machine of a story may be busy with others


class Balancer:
    """Asks who is ready."""

    def __init__(self, app: Flask, path: str = "/readyz") -> None:
        self.http = httpx.Client(transport=httpx.WSGITransport(app), base_url="http://localhost")

    def asks(self, path: str = "/readyz", **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)


@pytest.fixture
def balancer(app: Flask) -> Balancer:
    return Balancer(app)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def database(database_url: str) -> Iterator[sqlite3.Connection]:
    """The database in somebody else's hands."""
    connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.parametrize("serves", ["all", "web", "webhooks"])
def test_a_healthy_process_is_ready_in_every_role(database_url: str, serves: str) -> None:
    balancer = Balancer(create_app(settings(database_url), serves=serves))
    alive, ready = balancer.asks("/livez"), balancer.asks()
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    checks = {"database": "ok", "migrations": "ok", "deck": "ok", "redis": "none"}
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "checks": checks})
    assert {alive.headers["Cache-Control"], ready.headers["Cache-Control"]} == {"no-store"}


def test_a_locked_database_makes_it_not_ready_and_nothing_else(
    balancer: Balancer, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "WITHIN", 0.03)
    database.execute("BEGIN IMMEDIATE")
    refused = balancer.asks()
    assert (refused.status_code, refused.json()["status"]) == (503, "not ready")
    assert refused.json()["checks"]["database"] in ("locked", "slow")
    assert balancer.asks("/livez").status_code == 200
    database.execute("ROLLBACK")
    monkeypatch.setattr(health, "WITHIN", 10.0)
    balancer.asks()  # tells what was found while it was locked, if that took its time
    assert balancer.asks().status_code == 200, "it heals by itself"


def test_a_database_that_never_answers_costs_the_balancer_a_moment_only(
    balancer: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(health, "write_something", lambda: str(answers.wait(10)))
    monkeypatch.setattr(health, "WITHIN", 0.02)
    start = time.monotonic()
    assert [balancer.asks().json()["checks"]["database"] for _ in range(3)] == ["slow"] * 3
    assert time.monotonic() - start < 5
    answers.set()


def test_a_database_without_tables_or_that_is_gone_makes_it_not_ready(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'empty.sqlite3'}", f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.sqlite3'}"):
        balancer = Balancer(create_app(settings(url)))
        assert balancer.asks().status_code == 503
        assert balancer.asks().json()["checks"]["database"] == "failed"
        assert balancer.asks("/livez").status_code == 200


def test_old_tables_make_it_not_ready_and_newer_ones_do_not(balancer: Balancer, database: sqlite3.Connection) -> None:
    """While a new version is rolled out the old one serves on: its migrations never break the version before."""
    database.execute("UPDATE alembic_version SET version_num = '0001'")
    assert (balancer.asks().status_code, balancer.asks().json()["checks"]["migrations"]) == (503, "behind")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert (balancer.asks().status_code, balancer.asks().json()["checks"]["migrations"]) == (200, "ahead")


def test_neither_deck_nor_redis_takes_us_out_of_service(
    app: Flask, balancer: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusing Deck's webhooks because Deck is ill would have it switch them off."""
    parts = app.extensions["gangway"]
    for _ in range(5):
        parts.budget.leave(failed=True)
    app.extensions["gangway"] = dataclasses.replace(parts, bus=RedisBus("redis://127.0.0.1:1"))
    ready = balancer.asks()
    assert ready.status_code == 200
    assert (ready.json()["checks"]["deck"], ready.json()["checks"]["redis"]) == ("resting", "away")


def test_who_leaves_says_so_first_and_still_answers(app: Flask, balancer: Balancer) -> None:
    health.health_of(app).is_leaving = True
    assert (balancer.asks().status_code, balancer.asks().json()["checks"]) == (503, {"process": "leaving"})
    assert balancer.asks("/livez").status_code == 200
    assert balancer.asks("/sign-in").status_code == 200
    health.health_of(app).is_leaving = False
    assert balancer.asks().status_code == 200
    app.extensions["gangway"].bus.close()
    assert balancer.asks().status_code == 503


def test_a_probe_needs_our_host_and_leaves_no_trace(balancer: Balancer, database: sqlite3.Connection) -> None:
    assert balancer.asks(Host="10.0.0.7").status_code == 400
    assert balancer.asks().status_code == 200
    assert balancer.http.post("/readyz").status_code == 405
    assert database.execute("SELECT count(*) FROM chore WHERE name LIKE 'ping%'").fetchone() == (0,)


def test_asking_all_the_time_does_not_keep_the_database_busy(
    balancer: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "KEPT", 60.0)
    asked: list[int] = []
    really = health.write_something
    monkeypatch.setattr(health, "write_something", lambda: (asked.append(1), really())[1])
    assert {balancer.asks().status_code for _ in range(20)} == {200}
    assert len(asked) == 1


def test_the_operators_port_tells_everything_with_its_age(app: Flask) -> None:
    operator = httpx.Client(transport=httpx.WSGITransport(Port(app)), base_url="http://10.0.0.7:9464")
    told = operator.get("/healthz").json()
    assert told["ready"] is True
    assert told["inbox"] == {"waiting": 0, "oldest_seconds": 0.0}
    assert set(told) >= {"intents", "runs", "chores", "destination", "webhooks_refused", "deck"}
    assert operator.get("/readyz").json()["status"] == "ready"
    assert operator.get("/livez").status_code == 200
    assert {operator.get("/").status_code, operator.post("/metrics").status_code} == {404}


def test_and_says_so_when_the_database_is_gone(tmp_path: Path) -> None:
    app = create_app(settings(f"sqlite:///{tmp_path / 'empty.sqlite3'}"))
    operator = httpx.Client(transport=httpx.WSGITransport(Port(app)), base_url="http://localhost")
    assert operator.get("/healthz").json()["ready"] is False
    assert "gangway_db_up 0.0" in operator.get("/metrics").text
    assert "gangway_inbox_backlog" not in operator.get("/metrics").text, "nothing is better than a wrong nought"


@pytest.mark.postgres
def test_postgresql_is_written_to_as_well() -> None:
    server = postgres()
    if server is None:
        pytest.skip("no PostgreSQL server")
    databases = PostgresDatabases(server)
    address = databases.empty()
    app = create_app(settings(address))
    try:
        assert Balancer(app).asks().json()["checks"]["database"] == "failed"
        with app.app_context():
            upgrade()
        assert Balancer(app).asks().json()["checks"]["database"] == "ok"
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
        databases.drop(address)


@pytest.mark.slow
@pytest.mark.parametrize("role", [[], ["--web"], ["--webhooks"]])
def test_a_process_told_to_end_says_not_ready_before_it_closes_the_door(tmp_path: Path, role: list[str]) -> None:
    port, ops, log = free_ports(), free_ports(), tmp_path / "serve.log"
    environ = environment(tmp_path, port, free_ports()) | {"OPS_BIND": f"127.0.0.1:{ops}", "DRAIN_SECONDS": "2"}
    assert gangway("db", "upgrade", environ=environ).returncode == 0
    ready, seen = f"http://127.0.0.1:{port}/readyz", []
    with running([*GANGWAY, "serve", "--bind", f"127.0.0.1:{port}", *role], log, environ) as process:
        assert answering(ready, process, log).status_code == 200
        assert httpx.get(f"http://127.0.0.1:{ops}/healthz").json()["ready"] is True
        assert "gangway_http_requests_total" in httpx.get(f"http://127.0.0.1:{ops}/metrics").text
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        while time.monotonic() - told < PATIENCE:
            try:
                seen.append((httpx.get(ready, timeout=PATIENCE).status_code, time.monotonic() - told))
            except httpx.TransportError:
                break
            time.sleep(0.05)
        assert process.wait(PATIENCE) == 0
    assert {status for status, _ in seen[1:]} == {503}, seen
    assert seen[-1][1] > 1.5, "the door stayed open while balancers found out"


@pytest.mark.slow
def test_the_worker_alone_has_an_operators_port(tmp_path: Path) -> None:
    ops, log = free_ports(), tmp_path / "worker.log"
    environ = environment(tmp_path, free_ports(), free_ports()) | {"OPS_BIND": f"127.0.0.1:{ops}"}
    assert gangway("db", "upgrade", environ=environ).returncode == 0
    with running([*GANGWAY, "worker"], log, environ) as process:
        assert answering(f"http://127.0.0.1:{ops}/readyz", process, log).status_code == 200
        assert "gangway_chore_problem" in httpx.get(f"http://127.0.0.1:{ops}/metrics").text


@pytest.mark.slow
def test_a_worker_told_to_end_does_not_wait_for_whom_it_asks(tmp_path: Path, server: Server) -> None:
    """Deck takes our call and never says a word."""
    asked = threading.Event()
    server.behaviour = lambda connection: asked.set() or connection.recv(1)  # type: ignore[func-returns-value]
    log, deck = tmp_path / "worker.log", f"http://{server.address}/v2"
    environ = environment(tmp_path, free_ports(), free_ports()) | {"DECK_BASE_URL": deck}
    assert gangway("db", "upgrade", environ=environ).returncode == 0
    with running([*GANGWAY, "worker"], log, environ) as process:
        assert asked.wait(PATIENCE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.slow
@pytest.mark.postgres
def test_two_processes_count_together(tmp_path: Path) -> None:
    server = postgres()
    if server is None:
        pytest.skip("no PostgreSQL server")
    databases = PostgresDatabases(server)
    address, port, ops, log = databases.empty(), free_ports(), free_ports(), tmp_path / "serve.log"
    environ = environment(tmp_path, port, free_ports())
    environ |= {"OPS_BIND": f"127.0.0.1:{ops}", "DATABASE_URL": address.replace("+psycopg", "")}
    try:
        assert gangway("db", "upgrade", environ=environ).returncode == 0
        serve = [*GANGWAY, "serve", "--bind", f"127.0.0.1:{port}", "--processes", "2"]
        with running(serve, log, environ) as process:
            answering(f"http://127.0.0.1:{port}/livez", process, log)
            counted = re.compile(r'gangway_http_requests_total\{method="GET",route="/livez",status="200"\} (\d+)\.0')

            def told() -> int:
                return sum(map(int, counted.findall(httpx.get(f"http://127.0.0.1:{ops}/metrics").text)))

            before = told()
            for _ in range(39):
                assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
            assert {told() for _ in range(6)} == {before + 39}, "whichever of them answers"
    finally:
        databases.drop(address)
