"""The stage of the browser tests: one real demo and one real Chromium per worker, a new person for every test."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect, sync_playwright
from werkzeug.serving import make_server

from tests.browser.demo import OUTPUT, Demo, running_demo
from tests.browser.embedding import Comes, Shop, Shopper, a_shop
from tests.browser.visitor import Visitor
from tests.conftest import settings
from webapp import create_app

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = "Chromium is not installed: apt-get install chromium"
SCREENSHOTS = OUTPUT / "screenshots"

Arrives = Callable[..., Visitor]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The system's Chromium. Playwright's own download is never used."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.environ.get("CI") == "true":
        pytest.fail(MISSING, pytrace=False)
    pytest.skip(MISSING)


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(chromium_path: str, worker_id: str) -> Iterator[Demo]:
    """Everything at once. When all stories are told, what people typed must be nowhere in it."""
    with running_demo(worker_id) as demo:
        yield demo
        assert demo.kept_secrets() == []


@pytest.fixture
def arrives(demo: Demo, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Arrives]:
    """`arrives()` is a stranger with a browser of their own; when the story ends we look at how it went for them."""
    visitors: list[Visitor] = []

    def arrive(**looks: Any) -> Visitor:
        visitors.append(Visitor(demo, browser, **looks))
        return visitors[-1]

    yield arrive
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w-]+", "-", request.node.name.removeprefix("test_"))
    pages = [page for visitor in visitors for page in visitor.context.pages]
    for number, page in enumerate(pages, start=1):
        page.screenshot(path=SCREENSHOTS / f"{name}{f'-{number}' if number > 1 else ''}.png", full_page=True)
    assert [complaint for visitor in visitors for complaint in visitor.leaves()] == []


@pytest.fixture
def robin(arrives: Arrives) -> Visitor:
    """Somebody with an account, signed in."""
    visitor = arrives()
    visitor.has_an_account()
    return visitor


@dataclass
class House:
    """An installation whose command line the test has at hand. Also what a `Visitor` needs to know of a demo."""

    app: Flask
    url: str
    secrets: set[str] = field(default_factory=set)


@pytest.fixture
def house(app: Flask, database_url: str) -> Iterator[House]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    url = f"http://127.0.0.1:{server.port}"
    server.app = create_app(settings(database_url, public_url=url))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield House(server.app, url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.app.extensions["gangway"].bus.close()


@pytest.fixture(scope="session")
def shop(demo: Demo) -> Iterator[Shop]:
    with a_shop(demo, "Tidepool Savings") as shop:
        yield shop


@pytest.fixture
def comes(shop: Shop, browser: Browser) -> Iterator[Comes]:
    """`comes("/path")` is somebody new on the company's page; when the story ends we look at how it went."""
    everybody: list[Shopper] = []

    def one(path: str = "/", **looks: Any) -> Shopper:
        everybody.append(Shopper(shop, browser, path, **looks))
        return everybody[-1]

    yield one
    cookies = [cookie for kim in everybody for cookie in kim.context.cookies()]
    sent = [url for kim in everybody for url in kim.cookies_sent]
    assert [complaint for kim in everybody for complaint in kim.leaves()] == []
    assert (cookies, sent) == ([], [])


@pytest.fixture
def kim(comes: Comes) -> Shopper:
    return comes()
