"""The theatre, on either database. What dies here is a process and not the machine, so SQLite may live in memory."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.companies import founded
from tests.conftest import prepared, settings
from tests.crash.dying import Theatre
from tests.crash.town import first_scene
from tests.databases import Databases, PostgresDatabases, SqliteFiles
from tests.services import postgres
from tests.support.entering import Member, joins
from webapp import create_app
from webapp.db import db
from webapp.demo import cast

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def theatre() -> Iterator[Theatre]:
    folder = Path(tempfile.mkdtemp(prefix="gangway-crash-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield opened(SqliteFiles(folder), folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def theatre_on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    server = postgres()
    assert server, "a story on PostgreSQL needs a PostgreSQL server"
    databases = PostgresDatabases(server)
    theatre = opened(databases, tmp_path_factory.mktemp("crash"))
    yield theatre
    for scene in theatre.scenes.values():
        databases.drop(scene.database)


def opened(databases: Databases, folder: Path) -> Theatre:
    """With the story played once."""
    stage = prepared(databases, databases.empty())
    who = furnished(stage.database)
    first = first_scene(stage.database, copy.deepcopy(stage.stores), stage.ordinals.copy(), cast.furnish, *who)
    try:
        return Theatre(first, databases, folder)
    finally:
        databases.drop(stage.database)


def furnished(database: str) -> tuple[Member, str]:
    """Somebody who helps, let in by the operator, and the key of a company the operator has agreed with."""
    app = create_app(settings(database))
    try:
        return joins(app, role="lead"), founded(app).key
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
