"""Throw-away databases: a prepared one is made once and copied for every test."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from redis import Redis


class Databases(Protocol):
    """Where a test's databases live."""

    def empty(self) -> str:
        """The address of a new one, for SQLAlchemy."""

    def copy_of(self, address: str) -> str:
        """A new one with everything that is in the one at *address*, which nobody uses now."""

    def drop(self, address: str) -> None: ...


class SqliteFiles:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def empty(self) -> str:
        return f"sqlite:///{self.folder / secrets.token_hex(6)}.sqlite3"

    def copy_of(self, address: str) -> str:
        new = self.empty()
        shutil.copy(address.removeprefix("sqlite:///"), new.removeprefix("sqlite:///"))
        return new

    def drop(self, address: str) -> None:
        path = Path(address.removeprefix("sqlite:///"))
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink(missing_ok=True)


class PostgresDatabases:
    def __init__(self, server: str) -> None:
        self.server = server

    def empty(self) -> str:
        return self._create("")

    def copy_of(self, address: str) -> str:
        return self._create(f" TEMPLATE {name_in(address)} STRATEGY WAL_LOG")  # a file copy waits for checkpoints

    def drop(self, address: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {name_in(address)} WITH (FORCE)")

    def _create(self, how: str) -> str:
        name = f"gangway_test_{secrets.token_hex(6)}"
        self._run(f"CREATE DATABASE {name}{how}")
        # No story is about a machine that loses its power: a commit need not wait for the disk.
        self._run(f"ALTER DATABASE {name} SET synchronous_commit = off")
        return f"postgresql+psycopg://{self.server.partition('://')[2].rpartition('/')[0]}/{name}"

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


def kept_in(address: str) -> Iterator[tuple[str, bytes]]:
    """Everything a database keeps, by place: SQLite's files as they lie there, PostgreSQL's rows as text."""
    if address.startswith("sqlite"):
        path = Path(address.removeprefix("sqlite:///"))
        for file in path.parent.glob(f"{path.name}*"):
            yield file.name.replace(path.name, "database"), file.read_bytes()
        return
    with psycopg.connect(address.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()  # type: ignore[arg-type]
            yield table, "\n".join(repr(bytes(v) if isinstance(v, memoryview) else v) for r in rows for v in r).encode()


def kept_in_redis(url: str) -> Iterator[tuple[str, bytes]]:
    """Every key with its value, as Redis would write it to disk; nothing without a Redis."""
    if not url:
        return
    with Redis.from_url(url) as client:
        for key in client.scan_iter():
            yield f"redis {key!r}", key + (client.dump(key) or b"")


def name_in(address: str) -> str:
    return address.rpartition("/")[2]


@contextmanager
def throw_away(databases: Databases, like: str = "") -> Iterator[str]:
    """A database for a block, empty or *like* another one."""
    address = databases.copy_of(like) if like else databases.empty()
    try:
        yield address
    finally:
        databases.drop(address)
