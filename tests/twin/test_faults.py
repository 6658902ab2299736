"""What goes wrong on purpose: for which calls, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from .orders import ERROR, arm, statuses
from .planes import KIM, Control, Deck, Twin

# --- arming, looking, clearing -----------------------------------------------------------------------------------


def test_the_flat_form_fills_in_what_goes_without_saying(deck: Deck, control: Control) -> None:
    fault = arm(control, resource="task_runs", operation="create", status=401, code="api_key_invalid", count=1)
    assert (fault["id"], fault["state"], fault["hits"], fault["remaining"]) == ("flt_0001", "armed", 0, 1)
    path = f"/tasks/{deck.task()['id']}/run"

    refused = deck.call("POST", path, {"credential_id": deck.credential()["id"]})

    assert refused.status_code == 401
    assert set(refused.json) == {"errors", "request_id"}
    assert refused.json["errors"] == [
        {"type": "request", "code": "api_key_invalid", "message": "The API key is not valid.", "field": None}
    ]
    assert deck.get("/task-runs")["data"] == []
    seen = control.get(f"/faults/{fault['id']}")
    assert (seen["state"], seen["remaining"]) == ("spent", 0)
    assert seen["hit_requests"] == [refused.json["request_id"]]


@pytest.mark.parametrize(
    ("given", "status", "element"),
    [
        ({"code": "source_blocked"}, 403, ("source", "source_blocked")),
        ({"code": "agent_not_found"}, 404, ("request", "agent_not_found")),
        ({"status": 503}, 503, ("api", "api_error")),
        ({"status": 429}, 429, ("rate_limit", "rate_limit_exceeded")),
        ({"status": 402, "code": "no_money", "error_type": "organization"}, 402, ("organization", "no_money")),
    ],
)
def test_an_error_as_deck_would_put_it(
    deck: Deck, control: Control, given: Any, status: int, element: tuple[str, str]
) -> None:
    arm(control, **given)
    refused = deck.call("GET", "/agents")

    assert refused.status_code == status
    assert [(e["type"], e["code"]) for e in refused.json["errors"]] == [element]
    assert refused.json["errors"][0]["message"]


def test_an_error_can_have_any_body_and_headers(deck: Deck, control: Control) -> None:
    arm(control, {"type": "error", "status": 400, "body": {"title": "x"}, "headers": {"X-Why": "because"}})
    refused = deck.call("GET", "/agents")

    assert (refused.status_code, refused.json, refused.headers["X-Why"]) == (400, {"title": "x"}, "because")


def test_faults_are_listed_and_cleared_one_by_one_or_all(deck: Deck, control: Control) -> None:
    first, _, _ = (arm(control, status=500) for _ in range(3))
    assert [fault["id"] for fault in control.get("/faults")["data"]] == ["flt_0001", "flt_0002", "flt_0003"]

    assert control.call("DELETE", f"/faults/{first['id']}").json == {"cleared": 1}
    assert control.call("DELETE", f"/faults/{first['id']}").status_code == 404
    assert control.call("GET", f"/faults/{first['id']}").status_code == 404
    assert control.call("DELETE", "/faults").json == {"cleared": 2}
    assert deck.call("GET", "/agents").status_code == 200


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "unknown_field"),
        ({"status": 500, "effect": ERROR}, "unknown_field"),
        ({"status": 500, "colour": 1}, "unknown_field"),
        ({"status": 99}, "unknown_field"),
        ({"status": 404}, "unknown_field"),
        ({"code": "insufficient_funds"}, "unknown_field"),
        ({"status": 500, "resource": "invoices"}, "unknown_operation"),
        ({"status": 500, "operation": "explode"}, "unknown_operation"),
        ({"status": 500, "match": {"operation": "agents.explode"}}, "unknown_operation"),
        ({"status": 500, "match": {"colour": "red"}}, "unknown_field"),
        ({"status": 500, "match": {"source_id": 1}}, "unknown_field"),
        ({"status": 500, "match": {"header": "x"}}, "unknown_field"),
        ({"status": 500, "count": 0}, "unknown_field"),
        ({"status": 500, "skip": -1}, "unknown_field"),
        ({"status": 500, "probability": 2}, "unknown_field"),
        ({"status": 500, "until": "soon"}, "invalid_time"),
        ({"status": 500, "when": "during"}, "unknown_field"),
        ({"status": 500, "headers": {"a": "b\r\nc: d"}}, "unknown_field"),
        ({"effect": {"type": "explode"}}, "unknown_field"),
        ({"effect": {"type": "drop", "how": "explode"}}, "unknown_field"),
        ({"effect": {"type": "drop", "how": "reset", "delay": "1s"}}, "unknown_field"),
        ({"effect": {"type": "drop", "how": "truncate", "after_bytes": -1}}, "unknown_field"),
        ({"effect": {"type": "latency"}}, "invalid_duration"),
        ({"effect": {"type": "latency", "delay": "1h"}}, "invalid_duration"),
        ({"effect": {"type": "latency", "delay": "1s", "clock": "cuckoo"}}, "unknown_field"),
        ({"effect": {"type": "hang", "max": "1h"}}, "invalid_duration"),
        ({"effect": {"type": "rate_limit", "limit": 0, "per": "1s"}}, "unknown_field"),
        ({"effect": {"type": "rate_limit", "limit": 1, "per": "0s"}}, "invalid_duration"),
        ({"effect": {"type": "rate_limit", "limit": 1, "per": "1s", "scope": "moon"}}, "unknown_field"),
        ({"effect": {"type": "malformed", "how": "ugly"}}, "unknown_field"),
        ({"effect": {"type": "malformed", "how": "missing_fields"}}, "unknown_field"),
        ({"effect": {"type": "malformed", "how": "extra_fields", "fields": 1}}, "unknown_field"),
        ({"effect": {"type": "malformed", "how": "extra_fields"}, "when": "before"}, "unknown_field"),
    ],
)
def test_what_can_never_happen_is_refused(control: Control, given: Any, code: str) -> None:
    assert control.refusal("/faults", **given) == (422, code)
    assert control.get("/faults")["data"] == []


def test_the_refusal_of_an_unknown_operation_lists_what_there_is(control: Control) -> None:
    refused = control.call("POST", "/faults", {"resource": "task_run", "operation": "create", "status": 500})

    assert "task_runs.create" in refused.json["error"]["detail"]["operations"]


# --- for which calls, and how often ------------------------------------------------------------------------------


def test_a_fault_strikes_only_the_calls_it_means(deck: Deck, control: Control) -> None:
    control.site(KIM)
    task, credential = deck.task(), deck.credential()
    body = {"credential_id": credential["id"], "input": {"price": 10, "unit": "eur"}}

    def struck(**match: Any) -> bool:
        control.call("DELETE", "/faults")
        arm(control, status=500, match=match)
        return deck.call("POST", f"/tasks/{task['id']}/run", body, key="k-1").status_code == 500

    for match in (
        {"operation": "task_runs.create"},
        {"operation": "task_runs.*"},
        {"kind": "task_run"},
        {"id": task["id"]},
        {"task_id": task["id"]},
        {"agent_id": task["agent_id"]},
        {"credential_id": credential["id"]},
        {"source_id": credential["source_id"]},
        {"username": "kim@*"},
        {"input": {"price": 10}},
        {"header": {"Idempotency-Key": "k-1"}},
        {"source_id": credential["source_id"], "username": "kim@*"},
    ):
        assert struck(**match), match
    for match in (
        {"operation": "agents.create"},
        {"kind": "agent"},
        {"id": "task_other"},
        {"source_id": "src_other"},
        {"session_id": "ses_other"},
        {"username": "lee@*"},
        {"input": {"price": 11}},
        {"header": {"idempotency-key": "k-2"}},
        {"source_id": credential["source_id"], "username": "lee@*"},
    ):
        assert not struck(**match), match


def test_a_run_is_known_by_what_it_belongs_to(deck: Deck, control: Control) -> None:
    run = deck.run()
    other = deck.run()
    arm(control, status=500, match={"source_id": run["source_id"], "operation": "task_runs.get"})

    assert deck.call("GET", f"/task-runs/{run['id']}").status_code == 500
    assert deck.call("GET", f"/task-runs/{other['id']}").status_code == 200


def test_the_most_specific_fault_wins_and_of_equals_the_newest(deck: Deck, control: Control) -> None:
    agent = deck.post("/agents", {"name": "a"})
    for status, match in ((500, {}), (502, {"kind": "agent"}), (503, {"id": agent["id"]}), (504, {"kind": "agent"})):
        arm(control, status=status, match=match)

    assert deck.call("GET", f"/agents/{agent['id']}").status_code == 503
    assert deck.call("GET", "/agents").status_code == 504
    assert deck.call("GET", "/tasks").status_code == 500


def test_skip_and_count(deck: Deck, control: Control) -> None:
    arm(control, status=500, skip=1, count=2)

    assert statuses(deck, 5) == [200, 500, 500, 200, 200]


def test_probability_is_rolled_from_the_seed_and_the_label() -> None:
    def rolled(seed: str | None, label: str, skip: int = 0) -> list[int]:
        twin = Twin(seed=seed)
        arm(twin.control, status=500, probability=0.5, label=label, skip=skip)
        return statuses(twin.deck, 40)

    first = rolled(None, "flaky")
    assert 5 < first.count(500) < 35
    assert rolled(None, "flaky") == first
    assert rolled("other", "flaky") != first
    assert rolled(None, "other") != first
    assert rolled(None, "flaky", skip=3)[3:] == first[:-3]  # rolls advance only after skip


def test_never_and_always(deck: Deck, control: Control) -> None:
    arm(control, status=500, probability=0)
    assert statuses(deck, 5) == [200] * 5
    arm(control, status=500, probability=1)
    assert statuses(deck, 5) == [500] * 5


def test_a_fault_ends_at_its_time(deck: Deck, control: Control) -> None:
    fault = arm(control, status=500, until="2025-01-01T00:01:00Z")
    assert statuses(deck, 1) == [500]
    control.advance("1m")

    assert statuses(deck, 1) == [200]
    assert control.get(f"/faults/{fault['id']}")["state"] == "expired"


def test_a_bad_key_is_refused_before_any_fault(twin: Twin) -> None:
    arm(twin.control, status=500)

    assert twin.client.get("/v2/agents").status_code == 401
    assert twin.control.get("/faults")["data"][0]["matches"] == 0


def test_a_reset_disarms(deck: Deck, control: Control) -> None:
    arm(control, status=500)
    control.post("/reset")

    assert statuses(deck, 1) == [200]
