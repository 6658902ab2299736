"""Deck's lists: newest first, paged by cursor, lenient about nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .planes import Control, Deck, Twin


def agents(deck: Deck, count: int) -> list[str]:
    """Ids of new agents, newest first."""
    return [deck.post("/agents", {"name": f"agent {n}"})["id"] for n in range(count)][::-1]


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["data"]]


def pages(deck: Deck, path: str, **query: Any) -> Iterator[Any]:
    """Every page, the way Deck's documents tell clients to read a list."""
    page = deck.get(path, **query)
    yield page
    while page["has_more"]:
        page = deck.get(path, cursor=page["next_cursor"], **query)
        yield page


def test_a_list_is_an_envelope_and_its_items_have_no_request_id(deck: Deck) -> None:
    newest_first = agents(deck, 2)

    page = deck.get("/agents")

    assert set(page) == {"data", "has_more", "next_cursor", "request_id"}
    assert (page["has_more"], page["next_cursor"]) == (False, None)
    assert ids(page) == newest_first
    assert all("request_id" not in agent for agent in page["data"])


def test_an_empty_list_is_still_a_list(deck: Deck) -> None:
    page = deck.get("/task-runs")

    assert (page["data"], page["has_more"], page["next_cursor"]) == ([], False, None)


@pytest.mark.parametrize("casing", ["limit", "Limit", "LIMIT"])
def test_the_page_size_may_be_written_in_any_case(deck: Deck, casing: str) -> None:
    newest_first = agents(deck, 3)

    page = deck.get("/agents", **{casing: 2})

    assert ids(page) == newest_first[:2]
    assert page["has_more"] is True


def test_a_page_has_20_items_unless_asked_and_never_more_than_100(deck: Deck) -> None:
    agents(deck, 101)

    for limit, shown in [(None, 20), (1000, 100), (0, 20), (-3, 20), ("many", 20), ("²", 20), (101, 100), (1, 1)]:
        page = deck.get("/agents", **({} if limit is None else {"limit": limit}))
        assert len(page["data"]) == shown, limit


@given(count=st.integers(0, 12), limit=st.integers(1, 13))
@settings(max_examples=15, deadline=None)
def test_following_the_cursor_shows_everything_once(count: int, limit: int) -> None:
    deck = Twin().deck
    newest_first = agents(deck, count)

    read = list(pages(deck, "/agents", limit=limit))

    assert [id for page in read for id in ids(page)] == newest_first
    assert all(len(page["data"]) == limit for page in read[:-1])


def test_what_is_created_meanwhile_does_not_shift_the_pages(deck: Deck) -> None:
    newest_first = agents(deck, 4)
    first = deck.get("/agents", limit=2)
    agents(deck, 3)

    assert ids(deck.get("/agents", limit=2, cursor=first["next_cursor"])) == newest_first[2:]


def test_a_cursor_stays_good_when_its_row_leaves_the_list(deck: Deck, control: Control) -> None:
    task, credential = deck.task(), deck.credential()
    newest_first = [deck.run(task=task, credential=credential)["id"] for _ in range(4)][::-1]
    first = deck.get("/task-runs", status="queued", limit=2)
    deck.post(f"/task-runs/{newest_first[1]}/cancel")

    rest = deck.get("/task-runs", status="queued", limit=2, cursor=first["next_cursor"])

    assert ids(rest) == newest_first[2:]


def test_the_older_parameters_page_by_id_both_ways(deck: Deck) -> None:
    a, b, c, d, e = agents(deck, 5)

    assert ids(deck.get("/agents", starting_after=b, limit=2)) == [c, d]
    forth = deck.get("/agents", ending_before=d, limit=2)
    assert (ids(forth), forth["has_more"]) == ([b, c], True)
    back = deck.get("/agents", ending_before=c, limit=5)
    assert (ids(back), back["has_more"]) == ([a, b], False)
    assert ids(deck.get("/agents", ending_before=a)) == []
    assert ids(deck.get("/agents", starting_after=e)) == []


@pytest.mark.parametrize("cursor", ["nonsense", "e30=", "W10=", "é", "////", "bnVsbA=="])
def test_a_made_up_cursor_starts_at_the_beginning(deck: Deck, cursor: str) -> None:
    newest_first = agents(deck, 2)

    assert ids(deck.get("/agents", cursor=cursor)) == newest_first


def test_seeded_history_is_listed_by_its_own_dates(deck: Deck, control: Control) -> None:
    (now,) = agents(deck, 1)
    control.post(
        "/seed",
        resource="agents",
        objects=[
            {"id": "agt_older", "name": "older", "created_at": "2024-03-01T00:00:00Z"},
            {"id": "agt_newer", "name": "newer", "created_at": "2024-05-01T02:00:00+02:00"},
        ],
    )

    page = deck.get("/agents")

    assert ids(page) == [now, "agt_newer", "agt_older"]
    assert page["data"][1]["created_at"] == "2024-05-01T00:00:00.000Z"


@pytest.fixture
def mixed(deck: Deck, control: Control) -> dict[str, str]:
    """Ids of a completed, a failed, a canceled and a queued run, each for another credential."""
    control.pin("branch", values=["completed", "failed"])
    task, runs = deck.task(), {}
    for name in ("completed", "failed"):
        runs[name] = deck.run(task=task)["id"]
        control.until(f"task_run.{name}", id=runs[name])
    runs["canceled"] = deck.run(task=task)["id"]
    deck.post(f"/task-runs/{runs['canceled']}/cancel")
    control.until("task_run.canceled")
    runs["queued"] = deck.run(task=task)["id"]
    return runs


def test_runs_are_found_by_status_and_outcome(deck: Deck, mixed: dict[str, str]) -> None:
    def found(**query: Any) -> list[str]:
        names = {id: name for name, id in mixed.items()}
        return [names[id] for id in ids(deck.get("/task-runs", **query))]

    assert found() == ["queued", "canceled", "failed", "completed"]
    assert found(status="failed") == ["failed"]
    assert found(status=["failed", "queued"]) == ["queued", "failed"]  # repeated
    assert found(status="failed,queued") == ["queued", "failed"]  # joined by a comma
    assert found(**{"status[]": ["failed", "queued"]}) == ["queued", "failed"]
    assert found(outcome=["success", "unknown"]) == ["canceled", "completed"]
    assert found(status="failed", outcome="success") == []


def test_runs_are_found_by_what_they_belong_to(deck: Deck, mixed: dict[str, str]) -> None:
    run = deck.get(f"/task-runs/{mixed['failed']}")

    for name in ("credential_id", "source_id"):
        assert ids(deck.get("/task-runs", **{name: run[name]})) == [run["id"]]
    for name in ("task_id", "agent_id"):
        assert len(deck.get("/task-runs", **{name: run[name]})["data"]) == 4
        assert deck.get("/task-runs", **{name: "other"})["data"] == []


def test_runs_are_found_by_when_they_were_created(deck: Deck, mixed: dict[str, str]) -> None:
    at = deck.get(f"/task-runs/{mixed['failed']}")["created_at"]

    assert ids(deck.get("/task-runs", created_after=at)) == [mixed["queued"], mixed["canceled"]]
    assert ids(deck.get("/task-runs", created_before=at)) == [mixed["completed"]]
    for odd in ("yesterday", "0001-01-01T00:00:00+05:00", "2025-01-01"):
        assert len(deck.get("/task-runs", created_after=odd)["data"]) == 4


def test_both_spellings_find_a_run_on_its_way_out(deck: Deck) -> None:
    run = deck.run()
    assert deck.post(f"/task-runs/{run['id']}/cancel")["status"] == "cancelling"

    for spelling in ("cancelling", "canceling"):
        assert ids(deck.get("/task-runs", status=spelling)) == [run["id"]]


def test_credentials_are_found_by_your_own_id(deck: Deck) -> None:
    source = deck.source()
    kim = deck.credential(source, external_id="acme,user 7")
    deck.credential(source, external_id="acme")
    elsewhere = deck.credential(external_id="acme,user 7")

    assert ids(deck.get("/credentials", external_id="acme,user 7")) == [elsewhere["id"], kim["id"]]
    assert ids(deck.get("/credentials", external_id="acme,user 7", source_id=source["id"])) == [kim["id"]]
    assert ids(deck.get("/credentials", external_id="nobody")) == []


def test_tasks_are_found_by_agent(deck: Deck) -> None:
    first, second = deck.task(), deck.task()

    assert ids(deck.get("/tasks", agent_id=second["agent_id"])) == [second["id"]]
    assert ids(deck.get("/tasks", status="learning")) == [second["id"], first["id"]]
    assert ids(deck.get("/tasks", status="live")) == []


def test_events_are_found_by_type_and_time(deck: Deck) -> None:
    deck.source()
    deck.post("/agents", {"name": "a"})
    (agent_created,) = deck.get("/events", type="agent.created")["data"]

    assert len(deck.get("/events", type=["agent.created", "source.created"])["data"]) == 2
    assert ids(deck.get("/events", created_before=agent_created["created_at"], type="agent.created")) == []
    assert ids(deck.get("/events"))[0] == agent_created["id"]


def test_only_the_event_types_are_not_paged(deck: Deck) -> None:
    types = deck.get("/event-types", limit=2)

    assert set(types) == {"data", "request_id"}
    assert len(types["data"]) == 33
    assert "task_run.canceling" in [kind["type"] for kind in types["data"]]


def test_a_list_by_filters_keeps_up_with_what_becomes_of_runs(deck: Deck, control: Control) -> None:
    """It is read from notes that are taken as it is asked for: they must never be behind."""
    task, credential = deck.task(), deck.credential()

    def found(**query: Any) -> list[str]:
        return ids(deck.get("/task-runs", task_id=task["id"], **query))

    first = deck.run(task=task, credential=credential)["id"]
    assert (found(status="queued"), found(status="completed")) == ([first], [])
    second = deck.run(task=task, credential=credential)["id"]
    assert found(status="queued") == [second, first]
    control.advance("1s")
    assert (found(status="queued"), found(status="running")) == ([], [second, first])
    deck.post(f"/task-runs/{first}/cancel")
    control.post("/clock/run-until-idle")
    assert (found(outcome="success"), found(outcome="unknown"), found(status="running")) == ([second], [first], [])

    seeded = {"id": "trun_older", "task_id": task["id"], "status": "failed", "created_at": "2024-03-01T00:00:00Z"}
    control.post("/seed", resource="task_runs", objects=[seeded])
    assert found() == [second, first, "trun_older"]
    assert found(status="failed") == ["trun_older"]
    control.post("/seed", resource="task_runs", objects=[{**seeded, "status": "canceled"}], mode="upsert")
    assert (found(status="failed"), found(status="canceled")) == ([], [first, "trun_older"])

    control.post("/snapshots", name="before")
    third = deck.run(task=task, credential=credential)["id"]
    assert found(status="queued") == [third]
    control.post("/snapshots/before/restore")
    assert (found(status="queued"), found()) == ([], [second, first, "trun_older"])
    control.post("/reset")
    assert found(status="completed") == []


def test_events_that_happen_meanwhile_do_not_shift_the_pages(deck: Deck) -> None:
    newest_first = agents(deck, 4)
    first = deck.get("/events", limit=2)
    agents(deck, 3)

    rest = deck.get("/events", limit=2, cursor=first["next_cursor"])

    assert [event["data"]["id"] for event in rest["data"]] == newest_first[2:]
