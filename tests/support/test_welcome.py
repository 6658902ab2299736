"""The first admin comes by a link from the command line; the link works once, and for a quarter of an hour."""

from __future__ import annotations

from collections.abc import Callable

import pyotp
import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.entering import PASSWORD, accepts, joins, link_for
from tests.test_closing import operator
from webapp.db import db
from webapp.models import Staff
from webapp.vault import Unsealable

EMAIL = "ash@desk.example"
Record = Callable[[], list[tuple[str, str, str]]]


def test_nobody_is_staff_by_default(app: Flask) -> None:
    with app.app_context():
        assert db.session.scalars(db.select(Staff)).all() == []
    assert "There is nobody yet" in operator(app, "staff", "list").output


def test_a_link_leads_to_a_password_a_second_factor_and_ten_recovery_codes(app: Flask, on_record: Record) -> None:
    member = joins(app, EMAIL, "admin")
    assert len(set(member.recovery)) == 10
    assert [act for act, *_ in on_record()] == ["staff_invite", "welcome"]
    assert f"{EMAIL}: admin, active" in operator(app, "staff", "list").output


def test_looking_at_the_link_does_not_use_it_up(app: Flask) -> None:
    link, curious = link_for(app, EMAIL), Visitor(app)
    seeds = {curious.opens(link).text.partition("Secret:")[2][:80] for _ in range(3)}
    assert len(seeds) == 1, "whoever comes back has not scanned in vain"
    assert accepts(Visitor(app), link, EMAIL).recovery


def test_a_link_works_once(app: Flask) -> None:
    link, visitor = link_for(app, EMAIL), Visitor(app)
    accepts(visitor, link, EMAIL)
    assert visitor.opens(link).status_code == 410
    assert visitor.posts(link, {"name": "Eve", "password": PASSWORD, "code": "000000"}).status_code == 410


def test_a_link_works_for_fifteen_minutes(app: Flask, later: Callable[..., None]) -> None:
    link, visitor = link_for(app, EMAIL), Visitor(app)
    later(minutes=14, seconds=50)
    assert visitor.opens(link).status_code == 200
    later(seconds=20)
    assert visitor.opens(link).status_code == 410


def test_a_new_link_ends_the_one_before(app: Flask) -> None:
    first, second = link_for(app, EMAIL), link_for(app, EMAIL)
    assert Visitor(app).opens(first).status_code == 410
    assert Visitor(app).opens(second).status_code == 200


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("short", "at least 12"),
        ("é" * 600, "at most 1024"),
        ("Ash@Desk.example", "besides your address"),
        ("my Gangway pass", "besides your address"),
        ("Password1234", "tried first"),
        ("a" * 64, "tried first"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(app: Flask, password: str, problem: str) -> None:
    visitor = Visitor(app)
    visitor.opens(link_for(app, EMAIL))
    visitor.presses("Finish", name="Ash", password=password, code="123456")
    assert visitor.page.status_code == 422 and problem in visitor.sees()
    assert password not in visitor.page.text


def test_a_password_is_kept_as_it_is_typed_whatever_is_in_it(app: Flask) -> None:
    for number, password in enumerate(
        ("   a b c    ", "\U0001f600\U0001f601\U0001f602\U0001f923" * 3, "dry kiln" * 128, " with spaces around ")
    ):
        email = f"n{number}@desk.example"
        visitor = Visitor(app)
        seed = visitor.opens(link_for(app, email)).text.partition("<code>")[2].partition("</code>")[0]
        visitor.presses("Finish", name="N", password=password, code=pyotp.TOTP(seed).now())
        visitor.opens("/support/sign-in")
        visitor.presses("Sign in", email=email, password=password)
        assert visitor.page.url.path == "/support/second-factor", password[:20]


def test_a_wrong_code_leaves_the_link_as_it_was(app: Flask) -> None:
    link, visitor = link_for(app, EMAIL), Visitor(app)
    visitor.opens(link)
    visitor.presses("Finish", name="Ash", password=PASSWORD, code="nonsense")
    assert visitor.page.status_code == 422 and "That code did not work" in visitor.sees()
    assert accepts(visitor, link, EMAIL).recovery


def test_the_seed_is_sealed_and_bound_to_its_person(app: Flask) -> None:
    member, other = joins(app), joins(app, "birch@desk.example")
    with app.app_context():
        ash, birch = Staff.by_email(member.email), Staff.by_email(other.email)
        assert ash and birch and ash.sealed_seed and member.seed not in ash.sealed_seed
        vault = app.extensions["gangway"].vault
        assert vault.open(ash.sealed_seed, place=ash.seed_place) == member.seed
        with pytest.raises(Unsealable):
            vault.open(ash.sealed_seed, place=birch.seed_place)
