"""Two worlds beside each other: the twin, which is the truth, and the real app; put back to one beginning every time.

Everything is real but the wire, the clock and the disk's patience: no sockets, no waits, no fsync. An example costs
milliseconds, because the twin, the templates and the compiled statements are shared; the app, its database file and
all it remembers are new each time.
"""

from __future__ import annotations

import base64
import copy
import logging
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import time_machine
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event
from werkzeug.test import Client, TestResponse

from tests.conftest import SECRET, settings
from tests.deck.wire import wire
from tests.model.wire import Wire
from webapp import budget, create_app
from webapp.catalog import read_catalog
from webapp.db import db
from webapp.deck import client as deck_client
from webapp.demo import cast
from webapp.sync import sync
from webapp.twin.control import move
from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import World
from webapp.worker import Worker

CANARY = "CANARY-b6d767d2f8ed"
"""In everything that somebody types for a website, and in nothing else."""

PEOPLE = ("robin", "kim")
SOURCES = ("maple-and-main", "northlight-power", "fogbank-savings")
"""One visit of each person waits at each of them. They take any sign-in: what becomes of it is up to the run."""

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
OUR_PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Beginning:
    """Both people have accounts, and visits that wait in front of a source's sign-in form."""

    database: Path
    stores: dict[str, Any]
    ordinals: Counter[str]
    now: datetime
    visits: dict[str, list[str]]
    cookies: dict[str, str]


class Scene:
    """The twin, the app, the post between them, and the clock of both."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "gangway.sqlite3"
        self.world = World()
        self.deliverer = Deliverer(self.world, httpx.Client(transport=httpx.WSGITransport(app=self.front)))
        self.twin = create_twin(self.world, self.deliverer)
        self.wire = Wire(self)
        self.log = Heard()
        self.app: Flask | None = None
        self._shared: tuple[Any, Any] | None = None
        nothing = folder / "nothing.sqlite3"
        nothing.touch()
        self.begin(Beginning(nothing, {}, Counter(), T0, {}, {}))
        self.beginning = self._furnished(folder / "beginning.sqlite3")
        self.end()

    def _furnished(self, path: Path) -> Beginning:
        assert self.app is not None
        with self.app.app_context():
            upgrade()
            sync(read_catalog(cast.CATALOG), lambda step: None)
        visits: dict[str, list[str]] = {who: [] for who in PEOPLE}
        for who in PEOPLE:
            self.posts(who, "/sign-up", email=f"{who}@sample.example", password=OUR_PASSWORD)
            for source in SOURCES:
                ref = self.posts(who, "/connect/start", source=source).headers["Location"].split("/")[-1]
                self.posts(who, f"/connect/{ref}/agree")
                assert view_in(self.opens(who, f"/connect/{ref}").text) == "sign_in"
                visits[who].append(ref)
        self._close()
        shutil.copy(self.database, path)
        cookies = {who: cookie.value for who in PEOPLE if (cookie := self.browsers[who].get_cookie("gangway"))}
        ordinals = self.world.derive.ordinals.copy()
        return Beginning(path, copy.deepcopy(self.world.stores), ordinals, self.now(), visits, cookies)

    # --- an example ----------------------------------------------------------------------------------------

    def begin(self, beginning: Beginning | None = None) -> None:
        start = beginning or self.beginning
        self._close()
        for stale in self.database.parent.glob(f"{self.database.name}*"):
            stale.unlink()
        shutil.copy(start.database, self.database)
        self._traveller = time_machine.travel(start.now, tick=False)
        self._clock = self._traveller.start()
        world = self.world
        world.reset(t0=start.now)
        world.stores.update(copy.deepcopy(start.stores))
        world.derive.ordinals = start.ordinals.copy()
        world.set_durations(cast.PACE)
        world.rules.hold_back({})  # the post waits until somebody says what becomes of it
        self.wire.begin()
        self.log.begin()
        self._dice = Random(0 if beginning is None else 1)
        self.our_secrets: list[str] = [SECRET]
        self.acknowledged: set[str] = set()
        self.answers_of_the_door: list[int] = []
        self.browsers = {who: Client(self.front) for who in PEOPLE}
        for who, cookie in start.cookies.items():
            self.browsers[who].set_cookie("gangway", cookie)
        self.boot()

    def end(self) -> None:
        self._close()
        self.log.end()
        self._traveller.stop()

    def boot(self) -> None:
        """A new process on the same database: nothing is known but what is written there."""
        config = settings(f"sqlite:///{self.database}", deck_webhook_secrets=tuple(reversed(self.our_secrets[-2:])))
        self._close()
        app = create_app(config)
        with app.app_context():
            if self._shared is None:
                event.listen(db.engine, "connect", _in_no_hurry)
                self._shared = (db.engine, app.jinja_env)
            else:
                db.engine.dispose()
            # What it takes time to build and nothing is remembered in: compiled statements and templates.
            db.engines[None], app.jinja_env = self._shared  # type: ignore[method-assign]
        wire(app, self.wire)
        self.app, self.worker = app, Worker(app)

    def new_secret(self) -> str:
        """Known to us from the next start on, beside the one before it."""
        self.our_secrets.append("whsec_" + base64.b64encode(b"webhook secret %17d." % len(self.our_secrets)).decode())
        return self.our_secrets[-1]

    def _close(self) -> None:
        if self._shared:
            self._shared[0].dispose()

    def front(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Whichever process runs now answers."""
        assert self.app is not None
        return self.app(environ, start_response)

    # --- time ----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.now(UTC)

    def ours_moves(self, seconds: float) -> None:
        self._clock.shift(timedelta(seconds=seconds))

    def passes(self, seconds: float) -> None:
        """Time for both; what Deck owes meanwhile is held back."""
        until = max(self.world.clock.now, self.now()) + timedelta(seconds=seconds)
        self.truly(until)

    def truly(self, until: datetime, *, stop: Any = lambda event: False, **how: Any) -> None:
        """Deck goes on; our clock goes with it."""
        move(self.world, self.deliverer.drain, until, stop, **how)
        behind = (self.world.clock.now - self.now()).total_seconds()
        if behind > 0:
            self.ours_moves(behind)

    @contextmanager
    def nothing_left_to_chance(self) -> Iterator[None]:
        """Durations pass with the clock that is moved, a nap takes no time, and every example has the same names."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(budget, "time", self)
            patch.setattr(deck_client, "time", self)
            patch.setattr(secrets, "token_hex", lambda size=16: self._dice.randbytes(size).hex())
            patch.setattr(secrets, "token_urlsafe", lambda size=16: self._dice.randbytes(size).hex()[: size * 4 // 3])
            patch.setattr(secrets, "choice", lambda of: self._dice.choice(of))
            patch.setattr(secrets, "randbelow", lambda below: self._dice.randrange(below))
            yield

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.ours_moves(seconds)

    # --- people --------------------------------------------------------------------------------------------

    def opens(self, who: str, path: str) -> TestResponse:
        return self.browsers[who].get(path, base_url="http://localhost", headers=SAME_SITE)

    def posts(self, who: str, path: str, **fields: str) -> TestResponse:
        return self.browsers[who].post(path, data=fields, base_url="http://localhost", headers=SAME_SITE)

    def comes_back(self, who: str) -> None:
        """Sign in with us again."""
        self.posts(who, "/sign-in", email=f"{who}@sample.example", password=OUR_PASSWORD)


def _in_no_hurry(connection: Any, _record: object) -> None:
    """Nobody pulls a plug here, so nothing waits for the disk."""
    connection.execute("PRAGMA synchronous=OFF")


class Heard(logging.Handler):
    """All that is logged."""

    def begin(self) -> None:
        self.lines: list[str] = []
        logging.getLogger().addHandler(self)

    def end(self) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.exc_info or ''}")


@dataclass(frozen=True)
class Tab:
    """A page somebody has open; what it shows may be long gone."""

    who: str
    visit: str
    view: str
    prompt: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, who: str, visit: str, text: str) -> Tab:
        prompt = re.search(r'name="prompt" value="([^"]+)"', text)
        fields = tuple(dict.fromkeys(re.findall(r'name="(f\d+)"', text)))
        return cls(who, visit, view_in(text), prompt[1] if prompt else "", fields)


def view_in(text: str) -> str:
    found = re.search(r'data-view="(\w+)"', text)
    return found[1] if found else ""
