"""What is a password with us (SEC-16): long enough, of any characters, and not what everybody tries first."""

from __future__ import annotations

import pytest
from flask import Flask

from webapp.passwords import problem_with

EMAIL = "robin@sample.example"
TOO_SHORT, TOO_LONG, OWN, COMMON = "at least 12 characters.", "at most 1024", "besides your address", "tried first"
WORDS = "tram, kettle and nine violins; " * 40
FACES = "\U0001f600\U0001f601\U0001f602\U0001f923"
NFC, NFD = "caf\u00e9s by the canal", "cafe\u0301s by the canal"


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", TOO_SHORT),
        (WORDS[:11], TOO_SHORT),
        (WORDS[:12], ""),
        (WORDS[:64], ""),
        (WORDS[:65], ""),
        (WORDS[:1_024], ""),
        (WORDS[:1_025], TOO_LONG),
        (FACES * 3, ""),
        (FACES * 64, ""),
        (FACES * 64 + "!", TOO_LONG),
        (NFC, ""),
        (NFD, ""),
        ("all lower case letters", ""),
        ("73 19 40 22 86 05", ""),
        (" " * 12, COMMON),
        ("ab" * 20, COMMON),
        ("\U0001f600" * 12, COMMON),
        ("password1234", COMMON),
        ("PassWord1234", COMMON),
        (" password1234!? ", COMMON),
        ("1q2w3e4r5t6y", COMMON),
        ("qwertyuiopasdfghjklzxcvbnm", COMMON),
        ("correcthorsebatterystaple", COMMON),
        ("robin@sample.example", OWN),
        ("Robin@Sample.example1!", OWN),
        ("robinrobinrobin2026", OWN),
        ("gangway-gangway", OWN),
        ("HARBOURLIGHT budget 1", OWN),
        ("my harbourlight budget for violins", ""),
    ],
)
def test_what_is_a_password(app: Flask, password: str, problem: str) -> None:
    with app.app_context():
        told = problem_with(password, EMAIL)
    assert (problem in told) if problem else not told, told


def test_a_short_address_takes_nothing_away(app: Flask) -> None:
    with app.app_context():
        assert not problem_with("an oak and a bay", "a@sample.example")
