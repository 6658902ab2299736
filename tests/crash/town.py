"""Everybody in the stories: a person, Deck, and our program, which may be dead at any moment. Only it can die."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import time_machine
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.conftest import settings
from tests.crash import program
from tests.crash.browsers import NEW, Browser, Customer
from tests.crash.program import Call, Start, Step
from tests.databases import Databases
from tests.people import STOPS
from tests.support.entering import Member
from webapp.twin.control import move
from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import World

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["__main__", "tests.crash.warm"])

PATIENCE = 30.0
"""Seconds a life may take to answer before the test gives up on it."""


class Died(Exception):
    """Our program was killed while it was at it."""


class Life:
    """One life of the program, seen from outside."""

    def __init__(self, start: Start, deck: httpx.BaseTransport) -> None:
        self.deck = deck
        self.steps: list[Step] = []
        self.made: list[tuple[str, str, str]] = []
        """What Deck was asked to do, and did: (call, key, id)."""
        self.pipe, theirs = FORKS.Pipe()
        self.process = FORKS.Process(target=program.main, args=(theirs, start), daemon=True)
        self.process.start()
        theirs.close()

    def does(self, order: str, argument: object = None) -> Any:
        """Have it do something; `Died` when it is dead by then."""
        try:
            self.pipe.send((order, argument))
            while True:
                if not self.pipe.poll(PATIENCE):
                    raise AssertionError(f"no word for {PATIENCE} s after {self.steps[-1:]}")
                told = self.pipe.recv()
                if isinstance(told, Step):
                    self.steps.append(told)
                elif isinstance(told, Call) and not told.status:
                    self.pipe.send(self._ask_deck(told))
                else:
                    return told
        except (EOFError, ConnectionError):
            self.process.join(PATIENCE)
            assert self.process.exitcode == -signal.SIGKILL, "it ended by itself; its log tells why"
            raise Died(self.steps[-1].name if self.steps else "at the start") from None

    def _ask_deck(self, call: Call) -> Call:
        request = httpx.Request(call.method, call.url, headers=call.headers, content=call.content)
        answer = self.deck.handle_request(request)
        content = answer.read()
        if call.method != "GET" and answer.status_code < 300:
            told = httpx.Response(200, content=content).json() if content else {}
            key = request.headers.get("Idempotency-Key", "")
            self.made.append((f"{call.method} {request.url.path}", key, str(told.get("id", ""))))
        return Call(call.method, call.url, answer.headers.raw, content, answer.status_code)

    def ends(self) -> None:
        """In peace."""
        if self.process.is_alive():
            with contextlib.suppress(ConnectionError):
                self.pipe.send(("end", None))
        self.process.join(PATIENCE)
        self.process.kill()  # it is long gone, or hangs
        self.process.join()
        self.pipe.close()
        self.process.close()


@dataclass(frozen=True)
class Scene:
    """Everything as it is at one moment: what a case starts from."""

    database: str
    world: dict[str, Any]
    now: datetime
    member: Member
    """What the one of the staff knows by heart."""
    key: str
    """The key of a company's server."""
    person: Browser = NEW
    phone: Browser = NEW
    agent: Browser = NEW
    made: tuple[tuple[str, str, str], ...] = ()
    acknowledged: tuple[str, ...] = ()


class BackDoor(httpx.BaseTransport):
    """From Deck to our program: who is dead does not answer, and Deck tries again later."""

    def __init__(self, town: Town) -> None:
        self.town = town

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.town.died:
            raise httpx.ConnectError("nobody listens")
        try:
            response = self.town.carries(request)
        except Died as death:
            self.town.died = str(death)
            raise httpx.ReadError("cut off") from None
        assert response.status_code == 204, "nothing is wrong with these events"
        self.town.acknowledged.append(request.headers["webhook-id"])
        return response


class Town:
    """Made from a scene, and left to start another one."""

    def __init__(self, scene: Scene, databases: Databases, folder: Path, *, bug: str = "") -> None:
        self.databases, self.folder, self.bug = databases, folder, bug
        self.database = databases.copy_of(scene.database)
        self.world = World()
        self.world.snapshots.restore(self.world.snapshots.add(scene.world)["id"])
        self.deliverer = Deliverer(self.world, httpx.Client(transport=BackDoor(self)))
        self.deck = httpx.WSGITransport(app=create_twin(self.world, self.deliverer))
        self.clock = time_machine.travel(scene.now, tick=True)
        self.person, self.phone = Customer(self, scene.person), Customer(self, scene.phone)
        self.agent, self.company = Customer(self, scene.agent), Customer(self, NEW)
        self.member, self.key = scene.member, scene.key
        self.clicked = self.person
        """Who did something last."""
        self.acknowledged = list(scene.acknowledged)
        self.lives: list[Life] = []
        self._made_before = list(scene.made)
        self.died = ""

    def __enter__(self) -> Self:
        self.traveller = self.clock.start()
        self.starts()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.life.ends()
        self.clock.stop()
        self.databases.drop(self.database)

    # --- our program ---------------------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def made(self) -> list[tuple[str, str, str]]:
        return [*self._made_before, *(one for life in self.lives for one in life.made)]

    def starts(self) -> None:
        if self.lives:
            self.life.ends()
        self.died = ""
        start = Start(settings(self.database), datetime.now(UTC), self.folder, self.bug)
        self.lives.append(Life(start, self.deck))

    def begins(self, dies_at: str = "") -> None:
        """A new act: steps are counted from here, and it dies at the one so named."""
        self.life.does("begin", dies_at)
        self.life.steps.clear()

    def carries(self, request: httpx.Request) -> httpx.Response:
        call = Call(request.method, str(request.url), request.headers.raw, request.read())
        answer: Call = self.life.does("answer", call)
        return httpx.Response(answer.status, headers=answer.headers, stream=httpx.ByteStream(answer.content))

    def our_worker_works(self) -> None:
        self.life.does("work")

    def our_watchdog_looks(self) -> None:
        self.life.does("chores")
        self.life.does("work")

    def is_watched(self) -> None:
        """Somebody has the present page open, and so our program looks more often."""
        self.life.does("watch", self.person.page.url.path.split("/")[2])
        self.our_worker_works()

    # --- time ----------------------------------------------------------------------------------------------

    def later(self, seconds: float) -> None:
        """For us; Deck's clock is its own."""
        self.traveller.shift(seconds)
        self.life.does("later", seconds)

    def deck_goes_on(self) -> None:
        """Until the site asks something or a run is over, telling us as it goes; then our worker acts on it."""
        self._move(timedelta(hours=1), stops=True)
        self.our_worker_works()

    def deck_lets_pass(self, seconds: float) -> None:
        self._move(timedelta(seconds=seconds), stops=False)
        self.our_worker_works()

    def _move(self, span: timedelta, *, stops: bool) -> None:
        until = self.world.clock.now + span
        move(self.world, self.deliverer.drain, until, lambda event: stops and event["type"] in STOPS)
        if self.died:
            raise Died(self.died)

    # --- scenes --------------------------------------------------------------------------------------------

    def scene(self) -> Scene:
        """As it is now. Our program ends and starts again, so that everything it knows is in its database."""
        self.life.ends()
        scene = Scene(
            database=self.databases.copy_of(self.database),
            world=self.world.snapshots.get(self.world.snapshots.create()["id"]),
            now=datetime.now(UTC),
            member=self.member,
            key=self.key,
            person=self.person.leaves(),
            phone=self.phone.leaves(),
            agent=self.agent.leaves(),
            made=tuple(self.made),
            acknowledged=tuple(self.acknowledged),
        )
        start = Start(settings(self.database), datetime.now(UTC), self.folder, self.bug)
        self.lives.append(Life(start, self.deck))
        return scene


def first_scene(database: str, stores: Any, ordinals: Any, furnish: Any, member: Member, key: str) -> Scene:
    """A synced account at Deck and a database that knows it; one of the staff, a company, and nobody else yet."""
    world = World()
    world.stores, world.derive.ordinals, world.clock.now = stores, ordinals, datetime.now(UTC)
    furnish(world)
    return Scene(database, world.snapshots.get(world.snapshots.create()["id"]), datetime.now(UTC), member, key)


Rows = list[dict[str, Any]]


def rows(database: str, query: str) -> Rows:
    """In plain SQL."""
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def there_are(town: Town, what: str) -> int:
    """How many rows: *what* is a table, or a table and which of it."""
    return int(rows(town.database, f"SELECT count(*) AS n FROM {what}")[0]["n"])


def objects(town: Town, kind: str) -> Iterator[dict[str, Any]]:
    yield from town.world.stores[kind].values()
