"""The bell in one process, in several without anything between them, and through a Redis that comes and goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import settings
from tests.faults.redis_server import RedisServer, redis_server
from webapp import create_app
from webapp.bus import MOST_TO_TELL, PEER_SILENCE, ApartBus, Bell, Bus, RedisBus

SOON = 30.0
"""Far longer than anything here takes."""


def until(true: Callable[[], bool], seconds: float = SOON) -> bool:
    """Whether it becomes *true* soon."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        threading.Event().wait(0.005)
    return true()


# --- one process -------------------------------------------------------------------------------------------------


def test_a_bell_rings_once_however_often_it_is_rung() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)


def test_only_who_listens_for_it_hears_a_ring() -> None:
    bus = Bus()
    with bus.listen("a", "b") as ab, bus.listen("c") as c:
        bus.ring("b")
        assert ab.wait(0) and not c.wait(0)
        bus.ring("nobody listens")
    assert bus.topics("") == [], "nobody is left"


def test_topics_of_a_kind_are_known() -> None:
    bus = Bus()
    with bus.listen("visit/1", "person/7"), bus.listen("visit/2"):
        assert sorted(bus.topics("visit/")) == ["1", "2"]


def test_everybody_wakes_when_it_closes() -> None:
    bus = Bus()
    with bus.listen("a") as a, bus.listen("b") as b:
        bus.close()
        assert a.wait(0) and b.wait(0) and bus.closing


def test_what_carries_the_bell_follows_from_who_is_there() -> None:
    here, large = settings("sqlite:///x"), settings("postgresql+psycopg://x/y")
    for app in (create_app(large), create_app(here, serves="web"), create_app(here, beside_others=True)):
        assert type(bus_of(app)) is ApartBus and bus_of(app).patience == PEER_SILENCE
    assert type(bus_of(create_app(here))) is Bus and bus_of(create_app(here)).patience == float("inf")
    assert type(bus_of(create_app(settings("sqlite:///x", redis_url="redis://127.0.0.1:1")))) is RedisBus


def bus_of(app: Flask) -> Bus:
    bus: Bus = app.extensions["gangway"].bus
    return bus


# --- Redis -------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def two(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RedisBus, RedisBus]]:
    """The buses of two processes."""
    monkeypatch.setattr("webapp.bus.COME_BACK", 0.02)
    buses = RedisBus(server.url), RedisBus(server.url)
    for bus in buses:
        with bus.listen("warm"):
            assert until(lambda bus=bus: bus._hears)
    yield buses
    for bus in buses:
        bus.close()


def test_a_ring_is_heard_in_the_other_process(two: tuple[RedisBus, RedisBus]) -> None:
    here, there = two
    with there.listen("visit/1") as bell, here.listen("visit/1") as own:
        here.ring("visit/1")
        assert own.wait(0), "at once where it was rung"
        assert bell.wait(SOON)
    assert here.patience == there.patience == float("inf")


def test_while_redis_is_away_everybody_looks_for_themselves_and_rings_at_home_work(
    two: tuple[RedisBus, RedisBus], server: RedisServer
) -> None:
    here, there = two
    with here.listen("a") as own, there.listen("a") as bell:
        server.stop()
        assert until(lambda: here.patience == there.patience == PEER_SILENCE)
        own.wait(0)
        began = time.monotonic()
        here.ring("a")
        assert own.wait(0) and time.monotonic() - began < 5, "nobody waits for Redis"
        server.start()
        assert bell.wait(SOON), "when it is back everybody looks once"
        assert until(lambda: here.patience == there.patience == float("inf"))
        while bell.wait(0.1):
            pass
        here.ring("a")
        assert bell.wait(SOON)


def test_whoever_waits_when_redis_goes_away_is_woken(two: tuple[RedisBus, RedisBus], server: RedisServer) -> None:
    """They began to wait when no ring could be lost, for as long as they like."""
    here, there = two
    with here.listen("a") as own, there.listen("b") as bell:
        server.stop()
        assert own.wait(SOON) and bell.wait(SOON)
        assert here.patience == there.patience == PEER_SILENCE, "the next wait is a short one"


def test_what_cannot_be_told_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = RedisBus("redis://127.0.0.1:1")
    monkeypatch.setattr(bus, "_start", lambda: None)  # Redis is away for long: nothing is ever told
    for n in range(3 * MOST_TO_TELL):
        bus.ring(f"visit/{n}")
    assert len(bus._to_tell) <= MOST_TO_TELL


def test_more_than_can_be_told_one_by_one_wakes_everybody_there(two: tuple[RedisBus, RedisBus]) -> None:
    here, there = two
    with there.listen("visit/1") as bell, there.listen("person/7") as other:
        with here._lock:
            here._to_tell = {f"visit/{n}" for n in range(MOST_TO_TELL)}
        here.ring("one more")
        assert bell.wait(SOON) and other.wait(SOON)


def test_a_redis_that_was_emptied_loses_nothing(two: tuple[RedisBus, RedisBus], server: RedisServer) -> None:
    here, there = two
    with there.listen("a") as bell:
        server.says("FLUSHALL")
        here.ring("a")
        assert bell.wait(SOON)


def test_a_redis_that_hangs_holds_nobody_up(two: tuple[RedisBus, RedisBus], server: RedisServer) -> None:
    here, there = two
    with here.listen("a") as own, there.listen("a") as bell:
        server.hangs()
        began = time.monotonic()
        for _ in range(100):
            here.ring("a")
        assert own.wait(0) and time.monotonic() - began < 5, "a hundred times nothing"
        assert until(lambda: here.patience == PEER_SILENCE, 10), "it is noticed"
        server.goes_on()
        assert bell.wait(SOON)


def test_a_process_ends_though_redis_is_away(server: RedisServer) -> None:
    bus = RedisBus(server.url)
    with bus.listen("a") as bell:
        until(lambda: bus._hears)
        server.stop()
        bus.close()
        assert bell.wait(0)
    names = {"bell-in", "bell-out"}
    assert until(lambda: not [t for t in threading.enumerate() if t.name in names and t.is_alive()], 10)
