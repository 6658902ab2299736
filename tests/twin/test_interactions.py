"""Questions a site asks in the middle of a run."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import CODE, KIM, Control, Deck

QUESTION = {
    "type": "security_question",
    "message": "What was your first pet called?",
    "fields": [{"name": "answer", "type": "string", "label": "Answer"}],
    "expect": {"answer": "Rex"},
}


@pytest.fixture
def paused(deck: Deck, control: Control) -> Any:
    """A run at a site that wants to know a code."""
    control.site({**KIM, "asks": [CODE]})
    run = deck.run()
    control.until("task_run.interaction_required")
    return deck.see(run)


def test_a_paused_run_shows_the_question_but_not_the_answer(paused: Any) -> None:
    assert paused["status"] == "interaction_required"
    assert paused["interaction"] == {
        "type": "mfa",
        "message": "Enter the code we sent to your phone.",
        "fields": [{"name": "code", "type": "string", "label": "Code"}],
    }


def test_the_event_of_a_question_does_not_carry_it(deck: Deck, paused: Any) -> None:
    (event,) = deck.get("/events", type="task_run.interaction_required")["data"]

    assert event["data"]["id"] == paused["id"]
    assert "interaction" not in event["data"]


def test_the_right_code_lets_the_run_go_on(deck: Deck, control: Control, paused: Any) -> None:
    answered = deck.answer(paused, code="123456")

    assert answered.status_code == 200
    assert (answered.json["status"], answered.json["interaction"]) == ("running", None)
    control.until("task_run.completed")
    assert deck.see(paused)["result"] == "success"
    assert control.events(subject=paused["id"]) == [
        "task_run.queued",
        "task_run.running",
        "task_run.interaction_required",
        "task_run.running",
        "task_run.completed",
    ]


def test_spaces_around_an_answer_do_not_matter(deck: Deck, control: Control, paused: Any) -> None:
    deck.answer(paused, code=" 123456 ")
    control.until("task_run.completed")


def test_a_wrong_code_is_asked_for_again(deck: Deck, control: Control, paused: Any) -> None:
    assert deck.answer(paused, code="000000").status_code == 200
    control.until("task_run.interaction_required")

    asked = deck.see(paused)["interaction"]
    assert asked["message"] == "That code was wrong. Try again."
    assert asked["fields"] == paused["interaction"]["fields"]
    deck.answer(paused, code="123456")
    control.until("task_run.completed")


def test_three_wrong_codes_end_the_run(deck: Deck, control: Control, paused: Any) -> None:
    for again in (True, True, False):
        assert deck.answer(paused, code="000000").status_code == 200
        control.until("task_run.interaction_required" if again else "task_run.failed")

    run = deck.see(paused)
    assert [error["code"] for error in run["errors"]] == ["auth_invalid"]
    assert run["interaction"] is None


def test_a_strict_site_gives_one_chance(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [{**CODE, "on_reject": "fail"}]})
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="000000")
    control.until("task_run.failed")


def test_the_number_of_chances_can_be_set(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [{**CODE, "max_attempts": 2}]})
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="000000")
    control.until("task_run.interaction_required")
    deck.answer(run, code="000000")
    control.until("task_run.failed")


def test_two_questions_follow_each_other(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [CODE, QUESTION]})
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="123456")
    control.until("task_run.interaction_required")
    assert deck.see(run)["interaction"]["type"] == "security_question"
    deck.answer(run, answer="Rex")
    control.until("task_run.completed")


def test_each_run_starts_the_questions_afresh(deck: Deck, control: Control, paused: Any) -> None:
    deck.answer(paused, code="000000")
    control.until("task_run.interaction_required")
    deck.answer(paused, code="123456")
    control.until("task_run.completed")
    second = deck.run(credential={"id": paused["credential_id"]})
    control.until("task_run.interaction_required")

    assert deck.see(second)["interaction"]["message"] == CODE["message"]


def test_choices_reach_the_app(deck: Deck, control: Control) -> None:
    options = [{"value": "1", "label": "Current account"}, {"value": "2", "label": "Savings"}]
    choice = {
        "type": "account_selection",
        "message": "Which account?",
        "fields": [{"name": "account_id", "type": "string", "label": "Account", "options": options}],
    }
    control.site({**KIM, "asks": [choice]})
    run = deck.run()
    control.until("task_run.interaction_required")
    assert deck.see(run)["interaction"] == choice
    deck.answer(run, account_id="2")
    control.until("task_run.completed")


def test_nobody_answers_and_the_run_fails(deck: Deck, control: Control, paused: Any) -> None:
    control.advance("120s")

    run = deck.see(paused)
    assert (run["status"], run["result"], run["interaction"]) == ("failed", "failure", None)
    assert [(e["type"], e["code"]) for e in run["errors"]] == [("interaction", "interaction_timeout")]
    assert deck.answer(paused, code="123456").status_code == 409


def test_a_question_has_its_own_window(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [{**CODE, "window": "10m"}]})
    run = deck.run()
    control.until("task_run.interaction_required")
    control.advance("9m")
    assert deck.see(run)["status"] == "interaction_required"
    control.advance("1m")
    assert deck.see(run)["status"] == "failed"


def test_a_new_question_has_the_whole_window(deck: Deck, control: Control, paused: Any) -> None:
    control.advance("110s")
    deck.answer(paused, code="000000")
    control.until("task_run.interaction_required")
    control.advance("110s")

    assert deck.see(paused)["status"] == "interaction_required"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "input"),
        ({"input": "123456"}, "input"),
        ({"input": {}}, "input.code"),
        ({"input": {"code": "123456", "pin": "1"}}, "input.pin"),
    ],
)
def test_an_answer_must_fit_the_question(deck: Deck, paused: Any, body: dict[str, object], complaint: str) -> None:
    response = deck.call("POST", f"/task-runs/{paused['id']}/interaction", body)

    assert response.status_code == 400
    assert list(response.json["errors"]) == [complaint]
    assert deck.see(paused)["status"] == "interaction_required"


def test_complaints_come_in_the_order_of_the_fields(deck: Deck, control: Control) -> None:
    fields = [{"name": f"field_{n}", "type": "string", "label": ""} for n in range(9)]
    control.site({**KIM, "asks": [{"type": "mfa", "message": "?", "fields": fields}]})
    run = deck.run()
    control.until("task_run.interaction_required")

    assert list(deck.answer(run).json["errors"]) == [f"input.field_{n}" for n in range(9)]


def test_a_run_that_asks_nothing_takes_no_answer(deck: Deck) -> None:
    response = deck.answer(deck.run(), code="123456")

    assert response.status_code == 409
    (error,) = response.json["errors"]
    assert (error["type"], error["code"]) == ("interaction", "interaction_not_required")


def test_a_second_answer_while_the_first_is_looked_at_is_refused(deck: Deck, paused: Any) -> None:
    assert deck.answer(paused, code="123456").status_code == 200
    assert deck.answer(paused, code="123456").status_code == 409


def test_a_repeated_answer_with_its_key_is_not_a_second_one(deck: Deck, control: Control, paused: Any) -> None:
    path, body = f"/task-runs/{paused['id']}/interaction", {"input": {"code": "123456"}}

    assert deck.post(path, body, key="a") == deck.post(path, body, key="a")
    control.until("task_run.completed")


def test_answers_are_not_shown_anywhere(deck: Deck, control: Control, paused: Any) -> None:
    deck.answer(paused, code="000042")
    assert "000042" not in control.call("GET", "/state").text
    control.post("/clock/run-until-idle")

    assert "000042" not in deck.call("GET", f"/task-runs/{paused['id']}", include="input").text
    assert "000042" not in control.call("GET", "/events").text
