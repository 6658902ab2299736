"""A list with its filters, kept under a name."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from tests.people import Visitor
from tests.support.conftest import Somebody
from webapp.db import db
from webapp.models import SavedView


def test_an_agent_keeps_a_view_and_takes_it_away(
    agent: Visitor, staff: Somebody, on_record: Callable[[], list[tuple[str, str, str]]]
) -> None:
    agent.opens("/support/inbox")
    assert "Save this view" not in agent.sees(), "there is nothing to save"
    agent.opens("/support/inbox?state=parked&parked=unknown")
    agent.presses("Save", view_name="Lost & found")
    assert str(agent.page.url).endswith("/support/inbox?state=parked&parked=unknown")
    agent.opens("/support/inbox")
    agent.presses("Lost & found")
    assert str(agent.page.url).endswith("/support/inbox?state=parked&parked=unknown")
    assert "Lost & found" not in staff("viewer").opens("/support/inbox").text
    agent.opens("/support/inbox")
    agent.presses("×")
    assert "Lost" not in agent.sees()
    assert [act for act, *_ in on_record()] == ["view.save", "view.delete"]


def test_issues_have_views_though_their_page_is_another(agent: Visitor) -> None:
    agent.posts("/support/views/issues", {"view_name": "Still open", "state": "open"})
    assert str(agent.page.url).endswith("/support/issues?state=open") and "Still open" in agent.sees()


def test_a_lead_shares_one_with_everybody(lead: Visitor, agent: Visitor, app: Flask) -> None:
    lead.opens("/support/deliveries?state=failed")
    lead.presses("Save", view_name="Broken", view_shared="yes")
    agent.opens("/support/deliveries")
    assert "Broken shared" in agent.sees() and "×" not in agent.sees()
    with app.app_context():
        ref = db.session.query(SavedView).one().ref
    assert agent.posts(f"/support/views/deliveries/{ref}/delete").status_code == 404
    assert agent.posts("/support/views/deliveries", mine("x", view_shared="yes")).status_code == 403
    assert staff_views(app) == ["Broken"]


def mine(name: str, **more: str) -> dict[str, str]:
    return {"view_name": name, "state": "failed", **more}


def staff_views(app: Flask) -> list[str]:
    with app.app_context():
        return [view.name for view in db.session.query(SavedView)]


def test_the_same_name_is_the_same_view(agent: Visitor, app: Flask) -> None:
    agent.posts("/support/views/deliveries", mine("Mine"))
    agent.posts("/support/views/deliveries", {**mine("Mine"), "state": "pending"})
    with app.app_context():
        assert [view.query for view in db.session.query(SavedView)] == ["state=pending"]


def test_only_filters_of_the_list_are_kept(agent: Visitor, app: Flask) -> None:
    agent.posts("/support/views/inbox", {"view_name": "x", "type": "a&b=c#d", "before": "1", "next": "//evil.example"})
    with app.app_context():
        assert db.session.query(SavedView).one().query == "type=a%26b%3Dc%23d"
    for wrong in ({"view_name": ""}, {"view_name": "x" * 61}, {"state": "none of ours"}, {"state": ""}):
        assert agent.posts("/support/views/deliveries", {**mine("y"), **wrong}).status_code == 400
    assert agent.posts("/support/views/nothing", mine("y")).status_code == 404
    assert agent.posts("/support/views/audit", {"view_name": "y", "act": "x"}).status_code == 403
    assert staff_views(app) == ["x"]
