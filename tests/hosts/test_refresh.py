"""A company's server reads a connection once more while its user sleeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.companies import Server, follows, founded
from tests.people import Deck, Visitor
from webapp.limits import RUNS_PER_PERSON


@pytest.fixture
def connection(tidepool: Server, app: Flask, deck: Deck) -> str:
    """Kim's, which works."""
    kim = Visitor(app)
    follows(kim, tidepool.invites())
    kim.presses("Agree and continue")
    kim.presses("Northlight Power")
    kim.presses("Sign in", username="robin@sample.example", password="bright-light-7")
    deck.goes_on()
    (connection,) = tidepool.reads("/connections")["data"]
    return str(connection["connection_id"])


def refreshes(tidepool: Server, id: str, **headers: str) -> Any:
    return tidepool.asks("POST", f"/connections/{id}/refresh", **headers)


def test_a_refresh_is_a_run_with_its_own_result(
    tidepool: Server, connection: str, deck: Deck, later: Callable[..., None]
) -> None:
    answer = refreshes(tidepool, connection)
    assert answer.status_code == 202
    run = answer.json()
    again = refreshes(tidepool, connection)
    assert (again.status_code, again.json()["run_id"]) == (202, run["run_id"]), "one run at a time"
    deck.goes_on()
    done = tidepool.reads(f"/connections/{connection}/runs/{run['run_id']}")
    assert done["status"] == "completed" and done["output"]["account"]
    assert len(tidepool.reads(f"/connections/{connection}/runs")["data"]) == 2
    later(seconds=6)
    told = [e["type"] for e in tidepool.reads("/events")["data"] if e["data"]["run_id"] == run["run_id"]]
    assert told == ["run.completed"]


def test_the_same_key_is_the_same_run_even_when_it_is_over(tidepool: Server, connection: str, deck: Deck) -> None:
    first = refreshes(tidepool, connection, **{"Idempotency-Key": "night"}).json()
    deck.goes_on()
    again = refreshes(tidepool, connection, **{"Idempotency-Key": "night"}).json()
    another = refreshes(tidepool, connection, **{"Idempotency-Key": "morning"}).json()
    assert first["run_id"] == again["run_id"] != another["run_id"]
    assert again["status"] == "completed"


def test_a_changed_password_needs_the_person(tidepool: Server, connection: str, deck: Deck) -> None:
    (site,) = [s for s in deck.world.sites._by_host.values() if s["host"] == "northlight.example"]
    site["people"][0]["password"] = "another-light-8"
    refreshes(tidepool, connection)
    deck.goes_on()
    refused = refreshes(tidepool, connection)
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (409, "reconnect_required")


def test_what_is_over_or_somebody_elses_is_not_read(tidepool: Server, connection: str, app: Flask, deck: Deck) -> None:
    assert refreshes(founded(app, "Others"), connection).status_code == 404
    tidepool.asks("POST", f"/connections/{connection}/disconnect")
    refused = refreshes(tidepool, connection)
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (409, "connection_ended")


def test_nobody_is_read_all_night(tidepool: Server, connection: str, deck: Deck) -> None:
    for _ in range(RUNS_PER_PERSON.amount):
        if refreshes(tidepool, connection).status_code == 429:
            break
        deck.goes_on()
    answer = refreshes(tidepool, connection)
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (429, "rate_limit_exceeded")
