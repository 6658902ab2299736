"""From Deck's event to the fragment swapped in a real browser, with 1,000 other streams open."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.figures import Figure, percentile
from benchmarks.stage import Stage, browsers, open_run, stage, visitor
from tests.many_browsers import addresses

OTHERS, ROUNDS = 1_000, 25  # a person may send 30 answers in a quarter of an hour
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

WATCH = """() => {
  window.swaps = [];
  new MutationObserver(() => {
    const view = document.querySelector("#view > .view");
    if (view) window.swaps.push([Date.now(), view.dataset.view, Number(view.dataset.version)]);
  }).observe(document.getElementById("view"), { childList: true, subtree: true, attributes: true });
}"""


def measure() -> Iterator[Figure]:
    yield from to_the_browser(1, f"{OTHERS} other streams")


def across_processes() -> Iterator[Figure]:
    yield from to_the_browser(2, f"{OTHERS} streams over 2 processes")


def to_the_browser(processes: int, where: str) -> Iterator[Figure]:
    with stage(realtime=False, processes=processes) as running, crowd(running), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        waits = watch(running, browser.new_context().new_page())
        browser.close()
    yield Figure(f"Deck's event to swapped fragment, {where}, p50", percentile(waits, 0.5), 500, "ms")
    yield Figure(f"Deck's event to swapped fragment, {where}, p95", percentile(waits, 0.95), 500, "ms")


def watch(running: Stage, page: Page) -> list[float]:
    """A wrong code again and again: how many ms after each re-prompt's delivery the browser showed it."""
    running.control("POST", "/exogenous/pins", ENDLESS)
    client = visitor(running)
    path = open_run(client, "quickstep-credit", "robin", "two-step-4")
    running.control("POST", "/clock/advance", {"by": "5s"})
    page.context.add_cookies([{"name": n, "value": v, "url": running.url} for n, v in client.cookies.items()])
    page.goto(running.url + path)
    page.wait_for_selector("[data-view=interaction]")
    page.evaluate(WATCH)
    waits = []
    for _ in range(ROUNDS):
        answer_wrongly(client, path)
        running.control("POST", "/clock/advance", {"by": "2s"})
        sent = delivered_at(running)
        page.wait_for_function("t => window.swaps.some(s => s[0] >= t && s[1] === 'interaction')", arg=sent)
        shown = page.evaluate("t => window.swaps.find(s => s[0] >= t && s[1] === 'interaction')[0]", sent)
        waits.append(shown - sent)
    return waits


ENDLESS: dict[str, Any] = {
    "match": {"username": "robin"},
    "path": "interaction",
    "value": {
        "type": "mfa",
        "message": "Enter the code.",
        "fields": [{"name": "code", "type": "string", "label": "Code"}],
        "expect": {"code": "right"},
        "max_attempts": 10_000,
        "window": "1d",
    },
}


def answer_wrongly(client: httpx.Client, path: str) -> None:
    page = client.get(path).text
    prompt = page.split('name="prompt" value="')[1].split('"')[0]
    client.post(f"{path}/answer", data={"prompt": prompt, "f0": "wrong"}).raise_for_status()


def delivered_at(running: Stage) -> float:
    """When the latest re-prompt was sent to us, in ms since 1970."""
    deliveries = running.control("GET", "/deliveries")["data"]
    latest = [d for d in deliveries if d["event_type"] == "task_run.interaction_required"][-1]
    return datetime.fromisoformat(latest["attempts"][0]["real_at"]).timestamp() * 1000


class crowd:
    """Other people's streams, open in a thread of their own."""

    def __init__(self, running: Stage) -> None:
        client = visitor(running)
        path = open_run(client, "maple-and-main", "4500123412341234", "maple-leaf-9")
        running.control("POST", "/clock/advance", {"by": "5s"})  # it waits for its code from now on
        self.cookies = browsers(running, client, OTHERS)
        self.port = int(running.url.rpartition(":")[2])
        self.request = f"GET {path}/live HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: "
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self.loop.run_until_complete, args=(self._hold(),), daemon=True).start()
        if not self.ready.wait(60):
            raise TimeoutError("the other streams did not open")

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.over.set)

    async def _hold(self) -> None:
        self.over = asyncio.Event()
        writers, ours = [], addresses()
        for cookie in self.cookies:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(next(ours), 0))
            writer.write(f"{self.request}{cookie}\r\n\r\n".encode())
            await reader.readuntil(b"</section>")
            writers.append((reader, writer))
        self.ready.set()
        await self.over.wait()
        for _, writer in writers:
            writer.close()
