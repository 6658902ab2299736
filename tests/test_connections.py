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
    assert "code " in connected.sees()
