"""The twin itself: how soon it starts, how many calls it takes, what a run costs; `peers` sets it beside others."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Iterator
from statistics import median

from flask.testing import FlaskClient

from benchmarks.figures import Figure
from benchmarks.line import Line
from benchmarks.stage import free_port, process, wait_for
from webapp.twin.server import create_twin
from webapp.twin.world import ADMIN_KEY, API_KEY, World

VENDOR = {"Authorization": f"Bearer {API_KEY}"}
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
CALLS, STORIES, RUNS = 3_000, 100, 100_000
ASK = {
    "type": "mfa",
    "message": "Code?",
    "fields": [{"name": "code", "type": "string", "label": "Code"}],
    "expect": {"code": "1"},
}


def measure() -> Iterator[Figure]:
    yield Figure("twin: start to first answer", min(start() for _ in range(3)), 1, "s")
    port = free_port()
    with process(["twin", "--port", str(port), "--frozen"], dict(os.environ)):
        wait_for(f"http://127.0.0.1:{port}/__admin__/health")
        rate = calls_per_second(port)
    yield Figure("twin: one simple call in one process, one client", 1000 / rate, 1000 / 1500, "ms")
    yield Figure("twin: a run with one question, POST to end, engine time", 1000 * story(), 15, "ms")
    bytes_each, waits = crowd()
    yield Figure(f"twin: memory per run, {RUNS} lived through", bytes_each / 1000, 3, "kB")
    for what, list_ms in waits.items():
        yield Figure(f"twin: {what}, {RUNS} runs in the world", list_ms, 20, "ms")


def calls_per_second(port: int) -> float:
    """One client, one call after the other; the best of three goes, as the machine has other things to do, too."""
    best = 0.0
    with Line(port, VENDOR) as line:
        for _ in range(3):
            begun = time.perf_counter()
            for _ in range(CALLS):
                line.call("GET", "/v2/test")
            best = max(best, CALLS / (time.perf_counter() - begun))
    return best


def start() -> float:
    """Seconds from nothing to the first answer."""
    port = free_port()
    with process(["twin", "--port", str(port), "--frozen"], dict(os.environ)):
        return wait_for(f"http://127.0.0.1:{port}/__admin__/health")


def furnished() -> tuple[World, str, str]:
    """A world with a task and a source: (world, their ids)."""
    world = World()
    agent = world.add("agents", {"name": "a", "description": None})
    source = world.add("sources", {"name": "s", "type": "website", "website": {"url": "https://acme.example/"}})
    task = {"name": "t", "agent_id": agent["id"], "status": "live"}
    world.seed({"tasks": [{"id": "task_Bench", **task}]})
    return world, "task_Bench", source["id"]


def story() -> float:
    """Seconds of a run that asks once, through the API and the control plane, without a network."""
    world, task_id, source_id = furnished()
    client = create_twin(world).test_client()
    client.post("/__admin__/exogenous/pins", json={"path": "interaction", "value": ASK}, headers=ADMIN)
    spans = []
    for _ in range(STORIES):
        begun = time.perf_counter()
        run = client.post(f"/v2/tasks/{task_id}/run", json={"source_id": source_id}, headers=VENDOR).get_json()
        client.post("/__admin__/clock/advance", json={"by": "5s"}, headers=ADMIN)
        client.post(f"/v2/task-runs/{run['id']}/interaction", json={"input": {"code": "1"}}, headers=VENDOR)
        client.post("/__admin__/clock/advance", json={"by": "30s"}, headers=ADMIN)
        spans.append(time.perf_counter() - begun)
    return median(spans)


def crowd() -> tuple[float, dict[str, float]]:
    """Many runs from POST to end, each with an input, an output, a session and events of its own: (bytes of each, ms of
    list pages by name)."""
    world, task_id, source_id = furnished()
    task, source = world.stores["tasks"][task_id], world.stores["sources"][source_id]
    gc.collect()
    tracemalloc.start()
    for n in range(RUNS):
        given = {"account": f"{n:08d}"}
        run = world.runs.start(task, credential=None, source=source, input=given, session=None)
        world.pass_time(world.clock.now + world.clock.span("run_timeout"))
        run["output"] = {"invoice": f"INV-{n:07d}", "total": n / 100, "due": f"2025-{n % 12 + 1:02d}-28"}
    gc.collect()
    each = tracemalloc.get_traced_memory()[0] / RUNS
    tracemalloc.stop()
    client = create_twin(world).test_client()
    middle = world.stores["task_runs"][list(world.stores["task_runs"])[RUNS // 2]]["created_at"]
    pages = {
        "a page of runs": "task-runs?limit=100",
        "runs by three filters that find none": f"task-runs?task_id={task_id}&outcome=success&status=failed",
        "a page of runs from the middle": f"task-runs?limit=100&created_before={middle}",
        "a page of events": "events?limit=100",
        "a page of events of a type that never happened": "events?type=user.created",
        "a page of events from the middle": f"events?limit=100&created_before={middle}",
    }
    return each, {what: 1000 * usual_wait(client, path) for what, path in pages.items()}


def usual_wait(client: FlaskClient, path: str) -> float:
    waits = []
    for _ in range(20):
        begun = time.perf_counter()
        assert client.get(f"/v2/{path}", headers=VENDOR).status_code == 200
        waits.append(time.perf_counter() - begun)
    return median(waits)
