"""The main journeys, as a person without scripting lives them."""

from __future__ import annotations

from tests.people import Deck, Visitor

CARD, CARD_PASSWORD = "4500123412341234", "maple-leaf-9"


def test_robin_connects_a_bank_that_asks_for_a_code(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    assert robin.view() == "progress"

    deck.goes_on()
    assert robin.looks_again() == "interaction"
    assert "We sent a 6-digit code by text message to ••• ••• 4821." in robin.sees()
    assert robin.field("f0").get("autocomplete") == "one-time-code"

    robin.presses("Continue", f0="246 810")
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

    robin.presses("Continue", f0="000000")
    deck.goes_on()
    assert robin.looks_again() == "interaction"
    assert "That code did not work" in robin.sees()
    assert robin.field("f0").get("value") == ""

    robin.presses("Continue", f0="246810")
    deck.goes_on()
    assert robin.looks_again() == "outcome"


def test_too_many_wrong_codes_end_the_sign_in_and_robin_gets_a_new_one(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    for _ in range(3):
        deck.goes_on()
        robin.looks_again()
        robin.presses("Continue", f0="000000")
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


def test_a_review_is_waited_for(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Stillwater Trust", "robin", "runs-deep-6")
    deck.goes_on()
    assert robin.looks_again() == "progress"
    assert "is checking this" in robin.sees()

    deck.goes_on()
    robin.looks_again()
    assert "Stillwater Trust is connected" in robin.sees()


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


def test_spaces_around_a_username_and_inside_a_card_number_cost_no_try(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", "  4500 1234 1234 1234 ", CARD_PASSWORD)
    assert deck.objects("credentials")[0]["auth_credentials"]["username"] == CARD

    robin.signs_in_at("Northlight Power", " robin@sample.example ", "bright-light-7")
    assert deck.objects("credentials")[1]["auth_credentials"]["username"] == "robin@sample.example"


def test_an_incomplete_code_is_noticed_before_it_costs_a_try(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0="24")
    assert "This code has 6 digits; you typed 2." in robin.sees()

    robin.presses("Continue", f0="246 810")
    deck.goes_on()
    assert robin.looks_again() == "outcome"
    assert "Maple & Main Bank is connected" in robin.sees()


def test_nobody_is_told_of_a_code_that_was_given_already(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    assert "You may be asked for a code" in robin.sees()
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0="246810")
    assert robin.view() == "progress"
    assert "You may be asked for a code" not in robin.sees()


def test_a_question_that_is_its_own_label_is_not_called_by_another(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Caisse Côte-Claire", "778201", "cote-claire-3")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Send answer", f0=" ")
    assert "Fill in your answer." in robin.sees()


def test_a_long_wait_is_called_one_and_says_when_it_ends(robin: Visitor, deck: Deck, later) -> None:
    robin.signs_in_at("Longhaul Pensions", "robin", "slow-boat-9")
    deck.lets_pass(seconds=1)
    robin.looks_again()
    assert "longer than usual" not in robin.sees()

    later(seconds=31)
    robin.looks_again()
    assert "Longhaul Pensions takes longer than usual. We have waited for it since" in robin.sees()
    assert "You can leave: it goes on without you." in robin.sees()
    assert "we give up" in robin.sees()

    later(minutes=2)
    robin.looks_again()
    assert "Longhaul Pensions is very slow today." in robin.sees()


def test_the_consent_says_who_keeps_the_sign_in_and_until_when(robin: Visitor) -> None:
    robin.opens("/connections")
    robin.presses("Connect an account")
    assert "Deck keeps them, encrypted, until you disconnect. We do not." in robin.sees()
