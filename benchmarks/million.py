"""A million runs in the database: what a person opens, what a search finds and what the worker sweeps stays quick."""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
from flask_migrate import upgrade

from benchmarks.figures import Figure
from webapp import create_app
from webapp.config import Config
from webapp.db import db, writing
from webapp.models import Run
from webapp.worker import BATCH

PEOPLE, CONNECTIONS, RUNS, OPEN = 100_000, 200_000, 1_000_000, 20_000
ROUNDS = 15
MOMENT = "2026-01-01 00:00:00.000000"


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder:
        path = Path(folder) / "million.sqlite3"
        app = create_app(settings(path))
        with app.app_context():
            upgrade()
            db.engine.dispose()
        fill(path)
        web = httpx.Client(
            transport=httpx.WSGITransport(app=app),
            base_url="http://localhost",
            headers={"Sec-Fetch-Site": "same-origin"},
            follow_redirects=True,
        )
        web.post("/sign-up", data={"email": "bench@sample.example", "password": "correct horse battery"})
        mine = adopt_a_connection(path)
        visit = web.post("/connect/start").url.path
        web.post(f"{visit}/agree")

        def sweep() -> None:
            with app.app_context(), writing():
                assert len(Run.claim_due(BATCH)) == BATCH

        yield figure("a connection's page", lambda: web.get(f"/connections/{mine}").raise_for_status())
        yield figure("searching for a source", lambda: web.get(f"{visit}?q=bank").raise_for_status())
        yield figure("one sweep of open runs", sweep)


def figure(what: str, act: Callable[[], object]) -> Figure:
    def once() -> float:
        begun = time.perf_counter()
        act()
        return time.perf_counter() - begun

    once()
    return Figure(f"{what}, with a million runs", 1000 * statistics.median(once() for _ in range(ROUNDS)), 50, "ms")


def settings(path: Path) -> Config:
    return Config(
        secret_key="0123456789abcdefghijklmnopqrstuvwxyz",
        vault_keys=(("bench", os.urandom(32)),),
        public_url="http://localhost",
        deck_api_key="sk_live_twin",
        deck_webhook_secrets=("whsec_" + "A" * 32,),
        deck_base_url="http://127.0.0.1:9/v2",
        database_url=f"sqlite:///{path}",
    )


def fill(path: Path) -> None:
    """Rows as years of use would leave them, in a few bulk inserts."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")

        def insert(table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> None:
            marks = ", ".join("?" * len(columns.split(", ")))
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

        people = ((n, f"person{n}@sample.example", "x", MOMENT) for n in range(1, PEOPLE + 1))
        insert("person", "id, email, password_hash, created_at", people)
        sources = ((n, f"bank-{n}", f"Bank {n}", "https://x.example", n, "{}", 1, f"src_{n}", 0) for n in range(1, 101))
        insert("source", "id, slug, name, url, popularity, words, offered, deck_id, failures", sources)
        task = (1, "bill", "Bill", 0, 1, "task_1", "[]", "[]", None, None)
        insert(
            "task", "id, slug, name, position, offered, deck_id, gets, will_not, input_schema, output_schema", [task]
        )
        connections = (
            (n, f"c{n:015d}", n % PEOPLE + 1, n % 100 + 1, f"cred_{n}", "verified", MOMENT, "r•••", MOMENT)
            for n in range(1, CONNECTIONS + 1)
        )
        insert(
            "connection",
            "id, ref, person_id, source_id, deck_id, status, status_since, username_hint, created_at",
            connections,
        )
        visits = (
            (n, f"s{n:015d}", code(n), "connect", n % PEOPLE + 1, 1, n % CONNECTIONS + 1, 0, "", MOMENT)
            for n in range(1, RUNS + 1)
        )
        insert(
            "connect_session",
            "id, ref, support_code, purpose, person_id, task_id, connection_id, version, consent_version, created_at",
            visits,
        )
        runs = (
            (
                n,
                f"r{n:015d}",
                n,
                n % CONNECTIONS + 1,
                n % 100 + 1,
                1,
                f"trun_{n}",
                *state(n),
                "",
                "[]",
                "[]",
                0,
                0,
                MOMENT,
            )
            for n in range(1, RUNS + 1)
        )
        insert(
            "run",
            "id, ref, connect_session_id, connection_id, source_id, task_id, deck_id, status, due_at, ended_at, "
            "result, errors, files, version, is_stopping, created_at",
            runs,
        )
        connection.commit()


def code(number: int) -> str:
    return f"{number:07d}"


def state(number: int) -> tuple[str, str | None, str | None]:
    return ("running", MOMENT, None) if number <= OPEN else ("completed", None, MOMENT)


def adopt_a_connection(path: Path) -> str:
    """Give the visitor a connection that has a history; its name."""
    with closing(sqlite3.connect(path)) as connection:
        (me,) = connection.execute("SELECT max(id) FROM person").fetchone()
        connection.execute("UPDATE connection SET person_id = ? WHERE id = 150000", (me,))
        connection.commit()
    return f"c{150_000:015d}"
