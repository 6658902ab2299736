"""What a company wished a visit can do, in a real browser on its own page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.embedding import Shop, Shopper, database_of
from tests.browser.looks import axe_violations
from webapp.db import db, now, writing
from webapp.models import Source

pytestmark = pytest.mark.browser


def test_kim_connects_two_and_the_page_has_one_success(kim: Shopper, shop: Shop) -> None:
    invited = shop.invites(features={"multi_source": True})
    kim.opens_the_flow(token=invited["connect_token"])
    kim.signs_in_at_northlight()
    public_token, _ = kim.was_told("success")
    assert axe_violations(kim.document) == []
    kim.presses("Connect another")
    kim.comes_to("pick")
    kim.presses("Northlight Power")
    kim.comes_to("sign_in")
    kim.types("Email", "robin@sample.example")
    kim.types_a_secret("Password", "bright-light-7")
    kim.presses("Sign in")
    kim.page.wait_for_function("() => told.filter(([name]) => name === 'HANDOFF').length === 2")
    kim.comes_to("outcome")
    exchanged = shop.exchanges(public_token).json()
    assert len(exchanged["connection_ids"]) == 2
    kim.presses_and_is_gone("Back to Tidepool Savings")
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()
    heard = kim.heard()
    assert [heard.count(name) for name in ("success", "exit", "EXIT", "CLOSE")] == [1, 0, 0, 1]
    steps = shop.api.get(f"/connect/sessions/{invited['session_id']}/events").json()["data"]
    assert [step["name"] for step in steps].count("EXIT") == 1, "our server heard of the end, not of a silence"


def test_the_longest_name_of_an_account_fits_a_small_phone(kim: Shopper, shop: Shop) -> None:
    kim.page.set_viewport_size({"width": 320, "height": 640})
    kim.page.goto(shop.invites(user_label="W" * 40)["hosted_url"])
    kim.is_sent_to_our_own_page()
    expect(kim.main).to_contain_text("W" * 40)
    assert not kim.asks("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_kim_is_done_after_the_first_of_several(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token(features={"multi_source": True}))
    kim.signs_in_at_northlight()
    kim.was_told("success")
    kim.presses("Connect another")
    kim.comes_to("pick")
    kim.presses("Done")
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()
    assert kim.heard().count("success") == 1 and "exit" not in kim.heard()


def test_kim_goes_back_to_the_page_meanwhile(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token(features={"background": True}))
    kim.goes_to_the_sign_in("Stillwater Trust")
    shows = kim.inside.get_by_role("button", name="Back to Tidepool Savings meanwhile")
    kim.types("Username", "sol")
    kim.types_a_secret("Password", "still-water-5")
    kim.presses("Sign in")
    shows.evaluate("(it) => { setTimeout(() => it.click()) }")
    kim.was_told("BACKGROUND")
    assert kim.asks("handler.state") == "hidden"
    kim.page.locator("body > button").click()
    kim.was_told("RESUME")
    expect(kim.heading).to_be_visible()
    assert kim.heard().count("BACKGROUND") == kim.heard().count("RESUME") == 1
    kim.asks("handler.destroy()")
    kim.is_back_on_the_page()


def test_kim_waits_for_a_source_that_is_down(kim: Shopper, shop: Shop) -> None:
    def fails(times: int) -> None:
        with database_of(shop.demo) as app, app.app_context(), writing():
            source = db.session.query(Source).filter_by(slug="northlight-power").one()
            source.failures, source.failed_at = times, now()

    fails(3)
    try:
        kim.opens_the_flow(token=shop.token(features={"notify_when_back": True}, source_id="northlight-power"))
        kim.presses("Agree and continue")
        kim.comes_to("down")
        kim.presses("Tell me when it works again")
        kim.sees("Tidepool Savings will hear when Northlight Power works again")
        assert axe_violations(kim.document) == []
        assert kim.was_told("ISSUE_FOLLOWED")[0]["source_id"] == "northlight-power"
        kim.presses_and_is_gone("Back to Tidepool Savings")
        assert kim.was_told("exit")[1]["status"] == "source_unavailable"
        kim.was_told("CLOSE")
        kim.is_back_on_the_page()
        assert kim.heard().count("ISSUE_FOLLOWED") == 1
    finally:
        fails(0)
