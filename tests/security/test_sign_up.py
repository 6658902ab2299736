"""Making an account: what is an address, what is a password, and how often."""

from __future__ import annotations

from flask import Flask

from tests.security.conftest import House
from tests.security.tools import OURS, PASSWORD, Reply, ask, signs_in
from webapp.db import db
from webapp.models import Person


def test_sign_ups_from_one_address_are_limited(own: House) -> None:
    statuses = [sign_up(own.app, f"{n}@sample.example", "twelve or more").status for n in range(21)]
    assert statuses == [303] * 20 + [429]


def sign_up(app: Flask, email: str, password: str, **environ: str) -> Reply:
    return ask(app, "POST", "/sign-up", headers=OURS, form={"email": email, "password": password}, **environ)


FACES = "\U0001f600\U0001f601\U0001f602\U0001f923"
LONGEST = "tram, kettle and nine violins; " * 33 + "x"
NFC, NFD = "caf\u00e9 caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301 cafe\u0301"


PASSWORDS = [
    (FACES * 3, True),
    ("            ", False),
    ("  spaces are kept  ", True),
    (LONGEST[:11], False),
    (LONGEST[:12], True),
    (LONGEST[:64], True),
    (LONGEST[:65], True),
    (LONGEST, True),
    (LONGEST + "!", False),
    (FACES * 64, True),
    (FACES * 64 + "!", False),
    ("password1234", False),
    ("CorrectHorseBatteryStaple!", False),
    ("harbourlight budget", False),
    (NFC, True),
    (NFD, True),
    ("nul in \x00 the middle", True),
    ("' OR 1=1; DROP TABLE person --", True),
    ("<script>alert(1)</script>", True),
]


def test_a_password_is_taken_as_it_is_typed(own: House) -> None:
    own.app.extensions["gangway"].limits.allows = lambda *who: True
    for n, (password, taken) in enumerate(PASSWORDS):
        reply = sign_up(own.app, f"{n}@sample.example", password)
        assert reply.status == (303 if taken else 422), password[:20]
        assert password.strip() == "" or password not in reply.text
        others = {password.strip(), password + " ", password.swapcase(), NFC, NFD, password[:72]} - {password}
        for typed in others if not taken else {*others, password}:
            expected = 303 if taken and typed == password else 401
            assert signs_in(own.app, f"{n}@sample.example", typed).status == expected, ascii(typed)[:40]


LONG = "a@" + "b" * 247 + ".com"


ADDRESSES = [
    ("x", 422),
    ("a@b", 422),
    ("a b@sample.example", 422),
    ("a@sample.example\r\nBcc: b@evil.example", 422),
    ("@sample.example", 422),
    ("a@" + "\u00df" * 200 + ".com", 422),  # twice as long once its case is folded
    (LONG, 303),
    (LONG + "x" * 500, 422),
    ("a" * 65 + "@sample.example", 422),
    ("\x00a@sample.example", 303),
    ("<script>@sample.example", 303),
    ("\u202eb@sample.example", 303),
]


def test_an_address_is_one_or_is_refused(own: House) -> None:
    before: set[str] = set()
    for email, status in ADDRESSES:
        reply = sign_up(own.app, email, PASSWORD)
        assert reply.status == status, email[:20]
        assert "<script>@" not in reply.text
        with own.app.app_context():
            kept = set(db.session.scalars(db.select(Person.email))) - before
            db.session.remove()
        assert len(kept) == (status == 303), email[:20]
        for address in kept:
            assert address.isprintable() and len(address) <= 254
            assert signs_in(own.app, email).status == 303, "the same spelling finds it again"
        before |= kept


def test_two_spellings_of_one_address_are_one_account(own: House) -> None:
    assert sign_up(own.app, "r\u00e9my@sample.example", PASSWORD).status == 303
    for same in ("re\u0301my@sample.example", "R\u00c9MY@SAMPLE.EXAMPLE", " r\u00e9my@sample.example "):
        assert sign_up(own.app, same, PASSWORD).status == 422
        assert signs_in(own.app, same).status == 303
