"""Every page of the dashboard, full of a fortnight's work: wide in light and narrow in dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import SCREENSHOTS, Arrives
from tests.browser.demo import Demo
from tests.browser.desk import busiest_case, founds_a_host, signs_in
from tests.browser.looks import SMALL_TARGETS, TOO_WIDE, axe_violations

pytestmark = pytest.mark.browser

ROOMS = {
    "now": "",
    "connections": "/connections",
    "connections-narrowed": "/connections?status=verified",
    "connections-none": "/connections?status=new&host=own",
    "runs": "/runs",
    "sources": "/sources",
    "issues": "/issues",
    "funnel": "/funnel",
    "inbox": "/inbox",
    "deliveries": "/deliveries",
    "hosts": "/hosts",
    "team": "/team",
    "audit": "/audit",
    "mine": "/mine",
    "search": "/search",
    "search-found": "/search?q=maple",
    "prove": "/prove",
}
LOOKS = (("light", 1280), ("dark", 360))


def wrong_with(page: Page, name: str) -> list[str]:
    found = [] if page.locator("h1").count() == 1 else [f"{name}: {page.locator('h1').count()} first headings"]
    if not page.title().endswith(" · Harbourlight Budget support"):
        found.append(f"{name}: the title is {page.title()!r}")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    if not page.evaluate("document.activeElement === document.querySelector('main')"):
        found.append(f"{name}: the way past the menu leads nowhere")
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=SCREENSHOTS / "support" / "pages" / f"{name}-{scheme}-{width}.png", full_page=True)
        complaints = [*page.evaluate(TOO_WIDE), *page.evaluate(SMALL_TARGETS), *axe_violations(page)]
        found += [f"{name}, {scheme}, {width} px: {what}" for what in complaints]
    return found


def test_every_page_is_good_to_look_at(demo: Demo, arrives: Arrives) -> None:
    founds_a_host(demo)
    hazel = signs_in(arrives(), "admin")
    (SCREENSHOTS / "support" / "pages").mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    for name, path in {**ROOMS, **busiest_case(demo)}.items():
        hazel.opens(f"/support{path}")
        wrong += wrong_with(hazel.page, name)
    assert "\n".join(wrong) == ""
