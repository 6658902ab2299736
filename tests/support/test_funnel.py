"""The funnel: how far visits come, and where people are lost."""

from __future__ import annotations

import pytest
from flask import Flask

import webapp.support.visits
from tests.people import Deck, Visitor, said
from tests.support.busy import Town

ALL = ("OPEN", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "MFA_REQUIRED", "SUBMIT_MFA", "HANDOFF")
DAY = 24 * 60


@pytest.fixture
def town(app: Flask) -> Town:
    return Town(app)


def rows(visitor: Visitor) -> dict[str, list[str]]:
    found = [[said(cell) for cell in row.iter("td")] for row in visitor.tree.iter("tr")]
    return {row[0]: row[1:] for row in found if row}


def test_no_visits_yet(agent: Visitor) -> None:
    agent.opens("/support/funnel")
    assert "No visits in this time" in agent.sees()


def test_every_step_is_counted_once_a_visit(town: Town, agent: Visitor) -> None:
    town.visit(*ALL, "EXIT")
    town.visit("OPEN", "SELECT_SOURCE", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "SUBMIT_CREDENTIALS")
    town.visit("OPEN", "SELECT_SOURCE", "EXIT")
    town.visit("OPEN", source=None, minutes_ago=5)
    town.visit(source=1), town.visit("OPEN", "HANDOFF", purpose="refresh")
    agent.opens("/support/funnel")
    seen = agent.sees()
    for words in (
        "Of 4 visits",
        "Opened 4 100%",
        "Picked a source 3 75%",
        "Submitted credentials 2 50%",
        "Asked for a code or question 1 25%",
        "Answered it 1 25%",
        "Handed over 1 25%",
        "Left by themselves 1 25%",
        "Abandoned 1 25%",
    ):
        assert words in seen, f"{words}: a link nobody opened and a refresh are no visits, one that goes on is not lost"
    assert rows(agent)["No source picked"][0] == "1"


def test_told_apart_by_source_host_and_device(town: Town, agent: Visitor) -> None:
    town.visit(*ALL, device="phone")
    town.visit("OPEN", "SELECT_SOURCE", source=1, device="computer", host="Cedar Shop", email="kim@sample.example")
    agent.opens("/support/funnel")
    table = rows(agent)
    assert table[town.names[0]] == ["1", "1", "1", "1", "1", "1", "100%", "100%", "0", "0"]
    assert table[town.names[1]] == ["1", "1", "0", "0", "0", "0", "–", "0%", "0", "1"]
    agent.opens("/support/funnel?by=host")
    assert set(rows(agent)) == {"Cedar Shop", "No host: people with an account here"}
    agent.presses("Cedar Shop")
    assert "Of 1 visit" in agent.sees() and set(rows(agent)) == {"Cedar Shop"}
    agent.opens("/support/funnel?by=device&host=none")
    assert set(rows(agent)) == {"Phone"}
    agent.opens(f"/support/funnel?source={town.slugs[1]}&device=phone")
    assert "No visit fits" in agent.sees()


def test_only_the_time_that_was_asked_for(town: Town, agent: Visitor) -> None:
    for days in (0.5, 3, 20, 40):
        town.visit("OPEN", minutes_ago=days * DAY)
    for days, count in (("1", 1), ("7", 2), ("30", 3), ("9999", 2), ("x", 2)):
        agent.opens(f"/support/funnel?days={days}")
        assert f"Of {count} visit" in agent.sees()


def test_too_many_visits_are_cut_and_the_page_says_so(
    town: Town, agent: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webapp.support.visits, "MOST", 2)
    for hours in (1, 2):
        town.visit("OPEN", "HANDOFF", minutes_ago=hours * 60)
    town.visit("OPEN", minutes_ago=600)
    agent.opens("/support/funnel")
    assert "Of 2 visits" in agent.sees() and "more visits than can be counted" in agent.sees()
    assert "Handed over 2 100%" in agent.sees(), "the newest count"


def test_a_real_visit_is_in_it(town: Town, robin: Visitor, deck: Deck, agent: Visitor) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    deck.our_watchdog_looks()
    agent.opens("/support/funnel?days=1")
    assert rows(agent)["Northlight Power"][:6] == ["1", "1", "1", "0", "0", "1"]
    agent.opens("/support/sources/northlight-power")
    assert "Success 100%" in agent.sees() and "Runs that ended 1" in agent.sees()
