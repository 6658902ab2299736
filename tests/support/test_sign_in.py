"""Signing in to support: both factors, the same answer to every mistake, and patience that runs out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest
from flask import Flask
from limits import parse

from tests.conftest import settings
from tests.people import Visitor
from tests.security.tools import Reply, ask
from tests.support.entering import PASSWORD, Member, comes_in, gives_code, gives_password, is_in, joins
from tests.test_closing import operator
from webapp import create_app
from webapp.db import db, writing
from webapp.models import AuditEntry, Staff, StaffSession, person
from webapp.support import door

OURS = {"Sec-Fetch-Site": "same-origin"}
COOKIE = "gangway-staff"
Later = Callable[..., None]
Record = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture
def ash(app: Flask) -> Member:
    return joins(app)


def tries(app: Flask, email: str, password: str = "not the right one", **form: str) -> Reply:
    form |= {"email": email, "password": password}
    return ask(app, "POST", "/support/sign-in", headers=OURS, form=form)


def opens(app: Flask, cookie: str) -> int:
    return ask(app, "GET", "/support/mine", cookie=f"{COOKIE}={cookie}").status


# --- in and out ------------------------------------------------------------------------------------------------


def test_a_password_and_a_code_lead_to_where_one_wanted_to_be(app: Flask, ash: Member) -> None:
    visitor = Visitor(app)
    assert visitor.opens("/support/mine?from=mail").url.path == "/support/sign-in"
    visitor.presses("Sign in", email=" Ash@Desk.Example ", password=PASSWORD)
    assert not is_in(visitor), "a password alone opens nothing"
    visitor.opens("/support/second-factor?next=/support/mine?from=mail")
    gives_code(visitor, ash.code(1))
    assert str(visitor.page.url) == "http://localhost/support/mine?from=mail"
    assert "My account" in visitor.sees()


def test_a_copied_cookie_is_dead_after_signing_out(app: Flask, ash: Member) -> None:
    visitor = comes_in(app, ash)
    copied = visitor.http.cookies[COOKIE]
    assert opens(app, copied) == 200
    visitor.opens("/support/mine")
    visitor.presses("Sign out")
    assert opens(app, copied) == 302
    assert ask(app, "POST", "/support/mine/recovery", headers=OURS, cookie=f"{COOKIE}={copied}").status == 401


def test_each_step_gives_a_new_id_and_a_foreign_one_is_never_adopted(app: Flask, ash: Member) -> None:
    visitor = Visitor(app)
    visitor.http.cookies.set(COOKIE, "c" * 43, domain="localhost.local", path="/")
    gives_password(visitor, ash)
    half = visitor.http.cookies[COOKIE]
    gives_code(visitor, ash.code(1))
    whole = visitor.http.cookies[COOKIE]
    assert len({half, whole, "c" * 43}) == 3
    assert [opens(app, cookie) for cookie in ("c" * 43, half, whole)] == [302, 302, 200]
    gives_password_again = tries(app, ash.email, PASSWORD)
    assert "Set-Cookie" in gives_password_again.headers
    assert opens(app, whole) == 200, "another browser's sign-in is nothing to this one"


def test_signing_in_anew_ends_the_session_that_was_there(app: Flask, ash: Member) -> None:
    before = comes_in(app, ash).http.cookies[COOKIE]
    form = {"email": ash.email, "password": PASSWORD}
    reply = ask(app, "POST", "/support/sign-in", headers=OURS, form=form, cookie=f"{COOKIE}={before}")
    assert reply.status == 303 and opens(app, before) == 302


@pytest.mark.parametrize("public_url", ["http://localhost", "https://connect.example.com"])
def test_the_cookie_is_for_our_own_pages_only(database_url: str, ash: Member, public_url: str) -> None:
    house = create_app(settings(database_url, public_url=public_url))
    is_secure = public_url.startswith("https")
    host = public_url.partition("//")[2]
    form = {"email": ash.email, "password": PASSWORD}
    reply = ask(house, "POST", "/support/sign-in", headers=OURS, form=form, HTTP_HOST=host)
    name, *attributes = reply.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-gangway-staff=" if is_secure else "gangway-staff=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=Strict"} | ({"Secure"} if is_secure else set())
    with house.app_context():
        db.engine.dispose()


def test_a_session_ends_after_a_quarter_of_an_hour_and_after_eight_hours(app: Flask, ash: Member, later: Later) -> None:
    visitor = comes_in(app, ash)
    later(minutes=14)
    assert is_in(visitor)
    later(minutes=15, seconds=1)
    assert not is_in(visitor)
    visitor = comes_in(app, ash, steps=0)
    for _ in range(34):
        later(minutes=14)
        assert is_in(visitor)
    later(minutes=5)
    assert not is_in(visitor), "eight hours are the most"


# --- every mistake looks the same ------------------------------------------------------------------------------


def test_unknown_wrong_waiting_disabled_and_invited_are_answered_alike_to_the_byte(app: Flask, later: Later) -> None:
    email = "ash@desk.example"
    answers = {"unknown": tries(app, email).essence}
    operator(app, "staff", "invite", email, "--role", "agent")
    answers["invited"] = tries(app, email).essence
    joins(app, email)
    answers["wrong"] = tries(app, email).essence
    for _ in range(9):
        tries(app, email)
    answers["waiting"] = tries(app, email, PASSWORD).essence
    operator(app, "staff", "disable", email)
    later(hours=1)
    answers["disabled"] = tries(app, email, PASSWORD).essence
    answers["far too long"] = tries(app, email, "x" * 2_000).essence
    assert answers["unknown"][0] == 401
    assert {name for name, answer in answers.items() if answer != answers["unknown"]} == set()


def test_a_password_is_hashed_once_whoever_it_is(
    app: Flask, ash: Member, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it takes is `python -m benchmarks support-sign-in`."""
    seen: list[str] = []

    class Counting(argon2.PasswordHasher):
        def verify(self, *args: object, **more: object) -> bool:  # type: ignore[override]
            seen.append("verify")
            return super().verify(*args, **more)  # type: ignore[arg-type]

        def hash(self, *args: object, **more: object) -> str:  # type: ignore[override]
            seen.append("hash")
            return super().hash(*args, **more)  # type: ignore[arg-type]

    joins(app, "locked@desk.example")
    joins(app, "disabled@desk.example")
    operator(app, "staff", "invite", "invited@desk.example", "--role", "agent")
    operator(app, "staff", "disable", "disabled@desk.example")
    for _ in range(10):
        tries(app, "locked@desk.example")
        later(minutes=2)
    monkeypatch.setattr(person, "HASHER", Counting(time_cost=1, memory_cost=8, parallelism=1))
    for who in ("nobody", "ash", "locked", "disabled", "invited"):
        for password in ("not the right one", "x" * 2_000, ""):
            seen.clear()
            assert tries(app, f"{who}@desk.example", password).status == 401
            assert seen == ["verify"], (who, password[:20])
    seen.clear()
    assert tries(app, "locked@desk.example", PASSWORD).status == 401
    assert seen == ["verify"], "right, and too soon"


def test_a_hash_of_weaker_settings_is_made_anew(app: Flask, ash: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "HASHER", argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    tries(app, ash.email, PASSWORD)
    with app.app_context():
        assert "m=16,t=2" in str(Staff.by_email(ash.email).password_hash)  # type: ignore[union-attr]
    assert tries(app, ash.email, PASSWORD).status == 303


# --- patience --------------------------------------------------------------------------------------------------


def test_after_five_mistakes_each_try_has_to_wait_twice_as_long(app: Flask, ash: Member, later: Later) -> None:
    for _ in range(5):
        tries(app, ash.email)
    assert tries(app, ash.email, PASSWORD).status == 401
    later(seconds=6)
    tries(app, ash.email)
    later(seconds=6)
    assert tries(app, ash.email, PASSWORD).status == 401
    later(seconds=6)
    assert tries(app, ash.email, PASSWORD).status == 303


def stops(app: Flask, email: str, later: Later) -> None:
    """Ten mistakes, with all the waiting they need."""
    for _ in range(10):
        tries(app, email)
        later(minutes=2)


def test_after_ten_mistakes_nothing_is_taken_for_half_an_hour(app: Flask, ash: Member, later: Later) -> None:
    stops(app, ash.email, later)
    wrong, right = tries(app, ash.email), tries(app, ash.email, PASSWORD)
    assert (wrong.status, right.essence) == (401, wrong.essence)
    later(minutes=27)
    assert tries(app, ash.email, PASSWORD).status == 401
    later(minutes=2)
    assert tries(app, ash.email, PASSWORD).status == 303, "tries while waiting have not made it longer"


def test_others_come_in_and_a_restart_forgives_nothing(
    app: Flask, ash: Member, database_url: str, later: Later, on_record: Record
) -> None:
    birch = joins(app, "birch@desk.example")
    stops(app, ash.email, later)
    assert tries(app, birch.email, PASSWORD).status == 303
    restarted = create_app(settings(database_url))
    assert tries(restarted, ash.email, PASSWORD).status == 401
    assert [act for act, *_ in on_record()].count("lock") == 1
    with restarted.app_context():
        db.engine.dispose()


def test_wrong_codes_count_as_wrong_passwords_do(app: Flask, ash: Member, later: Later) -> None:
    for _ in range(6):
        tries(app, ash.email)
        later(minutes=2)
    visitor = Visitor(app)
    gives_password(visitor, ash)
    for _ in range(4):
        gives_code(visitor, "000000")
        later(minutes=2)
    assert gives_code(visitor, ash.code()).status_code == 401, "the right code, and too late"
    later(minutes=31)
    assert tries(app, ash.email, PASSWORD).status == 303


def test_guessing_twenty_at_once_gets_no_further_than_one_by_one(app: Flask, ash: Member) -> None:
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda n: tries(app, ash.email, f"guess number {n}").status, range(20)))
    assert set(answers) == {401}
    with app.app_context():
        assert Staff.by_email(ash.email).failures == 5  # type: ignore[union-attr]


def test_a_right_password_alone_forgives_nothing(app: Flask, ash: Member) -> None:
    for _ in range(4):
        tries(app, ash.email)
    tries(app, ash.email, PASSWORD)
    tries(app, ash.email)
    assert tries(app, ash.email, PASSWORD).status == 401


def test_one_address_may_try_so_often_and_no_more(app: Flask, ash: Member) -> None:
    statuses = [tries(app, f"{n}@desk.example").status for n in range(55)]
    assert statuses[-1] == 429 and set(statuses[:40]) == {401}
    assert tries(app, ash.email, PASSWORD).status == 429


def test_a_network_of_ipv6_is_one_address_to_count_and_many_on_record(app: Flask, ash: Member) -> None:
    def tries_from(address: str) -> int:
        form = {"email": ash.email, "password": "not the right one"}
        return ask(app, "POST", "/support/sign-in", headers=OURS, form=form, REMOTE_ADDR=address).status

    assert [tries_from(f"2001:db8::{n:x}") for n in range(1, 52)] == [401] * 50 + [429]
    assert tries_from("2001:db8:0:1::1") == 401
    with app.app_context():
        newest = db.select(AuditEntry.address).order_by(AuditEntry.id.desc())
        assert db.session.scalars(newest).all()[:2] == ["2001:db8:0:1::1", "2001:db8::32"]


def test_many_addresses_together_may_try_so_often_and_keep_nobody_out(
    app: Flask, ash: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_in(app, ash)
    monkeypatch.setattr(door, "STAFF_SIGN_IN_FROM_STRANGERS", parse("20/15minutes"))

    def tries_from(address: str, password: str = "not the right one") -> int:
        form = {"email": ash.email, "password": password}
        return ask(app, "POST", "/support/sign-in", headers=OURS, form=form, REMOTE_ADDR=address).status

    statuses = [tries_from(f"192.0.2.{n}") for n in range(22)]
    assert statuses == [401] * 20 + [429] * 2, "no address tried twice"
    assert tries_from("127.0.0.1") == 401, "where Ash came in before, the others do not count"
    assert ask(app, "GET", "/support/sign-in", REMOTE_ADDR="192.0.2.99").status == 200


# --- where it leads --------------------------------------------------------------------------------------------

ELSEWHERE = [
    "//evil.example",
    "https://evil.example",
    "/support//evil.example",
    "/support/\\evil.example",
    "/support@evil.example",
    "/supports",
    "/support/../connections",
    "/support/\r\nX-Evil: 1",
    "/support/\u2028",
    "javascript:alert(1)",
    "/connections",
]


def test_next_leads_to_the_dashboard_and_nowhere_else(app: Flask, ash: Member) -> None:
    for wanted in ELSEWHERE:
        reply = tries(app, ash.email, PASSWORD, next=wanted)
        assert reply.headers["Location"] == "/support/second-factor", wanted
    reply = tries(app, ash.email, PASSWORD, next="/support/runs?status=open")
    assert reply.headers["Location"] == "/support/second-factor?next=/support/runs?status%3Dopen"


# --- once more -------------------------------------------------------------------------------------------------


def test_what_is_sensitive_asks_for_both_factors_of_the_last_ten_minutes(app: Flask, later: Later) -> None:
    ash = joins(app)
    visitor = comes_in(app, ash)
    later(minutes=11)
    visitor.opens("/support/mine")
    visitor.posts("/support/mine/recovery", Referer="http://localhost/support/mine")
    assert "Is it still you?" in visitor.sees()
    visitor.posts("/support/prove", {"next": "/support/mine", "password": PASSWORD, "code": ash.recovery[0][:-1]})
    assert visitor.page.status_code == 401
    visitor.posts("/support/prove", {"next": "/support/mine", "password": "wrong", "code": ash.code()})
    assert visitor.page.status_code == 401
    visitor.opens("/support/prove?next=/support/mine")
    visitor.presses("It is me", password=PASSWORD, code=ash.code())
    assert visitor.page.url.path == "/support/mine"
    visitor.presses("Make new recovery codes")
    assert "Your recovery codes" in visitor.sees()


def test_after_proving_one_is_back_at_the_form(app: Flask, ash: Member, later: Later) -> None:
    visitor = comes_in(app, ash)
    later(minutes=11)
    page = visitor.http.get("/support/prove", headers={"Referer": "http://localhost/support/mine"})
    assert 'name="next" value="/support/mine"' in page.text


# --- on record -------------------------------------------------------------------------------------------------


def test_everything_is_on_record(app: Flask, ash: Member, on_record: Record) -> None:
    tries(app, "nobody@desk.example")
    visitor = Visitor(app)
    gives_password(visitor, ash, "wrong")
    gives_password(visitor, ash)
    gives_code(visitor, "000000")
    gives_code(visitor, ash.recovery[0])
    visitor.opens("/support/mine")
    visitor.presses("Sign out")
    acts = [act for act, *_ in on_record()]
    assert acts == ["staff_invite", "welcome", *["sign_in"] * 3, "recovery_use", "sign_in", "sign_out"]
    with app.app_context():
        kept = str([vars(row) for row in db.session.scalars(db.select(StaffSession))])
        assert PASSWORD not in kept and visitor.http.cookies.get(COOKIE, "nothing") not in kept


def test_somebody_disabled_is_out_at_once(app: Flask, ash: Member) -> None:
    joins(app, "birch@desk.example", "admin")
    visitor = comes_in(app, ash)
    with app.app_context(), writing():
        Staff.by_email(ash.email).disabled_at = Staff.by_email(ash.email).created_at  # type: ignore[union-attr]
    assert not is_in(visitor)
