"""What the world outside does: only in states that allow it, and through the same state machines."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from webapp.twin.world_events import WORLD_EVENTS

from .planes import CODE, INVOICE, KIM, Control, Deck, Twin


def at_work(deck: Deck, control: Control, **fields: Any) -> Any:
    """A run whose status is running, not yet signed in."""
    run = deck.run(**fields)
    control.until("task_run.running", id=run["id"])
    return run


def happens(control: Control, event: str, **data: Any) -> Any:
    return control.post("/world/events", event=event, data=data)


def test_a_running_run_is_interrupted_and_goes_on_after_the_answer(deck: Deck, control: Control) -> None:
    run = at_work(deck, control, task=deck.task(output_schema=INVOICE))

    said = happens(control, "task_run.interaction_required", task_run_id=run["id"], interaction=CODE)

    assert said["id"] == "wev_0001"
    assert said["applied"] == [
        {"kind": "task_run", "id": run["id"], "from": "running", "to": "interaction_required"},
    ]
    assert [event["type"] for event in said["events"]] == ["task_run.interaction_required"]
    assert deck.see(run)["interaction"] == {key: CODE[key] for key in ("type", "message", "fields")}
    deck.answer(run, code="123456")
    control.post("/clock/run-until-idle")
    assert deck.see(run)["status"] == "completed"
    assert "credential.verified" in control.events()


def test_an_interruption_after_signing_in_does_not_lose_the_run(deck: Deck, control: Control) -> None:
    run = at_work(deck, control)
    control.until("credential.verified")

    happens(control, "task_run.interaction_required", task_run_id=run["id"], interaction=CODE)
    control.advance("30s")
    assert deck.see(run)["status"] == "interaction_required"
    deck.answer(run, code="123456")
    control.until("task_run.completed")


def test_an_answer_can_be_rejected_whatever_it_was(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [{**CODE, "max_attempts": 2}]})
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="123456")

    happens(control, "task_run.interaction_rejected", task_run_id=run["id"], message="Too late.")

    assert deck.see(run)["interaction"]["message"] == "Too late."
    happens(control, "task_run.interaction_rejected", task_run_id=run["id"])
    assert deck.see(run)["errors"][0]["code"] == "auth_invalid"


def test_a_pause_can_run_out(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [CODE]})
    run = deck.run()
    control.until("task_run.interaction_required")

    happens(control, "task_run.interaction_expired", task_run_id=run["id"])

    assert deck.see(run)["errors"][0]["code"] == "interaction_timeout"


@pytest.mark.parametrize(("approve", "status"), [(True, "completed"), (False, "failed")])
def test_a_review_is_asked_for_and_resolved(deck: Deck, control: Control, approve: bool, status: str) -> None:
    run = at_work(deck, control)

    happens(control, "task_run.review_required", task_run_id=run["id"])
    assert deck.see(run)["status"] == "review_required"
    happens(control, "task_run.review_resolved", task_run_id=run["id"], approve=approve)

    assert deck.see(run)["status"] == status


def test_a_run_settles_now_with_what_is_given(deck: Deck, control: Control) -> None:
    run = at_work(deck, control, task=deck.task(output_schema=INVOICE))

    happens(control, "task_run.finished", task_run_id=run["id"], output={"total": 7, "due": None})

    seen = deck.see(run)
    assert (seen["status"], seen["output"]) == ("completed", {"total": 7, "due": None})
    control.post("/clock/run-until-idle")
    assert control.events().count("task_run.completed") == 1


def test_a_run_settles_the_way_its_site_would_have_it(deck: Deck, control: Control) -> None:
    control.site(KIM)
    run = at_work(deck, control, credential=deck.credential(password="wrong"))

    happens(control, "task_run.finished", task_run_id=run["id"])

    assert deck.see(run)["errors"][0]["code"] == "auth_invalid"


@pytest.mark.parametrize("arm", ["failed", "timeout", "unknown", "source_down"])
def test_a_run_settles_by_an_arm(deck: Deck, control: Control, arm: str) -> None:
    run = at_work(deck, control)

    happens(control, "task_run.finished", task_run_id=run["id"], branch=arm)

    assert deck.see(run)["status"] == "failed"


def test_what_an_arm_cannot_have_is_refused(deck: Deck, control: Control) -> None:
    run = at_work(deck, control)

    def refusal(**data: Any) -> tuple[int, str]:
        return control.refusal("/world/events", event="task_run.finished", data={"task_run_id": run["id"], **data})

    assert refusal(branch="failed", output={}) == (422, "illegal_override")
    assert refusal(branch="completed", errors=[]) == (422, "illegal_override")
    assert refusal(branch="review") == (422, "unknown_arm")
    assert refusal(colour="red") == (422, "unknown_field")
    assert deck.see(run)["status"] == "running"


def test_a_run_is_blocked(deck: Deck, control: Control) -> None:
    run = at_work(deck, control)

    happens(control, "task_run.blocked", task_run_id=run["id"])

    assert deck.see(run)["errors"][0]["code"] == "blocked"


def test_a_rejected_credential_takes_its_running_runs_along(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    run, other = at_work(deck, control, credential=credential), at_work(deck, control)

    said = happens(control, "credential.rejected", credential_id=credential["id"], reason="Locked.")

    assert {row["id"] for row in said["applied"]} >= {credential["id"], run["id"]}
    assert deck.see(run)["errors"] == [{"type": "auth", "code": "auth_invalid", "message": "Locked."}]
    assert deck.see(other)["status"] == "running"
    happens(control, "credential.accepted", credential_id=credential["id"])
    assert deck.get(f"/credentials/{credential['id']}")["status"] == "verified"


@pytest.mark.parametrize("with_site", [True, False])
def test_a_source_goes_down_and_comes_back(deck: Deck, control: Control, with_site: bool) -> None:
    if with_site:
        control.site(KIM)
    source = deck.source()
    happens(control, "source.down", source_id=source["id"])
    run = deck.run(credential=deck.credential(source))
    control.post("/clock/run-until-idle")
    assert deck.see(run)["errors"][0]["code"] == "source_not_available"

    happens(control, "source.up", source_id=source["id"])
    run = deck.run(credential=deck.credential(source))
    control.post("/clock/run-until-idle")
    assert deck.see(run)["status"] == "completed"


def test_a_lost_session_fails_its_runs(deck: Deck, control: Control) -> None:
    run = at_work(deck, control)

    happens(control, "session.lost", session_id=run["session_id"])

    assert deck.see(run)["errors"][0]["code"] == "task_failed"
    assert deck.get(f"/sessions/{run['session_id']}")["status"] == "failed"
    control.post("/clock/run-until-idle")
    assert "session.idle" not in control.events()


@pytest.mark.parametrize("content", [b"hello", b"\x89PNG\xff\x00"])
def test_a_file_is_captured_to_the_byte(deck: Deck, control: Control, twin: Twin, content: bytes) -> None:
    run = at_work(deck, control)
    encoded = base64.b64encode(content).decode()

    happens(
        control,
        "storage.captured",
        task_run_id=run["id"],
        file_name="a.bin",
        file_type="image/png",
        content_base64=encoded,
    )

    file = deck.get(f"/task-runs/{run['id']}/storage")["data"][0]
    assert file["file_size"] == len(content)
    assert twin.client.get(file["url"]).data == content
    refused = {"task_run_id": run["id"], "file_name": "a", "file_type": "b", "content_base64": "!"}
    assert control.refusal("/world/events", event="storage.captured", data=refused) == (422, "unknown_field")


def test_a_task_climbs_and_never_falls(deck: Deck, control: Control) -> None:
    task = deck.task()

    happens(control, "task.promoted", task_id=task["id"], status="test")
    happens(control, "task.promoted", task_id=task["id"], status="live")

    assert deck.get(f"/tasks/{task['id']}")["status"] == "live"
    assert control.events().count("task.updated") == 2
    data = {"task_id": task["id"], "status": "test"}
    assert control.refusal("/world/events", event="task.promoted", data=data) == (409, "precondition_failed")


def test_a_destination_is_switched_off(deck: Deck, control: Control) -> None:
    destination = deck.destination()

    happens(control, "event_destination.disabled", event_destination_id=destination["id"])

    assert deck.get(f"/event-destinations/{destination['id']}")["status"] == "inactive"
    assert "event_destination.deactivated" in control.events()


def test_a_refusal_says_what_was_needed_and_what_there_was(deck: Deck, control: Control) -> None:
    run = deck.run()

    body = {"event": "task_run.blocked", "data": {"task_run_id": run["id"]}}
    response = control.call("POST", "/world/events", body)

    assert response.status_code == 409
    error = response.json["error"]
    assert error["code"] == "precondition_failed"
    assert error["detail"]["requires"] == {"status": ["running"]}
    assert error["detail"]["actual"] == {"status": "queued"}
    assert error["hint"] == "GET /__admin__/world/next lists what can happen now"


def test_a_run_that_does_not_exist_is_a_precondition_too(control: Control) -> None:
    data = {"task_run_id": "trun_none"}
    assert control.refusal("/world/events", event="task_run.blocked", data=data) == (409, "precondition_failed")


def test_an_unknown_event_is_told_its_neighbours(control: Control) -> None:
    response = control.call("POST", "/world/events", {"event": "task_run.block"})

    assert (response.status_code, response.json["error"]["code"]) == (422, "unknown_event")
    assert "task_run.blocked" in response.json["error"]["hint"]


def test_an_answer_can_only_be_rejected_when_there_is_one(deck: Deck, control: Control) -> None:
    run = at_work(deck, control)

    data = {"task_run_id": run["id"]}
    refused = control.refusal("/world/events", event="task_run.interaction_rejected", data=data)
    assert refused == (409, "precondition_failed")


def test_drain_delivers_before_it_answers(deck: Deck, control: Control, twin: Twin) -> None:
    deck.destination()
    run = at_work(deck, control)
    data = {"task_run_id": run["id"]}

    control.post("/world/events", event="task_run.blocked", data=data, drain=True)

    assert "task_run.failed" in twin.receiver.types()


def test_everything_listed_as_possible_is_possible(deck: Deck, control: Control) -> None:
    """Each example is carried out in a world of its own, brought to the same point."""
    control.post("/clock/durations", interaction_window="1h")
    control.site({**KIM, "asks": [CODE]})
    deck.destination()
    paused, elsewhere = deck.run(), deck.source("https://elsewhere.example")
    control.until("task_run.interaction_required")
    reviewed = at_work(deck, control, credential=deck.credential(elsewhere))
    happens(control, "task_run.review_required", task_run_id=reviewed["id"])
    at_work(deck, control, credential=deck.credential(elsewhere))
    happens(control, "source.down", source_id=elsewhere["id"])
    possible = control.get("/world/next")["data"]
    control.post("/snapshots", name="here")

    assert {row["event"] for row in possible} == set(WORLD_EVENTS)
    for row in possible:
        happens(control, row["event"], **row["example"])
        control.post("/snapshots/here/restore")
    assert deck.see(paused)["status"] == "interaction_required"


def test_the_timers_are_listed_with_what_they_bring(deck: Deck, control: Control) -> None:
    run = deck.run()
    control.until("credential.verified")

    timers = {timer["name"]: timer for timer in control.get("/world/next")["timers"]}

    assert timers["run_settle"]["subject"] == {"kind": "task_run", "id": run["id"]}
    assert timers["run_settle"]["fires"] == ["task_run.completed"]
    assert timers["run_timeout"]["due_at"] > timers["run_settle"]["due_at"]


def test_the_python_side_is_the_same(twin: Twin) -> None:
    run = at_work(twin.deck, twin.control)

    said = twin.world.world_events.trigger("task_run.blocked", {"task_run_id": run["id"]})

    assert said["applied"][0]["to"] == "failed"
    assert {row["event"] for row in twin.world.world_events.next()["data"]} >= {"source.down", "task.promoted"}
