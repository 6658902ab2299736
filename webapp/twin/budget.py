"""Deck's request budget: 200 requests in 10 seconds for the whole organisation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .clock import duration
from .errors import ControlError, VendorError
from .objects import Object

if TYPE_CHECKING:
    from .world import World

DECKS_REQUESTS = 200
DECKS_PERIOD = "10s"
ALMOST_ONE = 1 - 1e-9
"""A token that only rounding keeps from being whole is whole."""


class Bucket:
    """*limit* tokens that come back evenly over *per*, in virtual time."""

    def __init__(self, limit: int, per: timedelta) -> None:
        self.limit, self.per = limit, per
        self.tokens = float(limit)
        self.seen: datetime | None = None

    def take(self, now: datetime) -> timedelta | None:
        """Take a token; when there is none, how long until the next one."""
        passed = max(now - self.seen, timedelta()) if self.seen else timedelta()
        self.seen = now
        self.tokens = min(float(self.limit), self.tokens + self.limit * (passed / self.per))
        if self.tokens >= ALMOST_ONE:
            self.tokens -= 1
            return None
        return self.per * ((1 - self.tokens) / self.limit)


class Budget:
    """The organisation's budget, shared by all its keys.

    Unless somebody decides otherwise it is on while time runs by itself, and off while the clock stands still:
    then it would never be replenished.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.decided: bool | None = None
        self.requests, self.per = DECKS_REQUESTS, DECKS_PERIOD
        self.bucket = Bucket(self.requests, duration(self.per))

    @property
    def on(self) -> bool:
        return self.world.clock.mode == "realtime" if self.decided is None else self.decided

    def spend(self) -> None:
        """Take note of a request; Deck's 429 when there were too many. Deck documents no `Retry-After`."""
        if self.on and self.bucket.take(self.world.clock.now) is not None:
            raise VendorError(429, "rate_limit", "rate_limit_exceeded", "Too many requests.")

    def set(self, requests: object, per: object) -> None:
        """A budget of *requests* in *per*, from now on."""
        limit, period = check_rate(requests, per)
        self.decided, self.requests, self.per = True, limit, str(per)
        self.bucket = Bucket(limit, period)

    def switch_off(self) -> None:
        self.decided = False

    def view(self) -> Object:
        return {"on": self.on, "requests": self.requests, "per": self.per}


def check_rate(limit: object, per: object) -> tuple[int, timedelta]:
    """422 unless *limit* is a whole number from 1 on and *per* a duration longer than nothing."""
    if type(limit) is not int or limit < 1:
        raise ControlError(422, "unknown_field", f"a limit is a whole number from 1 on, not {limit!r}")
    try:
        period = duration(per)
    except ValueError as error:
        raise ControlError(422, "invalid_duration", str(error)) from error
    if not period:
        raise ControlError(422, "invalid_duration", "per is longer than 0s")
    return limit, period
