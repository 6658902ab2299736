"""What becomes of a webhook that does not arrive."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .planes import Control, Deck, Receiver


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (500, "bad_status"),
        (301, "bad_status"),
        (401, "bad_status"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.ConnectError("nobody there"), "refused"),
        (httpx.RemoteProtocolError("cut off"), "reset"),
    ],
)
def test_a_failed_delivery_is_tried_again_with_the_same_id_and_bytes(
    deck: Deck, control: Control, receiver: Receiver, hook: Any, trouble: int | Exception, error: str
) -> None:
    receiver.answers = [trouble]
    deck.agent()
    assert control.advance()["deliveries"] == {"attempted": 1, "succeeded": 0, "failed": 1, "held": 0}
    (waiting,) = deck.deliveries(hook, type="agent.created")
    assert (waiting["status"], waiting["attempts"], waiting["delivered_at"]) == ("failure", 1, None)
    control.advance("29s")
    assert len(receiver.posts) == 1
    control.advance("1s")

    (_, first, body), (_, second, body_again) = receiver.posts
    assert (first["webhook-id"], body) == (second["webhook-id"], body_again)
    (delivered,) = deck.deliveries(hook, type="agent.created")
    assert (delivered["status"], delivered["attempts"]) == ("success", 2)
    assert delivered["delivered_at"] is not None
    (row,) = control.get("/deliveries", event_id=first["webhook-id"])["data"]
    assert [attempt["error"] for attempt in row["attempts"]] == [error, None]
    assert [attempt["n"] for attempt in row["attempts"]] == [1, 2]
    assert deck.get(f"/event-destinations/{hook['id']}")["status"] == "active"


def test_after_three_retries_the_destination_is_switched_off(
    deck: Deck, control: Control, receiver: Receiver, hook: Any
) -> None:
    receiver.answers = [500] * 4
    deck.agent()
    for wait in ("0s", "30s", "60s", "120s"):
        control.advance(wait)
    assert len(receiver.posts) == 4

    assert deck.get(f"/event-destinations/{hook['id']}")["status"] == "inactive"
    assert control.events()[-1] == "event_destination.deactivated"
    deck.agent()
    control.advance("1d")
    assert len(receiver.posts) == 4
    assert [d["status"] for d in control.get("/deliveries", destination_id=hook["id"])["data"]] == [
        "success",
        "failure",
    ]


def test_what_is_still_owed_when_it_is_switched_off_is_lost(
    deck: Deck, control: Control, receiver: Receiver, hook: Any
) -> None:
    control.post("/clock/durations", delivery_retry=[])
    receiver.answers = [500]
    deck.agent()
    deck.agent()
    control.advance()

    assert len(receiver.posts) == 1
    assert [d["status"] for d in deck.deliveries(hook, type="agent.created")] == ["failure", "failure"]


def test_a_dead_destination_does_not_drag_the_others_down(deck: Deck, control: Control, receiver: Receiver) -> None:
    control.post("/clock/durations", delivery_retry=[])
    dead = deck.destination("https://dead.example", events=["agent.created"])
    alive = deck.destination("https://alive.example", events=["agent.created", "event_destination.deactivated"])
    receiver.dead = {"https://dead.example"}
    deck.agent()
    control.advance()

    statuses = [deck.get(f"/event-destinations/{d['id']}")["status"] for d in (dead, alive)]
    assert statuses == ["inactive", "active"]
    assert receiver.types() == ["agent.created", "event_destination.deactivated"]


def test_a_destination_switched_on_again_hears_of_what_comes_next(
    deck: Deck, control: Control, receiver: Receiver, hook: Any
) -> None:
    deck.patch(f"/event-destinations/{hook['id']}", {"status": "inactive"})
    missed = deck.agent()
    control.advance()
    assert receiver.got == []

    deck.patch(f"/event-destinations/{hook['id']}", {"status": "active"})
    deck.agent()
    control.advance()

    assert receiver.types() == ["event_destination.activated", "agent.created"]
    assert deck.get("/events", type="agent.created")["data"][1]["data"]["id"] == missed["id"]


def test_setting_the_status_it_has_is_not_news(deck: Deck, control: Control, hook: Any) -> None:
    deck.patch(f"/event-destinations/{hook['id']}", {"status": "active"})

    assert control.events() == ["event_destination.activated"]


def test_a_deleted_destination_gets_nothing_more(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    deck.agent()
    gone = deck.delete(f"/event-destinations/{hook['id']}")
    control.advance("1h")

    assert (gone["object"], gone["deleted"]) == ("event_destination", True)
    assert receiver.posts == []
    assert deck.call("GET", f"/event-destinations/{hook['id']}").status_code == 404


def test_a_delivery_under_way_during_a_reset_leaves_no_trace(
    deck: Deck, control: Control, receiver: Receiver, hook: Any
) -> None:
    receiver.on_event = lambda event: control.post("/reset")
    deck.agent()
    control.advance()

    assert control.get("/deliveries")["data"] == []
    assert len(receiver.posts) == 1


def test_the_log_of_deliveries_can_be_filtered(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    receiver.answers = [204, 500]
    deck.agent()
    deck.source()
    control.advance()

    assert [d["event_type"] for d in deck.deliveries(hook)] == [
        "source.created",
        "agent.created",
        "event_destination.activated",
    ]
    (failed,) = deck.deliveries(hook, status="failure")
    assert set(failed) == {
        *("id", "object", "status", "event_type", "event_id", "event_destination_id", "attempts"),
        *("created_at", "delivered_at"),
    }
    assert (failed["object"], failed["event_destination_id"]) == ("event_delivery", hook["id"])
    assert [d["status"] for d in deck.deliveries(hook, type="agent.created")] == ["success"]
    assert len(deck.deliveries(hook, limit=2)) == 2
    (pending,) = control.get("/deliveries", status="pending")["data"]
    assert pending["event_type"] == "source.created"
