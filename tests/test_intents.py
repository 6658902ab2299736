"""Writes at Deck happen once, whatever gets lost on the way and whenever we die: sign-ins and runs."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.deck.line import WHOLE_CALL, Fate, Line
from tests.deck.once import (
    BANK,
    CARD,
    PASSWORD,
    Later,
    dies,
    everything_went_well,
    happened,
    intents,
    looks,
)
from tests.people import Deck, Visitor
from webapp.db import db
from webapp.models import Run

STORE, RUN, ANSWER = "POST /v2/credentials", "POST /v2/tasks/.*/run", "POST /v2/task-runs/.*/interaction"
LOOK = "GET /v2/credentials"


pytestmark = pytest.mark.usefixtures("nothing_secret")

# --- the sign-in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "fate"),
    [
        (STORE, "answer is lost"),
        (STORE, "fails"),
        (RUN, "never arrives"),
        (ANSWER, "answer is lost"),
        (ANSWER, "fails"),
    ],
)
def test_trouble_that_passes_is_not_noticed(
    robin: Visitor, deck: Deck, line: Line, later: Later, call: str, fate: Fate
) -> None:
    line.trouble(call, fate, times=WHOLE_CALL - 1)
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert robin.view() == "progress"
    everything_went_well(robin, deck, later)
    assert sum(i[1] == "done" for i in intents(deck.app)) == len(intents(deck.app)) == 3


def test_a_sign_in_that_arrived_is_found_by_its_external_id(
    robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    line.trouble(STORE, "answer is lost")
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert robin.view() == "progress", "nobody had to type anything again"
    assert len(deck.objects("credentials")) == 1
    everything_went_well(robin, deck, later)


def test_a_sign_in_that_did_not_arrive_is_asked_for_again(robin: Visitor, deck: Deck, line: Line, later: Later) -> None:
    line.trouble(STORE, "never arrives")
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert (robin.page.status_code, robin.view()) == (502, "sign_in")
    assert "please type it once more" in robin.sees()
    assert robin.field("password").get("value") == ""
    assert PASSWORD not in robin.page.text
    assert deck.objects("credentials") == []
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    everything_went_well(robin, deck, later)


def test_a_sign_in_nobody_can_ask_about_is_typed_again_and_the_first_one_is_not_left_at_deck(
    robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    line.trouble(STORE, "answer is lost")
    line.trouble(LOOK, "never arrives")
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert (robin.page.status_code, robin.view()) == (502, "sign_in")
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    assert len(deck.objects("credentials")) == 2
    everything_went_well(robin, deck, later)
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted", "verified"]


def test_a_sign_in_that_arrives_after_we_gave_it_up_is_not_left_at_deck(
    robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    """Our process sleeps while it calls; meanwhile our worker looks, and finds nothing."""

    def another_process_gives_it_up() -> None:
        later(seconds=31)
        deck.our_worker_works()
        assert intents(deck.app) == [("credential.store", "lost")]

    line.during[STORE] = another_process_gives_it_up
    line.trouble(STORE, "answer is lost")
    line.trouble(LOOK, "never arrives", after=1)  # the worker's look gets through
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert (robin.page.status_code, robin.view()) == (502, "sign_in")
    deck.our_worker_works()
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]
    assert intents(deck.app) == [("credential.forget", "lost")]


def test_a_source_deck_has_lost_is_our_trouble_and_changes_nothing(robin: Visitor, deck: Deck, line: Line) -> None:
    deck.world.stores["sources"].clear()
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert robin.page.status_code == 502
    assert "not accepted" not in robin.sees()
    assert intents(deck.app) == [("credential.store", "refused")]
    assert PASSWORD not in robin.page.text


def test_we_die_before_deck_hears_of_the_sign_in(robin: Visitor, deck: Deck, line: Line, later: Later) -> None:
    line.trouble(STORE, "we die before")
    dies(lambda: robin.signs_in_at(BANK, CARD, PASSWORD))
    assert looks(robin) == "handing_over"
    deck.our_worker_works()
    assert looks(robin) == "handing_over", "the one who had the password may still be at it"
    later(seconds=31)
    deck.our_worker_works()
    assert looks(robin) == "sign_in"
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    everything_went_well(robin, deck, later)


def test_we_die_after_deck_took_the_sign_in(robin: Visitor, deck: Deck, line: Line, later: Later) -> None:
    line.trouble(STORE, "we die after")
    dies(lambda: robin.signs_in_at(BANK, CARD, PASSWORD))
    assert looks(robin) == "handing_over"
    later(seconds=31)
    deck.our_worker_works()
    assert looks(robin) == "input"
    everything_went_well(robin, deck, later)
    assert happened(deck, "credential.created") == 1


@pytest.mark.parametrize("fate", ["we die before", "we die after", "answer is lost", "never arrives"])
def test_a_changed_sign_in_is_asked_for_again(robin: Visitor, deck: Deck, line: Line, later: Later, fate: Fate) -> None:
    robin.signs_in_at(BANK, CARD, "not-it")
    deck.goes_on()
    looks(robin)
    line.trouble("PATCH /v2/credentials/.*", fate)
    if fate.startswith("we die"):
        dies(lambda: robin.presses("Sign in", password=PASSWORD))
        later(seconds=31)
        deck.our_worker_works()
    else:
        robin.presses("Sign in", password=PASSWORD)
        assert "please type it once more" in robin.sees()
    assert looks(robin) == "sign_in"
    robin.presses("Sign in", password=PASSWORD)
    deck.goes_on()
    assert looks(robin) == "interaction"
    assert len(deck.objects("credentials")) == 1


# --- the run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fate", "calls"), [("answer is lost", 1), ("answer is lost", 3), ("fails", 1)])
def test_a_run_is_started_once_however_often_it_is_tried(
    robin: Visitor, deck: Deck, line: Line, later: Later, fate: Fate, calls: int
) -> None:
    line.trouble(RUN, fate, times=calls * WHOLE_CALL)
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert robin.view() == "progress"
    for _ in range(calls):
        later(minutes=1)
        deck.our_worker_works()
    everything_went_well(robin, deck, later)
    assert happened(deck, "task_run.queued") == 1
    assert line.calls.count(next(c for c in line.calls if c.endswith("/run"))) == calls * WHOLE_CALL + 1


@pytest.mark.parametrize("fate", ["we die before", "we die after"])
def test_we_die_while_a_run_starts(robin: Visitor, deck: Deck, line: Line, later: Later, fate: Fate) -> None:
    line.trouble(RUN, fate)
    dies(lambda: robin.signs_in_at(BANK, CARD, PASSWORD))
    assert looks(robin) == "progress"
    later(seconds=31)
    everything_went_well(robin, deck, later)
    assert happened(deck, "task_run.queued") == 1


def test_webhooks_that_overtake_our_own_answers_are_no_strangers_for_long(
    robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    line.webhooks_overtake = True
    robin.signs_in_at(BANK, CARD, PASSWORD)
    assert robin.view() == "progress"
    everything_went_well(robin, deck, later)


def test_a_run_nobody_could_start_for_a_day_ends_without_a_retry(
    robin: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    line.trouble(RUN, "never arrives", times=1_000)
    robin.signs_in_at(BANK, CARD, PASSWORD)
    later(hours=24)
    deck.our_worker_works()
    with deck.app.app_context():
        run = db.session.scalars(select(Run)).one()
        assert (run.status, run.result, run.codes) == ("failed", "unknown", {"task_result_unknown"})
    assert intents(deck.app)[-1] == ("run.start", "lost")


def test_stopped_before_deck_took_it(robin: Visitor, deck: Deck, line: Line, later: Later) -> None:
    line.trouble(RUN, "answer is lost")
    robin.signs_in_at(BANK, CARD, PASSWORD)
    robin.presses("Stop")
    assert happened(deck, "task_run.canceling") == 0
    later(minutes=1)
    deck.our_worker_works()
    deck.lets_pass(seconds=5)
    assert [run["status"] for run in deck.objects("task_runs")] == ["canceled"]
    looks(robin)
    assert "You stopped this" in robin.sees()
