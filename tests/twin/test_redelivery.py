"""Sending again what was sent before, as a network or a forger might."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from tests.processes import PATIENCE

from .planes import HOOK, Control, Deck, Receiver


@pytest.fixture
def sent(deck: Deck, control: Control, receiver: Receiver) -> Any:
    """A delivery that went well, with the secret it was signed with."""
    hook = deck.destination(events=["agent.created"])
    deck.post("/agents", {"name": "a"})
    control.advance()
    (delivery,) = control.get("/deliveries")["data"]
    return {**delivery, "secret": hook["webhook"]["secret"]}


def test_an_event_comes_again_as_it_was(control: Control, receiver: Receiver, sent: Any) -> None:
    answer = control.post(f"/events/{sent['event_id']}/redeliver")

    (row,) = answer["deliveries"]
    (attempt,) = row["attempts"]
    assert (row["id"], attempt["n"], attempt["variant"]) == (sent["id"], 2, "redelivery")
    (_, first, body), (_, second, body_again) = receiver.posts
    assert (first["webhook-id"], body) == (second["webhook-id"], body_again)
    Webhook(sent["secret"]).verify(body_again, second)


def test_a_single_delivery_can_come_again(deck: Deck, control: Control, receiver: Receiver, sent: Any) -> None:
    control.post(f"/deliveries/{sent['id']}/redeliver", times=3)

    assert len(receiver.posts) == 4
    assert deck.deliveries({"id": sent["destination_id"]})[0]["attempts"] == 1  # what the network adds is not ours


def test_redelivering_goes_to_every_destination_or_the_one_named(
    deck: Deck, control: Control, receiver: Receiver
) -> None:
    one, _ = (deck.destination(f"https://{host}.example", events=["agent.created"]) for host in ("one", "two"))
    deck.post("/agents", {"name": "a"})
    control.advance()
    (event,) = control.get("/events", type="agent.created")["data"]
    receiver.posts.clear()

    assert len(control.post(f"/events/{event['id']}/redeliver")["deliveries"]) == 2
    assert len(control.post(f"/events/{event['id']}/redeliver", destination_id=one["id"])["deliveries"]) == 1
    assert [url for url, _, _ in receiver.posts].count("https://one.example") == 2


def test_concurrent_redeliveries_are_really_parallel(control: Control, receiver: Receiver, sent: Any) -> None:
    """Each waits in the receiver for the others: one after the other they would never get out."""
    everyone = threading.Barrier(8, timeout=PATIENCE)
    receiver.on_event = lambda event: everyone.wait()

    answer = control.post(f"/events/{sent['event_id']}/redeliver", times=8, concurrent=True)

    attempts = answer["deliveries"][0]["attempts"]
    assert [attempt["error"] for attempt in attempts] == [None] * 8


def test_spaced_redeliveries_come_as_time_passes(control: Control, receiver: Receiver, sent: Any) -> None:
    answer = control.post(f"/deliveries/{sent['id']}/redeliver", times=3, spacing="1m")
    assert len(answer["deliveries"][0]["attempts"]) == 1
    control.advance("1m")
    assert len(receiver.posts) == 3
    control.advance("1m")

    assert len(receiver.posts) == 4


@pytest.mark.parametrize(
    ("dress", "complaint"),
    [
        ({"timestamp": "stale"}, "too old"),
        ({"timestamp": "future"}, "too new"),
        ({"signature": "invalid"}, "No matching"),
        ({"signature": "missing"}, "Missing required"),
        ({"signature": "body_tampered"}, "No matching"),
    ],
)
def test_a_forgery_does_not_get_past_the_real_library(
    control: Control, receiver: Receiver, sent: Any, dress: dict[str, str], complaint: str
) -> None:
    control.post(f"/events/{sent['event_id']}/redeliver", **dress)

    _, headers, body = receiver.posts[-1]
    with pytest.raises(WebhookVerificationError, match=complaint):
        Webhook(sent["secret"]).verify(body, headers)


def test_the_original_timestamp_is_sent_as_it_was(control: Control, receiver: Receiver, sent: Any) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=5)):
        control.post(f"/events/{sent['event_id']}/redeliver", timestamp="original")
        control.post(f"/events/{sent['event_id']}/redeliver")

    first, again, fresh = (headers["webhook-timestamp"] for _, headers, _ in receiver.posts)
    assert first == again < fresh
    Webhook(sent["secret"]).verify(receiver.posts[1][2], receiver.posts[1][1])


def test_an_app_with_a_clock_of_its_own_gets_the_virtual_time(control: Control, receiver: Receiver, sent: Any) -> None:
    """Its tests live in 2025, as the twin does; by the real clock the same webhook is years too old."""
    control.advance("1h")
    (row,) = control.post(f"/deliveries/{sent['id']}/redeliver", timestamp="virtual")["deliveries"]

    _, headers, body = receiver.posts[-1]
    assert headers["webhook-timestamp"] == str(int(datetime(2025, 1, 1, 1, tzinfo=UTC).timestamp()))
    assert "tampered" not in row["attempts"][0]
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(sent["secret"]).verify(body, headers)
    with time_machine.travel(datetime(2025, 1, 1, 1, 2, tzinfo=UTC)):
        Webhook(sent["secret"]).verify(body, headers)


def test_an_old_secret_still_signs_when_asked_to(control: Control, receiver: Receiver, sent: Any) -> None:
    new = control.post(f"/webhooks/endpoints/{sent['destination_id']}/rotate-secret", rollover="1h")["secret"]
    control.advance("2h")
    control.post(f"/events/{sent['event_id']}/redeliver", signature="old_secret")

    _, headers, body = receiver.posts[-1]
    Webhook(sent["secret"]).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body, headers)


def test_a_refused_redelivery_neither_retries_nor_switches_anything_off(
    deck: Deck, control: Control, receiver: Receiver, sent: Any
) -> None:
    receiver.answers = [401] * 9
    control.post(f"/events/{sent['event_id']}/redeliver", times=9, signature="invalid")
    control.advance("1d")

    assert len(receiver.posts) == 10
    assert deck.get(f"/event-destinations/{sent['destination_id']}")["status"] == "active"
    assert control.get("/deliveries")["data"][0]["status"] == "success"


def test_a_destination_that_is_switched_off_can_be_sent_to_again(
    deck: Deck, control: Control, receiver: Receiver, sent: Any
) -> None:
    deck.patch(f"/event-destinations/{sent['destination_id']}", {"status": "inactive"})
    control.post(f"/deliveries/{sent['id']}/redeliver")

    assert len(receiver.posts) == 2


def test_an_event_can_be_answered_while_it_is_redelivered(
    deck: Deck, control: Control, receiver: Receiver, sent: Any
) -> None:
    """A handler may call back; what its calls cause is delivered in the same go."""
    receiver.on_event = lambda event: event["data"]["name"] == "a" and deck.post("/agents", {"name": "b"})
    control.post(f"/deliveries/{sent['id']}/redeliver")

    assert [event["data"]["name"] for event in receiver.got] == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"times": 0}, (422, "unknown_field")),
        ({"times": 1000}, (422, "unknown_field")),
        ({"concurrent": 1}, (422, "unknown_field")),
        ({"concurrent": True, "spacing": "1s"}, (422, "unknown_field")),
        ({"spacing": "later"}, (422, "invalid_duration")),
        ({"timestamp": "virtual-ish"}, (422, "unknown_field")),
        ({"signature": ["valid"]}, (422, "unknown_field")),
        ({"variant": "x"}, (422, "unknown_field")),
        ({"destination_id": "evtd_none"}, (404, "unknown_field")),
        ({"signature": "old_secret"}, (409, "precondition_failed")),
    ],
)
def test_what_makes_no_sense_is_not_redelivered(
    control: Control, receiver: Receiver, sent: Any, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert control.refusal(f"/events/{sent['event_id']}/redeliver", **body) == refusal
    assert len(receiver.posts) == 1


def test_what_did_not_happen_cannot_be_redelivered(deck: Deck, control: Control, receiver: Receiver) -> None:
    """Causes, not effects: there is no sending of an event that never was."""
    assert control.refusal("/events/evt_none/redeliver") == (404, "unknown_field")
    assert control.refusal("/deliveries/edlv_none/redeliver") == (404, "unknown_field")
    deck.post("/agents", {"name": "nobody listens"})
    (event,) = control.get("/events")["data"]
    assert control.refusal(f"/events/{event['id']}/redeliver") == (409, "precondition_failed")


def test_a_delivery_goes_nowhere_but_to_its_own_destination(deck: Deck, control: Control, sent: Any) -> None:
    other = deck.destination("https://other.example")

    path = f"/deliveries/{sent['id']}/redeliver"
    assert control.refusal(path, destination_id=other["id"]) == (422, "unknown_field")
    deck.delete(f"/event-destinations/{sent['destination_id']}")
    assert control.refusal(path) == (404, "unknown_field")


def test_what_was_never_attempted_has_no_original_timestamp(deck: Deck, control: Control) -> None:
    deck.destination(HOOK, events=["agent.created"])
    control.post("/deliveries/hold")
    deck.post("/agents", {"name": "a"})
    (held,) = control.get("/deliveries", status="held")["data"]

    path = f"/deliveries/{held['id']}/redeliver"
    assert control.refusal(path, timestamp="original") == (409, "precondition_failed")


def test_only_webhooks_have_signatures_to_play_with(deck: Deck, control: Control) -> None:
    deck.post("/event-destinations", {"name": "h", "type": "hookdeck", "hookdeck": {"token": "t"}})
    control.advance()
    (delivery,) = control.get("/deliveries")["data"]
    path = f"/deliveries/{delivery['id']}/redeliver"

    assert control.refusal(path, signature="invalid") == (409, "precondition_failed")
    assert control.refusal(path, timestamp="stale") == (409, "precondition_failed")
    assert control.refusal(path, timestamp="virtual") == (409, "precondition_failed")
    (row,) = control.post(path, signature="body_tampered")["deliveries"]
    assert row["attempts"][0]["sent"]["tampered"] is True
