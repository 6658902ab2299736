"""The main journeys in a real browser, against the real demo. How they ended is in test-output/screenshots."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Frame, expect

from tests.browser.conftest import SCREENSHOTS, Arrives
from tests.browser.looks import complaints_about
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

CARD, CARD_PASSWORD, CODE = "4500123412341234", "maple-leaf-9", "246810"


def test_a_stranger_signs_up_and_connects_a_bank_and_the_page_is_never_reloaded(arrives: Arrives) -> None:
    robin = arrives()
    robin.signs_up()
    robin.signs_in_at("Maple & Main Bank", "Access card", CARD, CARD_PASSWORD)
    robin.comes_to("progress")
    robin.marks_the_page()
    moves: list[Frame] = []
    robin.page.on("framenavigated", lambda frame: moves.append(frame))

    robin.comes_to("interaction")
    robin.sees("We sent a 6-digit code by text message to ••• ••• 4821.")
    expect(robin.heading).to_be_focused()
    expect(robin.page).to_have_title("Maple & Main Bank asks you something · Harbourlight Budget")

    robin.types_a_secret("6-digit code", CODE)
    robin.presses("Continue")
    robin.sees("Reading your accounts")
    robin.comes_to("outcome")
    robin.sees("Maple & Main Bank is connected")
    expect(robin.heading).to_be_focused()
    expect(robin.page).to_have_title("Maple & Main Bank is connected · Harbourlight Budget")
    assert robin.is_still_on_the_marked_page()
    assert moves == []

    robin.presses("Done")
    robin.sees("$2,841.07")
    robin.sees("statement-2026-10.txt")


def test_a_wrong_code_is_cleared_and_asked_for_again_and_the_right_one_goes_through(robin: Visitor) -> None:
    robin.goes_to_the_code()
    robin.types_a_secret("6-digit code", "907351")
    robin.presses("Continue")

    alert = robin.main.get_by_role("alert").filter(has_text="That code did not work")
    expect(alert).to_be_visible()
    expect(robin.field("6-digit code")).to_have_value("")
    assert robin.page.evaluate("document.activeElement.matches('h1, input')"), "the focus follows the question"

    robin.types_a_secret("6-digit code", CODE)
    robin.presses("Continue")
    robin.comes_to("outcome")
    robin.sees("Maple & Main Bank is connected")


def test_an_empty_answer_is_refused_at_its_field(robin: Visitor) -> None:
    robin.goes_to_the_code()
    robin.presses("Continue")
    robin.sees("Fill in “6-digit code”.")
    expect(robin.field("6-digit code")).to_have_attribute("aria-invalid", "true")
    expect(robin.field("6-digit code")).to_be_focused()
    expect(robin.page).to_have_title("Maple & Main Bank asks you something · Harbourlight Budget")


def test_nobody_is_told_that_accounts_are_read_before_the_code_is_accepted(robin: Visitor) -> None:
    robin.goes_to_the_code()
    robin.notes_headings()
    robin.types_a_secret("6-digit code", "907351")
    robin.presses("Continue")
    robin.sees("That code did not work")
    assert "Reading your accounts" not in robin.noted_headings()


def test_a_security_question_is_followed_by_a_choice_of_accounts(robin: Visitor) -> None:
    robin.signs_in_at("Caisse Côte-Claire", "Member number", "778201", "cote-claire-3")
    robin.sees("What was the name of your first pet?")
    robin.types_a_secret("first pet", "Biscuit")
    robin.presses("Send answer")

    robin.sees("Choose an account")
    expect(robin.heading).to_be_focused()
    robin.main.get_by_label("Savings – •••• 9921").check()
    robin.presses("Use this account")
    robin.comes_to("outcome")
    robin.sees("Caisse Côte-Claire is connected")


def test_after_a_wrong_password_only_the_password_is_typed_again(robin: Visitor) -> None:
    robin.signs_in_at("Maple & Main Bank", "Access card", CARD, "not-my-password-81c5")
    robin.sees("Maple & Main Bank did not accept that sign-in.")
    expect(robin.field("Access card")).to_have_value(CARD)
    expect(robin.field("Password")).to_have_value("")

    robin.types_a_secret("Password", CARD_PASSWORD)
    robin.presses("Sign in")
    robin.sees("We sent a 6-digit code")


def test_a_password_can_be_looked_at_and_hidden_again(robin: Visitor) -> None:
    robin.picks("Maple & Main Bank")
    robin.types_a_secret("Password", CARD_PASSWORD)
    show = robin.main.get_by_role("button", name="Show")
    expect(show).to_have_attribute("aria-pressed", "false")
    show.click()
    expect(robin.field("Password")).to_have_attribute("type", "text")
    hide = robin.main.get_by_role("button", name="Hide")
    expect(hide).to_have_attribute("aria-pressed", "true")
    hide.click()
    expect(robin.field("Password")).to_have_attribute("type", "password")


def test_a_source_that_is_down_is_named_as_the_cause_and_soon_nobody_types_a_password_there(robin: Visitor) -> None:
    for _ in range(3):
        robin.signs_in_at("Fogbank Savings", "Username", "robin", "grey-day-8")
        robin.comes_to("outcome")
        robin.sees("Fogbank Savings is not working right now")
    robin.presses("Choose another source")
    robin.comes_to("pick")
    robin.sees("Not working now")

    robin.presses("Fogbank Savings")
    robin.comes_to("down")
    expect(robin.main.locator("input[type=password]")).to_have_count(0)
    assert "\n".join(complaints_about(robin.page, SCREENSHOTS / "looks" / "down")) == ""

    robin.opens("/connections")
    robin.sees("Fogbank Savings is not working right now.")
    robin.main.get_by_text("Earlier tries that did not work (1)").click()
    assert "\n".join(complaints_about(robin.page, SCREENSHOTS / "looks" / "failed_tries")) == ""


def test_a_block_is_not_blamed_on_robin_and_not_retried(robin: Visitor) -> None:
    robin.signs_in_at("Bramble Insurance", "Policy number", "P-99", "thorns-1")
    robin.comes_to("outcome")
    robin.sees("Bramble Insurance is not letting us sign in right now")
    expect(robin.main.get_by_role("button", name="Try again")).to_have_count(0)

    robin.picks("Bramble Insurance")
    robin.comes_to("paused")
    expect(robin.main.locator("input[type=password]")).to_have_count(0)
    assert "\n".join(complaints_about(robin.page, SCREENSHOTS / "looks" / "paused_after_a_block")) == ""


def test_a_code_that_ran_out_is_followed_by_a_new_one_without_retyping(robin: Visitor) -> None:
    robin.signs_in_at("Quickstep Credit", "Username", "robin", "two-step-4")
    robin.comes_to("interaction")
    robin.comes_to("outcome")
    robin.sees("The code ran out of time")

    robin.presses("Get a new code")
    robin.comes_to("interaction")
    robin.types_a_secret("6-digit code", "112233")
    robin.presses("Continue")
    robin.comes_to("outcome")
    robin.sees("Quickstep Credit is connected")


def test_when_deck_is_full_robin_stands_in_line_and_it_goes_on_by_itself(robin: Visitor) -> None:
    robin.signs_in_at("Crowded House Rentals", "Username", "robin", "full-house-2")
    robin.sees("You are in line")
    robin.marks_the_page()
    expect(robin.heading).to_have_text("Crowded House Rentals is connected", timeout=60_000)
    assert robin.is_still_on_the_marked_page()


def test_an_unknown_result_is_never_offered_a_retry(robin: Visitor) -> None:
    robin.signs_in_at("Perhaps Payments", "Username", "robin", "maybe-not-3")
    robin.comes_to("outcome")
    robin.sees("We are checking whether it worked")
    expect(robin.main.get_by_role("button")).to_have_count(0)
    robin.presses("Close")
    expect(robin.heading).to_contain_text("Perhaps Payments")


def test_robin_stops_it(robin: Visitor) -> None:
    robin.goes_to_the_code()
    robin.marks_the_page()
    robin.presses("Stop")
    robin.sees("You stopped this")
    expect(robin.heading).to_be_focused()
    assert robin.is_still_on_the_marked_page()


def test_robin_reads_again_downloads_a_bill_changes_the_sign_in_and_disconnects(robin: Visitor, tmp_path: Path) -> None:
    robin.connects_northlight()
    robin.presses("Done")
    robin.sees("Home – 12 Harbour St")

    with robin.page.expect_download() as arriving:
        robin.presses("bill-2026-10.txt")
    download = arriving.value
    assert download.suggested_filename == "bill-2026-10.txt"
    download.save_as(tmp_path / "bill.txt")
    assert "412 kWh, 96.20 CAD, due 5 December 2026" in (tmp_path / "bill.txt").read_text()

    robin.presses("Refresh")
    robin.comes_to("progress")
    robin.comes_to("outcome")
    robin.sees("Northlight Power is up to date")
    robin.presses("Done")
    expect(robin.main.locator(".history li")).to_have_count(2)

    robin.presses("Change sign-in")
    robin.comes_to("sign_in")
    expect(robin.field("Email")).to_have_value("robin@sample.example")
    robin.types_a_secret("Password", "bright-light-7")
    robin.presses("Sign in")
    robin.comes_to("outcome")
    robin.presses("Done")
    expect(robin.main.locator(".history li")).to_have_count(3)

    robin.presses("Disconnect")
    robin.sees("Disconnect Northlight Power?")
    robin.presses("Keep it")
    robin.presses("Disconnect")
    robin.presses("Disconnect")
    robin.sees("Nothing connected yet")


def test_without_scripting_the_progress_page_refreshes_itself_and_all_goes_well(arrives: Arrives) -> None:
    robin = arrives(java_script_enabled=False)
    robin.has_an_account()
    robin.signs_in_at("Maple & Main Bank", "Access card", CARD, CARD_PASSWORD)
    robin.comes_to("progress")
    robin.comes_to("interaction")
    robin.types_a_secret("6-digit code", "246 810")
    robin.presses("Continue")
    robin.comes_to("progress")
    robin.comes_to("outcome")
    robin.presses("Done")
    robin.sees("$2,841.07")


def test_two_tabs_see_the_same_thing_at_the_same_time(robin: Visitor) -> None:
    robin.goes_to_the_code()
    other = robin.opens_another_tab()
    other.comes_to("interaction")
    for tab in (robin, other):
        tab.marks_the_page()

    other.types_a_secret("6-digit code", CODE)
    other.presses("Continue")
    for tab in (robin, other):
        tab.comes_to("outcome")
        tab.sees("Maple & Main Bank is connected")
        assert tab.is_still_on_the_marked_page()


def test_signing_out_ends_the_stream_in_another_tab_for_good(robin: Visitor) -> None:
    robin.goes_to_the_code()
    streams: list[str] = []
    robin.page.on("request", lambda request: streams.append(request.url))
    other = robin.opens_another_tab()
    other.page.goto(other.page.url.split("/connect/")[0] + "/connections")
    # The server says that it is over, then the page hangs up: for the browser, a request that was broken off.
    with robin.page.expect_event("requestfailed", lambda request: request.url.endswith("/live")):
        other.page.get_by_role("button", name="Sign out").click()
    expect(other.heading).to_have_text("Connect your accounts to Harbourlight Budget")
    assert streams == [], "it does not call again"


def test_an_answer_sent_after_signing_out_elsewhere_leads_to_signing_in(robin: Visitor) -> None:
    robin.goes_to_the_code()
    other = robin.opens_another_tab()
    other.page.goto(other.page.url.split("/connect/")[0] + "/connections")
    other.page.get_by_role("button", name="Sign out").click()
    expect(other.heading).to_have_text("Connect your accounts to Harbourlight Budget")

    robin.types_a_secret("6-digit code", CODE)
    robin.presses("Continue")
    expect(robin.heading).to_contain_text("Sign in")


def test_a_half_typed_code_survives_a_push_of_the_same_question(robin: Visitor) -> None:
    robin.goes_to_the_code()
    version = robin.screen.get_attribute("data-version")
    robin.types_a_secret("6-digit code", "24681")
    # Agreeing once more, in another tab gone back to, changes nothing a person sees; the next heartbeat tells it.
    robin.context.request.post(f"{robin.page.url}/agree", headers={"Sec-Fetch-Site": "same-origin"}, max_redirects=0)
    expect(robin.screen).not_to_have_attribute("data-version", str(version))
    expect(robin.field("6-digit code")).to_have_value("24681")
    expect(robin.field("6-digit code")).to_be_focused()


def test_robin_connects_a_bank_with_the_keyboard_alone(robin: Visitor) -> None:
    robin.demo.secrets |= {CARD_PASSWORD, CODE}
    robin.opens("/connections")
    robin.tabs_to("Skip to content")
    robin.tabs_to("Connect an account")
    robin.strikes("Enter")
    robin.comes_to("consent")
    robin.tabs_to("Agree and continue")
    robin.strikes("Enter")
    robin.comes_to("pick")
    robin.tabs_to("Search by name or web address")
    robin.page.keyboard.type("mapel")
    robin.page.keyboard.press("Enter")
    expect(robin.main.locator(".source")).to_have_count(1)
    robin.tabs_to("M Maple & Main Bank")
    robin.strikes("Enter")
    robin.comes_to("sign_in")
    robin.tabs_to("Access card")
    robin.page.keyboard.type(CARD)
    robin.tabs_to("Password")
    robin.page.keyboard.type(CARD_PASSWORD)
    robin.strikes("Enter")
    robin.comes_to("interaction")
    expect(robin.heading).to_be_focused()
    robin.tabs_to("6-digit code")
    robin.page.keyboard.type(CODE)
    robin.strikes("Enter")
    robin.comes_to("outcome")
    expect(robin.heading).to_be_focused()
    robin.tabs_to("Done")
    robin.strikes("Enter")
    robin.sees("$2,841.07")


def test_the_back_button_brings_no_typed_secret_back(robin: Visitor) -> None:
    robin.goes_to_the_code()
    robin.types_a_secret("6-digit code", CODE)
    robin.presses("Continue")
    robin.comes_to("outcome")
    assert CODE not in robin.page.content()

    robin.presses("Done")
    robin.sees("$2,841.07")
    while robin.page.go_back() is not None:
        assert CODE not in robin.page.content()
        assert CARD_PASSWORD not in robin.page.content()
        typed = robin.page.evaluate("[...document.querySelectorAll('input:not([type=hidden])')].map((i) => i.value)")
        assert not {CODE, CARD_PASSWORD} & set(typed)


def test_one_press_of_back_leads_out_of_the_visit(robin: Visitor) -> None:
    robin.picks("Maple & Main Bank")
    robin.comes_to("sign_in")
    robin.types("Access card", CARD)
    robin.presses("Sign in")
    robin.sees("Enter your password.")
    robin.presses("Choose another source")
    robin.comes_to("pick")

    robin.page.go_back()
    expect(robin.heading).to_have_text("My connections")


def test_who_left_learns_that_a_code_is_wanted_without_losing_their_place(robin: Visitor) -> None:
    robin.signs_in_at("Maple & Main Bank", "Access card", CARD, CARD_PASSWORD)
    robin.comes_to("progress")
    robin.presses("Leave, and let it finish")
    robin.marks_the_page()
    robin.tabs_to("Delete my account")
    robin.sees("Maple & Main Bank asks for something")
    assert robin.is_still_on_the_marked_page()
    expect(robin.thing("Delete my account")).to_be_focused()

    robin.page.evaluate("() => document.querySelector('#connections a').focus()")
    with robin.page.expect_response(lambda response: response.url.endswith("/connections")):
        pass
    robin.page.wait_for_function("() => !document.querySelector('#connections').classList.contains('htmx-request')")
    assert robin.page.evaluate("document.activeElement.matches('#connections a')"), "the focus stays where it was"
    assert "\n".join(complaints_about(robin.page, SCREENSHOTS / "looks" / "connections_asking")) == ""

    robin.presses("Answer")
    robin.comes_to("interaction")
    robin.types_a_secret("6-digit code", CODE)
    robin.presses("Continue")
    robin.comes_to("outcome")


def test_a_long_wait_is_told_while_one_watches(robin: Visitor) -> None:
    robin.signs_in_at("Longhaul Pensions", "Username", "robin", "slow-boat-9")
    robin.marks_the_page()
    notice = robin.screen.get_by_text("Longhaul Pensions takes longer than usual.")
    expect(notice).to_be_visible(timeout=60_000)
    assert robin.is_still_on_the_marked_page()
    assert "\n".join(complaints_about(robin.page, SCREENSHOTS / "looks" / "long_wait")) == ""


def test_an_uncertain_result_says_so_on_its_page(robin: Visitor) -> None:
    robin.signs_in_at("Perhaps Payments", "Username", "robin", "maybe-not-3")
    robin.comes_to("outcome")
    robin.presses("Close")
    robin.sees("We do not know whether the latest run worked.")
    robin.main.get_by_text("Run it again all the same").click()
    robin.sees("If it did work, it then happens a second time.")
    assert "\n".join(complaints_about(robin.page, SCREENSHOTS / "looks" / "unsure")) == ""
