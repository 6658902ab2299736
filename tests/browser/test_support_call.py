"""A support call in a real browser: from the code somebody reads out to the page that changes by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, Arrives
from tests.browser.desk import signs_in
from tests.browser.looks import complaints_about
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

CODE = "246810"


@pytest.fixture
def agent(arrives: Arrives) -> Visitor:
    """Somebody of the staff, signed in with both factors a moment ago."""
    return signs_in(arrives(viewport={"width": 1280, "height": 900}), "agent")


def test_from_a_code_to_a_page_that_changes_by_itself(robin: Visitor, agent: Visitor) -> None:
    robin.goes_to_the_code()
    code = robin.page.locator("footer strong").inner_text()

    agent.opens("/support/connections")
    agent.strikes("/")
    expect(agent.page.get_by_role("searchbox", name="Search")).to_be_focused()
    agent.page.keyboard.type(code.replace("-", "").lower())
    agent.strikes("Enter")
    agent.sees("The person’s turn")
    agent.sees("Waiting for a code")
    agent.sees("Ask them to look at their phone")
    agent.sees(f"Code {code}")
    expect(agent.page.locator("#live")).to_have_text("Live")
    looks = list(complaints_about(agent.page, SCREENSHOTS / "support" / "waiting"))
    agent.page.set_viewport_size({"width": 1280, "height": 900})
    agent.marks_the_page()
    agent.page.get_by_label("Add a note").fill("On the phone with them")

    robin.types_a_secret("6-digit code", CODE)
    robin.presses("Continue")
    agent.sees("Done: everything is fine")
    assert agent.is_still_on_the_marked_page()
    expect(agent.page.get_by_label("Add a note")).to_have_value("On the phone with them")
    assert CODE not in agent.page.content()

    agent.page.focus("h1")
    agent.tabs_to("Save note")
    agent.strikes("Enter")
    agent.sees("Ash: note")
    looks += complaints_about(agent.page, SCREENSHOTS / "support" / "done")
    agent.page.set_viewport_size({"width": 1280, "height": 900})
    agent.page.get_by_role("button", name="Copy").click()
    agent.sees("Copied")
    for name, words in (("run", "22"), ("person", "This person"), ("visit", "The latest visit")):
        here = agent.page.url
        agent.page.locator(".case__side table a").first.click() if name == "run" else agent.presses(words)
        expect(agent.heading).to_be_visible()
        looks += complaints_about(agent.page, SCREENSHOTS / "support" / name)
        agent.page.set_viewport_size({"width": 1280, "height": 900})
        agent.opens(here)
    for name, query in (("found", "light"), ("teach", "no such thing")):
        agent.opens(f"/support/search?q={query}")
        looks += complaints_about(agent.page, SCREENSHOTS / "support" / name)
    assert "\n".join(looks) == ""


def test_a_call_by_keyboard_alone(robin: Visitor, agent: Visitor) -> None:
    robin.connects_northlight()
    agent.opens("/support/connections")
    agent.strikes("j", "Enter")
    agent.sees("Done: everything is fine")
    agent.strikes("j", "Enter")
    agent.sees("Run of")
    agent.tabs_to("The connection")
    agent.strikes("Enter")
    agent.sees("Done: everything is fine")
    agent.strikes("/")
    agent.page.keyboard.type("northlight")
    agent.strikes("Enter")
    agent.sees("Sources")
