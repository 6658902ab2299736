"""Staff act in a real browser: with mouse and without, once however often they click, and always on record."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrives
from tests.browser.demo import Demo
from tests.browser.desk import recovery_codes, signs_in
from tests.browser.visitor import Visitor
from webapp.demo import desk

pytestmark = pytest.mark.browser

NARROWED = re.compile(r"/support/connections\?status=verified")
WHY = "Ticket 4711: they called"


def does(staff: Visitor, link: str, button: str) -> None:
    """From the connection's page: read what will happen, say why, and click twice as some people do."""
    staff.presses(link)
    staff.sees("What will happen")
    staff.types("Why", WHY)
    staff.main.get_by_role("button", name=button).dblclick()


def test_acts_from_the_connection_page_are_done_once_and_on_record(robin: Visitor, arrives: Arrives) -> None:
    robin.connects_northlight()
    ash, linden = signs_in(arrives(), "agent"), signs_in(arrives(), "lead")
    ash.opens("/support/connections")
    ash.main.locator("tbody a").first.click()
    ash.sees("Done: everything is fine")
    here, named = ash.page.url, ash.page.locator(".case__who code").inner_text()

    does(ash, "Run again", "Run again")
    ash.sees("A run has been started.")
    expect(ash.page.locator(".case__side table tbody tr")).to_have_count(2)
    does(ash, "Look again at Deck", "Ask Deck")
    ash.sees("Deck is being asked")
    does(ash, "Reconnect link", "Reconnect link")
    ash.sees("The address at which this person signs in again")
    expect(ash.field("To copy")).to_have_value(re.compile("/connections/.+/reconnect$"))
    ash.presses("Done")
    expect(ash.thing("Run again")).to_be_visible()
    expect(ash.thing("Disconnect")).to_have_count(0)

    linden.opens(here)
    does(linden, "Disconnect", "Disconnect")
    linden.sees("It is being disconnected.")
    linden.opens("/support/audit")
    linden.types("What (id)", named)
    linden.presses("Show")
    rows = linden.main.locator("tbody tr")
    expect(rows).to_have_count(4)
    for row, (who, act) in enumerate(
        [("lead", "disconnect"), ("agent", "reconnect_link"), ("agent", "look_again"), ("agent", "run_again")]
    ):
        for words in (f"{who}@desk.example", act, named, WHY, "done"):
            expect(rows.nth(row)).to_contain_text(words)


def test_from_the_sign_in_to_an_act_without_a_mouse(robin: Visitor, demo: Demo, arrives: Arrives) -> None:
    robin.connects_northlight()
    code = robin.page.locator("footer strong").inner_text()
    wren = arrives()
    wren.opens("/support")
    wren.tabs_to("Email")
    wren.page.keyboard.type(desk.EMAIL)
    wren.tabs_to("Password")
    wren.page.keyboard.type(desk.PASSWORD)
    wren.strikes("Enter")
    expect(wren.heading).to_have_text("Now your code")
    wren.tabs_to("Code")
    wren.page.keyboard.type(recovery_codes(demo)[0])
    wren.strikes("Enter")
    expect(wren.page.locator("#live")).to_have_text("Live")

    wren.strikes("/")
    expect(wren.page.get_by_role("searchbox", name="Search")).to_be_focused()
    wren.page.keyboard.type(code)
    wren.strikes("Enter")
    wren.sees("Done: everything is fine")
    wren.tabs_to("Run again")
    wren.strikes("Enter")
    wren.sees("What will happen")
    wren.tabs_to("Why")
    wren.page.keyboard.type(WHY)
    wren.strikes("Enter")
    wren.sees("A run has been started.")


def test_a_list_by_keyboard_keeps_its_filters(robin: Visitor, arrives: Arrives) -> None:
    robin.connects_northlight()
    ash = signs_in(arrives(), "agent")
    ash.opens("/support/connections")
    ash.tabs_to("State")
    ash.page.keyboard.type("Connected")
    ash.tabs_to("Show")
    ash.strikes("Enter")
    ash.page.wait_for_url(NARROWED)
    ash.page.focus("h1")
    ash.strikes("j", "j", "k")
    expect(ash.main.locator("tbody tr").first).to_have_attribute("aria-current", "true")
    ash.strikes("Enter")
    ash.sees("Done: everything is fine")
    ash.page.go_back()
    ash.page.wait_for_url(NARROWED)
    expect(ash.page.get_by_label("State")).to_have_value("verified")
