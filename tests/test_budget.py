"""Deck's budget: never too many calls, people first, a rest when Deck is in trouble, and few retries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import webapp.budget
import webapp.limits
from tests.conftest import settings as configured
from tests.faults.redis_server import redis_server
from webapp import create_app
from webapp.budget import ALL, PATIENCE, REST_SECONDS, SECONDS, TROUBLE, Budget, Lane, calling_as
from webapp.deck import DeckClient, DeckDown, HeldBack
from webapp.limits import ALONE_SHARE, Window

DECK_ALLOWS = 200
"""In any ten seconds, for the whole organisation (docs.deck.co/api/rate-limits)."""


class Time:
    """Passes when somebody sleeps, or when told."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller
        self.now = 1_000.0
        self.slept = 0.0

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self._traveller.shift(seconds)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.passes(seconds)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    with time_machine.travel(datetime(2026, 11, 20, tzinfo=UTC), tick=False) as traveller:
        clock = Time(traveller)
        ours = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep, time=wall)
        monkeypatch.setattr(webapp.budget, "time", ours)
        monkeypatch.setattr(webapp.limits, "time", ours)
        yield clock


def wall() -> float:
    return datetime.now(UTC).timestamp()


@pytest.fixture
def budget(time: Time) -> Budget:
    return Budget(Window())


def calls(budget: Budget, lane: Lane, times: int = 1) -> int:
    """How many of so many calls are let through."""
    through = 0
    for _ in range(times):
        with calling_as(lane):
            try:
                budget.enter()
            except HeldBack:
                continue
        budget.leave(failed=False)
        through += 1
    return through


# --- so many and no more -----------------------------------------------------------------------------------------

steps = st.tuples(
    st.sampled_from(Lane), st.integers(1, 100), st.sampled_from([0.0, 0.0, 0.307, 2.011, 4.902, 9.993, 10.013])
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(plan=st.lists(steps, min_size=2, max_size=8))
def test_no_ten_seconds_ever_see_more_than_our_share(time: Time, plan: list[tuple[Lane, int, float]]) -> None:
    budget, made = Budget(Window()), []
    for lane, times, pause in plan:
        for _ in range(times):
            made += [(time.now, lane)] if calls(budget, lane) else []
        time.passes(pause)
    for lanes, share in ((set(Lane), 180), ({Lane.NEWS, Lane.SWEEPS}, 90), ({Lane.SWEEPS}, 45)):
        moments = [moment for moment, lane in made if lane in lanes]
        for i, start in enumerate(moments):
            in_window = sum(moment < start + SECONDS - 0.001 for moment in moments[i:])
            assert in_window <= share < DECK_ALLOWS, (lanes, start)


def test_many_threads_together_keep_within_it(time: Time, budget: Budget) -> None:
    through: list[int] = []

    def hurries(lane: Lane) -> None:
        through.append(calls(budget, lane, 60))

    webapp.budget.time.sleep = lambda seconds: time.passes(0.0)
    threads = [threading.Thread(target=hurries, args=(Lane.NEWS,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 90 <= sum(through) <= ALL.amount


# --- several processes -------------------------------------------------------------------------------------------


def most_in_ten_seconds(moments: list[float]) -> int:
    return max(sum(start <= moment < start + SECONDS - 0.001 for moment in moments) for start in moments)


def test_two_processes_on_one_redis_keep_within_it_together(time: Time, tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        here, there = Budget(Window(server.url)), Budget(Window(server.url))
        made: list[float] = []
        for budget, lane, times, pause in [
            (here, Lane.PEOPLE, 100, 0.0),
            (there, Lane.SWEEPS, 60, 1.3),
            (there, Lane.PEOPLE, 120, 7.1),
            (here, Lane.NEWS, 60, 2.4),
            (there, Lane.PEOPLE, 120, 9.9),
            (here, Lane.PEOPLE, 200, 0.0),
        ]:
            for _ in range(times):
                made += [time.now] if calls(budget, lane) else []
            time.passes(pause)
        assert here.used() == there.used()
    assert most_in_ten_seconds(made) == ALL.amount


@pytest.mark.parametrize("load", [1, 9])
def test_three_processes_keep_within_it_while_redis_goes_and_comes(
    time: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: int
) -> None:
    """A little and far too much, spread evenly as a balancer does it; each finds out for itself that Redis is gone."""
    made: list[float] = []
    with redis_server(tmp_path) as server:
        budgets = [Budget(Window(server.url, steady=SECONDS)) for _ in range(3)]

        def busy_for(seconds: int) -> None:
            for _ in range(seconds):
                for budget in budgets:
                    for _ in range(load):
                        with calling_as(Lane.PEOPLE), suppress(HeldBack):
                            budget.enter()
                            made.append(time.now)
                time.passes(1.0)

        monkeypatch.setattr(webapp.budget, "PATIENCE", 0.0)  # or one who waits holds up the other two
        for happens in (lambda: None, server.stop, server.start, server.stop, server.start):
            happens()
            busy_for(23)
        assert budgets[0].used() == budgets[2].used(), "and all count in one place again"
    assert len(made) > 0.9 * min(load * 3, 18) * 5 * 23, "what is allowed is used"
    assert most_in_ten_seconds(made) <= ALL.amount


@pytest.mark.parametrize(
    ("database_url", "may_call"),
    [("sqlite:///x", ALL.amount), ("postgresql+psycopg://nobody@127.0.0.1:1/x", ALL.amount // ALONE_SHARE)],
)
def test_a_process_that_cannot_see_the_others_takes_a_third(time: Time, database_url: str, may_call: int) -> None:
    budget = create_app(configured(database_url)).extensions["gangway"].budget
    assert budget.used() == 0
    assert calls(budget, Lane.PEOPLE, 100) == min(100, may_call)
    assert budget.used() == pytest.approx(min(100, may_call) / may_call)


# --- who goes first ----------------------------------------------------------------------------------------------


def test_sweeps_and_news_leave_half_of_it_to_people(budget: Budget) -> None:
    assert calls(budget, Lane.SWEEPS, 100) == 45
    assert calls(budget, Lane.NEWS, 100) == 45
    assert calls(budget, Lane.PEOPLE, 90) == 90
    assert budget.used() == pytest.approx(1.0)


def test_people_may_use_all_of_it_and_the_others_have_their_share_again_soon(time: Time, budget: Budget) -> None:
    assert calls(budget, Lane.PEOPLE, 180) == 180
    assert calls(budget, Lane.SWEEPS) == 0
    time.passes(SECONDS + 0.1)
    assert calls(budget, Lane.SWEEPS, 100) == 45, "no lane starves"


def test_a_person_waits_a_moment_and_the_worker_does_not(time: Time, budget: Budget) -> None:
    calls(budget, Lane.PEOPLE, 180)
    time.passes(SECONDS - 1.0)
    with calling_as(Lane.NEWS), pytest.raises(HeldBack) as back:
        budget.enter()
    assert time.slept == 0 and back.value.code == "over_budget"
    assert calls(budget, Lane.PEOPLE) == 1
    assert 0 < time.slept <= PATIENCE


def test_a_person_is_not_kept_waiting_for_long(time: Time, budget: Budget) -> None:
    calls(budget, Lane.PEOPLE, 180)
    with pytest.raises(HeldBack) as back:
        budget.enter()
    assert time.slept <= PATIENCE
    assert back.value.retry_after == pytest.approx(SECONDS, abs=0.2)


# --- when Deck says it is too much -------------------------------------------------------------------------------


def test_after_a_429_everybody_holds_back_as_long_as_deck_wants(time: Time, budget: Budget) -> None:
    calls(budget, Lane.PEOPLE)
    budget.leave(failed=False, busy_for=30)
    for lane in Lane:
        assert calls(budget, lane) == 0
    assert time.slept == 0, "nobody waits for what cannot come in time"
    time.passes(30)
    assert [calls(budget, lane) for lane in Lane] == [1, 1, 1]


def test_a_short_429_is_waited_for_by_people(time: Time, budget: Budget) -> None:
    budget.leave(failed=False, busy_for=1.0)
    assert calls(budget, Lane.PEOPLE) == 1
    assert time.slept == pytest.approx(1.0)


def test_a_shorter_429_does_not_end_a_longer_one(time: Time, budget: Budget) -> None:
    budget.leave(failed=False, busy_for=30)
    budget.leave(failed=False, busy_for=1)
    time.passes(5)
    assert calls(budget, Lane.PEOPLE) == 0


# --- when Deck is in trouble -------------------------------------------------------------------------------------


def fails(budget: Budget, times: int = 1) -> int:
    """So many calls that fail; how many were sent at all."""
    sent = 0
    for _ in range(times):
        try:
            budget.enter()
        except HeldBack:
            continue
        sent += 1
        budget.leave(failed=True)
    return sent


def test_deck_is_left_alone_after_five_failures_and_tried_by_one(time: Time, budget: Budget) -> None:
    assert fails(budget, 20) == TROUBLE
    assert budget.is_in_trouble
    for _ in range(4):
        time.passes(REST_SECONDS + 0.01)
        assert fails(budget, 10) == 1, "one call tries, the others wait for what it finds"
    time.passes(REST_SECONDS + 0.01)
    assert calls(budget, Lane.NEWS, 10) == 10, "it answers: go on"
    assert not budget.is_in_trouble


def test_while_one_tries_the_others_wait(time: Time, budget: Budget) -> None:
    fails(budget, TROUBLE)
    time.passes(REST_SECONDS + 0.01)
    budget.enter()  # it takes a while
    assert calls(budget, Lane.PEOPLE, 5) == 0
    budget.leave(failed=False)
    assert calls(budget, Lane.PEOPLE, 5) == 5


def test_one_that_tries_and_never_comes_back_does_not_close_the_door(time: Time, budget: Budget) -> None:
    fails(budget, TROUBLE)
    time.passes(REST_SECONDS + 0.01)
    budget.enter()  # and its process dies
    time.passes(REST_SECONDS + 0.01)
    assert calls(budget, Lane.PEOPLE) == 1


def test_now_and_then_a_failure_is_no_trouble(time: Time, budget: Budget) -> None:
    for _ in range(20):
        assert fails(budget) == 1
        time.passes(5)
    assert calls(budget, Lane.PEOPLE) == 1
    for _ in range(20):
        assert fails(budget, TROUBLE - 1) == TROUBLE - 1
        assert calls(budget, Lane.PEOPLE) == 1


# --- retries -----------------------------------------------------------------------------------------------------


def test_retries_add_a_tenth_and_no_more(budget: Budget) -> None:
    for _ in range(20):
        budget.may_retry()  # what was saved is spent
    made = retried = 0
    for _ in range(20):
        made += calls(budget, Lane.PEOPLE, 5)
        retried += budget.may_retry()
    assert made == 100
    assert 9 <= retried <= 10


def test_the_client_stops_repeating_itself_when_everything_fails(time: Time, budget: Budget) -> None:
    asked: list[str] = []

    def down(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(500, stream=httpx.ByteStream(b""))

    client = DeckClient(api_key="k", base_url="http://d/v2", gate=budget, transport=httpx.MockTransport(down))
    for _ in range(100):
        with pytest.raises((DeckDown, HeldBack)):
            client.test()
        time.passes(0.6)
    assert len(asked) <= TROUBLE + 60 / REST_SECONDS + 1, (
        "a minute of trouble: the first five, then one in five seconds"
    )
