"""Somebody of the staff who really comes in: by a link, with a password and an app that shows codes."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import httpx
import pyotp
from flask import Flask

from tests.people import Visitor
from tests.test_closing import operator

PASSWORD = "seven quiet harbours"


@dataclass
class Member:
    """What somebody of the staff has: a password in mind, a seed in an app, recovery codes on paper."""

    email: str
    seed: str
    recovery: list[str]
    password: str = PASSWORD

    def code(self, steps: int = 0) -> str:
        """What the app shows now, or so many steps of 30 seconds later."""
        return pyotp.TOTP(self.seed).at(int(time.time()) + 30 * steps)


def link_for(app: Flask, email: str, role: str = "agent") -> str:
    """The path of a new link, as the command line prints it."""
    told = operator(app, "staff", "invite", email, "--role", role)
    assert told.exit_code == 0, told.output
    return re.search(r"http://localhost(/support/welcome/\S+)", told.output)[1]  # type: ignore[index]


def joins(app: Flask, email: str = "ash@desk.example", role: str = "agent") -> Member:
    """Invited, and through the welcome page."""
    return accepts(Visitor(app), link_for(app, email, role), email)


def accepts(visitor: Visitor, link: str, email: str) -> Member:
    visitor.opens(link)
    seed = re.search(r"<code>([A-Z2-7]{32})</code>", visitor.page.text)[1]  # type: ignore[index]
    member = Member(email, seed, [])
    visitor.presses("Finish", name="Ash", password=PASSWORD, code=member.code())
    assert visitor.page.status_code == 200, visitor.sees()
    member.recovery = re.findall(r"<code>((?:\w{4}-){3}\w{4})</code>", visitor.page.text)
    return member


def gives_password(visitor: Visitor, member: Member, password: str = "") -> httpx.Response:
    visitor.opens("/support/sign-in")
    return visitor.presses("Sign in", email=member.email, password=password or member.password)


def gives_code(visitor: Visitor, code: str) -> httpx.Response:
    return visitor.presses("Go on", code=code)


def is_in(visitor: Visitor) -> bool:
    return visitor.opens("/support/mine").url.path == "/support/mine"


def comes_in(app: Flask, member: Member, steps: int = 1) -> Visitor:
    """Signed in, in a browser of their own."""
    visitor = Visitor(app)
    gives_password(visitor, member)
    gives_code(visitor, member.code(steps))
    assert is_in(visitor), visitor.sees()
    return visitor
