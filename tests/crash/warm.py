"""Loaded once, before the fork: whatever every life of the program would find out again for itself."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import httpx
import pytest
from sqlalchemy.orm import configure_mappers

from tests.compiled import share_addresses, share_statements
from tests.conftest import settings
from tests.crash import program
from tests.deck.once import BANK, CARD, CODE, PASSWORD
from tests.deck.wire import wire
from tests.people import Deck, Visitor
from webapp import create_app
from webapp.catalog import read_catalog
from webapp.db import db
from webapp.demo import cast
from webapp.sync import sync
from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import World


def warm_up(folder: str) -> None:
    """Connect an account and look at what came back, on a database that goes at once."""
    share_addresses(pytest.MonkeyPatch())
    share_statements(pytest.MonkeyPatch())
    configure_mappers()
    program.hash_cheaply()
    app, world = create_app(settings(f"sqlite:///{folder}/warm.sqlite3")), World()
    deliverer = Deliverer(world, httpx.Client(transport=httpx.WSGITransport(app=app)))
    wire(app, httpx.WSGITransport(app=create_twin(world, deliverer)))
    with app.app_context():
        with db.engine.connect().execution_options(writes=True) as connection:
            db.metadata.create_all(connection)
            connection.commit()
        sync(read_catalog(cast.CATALOG), lambda step: None)
    cast.furnish(world)
    deck, robin = Deck(app, world, deliverer), Visitor(app)
    robin.signs_up("robin@sample.example")
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    deck.worker.do_chores()
    robin.opens("/connections")
    robin.presses(BANK)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


with TemporaryDirectory() as folder:
    warm_up(folder)
