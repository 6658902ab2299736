"""The event log keeps what is long past small, and gives it back as it was."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any

import pytest

from webapp.twin import log
from webapp.twin.world import World

from .planes import HOOK, Control, Deck, Receiver, Twin

LONG = 2 * log.BLOCK + 20
"""So many events that the first of them are packed away."""


def a_long_history(deck: Deck) -> list[str]:
    """Ids of many agents, oldest first; every tenth is renamed, to a name that is hard to write down."""
    agents = [deck.agent(f"agent {n}") for n in range(LONG)]
    for agent in agents[::10]:
        deck.patch(f"/agents/{agent['id']}", {"name": 'Zażółć "gęślą" \\ \u2028 jaźń'})
    return [agent["id"] for agent in agents]


def everything(twin: Twin) -> dict[str, Any]:
    """All there is to know about its events."""
    return {
        "hash": twin.control.get("/state/hash")["sha256"],
        "state": twin.control.get("/state")["data"]["events"],
        "log": twin.control.get("/events")["data"],
        "first": twin.deck.get(f"/events/{twin.control.get('/events')['data'][0]['id']}"),
        "renamed": twin.deck.get("/events", type="agent.updated", limit=100)["data"],
    }


def test_a_packed_event_is_the_one_that_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    packing = Twin()
    a_long_history(packing.deck)
    monkeypatch.setattr(log, "BLOCK", 10_000)
    hoarding = Twin()
    a_long_history(hoarding.deck)
    everything_at_hand = everything(hoarding)
    monkeypatch.undo()

    assert everything(packing) | {"first": {}} == everything_at_hand | {"first": {}}
    old, same = everything(packing)["first"], everything_at_hand["first"]
    assert list(old) == list(same)
    assert {**old, "request_id": ""} == {**same, "request_id": ""}  # the call that reads it has an id of its own


def test_an_old_event_is_sent_again_byte_by_byte(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    old = deck.agent("Zażółć")
    control.advance()
    a_long_history(deck)
    receiver.posts.clear()

    (row,) = control.get("/events", type="agent.created", subject=old["id"])["data"]
    control.post(f"/events/{row['id']}/redeliver", destination_id=hook["id"])

    sent = [content for url, headers, content in receiver.posts if headers["webhook-id"] == row["id"]]
    assert [hashlib.sha256(content).hexdigest() for content in sent[-1:]] == [row["body_sha256"]]
    assert HOOK in {url for url, _, _ in receiver.posts}


def test_old_events_are_paged_and_filtered_like_any(deck: Deck) -> None:
    agents = a_long_history(deck)

    seen: list[str] = []
    page = deck.get("/events", limit=30, type="agent.created")
    seen += [event["data"]["id"] for event in page["data"]]
    while page["has_more"]:
        deck.agent("one more")  # what happens meanwhile shifts nothing
        page = deck.get("/events", limit=30, type="agent.created", cursor=page["next_cursor"])
        seen += [event["data"]["id"] for event in page["data"]]

    assert seen == agents[::-1]
    before = deck.get("/events", created_before=page["data"][-1]["created_at"])
    assert before["data"] == []
    assert deck.get("/events", type="user.created")["data"] == []
    assert deck.get("/events", type="no.such")["data"] == []


def test_an_id_that_was_never_given_is_not_found(deck: Deck) -> None:
    a_long_history(deck)

    assert deck.call("GET", "/events/evt_0000000000000000").status_code == 404
    assert deck.call("GET", "/events/agent").status_code == 404


def test_the_same_thing_happening_again_is_another_event(deck: Deck, control: Control) -> None:
    agent = deck.agent()
    for n in range(LONG):
        deck.patch(f"/agents/{agent['id']}", {"name": f"name {n}"})

    assert len({event["id"] for event in control.get("/events", subject=agent["id"])["data"]}) == LONG + 1


def test_a_snapshot_brings_old_events_to_another_twin(twin: Twin) -> None:
    a_long_history(twin.deck)
    taken = twin.control.post("/snapshots")
    before, document = everything(twin), twin.control.get(f"/snapshots/{taken['id']}")
    elsewhere = Twin()
    imported = elsewhere.control.post("/snapshots/import", **document)

    elsewhere.control.post(f"/snapshots/{imported['id']}/restore")

    after = everything(elsewhere)
    assert (after["hash"], after["log"], after["renamed"]) == (before["hash"], before["log"], before["renamed"])
    elsewhere.deck.agent("the next one")
    assert len(elsewhere.control.get("/events")["data"]) == len(before["log"]) + 1


def test_what_happened_cannot_be_taken_away(twin: Twin) -> None:
    twin.deck.agent()

    with pytest.raises(TypeError):
        twin.world.stores["events"].popitem()


def test_an_old_event_costs_next_to_nothing() -> None:
    world = World()
    agent = world.add("agents", {"name": "a", "description": None})

    def happen(numbers: range) -> int:
        for n in numbers:
            world.events.emit("agent.updated", "agents", {**agent, "id": f"agt_{n:016d}"})
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    first, more = happen(range(5_000)), happen(range(5_000, 10_000))
    tracemalloc.stop()

    assert 10 < (more - first) / 5_000 < 150  # an event is 350 bytes as it is sent, and 2 kB as Python's objects
