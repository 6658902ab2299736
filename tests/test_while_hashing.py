"""A hash waits for its turn at a core. Nobody holds a database connection meanwhile: there are thirty, for everybody."""

from __future__ import annotations

from collections.abc import Callable

import argon2
import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.entering import PASSWORD, accepts, comes_in, link_for
from tests.test_closing import operator
from webapp.db import db
from webapp.models import person

NEW = "another quiet heron"


class Watched:
    """Argon2, noting how many connections are in somebody's hands whenever it works."""

    def __init__(self, hasher: argon2.PasswordHasher, app: Flask) -> None:
        self.hasher, self.app = hasher, app
        self.held: list[int] = []

    def hash(self, password: str) -> str:
        self._look()
        return self.hasher.hash(password)

    def verify(self, kept: str, given: str) -> bool:
        self._look()
        return self.hasher.verify(kept, given)

    def check_needs_rehash(self, kept: str) -> bool:
        return True  # so that every sign-in hashes once more

    def _look(self) -> None:
        with self.app.app_context():
            self.held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]


@pytest.fixture
def watched(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(person.HASHER, app)
    monkeypatch.setattr(person, "HASHER", watched)
    return watched


def test_when_people_sign_up_sign_in_and_forget(app: Flask, watched: Watched) -> None:
    Visitor(app).signs_up("robin@sample.example")
    robin = Visitor(app)
    robin.opens("/sign-in")
    robin.presses("Sign in", email="robin@sample.example", password="correct horse battery")
    link = operator(app, "person", "password-link", "robin@sample.example").output.strip()
    forgetful = Visitor(app)
    forgetful.opens(link.removeprefix("http://localhost"))
    forgetful.presses("Save and sign in", password=NEW)
    assert forgetful.page.url.path == "/connections"
    assert watched.held == [0, 0, 0, 0]


def test_when_staff_join_come_in_prove_it_and_change_their_password(
    app: Flask, watched: Watched, later: Callable[..., None]
) -> None:
    ash = accepts(Visitor(app), link_for(app, "ash@desk.example"), "ash@desk.example")
    visitor = comes_in(app, ash)
    later(minutes=11)
    visitor.opens("/support/prove?next=/support/mine")
    visitor.presses("It is me", password=PASSWORD, code=ash.code())
    assert visitor.page.url.path == "/support/mine", visitor.sees()
    visitor.presses("Change password", password=NEW)
    assert visitor.page.url.path == "/support/mine", visitor.sees()
    assert watched.held == [0] * 6, "one to join, two to come in, two to prove it, one for the new password"
