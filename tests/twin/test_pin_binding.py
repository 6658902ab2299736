"""When a pinned value binds: queues and their ends, outputs against their task, sign-ins."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import CODE, INVOICE, KIM, Control, Deck

PET = {**CODE, "type": "security_question", "message": "Your first pet?", "expect": {"code": "Rex"}}


def finished(deck: Deck, control: Control, **run: Any) -> Any:
    run = deck.run(**run)
    control.post("/clock/run-until-idle")
    return deck.see(run)


def pinned(control: Control) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = control.get("/exogenous/pins")["data"]
    return rows


def why(control: Control, run: Any) -> Any:
    """The trace of the call that created *run*."""
    requests = control.get("/requests", operation="task_runs.create")["data"]
    (trace_id,) = (r["trace_id"] for r in requests if r["response"]["body"]["id"] == run["id"])
    return control.get(f"/trace/{trace_id}")


# --- a queue that is used up ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("branch", ["completed"]),
        ("output", [{"total": 1}]),
        ("output.total", [1]),
        ("result", ["unknown"]),
    ],
)
def test_a_queue_may_insist_on_not_being_asked_again(
    deck: Deck, control: Control, path: str, values: list[object]
) -> None:
    control.pin(path, values=values, on_exhausted="error", label="just one")
    assert finished(deck, control)["status"] == "completed"

    run = finished(deck, control)

    assert (run["status"], run["result"], run["output"]) == ("failed", "failure", None)
    assert [(error["type"], error["code"]) for error in run["errors"]] == [("task", "task_failed")]
    assert pinned(control)[0]["warnings"] == [f"just one has no value left for {run['id']}"]


def test_the_trace_of_a_run_tells_that_a_queue_had_nothing_left(deck: Deck, control: Control) -> None:
    control.pin("output", values=[1], on_exhausted="error")
    finished(deck, control)
    run = finished(deck, control)

    (row,) = why(control, run)["fields"]
    assert (row["path"], row["pin_id"], row["problem"]["status"]) == ("output", "pin_0001", 500)
    assert row["problem"]["code"] == "pin_exhausted"


def test_questions_that_have_run_out_may_fail_the_run(deck: Deck, control: Control) -> None:
    control.pin("interaction", values=[CODE], on_exhausted="error")
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="123456")
    control.until("task_run.completed")

    assert finished(deck, control)["errors"][0]["code"] == "task_failed"


def test_a_less_specific_pin_answers_when_a_queue_lets_go(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    control.pin("output", "everybody's")
    control.pin("output", values=["kim's"], match={"credential_id": credential["id"]})

    outputs = [finished(deck, control, credential=credential)["output"] for _ in range(2)]

    assert outputs == ["kim's", "everybody's"]


# --- a queue for one run -------------------------------------------------------------------------------------------


def test_a_question_is_used_up_only_when_it_is_asked(deck: Deck, control: Control) -> None:
    control.pin("interaction", values=[CODE, PET], per="run")
    run = deck.run()
    control.until("task_run.interaction_required")
    assert pinned(control)[0]["remaining"] == 1
    deck.post(f"/task-runs/{run['id']}/cancel")
    control.post("/clock/run-until-idle")

    again = deck.run()
    control.until("task_run.interaction_required")
    assert deck.see(again)["interaction"]["type"] == PET["type"]
    assert pinned(control)[0]["state"] == "spent"


def test_two_runs_do_not_share_one_row_of_questions(deck: Deck, control: Control) -> None:
    control.pin("interaction", values=[CODE, PET], per="run")
    first, second = deck.run(), deck.run()
    control.advance("5s")
    assert [deck.see(run)["status"] for run in (first, second)] == ["interaction_required", "running"]

    deck.answer(first, code="123456")
    control.until("task_run.interaction_required", id=first["id"])
    assert deck.see(first)["interaction"]["type"] == PET["type"]
    deck.answer(first, code="Rex")
    control.post("/clock/run-until-idle")

    assert [deck.see(run)["status"] for run in (first, second)] == ["completed", "completed"]


# --- outputs against their task ------------------------------------------------------------------------------------


def test_an_output_that_does_not_fit_the_runs_task_fails_the_run(deck: Deck, control: Control) -> None:
    task = deck.task(output_schema=INVOICE)
    control.pin("output.total", "a lot")  # for any task: nothing to compare with yet

    run = finished(deck, control, task=task)

    assert (run["status"], run["errors"][0]["code"]) == ("failed", "task_failed")
    (row,) = why(control, run)["fields"]
    assert row["problem"]["code"] == "pin_schema_mismatch"
    assert finished(deck, control)["output"] == {"total": "a lot"}  # its task has no schema


def test_a_field_the_runs_task_does_not_have_fails_the_run_unless_it_is_null(deck: Deck, control: Control) -> None:
    task = deck.task(output_schema=INVOICE)
    control.pin("output.totl", None, mode="once")
    assert finished(deck, control, task=task)["status"] == "completed"

    control.pin("output.totl", 1)
    assert finished(deck, control, task=task)["status"] == "failed"


@pytest.mark.parametrize(("validate", "warnings"), [("warn", 1), ("off", 0)])
def test_a_misfit_can_be_bound_on_purpose(deck: Deck, control: Control, validate: str, warnings: int) -> None:
    control.pin("output", {"total": "a lot"}, validate=validate)

    for _ in range(2):
        assert finished(deck, control, task=deck.task(output_schema=INVOICE))["output"] == {"total": "a lot"}
    assert len(pinned(control)[0]["warnings"]) == 2 * warnings  # one for each run


def test_a_refused_output_is_told_where_it_does_not_fit(deck: Deck, control: Control) -> None:
    money = {"type": "object", "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}}}
    schema = {"type": "object", "properties": {"total": {"$ref": "#/$defs/money"}}, "$defs": {"money": money}}
    match = {"task_id": deck.task(output_schema=schema)["id"]}

    response = control.call(
        "POST", "/exogenous/pins", {"path": "output", "value": {"total": {"amount": "1"}}, "match": match}
    )
    assert response.status_code == 422
    assert [row["at"] for row in response.json["error"]["detail"]["errors"]] == ["/total/amount"]

    assert control.refusal("/exogenous/pins", path="output.total", value=1, match=match)[0] == 422
    assert control.refusal("/exogenous/pins", path="output.total.amount", value="1", match=match)[0] == 422
    assert control.refusal("/exogenous/pins", path="output.total.vat", value=1, match=match)[0] == 422
    control.pin("output.total", {"amount": 1, "currency": None}, match=match)


# --- sign-ins ------------------------------------------------------------------------------------------------------


def on_credential(control: Control, path: str, **pin: Any) -> Any:
    return control.post("/exogenous/pins", on="credential", path=path, **pin)


def test_a_credential_can_be_refused_whatever_the_site_says(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = deck.credential()
    on_credential(control, "branch", values=["invalid"], match={"username": "kim@*"})

    run = finished(deck, control, credential=credential)

    assert (run["status"], run["errors"][0]["code"]) == ("failed", "auth_invalid")
    assert deck.get(f"/credentials/{credential['id']}")["status"] == "invalid"
    assert finished(deck, control, credential=credential)["status"] == "completed"


def test_a_credential_can_be_accepted_whatever_the_site_says(deck: Deck, control: Control) -> None:
    control.site({**KIM, "output": {"total": 9}})
    credential = deck.credential(password="wrong")
    on_credential(control, "branch", value="verified", match={"id": credential["id"]})

    run = finished(deck, control, credential=credential)

    assert (run["status"], run["output"]) == ("completed", {"total": 9})
    assert deck.get(f"/credentials/{credential['id']}")["status"] == "verified"
    assert finished(deck, control, credential=deck.credential(password="wrong"))["status"] == "failed"


def test_the_errors_of_a_refusal_can_be_pinned(deck: Deck, control: Control) -> None:
    errors = [{"type": "auth", "code": "auth_locked", "message": "Too many attempts."}]
    on_credential(control, "errors", value=errors)
    assert finished(deck, control)["errors"] == []

    on_credential(control, "branch", value="invalid")
    assert finished(deck, control)["errors"] == errors


def test_a_refused_sign_in_uses_up_nothing_of_the_runs(deck: Deck, control: Control) -> None:
    on_credential(control, "branch", values=["invalid"])
    control.pin("branch", values=["blocked"])

    codes = [finished(deck, control)["errors"][0]["code"] for _ in range(2)]

    assert codes == ["auth_invalid", "blocked"]


def test_a_site_that_is_down_asks_for_no_sign_in(deck: Deck, control: Control) -> None:
    control.site(KIM, status="down")
    pin = on_credential(control, "branch", values=["invalid"])

    assert finished(deck, control)["errors"][0]["code"] == "source_not_available"
    assert [p["id"] for p in control.get("/exogenous/pins", state="unused")["data"]] == [pin["id"]]


def test_the_kind_follows_from_the_match(control: Control) -> None:
    for match in ({"operation": "credentials.create"}, {"kind": "credential"}):
        pin = control.post("/exogenous/pins", match=match, path="branch", value="invalid")
        assert pin["on"] == "credential"


# --- events as the place where a value binds -----------------------------------------------------------------------


def test_a_result_can_be_pinned_for_one_ending_only(deck: Deck, control: Control) -> None:
    control.post("/exogenous/pins", on="task_run.failed", path="result", value="unknown")
    assert finished(deck, control)["result"] == "success"

    control.pin("branch", "failed")
    assert finished(deck, control)["result"] == "unknown"


@pytest.mark.parametrize(
    ("pin", "code"),
    [
        ({"on": "credential", "path": "output", "value": 1}, "unknown_path"),
        ({"on": "credential", "path": "status", "value": "verified"}, "illegal_override"),
        ({"on": "credential", "path": "branch", "value": "blocked"}, "unknown_arm"),
        ({"on": "credential", "path": "branch", "value": {"arm": "invalid"}}, "unknown_arm"),
        ({"on": "credential", "path": "errors", "value": "no"}, "pin_schema_mismatch"),
        ({"on": "storage", "path": "file_size", "value": 1}, "illegal_override"),
        ({"on": "task_run", "path": "id", "value": "trun_mine"}, "illegal_override"),
        ({"on": "task_run.failed", "path": "output", "value": 1}, "unknown_path"),
        ({"on": "task_run.completed", "path": "errors", "value": []}, "unknown_path"),
        ({"on": "task_run.completed", "path": "result", "value": "failure"}, "illegal_override"),
        ({"on": "task_run.failed", "path": "result", "value": "success"}, "illegal_override"),
        ({"on": "task_run.queued", "path": "output", "value": 1}, "unknown_field"),
        ({"path": "output", "value": 1, "match": {"header": {"a": "b"}}}, "unknown_field"),
        ({"path": "output", "value": 1, "match": {"task_id": 7}}, "unknown_field"),
        ({"path": "output", "value": 1, "times": "twice"}, "unknown_field"),
        ({"path": "output", "value": 1, "times": 0}, "unknown_field"),
        ({"path": "output", "values": [1], "times": 2}, "unknown_field"),
        ({"path": "output", "value": 1, "mode": []}, "unknown_field"),
        ({"path": "output", "value": 1, "label": 3}, "unknown_field"),
    ],
)
def test_a_pin_that_could_never_bind_is_refused_at_once(control: Control, pin: dict[str, Any], code: str) -> None:
    assert control.refusal("/exogenous/pins", **pin) == (422, code)
    assert pinned(control) == []


def test_the_twin_tells_what_can_be_pinned_on_what(control: Control) -> None:
    rows = {(row["on"], row["path"]): row for row in control.get("/exogenous/paths")["data"]}
    assert rows["credential", "branch"]["schema"] == {"enum": ["verified", "invalid"]}
    assert rows["task_run", "interaction"]["schema"]["required"] == ["type", "message", "fields"]
    assert rows["storage", "file"]["binds_at"] == "created"

    assert control.get("/branches")["credential"] == {"default": "verified", "arms": {"verified": {}, "invalid": {}}}
    assert control.get("/")["kinds"]["credential"] == {"paths": ["branch", "errors"], "arms": ["verified", "invalid"]}
