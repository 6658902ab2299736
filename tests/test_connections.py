"""My connections: what people can do with what they have linked."""

from __future__ import annotations

import pytest

from tests.people import Deck, Visitor


@pytest.fixture
def connected(robin: Visitor, deck: Deck) -> Visitor:
    """Robin, on the page of a connection that works."""
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Done")
    assert "Connected" in robin.sees()
    return robin


def test_the_list_says_what_is_connected_and_since_when(connected: Visitor) -> None:
    connected.opens("/connections")
    assert "Northlight Power r•••@s••• Connected since" in connected.sees()


def test_refresh_runs_again_without_a_sign_in(connected: Visitor, deck: Deck) -> None:
    connected.presses("Refresh")
    assert connected.view() == "progress"
    deck.goes_on()
    connected.looks_again()
    assert "Northlight Power is up to date" in connected.sees()
    assert len(deck.objects("task_runs")) == 2
    assert len(deck.objects("credentials")) == 1


def test_a_changed_password_is_noticed_and_repaired_on_the_same_connection(connected: Visitor, deck: Deck) -> None:
    page = connected.page.url.path
    (site,) = [s for s in deck.world.sites._by_host.values() if s["host"] == "northlight.example"]
    site["people"][0]["password"] = "a-new-one-8"
    connected.presses("Refresh")
    deck.goes_on()
    connected.opens(page)
    assert "Needs your sign-in" in connected.sees()

    connected.presses("Sign in again")
    assert connected.field("username").get("value") == "robin@sample.example"
    connected.presses("Sign in", password="a-new-one-8")
    deck.goes_on()
    connected.opens(page)
    assert "Connected" in connected.sees()
    assert len(deck.objects("credentials")) == 1


def test_disconnecting_asks_first_and_destroys_the_sign_in(connected: Visitor, deck: Deck) -> None:
    connected.presses("Disconnect")
    assert "Disconnect Northlight Power?" in connected.sees()
    assert deck.objects("credentials")[0]["status"] == "verified"

    connected.presses("Disconnect")
    assert "Nothing connected yet" in connected.sees()
    assert deck.objects("credentials")[0]["status"] == "deleted"


def test_a_file_is_handed_on_as_an_attachment(connected: Visitor) -> None:
    connected.presses("bill-2026-10.txt")
    assert connected.page.text.startswith("Northlight Power\nBill for October 2026")
    assert connected.page.headers["Content-Disposition"] == "attachment; filename=bill-2026-10.txt"
    assert connected.page.headers["Content-Type"] == "application/octet-stream"


def test_the_history_names_the_support_code(connected: Visitor) -> None:
    assert "Done Account summary" in connected.sees()
    assert "reference " in connected.sees()


def test_who_left_finds_the_question_at_the_top_of_the_list(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Tidewater Telecom", "robin@sample.example", "high-tide-5")
    deck.goes_on()
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    robin.opens("/connections")
    assert robin.sees().index("Tidewater Telecom asks for something") < robin.sees().index("Northlight Power")
    assert 'hx-trigger="every' in robin.page.text, "something is going on, so the list asks again"

    robin.presses("Answer")
    assert "confirm two details" in robin.sees()


def test_the_list_asks_for_nothing_when_nothing_is_going_on(connected: Visitor) -> None:
    connected.opens("/connections")
    assert "hx-" not in connected.page.text.split("<main")[1]


def test_an_uncertain_result_is_run_again_only_by_somebody_who_insists(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Perhaps Payments", "robin", "maybe-not-3")
    deck.goes_on()
    robin.opens("/connections")
    assert "Not sure" in robin.sees()
    robin.presses("Perhaps Payments")
    page = robin.page.url.path
    assert "We do not know whether the latest run worked." in robin.sees()
    assert "Connected" not in robin.sees() and "Refresh" not in robin.sees()

    robin.posts(f"{page}/refresh")
    assert robin.page.url.path == page
    assert len(deck.objects("task_runs")) == 1, "one press alone does nothing"

    robin.presses("I have checked: run it again")
    assert len(deck.objects("task_runs")) == 2


def test_after_wrong_codes_robin_gets_a_new_one_and_types_no_password(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    for _ in range(3):
        deck.goes_on()
        robin.looks_again()
        robin.presses("Continue", f0="000000")
    deck.goes_on()
    robin.opens("/connections")
    assert "Needs a new code" in robin.sees()
    robin.presses("Maple & Main Bank")
    assert "The code was not accepted." in robin.sees()
    assert "Sign in again" not in robin.sees()

    robin.presses("Get a new code")
    deck.goes_on()
    assert robin.looks_again() == "interaction"
    robin.presses("Continue", f0="246810")
    deck.goes_on()
    robin.looks_again()
    assert "Maple & Main Bank is connected" in robin.sees()


def test_a_try_that_failed_says_why_and_what_to_do_and_older_ones_are_folded(robin: Visitor, deck: Deck) -> None:
    for _ in range(2):
        robin.signs_in_at("Fogbank Savings", "robin", "grey-day-8")
        deck.goes_on()
    robin.opens("/connections")
    assert "Fogbank Savings is not working right now." in robin.sees()
    assert "Earlier tries that did not work (1)" in robin.sees()

    robin.presses("Remove")
    assert "Remove Fogbank Savings?" in robin.sees()
    robin.presses("Remove")
    assert "Earlier tries" not in robin.sees()


def test_two_accounts_at_one_site_can_be_told_apart(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    robin.opens("/connections")
    assert "4•••34" in robin.sees()
