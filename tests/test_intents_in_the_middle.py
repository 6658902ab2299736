"""Writes at Deck happen once, whatever gets lost and whenever we die: answers, stopping, disconnecting."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.deck.line import WHOLE_CALL, Fate, Line
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
from webapp.db import db
from webapp.models import Connection, Intent

ANSWER, CANCEL = "POST /v2/task-runs/.*/interaction", "POST /v2/task-runs/.*/cancel"
SEE, DELETE = "GET /v2/task-runs/.*", "DELETE /v2/credentials/.*"


pytestmark = pytest.mark.usefixtures("nothing_secret")

# --- answers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(robin: Visitor, deck: Deck, line: Line) -> Visitor:
    """Robin in front of the bank's question."""
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    assert looks(robin) == "interaction"
    return robin


def test_an_answer_that_arrived_is_not_asked_for_again(asked: Visitor, deck: Deck, line: Line, later: Later) -> None:
    line.trouble(ANSWER, "answer is lost")
    asked.presses("Continue", f0=CODE)
    assert asked.view() == "progress"
    everything_went_well(asked, deck, later)
    assert happened(deck, "task_run.interaction_required") == 1


def test_an_answer_that_never_arrived_is_asked_for_again(asked: Visitor, deck: Deck, line: Line, later: Later) -> None:
    line.trouble(ANSWER, "never arrives")
    asked.presses("Continue", f0=CODE)
    assert (asked.page.status_code, asked.view()) == (502, "interaction")
    assert "Please type it once more" in asked.sees()
    assert CODE not in asked.page.text
    everything_went_well(asked, deck, later)


@pytest.mark.parametrize("fate", ["answer is lost", "never arrives"])
def test_an_answer_nobody_can_ask_about_is_looked_into_later(
    asked: Visitor, deck: Deck, line: Line, later: Later, fate: Fate
) -> None:
    line.trouble(ANSWER, fate)
    line.trouble(SEE, "fails", after=1)  # the look before the answer still works
    asked.presses("Continue", f0=CODE)
    assert asked.page.status_code == 502
    assert intents(deck.app)[-1] == ("run.answer", "pending")
    later(seconds=6)
    deck.our_worker_works()
    assert looks(asked) == ("progress" if fate == "answer is lost" else "interaction")
    everything_went_well(asked, deck, later)


@pytest.mark.parametrize(("fate", "then"), [("we die before", "interaction"), ("we die after", "progress")])
def test_we_die_while_an_answer_is_sent(
    asked: Visitor, deck: Deck, line: Line, later: Later, fate: Fate, then: str
) -> None:
    line.trouble(ANSWER, fate)
    dies(lambda: asked.presses("Continue", f0=CODE))
    assert looks(asked) == "progress"
    later(seconds=31)
    deck.our_worker_works()
    assert looks(asked) == then
    everything_went_well(asked, deck, later)


def test_an_answer_that_comes_too_late_leads_to_what_is_true_now(
    asked: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    deck.losing_webhooks = True
    deck.lets_pass(hours=1)
    asked.presses("Continue", f0=CODE)
    assert asked.page.status_code == 409
    assert asked.view() == "outcome"
    assert not [call for call in line.calls if call.endswith("/interaction")]


# --- stopping and disconnecting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", ["answer is lost", "never arrives", "we die before", "we die after"])
def test_stopping_happens_once(asked: Visitor, deck: Deck, line: Line, later: Later, fate: Fate) -> None:
    line.trouble(CANCEL, fate)
    if fate.startswith("we die"):
        dies(lambda: asked.presses("Stop"))
    else:
        asked.presses("Stop")
    later(seconds=31)
    deck.our_worker_works()
    deck.lets_pass(seconds=5)
    looks(asked)
    assert "You stopped this" in asked.sees()
    assert happened(deck, "task_run.canceling") == 1


@pytest.mark.parametrize("fate", ["answer is lost", "never arrives", "we die before", "we die after"])
def test_disconnecting_happens_once_and_in_the_end(
    asked: Visitor, deck: Deck, line: Line, later: Later, fate: Fate
) -> None:
    everything_went_well(asked, deck, later)
    line.trouble(DELETE, fate)
    with deck.app.app_context():
        ref = db.session.scalars(select(Connection.ref)).one()
    if fate.startswith("we die"):
        dies(lambda: asked.posts(f"/connections/{ref}/disconnect"))
    else:
        asked.posts(f"/connections/{ref}/disconnect")
    later(seconds=31)
    deck.our_worker_works()
    with deck.app.app_context():
        assert db.session.scalars(select(Connection.status)).all() == ["deleted"]
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]
    assert happened(deck, "credential.deleted") == 1


def test_what_another_process_has_done_meanwhile_is_not_due_again(
    asked: Visitor, deck: Deck, line: Line, later: Later
) -> None:
    """Our process sleeps while it disconnects, and fails when it wakes; our worker has done it by then."""

    def our_worker_does_it() -> None:
        later(seconds=31)
        deck.our_worker_works()

    everything_went_well(asked, deck, later)
    line.during[DELETE] = our_worker_does_it
    line.trouble(DELETE, "never arrives", after=1)
    asked.opens("/connections")
    asked.presses(BANK)
    asked.presses("Disconnect")
    asked.presses("Disconnect")
    assert intents(deck.app)[-1] == ("credential.delete", "done")
    with deck.app.app_context():
        assert [intent for intent in db.session.scalars(select(Intent)) if intent.due_at is not None] == []


def test_disconnecting_does_not_give_up(asked: Visitor, deck: Deck, line: Line, later: Later) -> None:
    everything_went_well(asked, deck, later)
    line.trouble(DELETE, "fails", times=WHOLE_CALL)
    with deck.app.app_context():
        ref = db.session.scalars(select(Connection.ref)).one()
    asked.posts(f"/connections/{ref}/disconnect")
    later(hours=24)
    deck.our_worker_works()
    later(minutes=1)
    deck.our_worker_works()
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]
    assert intents(deck.app)[-2:] == [("credential.delete", "lost"), ("credential.delete", "done")]
