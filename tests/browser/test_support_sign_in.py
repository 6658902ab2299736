"""The first admin: from the link on the command line to being signed in, in a real browser, in both themes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from tests.browser.conftest import SCREENSHOTS
from tests.browser.looks import SCHEMES, SMALL_TARGETS, TOO_WIDE, WIDTHS, axe_violations
from tests.browser.visitor import Visitor
from tests.conftest import settings
from tests.test_closing import operator
from webapp import create_app

pytestmark = pytest.mark.browser

PASSWORD = "seven quiet harbours"


class Desk:
    """An installation of its own, because its staff begin on its command line."""

    def __init__(self, app: Flask, url: str) -> None:
        self.app, self.url = app, url
        self.secrets: set[str] = set()

    def link(self) -> str:
        told = operator(self.app, "staff", "invite", "ash@desk.example", "--role", "admin").output
        return re.search(r"/support/welcome/\S+", told)[0]  # type: ignore[index]


@pytest.fixture
def desk(app: Flask, database_url: str) -> Iterator[Desk]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    url = f"http://127.0.0.1:{server.port}"
    server.app = create_app(settings(database_url, public_url=url))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Desk(server.app, url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.app.extensions["gangway"].bus.close()


def looks_good(page: Page, name: str) -> None:
    """In light and dark, wide and narrow: for axe, for fingers, and without scrolling sideways."""
    expect(page.locator("h1")).to_have_count(1)
    found: list[str] = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            picture = SCREENSHOTS / "support" / name / f"{scheme}-{width}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=picture, full_page=True)
            here = f"{name}, {scheme}, {width} px"
            found += [f"{here}: {what}" for look in (TOO_WIDE, SMALL_TARGETS) for what in page.evaluate(look)]
            found += [f"{here}: axe: {what}" for what in axe_violations(page)]
    assert found == []


def test_from_the_link_to_being_signed_in(desk: Desk, browser: Browser) -> None:
    ash = Visitor(desk, browser)  # type: ignore[arg-type]
    ash.opens(desk.link())
    expect(ash.page.get_by_role("img", name="QR code")).to_be_visible()
    looks_good(ash.page, "welcome")
    app = pyotp.TOTP(ash.main.locator(".secret code").inner_text())
    ash.types("Your name", "Ash")
    ash.types("New password", PASSWORD)
    ash.types("Code", app.now())
    ash.presses("Finish")
    expect(ash.heading).to_have_text("Your recovery codes")
    looks_good(ash.page, "recovery-codes")

    ash.presses("I have kept them")
    looks_good(ash.page, "sign-in")
    ash.types("Email", "ash@desk.example")
    ash.types("Password", "not the right one")
    ash.presses("Sign in")
    ash.sees("That did not work")
    looks_good(ash.page, "sign-in-refused")
    ash.types("Password", PASSWORD)
    ash.presses("Sign in")
    expect(ash.heading).to_have_text("Now your code")
    looks_good(ash.page, "second-factor")
    ash.types("Code", app.at(int(time.time()) + 30))  # the app's next code: the one of now is spent
    ash.presses("Go on")
    ash.page.wait_for_url("**/support")

    ash.opens("/support/mine")
    expect(ash.heading).to_have_text("My account")
    looks_good(ash.page, "mine")
    ash.opens("/support/prove?next=/support/mine")
    looks_good(ash.page, "prove")
    ash.opens("/support/team")
    looks_good(ash.page, "team")
    assert ash.leaves() == []
