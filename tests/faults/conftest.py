"""The stage of the fault table: a wire with troubles, a door to knock at, and the search for secrets afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from tests.deck.line import Line
from tests.deck.once import BANK, CARD, CODE, PASSWORD, assert_nothing_secret_is_kept, looks
from tests.people import Deck, Visitor
from tests.test_webhooks import Knocker
from webapp.db import db
from webapp.models import Run


@pytest.fixture
def door(app: Flask) -> Knocker:
    return Knocker(app)


@pytest.fixture(autouse=True)
def nothing_secret(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever went wrong: what people typed is neither in the database nor in the log."""
    url = request.getfixturevalue("database_url") if "app" in request.fixturenames else ""
    yield
    if url:
        assert_nothing_secret_is_kept(url)
    logged = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    assert not any(secret in logged for secret in (CARD, PASSWORD, CODE)), logged


@pytest.fixture
def asked(robin: Visitor, deck: Deck, line: Line) -> Visitor:
    """Robin in front of the bank's question."""
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    assert looks(robin) == "interaction"
    return robin


@pytest.fixture
def runs(app: Flask) -> Callable[[], list[tuple[str, str]]]:
    """Status and result of every run, as we show them."""

    def read() -> list[tuple[str, str]]:
        with app.app_context():
            return [(run.status, run.result) for run in db.session.scalars(select(Run).order_by(Run.id))]

    return read
