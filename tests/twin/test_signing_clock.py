"""By which clock webhooks are signed: the real one, or the twin's for apps that live in its time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import time_machine
from standardwebhooks import Webhook

from .orders import agents, rule
from .planes import Control, Deck, Receiver


def moments(receiver: Receiver, host: str = "") -> list[datetime]:
    """When the webhooks to *host* say they were signed."""
    stamps = (int(headers["webhook-timestamp"]) for url, headers, _ in receiver.posts if host in url)
    return [datetime.fromtimestamp(stamp, UTC) for stamp in stamps]


def test_webhooks_can_be_signed_by_the_virtual_clock(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    """For an app whose clock is the twin's: retries, copies and what is sent again are in its time, too."""
    rule(control, "sign", timestamp="virtual")
    rule(control, "duplicate")
    receiver.answers = [500]
    agents(deck, "a")
    control.advance()
    control.advance("30s")
    (event,) = control.get("/events", type="agent.created")["data"]
    control.post(f"/events/{event['id']}/redeliver")

    assert moments(receiver) == [datetime(2025, 1, 1, 0, 0, second, tzinfo=UTC) for second in (0, 0, 30, 30)]
    _, headers, body = receiver.posts[-1]
    with time_machine.travel(datetime(2025, 1, 1, 0, 1, tzinfo=UTC)):
        assert Webhook(agents_hook["webhook"]["secret"]).verify(body, headers)["data"]["name"] == "a"


def test_a_stale_webhook_is_stale_by_the_clock_it_is_signed_by(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "sign", timestamp="virtual")
    rule(control, "tamper", what="timestamp_stale")
    agents(deck, "a")
    control.advance()

    assert moments(receiver) == [datetime(2024, 12, 31, 23, 50, tzinfo=UTC)]


def test_webhooks_are_signed_by_the_real_clock_unless_a_rule_says_otherwise(
    deck: Deck, control: Control, receiver: Receiver
) -> None:
    one, _ = (deck.destination(f"https://{host}.example", events=["agent.created"]) for host in ("one", "two"))
    rule(control, "sign", match={"destination_id": one["id"]}, timestamp="virtual")
    later = rule(control, "sign", match={"event_type": "agent.*"}, count=1, timestamp="real")
    agents(deck, "a", "b")
    control.advance()

    assert [moment.year for moment in moments(receiver, "one")][1] == 2025
    assert all(moment.year > 2025 for moment in [moments(receiver, "one")[0], *moments(receiver, "two")])
    assert control.get(f"/delivery-rules/{later['id']}")["state"] == "spent"
