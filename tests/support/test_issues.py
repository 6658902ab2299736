"""Issues: found, taken, muted, resolved, and on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.busy import Town
from tests.support.conftest import Somebody
from webapp.db import now
from webapp.models import Issue

Record = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture
def town(app: Flask) -> Town:
    return Town(app)


@pytest.fixture
def issue(town: Town) -> str:
    """The address of an issue that two people have met in three runs."""
    for email in ("robin@sample.example", "kim@sample.example", "kim@sample.example"):
        town.run("failed", trouble="auth_invalid/answer", email=email, waited=30, seconds=12)
    town.counts()
    return f"/support/issues/{town.issue('auth_invalid/answer').ref}"


def test_the_list_says_how_often_and_how_many_people(town: Town, issue: str, agent: Visitor) -> None:
    agent.opens("/support/issues")
    assert f"{town.names[0]} auth_invalid after the answer open 3 2 Runs by day, 14 days: today 3" in agent.sees()
    assert "robin" not in agent.page.text and "kim" not in agent.page.text


def test_nothing_failed_yet(agent: Visitor) -> None:
    agent.opens("/support/issues")
    assert "No issues yet" in agent.sees() and "within a minute" in agent.sees()


def test_it_shows_the_latest_runs_of_its_kind(town: Town, issue: str, agent: Visitor) -> None:
    other = town.run("failed", trouble="auth_invalid/answer", source=1)
    ref = town.run("failed", trouble="auth_invalid/answer")
    town.counts()
    agent.opens(issue)
    assert f"run_{ref}" in agent.sees() and other not in agent.sees()
    assert agent.sees().count("run_") == 4 and "12 s" in agent.sees()


def test_somebody_takes_it_and_gives_it_back(issue: str, agent: Visitor, lead: Visitor, on_record: Record) -> None:
    agent.opens(issue)
    agent.presses("Take it")
    assert "Owner Agent" in agent.sees()
    agent.posts(f"{issue}/own")
    lead.opens(issue)
    lead.presses("Take it")
    assert "Owner Lead" in lead.sees()
    agent.posts(f"{issue}/release")
    lead.opens("/support/issues?owner=me")
    assert "auth_invalid" in lead.sees(), "only who has it can give it back"
    lead.opens(issue)
    lead.presses("Give it back")
    assert "Owner nobody" in lead.sees()
    public = f"issue_{issue.rpartition('/')[2]}"
    assert on_record() == [("issue_own", public, ""), ("issue_own", public, ""), ("issue_release", public, "")]


@pytest.mark.parametrize(("act", "words", "becomes"), [("mute", "Mute", "muted"), ("resolve", "Resolve", "resolved")])
def test_muting_and_resolving_need_a_reason(
    issue: str, agent: Visitor, on_record: Record, act: str, words: str, becomes: str
) -> None:
    agent.opens(issue)
    assert agent.posts(f"{issue}/{act}", {"reason": "  "}).status_code == 422
    assert agent.posts(f"{issue}/{act}", {"reason": "x"}).status_code == 422, "one letter says nothing"
    assert "Say why" in agent.sees() and on_record() == []
    agent.posts(f"{issue}/{act}", {"reason": "Their new page. <b>Known.</b>"})
    assert becomes in agent.sees()
    agent.posts(f"{issue}/{act}", {"reason": "Once more"})
    agent.posts(f"{issue}/reopen", {"reason": "Too early"})
    assert "open" in agent.sees()
    acts = [(it, why) for it, _, why in on_record()]
    assert acts == [(f"issue_{act}", "Their new page. <b>Known.</b>"), ("issue_reopen", "Too early")]


def test_only_agents_act(issue: str, staff: Somebody, agent: Visitor) -> None:
    viewer = staff("viewer")
    viewer.opens(issue)
    assert "What to do with it" not in viewer.sees()
    assert viewer.posts(f"{issue}/own").status_code == 403
    assert agent.posts(f"{issue}/explode").status_code == 404
    assert agent.posts("/support/issues/nobody-knows-it/own").status_code == 404
    assert agent.opens("/support/issues/nobody-knows-it").status_code == 404


def test_filters_narrow_the_list_and_its_csv(town: Town, issue: str, agent: Visitor) -> None:
    town.run("failed", trouble="timeout/site", source=1)
    town.counts()
    agent.posts(f"{issue}/mute", {"reason": "Known for days"})
    for query, there in (
        ("state=open", {"timeout"}),
        ("state=muted", {"auth_invalid"}),
        (f"source={town.slugs[1]}", {"timeout"}),
        ("source=nowhere", set()),
        ("owner=nobody", {"timeout", "auth_invalid"}),
        ("owner=me", set()),
        ("state=nonsense", set()),
    ):
        agent.opens(f"/support/issues?{query}")
        assert {code for code in ("timeout", "auth_invalid") if f"{code} " in agent.sees()} == there, query
        lines = agent.http.get(f"/support/issues.csv?{query}").text.splitlines()
        assert len(lines) == 1 + len(there), query


def test_the_one_met_last_comes_first_on_every_page(town: Town, agent: Visitor) -> None:
    moments = [now() - timedelta(minutes=n // 2) for n in range(60)]
    with town.app.app_context():
        source = town.source(0).id
    kinds = [(f"trouble{n:02d}/site", moment) for n, moment in enumerate(moments)]
    town.add(*(Issue(source_id=source, trouble=kind, first_at=at, last_at=at, count=1) for kind, at in kinds[::-1]))
    agent.opens("/support/issues")
    assert "trouble00" in agent.sees() and "trouble55" not in agent.sees()
    first = agent.sees()
    agent.presses("Older")
    seen = [f"trouble{n:02d}" for n in range(60) if (f"trouble{n:02d}" in first) != (f"trouble{n:02d}" in agent.sees())]
    assert len(seen) == 60, "each on one page"
    for before in ("nonsense", "-1", "9" * 30):
        assert agent.opens(f"/support/issues?before={before}").status_code == 400
    assert "trouble" not in agent.opens("/support/issues?before=999999").text, "a deep page is an empty one"


def test_what_a_site_calls_its_error_stays_text(town: Town, agent: Visitor) -> None:
    town.run("failed", trouble="<script>alert(1)</script>/site")
    town.counts()
    agent.opens("/support/issues")
    assert "<script>alert(1)" in agent.sees() and "<script>alert" not in agent.page.text


def test_an_owner_nobody_knows_has_no_issues(issue: str, agent: Visitor) -> None:
    assert agent.opens("/support/issues?owner=0123456789abcdef").status_code == 200
    assert "Nothing fits" in agent.sees()
