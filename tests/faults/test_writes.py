"""Writes at Deck: keys that run out or clash, double clicks, deaths, and processes that sleep too long."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from flask import Flask

import tests.test_intents as stories
from tests.conftest import settings
from tests.deck.line import Fate, Line
from tests.deck.once import (
    BANK,
    CARD,
    CODE,
    PASSWORD,
    Later,
    dies,
    everything_went_well,
    happened,
    intents,
    looks,
)
from tests.people import Deck, Visitor
from webapp import create_app
from webapp.db import db
from webapp.twin.delivery import Deliverer
from webapp.twin.world import World
from webapp.worker import Worker

STORE, RUN, ANSWER = "POST /v2/credentials", "POST /v2/tasks/.*/run", "POST /v2/task-runs/.*/interaction"
CANCEL, DELETE = "POST /v2/task-runs/.*/cancel", "DELETE /v2/credentials/.*"
POWER = ("Northlight Power", "robin@sample.example", "bright-light-7")
Runs = Callable[[], list[tuple[str, str]]]


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fate", "ends"), [("answer is lost", "completed"), ("never arrives", "failed")])
def test_r11_a_start_nobody_confirmed_for_a_day_is_looked_for_and_never_repeated(
    robin: Visitor, deck: Deck, world: World, line: Line, later: Later, runs: Runs, fate: Fate, ends: str
) -> None:
    world.clock.now = datetime.now(UTC)
    robin.signs_in_at(*POWER)  # an earlier run with another sign-in
    deck.goes_on()
    line.trouble(RUN, fate, times=10_000)
    deck.losing_webhooks = True
    robin.signs_in_at(*POWER)
    for _ in range(25):  # Deck forgets the key after 24 hours
        later(hours=1)
        deck.lets_pass(hours=1)
    line.troubles.clear()
    starts = len([call for call in line.calls if call.endswith("/run")])
    for _ in range(5):
        later(minutes=10)
        deck.our_worker_works()
    assert len([call for call in line.calls if call.endswith("/run")]) == starts, "not once more after 23 hours"
    assert runs()[1][0] == ends
    assert happened(deck, "task_run.queued") == (2 if fate == "answer is lost" else 1)
    visit = robin.page.url.path
    robin.opens("/sign-in")
    robin.presses("Sign in", email="robin@sample.example", password="correct horse battery")
    robin.opens(visit)
    assert ("Northlight Power is connected" in robin.sees()) == (ends == "completed")
    assert "Try again" not in robin.sees(), "what nobody knows is not done twice"


@pytest.mark.parametrize("fate", ["we die before", "we die after"])
def test_r12_a_sign_in_whose_request_died_is_never_doubled_and_never_kept(
    robin: Visitor, deck: Deck, line: Line, later: Later, fate: Fate
) -> None:
    """That nothing typed is on disk is looked at after every test here."""
    tale = {
        "we die before": stories.test_we_die_before_deck_hears_of_the_sign_in,
        "we die after": stories.test_we_die_after_deck_took_the_sign_in,
    }
    tale[fate](robin, deck, line, later)


@pytest.mark.parametrize(
    ("call", "screen"),
    [("credentials.create", "sign_in"), ("task_runs.create", "outcome"), ("task_runs.interaction", "interaction")],
)
def test_r13_a_key_used_twice_is_told_to_the_operator_and_robin_begins_anew(
    robin: Visitor,
    deck: Deck,
    line: Line,
    world: World,
    later: Later,
    caplog: pytest.LogCaptureFixture,
    call: str,
    screen: str,
) -> None:
    resource, operation = call.split(".")
    world.faults.arm({"resource": resource, "operation": operation, "count": 1, "code": "idempotency_error"})
    robin.signs_in_at(BANK, CARD, PASSWORD)
    if call == "task_runs.interaction":
        deck.goes_on()
        looks(robin)
        robin.presses("Continue", f0=CODE)
    deck.our_worker_works()
    assert looks(robin) == screen
    assert [state for _, state in intents(deck.app)][-1] == "refused"
    assert any("key used twice" in r.getMessage() and r.levelno == logging.ERROR for r in caplog.records)
    if screen == "sign_in":
        robin.presses("Sign in", username=CARD, password=PASSWORD)
    elif screen == "outcome":
        robin.presses("Try again")
    if screen != "interaction":
        deck.goes_on()
    assert looks(robin) == "interaction"
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    assert looks(robin) == "outcome"
    assert f"{BANK} is connected" in robin.sees()


# --- twenty clicks -----------------------------------------------------------------------------------------------


def test_r14_twenty_clicks_are_one(robin: Visitor, deck: Deck, line: Line, later: Later) -> None:
    robin.picks(BANK)
    (form,) = [f for f in robin.tree.iter("form") if str(f.get("action")).endswith("/sign-in")]
    typed = {str(i.get("name")): i.get("value", "") for i in form.iter("input")}
    typed |= {"username": CARD, "password": PASSWORD}

    def clicks(_: int) -> httpx.Response:
        return robin.http.post(str(form.get("action")), data=typed, headers={"Sec-Fetch-Site": "same-origin"})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(clicks, range(20)))
    assert {(a.status_code, a.headers["Location"]) for a in answers} == {(303, robin.page.url.path)}
    everything_went_well(robin, deck, later)
    assert happened(deck, "credential.created") == happened(deck, "task_run.queued") == 1


# --- deaths ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", ["we die before", "we die after"])
@pytest.mark.parametrize("call", [STORE, RUN, ANSWER])
def test_r15_killed_anywhere_and_started_again_it_goes_on_by_itself(
    robin: Visitor, deck: Deck, line: Line, world: World, database_url: str, later: Later, call: str, fate: Fate
) -> None:
    """One death at each call; `tests/crash` dies at every step there is."""
    line.trouble(call, fate)
    if call == ANSWER:
        robin.signs_in_at(BANK, CARD, PASSWORD)
        deck.goes_on()
        looks(robin)
        dies(lambda: robin.presses("Continue", f0=CODE))
    else:
        dies(lambda: robin.signs_in_at(BANK, CARD, PASSWORD))
    app = create_app(settings(database_url))
    app.extensions["test.deliverer"] = Deliverer(world, httpx.Client(transport=httpx.WSGITransport(app=app)))
    Line(app, world)
    after = Visitor(app)
    after.http.cookies, after.page = robin.http.cookies, robin.page
    deck_after = Deck(app, world, app.extensions["test.deliverer"])
    later(seconds=30)
    deck_after.our_worker_works()
    if looks(after) == "sign_in":
        after.presses("Sign in", username=CARD, password=PASSWORD)
    everything_went_well(after, deck_after, later)
    assert happened(deck, "credential.created") == happened(deck, "task_run.queued") == 1
    with app.app_context():
        db.engine.dispose()


# --- sleepers ----------------------------------------------------------------------------------------------------


class Sleepy(Line):
    """A process that is stopped at one call, while another one's worker goes on."""

    def sleeps_at(self, call: str, when: str, meanwhile: Callable[[], object]) -> None:
        self.at, self.when, self.meanwhile = call, when, meanwhile

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        called = f"{request.method} {request.url.path}"
        is_it = bool(self.at) and called.startswith(self.at.split(".*")[0]) and called.endswith(self.at.split(".*")[-1])
        if is_it:
            self.at = ""
        if is_it and self.when == "before":
            self.meanwhile()
        answer = super().handle_request(request)
        if is_it and self.when == "after":
            self.meanwhile()
        return answer

    at = ""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [STORE, RUN, ANSWER, CANCEL])
def test_r37_whoever_sleeps_past_the_lease_does_nothing_twice(
    app: Flask, robin: Visitor, deck: Deck, world: World, later: Later, call: str, when: str
) -> None:
    """Stopped just before or just after a call for 31 seconds: the worker takes over, then the sleeper wakes up."""
    line = Sleepy(app, world)

    def sleeps() -> None:
        later(seconds=31)
        Worker(app).step()
        later(seconds=31)

    line.sleeps_at(call, when, lambda: in_another_context(app, sleeps))
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    if looks(robin) == "sign_in":
        robin.presses("Sign in", username=CARD, password=PASSWORD)
        deck.goes_on()
    if call == CANCEL:
        looks(robin)
        robin.presses("Stop")
        deck.lets_pass(seconds=5)
        looks(robin)
        assert "You stopped this" in robin.sees()
        assert happened(deck, "task_run.canceling") == 1
        return
    looks(robin)
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    everything_went_well(robin, deck, later)
    assert happened(deck, "task_run.queued") == 1
    live = [c for c in deck.objects("credentials") if c["status"] != "deleted"]
    assert len(live) == 1


def in_another_context(app: Flask, do: Callable[[], Any]) -> None:
    """As another process would: with a database session of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(do).result()
