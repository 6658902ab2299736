"""The first admin: from the link on the command line to being signed in, in a real browser, in both themes."""

from __future__ import annotations

import copy
import re
import time

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SCREENSHOTS, House
from tests.browser.looks import SCHEMES, SMALL_TARGETS, TOO_WIDE, WIDTHS, axe_violations
from tests.browser.visitor import Visitor
from tests.test_closing import operator

pytestmark = pytest.mark.browser

PASSWORD = "seven quiet harbours"


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


def test_from_the_link_to_being_signed_in(house: House, browser: Browser) -> None:
    ash = Visitor(house, browser)  # type: ignore[arg-type]
    told = operator(house.app, "staff", "invite", "ash@desk.example", "--role", "admin").output
    ash.opens(re.search(r"/support/welcome/\S+", told)[0])  # type: ignore[index]
    expect(ash.page.get_by_role("img", name="QR code")).to_be_visible()
    looks_good(ash.page, "welcome")
    app = pyotp.TOTP(ash.main.locator(".secret code").inner_text())
    ash.types("Your name", "Ash")
    ash.types("New password", PASSWORD)
    ash.types("Code", app.now())
    ash.presses("Finish")
    expect(ash.heading).to_have_text("Your recovery codes")
    looks_good(ash.page, "recovery-codes")
    codes = ash.main.locator(".codes code").all_inner_texts()

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
    a_form_waits_while_they_sign_in(ash, codes[0])
    assert ash.leaves() == []


def a_form_waits_while_they_sign_in(ash: Visitor, code: str) -> None:
    """The session ends over a reason; the form stays where it is, and the sign-in is in a tab of its own."""
    ash.opens("/support/act/stop_source/northlight-power")
    ash.types("Why", "Ticket 4711: nothing works there")
    ash.context.clear_cookies()
    ash.presses("Stop new sign-ins")
    expect(ash.heading).to_have_text("You are signed out")
    ash.presses("I have signed in, go on")
    ash.sees("You are not signed in yet")
    looks_good(ash.page, "signed-out")
    with ash.context.expect_page() as opened:
        ash.presses("Sign in")
    there = copy.copy(ash)
    there.page = opened.value
    there.types("Email", "ash@desk.example")
    there.types("Password", PASSWORD)
    there.presses("Sign in")
    there.types("Code", code)
    there.presses("Go on")
    there.sees("What you typed waits in the other tab")
    looks_good(there.page, "signed-in")
    there.page.close()
    ash.presses("I have signed in, go on")
    ash.sees("New sign-ins at Northlight Power are stopped")
