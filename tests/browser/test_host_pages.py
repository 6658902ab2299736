"""Companies' pages do strange things, some of them hostile; and what is told when the frame does not open."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.demo import Demo
from tests.browser.embedding import Comes, Shop, Shopper, a_shop

pytestmark = pytest.mark.browser


# --- pages do strange things -------------------------------------------------------------------------------------


def test_opening_twice_is_opening_once(kim: Shopper, shop: Shop) -> None:
    kim.is_offered(token=shop.token())
    kim.asks("handler.open(); handler.open()")
    kim.was_told("load")
    kim.asks("handler.open()")
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    assert kim.frames() == 1 and kim.heard().count("OPEN") == 1 and kim.heard().count("load") == 1


def test_mounting_unmounting_and_mounting_again_uses_a_token_once(kim: Shopper, shop: Shop) -> None:
    token = shop.token()
    kim.is_offered(token=token)
    kim.asks("handler.open(); handler.destroy()")
    kim.is_offered(token=token)
    kim.asks("handler.open()")
    kim.was_told("load")
    assert kim.frames() == 1 and "exit" not in kim.heard()


def test_opening_and_closing_many_times_leaves_nothing(kim: Shopper, shop: Shop) -> None:
    kim.is_offered(tokens=[shop.token() for _ in range(5)])
    for number in range(1, 6):
        kim.asks("handler.open()")
        kim.page.wait_for_function("(n) => told.filter(([name]) => name === 'load').length === n", arg=number)
        kim.asks("handler.exit({ force: true })")
    kim.is_back_on_the_page()
    assert [kim.heard().count(name) for name in ("load", "exit", "CLOSE", "success")] == [5, 5, 5, 0]


def test_a_script_loaded_twice_warns_once(comes: Comes, shop: Shop) -> None:
    kim = comes("/twice")
    assert len(kim.complaints) == 1 and "loaded twice" in kim.complaints.pop()
    kim.opens_the_flow(token=shop.token())


def test_a_callback_that_throws_breaks_nothing(kim: Shopper, shop: Shop) -> None:
    kim.is_offered(token=shop.token())
    kim.asks("handler.update({ onLoad: () => { throw new Error('mine') } })")
    kim.asks("handler.open()")
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    assert [complaint for complaint in kim.complaints if "mine" in complaint]
    kim.complaints.clear()


def test_messages_nobody_should_send_change_nothing(kim: Shopper, shop: Shop) -> None:
    kim.opens_the_flow(token=shop.token())
    kim.asks("""() => {
      const frame = document.querySelector("iframe").contentWindow;
      const cycle = { v: 1, type: "exit", payload: {} };
      cycle.self = cycle;
      const init = new MessageChannel();
      init.port1.onmessage = (event) => (window.stolen = event.data);
      for (const message of ["exit", null, 7, { type: "exit" }, cycle, { v: 1, type: "init" }, "x".repeat(5e6),
                             JSON.parse('{"v":1,"type":"exit","payload":{},"__proto__":{"a":1}}')]) {
        frame.postMessage(message, "*");
        window.postMessage({ v: 1, seq: 99, type: "success", payload: { public_token: "forged", metadata: {} } }, "*");
      }
      frame.postMessage({ v: 1, type: "init" }, "*", [init.port2]);
    }""")
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    assert kim.asks("window.stolen") is None
    assert not {"success", "exit"} & set(kim.heard())


def test_only_the_page_around_it_can_talk_to_the_frame(kim: Shopper, shop: Shop) -> None:
    """A message from the frame itself, or from a popup of another origin, is not from its parent."""
    kim.is_offered(token=shop.token())
    kim.asks("handler.open()")
    kim.was_told("load")
    kim.document.evaluate("""() => {
      const channel = new MessageChannel();
      window.stolen = null;
      channel.port1.onmessage = (event) => (window.stolen = event.data);
      window.postMessage({ v: 1, type: "init" }, "*", [channel.port2]);
    }""")
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    assert kim.document.evaluate("window.stolen") is None


def test_a_stranger_beside_it_on_the_same_page_changes_nothing(comes: Comes, shop: Shop) -> None:
    kim = comes("/neighbour")
    kim.asks("window.addEventListener('message', ({ data }) => data === 'stolen' && (window.stolen = true))")
    kim.opens_the_flow(token=shop.token())
    kim.asks(f"""() => {{
      const stranger = document.createElement("iframe");
      stranger.src = "{shop.elsewhere}/stranger";
      stranger.onload = () => (window.arrived = true);
      document.getElementById("place").append(stranger);
    }}""")
    kim.page.wait_for_function("() => window.arrived")
    kim.asks("document.querySelector('#place iframe').remove()")
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    assert not kim.asks("window.stolen") and not {"success", "exit"} & set(kim.heard())


# --- without a frame ---------------------------------------------------------------------------------------------


def test_by_redirect_and_back(kim: Shopper, shop: Shop) -> None:
    invited = shop.invites(return_url=f"{shop.origin}/back", state="basket 9")
    kim.is_offered(token=invited["connect_token"], mode="redirect")
    kim.asks("handler.open()")
    kim.is_sent_to_our_own_page()
    kim.presses("Continue")
    kim.signs_in_at_northlight()
    kim.comes_to("outcome")
    kim.presses("Back to Tidepool Savings")
    kim.has_come_back("**/back?*")
    assert invited["connect_token"] not in kim.page.url
    kim.page.wait_for_function("window.GangwayConnect")
    kim.is_offered(mode="redirect", receivedRedirectUri=kim.page.url)
    kim.asks("handler.open()")
    token, metadata = kim.was_told("success")
    assert (token, metadata["session_id"], metadata["status"]) == (None, invited["session_id"], "connected")
    assert kim.heard() == ["success", "CLOSE"]
    assert shop.api.get(f"/connect/sessions/{invited['session_id']}").json()["connection_id"]


def test_on_a_page_that_is_itself_in_anothers_frame(comes: Comes, shop: Shop) -> None:
    kim = comes()
    kim.page.clock.install()
    kim.page.goto(f"{shop.elsewhere}/outer")
    page = kim.page.frame_locator("iframe").locator("body")
    page.evaluate(
        """(_, token) => new Promise((done) => {
      window.told = [];
      window.handler = GangwayConnect.create({ token, onExit: (error) => window.told.push(error.error_code) });
      window.handler.open();
      setTimeout(done, 100);
    })""",
        shop.token(),
    )
    kim.page.clock.run_for(9_000)
    expect(page.locator("dialog")).to_have_count(0)
    assert page.evaluate("() => window.told") == ["nested_frame"]
    kim.complaints.clear()  # our policy refuses that frame, and Chromium says so


# --- it does not open --------------------------------------------------------------------------------------------


def ends_with(kim: Shopper, code: str) -> dict[str, Any]:
    error, _ = kim.was_told("exit")
    kim.was_told("CLOSE")
    kim.is_back_on_the_page()
    assert (error["error_type"], error["error_code"]) == ("SESSION_ERROR", code)
    assert kim.heard().count("exit") == 1
    return dict(error)


def test_a_used_an_expired_and_an_invented_token(comes: Comes, shop: Shop) -> None:
    used, invited = shop.token(), shop.invites()
    shop.api.post(f"/connect/sessions/{invited['session_id']}/expire")
    comes().opens_the_flow(token=used)
    for token, code in (
        (used, "token_already_used"),
        (invited["connect_token"], "token_expired"),
        ("ct_test_x", "token_invalid"),
    ):
        kim = comes()
        kim.is_offered(token=token)
        kim.asks("handler.open()")
        ends_with(kim, code)


def test_a_page_that_is_not_the_companys(shop: Shop, demo: Demo, comes: Comes) -> None:
    with a_shop(demo, "No Pages", origins=False) as other:
        kim = comes()
        kim.is_offered(token=other.token())
        kim.asks("handler.open()")
        assert shop.origin in ends_with(kim, "origin_not_allowed")["error_message"]


def test_a_used_token_is_renewed_without_a_word(kim: Shopper, comes: Comes, shop: Shop) -> None:
    used = shop.token()
    comes().opens_the_flow(token=used)
    kim.opens_the_flow(tokens=[used, shop.token()])
    kim.presses("Agree and continue")
    kim.comes_to("pick")
    assert "exit" not in kim.heard() and kim.frames() == 1


@pytest.mark.parametrize(("path", "directive"), [("/no-frames", "frame-src"), ("/no-forms", "form-action")])
def test_a_policy_that_forbids_it_is_named(comes: Comes, shop: Shop, path: str, directive: str) -> None:
    kim = comes(path)
    kim.is_offered(token=shop.token())
    kim.asks("handler.open()")
    assert directive in ends_with(kim, "frame_blocked")["error_message"]
    assert "frame-src http" in kim.asks("GangwayConnect.diagnose().policy")
    assert kim.complaints, "this page's policy was meant to refuse"
    kim.complaints.clear()


def test_a_frame_that_never_answers(kim: Shopper, shop: Shop) -> None:
    kim.page.clock.install()
    kim.page.route("**/frame", lambda route: route.abort())
    kim.is_offered(token=shop.token())
    kim.asks("handler.open()")
    kim.page.clock.run_for(100)
    expect(kim.page.locator("iframe")).to_have_count(1)
    kim.page.clock.run_for(8_000)
    ends_with(kim, "frame_blocked")
    assert "ERROR" in kim.heard()
    kim.complaints.clear()  # Chromium's remarks on a request that was cut


def test_what_is_missing_is_told_by_ready(kim: Shopper) -> None:
    kim.is_offered()
    assert kim.asks("handler.ready.then(() => '', (error) => error.error_code)") == "token_invalid"
    kim.asks("handler.open()")
    ends_with(kim, "token_invalid")


def test_a_visit_that_is_revoked_in_the_middle(kim: Shopper, shop: Shop) -> None:
    invited = shop.invites()
    kim.opens_the_flow(token=invited["connect_token"])
    kim.goes_to_the_code()
    shop.api.post(f"/connect/sessions/{invited['session_id']}/expire")
    kim.was_told("exit")  # the stream has told the frame
    kim.was_told("CLOSE")
