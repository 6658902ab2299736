"""What may have worked already, and a code that was wrong: what staff read, what they may do, and what it warns of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.companies import BANK, CARD, PASSWORD
from tests.people import Deck, Visitor, said
from webapp.db import db, writing
from webapp.models import Connection, Run

WHY = "Ticket 4711: they called"
OnRecord = Callable[[], list[tuple[str, str, str]]]


def ref_of_the_connection(app: Flask) -> str:
    with app.app_context():
        return db.session.scalars(db.select(Connection.ref)).one()


def buttons(staff: Visitor) -> list[str]:
    return [said(link) for link in staff.tree.iter("a") if "/act/" in str(link.get("href"))]


@pytest.fixture
def doubtful(robin: Visitor, deck: Deck, app: Flask) -> str:
    """A connection whose last run nobody is sure of."""
    robin.signs_in_at("Perhaps Payments", "robin", "maybe-not-3")
    deck.goes_on()
    robin.looks_again()
    return ref_of_the_connection(app)


@pytest.fixture
def wrong_code(robin: Visitor, deck: Deck, app: Flask) -> str:
    """A connection at which three codes were wrong."""
    robin.signs_in_at(BANK, CARD, PASSWORD)
    for _ in range(3):
        deck.goes_on()
        robin.looks_again()
        robin.presses("Continue", f0="000000")
    deck.goes_on()
    return ref_of_the_connection(app)


def test_nobodys_turn_when_nobody_knows_and_running_it_again_comes_last(
    doubtful: str, agent: Visitor, lead: Visitor
) -> None:
    agent.opens(f"/support/connections/{doubtful}")
    assert "Nobody’s turn Nobody knows whether it worked at Perhaps Payments" in agent.sees()
    assert "Was told that nobody knows whether it worked" in agent.sees()
    assert "Was told that it did not work" not in agent.sees()
    assert buttons(agent) == ["Look again at Deck", "Reconnect link", "Run again"]
    lead.opens(f"/support/connections/{doubtful}")
    assert buttons(lead)[-1] == "Run again"


def test_what_may_have_happened_is_run_again_only_by_somebody_who_says_they_know(
    doubtful: str, agent: Visitor, deck: Deck, on_record: OnRecord
) -> None:
    agent.opens(f"/support/act/run_again/{doubtful}")
    assert "Nobody knows whether the last run worked. If it did, this does the same a second time." in agent.sees()
    assert agent.presses("Run again", reason=WHY).status_code == 422
    assert "Tick this first, or leave it." in agent.sees() and WHY in agent.page.text and on_record() == []
    agent.presses("Run again", reason=WHY, sure="yes")
    assert "A run has been started." in agent.sees() and [act for act, *_ in on_record()] == ["run_again"]
    deck.our_worker_works()
    assert len(deck.objects("task_runs")) == 2


def test_a_form_from_before_anybody_doubted_is_not_enough(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask, on_record: OnRecord
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    agent.opens(f"/support/act/run_again/{ref_of_the_connection(app)}")
    with app.app_context(), writing():
        db.session.query(Run).one().result = "unknown"
    assert agent.presses("Run again", reason=WHY).status_code == 422
    assert "They have looked at their account" in agent.sees() and on_record() == []


def test_a_wrong_code_is_not_told_as_a_wrong_sign_in(wrong_code: str, agent: Visitor) -> None:
    agent.opens(f"/support/connections/{wrong_code}")
    assert "Code not accepted" in agent.sees() and "did not accept the code and ended the sign-in" in agent.sees()
    assert "Their password may be fine. Run it again while they are on the phone" in agent.sees()
    assert "refused the password" not in agent.sees() and "Needs a new sign-in" not in agent.sees()
    agent.opens("/support/connections")
    assert "Sign-in not accepted" in agent.sees()


def test_after_wrong_codes_running_it_again_gets_a_new_one(
    wrong_code: str, agent: Visitor, robin: Visitor, deck: Deck
) -> None:
    agent.opens(f"/support/act/run_again/{wrong_code}")
    assert f"{BANK} sends a new code. The person has to type it" in agent.sees()
    agent.presses("Run again", reason=WHY)
    deck.our_worker_works()
    deck.goes_on()
    robin.opens(f"/connections/{wrong_code}")
    robin.presses("Answer")
    assert robin.view() == "interaction"


def test_a_refused_password_is_still_not_tried_again(robin: Visitor, deck: Deck, agent: Visitor, app: Flask) -> None:
    robin.signs_in_at(BANK, CARD, "wrong-1")
    deck.goes_on()
    agent.opens(f"/support/act/run_again/{ref_of_the_connection(app)}")
    assert "The site refused the sign-in. The person must sign in again" in agent.sees()
