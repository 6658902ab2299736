"""The main journeys, as a person without scripting lives them."""

from __future__ import annotations

from tests.people import Deck, Visitor, said

CARD, CARD_PASSWORD = "4500123412341234", "maple-leaf-9"


def test_robin_connects_a_bank_that_asks_for_a_code(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    assert robin.view() == "progress"

    deck.goes_on()
    assert robin.looks_again() == "interaction"
    assert "We sent a 6-digit code by text message to ••• ••• 4821." in robin.sees()
    assert robin.field("f0").get("autocomplete") == "one-time-code"

    robin.presses("Send code", f0="246 810")
    deck.goes_on()
    assert robin.looks_again() == "outcome"
    assert "Maple & Main Bank is connected" in robin.sees()

    robin.presses("Done")
    assert "CA$2,841.07" in robin.sees()
    assert "statement-2026-10.txt" in robin.sees()


def test_a_wrong_code_is_asked_for_again(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    deck.goes_on()
    robin.looks_again()

    robin.presses("Send code", f0="000000")
    deck.goes_on()
    assert robin.looks_again() == "interaction"
    assert "That code did not work" in robin.sees()
    assert robin.field("f0").get("value") == ""

    robin.presses("Send code", f0="246810")
    deck.goes_on()
    assert robin.looks_again() == "outcome"


def test_too_many_wrong_codes_end_the_sign_in_and_robin_gets_a_new_one(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    for _ in range(3):
        deck.goes_on()
        robin.looks_again()
        robin.presses("Send code", f0="000000")
    deck.goes_on()
    robin.looks_again()
    assert "did not accept the code" in robin.sees()

    robin.presses("Get a new code")
    deck.goes_on()
    assert robin.looks_again() == "interaction"


def test_a_wrong_password_is_refused_and_the_username_stays(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, "not-it")
    deck.goes_on()
    assert robin.looks_again() == "sign_in"
    assert "Maple & Main Bank did not accept that sign-in." in robin.sees()
    assert robin.field("username").get("value") == CARD
    assert robin.field("password").get("value") == ""

    robin.presses("Sign in", password=CARD_PASSWORD)
    deck.goes_on()
    assert robin.looks_again() == "interaction"
    assert len(deck.objects("credentials")) == 1, "the same credential was changed, not a second one stored"


def test_three_refusals_pause_before_the_site_locks_the_account(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, "wrong-1")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Sign in", password="wrong-2")
    deck.goes_on()
    robin.looks_again()
    assert "One more wrong try may lock your account" in robin.sees()

    robin.presses("Sign in", password="wrong-3")
    deck.goes_on()
    assert robin.looks_again() == "paused"
    assert "we pause for 15 minutes" in robin.sees()


def test_a_security_question_then_a_choice_of_accounts(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Caisse Côte-Claire", "778201", "cote-claire-3")
    deck.goes_on()
    robin.looks_again()
    assert "first pet" in robin.sees()

    robin.presses("Send answer", f0="Biscuit")
    deck.goes_on()
    robin.looks_again()
    assert "Savings – •••• 9921" in robin.sees()

    robin.presses("Use this account", f0="sav-9921")
    deck.goes_on()
    robin.looks_again()
    assert "Caisse Côte-Claire is connected" in robin.sees()


def test_a_question_of_an_unknown_kind_with_several_fields_still_works(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Tidewater Telecom", "robin@sample.example", "high-tide-5")
    deck.goes_on()
    robin.looks_again()
    assert "confirm two details" in robin.sees()

    robin.presses("Send answer", f0="B3H 1A1")
    assert robin.page.status_code == 422
    assert "Fill in “Account PIN”." in robin.sees()

    robin.presses("Send answer", f0="B3H 1A1", f1="0000")
    deck.goes_on()
    robin.looks_again()
    assert "Tidewater Telecom is connected" in robin.sees()


def test_a_source_that_wants_a_company_number_is_given_one(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Ledgerleaf Payroll", "E-2207", "paper-trail-2", x_company_number="5150")
    deck.goes_on()
    assert robin.looks_again() == "interaction"
    assert deck.objects("credentials")[-1]["auth_credentials"]["source_fields"] == {"company_number": "5150"}


def test_an_expired_code_is_followed_by_a_new_one_without_retyping(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Quickstep Credit", "robin", "two-step-4")
    deck.goes_on()
    deck.lets_pass(seconds=30)
    robin.looks_again()
    assert "The code ran out of time" in robin.sees()

    robin.presses("Get a new code")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Send code", f0="112233")
    deck.goes_on()
    robin.looks_again()
    assert "Quickstep Credit is connected" in robin.sees()


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


def test_a_block_is_not_blamed_on_robin_and_not_retried(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Bramble Insurance", "P-99", "thorns-1")
    deck.goes_on()
    robin.looks_again()
    assert "Trying again now will not help" in robin.sees()
    assert "Try again" not in [said(button) for button in robin.tree.iter("button")]

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


def test_a_review_is_waited_for(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Stillwater Trust", "robin", "runs-deep-6")
    deck.goes_on()
    assert robin.looks_again() == "progress"
    assert "is checking this" in robin.sees()

    deck.goes_on()
    robin.looks_again()
    assert "Stillwater Trust is connected" in robin.sees()


def test_a_timeout_may_be_tried_again(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Longhaul Pensions", "robin", "slow-boat-9")
    deck.lets_pass(seconds=1)
    assert robin.looks_again() == "progress"
    deck.goes_on()
    robin.looks_again()
    assert "This took too long" in robin.sees()
    robin.presses("Try again")
    assert robin.view() == "progress"


def test_when_deck_is_full_robin_stands_in_line_and_it_goes_on_by_itself(robin: Visitor, deck: Deck, later) -> None:
    robin.signs_in_at("Crowded House Rentals", "robin", "full-house-2")
    assert "You are in line" in robin.sees()
    for _ in range(2):
        later(minutes=1)
        deck.our_worker_works()
    deck.goes_on()
    robin.looks_again()
    assert "Crowded House Rentals is connected" in robin.sees()
    assert len(deck.objects("task_runs")) == 1


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


def test_a_double_click_connects_once(robin: Visitor, deck: Deck) -> None:
    robin.picks("Maple & Main Bank")
    form = next(f for f in robin.tree.iter("form") if "sign-in" in str(f.get("action")))
    typed = {str(i.get("name")): i.get("value", "") for i in form.iter("input")}
    typed |= {"username": CARD, "password": CARD_PASSWORD}
    for _ in range(2):
        robin.posts(str(form.get("action")), typed)
    assert robin.view() == "progress"
    assert len(deck.objects("credentials")) == len(deck.objects("task_runs")) == 1


def test_two_tabs_answer_and_one_wins(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    deck.goes_on()
    robin.looks_again()
    form = next(f for f in robin.tree.iter("form") if "answer" in str(f.get("action")))
    prompt = robin.field("prompt").get("value")
    robin.posts(str(form.get("action")), {"prompt": prompt, "f0": "000000"})
    deck.goes_on()  # the site asks again
    robin.posts(str(form.get("action")), {"prompt": prompt, "f0": "246810"})  # the other tab's old form
    assert robin.page.status_code == 409
    assert "That was already answered, or the question changed" in robin.sees()
    assert robin.view() == "interaction"


def test_a_form_mistake_keeps_what_was_typed_but_never_the_password(robin: Visitor) -> None:
    robin.picks("Ledgerleaf Payroll")
    robin.presses("Sign in", username="E-2207", password="paper-trail-2")
    assert robin.page.status_code == 422
    assert robin.field("username").get("value") == "E-2207"
    assert "paper-trail-2" not in robin.page.text
    assert "Enter your company number." in robin.sees()


def test_the_app_works_with_no_webhooks_at_all(robin: Visitor, deck: Deck, later) -> None:
    deck.losing_webhooks = True
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.our_worker_works()
    deck.goes_on()
    assert robin.looks_again() == "progress"
    later(seconds=15)
    deck.our_worker_works()
    robin.looks_again()
    assert "Northlight Power is connected" in robin.sees()


def test_search_finds_by_typo_accent_initials_and_address(robin: Visitor) -> None:
    robin.opens("/connections")
    robin.presses("Connect an account")
    robin.presses("Agree and continue")
    for typed, found in [
        ("mapel", "Maple & Main Bank"),
        ("caisse cote", "Caisse Côte-Claire"),
        ("CCC", "Caisse Côte-Claire"),
        ("https://www.tidewater.example/login?x=1", "Tidewater Telecom"),
        ("ledgerleaf.example", "Ledgerleaf Payroll"),
    ]:
        robin.presses("Search", q=typed)
        assert found in robin.sees(), typed
        assert "Fogbank" not in robin.sees(), typed
    robin.presses("Search", q="zzzzqqq")
    assert "We do not support “zzzzqqq” yet" in robin.sees()
