"""Agents, tasks and sources: created once and changed now and then."""

from __future__ import annotations

from .planes import INVOICE, KIM, Control, Deck


def test_an_agent_knows_its_tasks(deck: Deck) -> None:
    task = deck.task()
    agent = deck.get(f"/agents/{task['agent_id']}")

    assert agent["tasks"] == [{"id": task["id"], "object": "task", "name": "Fetch the invoice", "status": "learning"}]


def test_a_task_may_bring_its_own_id_but_not_one_that_is_taken(deck: Deck) -> None:
    agent = deck.post("/agents", {"name": "a"})
    mine = {"id": "fetch-invoice", "name": "t", "agent_id": agent["id"]}

    assert deck.post("/tasks", mine)["id"] == "fetch-invoice"
    assert deck.call("POST", "/tasks", mine).status_code == 409


def test_changing_a_task_changes_only_what_was_sent(deck: Deck, control: Control) -> None:
    task = deck.task(prompt="Fetch it.", output_schema=INVOICE)

    changed = deck.patch(f"/tasks/{task['id']}", {"prompt": None})

    assert (changed["prompt"], changed["name"], changed["output_schema"]) == (None, task["name"], INVOICE)
    assert control.events(subject=task["id"]) == ["task.created", "task.updated"]


def test_moving_a_source_moves_its_runs(deck: Deck, control: Control) -> None:
    control.site(host="bank.example", status="down")
    control.site(KIM, host="new-bank.example")
    source = deck.source("https://bank.example/")
    moved = deck.patch(f"/sources/{source['id']}", {"website": {"url": "https://new-bank.example/"}})
    run = deck.run(credential=deck.credential(source))
    control.post("/clock/run-until-idle")

    assert moved["website"] == {"url": "https://new-bank.example/"}
    assert deck.see(run)["result"] == "success"
    assert control.events(subject=source["id"]) == ["source.created", "source.updated"]
