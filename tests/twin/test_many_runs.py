"""A world stays quick and small when it holds many runs."""

from __future__ import annotations

import time
import tracemalloc
from itertools import count
from typing import Any

from webapp.twin.world import World

from .planes import Twin

MANY = 20_000


def furnished(world: World) -> tuple[Any, Any]:
    agent = world.add("agents", {"name": "a", "description": None})
    source = world.add("sources", {"name": None, "type": "website", "website": {"url": "https://a.example"}})
    fields = {"name": "t", "agent_id": agent["id"], "settings": None, "storage": None, "output_schema": None}
    return world.add("tasks", fields), source


def test_a_run_that_is_over_costs_little() -> None:
    """With its session, its events and an input of its own. The benchmark says how little; this is how much at most."""
    world = World()
    task, source = furnished(world)

    def live_through(numbers: range) -> int:
        for n in numbers:
            world.runs.start(task, credential=None, source=source, input={"account": f"{n:08d}"}, session=None)
            world.pass_time(world.clock.now + world.clock.span("run_timeout"))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before, after = live_through(range(200)), live_through(range(200, 600))
    tracemalloc.stop()

    assert len(world.stores["events"]) >= 8 * 600
    assert 500 < (after - before) / 400 < 5_000


def test_pages_are_quick_wherever_they_begin() -> None:
    twin = Twin()
    task, source = furnished(twin.world)
    ids = {"task_id": task["id"], "agent_id": task["agent_id"], "source_id": source["id"]}
    numbers = count()
    for n in numbers:
        fields = {"status": "completed", "result": "success", "storage": [], "errors": [], **ids}
        run = twin.world.add("task_runs", {**fields, "status": "failed"} if n == 3 else fields)
        if n == MANY:
            break
    (failed,) = twin.deck.get("/task-runs", status="failed")["data"]
    deep = twin.deck.get("/task-runs", created_before=failed["created_at"], limit=1)["next_cursor"]
    bodies: list[dict[str, Any]] = [
        {},
        {"status": "failed"},
        {"cursor": deep},
        {"created_before": failed["created_at"], "outcome": "success"},
        {"starting_after": failed["id"]},
        {"task_id": task["id"], "outcome": "success", "status": "failed"},
    ]

    for query in bodies:
        begun = time.perf_counter()
        page = twin.deck.get("/task-runs", **query)
        spent = time.perf_counter() - begun
        assert page["data"] and run["id"]
        assert spent < 0.1, query  # a fifth of this many is read in a few ms; the bound is for busy machines
