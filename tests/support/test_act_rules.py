"""What holds for every act: a reason, once, not too often, both factors where it matters."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.acting import HERE, ROOT, WHY, Later, OnRecord, does, only, ref_of, shown
from tests.support.conftest import Somebody
from tests.support.entering import comes_in, joins
from webapp.db import db, writing
from webapp.limits import ACTS_PER_STAFF
from webapp.models import (
    Connection,
    ConnectSession,
    Person,
    Run,
    StaffSession,
)
from webapp.support.acts import ACTS


@pytest.mark.parametrize("why", ["", "    ", "abcd", "x" * 501, "\u202e\u200b   "], ids=ascii)
def test_nothing_happens_without_a_reason(
    connected: Visitor, agent: Visitor, app: Flask, on_record: OnRecord, why: str
) -> None:
    does(agent, "run_again", ref_of(app, Connection), why)
    assert agent.page.status_code == 422 and "Say why" in agent.sees() and on_record() == []


def test_a_form_that_is_none_of_ours_is_refused(connected: Visitor, agent: Visitor, app: Flask) -> None:
    path = f"/support/act/run_again/{ref_of(app, Connection)}"
    assert agent.posts(path, {"reason": WHY}).status_code == 400
    assert agent.posts(path, {"reason": WHY, "once": "x"}, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_sixty_acts_in_a_quarter_of_an_hour_are_enough(
    connected: Visitor, agent: Visitor, app: Flask, staff: Somebody
) -> None:
    path = f"/support/act/look_again/{ref_of(app, Connection)}"
    limits = app.extensions["gangway"].limits
    with app.app_context():
        me = db.session.scalars(db.select(StaffSession.staff_id)).first()
        for _ in range(ACTS_PER_STAFF.amount):
            limits.count(ACTS_PER_STAFF, "act", str(me))
    assert agent.posts(path, {"once": "one more", "reason": WHY}).status_code == 429
    assert staff("lead").posts(path, {"once": "one", "reason": WHY}).status_code == 200


def test_nobody_can_type_a_persons_password_or_code(
    connected: Visitor, app: Flask, staff: Somebody, lead: Visitor
) -> None:
    with app.app_context(), writing():
        run = db.session.query(Run).one()
        run.status, run.ended_at = "interaction_required", None
    admin, refs = staff("admin"), {"connection": ref_of(app, Connection), "run": ref_of(app, Run)}
    refs |= {"source": "maple-and-main", "deck": HERE, "hosts": HERE}
    for act in ACTS.values():
        for kind in act.kinds:
            if kind not in refs:
                continue
            admin.opens(f"/support/act/{act.name}/{refs[kind]}")
            names = {str(i.get("name")) for form in admin.tree.iter("form") for i in form.iter("input")}
            assert not any(re.search("pass|code|otp|answer|user", name) for name in names), (act.name, names)
            assert not [i for i in admin.tree.iter("input") if i.get("type") == "password"]
    for act in ACTS.values():
        assert not any(re.search("password|code|answer|username", asked.name) for asked in act.asks)


def test_what_an_act_says_afterwards_is_for_whoever_did_it(
    connected: Visitor, agent: Visitor, lead: Visitor, app: Flask, later: Callable[..., None]
) -> None:
    does(agent, "look_again", ref_of(app, Connection))
    address = str(agent.page.url).removeprefix("http://localhost")
    lead.opens(address)
    assert "Deck is being asked" not in lead.sees()
    later(minutes=11)
    agent.opens(address)
    assert "Deck is being asked" not in agent.sees(), "it is old by now"


def test_a_visit_that_support_began_says_so_nowhere_that_the_person_agreed(
    connected: Visitor, agent: Visitor, app: Flask
) -> None:
    does(agent, "run_again", ref_of(app, Connection))
    visit: ConnectSession = only(app, ConnectSession)
    assert (visit.purpose, visit.consented_at, visit.device) == ("refresh", None, "")


# --- both factors of a moment ago ----------------------------------------------------------------------------------

FRESH = {
    "reconnect_link",
    "disconnect",
    "recover",
    "resume",
    "stop_source",
    "reopen_source",
    "add_host",
    "new_key",
    "revoke_key",
}
"""What hands out or destroys something, or concerns many at once."""


def test_what_hands_out_or_destroys_asks_for_both_factors_of_the_last_ten_minutes() -> None:
    assert {act.name for act in ACTS.values() if act.is_fresh} == FRESH
    assert {act.name for act in ACTS.values() if act.is_danger} - FRESH == {"cancel"}, "a run can be run again"
    told = (ROOT / "docs/support.md").read_text().partition("What hands out or destroys")[2].partition("showing")[0]
    assert set(re.findall(r"`(\w+)`", told)) == FRESH


def test_a_reconnect_link_is_not_made_in_a_browser_left_open(
    connected: Visitor, agent: Visitor, app: Flask, later: Later, on_record: OnRecord
) -> None:
    path = f"/support/act/reconnect_link/{ref_of(app, Connection)}"
    agent.opens(path)
    once = re.search(r'name="once" value="([\w-]+)"', agent.page.text)[1]  # type: ignore[index]
    later(minutes=11)
    agent.posts(path, {"once": once, "reason": WHY, "days": "1"})
    assert "Is it still you?" in agent.sees() and agent.page.status_code == 401 and on_record() == []
    agent.opens(path)
    assert "Is it still you?" in agent.sees() and f'value="{path}"' in agent.page.text, "and then back to the form"


def test_the_reason_is_kept_while_both_factors_are_asked_for_and_the_act_goes_on(
    connected: Visitor, app: Flask, later: Later, on_record: OnRecord
) -> None:
    ash = joins(app)
    visitor = comes_in(app, ash)
    path = f"/support/act/reconnect_link/{ref_of(app, Connection)}"
    visitor.opens(path)
    before = len(on_record())
    later(minutes=11)
    visitor.presses("Reconnect link", reason=WHY, days="1")
    assert "What you typed is kept" in visitor.sees() and str(visitor.field("reason").get("value")) == WHY
    assert visitor.presses("It is me", password="wrong", code=ash.code()).status_code == 401
    assert "That did not work" in visitor.sees() and str(visitor.field("reason").get("value")) == WHY
    assert "reconnect_link" not in [act for act, *_ in on_record()[before:]]
    visitor.presses("It is me", password=ash.password, code=ash.code())
    assert shown(visitor).startswith("http://localhost/connections/") and ash.password not in visitor.page.text
    assert on_record()[-1] == ("reconnect_link", f"conn_{ref_of(app, Connection)}", WHY)


def test_the_reason_for_seeing_an_address_is_kept_too(
    robin: Visitor, app: Flask, later: Later, on_record: OnRecord
) -> None:
    ash = joins(app)
    visitor = comes_in(app, ash)
    with app.app_context():
        id = db.session.query(Person).filter_by(email="robin@sample.example").one().id
    later(minutes=11)
    visitor.opens(f"/support/people/{id}")
    visitor.presses("Show it once", reason=WHY)
    assert "Is it still you?" in visitor.sees() and "robin@sample.example" not in visitor.page.text
    visitor.presses("It is me", password=ash.password, code=ash.code())
    assert "robin@sample.example" in visitor.sees() and on_record()[-1] == ("reveal", f"person_{id}", WHY)


def test_a_page_about_all_hosts_says_so_once(staff: Somebody) -> None:
    admin = staff("admin")
    admin.opens(f"/support/act/add_host/{HERE}")
    assert "Add a host all hosts What will happen" in admin.sees()
