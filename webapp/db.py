"""The database: one handle, two column types, and the one way to write."""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from gevent.monkey import get_original
from sqlalchemy import JSON, Connection, DateTime, Dialect, Engine, Insert, MetaData, Table, Update, event, insert, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool
from sqlalchemy.types import TypeDecorator

from . import metrics

TRANSIENT = (OperationalError, NoConnection)
"""What a database that is locked, full or away raises, and a pool that has no connection left."""

BUSY_MS = 2_000
"""How long to wait for whoever writes. Deck waits five seconds for us, so that is all there is."""

IDLE_MS = 60_000
"""How long a transaction may do nothing: none of ours waits for anything but the database."""

RESTED = 30.0
"""Seconds without work after which a connection to PostgreSQL is asked whether it lives, before somebody gets it."""

REFUSING = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, "25006", "53100"}
"""SQLite's codes and PostgreSQL's for a database that can be read and not written to."""
REFUSED_FOR = 30.0
"""Seconds for which people are warned after that, unless something could be written."""
WARN_UNTIL = "gangway.warn_until"

LOOK_MS = 20
"""How often to look whether another process has stopped writing."""

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base)

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets time zones, so it is given back the one it had."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[datetime, mapped_column(UTCDateTime)]
Json = Annotated[Any, mapped_column(JSON)]


def now() -> datetime:
    return datetime.now(UTC)


class CountedPool(QueuePool):
    """The connections of this process. How long somebody waits for one is counted, also when it was in vain."""

    def connect(self) -> PoolProxiedConnection:
        with metrics.db_pool_wait.time():
            return super().connect()


_one_writer = threading.Lock()
"""SQLite has one writer at a time. Waiting for it here lets other greenlets go on; waiting inside SQLite would not."""


@contextmanager
def writing(*person_ids: int) -> Iterator[None]:
    """A short write transaction: commits at the end, rolls back on an error.

    What was read before is read again inside, so a decision made here is made on the truth. Decisions about what
    belongs to a person name that person: they are made one after the other, in whatever process. SQLite has one
    writer anyway; elsewhere the person's row is locked, in the order of their ids so that nobody waits in a circle.
    Nothing slow belongs here, above all no call to Deck.
    """
    is_sqlite, until = db.engine.dialect.name == "sqlite", time.monotonic() + BUSY_MS / 1_000
    if is_sqlite and not _one_writer.acquire(timeout=BUSY_MS / 1_000):
        raise busy()
    try:
        db.session.rollback()
        db.session.connection(execution_options={"writes": True, "until": until})
        if person_ids and not is_sqlite:
            lock = text("SELECT id FROM person WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
            db.session.execute(lock, {"ids": sorted(set(person_ids))})
        yield
        db.session.commit()
        current_app.extensions.pop(WARN_UNTIL, None)
    except DBAPIError as error:
        db.session.rollback()
        if not is_refusal(error):
            raise
        current_app.extensions[WARN_UNTIL] = time.monotonic() + REFUSED_FOR
        raise OperationalError("nothing can be written", None, error.orig or error) from error
    except BaseException:
        db.session.rollback()
        raise
    finally:
        if is_sqlite:
            _one_writer.release()


def is_refusal(error: DBAPIError) -> bool:
    """Whether it says that the disk is full or nobody may write: that lasts, and so people should know."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return (getattr(error.orig, "sqlstate", None) if code is None else code & 0xFF) in REFUSING


def cannot_write() -> bool:
    """Whether the database took nothing lately: what somebody types now would not be kept."""
    return time.monotonic() < float(current_app.extensions.get(WARN_UNTIL, 0.0))


def busy() -> OperationalError:
    """What SQLite says when somebody else writes for too long."""
    return OperationalError("BEGIN IMMEDIATE", None, TimeoutError("database is locked"))


def changed_one(statement: Update, row: Base) -> bool:
    """Run a guarded UPDATE; whether it found its row. The race between two writers is settled in its WHERE.

    *row* is what has been read of it; it is read again.
    """
    done = db.session.execute(statement.execution_options(synchronize_session=False))
    db.session.expire(row)
    return bool(getattr(done, "rowcount", 0) == 1)


def add_row(model: type[Model], values: dict[str, Any]) -> int:
    """A bare INSERT with the model's defaults; the new id. Inside `writing()`.

    For what is made hundreds of times in a second: the ORM's unit of work costs more than the INSERT itself.
    """
    done = db.session.connection().execute(_insert_into(model), values)
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])


@cache
def _insert_into(model: type[Model]) -> Insert:
    """Written once for each, as it is always the same."""
    table = model.__table__
    assert isinstance(table, Table)
    return insert(table)


def pool(database_url: str) -> dict[str, object]:
    """How many connections a process may have. Whoever finds none says so soon: Deck waits five seconds for us."""
    if database_url.startswith("sqlite"):
        return {"pool_size": 20, "max_overflow": 80, "pool_timeout": BUSY_MS / 1_000}  # each is an open file
    return {"pool_size": 10, "max_overflow": 20, "pool_timeout": BUSY_MS / 1_000}


def init_app(app: Flask) -> None:
    db.init_app(app)
    with app.app_context():
        tune_sqlite(db.engine) if db.engine.dialect.name == "sqlite" else tune_postgres(db.engine)


def tune_postgres(engine: Engine) -> None:
    """Nobody waits for a lock longer than Deck waits for us, and a process that hangs lets go of its locks."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        for name, milliseconds in (("lock_timeout", BUSY_MS), ("idle_in_transaction_session_timeout", IDLE_MS)):
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(milliseconds)))
        connection.commit()

    @event.listens_for(engine, "checkin")
    def _rests(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _is_wanted(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        has_rested = time.monotonic() - record.info.get("rests_since", time.monotonic()) > RESTED
        if connection.closed or is_closed_by_server(connection) or (has_rested and not answers(connection, engine)):
            raise InvalidatePoolError("gone while it rested")  # the pool opens another, and trusts no older one


def is_closed_by_server(connection: Any) -> bool:
    """Whether there is something to read on an idle connection: a server that closes one says so on it.

    Asking each time whether it lives would be two of the eleven turns that a short request takes.
    """
    poll = get_original("select", "poll")()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def answers(connection: Any, engine: Engine) -> bool:
    """Something between us may have forgotten a connection that was silent for long, and told nobody."""
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


def tune_sqlite(engine: Engine) -> None:
    """Durable, honest about who writes, and what is deleted is overwritten (`secure_delete`).

    WAL lets readers go on beside the writer; `synchronous=FULL` puts a commit on disk before we answer for it.
    A reader that turns writer fails at once with BUSY_SNAPSHOT whatever the timeout, so transactions that
    write say so first (`writing`) and begin IMMEDIATE; all others are read-only, and SQLite holds us to it.
    """

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        settings = "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"
        for pragma in (*settings, f"busy_timeout={BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        options, raw = connection.get_execution_options(), connection.connection.driver_connection
        assert raw is not None
        writes = bool(options.get("writes"))
        raw.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")  # SQLAlchemy's own way takes ten times as long
        if writes:
            begin_to_write(raw, options.get("until", 0.0))
        else:
            raw.execute("BEGIN")


def begin_to_write(raw: Any, until: float) -> None:
    """Wait for other processes outside SQLite: inside it no other greenlet of ours would go on."""
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() >= until:
                    raise OperationalError("BEGIN IMMEDIATE", None, error) from None
            time.sleep(LOOK_MS / 1_000)
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_MS}")
