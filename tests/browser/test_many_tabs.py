"""More windows on one visit than streams: the newest move, the oldest says that it stands still, and nothing spins."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from webapp.streams import PER_SESSION

pytestmark = pytest.mark.browser

STANDS_STILL = "only the newest ones move by themselves"


def counts_streams(page: Page) -> list[str]:
    """The addresses of the streams a page opens from now on."""
    opened: list[str] = []
    page.on("request", lambda request: opened.append(request.url) if "/live" in request.url else None)
    return opened


def test_the_oldest_of_five_windows_says_that_it_stands_still_and_does_not_call_again(robin: Visitor) -> None:
    robin.goes_to_the_code()
    oldest = robin.page
    streams = counts_streams(oldest)
    others = [robin.opens_another_tab() for _ in range(PER_SESSION)]
    expect(oldest.locator("#trouble")).to_contain_text(STANDS_STILL)
    for other in others:
        other.comes_to("interaction")
        expect(other.page.locator("#trouble")).to_be_hidden()
    oldest.wait_for_timeout(
        3_000
    )  # a page that called again would have done so by now: the first try is after half a second
    assert streams == []

    for other in others[1:]:
        other.page.close()
    oldest.evaluate("window.dispatchEvent(new Event('focus'))")  # somebody comes back to it
    expect(oldest.locator("#trouble")).to_be_hidden()
    expect(oldest.locator("#view > .view")).to_have_attribute("data-view", "interaction")
    assert len(streams) == 1, "it is live again"
