"""The Python client, against a twin in this process and once over real HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import PATIENCE
from webapp.twin.client import (
    Drop,
    Error,
    IllegalOverride,
    Latency,
    PreconditionFailed,
    Twin,
    TwinError,
    VerificationFailed,
)
from webapp.twin.inbox import Inbox
from webapp.twin.server import create_twin
from webapp.twin.world import World

from .planes import CODE, KIM

ROOT = Path(__file__).parents[2]
ROUTES = {str(rule) for rule in create_twin(World()).url_map.iter_rules()}


def needs(path: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(f"/__admin__{path}" not in ROUTES, reason=f"this twin has no {path}")


class App:
    """An app that talks to the vendor plane with plain httpx."""

    def __init__(self, twin: Twin, transport: httpx.BaseTransport) -> None:
        headers = {"Authorization": f"Bearer {twin.api_key}"}
        self.http = httpx.Client(base_url=twin.base_url, headers=headers, transport=transport)

    def post(self, path: str, body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def run(self) -> str:
        """The id of a queued run with a credential of Kim's."""
        source = self.post("/sources", {"type": "website", "website": {"url": "https://bank.example/login"}})
        agent = self.post("/agents", {"name": "Billing"})
        task = self.post("/tasks", {"name": "Fetch", "agent_id": agent["id"]})
        secret = {"username": KIM["username"], "password": KIM["password"]}
        kind = {"source_id": source["id"], "auth_method": "username_password"}
        credential = self.post("/credentials", {**kind, "auth_credentials": secret})
        run = self.post(f"/tasks/{task['id']}/run", {"credential_id": credential["id"]})
        return str(run["id"])

    def see(self, run: str) -> Any:
        return self.http.get(f"/task-runs/{run}").json()


@pytest.fixture
def transport() -> httpx.BaseTransport:
    return httpx.WSGITransport(app=create_twin(World()))


@pytest.fixture
def client(transport: httpx.BaseTransport) -> Iterator[Twin]:
    with Twin("http://twin.localhost", transport=transport) as client:
        yield client


@pytest.fixture
def app(client: Twin, transport: httpx.BaseTransport) -> App:
    return App(client, transport)


def test_it_needs_no_flask() -> None:
    """Any project can use the client without the web app's dependencies."""
    code = "import sys; import webapp.twin.client; print(sorted(m for m in sys.modules if m in ('flask', 'werkzeug')))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)

    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")
    assert (ROOT / "webapp/py.typed").exists()


def test_seed_state_and_reset(client: Twin) -> None:
    empty = client.state_hash()
    assert client.seed("agents", [{"id": "agt_TkKr", "name": "Billing"}]) == ["agt_TkKr"]

    assert client.state("agents")["agents"][0]["name"] == "Billing"
    assert client.base_url == "http://twin.localhost/v2"
    assert Twin(client.base_url).base_url == client.base_url
    client.reset()
    assert client.state_hash() == empty
    assert client.health()["epoch"] == 2
    client.reset(t0="2025-01-31T23:59:00Z", seed="x")
    assert client.clock.now() == "2025-01-31T23:59:00.000Z"


def test_pins_are_set_listed_and_cleared(client: Twin, app: App) -> None:
    pin = client.exogenous.branch("task_run", "failed", "completed", username="kim@*")
    assert (pin.mode, pin.remaining, pin.match) == ("queue", 2, {"username": "kim@*"})
    first, second = app.run(), app.run()
    client.clock.run_until_idle()

    assert [app.see(run)["status"] for run in (first, second)] == ["failed", "completed"]
    once = client.exogenous.on("task_run", "output", {"a": 1}, once=True)
    assert once.mode == "once"
    assert [one.id for one in client.exogenous.list("unused")] == [once.id]
    assert client.exogenous.clear(once) == 1
    assert client.exogenous.clear() == 1


def test_the_world_acts(client: Twin, app: App) -> None:
    run = app.run()
    client.clock.until("task_run.running", run)
    assert "task_run.blocked" in [one.event for one in client.world.next()]
    assert "run_timeout" in [timer["name"] for timer in client.world.timers()]

    happened = client.world.trigger("task_run.interaction_required", task_run_id=run, interaction=CODE)

    assert happened.applied[0]["to"] == "interaction_required"
    with pytest.raises(PreconditionFailed) as refused:
        client.world.trigger("task_run.blocked", task_run_id=run)
    assert refused.value.detail["actual"] == {"status": "interaction_required"}
    assert (refused.value.status, refused.value.code) == (409, "precondition_failed")
    assert "world/next" in str(refused.value)


def test_time_passes(client: Twin, app: App) -> None:
    app.run()

    assert client.clock.run_next().fired
    assert client.clock.advance(timedelta(seconds=1)).advanced
    assert client.clock.advance().pending
    assert client.clock.run_until_idle(stop_on=["task_run.completed"]).stopped_on == "task_run.completed"
    assert client.clock.to(datetime(2025, 1, 2, tzinfo=UTC)).now == "2025-01-02T00:00:00.000Z"
    with pytest.raises(TwinError, match="not_reached"):
        client.clock.until("task_run.failed", max="1s")
    client.clock.set_durations(run_settle="0s")
    client.clock.realtime(60)
    client.clock.freeze()


def test_snapshots_are_taken_and_restored(client: Twin, app: App) -> None:
    taken = client.snapshots.create("before")
    app.run()
    assert client.state_hash() != taken.sha256

    assert client.snapshots.restore(taken) == taken.sha256 == client.state_hash()
    again = client.snapshots.load(client.snapshots.document("before"))
    assert [one.id for one in client.snapshots.list()] == [taken.id, again.id]
    client.snapshots.delete(again)
    with pytest.raises(TwinError, match="unknown_snapshot"):
        client.snapshots.restore(again)


def test_a_scenario_is_applied(client: Twin, app: App) -> None:
    assert client.scenario("bad_password", username="kim@*").applied == ["pin_0001"]
    run = app.run()
    client.clock.run_until_idle()

    assert app.see(run)["errors"][0]["code"] == "auth_invalid"


def test_a_site_is_put_up(client: Twin, app: App) -> None:
    client.site("bank.example", {**KIM, "branch": "failed"})
    run = app.run()
    client.clock.run_until_idle()

    assert app.see(run)["status"] == "failed"


def test_what_cannot_be_set_says_so(client: Twin) -> None:
    with pytest.raises(IllegalOverride):
        client.exogenous.on("task_run", "status", "completed")


def test_a_wrong_key_and_a_wrong_address_are_told_apart(transport: httpx.BaseTransport) -> None:
    with Twin("http://twin.localhost", admin_key="wrong", transport=transport) as client:
        with pytest.raises(TwinError) as refused:
            client.state()
        assert refused.value.status == 401
    elsewhere = httpx.MockTransport(lambda request: httpx.Response(200, text="hello"))
    with Twin("http://app.localhost", transport=elsewhere) as client, pytest.raises(TwinError, match="not_a_twin"):
        client.health()


@needs("/faults")
def test_faults_are_armed_and_cleared(client: Twin, app: App) -> None:
    fault = client.faults.arm("agents", "create", status=500, code="api_error", count=1)

    assert app.http.post("/agents", json={"name": "a"}).status_code == 500
    assert client.faults.list()[0].hits == 1
    client.faults.arm("*", "*", effect=Latency("5ms"), label="slow")
    client.faults.arm("*", "*", effect=Drop("reset"), when="after", skip=2)
    client.faults.arm("*", "*", effect=Error(status=429, code="rate_limit_exceeded"), probability=0.5)
    client.faults.rate_limit(5, "1m")
    assert client.faults.clear(fault.id) in (0, 1)
    assert client.faults.clear() == 4


@needs("/requests")
def test_requests_are_journalled_and_verified(client: Twin, app: App) -> None:
    app.run()

    runs = client.journal.requests(operation="task_runs.create")
    assert [one.method for one in runs] == ["POST"]
    assert client.journal.verify(count=1, operation="task_runs.create") == runs
    assert client.journal.verify(count=0, operation="tokens.create") == []
    with pytest.raises(VerificationFailed):
        client.journal.verify(at_least=2, operation="task_runs.create")
    client.journal.clear()
    assert client.journal.requests() == []


@needs("/requests")
def test_a_trace_tells_where_values_came_from(client: Twin, app: App) -> None:
    response = app.http.post("/agents", json={"name": "a"})
    if trace := response.headers.get("X-Mock-Resolution-Trace"):
        assert client.trace(trace).id == trace


@pytest.fixture
def served() -> Iterator[Twin]:
    """A twin on a real port, as the pytest plugin serves it."""
    from webapp.twin.pytest_plugin import served

    with served() as client:
        yield client


@pytest.mark.enable_socket
def test_it_works_over_real_http(served: Twin) -> None:
    transport = httpx.HTTPTransport()
    app = App(served, transport)
    run = app.run()

    served.clock.until("task_run.completed", run)

    assert app.see(run)["status"] == "completed"
    app.http.close()


@needs("/webhooks/endpoints")
@pytest.mark.enable_socket
def test_a_sink_gets_signed_events(served: Twin) -> None:
    app = App(served, httpx.HTTPTransport())
    with served.webhooks.sink() as inbox:
        inbox.respond(500)
        app.run()
        served.clock.run_until_idle(max="1h")

        done = inbox.wait_for("task_run.completed")
        assert done.verify(inbox.secret)["type"] == "task_run.completed"
        event = served.deliveries.list(status="success")[0]
        assert event.attempts
        if "/__admin__/events/<id>/redeliver" in ROUTES:
            (again,) = served.deliveries.redeliver(event.event_id, times=2)
            assert (again.id, again.event_type) == (event.id, event.event_type)
            assert [attempt["variant"] for attempt in again.attempts] == ["redelivery"] * 2
        with pytest.raises(TimeoutError):
            inbox.wait_for("agent.deleted", timeout=0.01)
    assert served.state("event_destinations") == {"event_destinations": []}
    with served.webhooks.sink():
        served.reset()  # which takes the sink's address away before the block does
    app.http.close()


@needs("/delivery-rules")
def test_rules_are_made(client: Twin) -> None:
    rule = client.deliveries.duplicate("task_run.*")
    client.deliveries.reorder(3)
    with client.deliveries.holding(event_type="task_run.*") as held:
        assert client.clock.advance().held == 0
        held.release("lifo")

    client.deliveries.clear_rules(rule)
    client.deliveries.clear_rules()


@pytest.mark.enable_socket
def test_an_inbox_keeps_what_comes_and_answers_as_told() -> None:
    inbox = Inbox().open()
    inbox.respond(503)

    answers = [httpx.post(inbox.url, json={"type": kind}, trust_env=False).status_code for kind in ("a.b", "a.c")]

    assert answers == [503, 204]
    assert [item.type for item in inbox.all()] == ["a.b", "a.c"]
    assert inbox.wait_for("a.c").payload == {"type": "a.c"}
    inbox.close()
