"""Counting: every run that ended is counted once, whenever it comes and however often counting stops."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from flask import Flask

import webapp.retention
import webapp.support.figures
from tests.support.busy import Town
from webapp.db import db, now, writing
from webapp.models import Chore, ErrorReport, Issue, SourceHour, Staff, StaffSession
from webapp.support.figures import BOUNDS, FIGURES, bucket, count_runs, hour_of, quantile


@pytest.fixture
def town(app: Flask) -> Town:
    return Town(app)


def test_runs_are_counted_by_source_and_hour(town: Town) -> None:
    town.run("completed", minutes_ago=130)
    town.run("completed", minutes_ago=10, waited=40)
    town.run("failed", minutes_ago=10, trouble="auth_invalid/site")
    town.run("canceled", minutes_ago=10, source=1)
    town.run("running", source=1)
    town.counts()
    hours = town.hours()
    assert sum(h.completed for h in hours) == 2 and sum(h.failed for h in hours) == 1
    assert sum(h.canceled for h in hours) == 1 and len({h.source_id for h in hours}) == 2
    assert sum(h.asked for h in hours) == 1, "one site asked for something"
    assert all(h.troubles in ({}, {"auth_invalid/site": 1}) for h in hours)
    assert all(h.last_good_at is None for h in hours if not h.completed)


def test_counting_again_counts_nothing_twice(town: Town) -> None:
    town.run("failed", trouble="source_error/site")
    for _ in range(3):
        town.counts()
    assert sum(hour.failed for hour in town.hours()) == 1
    assert town.issue("source_error/site").count == 1


def test_a_run_written_late_still_belongs_to_its_hour(town: Town) -> None:
    town.run(minutes_ago=1)
    town.counts()
    town.run(minutes_ago=3)
    town.counts()
    assert sum(hour.completed for hour in town.hours()) == 2


def test_time_spent_waiting_for_the_person_is_not_the_sources(town: Town) -> None:
    town.run(seconds=4, waited=600)
    town.counts()
    (hour,) = town.hours()
    assert hour.times == {bucket(4): 1}


def test_stopped_after_any_hour_it_goes_on_there(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in range(6):
        town.run(minutes_ago=hours * 60)
    monkeypatch.setattr(webapp.support.figures, "LONGEST_PASS", 0.0)
    counted = []
    for _ in range(6):
        town.counts()
        counted.append(sum(hour.completed for hour in town.hours()))
    assert counted[0] < 6 and counted == sorted(counted) and counted[-1] == 6


def test_killed_while_it_writes_an_hour_it_loses_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.run("failed", trouble="timeout/site")

    class PowerCut(BaseException):
        pass

    def dies() -> None:
        raise PowerCut

    with town.app.app_context():
        with writing():
            chore = Chore(name=FIGURES, state={})
            db.session.add(chore)
        with monkeypatch.context() as patch:
            patch.setattr(db.session, "commit", dies)
            with pytest.raises(PowerCut):
                count_runs(chore)
        db.session.remove()
    assert town.hours() == []
    town.counts()
    assert (sum(hour.failed for hour in town.hours()), town.issue("timeout/site").count) == (1, 1)


# --- issues ------------------------------------------------------------------------------------------------------


def test_failures_of_one_kind_are_one_issue(town: Town) -> None:
    first, last = hour_of(now()) - timedelta(hours=3), hour_of(now()) - timedelta(minutes=1)
    for ended_at in (first, last, last):
        town.run("failed", trouble="auth_invalid/site", ended_at=ended_at)
    town.counts()
    issue = town.issue("auth_invalid/site")
    assert (issue.state, issue.count, issue.first_at, issue.last_at) == ("open", 3, first, last)


def resolve(town: Town, state: str) -> None:
    with town.app.app_context(), writing():
        issue = db.session.merge(town_issue := town.issue("auth_invalid/site"))
        assert town_issue.id == issue.id
        issue.state, issue.resolved_at = state, now() if state == "resolved" else None


def test_a_resolved_issue_opens_again_when_it_comes_back(town: Town) -> None:
    town.run("failed", trouble="auth_invalid/site", minutes_ago=10)
    town.counts()
    resolve(town, "resolved")
    town.counts()
    assert town.issue("auth_invalid/site").state == "resolved", "what was there before does not open it"
    town.run("failed", trouble="auth_invalid/site", ended_at=now() + timedelta(seconds=1))
    town.counts()
    issue = town.issue("auth_invalid/site")
    assert (issue.state, issue.reopened, issue.count, issue.resolved_at) == ("open", 1, 2, None)


def test_a_muted_issue_stays_quiet(town: Town) -> None:
    town.run("failed", trouble="auth_invalid/site", minutes_ago=10)
    town.counts()
    resolve(town, "muted")
    town.run("failed", trouble="auth_invalid/site", minutes_ago=0)
    town.counts()
    assert (town.issue("auth_invalid/site").state, town.issue("auth_invalid/site").count) == ("muted", 2)


# --- how long it is kept -----------------------------------------------------------------------------------------


def test_what_is_past_its_time_goes(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webapp.retention, "BATCH", 3)
    with town.app.app_context():
        sources = [town.source(number).id for number in range(3)]
    long_ago = [hour_of(now()) - timedelta(days=days) for days in (420, 402, 401, 399)]
    town.add(*(SourceHour(hour=hour, source_id=source) for hour in long_ago for source in sources))
    for days, trouble in ((181, "old/site"), (179, "known/site")):
        met = now() - timedelta(days=days)
        town.add(Issue(source_id=sources[0], trouble=trouble, first_at=met, last_at=met, state="muted"))
    robin = town.person("robin@sample.example")
    for days in (31, 29):
        at = now() - timedelta(days=days)
        town.add(ErrorReport(person_id=robin, status=500, page="connect.show", request_id="", at=at))
    agent = Staff(email="agent@desk.example", role="agent")
    for days in (31, 30):
        at = now() - timedelta(days=days)
        town.add(StaffSession(staff=agent, token_hash=str(days), created_at=at))
        agent = town.one(Staff)
    town.purges()
    assert {hour.hour for hour in town.hours()} == {long_ago[-1]} and len(town.hours()) == 3
    assert town.one(Issue).trouble == "known/site"
    assert town.one(ErrorReport).at > now() - timedelta(days=30)
    assert town.one(StaffSession).token_hash == "30", "a session lasts a shift, and then its time begins"


# --- how long it took --------------------------------------------------------------------------------------------


def test_quantiles_are_right_to_a_bucket() -> None:
    chance = random.Random(7)
    seconds = sorted(chance.lognormvariate(3, 1) for _ in range(5_000))
    times: dict[str, int] = {}
    for value in seconds:
        times[bucket(value)] = times.get(bucket(value), 0) + 1
    for share in (0.5, 0.9, 0.99):
        found, exact = quantile(times, share), seconds[int(share * len(seconds))]
        assert found is not None and exact / 1.2 < found < exact * 1.2


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ({}, None),
        ({"0": 1}, BOUNDS[0] / 2),
        ({str(len(BOUNDS)): 3}, BOUNDS[-1]),
        ({bucket(-5): 2}, BOUNDS[0] / 2),
        ({"3": 1, "7": 1}, BOUNDS[3]),
    ],
)
def test_quantiles_at_the_edges(times: dict[str, int], found: float | None) -> None:
    assert quantile(times, 0.5) == (found if found is None else pytest.approx(found))
