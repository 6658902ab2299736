"""How a visit ends when it does not end well, and what people are offered then."""

from __future__ import annotations

from flask import Flask

from tests.people import Deck, Visitor, said
from webapp.db import db, now, writing
from webapp.models import Source

CARD, CARD_PASSWORD = "4500123412341234", "maple-leaf-9"


def test_an_expired_code_is_followed_by_a_new_one_without_retyping(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Quickstep Credit", "robin", "two-step-4")
    deck.goes_on()
    deck.lets_pass(seconds=30)
    robin.looks_again()
    assert "The code ran out of time" in robin.sees()

    robin.presses("Get a new code")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0="112233")
    deck.goes_on()
    robin.looks_again()
    assert "Quickstep Credit is connected" in robin.sees()


def test_a_question_that_runs_out_is_not_called_a_code(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Caisse Côte-Claire", "778201", "cote-claire-3")
    deck.goes_on()
    deck.lets_pass(minutes=10)
    robin.looks_again()
    assert "The question ran out of time" in robin.sees() and "code" not in robin.sees()
    robin.presses("Try again")
    deck.goes_on()
    assert robin.looks_again() == "interaction"


def test_refused_answers_are_not_called_a_refused_code(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Caisse Côte-Claire", "778201", "cote-claire-3")
    deck.goes_on()
    robin.looks_again()
    for _ in range(3):
        robin.presses("Send answer", f0="Rover")
        deck.goes_on()
        robin.looks_again()
    assert "That answer did not work" in robin.sees()
    robin.opens("/connections")
    assert "Needs another answer" in robin.sees()
    robin.presses("Try again")
    deck.goes_on()
    assert robin.looks_again() == "interaction"


def test_a_source_that_is_down_is_named_as_the_cause(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Fogbank Savings", "robin", "grey-day-8")
    deck.goes_on()
    robin.looks_again()
    assert "Fogbank Savings is not working right now" in robin.sees()
    robin.presses("Choose another source")
    assert robin.view() == "pick"


def test_nobody_types_a_password_into_a_source_known_to_be_down(robin: Visitor, deck: Deck) -> None:
    for _ in range(3):
        robin.signs_in_at("Fogbank Savings", "robin", "grey-day-8")
        deck.goes_on()
    robin.picks("Fogbank Savings")
    assert robin.view() == "down"
    assert (
        "<input" not in robin.page.text.split("<main")[1].split("</main>")[0].replace('type="hidden"', "")
        or "password" not in robin.page.text
    )


def test_a_late_failure_does_not_undo_that_somebody_got_through(robin: Visitor, app: Flask) -> None:
    """Two people's runs end at once: what one process has read of the source is old when it writes."""
    with app.app_context(), writing():
        source = Source.by_slug("fogbank-savings")
        assert source is not None
        source.failures, source.failed_at = 2, now()
        db.session.flush()
        db.session.execute(db.text("UPDATE source SET failures = 0"))  # another process: a run got through
        source.note_run({"source_error"})
    robin.picks("Fogbank Savings")
    assert robin.view() == "sign_in", "one failure in a row is not three"


def test_a_block_is_not_blamed_on_robin_and_not_retried(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Bramble Insurance", "P-99", "thorns-1")
    deck.goes_on()
    robin.looks_again()
    assert "Trying again now will not help" in robin.sees()
    assert "Try again" not in [said(button) for button in robin.tree.iter("button")]

    robin.opens("/connections")
    assert "Bramble Insurance is not letting us sign in right now." in robin.sees()
    assert "Try again" not in robin.sees()

    robin.picks("Bramble Insurance")
    assert robin.view() == "paused"


def test_an_unknown_result_is_never_offered_a_retry(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Perhaps Payments", "robin", "maybe-not-3")
    deck.goes_on()
    robin.looks_again()
    assert "We are checking whether it worked" in robin.sees()
    session = robin.page.url.path

    robin.posts(f"{session}/again")
    assert len(deck.objects("task_runs")) == 1, "not even a forged retry starts a second run"


def test_signing_in_again_after_an_unknown_result_says_what_it_may_do(robin: Visitor, deck: Deck) -> None:
    """Support may send somebody there by a link."""
    robin.signs_in_at("Perhaps Payments", "robin", "maybe-not-3")
    deck.goes_on()
    robin.looks_again()
    robin.opens("/connections")
    robin.presses("Perhaps Payments")
    robin.opens(f"{robin.page.url.path}/reconnect")
    robin.presses("Sign in")
    assert robin.view() == "sign_in"
    assert "We do not know whether the latest run worked. Signing in here runs it again" in robin.sees()


def test_a_timeout_may_be_tried_again(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Longhaul Pensions", "robin", "slow-boat-9")
    deck.lets_pass(seconds=1)
    assert robin.looks_again() == "progress"
    deck.goes_on()
    robin.looks_again()
    assert "This took too long" in robin.sees()
    robin.presses("Try again")
    assert robin.view() == "progress"


def test_robin_stops_it(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Stop")
    assert "Stopping" in robin.sees()
    deck.lets_pass(seconds=5)
    robin.looks_again()
    assert "You stopped this" in robin.sees()
    assert deck.objects("task_runs")[0]["status"] == "canceled"


def test_not_now_leaves_nothing_behind(robin: Visitor, deck: Deck) -> None:
    robin.opens("/connections")
    robin.presses("Connect an account")
    robin.presses("Not now")
    assert "Nothing connected yet" in robin.sees()
    assert deck.objects("credentials") == []


def test_a_sign_in_that_never_worked_is_not_kept_when_robin_goes_elsewhere(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, "not-it")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Choose another source")
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]


def test_a_source_that_was_down_may_be_tried_again_without_typing(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Fogbank Savings", "robin", "grey-day-8")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Try again")
    assert robin.view() == "progress"
    assert len(deck.objects("credentials")) == 1


def test_after_stopping_the_stored_sign_in_can_be_removed(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Stop")
    deck.lets_pass(seconds=5)
    robin.looks_again()
    robin.presses("Remove the stored sign-in")
    robin.presses("Remove")
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]
