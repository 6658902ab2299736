"""The migrations make what the models say, on both databases, and can be undone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

from tests.conftest import settings
from tests.services import postgres
from webapp import create_app
from webapp.db import db


@pytest.fixture
def on_postgres() -> Iterator[str]:
    """An empty database of its own."""
    address = postgres()
    if address is None:
        pytest.skip("no PostgreSQL server")
    name = f"gangway_test_{secrets.token_hex(6)}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"postgresql+psycopg://{address.partition('://')[2].rpartition('/')[0]}/{name}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def both(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    return str(request.getfixturevalue("on_postgres"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    app = create_app(settings(both(request, tmp_path)))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_upgrading_from_empty_equals_the_models(empty: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), db.metadata) == []


def test_every_migration_can_be_undone(empty: Flask) -> None:
    upgrade()
    downgrade(revision="base")
    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}


def test_every_look_up_has_an_index(empty: Flask) -> None:
    """Each foreign key is followed from both ends somewhere, so each is the start of an index."""
    upgrade()
    tables = inspect(db.engine)
    for table in db.metadata.tables:
        starts = {next(iter(i["column_names"])) for i in tables.get_indexes(table)}
        starts |= {c["column_names"][0] for c in tables.get_unique_constraints(table)}
        for key in tables.get_foreign_keys(table):
            column = key["constrained_columns"][0]
            assert column in starts or (table, column) in SMALL, f"{table}.{column} has no index"


SMALL = {
    ("connect_session", "source_id"),  # sources and tasks are never deleted, and never asked for their visits
    ("connect_session", "task_id"),
    ("run", "source_id"),
    ("run", "task_id"),
}
