"""Support stops new sign-ins at a source: people are told in support's words, what runs goes on, and it ends by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.companies import BANK, CARD, CODE, PASSWORD, follows, founded
from tests.framed import SHOP, Frame
from tests.people import Deck, Visitor
from webapp.db import db
from webapp.models import Source

WORDS = "We are looking into it with <b>Maple</b> & Main. Your account is safe."
SLUG = "maple-and-main"


def is_stopped_by(lead: Visitor, hours: str = "4", message: str = WORDS) -> None:
    lead.opens(f"/support/act/stop_source/{SLUG}")
    lead.presses("Stop new sign-ins", reason="Ticket 12: locked accounts", hours=hours, message=message)
    assert lead.page.status_code == 200, lead.page.text


def test_robin_is_told_in_supports_words_until_it_ends_by_itself(
    robin: Visitor, lead: Visitor, later: Callable[..., None], on_record: Callable[[], list[tuple[str, str, str]]]
) -> None:
    is_stopped_by(lead)
    robin.opens("/connections")
    robin.presses("Connect an account")
    robin.presses("Agree and continue")
    assert "Paused for now" in robin.sees()
    robin.presses(BANK)
    assert robin.view() == "down" and "Maple & Main Bank is paused for now" in robin.sees()
    assert WORDS in robin.sees() and "<b>" not in robin.page.text, "as text, whatever is in it"
    assert "<title>Maple &amp; Main Bank is paused" in robin.page.text
    later(hours=4, minutes=1)
    robin.opens("/sign-in")
    robin.presses("Sign in", email="robin@sample.example", password="correct horse battery")
    robin.picks(BANK)
    assert robin.view() == "sign_in"
    assert on_record() == [("stop_source", f"src_{SLUG}", "Ticket 12: locked accounts")]


def test_a_sign_in_that_is_typed_already_is_not_taken(robin: Visitor, lead: Visitor, deck: Deck) -> None:
    robin.picks(BANK)
    is_stopped_by(lead)
    assert robin.presses("Sign in", username=CARD, password=PASSWORD).status_code == 409
    assert robin.view() == "down" and deck.objects("credentials") == []


def test_what_runs_goes_on_and_what_is_connected_stays(robin: Visitor, lead: Visitor, deck: Deck) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    lead.opens(f"/support/act/stop_source/{SLUG}")
    assert "1 run going on goes on" in lead.sees()
    is_stopped_by(lead)
    assert robin.looks_again() == "interaction"
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    assert robin.looks_again() == "outcome" and "is connected" in robin.sees()


def test_nobody_tries_again_there(robin: Visitor, lead: Visitor, deck: Deck) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0="000000")
    deck.goes_on()
    deck.lets_pass(minutes=30)
    assert robin.looks_again() == "outcome", robin.sees()
    is_stopped_by(lead)
    before = len(deck.objects("task_runs"))
    assert robin.posts(f"{robin.page.url.path}/again").status_code == 409
    assert robin.view() == "down"
    deck.our_worker_works()
    assert len(deck.objects("task_runs")) == before


def test_support_opens_it_again(robin: Visitor, lead: Visitor, app: Flask) -> None:
    is_stopped_by(lead, message="")
    robin.picks(BANK)
    assert robin.view() == "down" and "do not take new sign-ins there at the moment" in robin.sees()
    lead.opens(f"/support/act/reopen_source/{SLUG}")
    lead.presses("Open again", reason="It works again")
    assert robin.looks_again() == "sign_in"
    with app.app_context():
        source = Source.by_slug(SLUG)
        assert source is not None and (source.stopped_until, source.stop_message) == (None, "")
        db.session.remove()
    assert "It is not stopped." in lead.opens(f"/support/act/reopen_source/{SLUG}").text


def test_a_companys_person_is_told_the_same_on_its_link_and_in_its_frame(app: Flask, lead: Visitor) -> None:
    tidepool = founded(app, origins=[SHOP])
    is_stopped_by(lead)
    kim, framed = Visitor(app), Frame(app)
    follows(kim, tidepool.invites(source_id=SLUG))
    kim.presses("Agree and continue")
    assert kim.view() == "down" and WORDS in kim.sees()

    framed.opens_with(tidepool.invites("user-8", source_id=SLUG)["connect_token"])
    framed.presses("Agree and continue")
    facts = framed.facts()
    assert (facts["view_name"], facts["status"]) == ("SOURCE_STATUS", "source_unavailable")
    assert facts["error"]["error_code"] == "source_not_available"
    assert WORDS not in str(facts), "what support says is for the person"


@pytest.mark.parametrize(("hours", "message"), [("0", ""), ("169", ""), ("two", ""), ("1", "x" * 301)])
def test_a_stop_without_an_end_or_with_a_long_message_is_not_taken(
    lead: Visitor, robin: Visitor, hours: str, message: str
) -> None:
    lead.opens(f"/support/act/stop_source/{SLUG}")
    typed = {"reason": "Ticket 12: locked", "hours": hours, "message": message}
    assert lead.presses("Stop new sign-ins", **typed).status_code == 422
    robin.picks(BANK)
    assert robin.view() == "sign_in"


def test_an_agent_may_not(agent: Visitor, robin: Visitor) -> None:
    assert agent.opens(f"/support/act/stop_source/{SLUG}").status_code == 403
    robin.picks(BANK)
    assert robin.view() == "sign_in"
