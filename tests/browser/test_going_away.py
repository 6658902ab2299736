"""A restart of the service, as somebody lives it who is in the middle of something."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.demo import running_demo
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_when_the_service_goes_away_the_page_says_so_and_keeps_what_was_typed(browser: Browser, worker_id: str) -> None:
    with running_demo(f"{worker_id}-going-away") as demo:
        robin = Visitor(demo, browser)
        robin.has_an_account()
        robin.goes_to_the_code()
        robin.types("6-digit code", "24681")
    expect(robin.page.get_by_text("Reconnecting…")).to_be_visible()
    expect(robin.field("6-digit code")).to_have_value("24681")
    robin.context.close()
