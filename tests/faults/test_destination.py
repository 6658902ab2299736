"""Webhooks that do not come: lost ones, clocks that differ, secrets that do not fit, a destination switched off."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from tests.conftest import SECRET
from tests.deck.line import Line
from tests.deck.once import BANK, CARD, CODE, PASSWORD, Later, looks
from tests.people import Deck, Visitor
from tests.test_webhooks import Knocker, event
from webapp import logs, watchdog
from webapp.bus import visit_topic
from webapp.current import bus
from webapp.db import db, writing
from webapp.deck import Signatures
from webapp.live import WATCH_EVERY, look_sooner
from webapp.models import Chore
from webapp.sync import WANTED_EVENTS
from webapp.twin.world import World
from webapp.watchdog import catch_up

NEW = "whsec_" + base64.b64encode(b"another secret, also of 32 bytes").decode()
POWER = ("Northlight Power", "robin@sample.example", "bright-light-7")
Runs = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def passes(later: Later, deck: Deck, world: World) -> Callable[[float], None]:
    """Time passing for us and for Deck alike, in seconds; our worker does what is due every second or so."""
    world.clock.now = datetime.now(UTC)

    def pass_(seconds: float, step: float = 10.0) -> None:
        left = seconds
        while left > 0:
            later(seconds=min(step, left))
            deck.lets_pass(seconds=min(step, left))
            left -= step

    return pass_


def deploys(app: Flask, *secrets: str) -> None:
    """A restart of ours with other webhook secrets; the first one is what we would give to Deck."""
    parts = app.extensions["gangway"]
    config = dataclasses.replace(parts.config, deck_webhook_secrets=secrets)
    app.extensions["gangway"] = dataclasses.replace(parts, config=config, signatures=Signatures(secrets))


def the_destination(deck: Deck) -> dict[str, Any]:
    (destination,) = deck.objects("event_destinations")
    return destination


# --- lost --------------------------------------------------------------------------------------------------------

KINDS = ["task_run.queued", "task_run.running", "task_run.interaction_required", "task_run.completed", "credential.*"]


@pytest.mark.parametrize("lost", [*KINDS, "*"])
def test_r03_whoever_watches_sees_the_truth_within_15_seconds(
    robin: Visitor, deck: Deck, app: Flask, world: World, passes: Callable[..., None], lost: str
) -> None:
    """Webhooks of one kind, or all of them, never come."""
    world.rules.add({"match": {"event_type": lost}, "action": {"type": "drop"}})
    robin.signs_in_at(BANK, CARD, PASSWORD)
    ref = robin.page.url.path.split("/")[2]
    with app.extensions["gangway"].bus.listen(visit_topic(ref)):

        def watched_for(seconds: float) -> str:
            for _ in range(int(seconds / WATCH_EVERY)):
                with app.app_context():
                    look_sooner([ref])
                passes(WATCH_EVERY, WATCH_EVERY)
            return looks(robin)

        passes(3, 1)  # by now the site asks
        assert watched_for(15) == "interaction"
        robin.presses("Continue", f0=CODE)
        passes(4, 1)  # by now it is done
        assert watched_for(15) == "outcome"
    assert f"{BANK} is connected" in robin.sees()


def test_r03_what_nobody_watches_is_right_within_five_minutes(
    robin: Visitor, deck: Deck, world: World, passes: Callable[..., None], runs: Runs
) -> None:
    world.rules.add({"match": {}, "action": {"type": "drop"}})
    world.sites.put(
        {
            "host": "maplemain.example",
            "people": [
                {"username": "robin", "password": PASSWORD, "branch": "review", "durations": {"review_window": "25m"}}
            ],
        }
    )
    robin.signs_in_at(BANK, "robin", PASSWORD)
    passes(25 * 60 - 5, 20)
    assert runs() == [("review_required", "")]
    passes(5 * 60, 20)  # the review is over within the first seconds of it
    assert runs() == [("completed", "success")]


def test_r03_what_we_never_asked_for_is_not_missed(
    robin: Visitor,
    deck: Deck,
    door: Knocker,
    passes: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Deck's list has every type, credential.created among them; its webhooks have those we subscribed to."""
    deck.our_watchdog_looks()
    robin.signs_in_at(*POWER)
    deck.goes_on()
    passes(6 * 60, 60)
    deck.our_watchdog_looks()
    assert looks(robin) == "outcome"
    assert "credential.created" in {e["type"] for e in deck.objects("events")}
    assert {kept.type for kept in door.kept()} <= {*WANTED_EVENTS}
    assert "never came" not in caplog.text


def test_r03_what_may_be_on_its_way_is_taken_and_not_called_missed(
    robin: Visitor, deck: Deck, door: Knocker, passes: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    deck.our_watchdog_looks()
    deck.losing_webhooks = True
    passes(5 * 60 - 20, 20)
    robin.signs_in_at(*POWER)
    passes(20, 5)
    deck.our_watchdog_looks()
    assert "task_run.completed" in {kept.type for kept in door.kept()}
    assert "never came" not in caplog.text, "these are seconds old"


# --- clocks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skew", "status"), [(299, 204), (-298, 204), (302, 401), (-302, 401), (600, 401)])
def test_r29_a_clock_five_minutes_off_is_told_to_the_operator_by_name(
    door: Knocker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    skew: int,
    status: int,
) -> None:
    monkeypatch.setattr("webapp.webhooks.seldom", logs.Seldom(10.0))  # told once in ten seconds, and so this time
    body = json.dumps(event()).encode()
    assert door.knocks(body, door.signs(body, ago=skew)).status_code == status
    assert told(caplog, "clock") == (status == 401)


def told(caplog: pytest.LogCaptureFixture, reason: str) -> bool:
    return any(f"'{reason}'" in f"{record.__dict__}" for record in caplog.records)


@pytest.mark.parametrize("minutes", [10, -10])
def test_r29_with_our_clock_ten_minutes_off_robin_still_gets_there(
    robin: Visitor, deck: Deck, world: World, later: Later, minutes: int
) -> None:
    """Webhooks are refused, but order is decided by Deck's clock alone: asking is enough."""
    world.clock.now = datetime.now(UTC)
    later(minutes=minutes)
    robin.signs_up("another@sample.example")
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    later(seconds=15)
    deck.our_worker_works()
    assert looks(robin) == "interaction"
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    later(seconds=15)
    deck.our_worker_works()
    assert looks(robin) == "outcome"


# --- secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("us", "deck", "us again"), ("deck via us",)])
def test_r30_a_secret_is_rotated_and_no_delivery_is_refused(
    robin: Visitor, deck: Deck, app: Flask, world: World, passes: Callable[..., None], order: tuple[str, ...]
) -> None:
    """Both secrets are known to us before Deck learns of the new one, and the old one is dropped a day after."""
    steps: dict[str, Callable[[], object]] = {
        "us": lambda: deploys(app, SECRET, NEW),
        "deck": lambda: world.events.rotate(the_destination(deck), NEW, world.clock.span("secret_rollover")),
        "us again": lambda: deploys(app, NEW),
        "deck via us": lambda: (deploys(app, NEW, SECRET), sync_now(app)),
    }
    for step in ("", *order):
        if step:
            steps[step]()
        robin.signs_in_at(*POWER)
        deck.goes_on()
        assert looks(robin) == "outcome"
    deploys(app, NEW)
    passes(25 * 3600, 3600)
    robin.opens("/sign-in")
    assert refused(deck) == []
    assert the_destination(deck)["_config"]["secret"] == NEW


def sync_now(app: Flask) -> None:
    from webapp.sync import sync_destination

    with app.app_context():
        sync_destination(lambda step: None)


def refused(deck: Deck) -> list[dict[str, Any]]:
    attempts = [attempt for delivery in deck.objects("event_deliveries") for attempt in delivery["_attempts"]]
    return [attempt for attempt in attempts if attempt["error"]]


def test_r31_a_wrong_secret_is_put_right_and_no_run_is_lost(
    robin: Visitor,
    deck: Deck,
    app: Flask,
    passes: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    runs: Runs,
) -> None:
    monkeypatch.setattr("webapp.webhooks.seldom", logs.Seldom(10.0))
    deploys(app, NEW)  # Deck signs with another one
    robin.signs_in_at(*POWER)
    robin.signs_in_at("Stillwater Trust", "robin", "runs-deep-6")
    deck.goes_on()
    assert told(caplog, "bad_signature"), "the operator is told at once"
    passes(4 * 60)
    assert the_destination(deck)["status"] == "inactive"
    deploys(app, SECRET)
    deck.our_watchdog_looks()
    assert the_destination(deck)["status"] == "active"
    passes(60)
    assert runs() == [("completed", "success")] * 2
    before = len(refused(deck))
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    assert looks(robin) == "interaction"
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    assert looks(robin) == "outcome", "webhooks are heard again"
    assert len(refused(deck)) == before


# --- the destination ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["inactive", "pending", "deleted"])
def test_r32_a_destination_that_is_off_is_on_again_within_a_minute_and_the_gap_is_filled(
    robin: Visitor, deck: Deck, app: Flask, world: World, passes: Callable[..., None], door: Knocker, trouble: str
) -> None:
    deck.our_watchdog_looks()
    robin.signs_in_at(*POWER)
    if trouble == "deleted":
        world.stores["event_destinations"].clear()
    else:
        world.events.set_status(the_destination(deck), trouble)
    deck.goes_on()
    assert door.kept() == []
    passes(60)
    deck.our_watchdog_looks()
    assert the_destination(deck)["status"] == "active"
    missed = {e["id"] for e in deck.objects("events") if e["type"].startswith("task_run.")}
    assert missed <= {kept.deck_id for kept in door.kept()}, "what was missed is fetched"
    came = [kept.type for kept in door.kept() if kept.deck_id in missed]
    assert came[0] == "task_run.queued", "and kept as it happened: the oldest first"
    with world.lock:
        (credential,) = world.stores["credentials"].values()
        world.credentials.refuse(credential)
    deck.lets_pass(seconds=1)
    assert "credential.invalid" in {kept.type for kept in door.kept()}, "and Deck delivers again"


def test_r32_more_than_one_pass_can_take_is_taken_in_several(
    robin: Visitor,
    deck: Deck,
    world: World,
    passes: Callable[..., None],
    door: Knocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "MOST", 3)
    listed = happens_unheard(robin, deck, world)
    assert len(listed) > watchdog.MOST and door.kept() == []
    passes(60)
    looks = 0
    while "goes_on" in watermark(deck) or not looks:
        deck.our_watchdog_looks()
        looks += 1
    assert looks > 1 and {kept.deck_id for kept in door.kept()} >= listed
    assert set(watermark(deck)) == {"since"}, "and the next look begins where this one ended"


def test_r32_a_pass_ended_by_a_deploy_is_gone_on_with(
    robin: Visitor,
    deck: Deck,
    world: World,
    passes: Callable[..., None],
    door: Knocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is told to end while the first page of the list is before it: the others are not taken for seen."""
    listed = happens_unheard(robin, deck, world)
    passes(301)
    with deck.app.app_context(), monkeypatch.context() as short:
        short.setattr(watchdog, "PAGE", 2)
        bus().closing = True
        with writing():
            chore = Chore.claim("events")
        assert chore is not None
        catch_up(chore)
        bus().closing = False
    assert "goes_on" in watermark(deck) and len(door.kept()) < len(listed)
    passes(301)
    deck.our_watchdog_looks()
    assert {kept.deck_id for kept in door.kept()} >= listed


def happens_unheard(robin: Visitor, deck: Deck, world: World) -> set[str]:
    """Somebody has switched our webhook off, and then Robin connects an account: what Deck lists of it."""
    deck.our_watchdog_looks()
    world.events.set_status(the_destination(deck), "inactive")
    robin.signs_in_at(*POWER)
    deck.goes_on()
    return {e["id"] for e in deck.objects("events") if e["type"] in WANTED_EVENTS}


def watermark(deck: Deck) -> dict[str, Any]:
    with deck.app.app_context():
        state: dict[str, Any] = db.session.get_one(Chore, "events").state
        return state


def test_r32_one_that_is_switched_off_again_is_switched_on_again(
    deck: Deck, world: World, passes: Callable[..., None]
) -> None:
    for _ in range(3):
        world.events.set_status(the_destination(deck), "inactive")
        passes(61)
        deck.our_watchdog_looks()
        assert the_destination(deck)["status"] == "active"


def test_r32_one_that_is_deleted_again_on_the_same_day_is_made_again(
    deck: Deck, world: World, passes: Callable[..., None]
) -> None:
    """Deck answers a key it knows with what it said then, for a day: then nothing would be made."""
    for _ in range(3):
        world.stores["event_destinations"].clear()
        passes(61)
        deck.our_watchdog_looks()
        assert the_destination(deck)["status"] == "active"


def test_r32_one_whose_making_nobody_confirmed_is_made_once(
    deck: Deck, line: Line, world: World, passes: Callable[..., None]
) -> None:
    world.stores["event_destinations"].clear()
    line.trouble("POST /v2/event-destinations", "answer is lost")
    for _ in range(2):
        passes(61)
        deck.our_watchdog_looks()
    assert the_destination(deck)["status"] == "active"
