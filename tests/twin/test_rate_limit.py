"""Deck's request budget: 200 requests in 10 seconds for the organisation."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import Control, Deck, Twin


def statuses(deck: Deck, number: int) -> list[int]:
    return [deck.call("GET", "/agents").status_code for _ in range(number)]


def test_it_is_off_while_the_clock_stands_still(deck: Deck, control: Control) -> None:
    assert control.get("/limits") == {"on": False, "requests": 200, "per": "10s"}
    assert set(statuses(deck, 210)) == {200}


def test_it_is_on_while_time_runs(deck: Deck, control: Control) -> None:
    control.post("/clock/mode", mode="realtime")  # no driver here, so no time passes
    assert control.get("/limits")["on"] is True

    assert statuses(deck, 201) == [200] * 200 + [429]
    assert deck.call("GET", "/test").status_code == 429  # whatever the call


def test_the_refusal_is_decks(deck: Deck, control: Control) -> None:
    control.post("/limits", requests=1, per="10s")
    deck.get("/agents")
    refused = deck.call("GET", "/agents")

    assert refused.status_code == 429
    assert set(refused.json) == {"errors", "request_id"}
    assert refused.json["errors"] == [
        {"type": "rate_limit", "code": "rate_limit_exceeded", "message": "Too many requests.", "field": None}
    ]
    assert "Retry-After" not in refused.headers  # Deck documents none


def test_it_is_replenished_in_virtual_time(deck: Deck, control: Control) -> None:
    control.post("/limits", requests=2, per="10s")
    assert statuses(deck, 3) == [200, 200, 429]

    control.advance("5s")
    assert statuses(deck, 2) == [200, 429]
    control.advance("1h")
    assert statuses(deck, 3) == [200, 200, 429]


def test_it_can_be_switched_off(twin: Twin) -> None:
    twin.control.post("/clock/mode", mode="realtime")
    assert twin.control.call("POST", "/limits", {"requests": None}).json["on"] is False
    assert set(statuses(twin.deck, 210)) == {200}

    twin.control.post("/limits", requests=1)
    off = twin.client.post("/__admin__/limits", data="null", headers={"Authorization": "Bearer twa_twin"})
    assert off.json == {"on": False, "requests": 1, "per": "10s"}


def test_a_bad_key_costs_nothing_and_a_reset_forgets_the_limit(twin: Twin) -> None:
    twin.control.post("/limits", requests=1)
    assert [twin.client.get("/v2/agents").status_code for _ in range(3)] == [401] * 3
    assert statuses(twin.deck, 2) == [200, 429]

    twin.control.post("/reset")
    assert statuses(twin.deck, 2) == [200, 200]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "unknown_field"),
        ({"requests": 0}, "unknown_field"),
        ({"requests": "many"}, "unknown_field"),
        ({"requests": 1, "per": "0s"}, "invalid_duration"),
        ({"requests": 1, "per": "a while"}, "invalid_duration"),
        ({"requests": 1, "rate": 1}, "unknown_field"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(control: Control, body: Any, code: str) -> None:
    assert control.refusal("/limits", **body) == (422, code)
