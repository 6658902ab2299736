"""The flow on a host's page: how soon it is there on a slow machine, and what it weighs."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from math import inf
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.figures import Figure, percentile
from tests.browser.conftest import SWITCHES
from tests.browser.demo import running_demo
from tests.browser.embedding import Shop, Shopper, a_shop

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
