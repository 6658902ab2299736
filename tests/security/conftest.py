"""A house with two people in it, built once, for attacks that change nothing; and quick password hashes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import argon2
import httpx
import pytest
from flask import Flask
from sqlalchemy import select

from tests.conftest import Stage, settings, wire
from tests.people import Deck, Visitor
from tests.security.tools import Wire
from webapp import create_app
from webapp.db import db
from webapp.demo import cast
from webapp.models import Connection, Run, person
from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import World

NORTHLIGHT = ("Northlight Power", "robin@sample.example", "bright-light-7")
MAPLE = ("Maple & Main Bank", "4500123412341234", "maple-leaf-9")


REAL_HASHER = person.HASHER
REAL_NOBODY = person.NOBODY


@pytest.fixture(autouse=True, scope="session")
def quick_hashes() -> Iterator[None]:
    """Real Argon2 with small numbers: these tests sign up a lot of people."""
    with pytest.MonkeyPatch.context() as patch:
        quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(person, "HASHER", quick)
        patch.setattr(person, "NOBODY", quick.hash("nobody has this password"))
        yield


@dataclass
class House:
    """An app with its twin, and who lives there."""

    app: Flask
    world: World
    deck: Deck
    wire: Wire
    database: str
    """Its address."""
    cookies: dict[str, str] = field(default_factory=dict)
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    """By person: `connection`, `run`, `deck_run`, `deck_credential`, and a session for each view."""

    def visitor(self, email: str) -> Visitor:
        visitor = Visitor(self.app)
        visitor.signs_up(email)
        self.cookies[email.partition("@")[0]] = cookie_of(visitor)
        return visitor


def cookie_of(visitor: Visitor) -> str:
    return "; ".join(f"{c.name}={c.value}" for c in visitor.http.cookies.jar)


def built(stage: Stage, **changes: Any) -> House:
    world = World()
    world.stores, world.derive.ordinals = copy.deepcopy(stage.stores), stage.ordinals.copy()
    world.clock.now = stage.now
    cast.furnish(world)
    database = stage.copy()
    app = create_app(settings(database, **changes))
    deliverer = Deliverer(world, httpx.Client(transport=httpx.WSGITransport(app=app)))
    the_wire = Wire(httpx.WSGITransport(app=create_twin(world, deliverer)))
    wire(app, the_wire)
    return House(app, world, Deck(app, world, deliverer), the_wire, database)


def lived_in(house: House) -> House:
    """Robin and Sam each have a connection with a result, and a visit at every screen."""
    for name in ("robin", "sam"):
        visitor = house.visitor(f"{name}@sample.example")
        refs = house.refs[name] = {}

        def keep(visitor: Visitor = visitor, refs: dict[str, str] = refs) -> None:
            refs[visitor.view()] = visitor.page.url.path.split("/")[2]

        visitor.signs_in_at(*NORTHLIGHT)
        house.deck.goes_on()
        visitor.looks_again()
        keep()
        visitor.posts("/connect/start")
        keep()
        for words in ("Agree and continue", "Maple & Main Bank"):
            visitor.posts("/connect/start")
            visitor.presses("Agree and continue")
            if words != "Agree and continue":
                visitor.presses(words)
            keep()
        visitor.signs_in_at(*MAPLE)
        house.deck.goes_on()
        visitor.looks_again()
        keep()
        with house.app.app_context():
            done = db.session.scalars(select(Run).where(Run.status == "completed").order_by(Run.id.desc())).first()
            assert done is not None
            refs |= {"connection": done.connection.ref, "run": done.ref, "deck_run": str(done.deck_id)}
            refs["deck_credential"] = str(done.connection.deck_id)
            assert db.session.get_one(Connection, done.connection_id).status == "verified"
            db.session.remove()
        assert set(refs) >= {"outcome", "consent", "pick", "sign_in", "interaction"}
    return house


@pytest.fixture(scope="session")
def house(stage: Stage) -> Iterator[House]:
    """For attacks that must change nothing: shared by many tests."""
    house = lived_in(built(stage))
    yield house
    close(house)


@pytest.fixture
def build(stage: Stage, redis_url: str) -> Iterator[Callable[..., House]]:
    """An empty house of one's own, with other settings if wanted."""
    houses: list[House] = []

    def one(**changes: Any) -> House:
        houses.append(built(stage, redis_url=redis_url, **changes))
        return houses[-1]

    yield one
    for house in houses:
        close(house)


@pytest.fixture
def own(build: Callable[..., House]) -> House:
    return build()


def close(house: House) -> None:
    house.app.extensions["gangway"].bus.close()
    with house.app.app_context():
        db.engine.dispose()
