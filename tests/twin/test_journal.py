"""The journal of what was asked, its verification, and the traces of answers."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from webapp.twin import journal
from webapp.twin.world import API_KEY

from .planes import CODE, INVOICE, KIM, Control, Deck, Twin


def requests(control: Control, **query: Any) -> list[Any]:
    return control.get("/requests", **query)["data"]


def test_every_request_is_recorded(deck: Deck, control: Control) -> None:
    made = deck.post("/agents", {"name": "a"}, key="k-1")
    deck.post("/agents", {"name": "a"}, key="k-1")
    first, again = requests(control)

    assert {key: first[key] for key in ("method", "path", "operation", "query", "body", "fault_id")} == {
        "method": "POST",
        "path": "/v2/agents",
        "operation": "agents.create",
        "query": {},
        "body": {"name": "a"},
        "fault_id": None,
    }
    assert first["response"] == {"status": 201, "body": made, "line": None}
    assert first["request_id"] == made["request_id"]
    assert first["headers"]["idempotency-key"] == "k-1"
    assert first["at"] == "2025-01-01T00:00:00.000Z"
    assert first["caused"] == [event["id"] for event in control.get("/events")["data"]]
    assert (first["idempotent_replay"], again["idempotent_replay"]) == (False, True)
    assert (first["seq"] + 1, again["caused"]) == (again["seq"], [])
    assert first["real_ms"] >= 0
    assert not [name for name in first if name.startswith("_")]


def test_refusals_faults_and_unknown_routes_are_recorded(twin: Twin) -> None:
    twin.control.post("/faults", status=500, resource="agents", operation="list")
    twin.control.post("/faults", effect={"type": "drop", "how": "reset"}, resource="tasks", operation="list")
    twin.client.get("/v2/tasks")  # no key
    twin.deck.call("POST", "/agents", {})
    twin.deck.call("GET", "/agents")
    with pytest.raises(ConnectionResetError):
        twin.deck.call("GET", "/tasks")
    twin.deck.call("GET", "/nowhere")
    twin.client.get("/elsewhere")

    rows = [(r["path"], r["response"]["status"], r["fault_id"], r["response"]["line"]) for r in requests(twin.control)]
    assert rows == [
        ("/v2/tasks", 401, None, None),
        ("/v2/agents", 400, None, None),
        ("/v2/agents", 500, "flt_0001", None),
        ("/v2/tasks", None, "flt_0002", "reset"),
        ("/v2/nowhere", 404, None, None),
    ]
    assert [r["path"] for r in requests(twin.control, unmatched="true")] == ["/v2/nowhere"]


def test_requests_are_filtered(deck: Deck, control: Control) -> None:
    control.post("/faults", status=503, count=1, resource="agents", operation="get")
    deck.post("/agents", {"name": "a"})
    deck.call("GET", "/agents/agt_x")
    deck.call("GET", "/agents/agt_x")
    deck.get("/tasks")

    def seqs(**query: Any) -> list[int]:
        return [row["seq"] for row in requests(control, **query)]

    assert seqs() == [1, 2, 3, 4]
    assert seqs(operation="agents.get") == seqs(path="/v2/agents/agt_x") == [2, 3]
    assert seqs(method="POST") == [1]
    assert seqs(status="404") == [3]
    assert seqs(fault="flt_0001") == [2]
    assert seqs(since_seq=2) == [3, 4]
    assert control.get("/requests", since_seq=1, limit=2)["next_since_seq"] == 3
    assert control.get("/requests", since_seq=9) == {"data": [], "next_since_seq": 9}


@pytest.mark.parametrize("query", [{"colour": "red"}, {"since_seq": "x"}, {"limit": "-1"}])
def test_a_filter_that_makes_no_sense_is_refused(control: Control, query: dict[str, str]) -> None:
    assert control.call("GET", "/requests", **query).json["error"]["code"] == "unknown_field"


def test_no_secret_is_kept(deck: Deck, control: Control) -> None:
    secrets = ["hunter-2", "blue-whale", "424242", API_KEY, "hook-secret", "url-password"]
    control.pin("interaction", CODE)
    source = deck.source("https://kim:url-password@bank.example/login")
    body = {"source_id": source["id"], "auth_method": "username_password"}
    fields = {"username": "kim", "password": "hunter-2", "source_fields": {"pet": "blue-whale"}}
    credential = deck.post("/credentials", {**body, "auth_credentials": fields})
    deck.call("PATCH", f"/credentials/{credential['id']}", {"auth_credentials": fields})
    run = deck.run(credential=credential)
    control.until("task_run.interaction_required")
    deck.answer(run, code="424242")
    deck.call(
        "POST", "/event-destinations", {"name": "x", "webhook": {"url": "https://a.example", "secret": secrets[4]}}
    )
    deck.client.post("/v2/agents", data="hunter-2 {", headers={"Authorization": f"Bearer {API_KEY}"})

    kept = json.dumps(requests(control))
    assert not [secret for secret in secrets if secret in kept]
    stored = next(r for r in requests(control) if r["operation"] == "credentials.create")
    assert stored["body"]["auth_credentials"]["username"] == "kim"
    assert stored["body"]["auth_credentials"]["password"].startswith("[redacted] ")
    assert stored["headers"]["authorization"].startswith("Bearer [redacted] ")


def test_the_equality_of_secrets_can_be_verified(deck: Deck, control: Control) -> None:
    deck.credential(password="hunter-2")

    def verified(password: str) -> int:
        match = {"body": {"auth_credentials": {"password": password}}}
        return control.call("POST", "/requests/verify", {"match": match}).status_code

    assert (verified("hunter-2"), verified("hunter-3")) == (200, 409)


def test_the_answer_to_a_question_can_be_verified(deck: Deck, control: Control) -> None:
    control.pin("interaction", CODE)
    run = deck.run()
    control.until("task_run.interaction_required")
    deck.answer(run, code="123456")
    match = {"operation": "task_runs.interaction", "id": run["id"]}

    assert control.post("/requests/verify", match={**match, "input": {"code": "123456"}})["matched"] == 1
    assert control.refusal("/requests/verify", match={**match, "input": {"code": "1"}})[0] == 409


def test_the_journal_is_bounded_and_leaves_long_bodies_out(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    assert twin.world.journal.entries.maxlen == 10_000
    monkeypatch.setattr(journal, "MOST_KEPT", 3)
    twin.control.post("/reset")
    seqs = [twin.world.seq + n for n in (3, 4, 5)]
    for _ in range(5):
        twin.deck.get("/agents")
    assert [row["seq"] for row in requests(twin.control)] == seqs

    twin.deck.call("POST", "/agents", {"name": "a", "description": "x" * 30_000})
    assert requests(twin.control)[-1]["body"].endswith(" bytes]")


def test_the_journal_can_be_cleared_and_ends_with_a_reset(deck: Deck, control: Control) -> None:
    deck.get("/agents")
    assert control.call("DELETE", "/requests").json == {"cleared": 1}
    assert requests(control) == []
    deck.get("/agents")
    control.post("/reset")
    assert requests(control) == []


# --- verification ------------------------------------------------------------------------------------------------


def test_requests_are_verified_by_what_they_were_about(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = deck.credential()
    run = deck.run(credential=credential, input={"price": 10, "unit": "eur"})
    deck.see(run)

    def matched(**match: Any) -> int:
        return control.post("/requests/verify", match=match, count={"at_least": 0})["matched"]

    assert matched(operation="task_runs.create", id=run["id"]) == 1  # a create is found by what it created
    assert matched(kind="task_run", credential_id=credential["id"]) == 2
    assert matched(session_id=run["session_id"]) == 2
    assert matched(username="kim@*", method="POST", path="/v2/tasks/*") == 1
    assert matched(input={"price": 10}, body={"input": {"unit": "eur"}}) == 1
    assert matched(header={"User-Agent": "Werkzeug*"}) == 6
    assert matched(source_id="src_other") == 0


def test_how_many(deck: Deck, control: Control) -> None:
    deck.get("/agents")
    deck.get("/agents")
    match = {"operation": "agents.list"}

    def right(**count: int) -> bool:
        body = {"match": match, "count": count}
        return control.call("POST", "/requests/verify", body).status_code == 200

    assert control.post("/requests/verify", match=match) == {"matched": 2, "seqs": [1, 2]}
    assert [right(exactly=n) for n in (1, 2, 3)] == [False, True, False]
    assert [right(at_least=n) for n in (1, 2, 3)] == [True, True, False]
    assert [right(at_most=n) for n in (1, 2, 3)] == [False, True, True]
    assert right(at_least=1, at_most=3)


def test_a_failed_verification_tells_what_came_close(deck: Deck, control: Control) -> None:
    deck.post("/agents", {"name": "b"})
    deck.get("/tasks")
    match = {"method": "POST", "path": "/v2/agents", "body": {"name": "a"}}
    refused = control.call("POST", "/requests/verify", {"match": match, "count": {"exactly": 1}})

    assert (refused.status_code, refused.json["error"]["code"]) == (409, "verification_failed")
    detail = refused.json["error"]["detail"]
    assert (detail["expected"], detail["actual"]) == ({"exactly": 1}, 0)
    assert detail["near_misses"][0] == {"seq": 1, "differs": [{"at": "/body/name", "want": "a", "got": "b"}]}


def test_verification_can_wait_for_a_request_under_way(twin: Twin) -> None:
    late = threading.Timer(0.1, lambda: Deck(twin.client.application.test_client()).get("/agents"))
    late.start()
    assert twin.control.post("/requests/verify", match={"operation": "agents.list"}, wait="10s")["matched"] == 1
    late.join()

    assert twin.control.refusal("/requests/verify", match={"path": "/v2/x"}, wait="20ms")[0] == 409
    none = {"match": {"path": "/v2/x"}, "count": {"at_most": 0}, "wait": "20ms"}
    assert twin.control.post("/requests/verify", **none)["matched"] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"match": {"colour": "red"}}, "unknown_field"),
        ({"match": []}, "unknown_field"),
        ({"count": {}}, "unknown_field"),
        ({"count": {"about": 1}}, "unknown_field"),
        ({"count": {"exactly": "1"}}, "unknown_field"),
        ({"count": 1}, "unknown_field"),
        ({"wait": "1h"}, "invalid_duration"),
        ({"wait": "a while"}, "invalid_duration"),
        ({"patience": 1}, "unknown_field"),
    ],
)
def test_a_verification_that_makes_no_sense_is_refused(control: Control, body: Any, code: str) -> None:
    assert control.refusal("/requests/verify", **body) == (422, code)


def test_a_sequence_is_verified(deck: Deck, control: Control) -> None:
    for path in ("/agents", "/tasks", "/sources", "/agents"):
        deck.get(path)

    def verify(*paths: str, strict: bool = False) -> Any:
        matches = [{"path": f"/v2/{path}"} for path in paths]
        return control.call("POST", "/requests/verify-sequence", {"matches": matches, "strict": strict})

    assert verify("agents", "sources").json == {"matched": 2, "seqs": [1, 3]}
    assert verify("tasks", "sources", "agents", strict=True).json == {"matched": 3, "seqs": [2, 3, 4]}
    assert verify("agents", "sources", strict=True).status_code == 409
    refused = verify("agents", "sources", "tasks").json["error"]
    assert refused["code"] == "verification_failed"
    assert refused["detail"]["found"] == [1, 3]
    assert refused["detail"]["missing"] == {"index": 2, "match": {"path": "/v2/tasks"}}


@pytest.mark.parametrize("body", [{}, {"matches": []}, {"matches": [{"colour": 1}]}, {"matches": [{}], "strict": 1}])
def test_a_sequence_that_makes_no_sense_is_refused(control: Control, body: Any) -> None:
    assert control.refusal("/requests/verify-sequence", **body) == (422, "unknown_field")


# --- traces ------------------------------------------------------------------------------------------------------


def trace_of(control: Control, response: Any) -> Any:
    return control.get(f"/trace/{response.headers['X-Mock-Resolution-Trace']}")


def test_every_vendor_answer_carries_a_trace_of_its_own(twin: Twin) -> None:
    twin.control.post("/faults", status=500, count=1, resource="tasks", operation="list")
    answers = [twin.deck.call("GET", path) for path in ("/agents", "/tasks", "/nowhere")]
    answers += [twin.client.get("/v2/agents"), twin.client.get("/v2/nowhere")]

    traces = [trace_of(twin.control, answer) for answer in answers]
    assert len({trace["id"] for trace in traces}) == 5
    assert [trace["fault"] for trace in traces] == [None, "flt_0001", None, None, None]
    assert traces[0]["request_id"] == answers[0].json["request_id"]
    assert twin.control.call("GET", "/trace/trc_none").status_code == 404


def test_the_trace_of_a_run_grows_until_it_is_over(deck: Deck, control: Control) -> None:
    task = deck.task(output_schema=INVOICE)
    control.pin("output.total", 1.0)
    control.pin("output.total", 2.0, match={"task_id": task["id"]})
    control.pin("branch", "completed")
    called = deck.call("POST", f"/tasks/{task['id']}/run", {"credential_id": deck.credential()["id"]})
    assert trace_of(control, called)["fields"] == []

    control.post("/clock/run-until-idle")
    trace = trace_of(control, called)
    assert trace["branch"] == {"arm": "completed", "source": "pin", "pin_id": "pin_0003", "beat": []}
    assert trace["fields"] == [
        {"path": "output.total", "source": "pin", "pin_id": "pin_0002", "beat": ["pin_0001"]},
        {"path": "output.due", "source": "synth"},
    ]


def test_a_trace_tells_what_the_site_brought(deck: Deck, control: Control) -> None:
    control.site({**KIM, "output": {"total": 3.0, "due": None}})
    run = deck.run(task=deck.task(output_schema=INVOICE))
    control.post("/clock/run-until-idle")
    trace = trace_of(control, deck.call("GET", f"/task-runs/{run['id']}"))

    assert trace["branch"] == {"arm": "completed", "source": "site"}
    assert {row["source"] for row in trace["fields"]} == {"site"}
