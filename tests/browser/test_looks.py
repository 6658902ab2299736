"""Every screen in light and dark, wide and narrow. The pictures are in test-output/screenshots/looks."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SCREENSHOTS, Arrives, House
from tests.browser.looks import complaints_about
from tests.browser.visitor import Visitor
from tests.test_closing import operator
from webapp.demo.show import EMAIL, PASSWORD

pytestmark = pytest.mark.browser

CARD = "4500123412341234"
Way = Callable[[Visitor], None]

STRANGERS: dict[str, Way] = {}
MEMBERS: dict[str, Way] = {}


def stranger(way: Way) -> Way:
    """The way to a screen, for somebody nobody knows."""
    return STRANGERS.setdefault(way.__name__, way)


def member(way: Way) -> Way:
    """The way to a screen, for somebody signed in."""
    return MEMBERS.setdefault(way.__name__, way)


# --- strangers -------------------------------------------------------------------------------------------------


@stranger
def home(robin: Visitor) -> None:
    robin.opens("/")


@stranger
def sign_up(robin: Visitor) -> None:
    robin.opens("/sign-up")


@stranger
def sign_up_with_mistakes(robin: Visitor) -> None:
    robin.opens("/sign-up")
    robin.types("Password", "short")
    robin.presses("Create account")
    robin.sees("Please check 2 answers")


@stranger
def sign_in(robin: Visitor) -> None:
    robin.opens("/sign-in")


@stranger
def sign_in_refused(robin: Visitor) -> None:
    robin.opens("/sign-in")
    robin.types("Email", "nobody@sample.example")
    robin.types("Password", "not the right one")
    robin.presses("Sign in")
    robin.sees("do not go together")


@stranger
def nothing_here(robin: Visitor) -> None:
    robin.opens("/no-such-page")
    robin.sees("There is nothing here")


@stranger
def connections(robin: Visitor) -> None:
    is_the_robin_of_the_demo(robin)


@stranger
def connection(robin: Visitor) -> None:
    is_the_robin_of_the_demo(robin)
    robin.presses("Northlight Power")
    robin.sees("Home – 12 Harbour St")


@stranger
def disconnect(robin: Visitor) -> None:
    is_the_robin_of_the_demo(robin)
    robin.presses("Northlight Power")
    robin.presses("Disconnect")
    robin.sees("Disconnect Northlight Power?")


def is_the_robin_of_the_demo(robin: Visitor) -> None:
    """Whose two connections were there before anybody came. Looks, and touches nothing."""
    robin.opens("/sign-in")
    robin.types("Email", EMAIL)
    robin.types("Password", PASSWORD)
    robin.presses("Sign in")
    robin.sees("Stillwater Trust")


# --- members ---------------------------------------------------------------------------------------------------


@member
def connections_empty(robin: Visitor) -> None:
    robin.opens("/connections")


@member
def consent(robin: Visitor) -> None:
    robin.opens("/connections")
    robin.presses("Connect an account")
    robin.comes_to("consent")


@member
def left(robin: Visitor) -> None:
    consent(robin)
    address = robin.page.url
    robin.presses("Not now")
    robin.opens(address)
    robin.comes_to("left")


@member
def pick(robin: Visitor) -> None:
    consent(robin)
    robin.presses("Agree and continue")
    robin.comes_to("pick")


@member
def pick_found_nothing(robin: Visitor) -> None:
    pick(robin)
    robin.types("Search", "zzzzqqq")
    robin.sees("We do not support “zzzzqqq” yet")


@member
def source_sign_in(robin: Visitor) -> None:
    robin.picks("Maple & Main Bank")
    robin.comes_to("sign_in")


@member
def source_sign_in_with_an_extra_field(robin: Visitor) -> None:
    robin.picks("Ledgerleaf Payroll")
    robin.comes_to("sign_in")


@member
def source_sign_in_with_mistakes(robin: Visitor) -> None:
    robin.picks("Ledgerleaf Payroll")
    robin.presses("Sign in")
    robin.sees("Please check 3 answers")


def a_card() -> str:
    """Nobody's: six refusals of one pause it, whoever typed it, and all who are here share the installation."""
    return f"4{uuid.uuid4().int % 10**15:015}"


@member
def source_sign_in_refused(robin: Visitor) -> None:
    robin.signs_in_at("Maple & Main Bank", "Access card", a_card(), "wrong-once-5f0b")
    robin.sees("did not accept that sign-in")


@member
def paused(robin: Visitor) -> None:
    robin.signs_in_at("Maple & Main Bank", "Access card", a_card(), "wrong-once-5f0b")
    robin.sees("Check both, and type your password again.")
    robin.types_a_secret("Password", "wrong-twice-5f0b")
    robin.presses("Sign in")
    robin.sees("One more wrong try may lock your account there.")
    robin.types_a_secret("Password", "wrong-thrice-5f0b")
    robin.presses("Sign in")
    robin.comes_to("paused")


@member
def progress(robin: Visitor) -> None:
    robin.signs_in_at("Longhaul Pensions", "Username", "robin", "slow-boat-9")
    robin.comes_to("progress")


@member
def code(robin: Visitor) -> None:
    robin.goes_to_the_code()


@member
def wrong_code(robin: Visitor) -> None:
    robin.goes_to_the_code()
    robin.types_a_secret("6-digit code", "907351")
    robin.presses("Continue")
    robin.sees("That code did not work")


@member
def question(robin: Visitor) -> None:
    robin.signs_in_at("Caisse Côte-Claire", "Member number", "778201", "cote-claire-3")
    robin.sees("first pet")


@member
def choice(robin: Visitor) -> None:
    question(robin)
    robin.types_a_secret("first pet", "Biscuit")
    robin.presses("Send answer")
    robin.sees("Choose an account")


@member
def choice_with_a_mistake(robin: Visitor) -> None:
    choice(robin)
    robin.presses("Use this account")
    robin.sees("Choose one.")


@member
def unknown_question_with_a_mistake(robin: Visitor) -> None:
    robin.signs_in_at("Tidewater Telecom", "Phone number or email", "robin@sample.example", "high-tide-5")
    robin.comes_to("interaction")
    robin.presses("Send answer")
    robin.sees("Please check 2 answers")


@member
def outcome_good(robin: Visitor) -> None:
    robin.connects_northlight()


@member
def outcome_problem(robin: Visitor) -> None:
    robin.signs_in_at("Walled Garden Club", "Username", "robin", "high-hedge-1")
    robin.comes_to("outcome")


@member
def outcome_wait(robin: Visitor) -> None:
    robin.signs_in_at("Perhaps Payments", "Username", "robin", "maybe-not-3")
    robin.comes_to("outcome")


@member
def sign_in_again_sent_by_support(robin: Visitor) -> None:
    robin.signs_in_at("Perhaps Payments", "Username", "robin", "maybe-not-3")
    robin.comes_to("outcome")
    robin.presses("Close")
    robin.sees("We do not know whether the latest run worked.")
    robin.opens(f"{robin.page.url}/reconnect")
    robin.sees("Support asked you to sign in there once more.")


@member
def sign_in_again_though_unsure(robin: Visitor) -> None:
    sign_in_again_sent_by_support(robin)
    robin.presses("Sign in again")
    robin.comes_to("sign_in")
    robin.sees("Signing in here runs it again")


@member
def stopped(robin: Visitor) -> None:
    robin.goes_to_the_code()
    robin.presses("Stop")
    robin.sees("You stopped this")


# --- looking ---------------------------------------------------------------------------------------------------


def test_the_page_for_a_new_password_too(house: House, browser: Browser) -> None:
    """Its link is made on the command line."""
    somebody = Visitor(house, browser)  # type: ignore[arg-type]
    somebody.opens("/sign-up")
    somebody.types("Email", "robin@sample.example")
    somebody.types("Password", "correct horse battery")
    somebody.presses("Create account")
    somebody.sees("Nothing connected yet")
    forgetful = Visitor(house, browser)  # type: ignore[arg-type]
    forgetful.opens(operator(house.app, "person", "password-link", "robin@sample.example").output.strip())
    complaints = list(complaints_about(forgetful.page, SCREENSHOTS / "looks" / "new_password"))
    forgetful.types("New password", "short")
    forgetful.presses("Save and sign in")
    expect(forgetful.field("New password")).to_have_attribute("aria-invalid", "true")
    complaints += complaints_about(forgetful.page, SCREENSHOTS / "looks" / "new_password_with_a_mistake")
    forgetful.opens("/new-password/nothing")
    forgetful.sees("This link is over")
    complaints += complaints_about(forgetful.page, SCREENSHOTS / "looks" / "new_password_over")
    assert "\n".join(complaints) == ""
    assert somebody.leaves() + forgetful.leaves() == []


@pytest.mark.parametrize("screen", [*STRANGERS, *MEMBERS])
def test_a_screen_fits_reads_and_can_be_touched(screen: str, arrives: Arrives) -> None:
    robin = arrives()
    if screen in MEMBERS:
        robin.has_an_account()
    (STRANGERS | MEMBERS)[screen](robin)
    expect(robin.heading).to_be_visible()
    assert "\n".join(complaints_about(robin.page, SCREENSHOTS / "looks" / screen)) == ""
