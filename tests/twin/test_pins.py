"""Values and branches pinned from outside."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import CODE, INVOICE, KIM, Control, Deck


def finished(deck: Deck, control: Control, **run: Any) -> Any:
    run = deck.run(**run)
    control.post("/clock/run-until-idle")
    return deck.see(run)


def test_a_pinned_field_lies_over_a_pinned_output_over_a_made_up_one(deck: Deck, control: Control) -> None:
    task = deck.task(output_schema=INVOICE)
    made_up = finished(deck, control, task=task)["output"]

    control.pin("output.total", 7.5)
    assert finished(deck, control, task=task)["output"] == {**made_up, "total": 7.5}
    control.pin("output", {"total": 1, "due": "2025-02-01"})
    assert finished(deck, control, task=task)["output"] == {"total": 7.5, "due": "2025-02-01"}


def test_a_pinned_output_stays_as_it_was_pinned(deck: Deck, control: Control) -> None:
    control.pin("output", {"total": 1})
    control.pin("output.total", 2, mode="once")

    assert finished(deck, control)["output"] == {"total": 2}
    assert finished(deck, control)["output"] == {"total": 1}


@pytest.mark.parametrize("output", [None, "text", {"bill": "text"}, {"bill": {"lines": 3}}])
def test_a_field_can_be_pinned_where_there_is_nothing_to_put_it_in(
    deck: Deck, control: Control, output: object
) -> None:
    control.pin("output", output)
    control.pin("output.bill.total", 2)

    assert finished(deck, control)["output"]["bill"]["total"] == 2


def test_null_is_always_lawful_for_an_output_field(deck: Deck, control: Control) -> None:
    task = deck.task(output_schema=INVOICE)
    control.pin("output.total", None, match={"task_id": task["id"]})

    assert finished(deck, control, task=task)["output"]["total"] is None


def test_a_value_that_does_not_fit_the_tasks_schema_is_refused(deck: Deck, control: Control) -> None:
    match = {"task_id": deck.task(output_schema=INVOICE)["id"]}

    def refused(path: str, value: object) -> tuple[int, str]:
        return control.refusal("/exogenous/pins", path=path, value=value, match=match)

    assert refused("output.total", "a lot") == (422, "pin_schema_mismatch")
    assert refused("output", {"total": "a lot"}) == (422, "pin_schema_mismatch")
    assert refused("output.totl", 1) == (422, "unknown_path")
    assert control.pin("output.total", "a lot", match=match, validate="warn")["warnings"] != []
    assert control.pin("output.total", "a lot", match=match, validate="off")["warnings"] == []


@pytest.mark.parametrize(
    ("pin", "code"),
    [
        ({"path": "nonsense", "value": 1}, "unknown_path"),
        ({"path": "output.", "value": 1}, "unknown_path"),
        ({"path": ["output"], "value": 1}, "unknown_path"),
        ({"value": 1}, "unknown_path"),
        ({"path": "status", "value": "completed"}, "illegal_override"),
        ({"path": "runtime_ms", "value": 1}, "illegal_override"),
        ({"path": "result", "value": "great"}, "illegal_override"),
        ({"path": "output", "value": 1, "vlaue": 1}, "unknown_field"),
        ({"path": "output", "value": 1, "match": {"taks_id": "x"}}, "unknown_field"),
        ({"path": "output", "value": 1, "match": "task"}, "unknown_field"),
        ({"path": "output", "value": 1, "mode": "forever"}, "unknown_field"),
        ({"path": "output", "value": 1, "on": "toaster"}, "unknown_field"),
        ({"path": "output", "value": 1, "on_exhausted": "explode"}, "unknown_field"),
        ({"path": "output"}, "unknown_field"),
        ({"path": "output", "value": 1, "values": [1]}, "unknown_field"),
        ({"path": "output", "values": []}, "unknown_field"),
        ({"path": "branch", "value": "sideways"}, "unknown_arm"),
        ({"path": "branch", "value": {"arm": "interaction", "then": "sideways"}}, "unknown_arm"),
        ({"path": "branch", "value": {"arm": "review", "then": "interaction"}}, "unknown_arm"),
        ({"path": "errors", "value": "boom"}, "pin_schema_mismatch"),
        ({"path": "errors", "value": [{"type": "task"}]}, "pin_schema_mismatch"),
        ({"path": "interaction", "value": {"type": "mfa"}}, "pin_schema_mismatch"),
        ({"path": "interaction", "value": {**CODE, "fields": ["code"]}}, "pin_schema_mismatch"),
        ({"path": "interaction", "value": {**CODE, "max_attempts": "3"}}, "pin_schema_mismatch"),
        ({"path": "interaction", "value": {**CODE, "on_reject": "sulk"}}, "pin_schema_mismatch"),
        ({"path": "interaction", "value": {**CODE, "window": "soon"}}, "invalid_duration"),
        ({"path": "interaction", "value": {**CODE, "expects": {}}}, "unknown_field"),
    ],
)
def test_a_pin_that_can_never_work_is_refused_at_once(control: Control, pin: dict[str, Any], code: str) -> None:
    assert control.refusal("/exogenous/pins", **pin) == (422, code)
    assert control.get("/exogenous/pins")["data"] == []


def test_a_queue_serves_one_value_a_run_and_then_lets_go(deck: Deck, control: Control) -> None:
    control.pin("output", values=[1, 2, 3])

    assert [finished(deck, control)["output"] for _ in range(4)] == [1, 2, 3, None]


def test_a_queue_may_repeat_its_last_value(deck: Deck, control: Control) -> None:
    control.pin("branch", values=["completed", "failed"], on_exhausted="repeat_last")

    assert [finished(deck, control)["status"] for _ in range(3)] == ["completed", "failed", "failed"]


def test_a_run_cancelled_before_a_value_binds_uses_none_up(deck: Deck, control: Control) -> None:
    control.pin("branch", "failed", mode="once")
    deck.post(f"/task-runs/{deck.run()['id']}/cancel")

    assert finished(deck, control)["status"] == "failed"
    assert finished(deck, control)["status"] == "completed"


def test_a_pin_can_be_good_for_some_times_only(deck: Deck, control: Control) -> None:
    control.pin("result", "unknown", times=2)

    assert [finished(deck, control)["result"] for _ in range(3)] == ["unknown", "unknown", "success"]


def test_the_most_specific_pin_answers_and_the_newest_among_equals(deck: Deck, control: Control) -> None:
    task, credential = deck.task(), deck.credential()
    here = {"task_id": task["id"]}
    input = {"a": {"b": 1, "c": 2}, "d": 3}

    def served() -> object:
        return finished(deck, control, task=task, credential=credential, input=input)["output"]

    control.pin("output", "anyone's")
    assert served() == "anyone's"
    control.pin("output", "both entities'", match={**here, "credential_id": credential["id"]})
    control.pin("output", "the task's", match=here)
    assert served() == "both entities'"
    control.pin("output", "both entities' too", match={**here, "credential_id": credential["id"]})
    assert served() == "both entities' too"
    one_leaf = {**here, "credential_id": credential["id"], "input": {"d": 3}}
    two_leaves = {**one_leaf, "input": {"a": {"b": 1, "c": 2}}}
    control.pin("output", "two leaves", match=two_leaves)
    control.pin("output", "one leaf", match=one_leaf)
    assert served() == "two leaves"
    run = deck.run(task=task, credential=credential, input=input)
    control.pin("output", "this run's", match={"id": run["id"]})
    control.post("/clock/run-until-idle")
    assert deck.see(run)["output"] == "this run's"


def test_a_pin_can_wait_for_a_user_name(deck: Deck, control: Control) -> None:
    control.pin("output", "kim's", match={"username": "kim@*"})
    nobody = deck.post(f"/tasks/{deck.task()['id']}/run", {"source_id": deck.source()["id"]})
    control.pin("output", "anybody's", match={"username": "*"}, mode="once")
    control.post("/clock/run-until-idle")

    assert deck.see(nobody)["output"] is None
    assert finished(deck, control)["output"] == "anybody's"
    assert finished(deck, control)["output"] == "kim's"


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"operation": "task_runs.create"}, True),
        ({"operation": "agents.create"}, False),
        ({"kind": "task_run"}, True),
        ({"kind": "credential"}, False),
    ],
)
def test_a_pin_can_name_the_operation_or_the_kind(
    deck: Deck, control: Control, match: dict[str, str], fits: bool
) -> None:
    control.pin("output", "pinned", match=match)

    assert finished(deck, control)["output"] == ("pinned" if fits else None)


def test_a_pin_touches_nothing_that_is_bound_already(deck: Deck, control: Control) -> None:
    run = finished(deck, control)
    control.pin("output", {"total": 1})

    assert deck.see(run)["output"] is None


def test_the_result_can_be_unknown_but_not_against_its_branch(deck: Deck, control: Control) -> None:
    control.pin("result", values=["unknown", "failure"])
    assert [finished(deck, control)["result"] for _ in range(2)] == ["unknown", "success"]

    control.pin("branch", "failed")
    control.pin("result", values=["unknown", "success"])
    assert [finished(deck, control)["result"] for _ in range(2)] == ["unknown", "failure"]


def test_pinned_errors_replace_those_of_the_branch_and_bind_only_on_failure(deck: Deck, control: Control) -> None:
    errors = [{"type": "storage", "code": "capture_failed", "message": "The file was empty."}]
    control.pin("errors", errors)

    assert finished(deck, control)["errors"] == []
    control.pin("branch", "failed")
    assert finished(deck, control)["errors"] == errors


def test_a_pinned_question_is_asked(deck: Deck, control: Control) -> None:
    control.pin("interaction", CODE)
    run = deck.run()
    control.until("task_run.interaction_required")

    assert set(deck.see(run)["interaction"]) == {"type", "message", "fields"}
    deck.answer(run, code="123456")
    control.until("task_run.completed")


def test_the_interaction_branch_asks_for_any_code(deck: Deck, control: Control) -> None:
    control.pin("branch", {"arm": "interaction", "then": "failed"})
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="whatever")
    control.until("task_run.failed")


def test_several_questions_can_be_pinned_for_one_run(deck: Deck, control: Control) -> None:
    second = {**CODE, "type": "security_question"}
    control.pin("interaction", values=[CODE, second], per="run")
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="123456")
    control.until("task_run.interaction_required")
    assert deck.see(run)["interaction"]["type"] == "security_question"


def test_pins_are_listed_by_how_they_fared(deck: Deck, control: Control) -> None:
    once = control.pin("branch", "failed", mode="once", label="one failure")
    idle = control.pin("errors", [], match={"task_id": "task_other"})
    assert (once["state"], once["remaining"], once["bound"]) == ("active", 1, 0)
    finished(deck, control)

    def listed(**query: str) -> list[str]:
        return [pin["id"] for pin in control.get("/exogenous/pins", **query)["data"]]

    assert listed() == [once["id"], idle["id"]] == ["pin_0001", "pin_0002"]
    assert listed(state="spent") == [once["id"]]
    assert listed(state="active") == listed(state="unused") == [idle["id"]]


def test_pins_can_be_cleared_one_by_one_or_all(deck: Deck, control: Control) -> None:
    first, _, _ = (control.pin("branch", "failed") for _ in range(3))

    assert control.call("DELETE", f"/exogenous/pins/{first['id']}").json == {"deleted": 1}
    assert control.call("DELETE", f"/exogenous/pins/{first['id']}").status_code == 404
    assert control.call("DELETE", "/exogenous/pins").json == {"deleted": 2}
    assert finished(deck, control)["status"] == "completed"


def test_the_twin_tells_what_can_be_pinned(control: Control) -> None:
    paths = {row["path"]: row["binds_at"] for row in control.get("/exogenous/paths")["data"]}
    assert paths["interaction"] == "interaction_required"

    branches = control.get("/branches")["task_run"]
    assert branches["default"] == "completed"
    assert branches["arms"]["blocked"] == {
        "status": "failed",
        "result": "failure",
        "errors": [{"type": "task", "code": "blocked"}],
    }


def test_a_person_who_is_blocked_by_a_pin_still_has_a_password(deck: Deck, control: Control) -> None:
    control.site(KIM)
    control.pin("branch", "blocked", mode="once")

    assert finished(deck, control)["errors"][0]["message"] == "Site blocked automated access."
    assert finished(deck, control)["status"] == "completed"
