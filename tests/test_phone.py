"""Kim begins on a computer and goes on on the phone: a link that works once, to the same visit and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.companies import BANK, CARD, CODE, PASSWORD, Server, follows, founded
from tests.framed import SHOP, Frame
from tests.people import Deck, Visitor
from webapp import live
from webapp.db import db
from webapp.models import BrowserSession, ConnectSession

PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 16) Mobile Chrome/140"}
LINKS: list[str] = []


@pytest.fixture(autouse=True)
def camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads the code: what it was made of."""
    import segno

    LINKS.clear()
    make = segno.make

    def read(address: str, **more: Any) -> Any:
        LINKS.append(address.removeprefix("http://localhost"))
        return make(address, **more)

    monkeypatch.setattr(segno, "make", read)


@pytest.fixture
def tidepool(app: Flask) -> Server:
    return founded(app, origins=[SHOP])


@pytest.fixture
def kim(app: Flask, tidepool: Server) -> Frame:
    """On the sign-in screen, in a frame on the company's page."""
    kim = Frame(app)
    kim.opens_with(tidepool.invites()["connect_token"])
    kim.presses("Agree and continue")
    kim.presses(BANK)
    return kim


@pytest.fixture
def phone(app: Flask) -> Visitor:
    phone = Visitor(app)
    phone.http.headers.update(PHONE)
    return phone


def test_kim_shows_a_code_and_goes_on_on_the_phone(kim: Frame, phone: Visitor, deck: Deck, tidepool: Server) -> None:
    kim.presses("Continue on your phone")
    assert kim.view() == "phone" and "<svg" in kim.page.text and "style=" not in kim.page.text
    assert LINKS[0] not in kim.page.text
    phone.opens(LINKS[0])
    assert "Tidepool Savings" in phone.sees()
    phone.presses("Continue here")
    assert phone.view() == "sign_in" and "Continue on your phone" not in phone.sees()
    phone.presses("Sign in", username=CARD, password=PASSWORD)
    deck.goes_on()
    assert kim.looks_again() == phone.looks_again() == "interaction"
    assert kim.facts()["device"] == "phone"
    phone.presses("Continue", f0=CODE)
    deck.goes_on()
    assert kim.looks_again() == phone.looks_again() == "outcome"
    phone.presses("Back to Tidepool Savings")
    assert "Go back to the page where you began" in phone.sees()
    assert kim.looks_again() == "outcome", "the computer still shows how it went"
    assert kim.hands_off().status_code == 200
    assert len(tidepool.reads("/connections")["data"]) == 1


def test_the_phone_says_whose_account_it_is_for(app: Flask, tidepool: Server, phone: Visitor) -> None:
    """A code can be shown to somebody else, too."""
    kim = Frame(app)
    kim.opens_with(tidepool.invites(user_label="k•••@mail.example")["connect_token"])
    kim.presses("Continue on your phone")
    phone.opens(LINKS[0])
    assert "For the account k•••@mail.example at Tidepool Savings" in phone.sees()


def test_kim_takes_the_phone_before_agreeing_to_anything(
    app: Flask, tidepool: Server, phone: Visitor, deck: Deck
) -> None:
    kim = Frame(app)
    kim.opens_with(tidepool.invites()["connect_token"])
    assert kim.view() == "consent"
    kim.presses("Continue on your phone")
    phone.opens(LINKS[0])
    phone.presses("Continue here")
    assert phone.view() == "consent" and "Continue on your phone" not in phone.sees()
    assert kim.looks_again() == "consent" and kim.facts()["device"] == "phone"
    phone.presses("Agree and continue")
    assert phone.view() == kim.looks_again() == "pick", "the computer follows; what is agreed is agreed for this visit"
    phone.presses(BANK)
    phone.presses("Sign in", username=CARD, password=PASSWORD)
    deck.goes_on()
    phone.looks_again()
    phone.presses("Continue", f0=CODE)
    deck.goes_on()
    assert kim.looks_again() == "outcome" and kim.hands_off().status_code == 200


def test_the_computer_follows_every_step(
    app: Flask, kim: Frame, phone: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.01)
    kim.presses("Continue on your phone")
    (after,) = re.findall(r"live\?after=(\d+)", kim.page.text)
    with app.app_context():
        session = db.session.query(ConnectSession).one()
        browser = db.session.query(BrowserSession).filter_by(frame_origin=SHOP).one()
        ref, owner, id = session.ref, session.person_id, browser.id
    stream = live.fragments(app, ref, owner, id, "127.0.0.1", int(after))
    assert next(stream) == b": still here\n\n", "the code stays as long as nothing has happened"
    phone.opens(LINKS[0])
    phone.presses("Continue here")
    assert b'data-view="sign_in"' in next(stream)
    phone.presses("Choose another source")
    assert b'data-view="pick"' in next(stream), "a screen that does not change by itself is followed, too"
    stream.close()


def test_the_steps_say_so(tidepool: Server, app: Flask, phone: Visitor) -> None:
    kim, invited = Frame(app), tidepool.invites()
    kim.opens_with(invited["connect_token"])
    kim.presses("Agree and continue")
    kim.presses("Continue on your phone")
    phone.opens(LINKS[0])
    phone.presses("Continue here")
    steps = tidepool.reads(f"/connect/sessions/{invited['session_id']}/events")["data"]
    assert [step["name"] for step in steps] == ["OPEN", "HANDOFF_DEVICE"]


def test_a_link_works_once(app: Flask, kim: Frame, phone: Visitor) -> None:
    kim.presses("Continue on your phone")
    phone.opens(LINKS[0])
    Visitor(app).opens(LINKS[0])  # looking uses nothing up
    phone.presses("Continue here")
    assert phone.view() == "sign_in"
    stranger = Visitor(app)
    assert stranger.opens(LINKS[0]).status_code == 410
    assert stranger.posts(LINKS[0]).status_code == 410


def test_a_link_nobody_took_runs_out(kim: Frame, phone: Visitor, later: Callable[..., None]) -> None:
    kim.presses("Continue on your phone")
    phone.opens(LINKS[0])
    later(minutes=11)
    phone.presses("Continue here")
    assert phone.page.status_code == 410


def test_a_phone_is_there_for_the_visit_alone(kim: Frame, phone: Visitor, app: Flask) -> None:
    kim.presses("Continue on your phone")
    phone.opens(LINKS[0])
    phone.presses("Continue here")
    visit = phone.page.url.path
    assert phone.opens("/connections").url.path == visit
    assert phone.posts(f"{visit}/handoff").status_code == 404, "only the frame is given what the company exchanges"


@pytest.mark.parametrize("link", ["x", "ph_x", "ph_" + "A" * 43, "%00", "ph_%C3%A9"])
def test_links_nobody_made(app: Flask, link: str) -> None:
    assert Visitor(app).opens(f"/phone/{link}").status_code in (404, 410)


def test_neither_the_key_of_a_frame_nor_a_cookies_token_is_a_link(app: Flask, kim: Frame) -> None:
    assert Visitor(app).opens(f"/phone/{kim.key}").status_code == 410


def test_a_hosted_visit_moves_as_well_but_one_that_began_on_a_phone_need_not(
    tidepool: Server, app: Flask, phone: Visitor
) -> None:
    at_the_desk = Visitor(app)
    for browser in (at_the_desk, phone):
        follows(browser, tidepool.invites())
        browser.presses("Agree and continue")
    assert "Continue on your phone" in at_the_desk.sees() and "Continue on your phone" not in phone.sees()
    assert phone.posts(f"{phone.page.url.path}/phone").status_code == 200 and phone.view() == "pick"
    at_the_desk.presses("Continue on your phone")
    at_the_desk.presses("Stay on this device")
    assert at_the_desk.view() == "pick"


def test_people_of_our_own_are_offered_nothing(robin: Visitor) -> None:
    robin.picks(BANK)
    assert "Continue on your phone" not in robin.sees()
