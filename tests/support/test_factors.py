"""Codes: one step early or late, each once, even when twenty arrive together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.entering import Member, gives_code, gives_password, is_in, joins
from webapp.db import db
from webapp.models import Staff

Later = Callable[..., None]


@pytest.fixture
def ash(app: Flask, later: Later) -> Member:
    """Joined some minutes ago, so that no code of now is used yet."""
    member = joins(app)
    later(minutes=5)
    return member


def at_the_code(app: Flask, member: Member) -> Visitor:
    visitor = Visitor(app)
    gives_password(visitor, member)
    assert visitor.page.url.path == "/support/second-factor"
    return visitor


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(app: Flask, ash: Member, steps: int, taken: bool) -> None:
    visitor = at_the_code(app, ash)
    gives_code(visitor, ash.code(steps))
    assert is_in(visitor) == taken


def test_a_code_works_once_and_no_older_one_after_it(app: Flask, ash: Member, later: Later) -> None:
    first, second = at_the_code(app, ash), at_the_code(app, ash)
    code, older = ash.code(), ash.code(-1)
    gives_code(first, code)
    assert is_in(first)
    assert gives_code(second, code).status_code == 401
    assert gives_code(second, older).status_code == 401
    later(seconds=30)
    gives_code(second, ash.code())
    assert is_in(second)


def test_of_twenty_who_send_one_code_at_once_one_comes_in(app: Flask, ash: Member) -> None:
    browsers, code = [at_the_code(app, ash) for _ in range(20)], ash.code()

    def sends(visitor: Visitor) -> bool:
        form = {"code": code}
        answer = visitor.http.post("/support/second-factor", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        return answer.status_code == 303

    with ThreadPoolExecutor(20) as crowd:
        assert sum(crowd.map(sends, browsers)) == 1


def test_a_recovery_code_works_once_however_it_is_typed(app: Flask, ash: Member) -> None:
    first, second = at_the_code(app, ash), at_the_code(app, ash)
    gives_code(first, ash.recovery[3].replace("-", " ").lower())
    assert is_in(first)
    assert gives_code(second, ash.recovery[3]).status_code == 401
    gives_code(second, ash.recovery[4])
    assert is_in(second)
    with app.app_context():
        kept = Staff.by_email(ash.email)
        assert kept and len(kept.recovery) == 8
        assert not set(ash.recovery) & set(kept.recovery), "only their hashes are kept"


@pytest.mark.parametrize("code", ["", " ", "000000", "0" * 500, "é", "\x00", "١٢٣٤٥٦"])
def test_nonsense_is_no_code(app: Flask, ash: Member, code: str) -> None:
    visitor = at_the_code(app, ash)
    assert gives_code(visitor, code).status_code == 401
    assert not is_in(visitor)


def test_without_a_password_there_is_nothing_to_give_a_code_to(app: Flask, ash: Member) -> None:
    visitor = Visitor(app)
    visitor.posts("/support/second-factor", {"code": ash.code()})
    assert visitor.page.url.path == "/support/sign-in"
    with app.app_context():
        assert db.session.scalars(db.select(Staff.failures)).one() == 0
