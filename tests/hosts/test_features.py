"""What a company may wish a visit can do: connect several accounts, go on meanwhile, and hear of a source again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.companies import (
    BANK,
    CARD,
    CODE,
    PASSWORD,
    RETURN,
    Receiver,
    Server,
    connects,
    follows,
    founded,
    led_to,
    listens,
    picks_the_bank,
    the_post_goes,
)
from tests.framed import SHOP, Frame
from tests.people import Deck, Visitor
from webapp.db import db, now, writing
from webapp.models import Follow, Source

Later = Callable[..., None]
SEVERAL = {"features": {"multi_source": True}}
MEANWHILE = {"features": {"background": True}}
NEWS = {"features": {"notify_when_back": True}}


@pytest.fixture
def tidepool(app: Flask) -> Server:
    return founded(app, origins=[SHOP], return_urls=[RETURN])


@pytest.fixture(autouse=True)
def secret(app: Flask, tidepool: Server, receiver: Receiver) -> str:
    return listens(app, receiver.url)


def told(receiver: Receiver, deck: Deck, type: str) -> list[dict[str, Any]]:
    the_post_goes(deck)
    return [message["data"] for message in receiver.told if message["type"] == type]


def connects_once_more(kim: Visitor, deck: Deck) -> None:
    """The next one, from the list."""
    kim.presses("Connect another")
    assert kim.view() == "pick"
    picks_the_bank(kim, deck)


def goes_wrong(app: Flask, slug: str = "maple-and-main", **more: Any) -> None:
    with app.app_context(), writing():
        source = Source.by_slug(slug)
        assert source is not None
        for name, value in {"failures": 3, "failed_at": now(), **more}.items():
            setattr(source, name, value)


# --- several sources ---------------------------------------------------------------------------------------------


def test_kim_connects_two_accounts_in_one_visit(tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver) -> None:
    id = tidepool.invites(**SEVERAL, return_url=RETURN, tags={"plan": "plus"})
    follows(kim, id)
    connects(kim, deck)
    assert told(receiver, deck, "connect.session.finished") == []
    connects_once_more(kim, deck)
    kim.presses("Back to Tidepool Savings")
    assert led_to(kim).params["status"] == "connected"

    (finished,) = told(receiver, deck, "connect.session.finished")
    assert len(finished["connection_ids"]) == len(set(finished["connection_ids"])) == 2
    assert finished["connection_id"] == finished["connection_ids"][-1]
    assert (finished["status"], finished["error"]) == ("connected", None)
    read = tidepool.reads(f"/connect/sessions/{id['session_id']}")
    assert (read["status"], read["connection_ids"]) == ("connected", finished["connection_ids"])
    for type in ("connection.created", "connection.verified", "run.completed"):
        about = told(receiver, deck, type)
        assert [one["connection_id"] for one in about] == finished["connection_ids"]
        assert {one["session_id"] for one in about} == {id["session_id"]}
        assert all(one["tags"] == {"plan": "plus"} for one in about)


def test_kim_begins_a_second_one_and_gives_up(tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver) -> None:
    id = tidepool.invites(**SEVERAL)["session_id"]
    follows(kim, tidepool.invites(**SEVERAL))
    connects(kim, deck)
    kim.presses("Connect another")
    kim.presses(BANK)
    kim.presses("Choose another source")
    kim.presses("Done")
    assert kim.view() == "left" and "You are done" in kim.sees() and BANK in kim.sees()
    (finished,) = told(receiver, deck, "connect.session.finished")
    assert (finished["status"], len(finished["connection_ids"])) == ("connected", 1)
    assert tidepool.reads(f"/connect/sessions/{id}")["connection_ids"] == []


def test_who_closes_the_tab_after_the_first_is_finished_too(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, later: Later
) -> None:
    follows(kim, tidepool.invites(**SEVERAL))
    connects(kim, deck)
    for _ in range(2):
        later(minutes=16)
        deck.our_watchdog_looks()
    (finished,) = told(receiver, deck, "connect.session.finished")
    assert finished["status"] == "connected" and told(receiver, deck, "connect.session.abandoned") == []


def test_who_was_given_up_and_comes_back_is_finished_when_it_works(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, later: Later
) -> None:
    follows(kim, tidepool.invites(**SEVERAL))
    later(minutes=16)
    deck.our_watchdog_looks()
    connects(kim, deck)
    assert len(told(receiver, deck, "connect.session.abandoned")) == 1
    assert len(told(receiver, deck, "connect.session.finished")) == 1


def test_in_a_frame_the_page_is_handed_one_token_that_stands_for_all(app: Flask, tidepool: Server, deck: Deck) -> None:
    kim = Frame(app)
    kim.opens_with(tidepool.invites(**SEVERAL)["connect_token"])
    connects(kim, deck)
    token = kim.hands_off().json()["public_token"]
    connects_once_more(kim, deck)
    exchanged = tidepool.asks("POST", "/connect/public_token/exchange", {"public_token": token}).json()
    assert len(exchanged["connection_ids"]) == 2 and exchanged["connection_id"] == exchanged["connection_ids"][0]


def test_the_page_is_handed_its_token_even_when_kim_is_quick(app: Flask, tidepool: Server, deck: Deck) -> None:
    kim = Frame(app)
    kim.opens_with(tidepool.invites(**SEVERAL)["connect_token"])
    connects(kim, deck)
    kim.presses("Connect another")
    handed = kim.hands_off().json()
    (connection,) = tidepool.reads("/connections")["data"]
    assert handed["metadata"]["connection_id_hint"] == connection["connection_id"]
    assert handed["metadata"]["source"]["name"] == BANK


def test_without_the_wish_a_visit_that_worked_is_over(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    assert "Connect another" not in kim.sees()
    path = kim.page.url.path
    assert kim.posts(f"{path}/other").status_code == 409
    assert kim.posts(f"{path}/source", {"source": "stillwater-trust"}).status_code == 409
    kim.opens(path)
    assert kim.view() == "outcome"


def test_with_one_source_the_next_account_is_asked_for_at_once(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites(**SEVERAL, source_id="maple-and-main"))
    kim.presses("Agree and continue")
    kim.presses("Sign in", username=CARD, password=PASSWORD)
    deck.goes_on()
    kim.looks_again()
    kim.presses("Continue", f0=CODE)
    deck.goes_on()
    kim.looks_again()
    kim.presses("Connect another")
    assert kim.view() == "sign_in"


# --- meanwhile ---------------------------------------------------------------------------------------------------


def test_kim_goes_back_meanwhile_and_returns_by_the_same_link(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver
) -> None:
    invited = tidepool.invites(**MEANWHILE, return_url=RETURN)
    link = invited["hosted_url"].removeprefix("http://localhost")
    follows(kim, invited)
    kim.presses("Agree and continue")
    kim.presses(BANK)
    kim.presses("Sign in", username=CARD, password=PASSWORD)
    assert kim.view() == "progress"
    kim.presses("Back to Tidepool Savings meanwhile")
    assert led_to(kim).params["status"] == "in_progress"
    deck.goes_on()
    kim.opens(link)
    assert kim.view() == "interaction", "who opened the link goes on in the same browser"
    kim.presses("Continue", f0=CODE)
    deck.goes_on()
    assert len(told(receiver, deck, "connect.session.finished")) == 1
    steps = tidepool.reads(f"/connect/sessions/{invited['session_id']}/events")["data"]
    assert [step["name"] for step in steps].count("BACKGROUND") == 1


def test_the_link_opens_nothing_in_another_browser(app: Flask, tidepool: Server, kim: Visitor) -> None:
    invited = tidepool.invites(**MEANWHILE)
    follows(kim, invited)
    assert Visitor(app).opens(invited["hosted_url"].removeprefix("http://localhost")).status_code == 410


def test_in_a_frame_the_way_back_hides_it(app: Flask, tidepool: Server) -> None:
    for wished, mark in (({}, 'data-leave="now"'), (MEANWHILE, "data-once data-hide")):
        kim = Frame(app)
        kim.opens_with(tidepool.invites(**wished)["connect_token"])
        kim.presses("Agree and continue")
        kim.presses(BANK)
        kim.presses("Sign in", username=CARD, password=PASSWORD)
        assert mark in kim.page.text.partition('class="actions"')[2]


# --- when it works again -----------------------------------------------------------------------------------------


def waits_for_the_bank(app: Flask, tidepool: Server, kim: Visitor) -> dict[str, Any]:
    goes_wrong(app)
    invited = tidepool.invites(**NEWS, source_id="maple-and-main", tags={"plan": "plus"})
    follows(kim, invited)
    kim.presses("Agree and continue")
    assert kim.view() == "down"
    kim.presses("Tell me when it works again")
    return invited


def test_kim_waits_for_a_bank_and_the_company_hears_once(
    app: Flask, tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, later: Later
) -> None:
    invited = waits_for_the_bank(app, tidepool, kim)
    assert "Tidepool Savings will hear when Maple & Main Bank works again" in kim.sees()
    assert "Tell me" not in kim.sees()
    kim.posts(kim.page.url.path + "/follow")
    deck.our_watchdog_looks()
    assert told(receiver, deck, "source.available") == []
    goes_wrong(app, failures=0)
    for _ in range(2):
        later(minutes=2)
        deck.our_watchdog_looks()
    (news,) = told(receiver, deck, "source.available")
    assert news["source"] == {"source_id": "maple-and-main", "name": "Maple & Main Bank"}
    assert (news["session_id"], news["client_user_id"]) == (invited["session_id"], "user-7")
    assert (news["tags"], news["status"], news["connection_id"]) == ({"plan": "plus"}, "up", None)
    steps = tidepool.reads(f"/connect/sessions/{invited['session_id']}/events")["data"]
    assert [step["name"] for step in steps].count("ISSUE_FOLLOWED") == 1


def test_a_bank_nobody_tried_for_half_an_hour_is_worth_a_try(
    app: Flask, tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, later: Later
) -> None:
    waits_for_the_bank(app, tidepool, kim)
    later(minutes=31)
    deck.our_watchdog_looks()
    assert len(told(receiver, deck, "source.available")) == 1


def test_a_bank_that_support_has_stopped_is_back_when_the_stop_ends(
    app: Flask, tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, later: Later
) -> None:
    goes_wrong(app, failures=0, stopped_until=now() + timedelta(hours=5))
    follows(kim, tidepool.invites(**NEWS, source_id="maple-and-main"))
    kim.presses("Agree and continue")
    kim.presses("Tell me when it works again")
    later(hours=4)
    deck.our_watchdog_looks()
    assert told(receiver, deck, "source.available") == []
    later(hours=2)
    deck.our_watchdog_looks()
    assert len(told(receiver, deck, "source.available")) == 1


def test_who_got_through_meanwhile_is_not_told(
    app: Flask, tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver
) -> None:
    waits_for_the_bank(app, tidepool, kim)
    goes_wrong(app, failures=0)
    follows(kim, tidepool.invites())
    connects(kim, deck)
    deck.our_watchdog_looks()
    assert told(receiver, deck, "source.available") == []
    with app.app_context():
        assert db.session.query(Follow).count() == 0


def test_without_the_wish_nobody_is_offered_to_wait(app: Flask, tidepool: Server, kim: Visitor) -> None:
    goes_wrong(app)
    follows(kim, tidepool.invites(source_id="maple-and-main"))
    kim.presses("Agree and continue")
    assert kim.view() == "down" and "Tell me" not in kim.sees()
    kim.posts(kim.page.url.path + "/follow")
    with app.app_context():
        assert db.session.query(Follow).count() == 0


# --- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "code", "param"),
    [
        ([], "invalid_field", "features"),
        ("multi_source", "invalid_field", "features"),
        (7, "invalid_field", "features"),
        ({"multi": True}, "unknown_field", "features.multi"),
        ({"__proto__": True}, "unknown_field", "features.__proto__"),
        ({"multi_source": 1}, "invalid_field", "features.multi_source"),
        ({"background": "true"}, "invalid_field", "features.background"),
        ({"notify_when_back": None}, "invalid_field", "features.notify_when_back"),
        ({"notify_when_back": {}}, "invalid_field", "features.notify_when_back"),
    ],
)
def test_a_wish_nobody_understands_is_refused(tidepool: Server, features: Any, code: str, param: str) -> None:
    answer = tidepool.asks("POST", "/connect/sessions", {"user": {"client_user_id": "u"}, "features": features})
    error = answer.json()["error"]
    assert (answer.status_code, error["error_code"], error["param"]) == (400, code, param)


def test_a_repair_connects_no_others(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    (connection,) = tidepool.reads("/connections")["data"]
    body = {"user": {"client_user_id": "user-7"}, "connection_id": connection["connection_id"], **SEVERAL}
    answer = tidepool.asks("POST", "/connect/sessions", body)
    assert answer.json()["error"]["param"] == "features.multi_source"
