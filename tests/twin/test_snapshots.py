"""A world as a document: taken, kept, carried over and come back to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webapp.twin.control import CONTROL_VERSION
from webapp.twin.snapshots import DOCUMENT_VERSION, LASTING, decoded, encoded, remembered
from webapp.twin.world import World

from .planes import CODE, INVOICE, KIM, Control, Deck, Twin
from .test_determinism import a_busy_day


def state_hash(control: Control) -> Any:
    return control.get("/state/hash")["sha256"]


def in_the_middle(twin: Twin) -> Any:
    """A paused run, pins, timers, an idempotency key and deliveries still owed."""
    deck, control = twin.deck, twin.control
    control.site({**KIM, "asks": [CODE]})
    control.pin("output.total", 7)
    deck.destination()
    deck.post("/agents", {"name": "keyed"}, key="k")
    run = deck.run(task=deck.task(output_schema=INVOICE))
    control.until("task_run.interaction_required")
    return run


def the_rest(twin: Twin, run: Any) -> Any:
    """The end of that story, and everything that came of it."""
    deck, control = twin.deck, twin.control
    deck.answer(run, code="123456")
    control.post("/clock/run-until-idle")
    deck.post("/agents", {"name": "another"})
    return (
        state_hash(control),
        deck.see(run),
        control.get("/events")["data"],
        control.get("/exogenous/pins"),
        control.get("/clock"),
    )


def test_a_restored_world_is_the_same_and_goes_on_the_same(twin: Twin) -> None:
    run = in_the_middle(twin)
    taken = twin.control.post("/snapshots", name="paused")
    first = the_rest(twin, run)

    restored = twin.control.post("/snapshots/paused/restore")

    assert restored["sha256"] == taken["sha256"] == state_hash(twin.control)
    assert restored["now"] == taken["now"]
    assert the_rest(twin, run) == first


def test_restoring_is_a_new_epoch_and_can_be_done_again(twin: Twin) -> None:
    in_the_middle(twin)
    id = twin.control.post("/snapshots")["id"]
    epoch = twin.world.epoch

    assert [twin.control.post(f"/snapshots/{id}/restore")["epoch"] for _ in range(2)] == [epoch + 1, epoch + 2]


def test_what_was_owed_is_delivered_after_a_restore(twin: Twin) -> None:
    twin.deck.destination()
    twin.deck.post("/agents", {"name": "a"})
    twin.control.post("/snapshots", name="owing")
    twin.control.post("/reset")

    twin.control.post("/snapshots/owing/restore")
    twin.control.advance()

    assert "agent.created" in twin.receiver.types()
    assert {row["status"] for row in twin.control.get("/deliveries")["data"]} == {"success"}


def test_late_work_of_the_old_epoch_leaves_no_trace(twin: Twin) -> None:
    twin.deck.destination()
    twin.control.post("/snapshots", name="before")
    shipment = twin.world.events.next_shipments()[0]

    twin.control.post("/snapshots/before/restore")
    twin.world.events.delivered(shipment, {"error": None})

    assert [row["attempts"] for row in twin.control.get("/deliveries")["data"]] == [[]]


def test_a_document_travels_to_another_twin(twin: Twin) -> None:
    run = in_the_middle(twin)
    id = twin.control.post("/snapshots", name="paused")["id"]
    document = json.loads(json.dumps(twin.control.get(f"/snapshots/{id}")))
    first = the_rest(twin, run)

    other = Twin()
    imported = other.control.post("/snapshots/import", **document)
    other.control.post(f"/snapshots/{imported['id']}/restore")

    assert the_rest(other, run) == first


def test_snapshots_are_listed_found_by_name_and_deleted(control: Control) -> None:
    control.post("/snapshots", name="a")
    second = control.post("/snapshots", name="a")

    assert [row["id"] for row in control.get("/snapshots")["data"]] == ["snap_0001", "snap_0002"]
    assert control.get("/snapshots/a")["id"] == second["id"]
    assert second["bytes"] == len(json.dumps(control.get("/snapshots/a")["world"], separators=(",", ":")))
    assert control.call("DELETE", "/snapshots/snap_0002").json == {"deleted": 1}
    assert control.get("/snapshots/a")["id"] == "snap_0001"
    assert control.refusal("/snapshots/none/restore") == (404, "unknown_snapshot")


def test_snapshots_outlive_a_reset_unless_dropped(control: Control) -> None:
    control.post("/snapshots", name="a")
    control.post("/reset")
    assert len(control.get("/snapshots")["data"]) == 1

    control.post("/reset", snapshots="drop")
    assert control.get("/snapshots")["data"] == []
    assert control.refusal("/reset", snapshots="perhaps") == (422, "unknown_field")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"control_version": 99}, (409, "snapshot_version")),
        ({"world": {}}, (422, "unknown_field")),
        ({"extra": 1}, (422, "unknown_field")),
    ],
)
def test_a_strange_document_is_refused(control: Control, change: Any, refusal: Any) -> None:
    control.post("/snapshots", name="a")

    assert control.refusal("/snapshots/import", **{**control.get("/snapshots/a"), **change}) == refusal


@pytest.mark.parametrize("kind", ["os:system", "subprocess:Popen", "webapp.twin.world:World.none", "webapp:create_app"])
def test_a_document_brings_nothing_but_data_to_life(control: Control, kind: str) -> None:
    control.post("/snapshots", name="a")
    document = control.get("/snapshots/a")
    document["world"]["clock"] = {"$type": kind, "fields": {}}

    assert control.refusal("/snapshots/import", **document) == (422, "unknown_field")


def test_the_version_of_documents_is_the_planes() -> None:
    assert DOCUMENT_VERSION == CONTROL_VERSION


def test_every_store_is_reset_and_in_every_snapshot(twin: Twin) -> None:
    """The registry is the world itself (rule e.11): no attribute but the lasting ones may survive a reset."""
    a_busy_day(twin)
    before = remembered(twin.world)
    snapshot = twin.world.snapshots.create()
    document = twin.world.snapshots.get(snapshot["id"])

    twin.world.reset()

    assert set(vars(twin.world)) == set(before) | LASTING
    assert set(document["world"]) == set(before)
    for name, value in remembered(twin.world).items():
        if not isinstance(value, str | int):
            assert value is not before[name], f"World.reset leaves {name} alone"


def test_a_store_nobody_registered_is_in_the_snapshot_all_the_same(twin: Twin) -> None:
    twin.world.pigeonhole = {"letters": ["a"]}  # type: ignore[attr-defined]
    twin.world.snapshots.create("with")
    twin.world.pigeonhole["letters"].append("b")  # type: ignore[attr-defined]

    twin.world.snapshots.restore("with")

    assert twin.world.pigeonhole == {"letters": ["a"]}  # type: ignore[attr-defined]
    del twin.world.pigeonhole  # type: ignore[attr-defined]


def test_a_busy_world_survives_being_written_down(twin: Twin) -> None:
    a_busy_day(twin)

    for name, value in remembered(twin.world).items():
        written = json.loads(json.dumps(encoded(value)))
        assert encoded(decoded(written, twin.world)) == written, name


def test_what_is_not_data_is_refused_loudly() -> None:
    with pytest.raises(TypeError, match="cannot be part of a snapshot"):
        encoded({"socket": object()})


def test_a_snapshot_is_not_touched_by_what_happens_later(deck: Deck, control: Control) -> None:
    agent = deck.post("/agents", {"name": "before"})
    control.post("/snapshots", name="a")
    deck.patch(f"/agents/{agent['id']}", {"name": "after"})

    control.post("/snapshots/a/restore")
    deck.patch(f"/agents/{agent['id']}", {"name": "after"})
    control.post("/snapshots/a/restore")

    assert deck.get(f"/agents/{agent['id']}")["name"] == "before"


def test_a_world_without_a_past_can_be_restored_too() -> None:
    world = World()
    world.snapshots.create("new")
    fresh = world.state_hash()

    assert world.snapshots.restore("new")["sha256"] == fresh
