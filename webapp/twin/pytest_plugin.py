"""Fixtures for any project's tests: `pytest_plugins = ["webapp.twin.pytest_plugin"]` in its conftest.py.

Each pytest process, and so each xdist worker, has a server of its own on a free port: worlds never meet.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from .client import ADMIN_KEY, API_KEY, Inbox, Twin, TwinError

MARK = "twin(t0, seed, durations, scenario): how the twin's world begins for this test; scenario is one or several"
OPTIONS = {"t0", "seed", "durations", "scenario"}
REPORTED = 20
"""How many deliveries and requests a failed test's report shows: the last ones."""


class UnusedTwinSetup(UserWarning):
    """A test prepared something in the twin that nothing met, or its app called something Deck does not have."""


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "fail tests that leave pins or faults of the twin unused, or call what Deck does not have"
    parser.getgroup("twin").addoption("--twin-strict", action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


@pytest.fixture(scope="session")
def twin_server() -> Iterator[Twin]:
    """A twin for the whole session: the one at TWIN_URL, or else a thread of this process."""
    url = os.environ.get("TWIN_URL")
    if url:
        api_key, admin_key = os.environ.get("TWIN_API_KEY", API_KEY), os.environ.get("TWIN_ADMIN_KEY", ADMIN_KEY)
        with Twin(url, api_key=api_key, admin_key=admin_key) as there:
            there.health()
            yield there
        return
    with served() as here:
        yield here


@contextmanager
def served() -> Iterator[Twin]:
    """A twin of this process on a free loopback port."""
    from werkzeug.serving import make_server

    from .server import Running
    from .world import World

    running = Running(World())
    server = make_server("127.0.0.1", 0, running.app, threaded=True, request_handler=_quiet())
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="twin", daemon=True)
    thread.start()
    running.start()
    try:
        with Twin(f"http://127.0.0.1:{server.server_port}") as here:
            here.health()
            yield here
    finally:
        running.stop()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.fixture
def twin(request: pytest.FixtureRequest, twin_server: Twin) -> Iterator[Twin]:
    """An empty world at t0, frozen, with the default durations; or as `@pytest.mark.twin(…)` says."""
    given = _marked(request)
    twin_server.clock.freeze()  # first: in a world that runs, time would pass after the reset
    twin_server.reset(t0=given.get("t0", "2025-01-01T00:00:00Z"), seed=given.get("seed", "deck-twin"))
    if durations := given.get("durations"):
        twin_server.clock.set_durations(**durations)
    scenarios = given.get("scenario", ())
    for name in [scenarios] if isinstance(scenarios, str) else scenarios:
        twin_server.scenario(name)
    request.node.stash[TWIN] = twin_server
    yield twin_server
    if left := leftovers(twin_server):
        text = f"{request.node.nodeid}: {'; '.join(left)}"
        if request.config.getoption("--twin-strict"):
            pytest.fail(text, pytrace=False)
        warnings.warn(text, UnusedTwinSetup, stacklevel=1)


@pytest.fixture
def twin_inbox(twin: Twin) -> Iterator[Inbox]:
    """A webhook address of this test's own, registered for every event."""
    with twin.webhooks.sink() as inbox:
        yield inbox


@pytest.fixture
def deck_app(twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The Flask app of Gangway, served on a free port of loopback beside the twin, with its webhook registered there.

    Its settings stand in the environment: DECK_BASE_URL, DECK_API_KEY, DECK_WEBHOOK_SECRETS and the others.
    """
    # By name and only now: the twin knows nothing of the web app, and serves projects that have no use for it.
    trial: Any = import_module("webapp.demo.trial")
    with trial.app_beside(twin.base_url, twin.api_key, tmp_path, setenv=monkeypatch.setenv) as app:
        twin.journal.clear()  # what the app asked to set itself up is not the test's
        yield app


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test tells what its app asked and what was delivered to it."""
    report: Any = yield
    twin = item.stash.get(TWIN, None)
    if twin and report.when == "call" and report.failed:
        for title, path, words in SECTIONS:
            if lines := _lines(twin, path, words):
                report.sections.append((title, "\n".join(lines)))
    return report  # type: ignore[no-any-return]


TWIN = pytest.StashKey[Twin]()
SECTIONS = (
    ("twin: requests", "/requests", ("method", "path", "body", "response")),
    ("twin: deliveries", "/deliveries", ("event_type", "destination_id", "status", "attempts")),
)


def leftovers(twin: Twin) -> list[str]:
    """What was prepared and met by nothing, and what was asked and matched by nothing."""
    unused = [f"pin {pin.label or pin.id} on {pin.path} bound nothing" for pin in twin.exogenous.list("unused")]
    faults = _rows(twin, "/faults")
    missed = [f"fault {one.get('label') or one['id']} hit nothing" for one in faults if not one["hits"]]
    unmatched = _rows(twin, "/requests", unmatched="true")
    return [*unused, *missed, *(f"{one['method']} {one['path']} is nothing of Deck's" for one in unmatched)]


def _rows(twin: Twin, path: str, **query: Any) -> list[dict[str, Any]]:
    """Rows of the control plane; none where this twin has no such room."""
    try:
        return twin.call.rows(path, **query)
    except TwinError as error:
        if error.status == 404:
            return []
        raise


def _lines(twin: Twin, path: str, words: tuple[str, ...]) -> list[str]:
    rows = _rows(twin, path)[-REPORTED:]
    return [" ".join(json.dumps(row.get(word), ensure_ascii=False) for word in words) for row in rows]


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    mark = request.node.get_closest_marker("twin")
    given = dict(mark.kwargs) if mark else {}
    if (mark and mark.args) or (unknown := set(given) - OPTIONS):
        raise pytest.UsageError(f"@pytest.mark.{MARK}; not {mark.args if mark and mark.args else sorted(unknown)}")
    return given


def _quiet() -> Any:
    from werkzeug.serving import WSGIRequestHandler

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            """Nothing on the terminal."""

    return Quiet
