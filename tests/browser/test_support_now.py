"""The home page of the dashboard, left open all day: it keeps up by itself and disturbs nobody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrives
from tests.browser.desk import signs_in
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

A_WHILE = 10_500


def test_now_keeps_up_without_moving_anything(robin: Visitor, arrives: Arrives) -> None:
    ash = signs_in(arrives(viewport={"width": 360, "height": 640}), "agent")
    ash.page.clock.install()
    ash.opens("/support")
    waiting = ash.page.locator(".tile", has_text="Waiting on the person").locator("dd")
    waiting.evaluate("shown => { shown.textContent = '?' }")  # others wait too, and not for ever: 1 may stay 1
    ash.marks_the_page()
    link = ash.main.get_by_role("link", name="Deliveries overdue")
    link.focus()
    place = link.bounding_box()

    robin.goes_to_the_code()
    ash.page.clock.fast_forward(A_WHILE)
    expect(waiting).to_have_text(re.compile("[1-9]"))
    shown = waiting.inner_text()
    assert ash.is_still_on_the_marked_page()
    expect(link).to_be_focused()
    assert ash.page.evaluate("scrollY") > 0
    assert link.bounding_box() == place, "what grew above it pushed it away"
    expect(ash.page.locator("#live")).to_have_text("Live")

    ash.context.clear_cookies()
    ash.page.clock.fast_forward(A_WHILE)
    expect(ash.page.locator("#live")).to_have_text("Not live any more: reload the page")
    expect(waiting).to_have_text(shown)


def test_now_is_whole_without_scripts(arrives: Arrives) -> None:
    ash = signs_in(arrives(java_script_enabled=False), "agent")
    ash.opens("/support")
    ash.sees("Success in the last 24 hours")
    ash.sees("Waiting on the person")
    expect(ash.page.locator("#live")).to_be_hidden()
