"""Worlds that begin in the middle: objects that name each other, and work that goes on."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import CODE, KIM, Control, Deck, Twin

BASICS = {
    "agents": [{"id": "agt_TkKr", "name": "Billing"}],
    "sources": [{"id": "src_Acme01", "website": {"url": "https://bank.example"}}],
    "credentials": [{"id": "cred_Kim1", "source_id": "src_Acme01"}],
    "tasks": [{"id": "task_P8TAk2", "agent_id": "agt_TkKr", "name": "Fetch bill"}],
    "sessions": [{"id": "sess_Kim1", "status": "running"}],
}
RUN = {"id": "trun_Kim1", "task_id": "task_P8TAk2", "credential_id": "cred_Kim1", "session_id": "sess_Kim1"}
FILE = {"id": "stor_Bill", "file_name": "bill.txt", "file_type": "text/plain", "task_run_id": "trun_Kim1"}


def under_way(control: Control, status: str, **fields: Any) -> Any:
    """The basics and Kim's run in *status*, resumed."""
    return control.post("/seed", objects={**BASICS, "task_runs": [{**RUN, "status": status, **fields}]}, resume=True)


@pytest.mark.parametrize(
    ("status", "end", "first"),
    [
        ("queued", "completed", "task_run.running"),
        ("running", "completed", "credential.verified"),
        ("review_required", "completed", "task_run.completed"),
        ("cancelling", "canceled", "task_run.canceled"),
        ("interaction_required", "failed", "task_run.failed"),
    ],
)
def test_a_run_that_is_resumed_goes_on_from_where_it_is(
    deck: Deck, control: Control, status: str, end: str, first: str
) -> None:
    under_way(control, status)
    assert control.events() == []
    assert deck.see(RUN)["status"] == status
    control.post("/clock/run-until-idle", max="48h")

    assert deck.see(RUN)["status"] == end
    assert control.events()[0] == first
    assert deck.get("/sessions/sess_Kim1")["status"] == "completed"


@pytest.mark.parametrize("status", ["queued", "running", "review_required", "cancelling", "interaction_required"])
def test_a_run_that_is_not_resumed_stays_as_it_is(deck: Deck, control: Control, status: str) -> None:
    control.post("/seed", objects={**BASICS, "task_runs": [{**RUN, "status": status}]})
    control.post("/clock/run-until-idle", max="48h")

    assert deck.see(RUN)["status"] == status
    assert control.events() == []


def test_a_resumed_question_wants_the_right_answer(deck: Deck, control: Control) -> None:
    under_way(control, "interaction_required", interaction=CODE)
    assert set(deck.see(RUN)["interaction"]) == {"type", "message", "fields"}
    assert "123456" not in control.call("GET", "/state").text

    deck.answer(RUN, code="000000")
    control.until("task_run.interaction_required")
    deck.answer(RUN, code="123456")
    control.until("task_run.completed")


def test_a_resumed_run_signs_in_at_its_site_and_binds_its_pins(deck: Deck, control: Control) -> None:
    control.site({**KIM, "branch": "blocked"})
    secret = {"username": KIM["username"], "password": KIM["password"]}
    kim = {**BASICS["credentials"][0], "auth_method": "username_password", "auth_credentials": secret}
    control.post(
        "/seed",
        objects={**BASICS, "credentials": [kim], "task_runs": [{**RUN, "status": "running"}]},
        resume=True,
    )
    control.until("task_run.failed")
    assert deck.see(RUN)["errors"][0]["code"] == "blocked"


def test_the_timeout_of_a_resumed_run_counts_from_when_it_was_created(deck: Deck, control: Control) -> None:
    control.pin("branch", "timeout")
    under_way(control, "running", created_at="2024-12-31T23:40:00Z", runtime_ms=1_000_000)
    control.advance("9m")
    assert deck.see(RUN)["status"] == "running"
    control.advance("1m")

    run = deck.see(RUN)
    assert (run["errors"][0]["code"], run["runtime_ms"]) == ("timeout", 1_600_000)


def test_a_resumed_run_without_a_session_gets_one(deck: Deck, control: Control) -> None:
    objects = {**BASICS, "task_runs": [{**RUN, "session_id": None, "status": "queued"}]}
    control.post("/seed", objects=objects, resume=True)
    assert control.events() == []
    control.until("task_run.completed")

    session = deck.get(f"/sessions/{deck.see(RUN)['session_id']}")
    assert [link["id"] for link in session["task_runs"]] == [RUN["id"]]


def test_an_idle_session_that_is_resumed_closes_in_time(deck: Deck, control: Control) -> None:
    idle = {"id": "sess_Kim1", "status": "idle", "updated_at": "2024-12-31T23:55:00Z"}
    control.post("/seed", resource="sessions", objects=[idle], resume=True)
    control.advance("4m")
    assert deck.get("/sessions/sess_Kim1")["status"] == "idle"
    control.advance("1m")
    assert deck.get("/sessions/sess_Kim1")["status"] == "completed"


def test_a_run_that_is_replaced_waits_for_nothing_any_more(deck: Deck, control: Control) -> None:
    under_way(control, "running")
    control.post("/seed", resource="task_runs", objects=[{**RUN, "status": "running"}], mode="upsert")
    control.post("/clock/run-until-idle")

    assert deck.see(RUN)["status"] == "running"


# --- who belongs to whom -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["task_id", "agent_id", "credential_id", "source_id", "session_id"])
def test_a_run_names_only_what_is_there(deck: Deck, control: Control, key: str) -> None:
    run = {**RUN, key: "task_none" if key == "task_id" else "none_none"}

    assert control.refusal("/seed", objects={**BASICS, "task_runs": [run]}) == (422, "dangling_reference")
    assert deck.get("/agents")["data"] == []
    control.post("/seed", objects={**BASICS, "task_runs": [run]}, references="ignore")


def test_the_id_of_another_kind_is_no_reference(control: Control) -> None:
    run = {**RUN, "source_id": "cred_Kim1"}
    assert control.refusal("/seed", objects={**BASICS, "task_runs": [run]}) == (422, "dangling_reference")


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("sessions", {"id": "sess_Kim2", "task_runs": [{"id": "trun_none"}]}),
        ("task_runs", {**RUN, "storage": [{"id": "stor_none"}]}),
        ("storage", {**FILE, "task_run_id": "trun_none"}),
    ],
)
def test_children_have_to_be_there_too(control: Control, kind: str, item: dict[str, Any]) -> None:
    control.post("/seed", objects=BASICS)
    assert control.refusal("/seed", resource=kind, objects=[item]) == (422, "dangling_reference")


def test_a_seeded_family_knows_itself_from_both_sides(twin: Twin) -> None:
    deck = twin.deck
    file = {**FILE, "content": "Zażółć", "extraction": {"total": 1}}
    twin.control.post("/seed", objects={**BASICS, "task_runs": [{**RUN, "status": "completed"}], "storage": [file]})

    run = deck.see(RUN, "storage")
    assert (run["agent_id"], run["source_id"]) == ("agt_TkKr", "src_Acme01")
    assert [(f["id"], f["file_size"], f["extraction"]) for f in run["storage"]] == [("stor_Bill", 10, {"total": 1})]
    assert twin.client.get(run["storage"][0]["url"]).text == "Zażółć"
    assert [link["id"] for link in deck.get("/sessions/sess_Kim1")["task_runs"]] == [RUN["id"]]
    assert deck.get("/agents/agt_TkKr")["tasks"][0]["id"] == "task_P8TAk2"


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("tasks", {**BASICS["tasks"][0], "output_schema": {"type": "sack"}}),
        ("tasks", {**BASICS["tasks"][0], "input_schema": {"$ref": "#/nowhere"}}),
        ("storage", {**FILE, "content_base64": "%"}),
        ("task_runs", {**RUN, "interaction": {"type": "mfa"}}),
    ],
)
def test_a_seed_that_would_fail_in_the_middle_of_a_run_is_refused(
    control: Control, kind: str, item: dict[str, Any]
) -> None:
    assert control.refusal("/seed", resource=kind, objects=[item], references="ignore")[0] == 422


@pytest.mark.parametrize("wrong", [{"references": "some"}, {"resume": "yes"}, {"resmue": True}])
def test_a_misspelt_wish_is_refused(control: Control, wrong: dict[str, Any]) -> None:
    assert control.refusal("/seed", objects=BASICS, **wrong) == (422, "unknown_field")
