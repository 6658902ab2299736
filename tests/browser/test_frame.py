"""The flow on a company's page, in a real browser and across origins: how people use it and leave it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.embedding import Comes, Shop, Shopper
from tests.browser.looks import axe_violations
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


# --- the way it is meant -----------------------------------------------------------------------------------------


def test_kim_connects_a_bank_and_the_company_is_told_once(kim: Shopper, shop: Shop) -> None:
    kim.page.focus("#first")
    before = kim.asks("history.length")
    invited = shop.invites()
    kim.opens_the_flow(token=invited["connect_token"])
    kim.goes_to_the_code()
    kim.types_a_secret("6-digit code", "739104")
    kim.presses("Continue")
    kim.sees("That code did not work")
    kim.types_a_secret("6-digit code", "246810")
    kim.presses("Continue")
    public_token, metadata = kim.was_told("success")
    assert metadata["session_id"] == invited["session_id"]
    assert metadata["source"] == {"source_id": "maple-and-main", "name": "Maple & Main Bank"}
    assert kim.asks("handler.state") == "done"
    kim.presses_and_is_gone("Back to Tidepool Savings")
    kim.was_told("CLOSE")

    kim.is_back_on_the_page()
    assert kim.asks("document.activeElement.id") == "first"
    assert kim.asks("history.length") == before + 1, "one entry, and it lies ahead: Back leaves the page"
    heard = kim.heard()
    stable = [name for name in heard if name not in ("TRANSITION_VIEW", "STATUS_CHANGED", "load")]
    assert stable == [
        *("OPEN", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "MFA_REQUIRED", "SUBMIT_MFA", "MFA_REQUIRED", "SUBMIT_MFA"),
        *("HANDOFF", "success", "CLOSE"),
    ]
    assert heard.index("HANDOFF") < heard.index("success") < heard.index("CLOSE")
    numbered = [more[0] for _, *more in kim.told() if more and isinstance(more[0], dict) and "event_id" in more[0]]
    assert [m["seq"] for m in numbered] == sorted({m["seq"] for m in numbered})
    assert len({m["event_id"] for m in numbered}) == len(numbered) > 8
    for secret in ("739104", "246810", "maple-leaf-9", "4500123412341234"):
        assert secret not in str(kim.told())

    exchanged = shop.exchanges(public_token)
    assert exchanged.json()["session_id"] == invited["session_id"]
    assert shop.exchanges(public_token).status_code == 409


def test_a_refused_password_a_busy_button_and_the_right_one(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.goes_to_the_sign_in("Northlight Power")
    kim.presses("Sign in")
    kim.sees("Please check 2 answers")
    expect(kim.inside.locator(":focus")).to_have_count(1)
    kim.types("Email", "robin@sample.example")
    kim.types_a_secret("Password", "not the right one")
    kim.presses("Sign in")
    kim.sees("did not accept that sign-in")
    assert kim.was_told("ERROR")[0]["error_code"] == "auth_invalid"
    kim.types("Email", "robin@sample.example")
    kim.types_a_secret("Password", "bright-light-7")
    kim.presses("Sign in")
    kim.comes_to("outcome")
    expect(kim.heading).to_be_focused()
    assert "Northlight Power" in str(kim.document.title())
    kim.was_told("success")
    kim.asks("handler.exit()")
    kim.was_told("CLOSE")
    assert kim.heard().count("success") == 1 and "exit" not in kim.heard()


@pytest.mark.parametrize("path", ["/quiet", "/isolated"])
def test_pages_that_hide_where_they_are_and_pages_that_are_isolated(comes: Comes, shop: Shop, path: str) -> None:
    kim = comes(path)
    kim.opens_the_flow(token=shop.token())
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    if path == "/isolated":
        assert kim.asks("crossOriginIsolated") is True


def test_inline_it_is_as_high_as_what_it_shows(kim: Shopper, shop: Shop) -> None:
    kim.asks(f"window.handler = null; window.embed = '{shop.token()}'")
    kim.is_offered(token=shop.token(), mode="inline", container="#place")
    kim.asks("handler.open()")
    kim.was_told("load")
    assert kim.page.locator("#place > iframe").count() == 1
    heights = []
    for press in ("Agree and continue", "Maple & Main Bank"):
        kim.presses(press)
        expect(kim.heading).to_be_focused()
        fits = "() => document.documentElement.scrollHeight <= window.innerHeight + 1"
        kim.document.wait_for_function(fits)
        heights.append(kim.page.locator("iframe").bounding_box()["height"])  # type: ignore[index]
    assert heights[0] != heights[1]
    kim.asks("handler.destroy()")
    kim.is_back_on_the_page()


def test_a_button_without_any_script_of_the_page(comes: Comes, shop: Shop) -> None:
    kim = comes("/button")
    kim.page.click("#plain")
    kim.signs_in_at_northlight()
    kim.page.wait_for_url("**/connected")
    (form,) = shop.posted
    assert shop.exchanges(form["public_token"][0]).status_code == 200


@pytest.mark.parametrize("address", ["https://elsewhere.example/token", "javascript:document.title='mine'"])
def test_a_button_that_a_user_of_the_page_wrote_leads_nowhere(comes: Comes, shop: Shop, address: str) -> None:
    kim = comes("/button")
    kim.page.evaluate("to => (document.querySelector('#plain').dataset.gangwayConnectSuccessUrl = to)", address)
    kim.page.click("#plain")
    expect(kim.page.locator("dialog")).to_have_count(0)
    assert "a button leads to its own page's origin only" in kim.complaints.pop()


def test_hidden_it_goes_on(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.goes_to_the_code()
    kim.asks("handler.hide()")
    pill = kim.page.get_by_role("button", name="Your answer is needed")
    expect(pill).to_be_visible()
    assert kim.asks("[handler.state, document.documentElement.style.overflow]") == ["hidden", ""]
    pill.click()
    expect(kim.heading).to_be_visible()
    kim.types_a_secret("6-digit code", "246810")
    kim.presses("Continue")
    kim.was_told("success")
    kim.asks("handler.destroy()")
    kim.is_back_on_the_page()


def test_what_the_company_knows_is_filled_in_but_no_secret(kim: Shopper, shop: Shop) -> None:
    kim.is_offered(token=shop.token())
    for name in ("password", "user_password", "pin", "otp", "mfa_code", "access_code", "api_token", "secret_answer"):
        assert kim.asks(
            f"(() => {{ try {{ handler.submit({{ {name}: 'x' }}); return '' }} catch (e) {{ return e.name }} }})()"
        )
    kim.asks("handler.submit({ source_id: 'northlight-power', username: 'kim@sample.example', postal_code: 'K1A' })")
    kim.asks("handler.open()")
    kim.presses("Agree and continue")
    kim.comes_to("sign_in")
    expect(kim.field("Email")).to_have_value("kim@sample.example")
    expect(kim.field("Password")).to_have_value("")


def test_kim_goes_on_on_the_phone_and_the_page_follows(kim: Shopper, shop: Shop, browser: Browser) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.goes_to_the_sign_in("Northlight Power")
    kim.presses("Continue on your phone")
    kim.comes_to("phone")
    expect(kim.inside.get_by_role("img")).to_be_visible()
    assert axe_violations(kim.document) == []
    phone = Visitor(shop.demo, browser, viewport={"width": 390, "height": 800})
    phone.opens(shop.scans_the_code())
    phone.presses("Continue here")
    kim.comes_to("sign_in")
    phone.types("Email", "robin@sample.example")
    phone.types_a_secret("Password", "bright-light-7")
    phone.presses("Sign in")
    assert kim.was_told("HANDOFF_DEVICE")[0]["device"] == "phone"
    public_token, _ = kim.was_told("success")
    assert shop.exchanges(public_token).status_code == 200
    phone.comes_to("outcome")
    phone.presses("Back to Tidepool Savings")
    phone.sees("Go back to the page where you began")
    assert phone.leaves() == []
    kim.comes_to("outcome")


# --- leaving -----------------------------------------------------------------------------------------------------


def test_not_now(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.presses("Not now")
    error, metadata = kim.was_told("exit")
    assert error is None and metadata["status"] == "requires_consent" and metadata["view_name"] == "CONSENT"
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()
    assert kim.heard()[-3:] == ["EXIT", "exit", "CLOSE"]


def test_the_back_button_goes_one_screen_back_then_closes_then_leaves(kim: Shopper, shop: Shop) -> None:
    kim.page.goto(f"{shop.origin}/button")
    kim.page.goto(f"{shop.origin}/")
    kim.page.wait_for_function("window.GangwayConnect")
    kim.opens_the_flow(token=shop.token())
    kim.goes_to_the_sign_in()
    kim.goes_back()
    kim.comes_to("pick")
    kim.presses("Northlight Power")
    kim.comes_to("sign_in")
    kim.goes_back()
    kim.comes_to("pick")
    kim.goes_back()
    assert kim.was_told("exit")[1]["view_name"] == "SELECT_SOURCE"
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()
    kim.goes_back()
    kim.page.wait_for_url("**/button")


def test_the_back_button_asks_while_it_runs_and_takes_the_question_away(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.goes_to_the_code()
    kim.goes_back()
    expect(kim.inside.get_by_role("dialog")).to_be_visible()
    kim.goes_back()
    expect(kim.inside.get_by_role("dialog")).to_be_hidden()
    assert "exit" not in kim.heard()
    kim.goes_back()
    kim.presses_and_is_gone("Leave")
    assert kim.was_told("exit")[1]["status"] == "requires_code"
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()


def test_the_question_before_leaving_is_a_card_one_can_read(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    style = kim.inside.locator("#leaving").evaluate(
        """(it) => { it.showModal(); const { backgroundColor, paddingTop } = getComputedStyle(it);
           const { left, right } = it.getBoundingClientRect(); it.close();
           return { backgroundColor, padding: parseFloat(paddingTop), offCentre: left - (innerWidth - right) } }"""
    )
    assert style["backgroundColor"] == "rgb(255, 255, 255)", "nothing shines through"
    assert style["padding"] >= 16
    assert abs(style["offCentre"]) <= 1


def test_leaving_while_it_runs_asks_first(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.goes_to_the_code()
    kim.inside.locator("h1").focus()
    kim.strikes("Escape")
    expect(kim.inside.get_by_role("dialog")).to_be_visible()
    kim.inside.get_by_role("button", name="Stay here").click()
    assert "exit" not in kim.heard()
    kim.asks("handler.exit()")
    kim.presses_and_is_gone("Leave")
    _, metadata = kim.was_told("exit")
    assert (metadata["status"], metadata["run_state"]) == ("requires_code", "interaction_required")
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()


def test_a_forced_exit_asks_nobody(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.goes_to_the_code()
    kim.asks("handler.exit({ force: true })")
    assert kim.heard()[-2:] == ["exit", "CLOSE"]
    assert kim.was_told("exit")[1]["status"] == "requires_code"
    kim.is_back_on_the_page()


def test_destroying_puts_everything_back(kim: Shopper, shop: Shop) -> None:
    kim.asks("document.documentElement.style.setProperty('overflow', 'scroll', 'important')")
    kim.page.focus("#first")
    kim.opens_the_flow(token=shop.token())
    assert kim.asks("document.documentElement.style.overflow") == "hidden"
    kim.asks("handler.destroy(); handler.destroy()")
    assert kim.asks("document.documentElement.style.cssText") == "overflow: scroll !important;"
    assert kim.frames() == 0 and kim.page.locator("dialog").count() == 0
    assert kim.asks("document.activeElement.id") == "first"
    assert kim.heard().count("exit") == 1 and kim.heard().count("CLOSE") == 1
    kim.complaints.clear()
    kim.asks("handler.open()")
    assert kim.asks("handler.state") == "destroyed" and kim.frames() == 0
    assert ["was destroyed" in complaint for complaint in kim.complaints] == [True]
    kim.complaints.clear()


# --- for everybody -----------------------------------------------------------------------------------------------


def test_by_keyboard_alone(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())

    def tabs_to(words: str) -> None:
        for _ in range(40):
            kim.page.keyboard.press("Tab")
            focused = kim.document.evaluate(
                "() => [document.activeElement.labels?.[0]?.textContent, document.activeElement.textContent].join(' ').trim()"
            )
            if focused.startswith(words):
                return
        raise AssertionError(f"Tab never comes to {words!r}")

    tabs_to("Agree and continue")
    kim.strikes("Enter")
    kim.comes_to("pick")
    tabs_to("Search")
    kim.page.keyboard.type("northl")
    expect(kim.inside.locator(".source")).to_have_count(1)
    assert kim.was_told("SEARCH_SOURCE")[0]["search_query_length"] >= 1
    tabs_to("N")
    kim.strikes("Enter")
    kim.comes_to("sign_in")
    tabs_to("Email")
    kim.page.keyboard.type("robin@sample.example")
    tabs_to("Password")
    kim.demo.secrets.add("bright-light-7")
    kim.page.keyboard.type("bright-light-7")
    kim.strikes("Enter")
    kim.was_told("success")
    kim.comes_to("outcome")
    expect(kim.heading).to_be_focused()
    kim.strikes("Escape")
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_screen_is_for_everybody(comes: Comes, shop: Shop, scheme: str) -> None:
    kim = comes(color_scheme=scheme, reduced_motion="reduce")
    kim.opens_the_flow(token=shop.token())

    def looks() -> list[str]:
        found = [*axe_violations(kim.document), *axe_violations(kim.page)]
        return [f"{kim.screen.get_attribute('data-view')}: {what}" for what in found]

    complaints = looks()
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    complaints += looks()
    kim.presses("Maple & Main Bank")
    kim.comes_to("sign_in")
    complaints += looks()
    kim.types("Access card", "4500123412341234")
    kim.types_a_secret("Password", "maple-leaf-9")
    kim.presses("Sign in")
    kim.comes_to("interaction")
    complaints += looks()
    kim.asks("handler.exit()")
    expect(kim.inside.get_by_role("dialog")).to_be_visible()
    complaints += looks()
    kim.inside.get_by_role("button", name="Stay here").click()
    kim.types_a_secret("6-digit code", "246810")
    kim.presses("Continue")
    kim.comes_to("outcome")
    complaints += looks()
    assert complaints == []


def test_the_first_view_is_small(kim: Shopper, shop: Shop) -> None:
    sizes: list[int] = []
    kim.context.on(
        "requestfinished",
        lambda request: sizes.append(sum(request.sizes()[k] for k in ("responseBodySize", "responseHeadersSize"))),
    )
    kim.opens_the_flow(token=shop.token())
    kim.page.wait_for_load_state("networkidle")
    assert len(sizes) <= 6 and sum(sizes) <= 60_000, (len(sizes), sum(sizes))
