"""What an event says, and why it came."""

from __future__ import annotations

from typing import Any

from .planes import INVOICE, KIM, Control, Deck, Receiver


def test_an_event_is_a_frozen_subset_with_empty_text_for_null(deck: Deck, control: Control) -> None:
    control.site({**KIM, "output": {"total": 1}})
    source = deck.source()
    run = deck.post(f"/tasks/{deck.task(output_schema=INVOICE)['id']}/run", {"source_id": source["id"]})
    control.until("task_run.completed")

    (event,) = deck.get("/events", type="task_run.queued")["data"]
    assert set(event) == {"id", "object", "type", "data", "created_at", "request_id"}
    assert event["object"] == "event"
    data = event["data"]
    assert set(data) == {
        *("id", "object", "status", "result", "task_id", "credential_id", "agent_id", "source_id", "workflow_id"),
        *("runtime_ms", "created_at", "updated_at"),
    }
    assert (data["status"], data["result"], data["credential_id"], data["workflow_id"]) == ("queued", "", "", "")
    assert deck.see(run)["status"] == "completed"


def test_an_event_of_a_credential_carries_your_own_id(deck: Deck) -> None:
    credential = deck.credential(external_id="u-17")

    (event,) = deck.get("/events", type="credential.created")["data"]
    assert set(event["data"]) == {
        *("id", "object", "status", "external_id", "source_id", "auth_method", "created_at", "updated_at")
    }
    assert (event["data"]["id"], event["data"]["external_id"]) == (credential["id"], "u-17")


def test_an_event_names_the_call_that_caused_it_if_one_did(deck: Deck, control: Control) -> None:
    run = deck.run()
    control.advance("1s")

    queued, running = (deck.get("/events", type=f"task_run.{what}")["data"][0] for what in ("queued", "running"))
    assert queued["request_id"] == run["request_id"]
    assert running["request_id"] is None


def test_the_control_plane_knows_why_each_event_came(deck: Deck, control: Control, receiver: Receiver) -> None:
    """A call of the app's, time, the world outside, a receiver that never answers, or the developer."""
    control.post("/clock/durations", delivery_retry=[])
    endpoint = control.post("/webhooks/endpoints", url="https://dead.example", subscribe=["task_run.running"])
    receiver.dead = {"https://dead.example"}
    run = deck.run()
    control.advance("1s")
    control.post("/world/events", event="task_run.finished", data={"task_run_id": run["id"]})

    def cause(type: str) -> Any:
        return control.get("/events", type=type)["data"][0]["cause"]

    (delivery,) = control.get("/deliveries", destination_id=endpoint["id"])["data"]
    assert cause("event_destination.activated") == {"kind": "control", "ref": None}
    assert cause("task_run.queued") == {"kind": "request", "ref": run["request_id"]}
    assert cause("task_run.running") == {"kind": "timer", "ref": "run_queue"}
    assert cause("event_destination.deactivated") == {"kind": "delivery", "ref": delivery["id"]}
    assert cause("task_run.completed") == {"kind": "world_event", "ref": "task_run.finished"}


def test_a_single_event_can_be_read(deck: Deck) -> None:
    deck.agent()
    (listed,) = deck.get("/events")["data"]

    event = deck.get(f"/events/{listed['id']}")

    assert (event["type"], event["data"]) == ("agent.created", listed["data"])
    assert "updated_at" not in event


def test_the_control_plane_sees_what_an_event_is_about(deck: Deck, control: Control) -> None:
    first, second = deck.agent(), deck.agent()

    (row,) = control.get("/events", subject=second["id"])["data"]
    assert (row["seq"], row["type"], row["subject"]) == (2, "agent.created", second["id"])
    assert len(row["body_sha256"]) == 64
    assert len(control.get("/events", type="agent.*")["data"]) == 2
    assert control.get("/events", type="task.*", subject=first["id"])["data"] == []
