"""Answers: two tabs, questions that changed, questions that came again, and time that ran out."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import tests.test_connect as journeys
from tests.deck.line import Line
from tests.deck.once import CODE, Later, everything_went_well, happened, looks
from tests.people import Deck, Visitor
from tests.test_live import Tab
from webapp import live
from webapp.twin.world import World


def prompt_form(robin: Visitor) -> tuple[str, dict[str, str]]:
    """Where the present question is answered, and the form's fields."""
    (form,) = [f for f in robin.tree.iter("form") if str(f.get("action")).endswith("/answer")]
    return str(form.get("action")), {str(i.get("name")): i.get("value", "") for i in form.iter("input")}


def posted(line: Line) -> int:
    return sum(call.endswith("/interaction") for call in line.calls)


def test_r23_of_twenty_tabs_one_answers(asked: Visitor, deck: Deck, line: Line, later: Later) -> None:
    action, typed = prompt_form(asked)

    def answers(i: int) -> httpx.Response:
        values = typed | {"f0": CODE if i == 7 else f"{i:06d}"}
        return asked.http.post(action, data=values, headers={"Sec-Fetch-Site": "same-origin"})

    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(answers, range(20)))
    assert posted(line) == 1
    winners = [a for a in got if a.status_code == 303 and "answered" not in a.text]
    others = [a for a in got if a.status_code == 409]
    assert len(winners) + len(others) == 20 and winners
    assert all("That was already answered" in a.text for a in others)
    deck.goes_on()
    if looks(asked) == "interaction":  # somebody else's guess was the first
        assert "That code did not work" in asked.sees()
    everything_went_well(asked, deck, later)


@dataclasses.dataclass
class Twist:
    """Deck asks something else just when nobody looks."""

    world: World

    def asks(self, field: str) -> None:
        (run,) = [r for r in self.world.stores["task_runs"].values() if r["status"] == "interaction_required"]
        question = {
            "type": "mfa",
            "message": "Now something else.",
            "fields": [{"name": field, "type": "string", "label": "Other"}],
        }
        with self.world.lock:
            self.world.runs.pause(run, question)


def test_r24_an_old_form_does_not_answer_a_new_question(
    asked: Visitor, deck: Deck, line: Line, world: World, later: Later
) -> None:
    action, typed = prompt_form(asked)
    Twist(world).asks("other")
    deck.losing_webhooks = True
    asked.posts(action, typed | {"f0": CODE})
    assert asked.page.status_code == 409
    assert "the question changed" in asked.sees() and "Now something else." in asked.sees()
    assert posted(line) == 0, "the code was typed for another question"


def test_r24_a_question_that_changes_between_our_look_and_our_answer_is_asked_again(
    asked: Visitor, deck: Deck, line: Line, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one round trip that nobody can close: Deck gets a field it did not ask for, and refuses it."""
    action, typed = prompt_form(asked)
    handle = line.handle_request

    def between(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/interaction"):
            Twist(world).asks("other")
        return handle(request)

    monkeypatch.setattr(line, "handle_request", between)
    asked.posts(action, typed | {"f0": CODE})
    assert asked.page.status_code == 502
    deck.our_worker_works()
    assert looks(asked) == "interaction"
    assert "Now something else." in asked.sees()
    (run,) = deck.objects("task_runs")
    assert CODE not in json.dumps(run["interaction"])


def test_r25_a_code_that_was_not_accepted_is_said_so_with_an_empty_form(robin: Visitor, deck: Deck) -> None:
    journeys.test_a_wrong_code_is_asked_for_again(robin, deck)
    asked = [e for e in deck.objects("events") if e["type"] == "task_run.interaction_required"]
    assert len(asked) == 2


@pytest.mark.parametrize("webhooks", ["come", "are lost"])
@pytest.mark.parametrize("seconds", [19.5, 20.5])
def test_r26_an_answer_just_before_and_just_after_time_ran_out(
    robin: Visitor, deck: Deck, line: Line, later: Later, seconds: float, webhooks: str
) -> None:
    robin.signs_in_at("Quickstep Credit", "robin", "two-step-4")
    deck.goes_on()
    looks(robin)
    deck.losing_webhooks = webhooks == "are lost"
    deck.lets_pass(seconds=seconds)
    robin.presses("Continue", f0="112233")
    assert robin.page.status_code in (200, 409)
    if seconds < 20:
        later(seconds=11)
        deck.losing_webhooks = False
        deck.goes_on()
        assert looks(robin) == "outcome" and "Quickstep Credit is connected" in robin.sees()
        return
    assert "The code ran out of time" in robin.sees()
    deck.losing_webhooks = False
    robin.presses("Get a new code")
    deck.goes_on()
    assert looks(robin) == "interaction"
    assert happened(deck, "credential.created") == 1


def test_r26_the_form_on_the_screen_goes_as_soon_as_we_hear_of_it(
    robin: Visitor, deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.001)
    robin.signs_in_at("Quickstep Credit", "robin", "two-step-4")
    deck.goes_on()
    looks(robin)
    tab = Tab(robin)
    assert 'data-view="interaction"' in next(tab)
    deck.lets_pass(seconds=30)
    frame = next(tab)
    assert "The code ran out of time" in frame and 'name="f0"' not in frame
    tab.close()
