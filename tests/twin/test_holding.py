"""Holding deliveries back by hand, letting them go in any order and hurrying retries."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.processes import PATIENCE

from .orders import agents, names, rows, rule
from .planes import Control, Deck, Receiver


@pytest.mark.parametrize(("order", "expected"), [("fifo", "abc"), ("lifo", "cba")])
def test_what_is_held_goes_out_when_released(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any, order: str, expected: str
) -> None:
    agents(deck, "a")
    assert control.post("/deliveries/hold") == {"match": {}, "held": 1}  # it was on its way already
    agents(deck, "b", "c")
    control.advance("1h")
    assert names(receiver) == []
    assert len(rows(control, "held")) == 3

    released = control.post("/deliveries/release", order=order)

    assert "".join(names(receiver)) == expected
    assert len(released["released"]) == released["deliveries"]["succeeded"] == 3
    agents(deck, "d")
    control.advance()
    assert names(receiver)[-1] == "d"  # the hold is over


def test_a_hold_can_be_for_some_events_only(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["agent.created", "source.created"])
    control.post("/deliveries/hold", match={"event_type": "agent.*"})
    agents(deck, "a")
    deck.source()
    control.advance()

    assert receiver.types() == ["source.created"]


def test_held_deliveries_can_be_released_one_by_one(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    control.post("/deliveries/hold")
    agents(deck, *"abc")
    first, second, third = [row["id"] for row in rows(control, "held")]

    control.post("/deliveries/release", order=[third, first])
    assert names(receiver) == ["c", "a"]
    agents(deck, "d")
    control.advance()
    assert rows(control, "held")[0]["id"] == second  # and the hold goes on
    assert len(rows(control, "held")) == 2


def test_what_a_rule_holds_can_be_released_all_at_once(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    everyone = threading.Barrier(3, timeout=PATIENCE)
    receiver.on_event = lambda event: everyone.wait()
    rule(control, "hold", count=3)
    agents(deck, *"abc")
    control.advance()

    assert control.post("/deliveries/release", concurrent=True)["deliveries"]["succeeded"] == 3


def test_a_shuffled_release_loses_nothing(deck: Deck, control: Control, receiver: Receiver, agents_hook: Any) -> None:
    control.post("/deliveries/hold")
    agents(deck, *"abcdefgh")
    control.post("/deliveries/release", order="shuffle")

    assert sorted(names(receiver)) == list("abcdefgh") != names(receiver)


def test_a_flush_makes_every_retry_now_and_leaves_the_clock(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    receiver.answers = [500, 500]
    agents(deck, "a", "b")
    control.advance()
    before = control.get("/clock")["now"]

    flushed = control.post("/deliveries/flush")

    assert flushed == {"flushed": 2, "deliveries": {"attempted": 2, "succeeded": 2, "failed": 0, "held": 0}}
    assert control.get("/clock")["now"] == before
    control.advance("1h")
    assert names(receiver) == ["a", "b", "a", "b"]


def test_nothing_to_release_or_flush_is_fine(control: Control) -> None:
    nothing = {"attempted": 0, "succeeded": 0, "failed": 0, "held": 0}

    assert control.post("/deliveries/release") == {"released": [], "deliveries": nothing}
    assert control.post("/deliveries/flush") == {"flushed": 0, "deliveries": nothing}


def test_what_is_not_held_cannot_be_released(control: Control) -> None:
    assert control.refusal("/deliveries/release", order=["edlv_nope"]) == (409, "precondition_failed")
    assert control.refusal("/deliveries/release", order="sideways") == (422, "unknown_field")
    assert control.refusal("/deliveries/release", order=[["x"]]) == (409, "precondition_failed")
    assert control.refusal("/deliveries/release", concurrent="yes") == (422, "unknown_field")
    assert control.refusal("/deliveries/hold", match={"name": "x"}) == (422, "unknown_field")
    assert control.refusal("/deliveries/flush", all=True) == (422, "unknown_field")
