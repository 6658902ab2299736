"""Deck's dates: wrong ones, the same for two things, and none that anybody can read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from flask import Flask
from sqlalchemy import select

from tests.deck.line import WHOLE_CALL, Line, PowerCut
from tests.deck.once import BANK, CARD, CODE, PASSWORD, Later, dies, everything_went_well, looks
from tests.faults.test_answers import Twist, posted, prompt_form
from tests.people import Deck, Visitor
from tests.test_webhooks import Knocker, event
from webapp import connect
from webapp.db import db, now, writing
from webapp.intents import attempt, running
from webapp.models import Chore, ConnectSession, Run
from webapp.twin.world import World

GET_RUN = "GET /v2/task-runs/.*"


# --- wrong -------------------------------------------------------------------------------------------------------


def test_r29_an_event_dated_in_the_far_future_keeps_no_run_open(
    robin: Visitor, deck: Deck, line: Line, door: Knocker, later: Later
) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    (run,) = deck.objects("task_runs")
    lie = event("evt_lie", "task_run.running", run["id"], status="running", updated_at="2999-01-01T00:00:00Z")
    assert door.delivers(lie, webhook_id="evt_lie") == 204
    everything_went_well(robin, deck, later)


def test_r29_an_end_that_deck_dates_before_what_we_know_is_an_end(
    asked: Visitor, deck: Deck, line: Line, later: Later, app: Flask
) -> None:
    """Two of Deck's machines do not agree about the time."""
    with app.app_context(), writing():
        run = db.session.scalars(select(Run)).one()
        assert run.as_of is not None
        run.as_of += timedelta(hours=1)
    asked.presses("Stop")
    deck.lets_pass(seconds=5)
    later(seconds=11)
    deck.our_worker_works()
    looks(asked)
    assert "You stopped this" in asked.sees()


def test_r29_a_listed_event_dated_in_the_far_future_hides_no_later_one(
    robin: Visitor, deck: Deck, line: Line, world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.now = datetime.now(UTC)
    deck.losing_webhooks = True
    robin.signs_in_at(BANK, CARD, PASSWORD)
    handle = line.handle_request

    def newest_is_far_ahead(request: httpx.Request) -> httpx.Response:
        answer = handle(request)
        content = answer.read()
        if request.url.path == "/v2/events":
            listed = json.loads(content)
            listed["data"][0]["created_at"] = "2999-01-01T00:00:00.000Z"
            content = json.dumps(listed).encode()
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(content))

    monkeypatch.setattr(line, "handle_request", newest_is_far_ahead)
    deck.our_watchdog_looks()
    with app.app_context():
        assert db.session.get_one(Chore, "events").state["since"] < (now() + timedelta(days=2)).isoformat()


# --- the same ----------------------------------------------------------------------------------------------------


@pytest.fixture
def in_seconds(line: Line, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Deck that tells time in seconds, as its older answers do, and in which all of this happens in one of them."""
    handle = line.handle_request

    def without_fractions(request: httpx.Request) -> httpx.Response:
        answer = handle(request)
        content = re.sub(rb"(T\d\d:\d\d:\d\d)\.\d+", rb"\1", answer.read())
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(content))

    monkeypatch.setattr(line, "handle_request", without_fractions)


def test_r24_two_questions_in_one_second_are_two(
    in_seconds: None, robin: Visitor, deck: Deck, line: Line, world: World, later: Later
) -> None:
    deck.losing_webhooks = True
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    later(seconds=11)
    deck.our_worker_works()
    assert looks(robin) == "interaction"
    action, typed = prompt_form(robin)
    Twist(world).asks("other")
    robin.posts(action, typed | {"f0": CODE})
    assert robin.page.status_code == 409
    assert "Now something else." in robin.sees()
    assert posted(line) == 0, "the code was typed for another question"


def test_r2_what_deck_said_before_an_answer_does_not_bring_the_question_back(
    in_seconds: None, robin: Visitor, deck: Deck, line: Line, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has asked, Robin answers, and only then the worker hears what was true before. All in one second."""
    deck.losing_webhooks = True
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    later(seconds=11)
    deck.our_worker_works()
    assert looks(robin) == "interaction"
    handle, answers = line.handle_request, [lambda: robin.presses("Continue", f0=CODE)]

    def answered_meanwhile(request: httpx.Request) -> httpx.Response:
        told = handle(request)
        if answers and re.fullmatch(GET_RUN, f"{request.method} {request.url.path}"):
            answers.pop()()
        return told

    monkeypatch.setattr(line, "handle_request", answered_meanwhile)
    later(seconds=11)
    deck.our_worker_works()
    assert not answers
    assert looks(robin) == "progress"
    everything_went_well(robin, deck, later)


# --- unreadable --------------------------------------------------------------------------------------------------


def test_r40_a_run_nobody_can_read_for_hours_is_given_up(
    asked: Visitor,
    deck: Deck,
    line: Line,
    later: Later,
    runs: Callable[[], list[tuple[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or its connection would wait for it for ever."""
    handle = line.handle_request

    def garbled(request: httpx.Request) -> httpx.Response:
        answer = handle(request)
        is_run = re.fullmatch(GET_RUN, f"{request.method} {request.url.path}")
        return httpx.Response(200, stream=httpx.ByteStream(b"[")) if is_run else answer

    monkeypatch.setattr(line, "handle_request", garbled)
    later(minutes=40)
    deck.our_worker_works()
    assert runs() == [("interaction_required", "")]
    later(hours=2)
    deck.our_worker_works()
    assert runs() == [("failed", "unknown")]


# --- at the wrong moment -----------------------------------------------------------------------------------------


def test_r6_news_that_come_while_deck_cannot_be_asked_are_not_put_off(
    asked: Visitor, deck: Deck, line: Line, door: Knocker, later: Later
) -> None:
    (run,) = deck.objects("task_runs")

    def comes() -> None:
        door.delivers(event("evt_news", "task_run.completed", run["id"]))
        deck.worker.read_inbox()

    line.during[GET_RUN] = comes
    line.trouble(GET_RUN, "fails")
    line.calls.clear()
    later(minutes=1)
    deck.our_worker_works()
    asked_again = [call for call in line.calls if re.fullmatch(GET_RUN, call)][WHOLE_CALL:]
    assert asked_again, "at once, and not ten seconds later"


def test_we_die_between_hearing_that_a_run_began_and_stopping_it(
    robin: Visitor, deck: Deck, line: Line, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop was pressed before Deck had taken the run."""
    line.during["POST /v2/tasks/.*"] = lambda: stops_in_another_tab(robin)
    with monkeypatch.context() as patch:
        patch.setattr(running, "stop_run", power_cut)
        patch.setattr(running, "attempt", lambda intent: attempt(intent) if intent.kind == "run.start" else power_cut())
        dies(lambda: robin.signs_in_at(BANK, CARD, PASSWORD))
    later(seconds=31)
    deck.our_worker_works()
    deck.lets_pass(seconds=5)
    looks(robin)
    assert "You stopped this" in robin.sees()


def stops_in_another_tab(robin: Visitor) -> None:
    tab = Visitor(robin.app)
    tab.http.cookies = robin.http.cookies
    with robin.app.app_context():
        ref = db.session.scalars(select(ConnectSession.ref)).one()
    tab.opens(f"/connect/{ref}")
    tab.presses("Stop")


def test_we_die_between_not_now_and_telling_deck_to_forget_the_sign_in(
    robin: Visitor, deck: Deck, line: Line, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    robin.signs_in_at(BANK, CARD, "not-the-password")
    deck.goes_on()
    assert looks(robin) == "sign_in"
    with monkeypatch.context() as patch:
        patch.setattr(connect, "attempt", power_cut)
        dies(lambda: robin.posts(f"{robin.page.url.path}/leave"))
    later(seconds=31)
    deck.our_worker_works()
    assert [credential["status"] for credential in deck.objects("credentials")] == ["deleted"]


def power_cut(*_: object) -> None:
    raise PowerCut
