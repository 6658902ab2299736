"""The stage of most tests: the real app, the real twin, real HTTP and signatures between them, no sockets."""

from __future__ import annotations

import base64
import copy
import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import argon2
import httpx
import hypothesis
import pytest
import stamina
import time_machine
from flask import Flask
from flask_migrate import upgrade
from jinja2 import FileSystemBytecodeCache

from tests.compiled import share_addresses, share_statements
from tests.databases import Databases, PostgresDatabases, SqliteFiles, throw_away
from tests.deck.line import Line
from tests.deck.once import assert_nothing_secret_is_kept
from tests.deck.wire import wire
from tests.log_reader import Reader
from tests.people import Deck, Visitor
from tests.services import postgres, redis
from webapp import create_app, limits
from webapp.catalog import read_catalog
from webapp.config import Config
from webapp.db import db
from webapp.demo import cast
from webapp.models import person
from webapp.sync import sync
from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import World

ONCE_IS_ENOUGH = ("sqlite", "browser", "slow", "postgres")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On the big stack: every story that has a database in it, but for those that choose one themselves."""
    if config.getoption("--stack") == "sqlite":
        return
    again = {
        item
        for item in items
        if "databases" in getattr(item, "fixturenames", ()) and not any(map(item.get_closest_marker, ONCE_IS_ENOUGH))
    }
    config.hook.pytest_deselected(items=[item for item in items if item not in again])
    items[:] = [item for item in items if item in again]


hypothesis.settings.register_profile("busy", suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")
"""How long it takes to draw examples says how busy the machine is, and nothing about the product."""


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--stack") != "sqlite" and not (postgres() and redis()):
        pytest.exit("*** NOT RUN: the stories on PostgreSQL and Redis; one of them is not here", returncode=0)
    if config.getoption("--stack") != "sqlite":
        # An app that a test makes beside the stage's keeps its connections until it is collected; SQLite's say nothing.
        config.addinivalue_line("filterwarnings", "ignore:.*psycopg.Connection:ResourceWarning")
        config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="What the stories are told on: SQLite alone, or PostgreSQL and Redis.",
    )


SECRET = "whsec_" + base64.b64encode(b"a webhook secret of 32 bytes....").decode()


@pytest.fixture(autouse=True, scope="session")
def retries_do_not_wait() -> Iterator[None]:
    """Retries happen, without the waits between them."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(autouse=True, scope="session")
def redis_is_given_time() -> Iterator[None]:
    """Three stories at once keep a machine busy; only those that take Redis away should notice that it is slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "PATIENCE", 10.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def templates_are_compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every test has an app of its own; they share what Jinja made of the templates."""
    cache = FileSystemBytecodeCache(str(tmp_path_factory.mktemp("jinja")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": cache})
        yield


@pytest.fixture(autouse=True, scope="session")
def apps_share_what_they_compile() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_addresses(patch)
        share_statements(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def passwords_are_hashed_cheaply() -> Iterator[None]:
    """Argon2 with small costs; `tests/security/test_sessions.py` looks at the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(person, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        patch.setattr(person, "NOBODY", person.HASHER.hash("nobody has this password"))
        yield


def settings(database_url: str, **changes: object) -> Config:
    given: dict[str, object] = {
        "secret_key": "0123456789abcdefghijklmnopqrstuvwxyz",
        "vault_keys": (("test", b"0" * 32),),
        "public_url": "http://localhost",
        "deck_api_key": "sk_live_twin",
        "deck_webhook_secrets": (SECRET,),
        "deck_base_url": "http://twin.localhost/v2",
        "database_url": database_url,
        "catalog": cast.CATALOG,
        "operator_name": "Harbourlight Budget",
    }
    return Config(**{**given, **changes})  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Stage:
    """A migrated database and a twin that match the demo's catalog: made once, copied for every test."""

    database: str
    stores: dict[str, Any]
    ordinals: Counter[str]
    idempotency: dict[str, Any]
    now: datetime
    databases: Databases
    copies: list[str] = dataclasses.field(default_factory=list)

    def copy(self) -> str:
        """The address of a copy that lives as long as the session."""
        self.copies.append(self.databases.copy_of(self.database))
        return self.copies[-1]


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Where databases live on the stack under test: SQLite's files in memory, where the machine has a place for that."""
    if request.config.getoption("--stack") == "sqlite":
        in_memory = Path("/dev/shm")
        with TemporaryDirectory(prefix="gangway-test-", dir=in_memory if in_memory.is_dir() else None) as folder:
            yield SqliteFiles(Path(folder))
        return
    server = postgres()
    assert server, "the stack `postgres` needs a PostgreSQL server"
    yield PostgresDatabases(server)


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, worker_id: str) -> str:
    """An empty Redis database on the big stack, none on the small one."""
    if request.config.getoption("--stack") == "sqlite":
        return ""
    url = redis(1 + int(worker_id.removeprefix("gw") or 0) if worker_id != "master" else 1)
    assert url, "the stack `postgres` needs a Redis server"
    return url


@pytest.fixture(scope="session")
def stage(databases: Databases) -> Iterator[Stage]:
    with throw_away(databases) as address:
        stage = prepared(databases, address)
        yield stage
        for copy_ in stage.copies:
            databases.drop(copy_)


def prepared(databases: Databases, address: str) -> Stage:
    app, world = create_app(settings(address)), World()
    wire(app, httpx.WSGITransport(app=create_twin(world)))
    with app.app_context():
        upgrade()
        sync(read_catalog(cast.CATALOG), lambda step: None)
        db.session.remove()
        db.engine.dispose()
    world.outbox.clear()
    return Stage(address, world.stores, world.derive.ordinals, world.idempotency, world.clock.now, databases)


@pytest.fixture
def world(stage: Stage) -> World:
    world = World()
    world.stores = copy.deepcopy(stage.stores)
    world.derive.ordinals = stage.ordinals.copy()
    world.idempotency = copy.deepcopy(stage.idempotency)
    world.clock.now = stage.now
    cast.furnish(world)
    return world


@pytest.fixture
def database_url(databases: Databases, stage: Stage) -> Iterator[str]:
    with throw_away(databases, like=stage.database) as address:
        yield address


@pytest.fixture
def app(world: World, database_url: str, redis_url: str) -> Iterator[Flask]:
    """The app with the catalog applied, its Deck client wired to the twin and the twin's webhooks to the app."""
    app = create_app(settings(database_url, redis_url=redis_url))
    deliverer = Deliverer(world, httpx.Client(transport=httpx.WSGITransport(app=app)))
    wire(app, httpx.WSGITransport(app=create_twin(world, deliverer)))
    app.extensions["test.deliverer"] = deliverer
    yield app
    app.extensions["gangway"].bus.close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def deck(app: Flask, world: World) -> Deck:
    """Deck as a story teller: it goes on when told."""
    return Deck(app, world, app.extensions["test.deliverer"])


@pytest.fixture
def robin(app: Flask) -> Visitor:
    """Somebody with an account, signed in."""
    visitor = Visitor(app)
    visitor.signs_up("robin@sample.example")
    return visitor


@pytest.fixture
def later() -> Iterator[Callable[..., None]]:
    """Time passing for all of us: `later(minutes=5)`. Deck's own clock is the twin's and stays where it is."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield lambda **span: traveller.shift(timedelta(**span))


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Of the log, from INFO on."""
    reader, log = Reader(), logging.getLogger("gangway")
    before = log.level
    log.addHandler(reader)
    log.setLevel(logging.INFO)
    yield reader
    log.removeHandler(reader)
    log.setLevel(before)


@pytest.fixture
def line(app: Flask, world: World) -> Line:
    """The wire between us and Deck, in somebody else's hands."""
    return Line(app, world)


@pytest.fixture
def nothing_secret(line: Line, database_url: str) -> Iterator[None]:
    """Whatever happens: what people typed is not in the database afterwards."""
    yield
    assert_nothing_secret_is_kept(database_url)
