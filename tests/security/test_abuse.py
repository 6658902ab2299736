"""Abuse of ourselves as a tool: against somebody's bank, and against the operator's bill."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.people import Visitor
from tests.security.conftest import MAPLE, NORTHLIGHT, House
from webapp.db import db
from webapp.limits import limit
from webapp.models import VisitEvent

CARD = MAPLE[1]
SIGN_IN = {"source": "northlight-power", "username": NORTHLIGHT[1], "password": NORTHLIGHT[2]}


@pytest.fixture
def robin_at_maple(own: House) -> tuple[House, Visitor]:
    robin = own.visitor("robin@sample.example")
    robin.signs_in_at(MAPLE[0], CARD, "wrong-1")
    return own, robin


def refuse(house: House, robin: Visitor) -> None:
    house.deck.goes_on()
    robin.looks_again()


def test_websites_are_not_stuffed_with_credentials_through_us(
    own: House, later: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.connect.SECRETS_PER_PERSON", limit("secrets/person", "2/15minutes"))
    robin = own.visitor("robin@sample.example")
    statuses = []
    for n in range(4):
        robin.picks("Northlight Power")
        robin.presses("Sign in", username=f"victim{n}", password="guess")
        statuses.append(robin.page.status_code)
    assert statuses == [200, 200, 429, 429]
    assert len(own.deck.objects("credentials")) == 2
    later(minutes=16)
    own.deck.goes_on()
    robin.picks("Northlight Power")
    robin.presses("Sign in", username="robin", password="mine")
    assert robin.page.status_code == 200


def test_nobody_tries_many_passwords_before_the_first_is_refused(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    for n in range(5):
        robin.picks("Northlight Power")
        robin.presses("Sign in", username="victim", password=f"guess{n}")
    assert robin.page.status_code == 409
    assert "Other sign-ins of yours are under way there" in robin.sees()
    assert len(own.deck.objects("credentials")) == 3


def test_more_accounts_are_no_more_tries(own: House) -> None:
    for name in ("robin", "kim"):
        somebody = own.visitor(f"{name}@sample.example")
        somebody.signs_in_at(MAPLE[0], CARD, "guess")
        for _ in range(2):
            refuse(own, somebody)
            somebody.presses("Sign in", username=CARD, password="guess")
        refuse(own, somebody)
    somebody = own.visitor("lee@sample.example")
    somebody.signs_in_at(MAPLE[0], f" {CARD}", "guess")
    assert somebody.view() == "paused"
    assert len(own.deck.objects("task_runs")) == 6
    somebody.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    assert somebody.view() == "progress", "other accounts are not concerned"


def test_stopping_a_run_takes_no_refusal_back(robin_at_maple: tuple[House, Visitor]) -> None:
    house, robin = robin_at_maple
    refuse(house, robin)
    robin.presses("Sign in", password="wrong-2")
    refuse(house, robin)
    robin.presses("Sign in", password="wrong-3")
    robin.presses("Stop")
    refuse(house, robin)
    robin.signs_in_at(MAPLE[0], CARD, "wrong-4")
    refuse(house, robin)
    assert robin.view() == "paused"


def test_after_three_refusals_no_route_tries_a_fourth_time(robin_at_maple: tuple[House, Visitor]) -> None:
    house, robin = robin_at_maple
    for password in ("wrong-2", "wrong-3"):
        refuse(house, robin)
        robin.presses("Sign in", password=password)
    refuse(house, robin)
    assert robin.view() == "paused"
    session, tried = robin.page.url.path, len(house.deck.objects("task_runs"))
    form = {"source": "maple-and-main", "username": CARD, "password": "wrong-4"}
    for path in ("sign-in", "again", "answer", "agree"):
        robin.posts(f"{session}/{path}", form)
    robin.posts("/connect/start", {"source": "maple-and-main"})
    robin.posts(f"{robin.page.url.path}/agree")
    robin.posts(f"{robin.page.url.path}/sign-in", form)
    assert len(house.deck.objects("task_runs")) == tried == 3


def test_not_even_a_forged_input_form_tries_a_fourth_time(robin_at_maple: tuple[House, Visitor]) -> None:
    house, robin = robin_at_maple
    for password in ("wrong-2", "wrong-3"):
        refuse(house, robin)
        robin.presses("Sign in", password=password)
    refuse(house, robin)
    robin.posts(f"{robin.page.url.path}/input")
    assert len(house.deck.objects("task_runs")) == 3


def test_a_forged_input_form_repeats_no_run_whose_result_nobody_knows(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    robin.signs_in_at("Perhaps Payments", "robin", "maybe-not-3")
    own.deck.goes_on()
    robin.posts(f"{robin.page.url.path}/input")
    assert len(own.deck.objects("task_runs")) == 1


def test_not_even_a_forged_refresh_tries_a_fourth_time(robin_at_maple: tuple[House, Visitor]) -> None:
    house, robin = robin_at_maple
    for password in ("wrong-2", "wrong-3"):
        refuse(house, robin)
        robin.presses("Sign in", password=password)
    refuse(house, robin)
    robin.opens("/connections")
    robin.presses(MAPLE[0])
    connection = robin.page.url.path
    for _ in range(3):
        robin.posts(f"{connection}/refresh")
        house.deck.goes_on()
    assert len(house.deck.objects("task_runs")) == 3


def test_refreshing_over_and_over_does_not_run_up_a_bill(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    robin.signs_in_at(*NORTHLIGHT)
    own.deck.goes_on()
    robin.looks_again()
    robin.presses("Done")
    path = robin.page.url.path
    for _ in range(40):
        robin.posts(f"{path}/refresh")
    assert len(own.deck.objects("task_runs")) <= 31


def test_trying_again_over_and_over_does_not_run_up_a_bill(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    robin.signs_in_at(*NORTHLIGHT)
    own.deck.goes_on()
    for _ in range(40):
        robin.posts(f"{robin.page.url.path}/again")
        own.deck.goes_on()
    assert len(own.deck.objects("task_runs")) <= 31


def test_signing_in_again_over_and_over_does_not_fill_the_house_with_visits(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    robin.signs_in_at(*NORTHLIGHT)  # which was one visit
    own.deck.goes_on()
    robin.looks_again()
    robin.presses("Done")
    path = robin.page.url.path
    statuses = [robin.posts(f"{path}/reconnect").status_code for _ in range(61)]
    assert statuses == [200] * 59 + [429] * 2


def test_picking_over_and_over_writes_nothing_where_nothing_can_be_picked(
    own: House, later: Callable[..., None]
) -> None:
    """A visit that was not agreed to, one that somebody left, and one that is over an hour old."""
    robin = own.visitor("robin@sample.example")
    robin.posts("/connect/start")
    fresh = robin.page.url.path
    robin.picks("Northlight Power")
    left = robin.page.url.path
    robin.posts(f"{left}/leave")
    robin.picks("Northlight Power")
    old = robin.page.url.path
    later(minutes=61)
    before = steps(own)
    for visit in (fresh, left):
        assert robin.posts(f"{visit}/source", {"source": "maple-and-main"}).status_code == 409
        assert robin.posts(f"{visit}/other").status_code == 409
    robin.posts(f"{old}/source", {"source": "maple-and-main"})
    assert robin.view() == "expired", "which is said, and what to do"
    robin.posts(f"{old}/other")
    assert robin.view() == "expired"
    assert steps(own) == before


def steps(house: House) -> int:
    with house.app.app_context():
        return db.session.query(VisitEvent).count()


def test_a_visit_somebody_left_takes_no_password_any_more(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    robin.picks("Northlight Power")
    session = robin.page.url.path
    robin.posts(f"{session}/leave")
    robin.posts(f"{session}/sign-in", SIGN_IN)
    assert own.deck.objects("credentials") == []


def test_nobody_types_a_password_before_agreeing(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    robin.posts("/connect/start", {"source": "northlight-power"})
    session = robin.page.url.path
    robin.posts(f"{session}/sign-in", SIGN_IN)
    assert robin.view() == "consent"
    assert own.deck.objects("credentials") == []


def test_the_password_form_is_not_shown_before_agreeing(own: House) -> None:
    robin = own.visitor("robin@sample.example")
    robin.posts("/connect/start", {"source": "northlight-power"})
    robin.opens(f"{robin.page.url.path}/sign-in")
    assert robin.view() == "consent"


def test_an_expired_visit_takes_no_password(own: House, later: Callable[..., None]) -> None:
    robin = own.visitor("robin@sample.example")
    robin.picks("Northlight Power")
    session = robin.page.url.path
    later(minutes=61)
    robin.posts(f"{session}/sign-in", SIGN_IN)
    assert robin.view() == "expired"
    assert own.deck.objects("credentials") == []
