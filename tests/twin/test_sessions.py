"""Ending sessions, what deleting things does to runs, and what time takes away."""

from __future__ import annotations

import pytest

from .planes import CODE, KIM, Control, Deck, Twin


def code(deck: Deck, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Status and code of a refusal."""
    response = deck.call(method, path, {} if body is None and method == "POST" else body)
    return response.status_code, response.json["errors"][0]["code"]


@pytest.mark.parametrize("after", ["0s", "2s"])
def test_ending_a_session_cancels_what_runs_in_it(deck: Deck, control: Control, after: str) -> None:
    run = deck.run()
    control.advance(after)
    seen = len(control.events())

    assert deck.post(f"/sessions/{run['session_id']}/end")["status"] == "completing"
    assert deck.see(run)["status"] == "cancelling"
    control.post("/clock/run-until-idle")

    assert deck.see(run)["status"] == "canceled"
    assert deck.get(f"/sessions/{run['session_id']}")["status"] == "completed"
    assert control.events()[seen:] == [
        "session.completing",
        "task_run.canceling",
        "task_run.canceled",
        "session.completed",
    ]


def test_a_session_waits_for_all_its_runs(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [CODE]})
    credential = deck.credential()
    first = deck.run(credential=credential)
    control.until("task_run.interaction_required")
    second = deck.run(credential=credential, session_id=first["session_id"])
    deck.post(f"/task-runs/{second['id']}/cancel")

    deck.post(f"/sessions/{first['session_id']}/end")
    control.post("/clock/run-until-idle")

    assert [deck.see(run)["status"] for run in (first, second)] == ["canceled", "canceled"]
    assert control.events(type="session.completed") == ["session.completed"]


def test_a_session_ends_once(deck: Deck, control: Control) -> None:
    run = deck.run()
    end = f"/sessions/{run['session_id']}/end"
    deck.post(end)
    assert code(deck, "POST", end) == (409, "session_not_available")  # completing
    control.post("/clock/run-until-idle")
    assert code(deck, "POST", end) == (409, "session_not_available")  # completed


def test_an_ended_session_takes_no_more_runs(deck: Deck) -> None:
    task, credential = deck.task(), deck.credential()
    run = deck.run(task=task, credential=credential)
    deck.post(f"/sessions/{run['session_id']}/end")

    body = {"credential_id": credential["id"], "session_id": run["session_id"]}
    assert code(deck, "POST", f"/tasks/{task['id']}/run", body) == (422, "session_not_available")


def test_a_session_counts_the_time_it_was_running(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    first = deck.run(credential=credential)
    control.until("session.idle")
    once = deck.get(f"/sessions/{first['session_id']}")["runtime_ms"]
    control.advance("5m")
    deck.run(credential=credential, session_id=first["session_id"])
    control.post("/clock/run-until-idle")

    assert 12_000 <= once < 12_100  # signing in and settling
    assert abs(deck.get(f"/sessions/{first['session_id']}")["runtime_ms"] - 2 * once) < 10


def test_waiting_for_a_review_is_no_running_time(deck: Deck, control: Control) -> None:
    control.pin("branch", "review")
    run = deck.run()
    control.post("/clock/run-until-idle", max="30h")

    run = deck.see(run)
    assert run["status"] == "completed"
    assert run["runtime_ms"] < 15_000


def test_the_task_of_a_deleted_agent_stays_but_cannot_run(deck: Deck, control: Control) -> None:
    task, credential = deck.task(), deck.credential()
    run = deck.run(task=task, credential=credential)
    deck.delete(f"/agents/{task['agent_id']}")
    control.post("/clock/run-until-idle")

    assert deck.get(f"/tasks/{task['id']}")["agent_id"] == task["agent_id"]
    assert code(deck, "GET", f"/agents/{task['agent_id']}") == (404, "agent_not_found")
    body = {"credential_id": credential["id"]}
    assert code(deck, "POST", f"/tasks/{task['id']}/run", body) == (404, "agent_not_found")
    assert deck.see(run)["status"] == "completed"


def test_a_deleted_source_stops_what_has_not_signed_in_yet(deck: Deck, control: Control) -> None:
    task, credential = deck.task(), deck.credential()
    run = deck.run(task=task, credential=credential)
    deck.delete(f"/sources/{credential['source_id']}")
    control.post("/clock/run-until-idle")

    assert deck.see(run)["errors"][0]["code"] == "source_not_available"
    assert deck.get(f"/credentials/{credential['id']}")["status"] == "unverified"
    body = {"credential_id": credential["id"]}
    assert code(deck, "POST", f"/tasks/{task['id']}/run", body) == (404, "source_not_found")


@pytest.mark.parametrize("arm", ["completed", "timeout"])
def test_a_run_outlives_its_task(deck: Deck, control: Control, arm: str) -> None:
    control.pin("branch", arm)
    task = deck.task(output_schema={"type": "object", "properties": {"a": {"type": "integer"}}})
    run = deck.run(task=task)
    control.advance("5s")
    deck.delete(f"/tasks/{task['id']}")
    control.post("/clock/run-until-idle")

    run = deck.see(run)
    assert (run["status"], run["output"]) == ("completed" if arm == "completed" else "failed", None)
    assert code(deck, "POST", f"/tasks/{task['id']}/run", {"source_id": run["source_id"]}) == (404, "task_not_found")


def test_only_what_has_to_be_learnt_anew_demotes_a_task(deck: Deck, control: Control) -> None:
    agent = deck.post("/agents", {"name": "a"})
    task = {"id": "task_live", "agent_id": agent["id"], "name": "t", "status": "live", "prompt": "Fetch it."}
    control.post("/seed", resource="tasks", objects=[task])

    assert deck.patch("/tasks/task_live", {"name": "other", "prompt": "Fetch it."})["status"] == "live"
    assert deck.patch("/tasks/task_live", {"prompt": "Pay it."})["status"] == "learning"
    assert control.events() == ["agent.created", "task.updated", "task.updated"]


def test_an_agent_is_changed_in_part(deck: Deck) -> None:
    agent = deck.post("/agents", {"name": "a", "description": "about"})

    assert deck.patch(f"/agents/{agent['id']}", {"name": "b"})["description"] == "about"
    changed = deck.patch(f"/agents/{agent['id']}", {"description": None})
    assert (changed["name"], changed["description"], changed["tasks"]) == ("b", None, [])


# --- what time takes away --------------------------------------------------------------------------------------


def test_events_can_be_read_for_thirty_days(deck: Deck, control: Control) -> None:
    deck.post("/agents", {"name": "old"})
    (old,) = deck.get("/events")["data"]
    control.advance("29d")
    deck.post("/agents", {"name": "new"})
    assert len(deck.get("/events")["data"]) == 2
    control.advance("2d")

    (new,) = deck.get("/events")["data"]
    assert new["id"] != old["id"]
    assert code(deck, "GET", f"/events/{old['id']}") == (404, "event_not_found")
    assert len(control.events()) == 2  # whoever drives the twin sees them all


def test_files_are_kept_for_ninety_days_and_screenshots_for_fifteen(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    control.site({**KIM, "files": [{"file_name": "a.txt", "content": "a"}]})
    run = deck.run(task=deck.task(storage={"enabled": True}))
    control.until("task_run.completed")
    (file,) = deck.see(run, "storage")["storage"]
    control.post("/clock/durations", link_ttl="200d")
    (first, _) = deck.get(f"/task-runs/{run['id']}/screenshots")["data"]
    link = deck.get(f"/storage/{file['id']}")["url"]
    assert twin.client.get(first["url"]).status_code == twin.client.get(link).status_code == 200

    control.advance("16d")
    assert deck.get(f"/task-runs/{run['id']}/screenshots")["data"] == []
    assert deck.see(run, "screenshots")["screenshots"] == []
    assert twin.client.get(first["url"]).status_code == 404
    assert twin.client.get(link).status_code == 200

    control.advance("75d")
    assert code(deck, "GET", f"/storage/{file['id']}") == (404, "storage_not_found")
    assert deck.get(f"/task-runs/{run['id']}/storage")["data"] == deck.see(run, "storage")["storage"] == []
    assert twin.client.get(link).status_code == 404


# --- screenshots -----------------------------------------------------------------------------------------------


def test_screenshots_come_oldest_first_and_are_real_pictures(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    control.post("/clock/durations", run_settle="58s")
    run = deck.run()
    control.until("task_run.completed")

    listed = deck.get(f"/task-runs/{run['id']}/screenshots")["data"]

    assert len(listed) == 12  # a minute of running
    assert [shot["created_at"] for shot in listed] == sorted(shot["created_at"] for shot in listed)
    pictures = [twin.client.get(shot["url"]) for shot in listed]
    assert {picture.content_type for picture in pictures} == {"image/png"}
    assert all(picture.data.startswith(b"\x89PNG\r\n\x1a\n") for picture in pictures)
    assert len({picture.data for picture in pictures}) == 12
    (shown, *_) = deck.see(run, "artifacts")["artifacts"]["screenshots"]
    assert shown["file_size"] == len(pictures[0].data)
    assert twin.client.get(listed[0]["url"].replace("signature=", "signature=0")).status_code == 403
    assert twin.client.get(f"/files/{run['id']}-13").status_code == 404


def test_screenshots_are_paged_forward(deck: Deck, control: Control) -> None:
    control.post("/clock/durations", run_settle="58s")
    run = deck.run()
    control.until("task_run.completed")
    path = f"/task-runs/{run['id']}/screenshots"
    times, page = [], deck.get(path, limit=5)
    times += [shot["created_at"] for shot in page["data"]]
    while page["has_more"]:
        page = deck.get(path, limit=5, cursor=page["next_cursor"])
        times += [shot["created_at"] for shot in page["data"]]

    assert times == [shot["created_at"] for shot in deck.get(path)["data"]]


def test_a_run_that_never_began_has_no_screenshots(deck: Deck, control: Control) -> None:
    run = deck.run()
    deck.post(f"/task-runs/{run['id']}/cancel")
    control.post("/clock/run-until-idle")

    assert deck.get(f"/task-runs/{run['id']}/screenshots")["data"] == []
