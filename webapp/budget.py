"""Deck's budget: how often we may call, who goes first, and when to leave it alone. The client asks before each call.

Deck allows an organisation 200 requests in 10 seconds (docs.deck.co/api/rate-limits). We stay under 180, for all
processes together, and keep half of that for people who wait. Processes that cannot see each other take a third each.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum

from limits import RateLimitItemPerSecond

from .deck import HeldBack
from .limits import Window

SECONDS = 10
ALL = RateLimitItemPerSecond(180, SECONDS, namespace="deck")
PATIENCE = 2.0
"""Seconds a person's call waits for its turn; the worker's calls come back later instead."""

TROUBLE, TROUBLE_SECONDS, REST_SECONDS = 5, 10.0, 5.0
"""So many failures in so many seconds, and Deck is left alone for a while; then one call tries."""

RETRY_SHARE, RETRY_PURSE = 0.1, 10.0
"""Each call earns a tenth of a retry: when everything fails, we add a tenth to Deck's load and no more."""


class Lane(IntEnum):
    """Who calls. A lane may use its own share and that of the lanes after it."""

    PEOPLE = 0
    NEWS = 1
    """What an event told us to look at, and writes that people are not waiting for."""
    SWEEPS = 2


SHARES = {
    Lane.NEWS: RateLimitItemPerSecond(90, SECONDS, namespace="deck-news"),
    Lane.SWEEPS: RateLimitItemPerSecond(45, SECONDS, namespace="deck-sweeps"),
}

_lane: ContextVar[Lane] = ContextVar("lane", default=Lane.PEOPLE)


def lane() -> Lane:
    """The one that calls are made in now."""
    return _lane.get()


@contextmanager
def calling_as(lane: Lane) -> Iterator[None]:
    """Calls to Deck inside are made in *lane*."""
    token = _lane.set(lane)
    try:
        yield
    finally:
        _lane.reset(token)


class Budget:
    """What the Deck client asks before a call and tells after it (`webapp.deck.gate.Gate`)."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._lock = threading.Lock()
        self._failures: deque[float] = deque(maxlen=TROUBLE)
        self._in_trouble = False
        self._rests_until = 0.0
        self._held_until = 0.0
        self._retries = RETRY_PURSE

    # --- the gate ------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Take one call out of the budget; `HeldBack` when there is none to be had now."""
        self._rest()
        lane, until = _lane.get(), time.monotonic() + PATIENCE
        while wait := self._wait_for(lane):
            if lane is not Lane.PEOPLE or time.monotonic() + wait > until:
                raise held_back("our allowance at Deck is used up", "over_budget", wait)
            time.sleep(wait)
        with self._lock:
            self._retries = min(self._retries + RETRY_SHARE, RETRY_PURSE)

    def may_retry(self) -> bool:
        """Take one retry out of the purse, if there is one."""
        with self._lock:
            if self._retries < 1:
                return False
            self._retries -= 1
            return True

    def leave(self, *, failed: bool, busy_for: float | None = None) -> None:
        """How the call went: *failed* when Deck did not answer or said 5xx, *busy_for* seconds when it said 429."""
        with self._lock:
            now = time.monotonic()
            if busy_for is not None:
                self._held_until = max(self._held_until, now + busy_for)
            if not failed:
                self._failures.clear()
                self._in_trouble, self._rests_until = False, 0.0
                return
            self._failures.append(now)
            often = len(self._failures) == TROUBLE and now - self._failures[0] < TROUBLE_SECONDS
            self._in_trouble = self._in_trouble or often
            if self._in_trouble:
                self._rests_until = now + REST_SECONDS

    # --- what others want to know --------------------------------------------------------------------------

    @property
    def is_in_trouble(self) -> bool:
        """Whether Deck failed so often that we let it rest between tries, until one of them succeeds."""
        return self._in_trouble

    def used(self) -> float:
        """The share of the allowance that is used now, 0 to 1."""
        return self._window.used(ALL)

    # --- turns ---------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """While Deck rests nobody calls; then one call tries, and the others go on waiting for what it finds."""
        with self._lock:
            now = time.monotonic()
            if now < self._rests_until:
                raise held_back("Deck has failed too often just now", "resting", self._rests_until - now)
            if self.is_in_trouble:
                self._rests_until = now + REST_SECONDS

    def _wait_for(self, lane: Lane) -> float:
        """Seconds until *lane* may call; 0 when it may, and has used its turn."""
        held = self._held_until - time.monotonic()
        if held > 0:
            return held
        shares = [item for share, item in SHARES.items() if share <= lane]
        for item in shares:
            if not self._window.left(item):
                return self._window.wait(item)
        if not self._window.hit(ALL):  # last and atomic: whatever the lanes do, all of them together stay below
            return self._window.wait(ALL)
        for item in shares:
            self._window.hit(item)
        return 0.0


def held_back(what: str, code: str, seconds: float) -> HeldBack:
    error = HeldBack(what, code=code)
    error.retry_after = seconds
    return error
