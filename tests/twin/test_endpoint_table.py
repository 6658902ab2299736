"""All 43 rows of the endpoint table answer as it says and announce what it says."""

from __future__ import annotations

from typing import Any

import pytest

from webapp.twin.vendor import OPERATIONS

from .planes import CODE, HOOK, KIM, Deck, Twin

TABLE: list[tuple[str, str, Any, int, list[str]]] = [
    ("GET", "/test", None, 200, []),
    ("POST", "/token", {}, 201, []),
    ("POST", "/agents", {"name": "a"}, 201, ["agent.created"]),
    ("GET", "/agents", None, 200, []),
    ("GET", "/agents/{agent}", None, 200, []),
    ("PATCH", "/agents/{agent}", {"name": "b"}, 200, ["agent.updated"]),
    ("DELETE", "/agents/{agent}", None, 200, ["agent.deleted"]),
    ("POST", "/sources", {"type": "website", "website": {"url": "https://a.example"}}, 201, ["source.created"]),
    ("GET", "/sources", None, 200, []),
    ("GET", "/sources/{source}", None, 200, []),
    ("PATCH", "/sources/{source}", {"name": "Bank"}, 200, ["source.updated"]),
    ("DELETE", "/sources/{source}", None, 200, ["source.deleted"]),
    ("POST", "/credentials", {"source_id": "{source}"}, 201, ["credential.created"]),
    ("GET", "/credentials", None, 200, []),
    ("GET", "/credentials/{credential}", None, 200, []),
    ("PATCH", "/credentials/{credential}", {"auth_credentials": {"password": "x"}}, 200, ["credential.unverified"]),
    ("DELETE", "/credentials/{credential}", None, 200, ["credential.deleted"]),
    ("POST", "/tasks", {"name": "t", "agent_id": "{agent}"}, 201, ["task.created"]),
    ("GET", "/tasks", None, 200, []),
    ("GET", "/tasks/{task}", None, 200, []),
    ("PATCH", "/tasks/{task}", {"prompt": "Fetch it."}, 200, ["task.updated"]),
    ("DELETE", "/tasks/{task}", None, 200, ["task.deleted"]),
    ("POST", "/tasks/{task}/reset", None, 200, ["task.reset"]),
    ("POST", "/tasks/{task}/run", {"source_id": "{source}"}, 201, ["session.queued", "task_run.queued"]),
    ("GET", "/task-runs", None, 200, []),
    ("GET", "/task-runs/{run}", None, 200, []),
    ("POST", "/task-runs/{asking}/interaction", {"input": {"code": "123456"}}, 200, ["task_run.running"]),
    ("POST", "/task-runs/{asking}/cancel", None, 200, ["task_run.canceling"]),
    ("GET", "/task-runs/{run}/storage", None, 200, []),
    ("GET", "/task-runs/{run}/screenshots", None, 200, []),
    ("GET", "/sessions", None, 200, []),
    ("GET", "/sessions/{session}", None, 200, []),
    ("POST", "/sessions/{session}/end", None, 200, ["session.completing", "session.completed"]),
    ("GET", "/storage/{storage}", None, 200, []),
    ("GET", "/events", None, 200, []),
    ("GET", "/events/{event}", None, 200, []),
    ("GET", "/event-types", None, 200, []),
    (
        "POST",
        "/event-destinations",
        {"name": "d", "webhook": {"url": HOOK}},
        201,
        ["event_destination.activated"],
    ),
    ("GET", "/event-destinations", None, 200, []),
    ("GET", "/event-destinations/{destination}", None, 200, []),
    ("PATCH", "/event-destinations/{destination}", {"status": "inactive"}, 200, ["event_destination.deactivated"]),
    ("DELETE", "/event-destinations/{destination}", None, 200, []),
    ("GET", "/event-destinations/{destination}/event-deliveries", None, 200, []),
]


@pytest.fixture
def ids(twin: Twin) -> dict[str, str]:
    """One of everything: a finished run with a file, one that asks, an idle session, a verified credential."""
    deck, control = twin.deck, twin.control
    control.site({**KIM, "files": [{"file_name": "a.txt", "content": "a"}]})
    task = deck.task(storage={"enabled": True})
    credential = deck.credential()
    run = deck.run(task=task, credential=credential)
    control.until("session.idle")
    control.site({**KIM, "asks": [CODE]})
    asking = deck.run(task=task, credential=credential)
    control.until("task_run.interaction_required")
    (file,) = deck.get(f"/task-runs/{run['id']}/storage")["data"]
    return {
        "agent": task["agent_id"],
        "source": credential["source_id"],
        "credential": credential["id"],
        "task": task["id"],
        "run": run["id"],
        "asking": asking["id"],
        "session": run["session_id"],
        "storage": file["id"],
        "event": deck.get("/events")["data"][0]["id"],
        "destination": deck.destination()["id"],
    }


def filled(body: Any, ids: dict[str, str]) -> Any:
    return {k: v.format(**ids) if isinstance(v, str) else v for k, v in body.items()} if body else body


def test_the_table_is_complete() -> None:
    ours = {(op.method, op.path.count("/"), op.path.split("/")[1], op.path.split("/")[-1]) for op in OPERATIONS}
    table = {
        (method, path.count("/"), path.split("/")[1], "<id>" if path.endswith("}") else path.split("/")[-1])
        for method, path, *_ in TABLE
    }

    assert len(TABLE) == len(OPERATIONS) == 43
    assert ours == table


@pytest.mark.parametrize(("method", "path", "body", "status", "announced"), TABLE, ids=lambda v: str(v)[:50])
def test_a_row(
    twin: Twin, ids: dict[str, str], method: str, path: str, body: Any, status: int, announced: list[str]
) -> None:
    before = len(twin.control.events(limit=1000))

    response = twin.deck.call(method, path.format(**ids), filled(body, ids))

    assert response.status_code == status, response.text
    assert response.json["request_id"].startswith("req_") or path == "/events/{event}"
    assert twin.control.events(limit=1000)[before:] == announced
    if method == "DELETE":
        word = {"destination": "event_destination"}.get(path.split("{")[1][:-1], path.split("{")[1][:-1])
        (id,) = [ids[name] for name in ids if f"{{{name}}}" in path]
        assert {k: v for k, v in response.json.items() if k != "request_id"} == {
            "id": id,
            "object": word,
            "deleted": True,
        }


@pytest.mark.parametrize("row", [row for row in TABLE if "{" in row[1]], ids=lambda row: f"{row[0]} {row[1]}")
def test_what_is_not_there_is_a_404_that_names_its_kind(deck: Deck, row: tuple[str, str, Any, int, list[str]]) -> None:
    method, path, body, *_ = row
    named = path.split("{")[1].split("}")[0]
    kind = {"run": "task_run", "asking": "task_run", "destination": "event_destination"}.get(named, named)

    response = deck.call(method, path.replace(f"{{{named}}}", "none"), body)

    assert response.status_code == 404
    (error,) = response.json["errors"]
    assert (error["type"], error["code"]) == ("request", f"{kind}_not_found")
