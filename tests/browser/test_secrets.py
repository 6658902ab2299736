"""What people type at the sites is nowhere afterwards. Every journey is searched again when the demo ends."""

from __future__ import annotations

import uuid

import pytest

from tests.browser.demo import Demo
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_nothing_typed_is_in_the_database_or_in_what_was_printed(robin: Visitor, demo: Demo) -> None:
    demo.secrets.add("4500123412341234")
    robin.signs_in_at("Maple & Main Bank", "Access card", "4500123412341234", f"wrong-{uuid.uuid4()}")
    robin.sees("did not accept that sign-in")
    robin.types_a_secret("Password", "maple-leaf-9")
    robin.presses("Sign in")
    robin.comes_to("interaction")
    robin.types_a_secret("6-digit code", "739104")
    robin.presses("Continue")
    robin.sees("That code did not work")
    robin.types_a_secret("6-digit code", "246810")
    robin.presses("Continue")
    robin.comes_to("outcome")
    assert demo.kept_secrets() == []
