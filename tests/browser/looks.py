"""How a screen must look: in light and dark, wide and narrow, for fingers, for axe. Returns complaints, takes pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Frame, Page

SCHEMES, WIDTHS = ("light", "dark"), (1280, 360)
FOR_AXE = {("light", 1280), ("dark", 360)}

SPACED_TEXT = """
* { letter-spacing: 0.12em !important; word-spacing: 0.16em !important; line-height: 1.5 !important }
p { margin-block-end: 2em !important }
"""
"""What WCAG 1.4.12 lets readers do."""

TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  const out = (it) => it.getBoundingClientRect().right > room + 0.5 && !it.closest(".scroll, .skip, .visually-hidden");
  return [...document.querySelectorAll("body *")].filter(out).map((it) => it.outerHTML.slice(0, 90)).slice(0, 3)
    .concat(`${document.documentElement.scrollWidth} in ${room}`);
}"""

SMALL_TARGETS = """() => {
  const small = [];
  for (const it of document.querySelectorAll("a[href], button, input:not([type=hidden]), label.choice")) {
    if (it.matches(".skip, label.choice input") || !it.checkVisibility()) continue;
    const words = it.textContent.trim();
    if (getComputedStyle(it).display === "inline" && it.parentElement.textContent.trim() !== words) continue; // in a sentence
    const { width, height } = it.getBoundingClientRect();
    const least = it.matches(".button, label.choice, input") ? 44 : 24;
    if (Math.min(width, height) < least - 0.1) small.push(`${words || it.name}: ${width.toFixed()}×${height.toFixed()}`);
  }
  return small;
}"""


def complaints_about(page: Page, pictures: Path) -> Iterator[str]:
    """Everything wrong with what *page* shows now."""
    flow = page.locator("#view")
    heading, title = page.locator("h1"), page.title()
    if heading.count() != 1:
        yield f"{heading.count()} headings of the first level"
    elif flow.count() and title.startswith(("Connect ·", "Harbourlight Budget")):
        yield f"the title {title!r} does not tell this page from the others"
    if not title.endswith(("Harbourlight Budget", "Harbourlight Budget support")):
        yield f"the title {title!r} does not say whose page it is"
    pictures.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for width in WIDTHS:
            here = f"{scheme}, {width} px"
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=pictures / f"{scheme}-{width}.png", full_page=True)
            yield from (f"{here}: too wide: {what}" for what in page.evaluate(TOO_WIDE))
            yield from (f"{here}: too small: {what}" for what in page.evaluate(SMALL_TARGETS))
            if (scheme, width) in FOR_AXE:
                yield from (f"{here}: axe: {what}" for what in axe_violations(page))
    yield from when_it_is_tight(page)


def when_it_is_tight(page: Page) -> Iterator[str]:
    """320 px, which is 1280 px at 400 %; and the same with the text spaced out."""
    page.set_viewport_size({"width": 320, "height": 800})
    yield from (f"320 px: too wide: {what}" for what in page.evaluate(TOO_WIDE))
    style = "(css) => { const s = new CSSStyleSheet(); s.replaceSync(css); document.adoptedStyleSheets = [s] }"
    page.evaluate(style, SPACED_TEXT)
    yield from (f"320 px, spaced text: too wide: {what}" for what in page.evaluate(TOO_WIDE))
    page.evaluate("() => { document.adoptedStyleSheets = [] }")


def axe_violations(page: Page | Frame) -> list[str]:
    found: dict[str, Any] = Axe().run(page).response  # type: ignore[arg-type]
    return [f"{v['id']}: {node['html'][:120]}" for v in found["violations"] for node in v["nodes"]]
