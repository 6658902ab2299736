"""The flow on a host's page: how soon it is there on a slow machine, what it weighs, how many sessions a second."""

from __future__ import annotations

import gzip
import json
import secrets
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.figures import Figure, percentile
from benchmarks.line import Line
from benchmarks.stage import Stage, stage
from tests.browser.conftest import SWITCHES
from tests.browser.demo import running_demo
from tests.browser.embedding import Shop, Shopper, a_shop
from tests.conftest import settings
from webapp import create_app
from webapp.db import db, writing
from webapp.models import Host, HostKey

OPENS, SLOWDOWN = 40, 4
ONE_PROCESS = ["--disable-site-isolation-trials", "--disable-features=IsolateOrigins,site-per-process"]
"""The frame shares its page's renderer, so that it is slowed down, too."""
TIMED = """() => new Promise((done) => {
  const began = performance.now();
  const onLoad = () => {
    const took = performance.now() - began;
    handler.exit({ force: true });
    setTimeout(() => done(took), 50);
  };
  handler.update({ onLoad });
  handler.open();
})"""
HOSTS, EACH, CALLERS = 8, 250, 4
PEERS = ("@mxenabled/connect-widget", "@nangohq/frontend", "react-plaid-link")
"""Published packages for a browser; what they load later from elsewhere is not counted."""


def measure() -> Iterator[Figure]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("*** NOT RUN: the frame's opening; there is no Chromium")
    else:
        with running_demo("bench") as demo, a_shop(demo, "Bench") as shop, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES + ONE_PROCESS)
            yield from first_view(shop, browser)
            yield from opening(shop, browser)
            browser.close()
    script = gzip.compress(Path("static/connect.js").read_bytes())
    yield Figure("connect.js, gzip", len(script) / 1000, 6, "kB")
    yield from peers()
    with stage() as running:
        yield from sessions(running)


def opening(shop: Shop, browser: Browser) -> Iterator[Figure]:
    """`open()` to `onLoad`, one after the other on one page: what a page costs on a machine four times slower."""
    kim = Shopper(shop, browser)
    kim.context.new_cdp_session(kim.page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    kim.is_offered(tokens=[shop.token() for _ in range(OPENS)])
    took = [kim.page.evaluate(TIMED) for _ in range(OPENS)]
    kim.context.close()
    yield Figure(f"open() to onLoad, {SLOWDOWN}x slower CPU, p50 of {OPENS}", percentile(took, 0.5), inf, "ms")
    yield Figure(f"open() to onLoad, {SLOWDOWN}x slower CPU, p95 of {OPENS}", percentile(took, 0.95), 700, "ms")


def first_view(shop: Shop, browser: Browser) -> Iterator[Figure]:
    kim = Shopper(shop, browser)
    sizes: list[int] = []
    kim.context.on(
        "requestfinished",
        lambda request: sizes.append(sum(request.sizes()[k] for k in ("responseBodySize", "responseHeadersSize"))),
    )
    kim.opens_the_flow(token=shop.token())
    kim.page.wait_for_load_state("networkidle")
    kim.context.close()
    yield Figure("first view in the frame, nothing cached: bytes, headers included", sum(sizes) / 1000, 60, "kB")
    yield Figure("first view in the frame, nothing cached: requests", len(sizes), 6, "")


def peers() -> Iterator[Figure]:
    """What others ship to npm as their entry for browsers, gzipped. Only with npm and a registry in reach."""
    npm = shutil.which("npm")
    for name in PEERS if npm else ():
        with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder:
            pack = [str(npm), "pack", name, "--pack-destination", folder, "--ignore-scripts", "--silent"]
            try:
                subprocess.run(pack, check=True, capture_output=True, timeout=60, cwd=folder)
                (archive,) = Path(folder).glob("*.tgz")
                yield Figure(f"  beside it: {name}, its entry, gzip", entry_size(archive) / 1000, inf, "kB")
            except (subprocess.SubprocessError, OSError, KeyError, ValueError):
                print(f"  ({name} cannot be had from npm now)")


def entry_size(archive: Path) -> int:
    with tarfile.open(archive) as package:

        def read(path: str) -> bytes:
            file = package.extractfile(f"package/{path.removeprefix('./')}")
            return file.read() if file else b""

        about = json.loads(read("package.json"))
        return len(gzip.compress(read(about.get("browser") or about.get("module") or about["main"])))


def sessions(running: Stage) -> Iterator[Figure]:
    """As fast as a few servers ask; each host stays within its 600 a minute."""
    keys = hosts_of(running)
    port = int(running.url.rpartition(":")[2])
    body = json.dumps({"user": {"client_user_id": "user-7"}, "tags": {"plan": "plus"}}).encode()

    def ask(key: str) -> None:
        with Line(port, {"Authorization": f"Bearer {key}"}) as line:
            for _ in range(EACH):
                line.json("POST", "/v1/connect/sessions", body, "application/json")

    ask(keys.pop())  # warm
    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(ask, keys))
    each = (time.perf_counter() - began) / (EACH * len(keys))
    yield Figure(f"a connect session made ({1 / each:.0f} a second), {CALLERS} callers", each * 1000, 1000 / 300, "ms")


def hosts_of(running: Stage) -> list[str]:
    """Keys of as many hosts, written where the app reads."""
    app = create_app(settings(running.database))
    with app.app_context():
        with writing():
            hosts = [Host(name=f"Bench {secrets.token_hex(4)}", is_test=True) for _ in range(HOSTS + 1)]
            db.session.add_all(hosts)
            db.session.flush()
            keys = [HostKey.issue(host) for host in hosts]
        db.session.remove()
        db.engine.dispose()
    app.extensions["gangway"].bus.close()
    return keys
