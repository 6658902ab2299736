"""Opened and closed again and again, in every way a page can: one callback for each, and nothing is left behind."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest

from tests.browser.embedding import Shop, Shopper

pytestmark = pytest.mark.browser

OPENS = int(os.environ.get("FRAME_OPENS", "60"))
"""The promise is for FRAME_OPENS=10000, which takes about twenty minutes."""
AT_ONCE = 20
WAYS = ("refused", "forced", "loaded", "twice", "unmounted", "remounted", "refused", "forced", "hidden", "remounted")

OPEN_ALL = """async ({ ways, tokens }) => {
  const once = (way) => new Promise((done) => {
    const seen = { way, opens: 0, ends: 0, closes: 0 };
    (window.all = window.all || []).push(seen);
    const make = () => GangwayConnect.create({
      token: way === "loaded" || way === "hidden" ? tokens.pop() : "ct_test_nobodys",
      onSuccess: () => (seen.ends += 1),
      onExit: () => (seen.ends += 1),
      onLoad: () => {
        if (way === "hidden") { handler.hide(); handler.show(); }
        handler.exit({ force: true });
      },
      onEvent: (name) => {
        if (name !== "CLOSE") return;
        seen.closes += 1;
        setTimeout(done);
      },
    });
    const open = () => { seen.opens = 1; handler.open(); };
    let handler = make();
    open();
    if (way === "twice") open();
    if (way === "forced") setTimeout(() => handler.exit({ force: true }), 1);
    if (way === "unmounted" || way === "remounted") {
      handler.destroy();
      seen.opens = 0;
    }
    if (way === "unmounted") setTimeout(done);
    if (way === "remounted") { handler = make(); open(); }
  });
  for (const way of ways) await once(way);
  return window.all.filter((one) => one.ends !== one.opens || one.closes !== one.opens);
}"""


def left_behind(kim: Shopper) -> dict[str, Any]:
    """What the browser still holds for the page, once it has swept."""
    devtools = kim.context.new_cdp_session(kim.page)
    devtools.send("HeapProfiler.collectGarbage")
    counted = devtools.send("Memory.getDOMCounters")
    devtools.detach()
    return {name: counted[name] for name in ("documents", "jsEventListeners")}


def opens(kim: Shopper, shop: Shop, ways: list[str]) -> None:
    tokens = [shop.token() for way in ways if way in ("loaded", "hidden")]
    assert kim.page.evaluate(OPEN_ALL, {"ways": ways, "tokens": tokens}) == []


def test_every_open_ends_once_and_leaves_nothing(kim: Shopper, shop: Shop) -> None:
    opens(kim, shop, list(WAYS) * 2)
    kim.is_back_on_the_page()
    before = left_behind(kim)
    ways = itertools.cycle(WAYS)
    for _ in range(0, OPENS, AT_ONCE):
        opens(kim, shop, list(itertools.islice(ways, AT_ONCE)))
    kim.is_back_on_the_page()
    assert left_behind(kim) == before
    assert kim.asks("all.length") >= OPENS
