"""What a network may do to deliveries, when it is told to: repeat, delay, reorder, lose and damage them."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.processes import PATIENCE

from .orders import agents, names, rows, rule
from .planes import Control, Deck, Receiver, Twin

# --- repeating -------------------------------------------------------------------------------------------------


def test_a_duplicate_has_the_same_id_and_bytes(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "duplicate", times=3)
    agents(deck, "a", "b")
    counts = control.advance()["deliveries"]

    assert counts == {"attempted": 6, "succeeded": 6, "failed": 0, "held": 0}
    assert names(receiver) == ["a", "a", "a", "b", "b", "b"]
    assert len({(headers["webhook-id"], body) for _, headers, body in receiver.posts}) == 2
    row = rows(control, "success")[0]
    assert [attempt["variant"] for attempt in row["attempts"]] == ["normal", "duplicate", "duplicate"]
    assert [d["attempts"] for d in deck.deliveries(agents_hook)] == [1, 1]


def test_duplicates_can_arrive_at_the_very_same_time(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    """Each waits in the receiver for the others: one after the other they would never get out."""
    everyone = threading.Barrier(4, timeout=PATIENCE)
    receiver.on_event = lambda event: everyone.wait()
    rule(control, "duplicate", times=4, concurrent=True)
    agents(deck, "a")

    assert control.advance()["deliveries"]["succeeded"] == 4


def test_duplicates_can_be_spaced_by_the_clock(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "duplicate", times=3, spacing="10s")
    agents(deck, "a")
    seen = []
    for wait in ("0s", "9s", "1s", "10s", "1h"):
        control.advance(wait)
        seen.append(len(receiver.posts))

    assert seen == [1, 1, 2, 3, 3]


def test_a_refused_duplicate_changes_nothing(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "duplicate")
    receiver.answers = [204, 500]
    agents(deck, "a")
    control.advance("1h")

    assert len(receiver.posts) == 2
    assert deck.deliveries(agents_hook)[0]["status"] == "success"


# --- lateness and order ------------------------------------------------------------------------------------------


def test_a_delayed_event_arrives_late(deck: Deck, control: Control, receiver: Receiver, agents_hook: Any) -> None:
    rule(control, "delay", by="1m", count=1)
    agents(deck, "late", "early")
    control.advance("59s")
    (waiting,) = rows(control, "pending")
    assert waiting["next_attempt_at"].startswith("2025-01-01T00:01:00")
    control.advance("1s")

    assert names(receiver) == ["early", "late"]
    assert rows(control, "success")[0]["next_attempt_at"] is None


@pytest.mark.parametrize(("order", "expected"), [("reverse", "cbafed"), ([2, 0, 1], "cabfde")])
def test_a_full_window_goes_out_in_the_order_asked_for(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any, order: Any, expected: str
) -> None:
    rule(control, "reorder", window=3, order=order)
    agents(deck, *"abcdef")
    control.advance()

    assert "".join(names(receiver)) == expected


def test_a_shuffle_is_the_same_every_time(twin: Twin) -> None:
    def shuffled() -> str:
        twin.start_over()
        twin.deck.destination(events=["agent.created"])
        rule(twin.control, "reorder", window=8, order="shuffle")
        agents(twin.deck, *"abcdefgh")
        twin.control.advance()
        return "".join(names(twin.receiver))

    first = shuffled()
    assert sorted(first) == sorted("abcdefgh") != list(first)
    assert shuffled() == first


def test_what_does_not_fill_a_window_goes_out_when_nothing_more_comes(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "reorder", window=3, order=[2, 1, 0])
    agents(deck, "a", "b")
    control.advance()

    assert names(receiver) == ["b", "a"]


def test_a_window_spans_the_time_that_is_let_pass(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["task_run.running", "task_run.completed"])
    rule(control, "reorder", window=2, count=1)
    deck.run()
    control.advance("1h")

    assert receiver.types() == ["task_run.completed", "task_run.running"]


def test_a_window_waits_no_longer_than_max_hold(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["task_run.running", "task_run.completed"])
    rule(control, "reorder", window=2, max_hold="2s")
    deck.run()
    control.advance("1h")

    assert receiver.types() == ["task_run.running", "task_run.completed"]


def test_a_count_counts_windows(deck: Deck, control: Control, receiver: Receiver, agents_hook: Any) -> None:
    made = rule(control, "reorder", window=2, count=1)
    agents(deck, *"abcd")
    control.advance()

    assert "".join(names(receiver)) == "bacd"
    spent = control.get(f"/delivery-rules/{made['id']}")
    assert (spent["hits"], spent["remaining"], spent["state"]) == (1, 0, "spent")


def test_each_destination_has_a_window_of_its_own(deck: Deck, control: Control, receiver: Receiver) -> None:
    for host in ("one", "two"):
        deck.destination(f"https://{host}.example", events=["agent.created"])
    rule(control, "reorder", window=2)
    agents(deck, *"abcd")
    control.advance()

    for host in ("one", "two"):
        got = [json.loads(body)["data"]["name"] for url, _, body in receiver.posts if host in url]
        assert got == list("badc")


def test_deleting_a_rule_lets_go_of_what_it_collected(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    made = rule(control, "reorder", window=9)
    agents(deck, "a", "b")
    assert control.call("DELETE", f"/delivery-rules/{made['id']}").json == {"deleted": 1}
    control.advance()

    assert names(receiver) == ["b", "a"]


# --- loss and damage -----------------------------------------------------------------------------------------------


def test_a_dropped_event_never_arrives_but_can_be_read(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "drop", match={"event_type": "agent.created"}, count=1)
    agents(deck, "lost", "kept")
    control.advance("1d")

    assert names(receiver) == ["kept"]
    (lost,) = rows(control, "dropped")
    assert deck.get(f"/events/{lost['event_id']}")["data"]["name"] == "lost"
    assert deck.get(f"/event-destinations/{agents_hook['id']}")["status"] == "active"


@pytest.mark.parametrize("what", ["signature", "body", "timestamp_stale", "timestamp_future", "id", "headers_missing"])
def test_what_was_tampered_with_is_refused_and_the_retry_is_good(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any, what: str
) -> None:
    rule(control, "tamper", what=what)
    receiver.answers = [401]
    agents(deck, "a")
    control.advance()
    control.advance("30s")

    secret = agents_hook["webhook"]["secret"]
    (_, damaged, body), (_, headers, body_again) = receiver.posts
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, damaged)
    assert Webhook(secret).verify(body_again, headers)["data"]["name"] == "a"
    (row,) = rows(control, "success")
    assert ["tampered" in attempt for attempt in row["attempts"]] == [True, False]


def test_an_app_that_does_not_verify_would_believe_a_tampered_body(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "tamper", what="body")
    agents(deck, "a")
    control.advance()

    assert receiver.got[0]["tampered"] is True


def test_a_delivery_can_be_disbelieved(deck: Deck, control: Control, receiver: Receiver, agents_hook: Any) -> None:
    """The app said 204, and still gets it again: at least once."""
    rule(control, "treat_as_failed", times=2)
    agents(deck, "a")
    for wait in ("0s", "30s", "60s", "1h"):
        control.advance(wait)

    assert names(receiver) == ["a", "a", "a"]
    (row,) = rows(control, "success")
    assert [attempt["error"] for attempt in row["attempts"]] == ["treated_as_failed", "treated_as_failed", None]
    assert [attempt["response"]["status"] for attempt in row["attempts"]] == [204, 204, 204]
