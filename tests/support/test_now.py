"""The home page: what happens this moment and what is in trouble, before people call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.busy import Town
from tests.support.conftest import Somebody
from webapp.db import db, now, writing
from webapp.models import Chore, Event, StaffToken
from webapp.models.staff import Staff, StaffSession

ALL = ("OPEN", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "HANDOFF")
A_WEEK = 7 * 24 * 60


@pytest.fixture
def town(app: Flask) -> Town:
    return Town(app)


def test_an_empty_house_says_so(agent: Visitor) -> None:
    agent.opens("/support")
    for words in ("Nothing counted yet", "No run is open", "All well", "No open issue was met", "Inbox empty"):
        assert words in agent.sees()


def test_open_runs_by_whose_turn_it_is(town: Town, agent: Visitor) -> None:
    for status in ("interaction_required", "running", "running", "queued", "cancelling", "pondering"):
        town.run(status)
    town.run("completed")
    agent.opens("/support")
    assert "Waiting on the person 1" in agent.sees() and "Waiting on the source 5" in agent.sees()
    assert "At the site 2" in agent.sees() and "Stopping 1" in agent.sees()
    assert "other 1" in agent.sees(), "a status we do not know is not lost"


def test_success_is_two_rates_and_abandoned_a_class_of_its_own(town: Town, agent: Visitor) -> None:
    for _ in range(3):
        town.visit(*ALL)
    town.visit("OPEN", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "ERROR")
    town.visit("OPEN", "EXIT")
    town.visit(*ALL, minutes_ago=A_WEEK + 60)
    town.visit("OPEN", minutes_ago=A_WEEK + 60)
    town.visit(*ALL, minutes_ago=3 * 24 * 60), town.visit("OPEN", purpose="refresh")
    town.counts()
    agent.opens("/support")
    seen = agent.sees()
    assert "Sign-ins that worked 75% 100% a week before" in seen
    assert "Visits that worked 60% 50% a week before" in seen
    assert "Abandoned 20% 50% a week before" in seen
    assert "Visits opened 5 2 a week before" in seen
    assert "visits handed over, of those in which credentials were submitted" in seen


def test_issues_met_most_come_first(town: Town, agent: Visitor) -> None:
    town.run("failed", trouble="timeout/queue")
    for _ in range(3):
        town.run("failed", trouble="auth_invalid/site", source=1)
    town.counts()
    agent.opens("/support")
    assert f"{town.names[1]} auth_invalid at the site 3 , unassigned" in agent.sees()
    assert agent.sees().index("auth_invalid") < agent.sees().index("timeout")


def test_sources_in_trouble(town: Town, agent: Visitor) -> None:
    with town.app.app_context(), writing():
        stopped, down = town.source(0), town.source(1)
        stopped.stopped_until, stopped.stop_message = now() + timedelta(hours=1), "They are moving house."
        down.failures, down.failed_at = 3, now()
    for minute in range(10):
        town.run("failed", source=2, minutes_ago=minute, trouble="blocked/site")
        town.run(source=2, minutes_ago=24 * 60 + minute)
    town.counts()
    agent.opens("/support")
    assert f"{town.names[0]} Stopped" in agent.sees() and "They are moving house." in agent.sees()
    assert f"{town.names[1]} Down" in agent.sees() and "3 runs in a row" in agent.sees()
    assert f"{town.names[2]} Success fell From 100% in the week before to 0%." in agent.sees()


def test_few_runs_say_nothing_about_success(town: Town, agent: Visitor) -> None:
    for minute in range(9):
        town.run("failed", minutes_ago=minute, trouble="blocked/site")
        town.run(minutes_ago=24 * 60 + minute)
    town.counts()
    agent.opens("/support")
    assert "Success fell" not in agent.sees()


def test_what_waits_and_what_failed(town: Town, agent: Visitor) -> None:
    came = {"body": b"{}", "received_at": now() - timedelta(minutes=30)}
    town.add(Event(deck_id="a", webhook_id="a", **came))
    town.add(Event(deck_id="b", webhook_id="b", parked="unknown", handled_at=now(), **came))
    town.counts()
    agent.opens("/support")
    assert "Inbox 1 oldest" in agent.sees() and "Parked in 24 hours 1" in agent.sees()


def test_chores_with_a_problem_are_shown(town: Town, agent: Visitor) -> None:
    soon = now() + timedelta(minutes=1)
    town.add(Chore(name="purge", due_at=now() - timedelta(hours=1)), Chore(name="closing", due_at=soon))
    with town.app.app_context(), writing():
        destination = Chore.named("destination")
        destination.due_at, destination.problem = soon, "Deck had switched it off."
    agent.opens("/support")
    assert "destination Deck had switched it off. never went well" in agent.sees()
    assert "purge It is overdue: is a worker running?" in agent.sees()
    assert "closing" not in agent.sees()


def test_it_asks_the_database_a_few_times_however_much_there_is(town: Town, agent: Visitor) -> None:
    for number in range(5):
        town.run("failed", trouble=f"trouble{number}/site", source=number)
    town.counts()
    statements: list[str] = []
    with town.app.app_context():
        engine = db.engine
    db.event.listen(engine, "before_cursor_execute", note := lambda *args: statements.append(args[2]))
    agent.opens("/support")
    db.event.remove(engine, "before_cursor_execute", note)
    assert len([it for it in statements if it.startswith("SELECT")]) < 20


def test_programs_read_the_same(town: Town, staff: Somebody) -> None:
    viewer = staff("viewer")
    town.run("running"), town.run("failed", trouble="timeout/site")
    town.counts()
    with town.app.app_context(), writing():
        somebody = Staff.by_email("viewer@desk.example")
        assert somebody
        token = StaffToken.issue(somebody, "wall screen")
    issue = f"issues/{town.issue('timeout/site').ref}"

    def read(page: str) -> dict[str, Any]:
        return viewer.http.get(f"/support/api/{page}", headers={"Authorization": f"Bearer {token}"}).json()

    assert read("")["on_source"] == 1 and read("")["success"]["today"]["opened"] == 0
    assert read("sources")["rows"][0]["ended"] in (0, 1) and read("funnel")["opened"] == 0
    assert read(f"sources/{town.slugs[0]}")["source"]["troubles"][0]["code"] == "timeout"
    assert read("issues")["rows"][0]["people"] == 1 and read(issue)["issue"]["stage"] == "site"


def test_a_page_that_is_left_open_keeps_up_and_keeps_nobody_signed_in(town: Town, agent: Visitor, app: Flask) -> None:
    long_ago = now() - timedelta(minutes=5)
    with app.app_context(), writing():
        db.session.scalars(db.select(StaffSession)).one().seen_at = long_ago
    town.run("interaction_required")
    agent.opens("/support/live")
    assert "Waiting on the person 1" in agent.sees() and "Sign out" not in agent.sees(), "only the page's inside"
    with app.app_context():
        assert db.session.scalars(db.select(StaffSession)).one().seen_at == long_ago
    agent.opens("/support")
    with app.app_context():
        assert db.session.scalars(db.select(StaffSession)).one().seen_at > long_ago
