"""Webhooks that come twice, in any order, about strangers, poisoned, or by the hundred."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from sqlalchemy import func, select

import tests.test_intents
from tests.deck.line import Line
from tests.deck.once import BANK, CARD, PASSWORD, Later, everything_went_well, happened, looks
from tests.people import Deck, Visitor
from tests.test_webhooks import POISON, Knocker, event
from webapp.db import db
from webapp.models import Event, Prompt, Run

Runs = Callable[[], list[tuple[str, str]]]


def parked(app: Flask) -> dict[str, int]:
    """How many events led to nothing, and why."""
    with app.app_context():
        query = select(Event.parked, func.count()).where(Event.parked != "").group_by(Event.parked)
        return {row[0]: row[1] for row in db.session.execute(query)}


def test_r01_fifty_copies_are_one_and_all_are_thanked_for(
    asked: Visitor, deck: Deck, door: Knocker, later: Later
) -> None:
    told = next(e for e in deck.objects("events") if e["type"] == "task_run.interaction_required")
    body = told["_body"].encode()
    with ThreadPoolExecutor(10) as pool:
        envelopes = [told["id"]] * 25 + [f"msg_{i}" for i in range(25)]
        answers = list(pool.map(lambda envelope: door.delivers(body, webhook_id=envelope), envelopes))
    assert answers == [204] * 50
    later(days=31)  # Deck's own list has forgotten it by then
    assert door.delivers(body, webhook_id="msg_late") == 204
    assert [kept.deck_id for kept in door.kept()].count(told["id"]) == 1
    deck.our_worker_works()
    with deck.app.app_context():
        assert db.session.scalars(select(Prompt.ordinal)).all() == [1], "asked once, however often we were told"


def test_r04_a_webhook_that_overtakes_our_own_answer_finds_its_run(
    robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    tests.test_intents.test_webhooks_that_overtake_our_own_answers_are_no_strangers_for_long(robin, deck, line, later)
    assert set(parked(deck.app)) <= {"unknown"}


def test_r05_news_of_strangers_is_kept_and_shown_to_nobody(
    robin: Visitor, deck: Deck, door: Knocker, runs: Runs
) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    before = [looks(robin), runs()]
    for i in range(20):
        about = {"id": f"trun_stranger{i}", "status": "completed", "output": {"holder": "Somebody else"}}
        told = event(f"evt_s{i}", "task_run.completed", **{"about": about.pop("id"), **about})
        assert door.delivers(told, webhook_id=f"evt_s{i}") == 204
    deck.our_worker_works()
    assert parked(deck.app) == {"unknown": 20}
    assert [looks(robin), runs()] == before
    assert "Somebody else" not in robin.page.text


def test_r05_a_stranger_that_turns_out_to_be_ours_is_caught_up_with(
    robin: Visitor, deck: Deck, door: Knocker, line: Line, later: Later
) -> None:
    """Deck took the run and told us how it ended before we learned its name."""
    line.trouble("POST /v2/tasks/.*/run", "answer is lost")
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.lets_pass(minutes=5)
    assert parked(deck.app)["unknown"] >= 3
    later(seconds=6)
    deck.our_worker_works()
    robin.looks_again()
    assert "Northlight Power is connected" in robin.sees()


def test_r06_poison_between_the_news_harms_nothing(asked: Visitor, deck: Deck, door: Knocker, later: Later) -> None:
    for i, body in enumerate(POISON):
        assert door.delivers(body, webhook_id=f"evt_poison{i}") == 204
    about = deck.objects("task_runs")[0]["id"]
    bent = [None, [], 7, "\ud800\x00", {"a": 1}, "x" * 5_000]
    for i, status in enumerate(bent):
        told = event(f"evt_bent{i}", "task_run.running", about, status=status, updated_at=status)
        assert door.delivers(json.dumps(told).encode(), webhook_id=f"evt_bent{i}") == 204
    deck.our_worker_works()
    assert parked(deck.app)["unreadable"] >= len(POISON)
    everything_went_well(asked, deck, later)


def test_r35_a_flood_of_news_is_taken_in_and_worked_off(
    app: Flask, asked: Visitor, deck: Deck, door: Knocker, line: Line, later: Later
) -> None:
    """Five hundred events at once, many about one run: each is kept, and Deck is asked about the run a few times."""
    about = deck.objects("task_runs")[0]["id"]

    def tells(i: int) -> int:
        subject = about if i % 2 else f"trun_{i}"
        return door.delivers(event(f"evt_f{i}", "task_run.completed", subject), webhook_id=f"evt_f{i}")

    asked_before = len(line.calls)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(tells, range(500))) == {204}
    deck.our_worker_works()
    with app.app_context():
        assert Event.waiting(1) == []
    assert len(line.calls) - asked_before <= 10, "250 hints about one run are not 250 questions"
    asked.presses("Continue", f0="246810")
    everything_went_well(asked, deck, later)
    assert happened(deck, "task_run.completed") == 1
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Run)) == 1
