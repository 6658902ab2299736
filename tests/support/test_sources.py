"""How sources fare: the table a lead looks at, and one source in detail."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from tests.people import Visitor, said
from tests.support.busy import Town
from webapp.db import now, writing
from webapp.support.charts import duration, percent, sparkline
from webapp.support.figures import hour_of


@pytest.fixture
def town(app: Flask) -> Town:
    return Town(app)


def row_of(visitor: Visitor, name: str) -> list[str]:
    for row in visitor.tree.iter("tr"):
        cells = [said(cell) for cell in row.iter("td")]
        if cells and cells[0] == name:
            return cells
    raise AssertionError(f"no row of {name}")


def test_the_table_tells_how_each_source_fares(town: Town, agent: Visitor) -> None:
    for _ in range(3):
        town.run(seconds=10)
    town.run(seconds=60, waited=30)
    town.run("failed", trouble="auth_invalid/site"), town.run("canceled")
    town.counts()
    agent.opens("/support/sources")
    row = row_of(agent, town.names[0])
    assert row[1:4] == ["Up", "6", "80%"], "canceled runs are neither success nor failure"
    assert "today 80%" in row[4]
    assert "s" in row[5] and row[8] == "17%" and row[9] == "auth_invalid 1"
    assert row_of(agent, town.names[1])[2:4] == ["0", "–"]


def test_those_in_trouble_come_first_and_can_be_had_alone(town: Town, agent: Visitor) -> None:
    with town.app.app_context(), writing():
        source = town.source(3)
        source.failures, source.failed_at = 3, now()
    agent.opens("/support/sources")
    first = next(row for row in agent.tree.iter("tr") if list(row.iter("td")))
    assert said(next(first.iter("td"))) == town.names[3]
    agent.opens("/support/sources?state=trouble")
    assert town.names[3] in agent.sees() and town.names[0] not in agent.sees()
    agent.opens("/support/sources?name=nothing-like-it")
    assert "No source fits" in agent.sees()


def test_a_week_shows_what_a_day_does_not(town: Town, agent: Visitor) -> None:
    town.run(minutes_ago=3 * 24 * 60)
    town.counts()
    agent.opens("/support/sources")
    assert row_of(agent, town.names[0])[2] == "0"
    agent.opens("/support/sources?days=7")
    assert row_of(agent, town.names[0])[2] == "1"
    assert agent.opens("/support/sources?days=999999999").status_code == 200


def test_one_source_in_detail(town: Town, agent: Visitor) -> None:
    ended_at = hour_of(now()) - timedelta(minutes=5)
    for trouble in ("auth_invalid/site", "auth_invalid/site", "timeout/queue"):
        town.run("failed", trouble=trouble, ended_at=ended_at)
    town.run(ended_at=ended_at)
    town.counts()
    agent.opens(f"/support/sources/{town.slugs[0]}")
    assert "auth_invalid at the site 2 67%" in agent.sees() and "timeout in Deck's queue 1 33%" in agent.sees()
    assert "Success 25%" in agent.sees() and "Stop new sign-ins" in agent.sees()
    hours = [said(title) for title in agent.tree.iter("{http://www.w3.org/2000/svg}title") if ":00: " in said(title)]
    assert len(hours) == 14 * 24
    assert any("4 runs, 75% failed" in hour for hour in hours)
    assert "4, 75%" in [said(cell) for cell in agent.tree.iter("td")], "and in a table, for whoever cannot see it"


def test_a_stopped_source_says_until_when_and_can_be_opened_again(town: Town, agent: Visitor) -> None:
    with town.app.app_context(), writing():
        source = town.source(0)
        source.stopped_until, source.stop_message = now() + timedelta(hours=1), "<b>Moving</b> house"
    agent.opens(f"/support/sources/{town.slugs[0]}")
    assert "Stopped until" in agent.sees() and "Open again" in agent.sees()
    assert "<b>Moving</b> house" in agent.sees(), "as text"


def test_a_source_that_is_none(agent: Visitor) -> None:
    for slug in ("nowhere", "%00", "x" * 5_000):
        assert agent.opens(f"/support/sources/{slug}").status_code == 404


@pytest.mark.parametrize(
    ("share", "words"), [(None, "–"), (0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.999, "99%"), (1, "100%")]
)
def test_nearly_all_is_not_all(share: float | None, words: str) -> None:
    assert percent(share) == words


def test_durations_in_words() -> None:
    assert [duration(it) for it in (None, 0.42, 9.94, 45, 99, 100, 1_800)] == [
        "–", "0.4 s", "9.9 s", "45 s", "99 s", "2 min", "30 min",
    ]  # fmt: skip


def test_what_a_drawing_says_is_escaped() -> None:
    assert "<script" not in sparkline([0.5, None, 1.0], '"><script>')
    assert sparkline([0.5, 0.6, None, 1.0], "x").count("<polyline") == 1, "a gap where nothing is known"
