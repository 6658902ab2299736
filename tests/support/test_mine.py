"""My own page: where I am signed in, what my programs read with, and what signs me in."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from tests.people import Visitor
from tests.security.tools import ask
from tests.support.conftest import Somebody
from tests.support.entering import PASSWORD, Member, comes_in, gives_code, gives_password, is_in, joins
from webapp.db import db
from webapp.models import StaffSession, StaffToken

Record = Callable[[], list[tuple[str, str, str]]]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def ash(app: Flask) -> Member:
    return joins(app)


def reads(app: Flask, token: str, path: str = "/support/api/mine") -> int:
    return ask(app, "GET", path, headers={"Authorization": f"Bearer {token}"}).status


def test_browsers_are_listed_in_words_and_ended_one_by_one(app: Flask, ash: Member) -> None:
    here, there = comes_in(app, ash), Visitor(app)
    there.http.headers["User-Agent"] = FIREFOX
    gives_password(there, ash)
    gives_code(there, ash.recovery[0])
    here.opens("/support/mine")
    assert "Firefox on Linux" in here.sees() and "127.0.0.1" in here.sees() and "this one" in here.sees()
    (ref,) = re.findall(r"/support/mine/sessions/([\w-]{16})/end", here.page.text)
    here.posts(f"/support/mine/sessions/{ref}/end")
    assert not is_in(there) and is_in(here)


def test_all_other_browsers_are_ended_at_once(app: Flask, ash: Member) -> None:
    here, there = comes_in(app, ash), Visitor(app)
    gives_password(there, ash)
    gives_code(there, ash.recovery[0])
    here.opens("/support/mine")
    here.presses("End all others")
    assert not is_in(there) and is_in(here)


def test_somebody_elses_browser_and_token_are_as_good_as_missing(app: Flask, agent: Visitor, lead: Visitor) -> None:
    lead.posts("/support/mine/tokens", {"name": "report"})
    with app.app_context():
        session = db.session.scalars(db.select(StaffSession.ref).order_by(StaffSession.id.desc())).first()
        token = db.session.scalars(db.select(StaffToken.ref)).one()
    for foreign, missing in (
        (f"/support/mine/sessions/{session}/end", "/support/mine/sessions/nothing-of-theirs/end"),
        (f"/support/mine/tokens/{token}/revoke", "/support/mine/tokens/nothing-of-theirs/revoke"),
    ):
        answers = [agent.posts(path) for path in (foreign, missing)]
        assert [a.status_code for a in answers] == [404, 404]
        assert len({re.sub(r"nonce-?[^ >]*|Reference <code>\w+", "", a.text) for a in answers}) == 1
    assert is_in(lead)


def test_a_token_is_shown_once_reads_and_is_revoked(app: Flask, agent: Visitor, on_record: Record) -> None:
    agent.opens("/support/mine")
    agent.presses("Make a token", name="weekly report")
    (token,) = re.findall(r"<code>(st_[\w-]{43})</code>", agent.page.text)
    assert reads(app, token) == 200
    agent.presses("I have kept it")
    assert token not in agent.page.text and f"…{token[-4:]}" in agent.sees()
    agent.presses("Revoke")
    assert reads(app, token) == 401
    assert [act for act, *_ in on_record()] == ["token_issue", "token_revoke"]


def test_a_token_needs_a_name_and_twenty_are_the_most(agent: Visitor) -> None:
    agent.opens("/support/mine")
    agent.presses("Make a token", name=" ")
    assert agent.page.status_code == 422 and "Say in a few words" in agent.sees()
    for number in range(20):
        agent.posts("/support/mine/tokens", {"name": f"report {number}"})
    agent.posts("/support/mine/tokens", {"name": "one more"})
    assert agent.page.status_code == 422 and "Revoke one first" in agent.sees()


def test_twenty_are_the_most_however_fast_they_are_made(app: Flask, agent: Visitor) -> None:
    def makes_one(number: int) -> int:
        visitor = Visitor(app)
        visitor.http.cookies.update(agent.http.cookies)
        return visitor.posts("/support/mine/tokens", {"name": f"report {number}"}).status_code

    for number in range(18):
        makes_one(number)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(makes_one, range(8)))
    assert sorted(statuses) == [200] * 2 + [422] * 6


def test_new_recovery_codes_take_the_place_of_the_old_ones(app: Flask, ash: Member) -> None:
    here, there = comes_in(app, ash), Visitor(app)
    here.opens("/support/mine")
    assert "You have 10 left" in here.sees()
    here.presses("Make new recovery codes")
    codes = re.findall(r"<code>((?:\w{4}-){3}\w{4})</code>", here.page.text)
    assert len(codes) == 10 and not set(codes) & set(ash.recovery)
    gives_password(there, ash)
    assert gives_code(there, ash.recovery[0]).status_code == 401
    gives_code(there, codes[0])
    assert is_in(there)


def test_a_new_password_ends_every_other_session_and_renews_this_one(app: Flask, ash: Member) -> None:
    here, there = comes_in(app, ash), Visitor(app)
    gives_password(there, ash)
    gives_code(there, ash.recovery[0])
    before = here.http.cookies["gangway-staff"]
    here.opens("/support/mine")
    here.presses("Change password", password="password1234")
    assert here.page.status_code == 422
    here.presses("Change password", password="nine quiet harbours")
    assert here.page.url.path == "/support/mine" and is_in(here) and not is_in(there)
    assert here.http.cookies["gangway-staff"] != before
    assert ask(app, "GET", "/support/mine", cookie=f"gangway-staff={before}").status == 302
    assert gives_password(there, ash, PASSWORD).status_code == 401
    assert gives_password(there, ash, "nine quiet harbours").url.path == "/support/second-factor"


def test_what_changes_how_i_sign_in_asks_who_i_am_first(staff: Somebody, later: Callable[..., None]) -> None:
    agent = staff("agent")
    later(minutes=11)
    agent.opens("/support/mine")
    assert "Give them now" in agent.sees()
    for path in ("recovery", "password", "tokens"):
        agent.posts(f"/support/mine/{path}", {"name": "x", "password": "nine quiet harbours"})
        assert agent.page.url.path == "/support/prove", path
