"""Every page of the dashboard, full of a fortnight's work: wide and narrow, in light and in dark."""

from __future__ import annotations

from itertools import product

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import SCREENSHOTS, Arrives
from tests.browser.demo import Demo
from tests.browser.desk import busiest_case, founds_a_host, has_a_busy_day, signs_in
from tests.browser.looks import FOR_AXE, SCHEMES, SMALL_TARGETS, TOO_WIDE, WIDTHS, axe_violations

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


def wrong_with(page: Page, name: str) -> list[str]:
    found = [] if page.locator("h1").count() == 1 else [f"{name}: {page.locator('h1').count()} first headings"]
    if not page.title().endswith(" · Harbourlight Budget support"):
        found.append(f"{name}: the title is {page.title()!r}")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    if not page.evaluate("document.activeElement === document.querySelector('main')"):
        found.append(f"{name}: the way past the menu leads nowhere")
    for scheme, width in product(SCHEMES, WIDTHS):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=SCREENSHOTS / "support" / "pages" / f"{name}-{scheme}-{width}.png", full_page=True)
        complaints = [*page.evaluate(TOO_WIDE), *page.evaluate(SMALL_TARGETS)]
        complaints += axe_violations(page) if (scheme, width) in FOR_AXE else []
        found += [f"{name}, {scheme}, {width} px: {what}" for what in complaints]
    return found


SIDEWAYS = """() => [...document.querySelectorAll(".scroll")]
  .filter((it) => it.scrollWidth > it.clientWidth + 1).map((it) => it.ariaLabel)"""
DAY_BY_HOUR = {"Failed runs by day and hour", "Runs by day and hour"}
"""24 columns, drawn and as a table: they alone move sideways, inside a frame of their own."""


LABELLED = {
    "connections": ("From", "Source", "State", "Since", "Id"),
    "sources": ("Runs", "Success", "14 days", "p50", "Failed most by", "Last good run"),
    "funnel": ("Opened", "Submitted", "Handed over", "Of submitted", "Of opened", "Left", "Abandoned"),
}
"""What a row says beside its values, once it is a card."""


def test_a_phone_shows_all_a_page_says_without_moving_sideways(demo: Demo, arrives: Arrives) -> None:
    founds_a_host(demo)
    has_a_busy_day(demo)
    ash = signs_in(arrives(viewport={"width": 360, "height": 740}), "admin")
    too_wide: list[str] = []
    for name, path in {**ROOMS, **busiest_case(demo)}.items():
        ash.opens(f"/support{path}")
        if ash.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            too_wide.append(f"{name}: the page itself")
        too_wide += [f"{name}: {what}" for what in set(ash.page.evaluate(SIDEWAYS)) - DAY_BY_HOUR]
    assert too_wide == []
    for name, columns in LABELLED.items():
        ash.opens(f"/support/{name}")
        row = ash.page.locator("[data-rows] tbody tr").first
        for column in columns:
            label = "(it, name) => getComputedStyle(it.querySelector(`[data-label='${name}']`), '::before').content"
            assert column in row.evaluate(label, column), f"{name}: each value says what it is"


def test_every_page_is_good_to_look_at(demo: Demo, arrives: Arrives) -> None:
    founds_a_host(demo)
    has_a_busy_day(demo)
    hazel = signs_in(arrives(), "admin")
    (SCREENSHOTS / "support" / "pages").mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    for name, path in {**ROOMS, **busiest_case(demo)}.items():
        hazel.opens(f"/support{path}")
        wrong += wrong_with(hazel.page, name)
    assert "\n".join(wrong) == ""
