"""Somebody forgot the password of their account here, and the operator gives them a link."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.log_reader import Reader
from tests.people import Visitor
from webapp.db import db, writing
from webapp.keeping import password_link_command
from webapp.models import Person

EMAIL, NEW = "robin@sample.example", "seven quiet herons"
Link = Callable[[], str]


@pytest.fixture
def link(app: Flask, robin: Visitor) -> Link:
    """What the operator makes for Robin."""

    def make() -> str:
        made = app.test_cli_runner().invoke(password_link_command, [EMAIL])
        assert made.exit_code == 0, made.output
        return made.output.strip().removeprefix("http://localhost")

    return make


def signs_in(app: Flask, password: str) -> int:
    visitor = Visitor(app)
    visitor.opens("/sign-in")
    visitor.presses("Sign in", email=EMAIL, password=password)
    return visitor.page.status_code


def test_robin_chooses_a_new_password_and_is_in(app: Flask, link: Link, reader: Reader) -> None:
    forgetful = Visitor(app)
    forgetful.opens(link())
    assert "Choose a new password" in forgetful.sees()
    forgetful.presses("Save and sign in", password=NEW)
    assert forgetful.page.url.path == "/connections"
    assert reader.of("authn_password_change") and NEW not in "".join(reader.raw)
    assert signs_in(app, NEW) == 200
    assert signs_in(app, "correct horse battery") == 401


def test_whoever_was_signed_in_is_out(app: Flask, robin: Visitor, link: Link) -> None:
    forgetful = Visitor(app)
    forgetful.opens(link())
    forgetful.presses("Save and sign in", password=NEW)
    robin.opens("/connections")
    assert robin.page.url.path == "/sign-in"


def test_it_works_once_and_looking_does_not_use_it_up(app: Flask, link: Link) -> None:
    first, second = link(), link()
    forgetful = Visitor(app)
    for _ in range(3):
        assert forgetful.opens(first).status_code == 200
    forgetful.presses("Save and sign in", password=NEW)
    for used in (first, second):
        late = Visitor(app)
        assert late.opens(used).status_code == 410 and "This link is over" in late.sees()
        assert late.posts(used, {"password": "another quiet heron"}).status_code == 410
    assert signs_in(app, NEW) == 200


def test_it_lasts_a_day(app: Flask, link: Link, later: Callable[..., None]) -> None:
    made = link()
    later(hours=25)
    assert Visitor(app).opens(made).status_code == 410


def test_a_password_that_everybody_tries_is_refused_and_the_link_still_works(app: Flask, link: Link) -> None:
    forgetful = Visitor(app)
    forgetful.opens(link())
    forgetful.presses("Save and sign in", password="password1234")
    assert forgetful.page.status_code == 422 and "password1234" not in forgetful.page.text
    forgetful.presses("Save and sign in", password=NEW)
    assert signs_in(app, NEW) == 200


@pytest.mark.parametrize("change", ["", "x", "%00", "é"])
def test_a_link_that_was_changed_is_worth_nothing(app: Flask, link: Link, change: str) -> None:
    made = link()
    assert Visitor(app).opens(made[:-3] + change).status_code in (404, 410)


def test_an_account_that_is_being_deleted_has_no_link(app: Flask, robin: Visitor, link: Link) -> None:
    made = link()
    with app.app_context(), writing():
        db.session.query(Person).update({"closing_at": db.func.now()})
    assert Visitor(app).opens(made).status_code == 410
    refused = app.test_cli_runner().invoke(password_link_command, [EMAIL])
    assert refused.exit_code == 1 and "being deleted" in refused.output


def test_the_way_there_is_told_where_it_is_needed(app: Flask) -> None:
    visitor = Visitor(app)
    visitor.opens("/sign-in")
    assert "Forgot your password?" in visitor.sees()
