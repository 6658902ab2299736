"""The demo's sample company, as somebody who saves there sees it. Its policy is strict, and so is ours."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.demo import OUTPUT, Demo
from tests.browser.embedding import Shopper, Site
from tests.browser.looks import SCHEMES, axe_violations

pytestmark = pytest.mark.browser

WHOSE = "For the account k•••@mail.example at Saltmarsh Savings. Not yours? Close this page."
PICTURES = OUTPUT / "screenshots" / "sample-host"


@pytest.fixture
def kim(demo: Demo, browser: Browser) -> Iterator[Shopper]:
    """On the company's page. Nothing may be refused by a policy, ask a stranger or end in an error."""
    kim = Shopper(Site(demo, demo.sample_host), browser)
    yield kim
    assert kim.leaves() == []


def looks(kim: Shopper, name: str) -> list[str]:
    """Wide and narrow, light and dark: what axe says around and inside the frame."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    found = []
    for scheme, width in zip(SCHEMES, (1280, 360), strict=True):
        kim.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        kim.page.set_viewport_size({"width": width, "height": 800})
        kim.page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png")
        wide = kim.asks("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        found += [f"{name}, {scheme}: {what}" for what in axe_violations(kim.page) + ["too wide"] * wide]
        if kim.frames():
            found += [f"{name}, {scheme}, inside: {what}" for what in axe_violations(kim.document)]
    return found


def test_kim_links_a_bank_and_sees_what_came_back(kim: Shopper) -> None:
    complaints = looks(kim, "before")
    kim.page.get_by_role("button", name="Link an account").click()
    expect(kim.heading).to_contain_text("Saltmarsh Savings wants to connect")
    expect(kim.main).to_contain_text(WHOSE)
    complaints += looks(kim, "consent")
    kim.goes_to_the_code()
    complaints += looks(kim, "code")
    kim.types_a_secret("6-digit code", "246810")
    kim.presses("Continue")
    kim.comes_to("outcome")
    complaints += looks(kim, "outcome")
    kim.presses_and_is_gone("Back to Saltmarsh Savings")
    expect(kim.page.locator("iframe, dialog")).to_have_count(0)
    expect(kim.page.get_by_role("status")).to_have_text("Maple & Main Bank is linked.")
    linked = kim.page.get_by_role("region", name="Linked accounts")
    expect(linked).to_contain_text("Maple & Main Bank verified Chequing •••• 4417 2841.07 CAD")
    news = kim.page.get_by_role("region", name="Verified webhooks")
    for type in ("connection.created", "connection.verified", "run.completed", "connect.session.finished"):
        expect(news).to_contain_text(type)
    complaints += looks(kim, "after")
    assert complaints == []


def test_kim_links_one_in_the_page_and_one_by_a_page_of_its_own(kim: Shopper) -> None:
    kim.page.get_by_role("button", name="Link it in this page").click()
    kim.signs_in_at_northlight()
    expect(kim.page.get_by_role("status")).to_have_text("Northlight Power is linked.")
    expect(kim.page.locator("#place > iframe")).to_have_count(1)
    complaints = looks(kim, "inline")
    kim.presses_and_is_gone("Back to Saltmarsh Savings")
    expect(kim.page.locator("iframe")).to_have_count(0)

    kim.page.get_by_role("button", name="Link by a page of its own").click()
    kim.is_sent_to_our_own_page()
    expect(kim.main).to_contain_text(WHOSE)
    complaints += looks(kim, "link")
    kim.presses("Continue")
    kim.presses("Agree and continue")
    kim.presses("Not now")
    kim.presses("Back to Saltmarsh Savings")
    kim.has_come_back(f"{kim.shop.origin}/")
    expect(kim.page.get_by_role("region", name="Linked accounts")).to_contain_text("Northlight Power")
    assert complaints == []


def test_a_message_nobody_signed_is_not_taken(demo: Demo) -> None:
    answer = httpx.post(f"{demo.sample_host}/webhooks/gangway", json={"type": "run.completed"}, trust_env=False)
    assert answer.status_code == 401
