"""How an event arrives: signed, in order, once for every destination that asked."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.processes import PATIENCE
from webapp.twin import delivery
from webapp.twin.delivery import Deliverer
from webapp.twin.server import Driver, create_twin
from webapp.twin.world import World

from .planes import CODE, HOOK, KIM, Control, Deck, Receiver, Twin

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four!").decode()


def test_a_webhook_is_the_event_signed_the_standard_way(
    deck: Deck, control: Control, receiver: Receiver, hook: Any
) -> None:
    deck.agent("Zażółć")
    assert control.advance()["deliveries"] == {"attempted": 1, "succeeded": 1, "failed": 0, "held": 0}

    ((url, headers, body),) = receiver.posts
    (event,) = deck.get("/events", type="agent.created")["data"]
    assert url == HOOK
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == event["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60  # real time: receivers compare it with theirs
    assert json.loads(body) == {k: event[k] for k in ("id", "object", "type", "data", "created_at")}
    assert "Zażółć".encode() in body
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(hook["webhook"]["secret"]).verify(body.replace(b"agent", b"Agent", 1), headers)


def test_a_secret_of_your_own_is_used(deck: Deck, control: Control, receiver: Receiver) -> None:
    receiver.secrets[HOOK] = SECRET
    destination = deck.destination(webhook={"url": HOOK, "secret": SECRET})
    control.advance()

    assert receiver.types() == ["event_destination.activated"]
    assert destination["webhook"] == {"url": HOOK, "secret": SECRET}


def test_a_secret_is_shown_once(deck: Deck, hook: Any) -> None:
    assert hook["webhook"]["secret"].startswith("whsec_")

    assert deck.get(f"/event-destinations/{hook['id']}")["webhook"] == {"url": HOOK}
    assert deck.get("/event-destinations")["data"][0]["webhook"] == {"url": HOOK}
    assert deck.patch(f"/event-destinations/{hook['id']}", {"name": "n"})["webhook"] == {"url": HOOK}


def test_a_generated_secret_survives_a_reset_but_differs_by_address(deck: Deck, control: Control, hook: Any) -> None:
    other = deck.destination("https://other.example")["webhook"]["secret"]
    control.post("/reset")

    assert deck.destination()["webhook"]["secret"] == hook["webhook"]["secret"] != other


def test_a_new_secret_signs_from_then_on(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    deck.patch(f"/event-destinations/{hook['id']}", {"webhook": {"secret": SECRET}})
    receiver.secrets[HOOK] = SECRET
    deck.agent()
    control.advance()

    assert receiver.types() == ["agent.created"]


def test_headers_of_your_own_come_along(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(webhook={"url": HOOK, "custom_headers": '{"X-Token": "t0k"}'})
    control.advance()

    ((_, headers, _),) = receiver.posts
    assert headers["X-Token"] == "t0k"


def test_a_destination_gets_only_what_it_asked_for(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["agent.created", "task_run.completed"])
    deck.run()
    control.advance("1m")

    assert receiver.types() == ["agent.created", "task_run.completed"]


def test_every_destination_gets_it(deck: Deck, control: Control, receiver: Receiver) -> None:
    for name in ("one", "two", "three"):
        deck.destination(f"https://{name}.example", events=["agent.created"])
    deck.agent()
    deck.agent()

    assert control.advance()["deliveries"]["succeeded"] == 6
    for name in ("one", "two", "three"):
        assert len([url for url, _, _ in receiver.posts if url == f"https://{name}.example"]) == 2


def test_what_happened_before_a_destination_is_not_sent_to_it(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.agent()
    deck.destination()
    control.advance()

    assert receiver.types() == ["event_destination.activated"]


def test_events_arrive_in_the_order_they_happened(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    deck.run()
    control.advance("1h")

    assert receiver.types() == control.events()[1:]
    assert [e["created_at"] for e in receiver.got] == sorted(e["created_at"] for e in receiver.got)


def test_a_delivery_can_take_a_while(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    control.post("/clock/durations", delivery_delay="3s")
    deck.agent()
    control.advance("2s")
    assert receiver.got == []
    control.advance("1s")

    assert receiver.types() == ["agent.created"]


def test_a_receiver_may_call_deck_while_it_is_told(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    """What its calls cause is delivered in the same go, and time passes for it too."""
    control.site({**KIM, "asks": [CODE]})

    def answer_at_once(event: dict[str, Any]) -> None:
        if event["type"] == "task_run.interaction_required":
            assert deck.see(event["data"])["interaction"]["type"] == "mfa"
            deck.answer(event["data"], code="123456")

    receiver.on_event = answer_at_once
    run = deck.run()
    moved = control.advance("1m")

    assert deck.see(run)["status"] == "completed"
    assert moved["stopped_on"] is None
    assert receiver.types() == control.events()[1:]


def test_the_answer_to_the_last_thing_that_happened_is_delivered_too(
    deck: Deck, control: Control, receiver: Receiver, hook: Any
) -> None:
    receiver.on_event = lambda event: event["type"] == "agent.created" and deck.source()
    deck.agent()

    moved = control.advance()

    assert receiver.types() == ["agent.created", "source.created"]
    assert "source.created" in moved["fired"]


def test_a_receiver_that_always_has_an_answer_does_not_stop_the_world(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on for ever: that is an error, not a hang."""
    monkeypatch.setattr(delivery, "DRAIN_LIMIT", 50)
    twin.deck.destination(events=["source.updated"])
    source = twin.deck.source()
    twin.receiver.on_event = lambda event: twin.deck.patch(f"/sources/{source['id']}", {"name": event["id"]})
    twin.deck.patch(f"/sources/{source['id']}", {"name": "n"})

    assert twin.control.refusal("/clock/advance") == (500, "drain_limit")


def test_in_real_time_things_happen_and_arrive_by_themselves() -> None:
    world, receiver, arrived = World(), Receiver(), threading.Event()
    deliverer = Deliverer(world, receiver)
    driver = Driver(world, deliverer)
    client = create_twin(world, deliverer, driver).test_client()
    receiver.on_event = lambda event: event["type"] == "task_run.completed" and arrived.set()
    deck, control = Deck(client), Control(client)
    deck.destination()
    driver.start()
    try:
        control.post("/clock/mode", mode="realtime", rate=1000)
        run = deck.run()
        assert arrived.wait(PATIENCE)
    finally:
        driver.stop()

    assert deck.see(run)["result"] == "success"
