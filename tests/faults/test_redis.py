"""Redis down, hung, or restarted empty in the middle of things: slower, never wrong."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.deck.once import BANK, CARD, CODE, PASSWORD, looks
from tests.faults.redis_server import RedisServer, redis_server
from tests.people import Deck, Visitor
from webapp.bus import PEER_SILENCE, RedisBus
from webapp.limits import ALONE_SHARE, SIGN_IN_PER_ACCOUNT, Limits, Window


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    monkeypatch.setattr("webapp.limits.PATIENCE", 0.5)  # as in the product: here it is about how soon we give up
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def with_redis(app: Flask, server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """The app with its bell and its limits in Redis."""
    monkeypatch.setattr("webapp.bus.COME_BACK", 0.02)
    parts = app.extensions["gangway"]
    bus = RedisBus(server.url)
    app.extensions["gangway"] = dataclasses.replace(parts, bus=bus, limits=Limits(Window(server.url)))
    yield server
    bus.close()


def restarts(server: RedisServer) -> None:
    server.stop()
    server.start()


TROUBLES: dict[str, Callable[[RedisServer], None]] = {
    "down": lambda server: server.stop(),
    "hung": lambda server: server.hangs(),
    "emptied": lambda server: server.says("FLUSHALL"),
    "restarted empty": restarts,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_r20_robin_notices_nothing(with_redis: RedisServer, app: Flask, deck: Deck, trouble: str) -> None:
    robin = Visitor(app)
    robin.signs_up("robin@sample.example")
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    TROUBLES[trouble](with_redis)
    began = time.monotonic()
    assert looks(robin) == "interaction", "the session is in the database"
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    assert looks(robin) == "outcome"
    robin.posts("/sign-out")
    robin.opens("/sign-in")
    robin.presses("Sign in", email="robin@sample.example", password="correct horse battery")
    assert robin.page.url.path == "/connections"
    assert time.monotonic() - began < 20, "nobody waits for Redis again and again"
    assert app.extensions["gangway"].bus.patience in (float("inf"), PEER_SILENCE), "streams look for themselves"


@pytest.mark.parametrize("trouble", ["down", "hung"])
def test_r20_limits_go_on_in_each_process_and_are_stricter(with_redis: RedisServer, app: Flask, trouble: str) -> None:
    limits = app.extensions["gangway"].limits
    assert limits.allows(SIGN_IN_PER_ACCOUNT, "robin")
    TROUBLES[trouble](with_redis)
    began = time.monotonic()
    allowed = sum(limits.allows(SIGN_IN_PER_ACCOUNT, "robin") for _ in range(20))
    assert allowed == SIGN_IN_PER_ACCOUNT.amount // ALONE_SHARE
    assert time.monotonic() - began < 3, "asked once, not twenty times"


def test_r20_a_redis_that_comes_back_counts_again(
    with_redis: RedisServer, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.limits.TRY_REDIS_AGAIN", 0.0)
    limits = app.extensions["gangway"].limits
    with_redis.stop()
    limits.allows(SIGN_IN_PER_ACCOUNT, "robin")
    with_redis.start()
    allowed = sum(limits.allows(SIGN_IN_PER_ACCOUNT, "robin") for _ in range(20))
    assert allowed == SIGN_IN_PER_ACCOUNT.amount
