"""Which deliveries a rule or a hold is for: the `Match` object, as far as it says something of an event."""

from __future__ import annotations

from typing import Any

from .orders import rows, rule
from .planes import Control, Deck, Receiver


def test_a_rule_can_be_for_one_person_or_one_run(deck: Deck, control: Control, receiver: Receiver) -> None:
    """Whatever the event is about, it is found by what that belongs to."""
    deck.destination(events=["task_run.completed", "session.completed"])
    source = deck.source()
    kim, lee = (
        deck.credential(source, auth_credentials={"username": name, "password": "pw"}) for name in ("kim", "lee")
    )
    rule(control, "drop", match={"username": "k*", "kind": "session"})
    task = deck.task()
    kims, lees, again = (deck.run(task=task, credential=one) for one in (kim, lee, lee))
    rule(control, "drop", match={"id": again["id"]})
    control.advance("1d")

    def completed(run: Any) -> list[str]:
        found = [event for event in receiver.got if event["data"]["id"] in (run["id"], run["session_id"])]
        return sorted(event["type"] for event in found)

    assert completed(kims) == ["task_run.completed"]
    assert completed(lees) == ["session.completed", "task_run.completed"]
    assert completed(again) == ["session.completed"]


def test_a_rule_still_knows_what_was_deleted(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["credential.deleted"])
    credential = deck.credential()
    rule(control, "drop", match={"source_id": credential["source_id"]})
    deck.delete(f"/credentials/{credential['id']}")
    control.advance()

    assert receiver.posts == []
    assert len(rows(control, "dropped")) == 1


def test_a_hold_can_be_for_the_runs_of_one_task(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["task_run.completed"])
    ours, others = deck.task(), deck.task()
    control.post("/deliveries/hold", match={"task_id": ours["id"]})
    credential = deck.credential()
    for task in (ours, others):
        deck.run(task=task, credential=credential)
    moved = control.advance("1d")

    assert [event["data"]["task_id"] for event in receiver.got] == [others["id"]]
    assert moved["deliveries"]["held"] == 1


def test_a_scenario_of_deliveries_can_be_for_one_person(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["task_run.completed"])
    control.post("/scenarios/duplicate_events/apply", match={"username": "kim"})
    source = deck.source()
    for name in ("kim", "lee"):
        credential = deck.credential(source, auth_credentials={"username": name, "password": "pw"})
        deck.run(credential=credential)
    control.advance("1d")

    assert len(receiver.got) == 3
