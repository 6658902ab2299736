"""How Deck refuses: 401, the empty 404, the envelope and the 400 that looks like nothing else."""

from __future__ import annotations

import pytest

from webapp.twin.world import ADMIN_KEY, API_KEY

from .planes import Control, Deck, Twin

OPENAPI_PROBLEM = "https://tools.ietf.org/html/rfc9110#section-15.5.1"


def test_the_key_check_says_ready(deck: Deck) -> None:
    ready = deck.get("/test")

    assert (ready["status"], ready["environment"]) == ("ready", "live")
    assert ready["request_id"].startswith("req_")


@pytest.mark.parametrize("sent", [None, "Bearer sk_live_wrong", f"Bearer {ADMIN_KEY}", API_KEY, "Bearer "])
def test_a_bad_key_is_refused_as_a_request_error(twin: Twin, sent: str | None) -> None:
    response = twin.client.get("/v2/test", headers={"Authorization": sent} if sent else {})

    assert response.status_code == 401
    assert response.content_type == "application/json; charset=utf-8"
    (error,) = response.json["errors"]
    assert error == {
        "type": "request",
        "code": "api_key_invalid",
        "message": "The API key is not valid.",
        "field": None,
    }
    assert response.json["request_id"].startswith("req_")


def test_a_bad_key_is_noticed_before_anything_else(twin: Twin) -> None:
    over_long = {"Idempotency-Key": "k" * 300}

    assert twin.client.post("/v2/agents", data="{", headers=over_long).status_code == 401
    assert twin.client.get("/v2/no-such-thing").status_code == 401


def test_an_unknown_route_is_a_404_with_no_body(deck: Deck) -> None:
    response = deck.call("GET", "/no-such-thing")

    assert (response.status_code, response.data) == (404, b"")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/agents/agt_none", "agent_not_found"),
        ("/sources/src_none", "source_not_found"),
        ("/credentials/cred_none", "credential_not_found"),
        ("/tasks/task_none", "task_not_found"),
        ("/task-runs/trun_none", "task_run_not_found"),
        ("/task-runs/trun_none/storage", "task_run_not_found"),
        ("/sessions/sess_none", "session_not_found"),
        ("/storage/stor_none", "storage_not_found"),
        ("/events/evt_none", "event_not_found"),
        ("/event-destinations/evtd_none", "event_destination_not_found"),
        ("/event-destinations/evtd_none/event-deliveries", "event_destination_not_found"),
    ],
)
def test_what_is_not_there_is_named(deck: Deck, path: str, code: str) -> None:
    response = deck.call("GET", path)

    assert response.status_code == 404
    assert (response.json["errors"][0]["type"], response.json["errors"][0]["code"]) == ("request", code)


def test_a_missing_field_is_a_map_of_paths_not_an_envelope(deck: Deck) -> None:
    response = deck.call("POST", "/agents", {})

    assert response.status_code == 400
    body = response.json
    assert set(body) == {"type", "title", "status", "errors", "traceId"}
    assert (body["type"], body["title"], body["status"]) == (OPENAPI_PROBLEM, "Invalid input", 400)
    assert body["errors"] == {"name": ["The name field is required."]}
    version, trace, span, flags = body["traceId"].split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "00")


def test_all_complaints_come_at_once_with_dotted_paths(deck: Deck) -> None:
    body = {"auth_method": "username_password", "auth_credentials": {"username": ""}}

    errors = deck.call("POST", "/credentials", body).json["errors"]

    assert set(errors) == {"source_id", "auth_credentials.username", "auth_credentials.password"}
    assert all(isinstance(texts, list) for texts in errors.values())


@pytest.mark.parametrize(
    "sent",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"name": NaN}', b'{"name": "a", "x": 1e999}'],
)
def test_a_body_that_is_not_a_json_object_is_a_400(twin: Twin, sent: bytes) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}

    response = twin.client.post("/v2/agents", data=sent, headers=headers)

    assert response.status_code == 400
    assert list(response.json["errors"]) == ["$"]


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("/agents", {"name": 7}, "name"),
        ("/agents", {"name": "a", "description": ["x"]}, "description"),
        ("/agents", {"name": "x" * 10_001}, "name"),
        ("/sources", {"website": {"url": "https://bank.example"}}, "type"),
        ("/sources", {"type": "fax", "website": {"url": "https://bank.example"}}, "type"),
        ("/sources", {"type": "website"}, "website"),
        ("/sources", {"type": "website", "website": "https://bank.example"}, "website"),
        ("/tasks", {"name": "t", "agent_id": "agt_x", "extraction": "yes"}, "extraction"),
        ("/tasks", {"name": "t"}, "agent_id"),
        ("/credentials", {"source_id": "src_x", "auth_method": "retina"}, "auth_method"),
        ("/credentials", {"source_id": "src_x", "auth_method": "username_password"}, "auth_credentials"),
    ],
)
def test_a_field_has_its_type(deck: Deck, path: str, body: dict[str, object], complaint: str) -> None:
    response = deck.call("POST", path, body)

    assert response.status_code == 400
    assert list(response.json["errors"]) == [complaint]


def test_half_a_character_is_not_stored(twin: Twin, deck: Deck) -> None:
    """A lone surrogate would be accepted by Python's parser and then break every answer that shows it."""
    response = twin.client.post(
        "/v2/agents", data=b'{"name": "\\ud800"}', headers={"Authorization": f"Bearer {API_KEY}"}
    )

    assert response.status_code == 400
    assert deck.get("/agents")["data"] == []


def test_input_that_does_not_fit_the_schema_names_the_input_field(deck: Deck) -> None:
    schema = {
        "type": "object",
        "required": ["month", "it's late"],
        "properties": {"price": {"type": "number"}, "lines": {"type": "array", "items": {"type": "string"}}},
    }
    task, credential = deck.task(input_schema=schema), deck.credential()

    def complaints(body: dict[str, object]) -> dict[str, list[str]]:
        response = deck.call("POST", f"/tasks/{task['id']}/run", {"credential_id": credential["id"], **body})
        assert response.status_code == 400
        return dict(response.json["errors"])

    wrong = complaints({"input": {"price": "ten", "lines": ["a", 2], "month": "May", "it's late": True}})
    assert set(wrong) == {"input.price", "input.lines.1"}
    assert set(complaints({})) == {"input.month", "input.it's late"}
    assert deck.get("/task-runs")["data"] == []


def test_a_run_needs_a_credential_or_a_source(deck: Deck) -> None:
    response = deck.call("POST", f"/tasks/{deck.task()['id']}/run", {})

    assert response.status_code == 400
    assert list(response.json["errors"]) == ["source_id"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"credential_id": "cred_none"}, "credential_not_found"),
        ({"source_id": "src_none"}, "source_not_found"),
    ],
)
def test_a_run_needs_what_exists(deck: Deck, body: dict[str, str], code: str) -> None:
    response = deck.call("POST", f"/tasks/{deck.task()['id']}/run", body)

    assert (response.status_code, response.json["errors"][0]["code"]) == (404, code)


@pytest.mark.parametrize("url", ["", "bank", "ftp://bank.example", "http://", "http://[", 7, None])
def test_a_source_needs_a_web_address(deck: Deck, url: object) -> None:
    response = deck.call("POST", "/sources", {"type": "website", "website": {"url": url}})

    assert response.status_code == 400
    (error,) = response.json["errors"]
    assert (error["type"], error["code"], error["field"]) == ("source", "source_invalid", "website.url")


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "5m", True, 10**12])
def test_a_timeout_is_a_whole_number_of_seconds(deck: Deck, seconds: object) -> None:
    agent = deck.post("/agents", {"name": "a"})
    body = {"name": "t", "agent_id": agent["id"], "settings": {"timeout_seconds": seconds}}

    response = deck.call("POST", "/tasks", body)

    assert response.status_code == 400
    assert list(response.json["errors"]) == ["settings.timeout_seconds"]


def test_a_schema_that_is_none_is_refused(deck: Deck) -> None:
    agent = deck.post("/agents", {"name": "a"})
    body = {"name": "t", "agent_id": agent["id"], "output_schema": {"type": "nonsense"}}

    assert list(deck.call("POST", "/tasks", body).json["errors"]) == ["output_schema"]


def test_a_full_plan_refuses_runs_for_a_while(deck: Deck, control: Control) -> None:
    control.site(refuses_runs=1)
    task, credential = deck.task(), deck.credential()
    run = {"credential_id": credential["id"]}

    response = deck.call("POST", f"/tasks/{task['id']}/run", run, key="k")

    assert response.status_code == 429
    (error,) = response.json["errors"]
    assert (error["type"], error["code"]) == ("rate_limit", "session_limit_exceeded")
    assert deck.post(f"/tasks/{task['id']}/run", run, key="k")["status"] == "queued"


def test_every_single_answer_carries_its_own_request_id(deck: Deck) -> None:
    agent = deck.post("/agents", {"name": "a"})
    seen = [agent["request_id"], deck.get(f"/agents/{agent['id']}")["request_id"], deck.get("/agents")["request_id"]]

    assert len(set(seen)) == 3
    assert all(len(id) == len("req_") + 12 for id in seen)


def test_the_control_plane_has_its_own_key_and_its_own_errors(twin: Twin, control: Control) -> None:
    wrong = twin.client.get("/__admin__/clock", headers={"Authorization": f"Bearer {API_KEY}"})
    assert wrong.status_code == 401
    assert wrong.json["error"]["code"] == "unauthorized"

    unknown = control.call("GET", "/nothing")
    assert unknown.status_code == 404
    assert set(unknown.json["error"]) == {"code", "message", "hint"}
    assert unknown.headers["X-Twin-Control-Version"] == "1"

    not_json = twin.client.post("/__admin__/seed", data="{", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert (not_json.status_code, not_json.json["error"]["code"]) == (400, "not_json")


def test_the_twin_says_it_is_up_without_a_key(twin: Twin) -> None:
    response = twin.client.get("/__admin__/health")

    assert (response.status_code, response.json) == (200, {"ok": True, "epoch": 1})


def test_the_control_plane_tells_what_it_can_do(control: Control) -> None:
    known = control.get("/")

    operations = {f"{op['resource']}.{op['operation']}": (op["method"], op["path"]) for op in known["operations"]}
    assert operations["task_runs.create"] == ("POST", "/v2/tasks/{id}/run")
    assert "output" in known["kinds"]["task_run"]["paths"]
    assert "auth_invalid" in known["kinds"]["task_run"]["arms"]
    assert "sk_live" not in str(known)
    assert "twa_" not in str(known)
