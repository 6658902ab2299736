"""What goes wrong on purpose: for which calls, how often, and what the caller sees of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from webapp.twin.delivery import Deliverer
from webapp.twin.line import LineClosed, LineHung, LineReset
from webapp.twin.server import create_twin
from webapp.twin.world import API_KEY, World

from .planes import KIM, Control, Deck, Receiver, Twin


def arm(control: Control, effect: Any = None, **fault: Any) -> Any:
    return control.post("/faults", **({"effect": effect} if effect else {}), **fault)


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


ERROR = {"type": "error", "status": 500}


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


def statuses(deck: Deck, number: int) -> list[int]:
    return [deck.call("GET", "/agents").status_code for _ in range(number)]


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


# --- before and after --------------------------------------------------------------------------------------------


def test_before_nothing_is_done_and_after_everything_is(deck: Deck, control: Control) -> None:
    arm(control, ERROR, resource="agents", operation="create", count=1)
    assert deck.call("POST", "/agents", {"name": "before"}).status_code == 500
    arm(control, ERROR, resource="agents", operation="create", count=1, when="after")
    assert deck.call("POST", "/agents", {"name": "after"}).status_code == 500

    assert [agent["name"] for agent in deck.get("/agents")["data"]] == ["after"]
    assert control.events() == ["agent.created"]


def test_the_same_key_gets_the_answer_that_was_lost(deck: Deck, control: Control) -> None:
    arm(control, {"type": "drop", "how": "reset"}, resource="agents", operation="create", count=1, when="after")
    with pytest.raises(LineReset):
        deck.call("POST", "/agents", {"name": "a"}, key="k")
    again = deck.post("/agents", {"name": "a"}, key="k")

    assert [agent["id"] for agent in deck.get("/agents")["data"]] == [again["id"]]
    assert control.events() == ["agent.created"]


def test_an_error_is_never_kept_for_its_key(deck: Deck, control: Control) -> None:
    arm(control, status=500, count=1, resource="agents", operation="create")
    assert deck.call("POST", "/agents", {"name": "a"}, key="k").status_code == 500

    assert deck.post("/agents", {"name": "a"}, key="k")["name"] == "a"


# --- effects -----------------------------------------------------------------------------------------------------


def test_a_rate_limit_in_virtual_time(deck: Deck, control: Control) -> None:
    arm(control, {"type": "rate_limit", "limit": 2, "per": "10s"}, resource="agents", operation="list")
    assert statuses(deck, 3) == [200, 200, 429]
    refused = deck.call("GET", "/agents")
    assert refused.json["errors"][0]["code"] == "rate_limit_exceeded"
    assert refused.headers["Retry-After"] == "5"

    control.advance("5s")
    assert statuses(deck, 2) == [200, 429]


def test_a_rate_limit_can_be_each_operations_own(deck: Deck, control: Control) -> None:
    arm(control, {"type": "rate_limit", "limit": 1, "per": "1m", "scope": "operation", "retry_after": "7s"})

    assert [deck.call("GET", path).status_code for path in ("/agents", "/tasks", "/agents")] == [200, 200, 429]
    assert deck.call("GET", "/tasks").headers["Retry-After"] == "7"


def test_virtual_latency_lets_time_pass(deck: Deck, control: Control) -> None:
    run = deck.run()
    arm(control, {"type": "latency", "delay": "1h", "clock": "virtual"}, count=1)

    assert deck.see(run)["status"] == "completed"
    assert control.get("/clock")["now"] >= "2025-01-01T01:00:00.000Z"


def test_real_latencies_add_up_and_their_jitter_is_seeded() -> None:
    def waited() -> list[float]:
        naps: list[float] = []
        world = World()
        app = create_twin(world, Deliverer(world, Receiver()), sleep=naps.append)
        deck, control = Deck(app.test_client()), Control(app.test_client())
        arm(control, {"type": "latency", "delay": "2s"}, count=1)
        arm(control, {"type": "latency", "delay": "500ms"}, count=1)
        arm(control, {"type": "latency", "delay": "3s", "jitter": "1s"}, count=1, when="after")
        assert statuses(deck, 2) == [200, 200]
        return naps

    before, after = waited()
    assert before == 2.5
    assert 3 < after < 4
    assert waited() == [before, after]


def test_a_request_held_up_over_a_reset_does_nothing(control: Control) -> None:
    world = World()
    app = create_twin(world, Deliverer(world, Receiver()), sleep=lambda _: world.reset())
    deck, control = Deck(app.test_client()), Control(app.test_client())
    arm(control, {"type": "latency", "delay": "1s"})

    with pytest.raises(LineClosed):
        deck.post("/agents", {"name": "late"})
    assert deck.get("/agents")["data"] == []
    assert len(control.get("/requests")["data"]) == 1


def malformed(deck: Deck, control: Control, how: str, **effect: Any) -> Any:
    arm(control, {"type": "malformed", "how": how, **effect}, count=1)
    return deck.call("GET", "/agents")


def test_malformed_answers(deck: Deck, control: Control) -> None:
    torn = malformed(deck, control, "invalid_json")
    with pytest.raises(ValueError):
        json.loads(torn.text)
    assert torn.status_code == 200

    assert malformed(deck, control, "empty_body").data == b""
    page = malformed(deck, control, "html", status=503)
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert malformed(deck, control, "html").status_code == 502
    plain = malformed(deck, control, "wrong_content_type")
    assert (plain.mimetype, json.loads(plain.text)["data"]) == ("text/plain", [])
    assert "data" not in malformed(deck, control, "missing_fields", fields=["data"]).json
    assert malformed(deck, control, "extra_fields", fields={"news": 1}).json["news"] == 1
    with pytest.raises(LineClosed):
        malformed(deck, control, "garbage")


@pytest.mark.parametrize(
    ("effect", "seen"),
    [
        ({"type": "drop", "how": "reset"}, httpx.ReadError),
        ({"type": "drop", "how": "close"}, httpx.RemoteProtocolError),
        ({"type": "drop", "how": "truncate"}, httpx.RemoteProtocolError),
        ({"type": "malformed", "how": "garbage"}, httpx.RemoteProtocolError),
        ({"type": "hang"}, httpx.ReadTimeout),
    ],
)
def test_a_client_mounted_in_process_sees_transport_errors(effect: Any, seen: type[Exception]) -> None:
    world = World()
    world.faults.arm({"effect": effect})
    transport = httpx.WSGITransport(create_twin(world, Deliverer(world, Receiver())))
    headers = {"Authorization": f"Bearer {API_KEY}"}

    client = httpx.Client(transport=transport, base_url="http://twin", headers=headers)
    with client, pytest.raises(seen) as error:
        client.get("/v2/agents")
    assert isinstance(error.value, LineReset | LineClosed | LineHung)
    assert isinstance(error.value, ConnectionResetError)
