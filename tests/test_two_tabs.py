"""Two tabs, one visit: what somebody does elsewhere while their sign-in is on its way to Deck."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.deck.line import Line
from tests.deck.once import BANK, CARD, PASSWORD
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.intents import AnotherSource, hand_over_sign_in, start_run
from webapp.models import Connection, ConnectSession, Intent, Source


@pytest.fixture
def other_tab(robin: Visitor, app: Flask) -> Visitor:
    """The same browser, so the same cookies."""
    tab = Visitor(app)
    tab.http.cookies = robin.http.cookies
    return tab


def runs(deck: Deck) -> list[str]:
    return [run["status"] for run in deck.objects("task_runs")]


def test_a_password_that_was_refused_is_not_tried_again_while_a_new_one_is_on_its_way(
    robin: Visitor, deck: Deck, line: Line, app: Flask
) -> None:
    robin.signs_in_at(BANK, CARD, "wrong-9")
    deck.goes_on()
    assert robin.looks_again() == "sign_in"

    def another_tab_looked_a_moment_earlier() -> None:
        with app.app_context():
            start_run(db.session.scalars(select(ConnectSession)).one(), input=None, form="another.r")
        assert len(runs(deck)) == 1, "the bank is not shown the old password once more"

    line.during["PATCH /v2/credentials/.*"] = another_tab_looked_a_moment_earlier
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    assert len(runs(deck)) == 2
    deck.goes_on()
    assert robin.looks_again() == "interaction"


def test_pressing_twice_hands_over_once_and_starts_one_run(
    robin: Visitor, other_tab: Visitor, deck: Deck, line: Line
) -> None:
    robin.picks(BANK)
    hidden = {name: robin.field(name).get("value", "") for name in ("once", "source")}
    form = {**hidden, "username": CARD, "password": PASSWORD}
    path = f"{robin.page.url.path}/sign-in"
    line.during["POST /v2/credentials"] = lambda: other_tab.posts(path, form)
    robin.posts(path, form)
    assert (robin.view(), len(runs(deck)), len(deck.objects("credentials"))) == ("progress", 1, 1)


def picks_another(tab: Visitor, visit: str, source: str) -> None:
    tab.opens(visit)
    tab.presses("Choose another source")
    tab.presses(source)
    assert tab.view() == "sign_in"


def test_a_password_goes_to_the_source_it_was_typed_for_or_nowhere(
    robin: Visitor, other_tab: Visitor, deck: Deck, line: Line, app: Flask
) -> None:
    robin.picks(BANK)
    picks_another(other_tab, robin.page.url.path, "Northlight Power")
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    assert robin.page.status_code == 409
    assert "what you typed was not sent anywhere" in robin.sees()
    assert "Sign in to Northlight Power" in robin.sees()
    assert CARD not in robin.page.text, "nor is it offered to the other source"
    assert (line.calls, deck.objects("credentials")) == ([], [])
    with app.app_context():
        assert not db.session.scalars(select(Intent)).all()

    robin.presses("Sign in", username="robin@sample.example", password="bright-light-7")
    deck.goes_on()
    assert robin.looks_again() == "outcome", "the page they have now is for where they are"


def test_a_password_from_a_page_that_names_no_source_goes_nowhere(robin: Visitor, line: Line) -> None:
    robin.picks(BANK)
    robin.posts(f"{robin.page.url.path}/sign-in", {"once": "old", "username": CARD, "password": PASSWORD})
    assert (robin.page.status_code, robin.view()) == (409, "sign_in")
    assert "what you typed was not sent anywhere" in robin.sees()
    assert line.calls == []


def test_another_source_may_be_picked_at_the_very_last_moment(robin: Visitor, line: Line, app: Flask) -> None:
    robin.picks(BANK)
    with app.app_context():
        session = db.session.scalars(select(ConnectSession)).one()
        source = session.source
        assert source is not None
        with writing():
            session.pick(Source.by_slug("northlight-power"))
        with pytest.raises(AnotherSource):
            hand_over_sign_in(session, source, username=CARD, password=PASSWORD, source_fields={}, form="a.s")
        assert not db.session.scalars(select(Intent)).all()
    assert line.calls == []


def test_another_source_cannot_be_picked_while_a_sign_in_is_on_its_way(
    robin: Visitor, other_tab: Visitor, deck: Deck, line: Line
) -> None:
    robin.picks(BANK)
    visit = robin.page.url.path
    line.during["POST /v2/credentials"] = lambda: other_tab.posts(f"{visit}/other")
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    assert other_tab.page.status_code == 409
    assert robin.view() == "progress"
    deck.goes_on()
    assert robin.looks_again() == "interaction"


def test_a_visit_that_went_on_elsewhere_all_the_same_keeps_no_sign_in(
    robin: Visitor, deck: Deck, line: Line, app: Flask
) -> None:
    robin.picks(BANK)

    def goes_on_elsewhere() -> None:
        with app.app_context(), writing():
            db.session.execute(db.text("UPDATE connect_session SET connection_id = NULL"))

    line.during["POST /v2/credentials"] = goes_on_elsewhere
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    deck.our_worker_works()
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]
    assert runs(deck) == []


def test_a_connection_that_was_disconnected_elsewhere_asks_for_no_password(
    robin: Visitor, other_tab: Visitor, deck: Deck, line: Line, app: Flask
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Done")
    page = robin.page.url.path
    robin.presses("Change sign-in")
    assert robin.view() == "sign_in"

    other_tab.opens(f"{page}/disconnect")
    other_tab.presses("Disconnect")
    line.calls.clear()
    robin.presses("Sign in", username="robin@sample.example", password="bright-light-7")
    assert robin.view() == "left"
    assert line.calls == [], "the password stays here"


@pytest.mark.parametrize("status", ["deleting", "deleted"])
def test_nothing_is_read_with_a_sign_in_that_is_being_destroyed(
    robin: Visitor, deck: Deck, app: Flask, status: str
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    visit = robin.page.url.path
    with app.app_context(), writing():
        db.session.execute(update(Connection).values(status=status))
    robin.posts(f"{visit}/again")
    assert len(runs(deck)) == 1
