"""The dashboard over a million runs and ten million events: from a code to its timeline, home, source health."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from math import inf
from pathlib import Path

import httpx
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade

from benchmarks.figures import Figure, percentile
from benchmarks.million import settings
from tests.databases import PostgresDatabases, throw_away
from tests.services import postgres
from webapp import create_app
from webapp.db import db, now, writing
from webapp.models import Chore, ConnectSession, Staff, StaffSession
from webapp.support.figures import FIGURES, count_runs

PEOPLE, CONNECTIONS, RUNS, OPEN, SOURCES = 100_000, 200_000, 1_000_000, 20_000, 100
DAYS = 90
ROUNDS = 20
CODE = "KX-4417"
CUT = "these are the newest"
"""What the funnel says when there are more visits than it counts."""
TROUBLES = ("auth_invalid/site", "source_error/site", "timeout/queue", "interaction_timeout/question")


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder:
        path = Path(folder) / "support.sqlite3"
        yield from measure_on(f"sqlite:///{path}", "SQLite")


def on_postgres() -> Iterator[Figure]:
    server = postgres()
    if server is None:
        print("PostgreSQL is not here: not measured (TEST_POSTGRES)")
        return
    with throw_away(PostgresDatabases(server)) as address:
        yield from measure_on(address, "PostgreSQL")


def measure_on(address: str, where: str) -> Iterator[Figure]:
    app = create_app(dataclasses.replace(settings(Path()), database_url=address))
    with app.app_context():
        upgrade()
        db.engine.dispose()
    begun = time.perf_counter()
    fill(address)
    yield Figure(f"{where}: making a million runs, ten million events", time.perf_counter() - begun, inf, "s")
    begun = time.perf_counter()
    catch_up(app)
    yield Figure(f"{where}: counting all of them by source and hour", time.perf_counter() - begun, inf, "s")
    with sign_in(app) as agent:
        yield figure(f"{where}: home", 300, lambda: agent.get("/support"), "Open runs")
        yield figure(f"{where}: source health", 500, lambda: agent.get("/support/sources"), "Bank 7")
        yield figure(f"{where}: one source", 500, lambda: agent.get("/support/sources/bank-7?days=7"), "Bank 7")
        yield figure(f"{where}: issues", inf, lambda: agent.get("/support/issues"), "auth_invalid")
        yield figure(f"{where}: funnel of 7 days", inf, lambda: agent.get("/support/funnel?days=7"), "Abandoned")
        yield figure(f"{where}: funnel, as much as it counts", inf, lambda: agent.get("/support/funnel?days=30"), CUT)
        search = f"/support/search?q={CODE}"
        yield figure(f"{where}: from a support code to its timeline", 1000, lambda: agent.get(search), CODE)
    with app.app_context():
        db.engine.dispose()


def figure(what: str, at_most: float, act: Callable[[], httpx.Response], shows: str) -> Figure:
    """The 95th percentile of some rounds. *shows* is on the page, or it was another one."""

    def once() -> float:
        begun = time.perf_counter()
        answer = act()
        seconds = time.perf_counter() - begun
        assert answer.status_code == 200 and shows in answer.text, (answer.status_code, answer.url)
        return 1000 * seconds

    once()
    return Figure(f"{what}, p95", percentile([once() for _ in range(ROUNDS)], 0.95), at_most, "ms")


def sign_in(app: Flask) -> httpx.Client:
    with app.app_context():
        with writing():
            agent = Staff(email="agent@desk.example", name="Agent", role="agent")
            db.session.add(agent)
            _, token = StaffSession.start(agent, is_whole=True, proved_at=now())
            visit = db.session.get_one(ConnectSession, RUNS - 1)  # the latest of its connection
            visit.support_code = CODE
        db.session.remove()
    cookies = {"gangway-staff": token}
    return httpx.Client(
        transport=httpx.WSGITransport(app=app), base_url="http://localhost", cookies=cookies, follow_redirects=True
    )


def catch_up(app: Flask) -> None:
    """As the worker's chore does it, pass after pass."""
    with app.app_context():
        with writing():
            chore = Chore(name=FIGURES, state={})
            db.session.add(chore)
        counted_to = None
        while counted_to != hour_in(chore):
            counted_to = hour_in(chore)
            count_runs(chore)
        db.session.remove()


def hour_in(chore: Chore) -> str:
    """The hour it has counted to, as text."""
    return str(chore.state.get("seen", ""))[:13]


# --- rows --------------------------------------------------------------------------------------------------------


def fill(address: str) -> None:
    """Rows as three months of use would leave them, made by the database itself."""
    engine = sa.create_engine(address)
    is_sqlite = engine.dialect.name == "sqlite"
    start, step = time.time() - DAYS * 86_400, DAYS * 86_400 / RUNS
    words = {
        "start": repr(start),
        "step": repr(step),
        "bytes": "x'7b7d'" if is_sqlite else "'{}'::bytea",
        "people": PEOPLE,
        "connections": CONNECTIONS,
        "sources": SOURCES,
        "done": RUNS - OPEN,
    }
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=OFF" if is_sqlite else "SET session_replication_role = replica")
        for top, statement in STATEMENTS:
            into, _, select = statement.partition(" SELECT ")
            text = f"{into} {NUMBERS} SELECT {select}".format(top=top, **words)
            cursor.execute(moments(text, is_sqlite))
        connection.commit()
        cursor.execute("ANALYZE")
        connection.commit()
        if not is_sqlite:
            for table in ("staff", "connect_session", "run", "source"):
                cursor.execute(f"SELECT setval('{table}_id_seq', 1 + (SELECT coalesce(max(id), 0) FROM {table}))")
            connection.commit()
    engine.dispose()


def moments(text: str, is_sqlite: bool) -> str:
    """`at(seconds)` as each database says it."""
    head, *parts = text.split("at(")
    for part in parts:
        seconds, _, rest = part.partition(")at")
        one = (
            f"strftime('%Y-%m-%d %H:%M:%f', {seconds}, 'unixepoch') || '000'"
            if is_sqlite
            else f"to_timestamp({seconds})"
        )
        head += one + rest
    return head


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {top})"
STATEMENTS = (
    (
        PEOPLE,
        "INSERT INTO person (id, email, password_hash, created_at) "
        "SELECT i, 'person' || i || '@sample.example', 'x', at({start})at FROM n",
    ),
    (
        SOURCES,
        "INSERT INTO source (id, slug, name, url, popularity, words, offered, deck_id, failures) "
        "SELECT i, 'bank-' || i, 'Bank ' || i, 'https://bank.example', i, '{{}}', TRUE, 'src_' || i, 0 FROM n",
    ),
    (
        1,
        "INSERT INTO task (id, slug, name, position, offered, deck_id, gets, will_not) "
        "SELECT i, 'bill', 'Bill', 0, TRUE, 'task_1', '[]', '[]' FROM n",
    ),
    (
        CONNECTIONS,
        "INSERT INTO connection (id, ref, person_id, source_id, deck_id, status, status_since, username_hint, "
        "created_at) SELECT i, 'c' || (100000000000000 + i), i % {people} + 1, i % {sources} + 1, 'cred_' || i, "
        "'verified', at({start})at, 'r•••', at({start})at FROM n",
    ),
    (
        RUNS,
        "INSERT INTO connect_session (id, ref, support_code, purpose, person_id, source_id, task_id, connection_id, "
        "version, device, consent_version, created_at) "
        "SELECT i, 's' || (100000000000000 + i), CAST(1000000 + i AS TEXT), 'connect', "
        "i % {connections} % {people} + 1, i % {sources} + 1, 1, i % {connections} + 1, 0, "
        "CASE WHEN i % 3 = 0 THEN 'computer' ELSE 'phone' END, '', "
        "at({start} + i * {step} - 90)at FROM n",
    ),
    (
        RUNS,
        "INSERT INTO run (id, ref, connect_session_id, connection_id, source_id, task_id, deck_id, status, due_at, "
        "ended_at, result, errors, files, version, is_told, is_stopping, created_at, questions, waited, trouble) "
        "SELECT i, 'r' || (100000000000000 + i), i, i % {connections} + 1, i % {sources} + 1, 1, 'trun_' || i, "
        "CASE WHEN i > {done} THEN CASE WHEN i % 4 = 0 THEN 'interaction_required' ELSE 'running' END "
        "WHEN i * 7919 % 1000 < 80 THEN 'failed' WHEN i * 7919 % 1000 < 90 THEN 'canceled' ELSE 'completed' END, "
        "CASE WHEN i > {done} THEN at({start} + i * {step} + 240)at END, "
        "CASE WHEN i <= {done} THEN at({start} + i * {step})at END, '', '[]', '[]', 3, FALSE, FALSE, "
        "at({start} + i * {step} - 4 - i * 7919 % 97 * 0.5 - CASE WHEN i % 3 = 0 THEN 20 ELSE 0 END)at, "
        "CASE WHEN i % 3 = 0 THEN 1 ELSE 0 END, CASE WHEN i % 3 = 0 THEN 20 ELSE 0 END, "
        "CASE WHEN i > {done} OR i * 7919 % 1000 >= 80 THEN '' "
        + " ".join(f"WHEN i * 7919 % {len(TROUBLES)} = {n} THEN '{trouble}'" for n, trouble in enumerate(TROUBLES))
        + " END FROM n",
    ),
    *(
        (
            RUNS,
            "INSERT INTO visit_event (ref, connect_session_id, seq, name, details, at) "
            f"SELECT '{seq}' || (100000000000000 + i), i, {seq}, {name}, '{{{{}}}}', "
            f"at({{start}} + i * {{step}} - 90 + {seq} * 12)at FROM n",
        )
        for seq, name in enumerate(
            (
                "'OPEN'",
                "'SELECT_SOURCE'",
                "CASE WHEN i % 9 = 0 THEN 'EXIT' ELSE 'SUBMIT_CREDENTIALS' END",
                "'STATUS_CHANGED'",
                "CASE WHEN i % 3 = 0 THEN 'MFA_REQUIRED' ELSE 'STATUS_CHANGED' END",
                "CASE WHEN i % 3 = 0 THEN 'SUBMIT_MFA' ELSE 'STATUS_CHANGED' END",
                "CASE WHEN i * 7919 % 1000 < 80 THEN 'ERROR' WHEN i * 7919 % 1000 < 90 THEN 'STATUS_CHANGED' "
                "WHEN i % 9 = 0 THEN 'STATUS_CHANGED' ELSE 'HANDOFF' END",
            ),
            1,
        )
    ),
    *(
        (
            RUNS,
            "INSERT INTO event (deck_id, webhook_id, body, type, subject, parked, received_at, handled_at) "
            f"SELECT 'evt_{n}_' || i, 'msg_{n}_' || i, {{bytes}}, '{type}', 'trun_' || i, "
            "CASE WHEN i % 5000 = 0 THEN 'unknown' ELSE '' END, "
            f"at({{start}} + i * {{step}} - {20 - 10 * n})at, at({{start}} + i * {{step}} - {19 - 10 * n})at FROM n",
        )
        for n, type in enumerate(("task_run.queued", "task_run.running", "task_run.completed"))
    ),
)
"""How many rows, and one of them by its number i."""
