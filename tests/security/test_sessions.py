"""Being signed in: a row on the server that can be ended, and a cookie worth nothing without it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import argon2
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from tests.people import Visitor
from tests.security.conftest import REAL_HASHER, REAL_NOBODY, House, cookie_of
from tests.security.tools import EMAIL, OURS, PASSWORD, Reply, ask, signs_in
from webapp.models import Person, person

IN, OUT = 200, 302


def opens(app: Flask, cookie: str) -> int:
    return ask(app, "GET", "/connections", cookie=cookie).status


def new_cookie(reply: Reply) -> str:
    return reply.headers["Set-Cookie"].partition(";")[0]


def forged(app: Flask, content: dict[str, object]) -> str:
    """A cookie signed with our own key, as if SECRET_KEY had leaked."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return "gangway=" + str(serializer.dumps(content))


def test_a_copied_cookie_is_dead_after_signing_out(own: House) -> None:
    robin = own.visitor(EMAIL)
    copied = cookie_of(robin)
    assert opens(own.app, copied) == IN
    robin.opens("/connections")
    robin.presses("Sign out")
    assert opens(own.app, copied) == OUT
    assert ask(own.app, "POST", "/connect/start", headers=OURS, cookie=copied).status == 401


def test_signing_in_gives_a_new_id_and_ends_the_one_that_was_there(own: House) -> None:
    before = cookie_of(own.visitor(EMAIL))
    reply = signs_in(own.app, cookie=before)
    assert reply.status == 303
    assert new_cookie(reply) != before
    assert opens(own.app, new_cookie(reply)) == IN
    assert opens(own.app, before) == OUT, "the old one is over"


def test_somebody_elses_sign_in_in_the_same_browser_ends_the_first_one(own: House) -> None:
    first = cookie_of(own.visitor(EMAIL))
    own.visitor("sam@sample.example")
    assert signs_in(own.app, "sam@sample.example", cookie=first).status == 303
    assert opens(own.app, first) == OUT


def test_a_chosen_id_is_never_adopted(own: House) -> None:
    own.visitor(EMAIL)
    chosen = "c" * 43
    planted = forged(own.app, {"_user_id": chosen, "_fresh": True, "_id": "x"})
    for cookie in (f"gangway={chosen}", f"session={chosen}", planted, f"remember_token={chosen}|x"):
        assert opens(own.app, cookie) == OUT
        given = new_cookie(signs_in(own.app, cookie=cookie))
        assert chosen not in given
        assert opens(own.app, given) == IN
        assert opens(own.app, cookie) == OUT


def test_a_forged_remember_me_cookie_is_not_looked_at(own: House) -> None:
    """Flask-Login compares it as text: anything but ASCII made it raise."""
    for value in ("x|\u00e9", "|", "x|", "x|x", "\u00e9|\u00e9", "x|" + "a" * 3_000):
        raw = f"remember_token={value}".encode().decode("latin1")
        reply = ask(own.app, "GET", "/", HTTP_COOKIE=raw)
        assert reply.status == 200, value


@pytest.mark.sqlite
def test_a_stolen_database_opens_no_session_even_with_the_secret_key(own: House) -> None:
    robin = own.visitor(EMAIL)
    token = robin.http.cookies["gangway"]
    assert opens(own.app, cookie_of(robin)) == IN
    with closing(sqlite3.connect(own.database.removeprefix("sqlite:///"))) as database:
        dump = "\n".join(database.iterdump())
        assert PASSWORD not in dump and token not in dump
        cells = {cell for table in ("person", "browser_session") for row in all_of(database, table) for cell in row}
    assert len(cells) >= 8
    for cell in cells:
        assert opens(own.app, f"gangway={cell}") == OUT
        assert opens(own.app, forged(own.app, {"_user_id": cell, "_fresh": True})) == OUT
        assert signs_in(own.app, password=str(cell)).status in (401, 429)


def all_of(database: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return database.execute(f"SELECT * FROM {table}").fetchall()


def test_the_password_is_kept_as_argon2id_of_at_least_owasps_strength() -> None:
    assert REAL_HASHER.type is argon2.Type.ID
    assert REAL_HASHER.memory_cost >= 19_456 and REAL_HASHER.time_cost >= 2
    assert not REAL_HASHER.check_needs_rehash(REAL_NOBODY), "an unknown address takes as long as a known one"


def test_a_hash_of_weaker_settings_is_made_anew_at_the_next_sign_in(
    own: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.visitor(EMAIL)
    monkeypatch.setattr(person, "HASHER", argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert signs_in(own.app, password="not the right one").status == 401
    assert "m=8,t=1" in hash_of(own, EMAIL)
    assert signs_in(own.app).status == 303
    assert "m=16,t=2" in hash_of(own, EMAIL)
    assert signs_in(own.app).status == 303, "and it is still their password"


def hash_of(house: House, email: str) -> str:
    with house.app.app_context():
        found = Person.by_email(email)
        assert found is not None
        return str(found.password_hash)


@pytest.fixture
def no_turn_comes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Strangers keep all cores of the people's door busy, and nobody has the patience to wait."""
    monkeypatch.setattr(person, "LONGEST_WAIT", 0)
    while person.PEOPLES_TURNS.acquire(blocking=False):
        pass
    yield
    person.PEOPLES_TURNS.release(2)


def test_a_crowd_at_the_door_is_asked_to_come_back(own: House, no_turn_comes: None) -> None:
    for path in ("/sign-in", "/sign-up"):
        reply = ask(own.app, "POST", path, headers=OURS, form={"email": EMAIL, "password": PASSWORD})
        assert reply.status == 503 and 1 <= int(reply.headers["Retry-After"]) <= 4
        assert "We are busy for a moment" in reply.text


def test_a_crowd_at_the_peoples_door_does_not_keep_staff_out(own: House, no_turn_comes: None) -> None:
    form = {"email": "ash@desk.example", "password": PASSWORD}
    assert ask(own.app, "POST", "/support/sign-in", headers=OURS, form=form).status == 401, "and not 503"


def test_whoever_had_a_turn_gives_it_back(own: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "LONGEST_WAIT", 0)
    own.visitor(EMAIL)
    assert [signs_in(own.app, password=f"wrong {n}").status for n in range(5)] == [401] * 5
    assert signs_in(own.app).status == 303


def test_a_session_ends_when_nobody_uses_it_and_in_any_case(own: House, later: Callable[..., None]) -> None:
    idle = cookie_of(own.visitor(EMAIL))
    later(hours=1, minutes=59)
    assert opens(own.app, idle) == IN
    later(hours=2, minutes=2)
    assert opens(own.app, idle) == OUT

    busy = new_cookie(signs_in(own.app))
    for _ in range(15):
        assert opens(own.app, busy) == IN
        later(hours=1, minutes=35)
    later(minutes=20)
    assert opens(own.app, busy) == OUT, "24 hours are the most"


NEXT = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "http:///evil.example",
    "https://evil.example",
    "//localhost@evil.example",
    "https://localhost@evil.example",
    "https://localhost.evil.example",
    "/%09/evil.example",
    "/%5cevil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "%2f%2fevil.example",
    "/connect/..//evil.example\\",
    "/connections@evil.example\\.x",
    "//connections",
    "connections",
    "/sign-out",
    "/static/page.js",
    ".",
    "..",
    "?",
    "#",
    "mailto:x@evil.example",
    "HTTP://evil.example",
    "/evil",
]
NEXT += [
    "/\t/evil.example",
    "/connections\r\nX-Evil: 1",
    "/connections\nSet-Cookie: a=b",
    " //evil.example",
    "/conn\x00",
]
NEXT += ["/connect/\u2028evil", "/connections\u202e", "\x01//evil.example", "/connect/\\evil.example", "", " "]


def test_next_leads_home_unless_it_is_a_page_of_ours(own: House) -> None:
    own.visitor(EMAIL)
    own.app.extensions["gangway"].limits.allows = lambda *a: True
    for wanted in NEXT:
        reply = signs_in(own.app, next=wanted)
        assert reply.status == 303
        assert reply.headers["Location"] == "/connections", wanted
        assert "X-Evil" not in reply.headers and len(reply.headers.getlist("Set-Cookie")) == 1
    for ours in ("/connect/abc", "/connections/abc", "/connections"):
        assert signs_in(own.app, next=ours).headers["Location"] == ours


def test_a_stranger_is_sent_to_the_sign_in_page_and_never_away(own: House) -> None:
    for path in ("/connect//evil.example/..", "/connections/%5C%5Cevil.example", "/connect/x%0d%0aX-Evil:1"):
        reply = ask(own.app, "GET", path)
        assert reply.status in (302, 308, 404), path
        assert reply.headers.get("Location", "/").startswith(("/sign-in?", "/", "http://localhost/")), path
        assert not reply.headers.get("Location", "").startswith("//")
        assert "X-Evil" not in reply.headers


def test_unknown_person_and_wrong_password_look_the_same(own: House) -> None:
    own.visitor(EMAIL)
    pairs = [
        (EMAIL, "wrong password 1"),
        ("nobody@sample.example", "wrong password 1"),
        ("r", ""),
        (EMAIL, "a" * 1_025),
    ]
    pairs += [(EMAIL, "\x00"), ("' OR 1=1 --", "x"), ("\u202e" * 20, "\U0001f600")]
    answers = []
    for email, password in pairs:
        status, headers, body = signs_in(own.app, email, password).essence
        answers.append((status, headers, body.replace('value="' + email, 'value="')))
    assert answers[0][0] == 401
    assert answers[:2].count(answers[0]) == 2
    assert {(status, str(headers)) for status, headers, _ in answers} == {(401, str(answers[0][1]))}


def test_one_account_and_one_address_are_tried_so_often_and_no_more(own: House, later: Callable[..., None]) -> None:
    own.visitor(EMAIL)
    statuses = [signs_in(own.app, password=f"wrong {n}").status for n in range(11)]
    assert statuses == [401] * 10 + [429]
    assert signs_in(own.app).status == 429, "not even the right one"
    for spelling in (" Robin@Sample.Example ", "ROBIN@SAMPLE.EXAMPLE", "robin\u200b@sample.example"):
        assert signs_in(own.app, spelling).status == 429, "another spelling is the same account"
    spoofed = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
    tries = [
        ask(own.app, "POST", "/sign-in", headers={**OURS, **spoofed}, form={"email": f"{n}@x", "password": "x"}).status
        for n in range(60)
    ]
    assert tries[0] == 401 and tries[-1] == 429, "the address is the socket's, not what a header says"
    assert signs_in(own.app, "sam@sample.example", REMOTE="x").status == 429
    later(minutes=16)
    assert signs_in(own.app).status == 303


def test_a_stranger_never_sees_a_page_of_somebody_signed_in(own: House) -> None:
    assert Visitor(own.app).opens("/connections").url.path == "/sign-in"
