"""Objects that were there before the story began."""

from __future__ import annotations

import pytest

from .planes import KIM, Control, Deck

HISTORY = {
    "agents": [{"id": "agt_TkKr", "name": "Billing"}],
    "sources": [{"id": "src_Acme01", "website": {"url": "https://bank.example"}}],
    "credentials": [{"id": "cred_Kim1", "source_id": "src_Acme01", "status": "verified", "external_id": "u-1"}],
    "tasks": [{"id": "task_P8TAk2", "agent_id": "agt_TkKr", "name": "Fetch bill", "status": "live"}],
}


def test_seeded_objects_are_there_and_nothing_happened(deck: Deck, control: Control) -> None:
    deck.destination()
    before = control.events()
    seeded = control.post("/seed", objects=HISTORY)

    assert seeded["inserted"] == {"agents": 1, "sources": 1, "credentials": 1, "tasks": 1}
    assert seeded["ids"]["tasks"] == ["task_P8TAk2"]
    task = deck.get("/tasks/task_P8TAk2")
    assert (task["object"], task["status"], task["prompt"]) == ("task", "live", None)
    assert task["created_at"] == control.get("/clock")["now"]
    assert deck.get("/agents/agt_TkKr")["tasks"][0]["id"] == "task_P8TAk2"
    assert control.events() == before
    run = deck.run(task=task, credential={"id": "cred_Kim1"})
    control.until("task_run.completed", id=run["id"])


def test_a_seed_is_all_or_nothing(deck: Deck, control: Control) -> None:
    objects = {"agents": [{"id": "agt_TkKr", "name": "a"}], "tasks": [{"id": "task_1234", "agent_id": "agt_none"}]}

    assert control.refusal("/seed", objects=objects) == (422, "dangling_reference")
    assert deck.get("/agents")["data"] == []
    assert control.post("/seed", objects=objects, references="ignore")["inserted"] == {"agents": 1, "tasks": 1}


@pytest.mark.parametrize("id", ["nope_1", "agt_", "agt_a", "agt_has/slash", "agt_" + "x" * 33, 7])
def test_a_seeded_id_looks_like_one_of_decks(control: Control, id: object) -> None:
    assert control.refusal("/seed", resource="agents", objects=[{"id": id}]) == (422, "invalid_seed_id")


def test_what_is_there_is_replaced_only_on_request(deck: Deck, control: Control) -> None:
    one = {"resource": "agents", "objects": [{"id": "agt_TkKr", "name": "one"}]}
    two = {"resource": "agents", "objects": [{"id": "agt_TkKr", "name": "two"}]}
    control.post("/seed", **one)

    assert control.refusal("/seed", **two) == (409, "seed_conflict")
    control.post("/seed", **two, mode="upsert")
    assert deck.get("/agents/agt_TkKr")["name"] == "two"
    twice = [{"id": "agt_twice"}, {"id": "agt_twice"}]
    assert control.refusal("/seed", resource="agents", objects=twice) == (409, "seed_conflict")


def test_a_seeded_sign_in_is_kept_and_hidden(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = {**HISTORY["credentials"][0], "auth_method": "username_password", "auth_credentials": dict(KIM)}
    control.post("/seed", objects={**HISTORY, "credentials": [credential]})

    assert KIM["password"] not in control.call("GET", "/state").text
    run = deck.run(task={"id": "task_P8TAk2"}, credential=credential)
    control.until("task_run.completed", id=run["id"])


def test_seeded_times_must_be_times(control: Control) -> None:
    agent = {"id": "agt_TkKr", "created_at": "yesterday"}
    assert control.refusal("/seed", resource="agents", objects=[agent]) == (422, "invalid_time")


def test_a_seeded_run_can_be_cancelled_and_answered(deck: Deck, control: Control) -> None:
    question = {"type": "mfa", "message": "?", "fields": [{"name": "code", "type": "string", "label": ""}]}
    runs = [
        {"id": "trun_working", "task_id": "task_P8TAk2", "status": "running"},
        {"id": "trun_paused", "task_id": "task_P8TAk2", "status": "interaction_required", "interaction": question},
    ]
    control.post("/seed", objects={**HISTORY, "task_runs": runs})
    deck.post("/task-runs/trun_working/cancel")
    assert deck.answer({"id": "trun_paused"}, code="1").status_code == 200
    control.post("/clock/run-until-idle")

    assert deck.get("/task-runs/trun_working")["status"] == "canceled"
    assert deck.get("/task-runs/trun_paused")["status"] == "completed"


def test_the_state_can_be_looked_at(deck: Deck, control: Control) -> None:
    agent = deck.post("/agents", {"name": "a"})

    state = control.get("/state", resource="agents")

    assert state["counts"] == {"agents": 1}
    assert [item["id"] for item in state["data"]["agents"]] == [agent["id"]]
    assert set(control.get("/state")["counts"]) > {"agents", "task_runs", "events"}
    assert control.call("GET", "/state", resource="toasters").status_code == 404
