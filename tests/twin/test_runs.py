"""The life of a run and of its session."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from .planes import CODE, INVOICE, KIM, Control, Deck

STATEMENT = {"file_name": "may.pdf", "file_type": "application/pdf", "content": "Zażółć"}


def test_a_new_run_is_queued_in_a_session_of_its_own(deck: Deck) -> None:
    task, credential = deck.task(), deck.credential()

    run = deck.run(task=task, credential=credential)

    assert (run["object"], run["status"], run["result"]) == ("task_run", "queued", None)
    assert (run["task_id"], run["agent_id"]) == (task["id"], task["agent_id"])
    assert (run["credential_id"], run["source_id"]) == (credential["id"], credential["source_id"])
    assert (run["output"], run["errors"], run["interaction"], run["runtime_ms"]) == (None, [], None, 0)
    assert (run["workflow_id"], run["canceled_at"]) == (None, None)
    session = deck.get(f"/sessions/{run['session_id']}")
    assert session["status"] == "queued"
    assert session["task_runs"] == [
        {"id": run["id"], "task_id": task["id"], "agent_id": task["agent_id"], "credential_id": credential["id"]}
    ]


def test_a_typical_run_announces_each_step_in_order(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [STATEMENT]})
    deck.run(task=deck.task(storage={"enabled": True}))
    control.post("/clock/run-until-idle")

    told = control.events()
    assert told[told.index("session.queued") :] == [
        "session.queued",
        "task_run.queued",
        "session.running",
        "task_run.running",
        "credential.verified",
        "storage.created",
        "task_run.completed",
        "session.idle",
        "session.completing",
        "session.completed",
    ]


def test_a_run_takes_the_time_it_takes(deck: Deck, control: Control) -> None:
    run = deck.run()
    seen = [deck.see(run)["status"]]
    for by in ("1s", "11s", "2s"):
        control.advance(by)
        seen.append(deck.see(run)["status"])

    assert seen == ["queued", "running", "running", "completed"]
    assert deck.see(run)["runtime_ms"] == 12_004  # and a tick for each change on the way


def test_a_completed_run_has_what_the_site_holds(deck: Deck, control: Control) -> None:
    control.site({**KIM, "output": {"total": 41.5, "hidden": "not in the schema"}})
    run = deck.run(task=deck.task(output_schema=INVOICE))
    control.until("task_run.completed")

    run = deck.see(run)
    assert (run["status"], run["result"], run["errors"]) == ("completed", "success", [])
    assert run["output"] == {"total": 41.5, "due": None}  # the site has no due date: null, not absent


def test_a_schema_without_properties_takes_all_the_site_holds(deck: Deck, control: Control) -> None:
    control.site({**KIM, "output": {"total": 1}})
    run = deck.run(task=deck.task(output_schema={"type": "object"}))
    control.until("task_run.completed")

    assert deck.see(run)["output"] == {"total": 1}


def test_a_site_nobody_described_gives_an_output_that_fits_the_schema(deck: Deck, control: Control) -> None:
    task, credential = deck.task(output_schema=INVOICE), deck.credential()
    outputs = []
    for _ in range(2):
        run = deck.run(task=task, credential=credential)
        control.until("task_run.completed", id=run["id"])
        outputs.append(deck.see(run)["output"])

    Draft202012Validator(INVOICE).validate(outputs[0])
    assert outputs[0] == outputs[1]


def test_a_run_without_a_sign_in_needs_only_a_source(deck: Deck, control: Control) -> None:
    control.site(KIM)
    run = deck.post(f"/tasks/{deck.task()['id']}/run", {"source_id": deck.source()["id"]})
    control.until("task_run.completed")

    assert deck.see(run)["credential_id"] is None
    assert "credential.verified" not in control.events()


@pytest.mark.parametrize("after", ["0s", "1s", "5s"])
def test_a_run_can_be_cancelled_while_it_waits_or_works(deck: Deck, control: Control, after: str) -> None:
    run = deck.run()
    control.advance(after)

    assert deck.post(f"/task-runs/{run['id']}/cancel")["status"] == "cancelling"
    control.advance("2s")

    run = deck.see(run)
    assert (run["status"], run["result"], run["output"], run["errors"]) == ("canceled", "unknown", None, [])
    assert run["canceled_at"] is not None
    told = control.events(subject=run["id"])
    assert told[-2:] == ["task_run.canceling", "task_run.canceled"]
    assert deck.get(f"/sessions/{run['session_id']}")["status"] == "idle"


def test_the_canceling_event_carries_the_status_with_two_ls(deck: Deck) -> None:
    deck.post(f"/task-runs/{deck.run()['id']}/cancel")

    (event,) = deck.get("/events", type="task_run.canceling")["data"]
    assert event["data"]["status"] == "cancelling"


def test_what_is_over_cannot_be_cancelled(deck: Deck, control: Control) -> None:
    run = deck.run()
    control.until("task_run.completed")

    response = deck.call("POST", f"/task-runs/{run['id']}/cancel")

    assert response.status_code == 409
    assert response.json["errors"][0]["code"] == "task_run_not_cancelable"
    assert deck.see(run)["status"] == "completed"


def test_cancelling_twice_is_refused_the_second_time(deck: Deck) -> None:
    run = deck.run()
    deck.post(f"/task-runs/{run['id']}/cancel")

    assert deck.call("POST", f"/task-runs/{run['id']}/cancel").status_code == 409


def test_a_cancelled_question_is_withdrawn(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [CODE]})
    run = deck.run()
    control.until("task_run.interaction_required")
    assert deck.post(f"/task-runs/{run['id']}/cancel")["interaction"] is None
    assert deck.answer(run, code="123456").status_code == 409
    control.post("/clock/run-until-idle")

    assert deck.see(run)["status"] == "canceled"
    assert "task_run.failed" not in control.events()


@pytest.mark.parametrize(
    ("settings", "after", "text"),
    [(None, "30m", "30 minutes"), ({"timeout_seconds": 90}, "90s", "1.5 minutes")],
)
def test_a_run_that_takes_too_long_fails(
    deck: Deck, control: Control, settings: dict[str, int] | None, after: str, text: str
) -> None:
    control.pin("branch", "timeout")
    run = deck.run(task=deck.task(settings=settings))
    control.advance(after)

    run = deck.see(run)
    assert (run["status"], run["result"], run["output"]) == ("failed", "failure", None)
    assert run["errors"] == [
        {"type": "task", "code": "timeout", "message": f"Task execution exceeded the timeout of {text}."}
    ]


def test_a_run_in_review_has_finished_working_and_cannot_time_out(deck: Deck, control: Control) -> None:
    control.pin("branch", "review")
    run = deck.run()
    control.until("task_run.review_required")
    control.advance("23h")
    assert deck.see(run)["status"] == "review_required"
    control.advance("1h")

    assert deck.see(run)["status"] == "completed"


@pytest.mark.parametrize(
    ("arm", "result", "type_", "code"),
    [
        ("failed", "failure", "task", "task_failed"),
        ("blocked", "failure", "task", "blocked"),
        ("unknown", "unknown", "task", "task_result_unknown"),
        ("auth_invalid", "failure", "auth", "auth_invalid"),
        ("source_blocked", "failure", "source", "source_blocked"),
        ("source_down", "failure", "source", "source_not_available"),
    ],
)
def test_a_failed_run_is_a_200_that_tells_why(
    deck: Deck, control: Control, arm: str, result: str, type_: str, code: str
) -> None:
    control.pin("branch", arm)
    run = deck.run(task=deck.task(output_schema=INVOICE))
    control.until("task_run.failed")

    run = deck.see(run)
    assert (run["status"], run["result"], run["output"]) == ("failed", result, None)
    (error,) = run["errors"]
    assert set(error) == {"type", "code", "message"}
    assert (error["type"], error["code"]) == (type_, code)


def test_a_second_run_may_use_the_open_session(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    first = deck.run(credential=credential)
    control.until("session.idle")
    second = deck.run(credential=credential, session_id=first["session_id"])
    control.until("session.idle")

    session = deck.get(f"/sessions/{first['session_id']}")
    assert [run["id"] for run in session["task_runs"]] == [first["id"], second["id"]]
    moves = ["session.queued", "session.running", "session.idle", "session.running", "session.idle"]
    assert control.events(subject=session["id"]) == moves


def test_an_idle_session_closes_ten_minutes_after_its_last_run(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    first = deck.run(credential=credential)
    control.until("session.idle")
    control.advance("9m")
    deck.run(credential=credential, session_id=first["session_id"])
    control.until("session.idle")
    control.advance("9m")
    assert deck.get(f"/sessions/{first['session_id']}")["status"] == "idle"
    control.advance("61s")

    assert deck.get(f"/sessions/{first['session_id']}")["status"] == "completed"
    assert control.events(type="session.comple*") == ["session.completing", "session.completed"]


@pytest.mark.parametrize("cancel", [True, False])
def test_a_session_does_not_close_on_a_run_that_waits_in_it(deck: Deck, control: Control, cancel: bool) -> None:
    credential = deck.credential()
    first = deck.run(credential=credential)
    control.until("session.idle")
    control.post("/clock/durations", run_queue="5m")
    control.advance("9m")
    second = deck.run(credential=credential, session_id=first["session_id"])
    control.advance("2m")
    assert deck.get(f"/sessions/{first['session_id']}")["status"] == "idle"
    if cancel:
        deck.post(f"/task-runs/{second['id']}/cancel")
    control.post("/clock/run-until-idle")

    assert deck.see(second)["status"] == ("canceled" if cancel else "completed")
    told = control.events(subject=first["session_id"])
    assert told[-3:] == ["session.idle", "session.completing", "session.completed"]


def test_a_closed_or_foreign_session_is_not_available(deck: Deck, control: Control) -> None:
    task, mine, other = deck.task(), deck.credential(), deck.credential()
    run = deck.run(task=task, credential=mine)

    def borrow(credential_id: str) -> tuple[int, str]:
        body = {"credential_id": credential_id, "session_id": run["session_id"]}
        response = deck.call("POST", f"/tasks/{task['id']}/run", body)
        return response.status_code, response.json["errors"][0]["code"]

    assert borrow(other["id"]) == (422, "session_not_available")
    control.post("/clock/run-until-idle")
    assert borrow(mine["id"]) == (422, "session_not_available")


def test_sessions_are_listed(deck: Deck, control: Control) -> None:
    first = deck.run()
    control.until("session.idle")
    second = deck.run()

    assert [s["id"] for s in deck.get("/sessions")["data"]] == [second["session_id"], first["session_id"]]
    assert [s["id"] for s in deck.get("/sessions", status="idle")["data"]] == [first["session_id"]]
