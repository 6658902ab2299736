"""Ready-made situations, each played to its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webapp.twin.scenarios import MATCHED, scenarios

from .planes import INVOICE, Control, Deck, Twin

NAMES = [
    "happy",
    "mfa_code",
    "mfa_wrong_then_right",
    "security_question",
    "account_selection",
    "mfa_then_account",
    "mfa_timeout",
    "bad_password",
    "site_blocked",
    "site_down_then_up",
    "slow_run",
    "run_timeout",
    "result_unknown",
    "fail_then_succeed",
    "partial_output",
    "duplicate_events",
    "out_of_order",
    "lost_response",
    "rate_limited",
    "forged_webhook",
]


def applied(control: Control, name: str, match: Any = None, **params: Any) -> Any:
    return control.post(f"/scenarios/{name}/apply", match=match or {}, params=params)["applied"]


def ended(deck: Deck, control: Control, *answers: dict[str, str]) -> Any:
    """A run of a task with an output schema, asked and answered, as it is in the end."""
    run = deck.run(task=deck.task(output_schema=INVOICE))
    for answer in answers:
        control.until("task_run.interaction_required", id=run["id"])
        assert deck.answer(run, **answer).status_code == 200
    control.post("/clock/run-until-idle")
    return deck.see(run)


def test_all_of_the_reference_are_there(control: Control) -> None:
    rows = control.get("/scenarios")["data"]

    assert [row["name"] for row in rows] == NAMES
    assert all(row["about"] for row in rows)
    assert {row["name"]: row["params"] for row in rows}["partial_output"] == {"field": None}


@pytest.mark.parametrize("name", NAMES)
def test_every_one_can_be_applied(twin: Twin, name: str) -> None:
    params = {"field": "total"} if name == "partial_output" else {}
    calls = scenarios()[name]["calls"]
    missing = {"/faults": "faults", "/delivery-rules": "rules"}.get(calls[0][0], "pins")
    if not hasattr(twin.world, missing):
        refused = twin.control.refusal(f"/scenarios/{name}/apply", params=params)
        assert refused == (409, "precondition_failed")
        return

    assert len(applied(twin.control, name, **params)) == len(calls)
    for path, body in calls:
        assert path in (*MATCHED, "/clock/durations")
        assert isinstance(json.loads(body), dict)


@pytest.mark.parametrize(
    ("name", "answers", "status", "code"),
    [
        ("happy", [], "completed", None),
        ("mfa_code", [{"code": "123456"}], "completed", None),
        ("mfa_wrong_then_right", [{"code": "1"}, {"code": "123456"}], "completed", None),
        ("security_question", [{"answer": "Rex"}], "completed", None),
        ("account_selection", [{"account": "checking"}], "completed", None),
        ("mfa_then_account", [{"code": "123456"}, {"account": "checking"}], "completed", None),
        ("mfa_timeout", [], "failed", "interaction_timeout"),
        ("bad_password", [], "failed", "auth_invalid"),
        ("site_blocked", [], "failed", "blocked"),
        ("run_timeout", [], "failed", "timeout"),
        ("result_unknown", [], "failed", "task_result_unknown"),
        ("slow_run", [], "completed", None),
    ],
)
def test_a_scenario_ends_as_its_name_says(
    deck: Deck, control: Control, name: str, answers: Any, status: str, code: str | None
) -> None:
    applied(control, name)

    run = ended(deck, control, *answers)

    assert run["status"] == status
    assert [error["code"] for error in run["errors"]] == ([code] if code else [])


@pytest.mark.parametrize("name", ["site_down_then_up", "fail_then_succeed"])
def test_it_works_the_second_time(deck: Deck, control: Control, name: str) -> None:
    applied(control, name)

    assert [ended(deck, control)["status"] for _ in range(3)] == ["failed", "completed", "completed"]


def test_a_part_of_the_output_is_missing(deck: Deck, control: Control) -> None:
    applied(control, "partial_output", field="total")

    run = ended(deck, control)

    assert run["status"] == "completed"
    assert run["output"]["total"] is None
    assert run["output"]["due"] is not None


def test_a_match_narrows_it_and_params_change_it(deck: Deck, control: Control) -> None:
    applied(control, "mfa_code", {"username": "kim@*"}, code="999")
    assert ended(deck, control, {"code": "999"})["status"] == "completed"

    control.call("DELETE", "/exogenous/pins")
    applied(control, "bad_password", {"username": "somebody-else"})
    assert ended(deck, control)["status"] == "completed"


@pytest.mark.parametrize(
    ("name", "body", "refusal"),
    [
        ("nothing", {}, (404, "unknown_scenario")),
        ("happy", {"params": {"code": "1"}}, (422, "unknown_field")),
        ("partial_output", {}, (422, "unknown_field")),
        ("slow_run", {"match": {"username": "kim"}}, (422, "unknown_field")),
        ("slow_run", {"params": {"run_settle": "soon"}}, (422, "invalid_duration")),
        ("happy", {"match": {"colour": "red"}}, (422, "unknown_field")),
        ("happy", {"match": 1}, (422, "unknown_field")),
    ],
)
def test_what_cannot_be_applied_is_refused_whole(control: Control, name: str, body: Any, refusal: Any) -> None:
    assert control.refusal(f"/scenarios/{name}/apply", **body) == refusal
    assert control.get("/exogenous/pins")["data"] == []
