"""The pytest plugin, in a suite of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE
from webapp.twin import pytest_plugin

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

HELPERS = """
import httpx, pytest

@pytest.fixture
def app(twin):
    with httpx.Client(base_url=twin.base_url, headers={"Authorization": f"Bearer {twin.api_key}"}) as http:
        yield http
"""


def says_in_a_process(folder: Path, tests: str, *options: str) -> str:
    """What pytest says about *tests* in a process of its own, with the plugin loaded as docs/twin.md says."""
    (folder / "conftest.py").write_text('pytest_plugins = ["webapp.twin.pytest_plugin"]\n' + HELPERS)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (folder / "test_app.py").write_text(tests)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TWIN_"))}
    env |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options]
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE)
    return ran.stdout + ran.stderr


class Suite:
    """A project that uses the plugin."""

    def __init__(self, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
        self.pytester, self.capsys = pytester, capsys
        pytester.makeconftest(HELPERS)
        pytester.makeini("[pytest]\nfilterwarnings = default\n")

    def says(self, tests: str, *options: str) -> str:
        """What pytest says about *tests*, run within this process."""
        self.pytester.makepyfile(test_app="import pytest\n\n" + tests)
        self.capsys.readouterr()
        self.pytester.inline_run("-p", "no:cacheprovider", *options, plugins=[pytest_plugin])
        return "".join(self.capsys.readouterr())


@pytest.fixture
def suite(pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("PYTEST_ADDOPTS", "TWIN_URL", "TWIN_API_KEY", "TWIN_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Suite(pytester, capsys)


def test_each_test_begins_in_an_empty_frozen_world(suite: Suite) -> None:
    said = suite.says(
        """
@pytest.mark.parametrize("nth", [1, 2])
def test_one(twin, app, nth):
    assert twin.state("agents") == {"agents": []}
    assert twin.clock.now() == "2025-01-01T00:00:00.000Z"
    assert app.post("/agents", json={"name": "a"}).status_code in (200, 201)
    twin.clock.set_durations(run_settle="1s")
    twin.clock.realtime()

@pytest.mark.twin(t0="2025-01-31T23:59:00Z", seed="x", durations={"run_settle": "0s"}, scenario=["happy", "mfa_code"])
def test_marked(twin, app):
    assert twin.clock.now() == "2025-01-31T23:59:00.000Z"
    assert twin.call("GET", "/")["seed"] == "x"
    assert twin.call("GET", "/clock")["durations"]["run_settle"] == "0s"
    assert [pin.path for pin in twin.exogenous.list()] == ["branch", "interaction"]

def test_after_all_that(twin):
    assert twin.call("GET", "/")["seed"] == "deck-twin"
    assert twin.call("GET", "/clock")["durations"]["run_settle"] == "10s"
""",
        "-q",
    )

    assert "4 passed" in said, said


@pytest.mark.slow
def test_workers_have_a_twin_each(tmp_path: Path) -> None:
    tests = """
import pytest

@pytest.mark.parametrize("nth", range(6))
def test_one(twin, app, nth):
    app.post("/agents", json={"name": "a"})
    assert len(twin.state("agents")["agents"]) == 1
"""
    said = says_in_a_process(tmp_path, tests, "-p", "xdist.plugin", "-n", "2")

    assert "6 passed" in said, said


UNUSED = """
def test_one(twin, app):
    twin.exogenous.on("task_run", "output", {"a": 1}, once=True)
    twin.faults.arm("agents", "create", status=500)
    app.get("/nowhere")
"""
UNUSED_SAID = (
    "pin pin_0001 on output bound nothing",
    "hit nothing",
    "GET /v2/nowhere is nothing of Deck's",
)


def test_what_was_prepared_and_met_by_nothing_is_a_warning(suite: Suite) -> None:
    said = suite.says(UNUSED)

    assert "1 passed, 1 warning" in said, said
    assert all(text in said for text in UNUSED_SAID), said


def test_it_is_an_error_under_twin_strict(suite: Suite) -> None:
    said = suite.says(UNUSED, "--twin-strict")

    assert "1 passed, 1 error" in said, said
    assert all(text in said for text in UNUSED_SAID), said


def test_a_failure_tells_what_was_delivered(suite: Suite) -> None:
    said = suite.says(
        """
def test_one(twin, app):
    app.post("/event-destinations", json={"name": "app", "webhook": {"url": "http://127.0.0.1:1/"}})
    app.post("/agents", json={"name": "a"})
    twin.clock.advance()
    assert False
""",
    )

    assert "1 failed" in said, said
    assert "twin: deliveries" in said
    assert "agent.created" in said


def test_a_misspelt_mark_is_refused(suite: Suite) -> None:
    said = suite.says("@pytest.mark.twin(sed='x')\ndef test_one(twin):\n    pass\n")

    assert "not ['sed']" in said, said


def test_the_inbox_is_registered_for_everything(suite: Suite) -> None:
    said = suite.says(
        """
def test_one(twin, app, twin_inbox):
    app.post("/agents", json={"name": "a"})
    twin.clock.advance()
    assert twin_inbox.wait_for("agent.created").verify(twin_inbox.secret)
""",
    )

    assert "1 passed" in said, said


def test_a_twin_elsewhere_is_used_when_named(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest_plugin.served() as client:
        monkeypatch.setenv("TWIN_URL", client.base_url)
        port = client.url.rpartition(":")[2]
        said = suite.says(f"def test_one(twin):\n    assert twin.url.endswith(':{port}')\n")

    assert "1 passed" in said, said


@pytest.mark.slow
def test_the_web_app_stands_beside_the_twin(tmp_path: Path) -> None:
    """A visitor connects an account; what Deck then tells the webhook is waiting in the app's inbox."""
    tests = """
import os
import httpx
from webapp.worker import Worker

SIGN_IN = {"source": "northlight-power", "username": "robin", "password": "pw"}

def test_one(twin, deck_app):
    assert os.environ["DECK_BASE_URL"] == twin.base_url
    assert os.environ["DECK_API_KEY"] == twin.api_key
    assert twin.journal.requests() == []
    url, origin = os.environ["PUBLIC_URL"], {"Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=url, headers=origin, follow_redirects=True, trust_env=False) as robin:
        robin.post("/sign-up", data={"email": "robin@sample.example", "password": "correct horse battery"})
        visit = robin.post("/connect/start").url.path
        robin.post(f"{visit}/agree")
        robin.post(f"{visit}/source", data={"source": "northlight-power"})
        robin.post(f"{visit}/sign-in", data=SIGN_IN)
        Worker(deck_app).step()
        twin.clock.run_until_idle()
        while Worker(deck_app).step():
            pass
        assert "Northlight Power is connected" in robin.get(visit).text
    assert {one.status for one in twin.deliveries.list()} == {"success"}

def test_another(twin, deck_app):
    assert twin.state("task_runs") == {"task_runs": []}
    assert len(twin.state("event_destinations")["event_destinations"]) == 1
"""
    said = says_in_a_process(tmp_path, tests)

    assert "2 passed" in said, said


def test_the_web_app_is_loaded_only_by_who_asks_for_it() -> None:
    code = "import sys, webapp.twin.pytest_plugin; print(sorted({'sqlalchemy', 'flask'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)

    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")
