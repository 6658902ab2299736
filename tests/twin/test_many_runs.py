"""A world stays small, and its lists right, when it holds many runs."""

from __future__ import annotations

import tracemalloc
from typing import Any

from webapp.twin.world import World

from .planes import Twin

MANY = 2_000


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


def test_a_page_is_right_wherever_it_begins() -> None:
    """A long list is not walked from its top; `benchmarks twin` says what that saves."""
    twin = Twin()
    task, source = furnished(twin.world)
    ids = {"task_id": task["id"], "agent_id": task["agent_id"], "source_id": source["id"]}
    fields = {"status": "completed", "result": "success", "storage": [], "errors": [], **ids}
    failed = {**fields, "status": "failed"}
    runs = [twin.world.add("task_runs", failed if n == 3 else fields) for n in range(MANY)]
    newest_first = [run["id"] for run in reversed(runs)]
    oldest = runs[3]

    def listed(**query: Any) -> list[str]:
        return [run["id"] for run in twin.deck.get("/task-runs", **query)["data"]]

    deep = twin.deck.get("/task-runs", created_before=oldest["created_at"], limit=1)["next_cursor"]
    assert listed() == newest_first[:20]
    assert listed(status="failed") == [oldest["id"]]
    assert listed(cursor=deep) == newest_first[-2:]
    assert listed(created_before=oldest["created_at"], outcome="success") == newest_first[-3:]
    assert listed(starting_after=oldest["id"]) == newest_first[-3:]
    assert listed(task_id=task["id"], outcome="success", status="failed") == [oldest["id"]]
