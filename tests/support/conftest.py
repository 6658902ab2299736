"""Who appears in stories about support: staff of every role, signed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.companies import BANK, CARD, CODE, PASSWORD
from tests.people import Deck, Visitor
from tests.support.one_of_each import Desk, furnish
from webapp.db import db, now, writing
from webapp.models import AuditEntry, Staff, StaffSession

Somebody = Callable[[str], Visitor]


@pytest.fixture
def staff(app: Flask) -> Somebody:
    """`staff("agent")` is an agent's browser, signed in with both factors a moment ago."""

    def sign_in(role: str) -> Visitor:
        visitor = Visitor(app)
        with app.app_context():
            with writing():
                somebody = Staff.by_email(f"{role}@desk.example") or Staff(email=f"{role}@desk.example", role=role)
                somebody.name = role.capitalize()
                db.session.add(somebody)
                _, token = StaffSession.start(somebody, is_whole=True, proved_at=now())
            db.session.remove()
        visitor.http.cookies.set("gangway-staff", token)
        return visitor

    return sign_in


@pytest.fixture
def agent(staff: Somebody) -> Visitor:
    return staff("agent")


@pytest.fixture
def lead(staff: Somebody) -> Visitor:
    return staff("lead")


@pytest.fixture
def desk(app: Flask, staff: Somebody) -> Desk:
    admin = staff("admin")
    with app.app_context():
        with writing():
            furnish(db.session.query(Staff).one())
        db.session.remove()
    return Desk(app, admin)


@pytest.fixture
def on_record(app: Flask) -> Callable[[], list[tuple[str, str, str]]]:
    """What the audit log says: act, object and reason, oldest first."""

    def read() -> list[tuple[str, str, str]]:
        with app.app_context():
            entries = db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id)).all()
            return [(entry.act, entry.object, entry.reason) for entry in entries]

    return read


@pytest.fixture
def connected(robin: Visitor, deck: Deck) -> Visitor:
    """Robin, whose bank works."""
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    return robin
