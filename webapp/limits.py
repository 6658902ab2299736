"""How often somebody may try something, counted for all processes when there is a Redis."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from . import logs


def limit(name: str, how_often: str) -> RateLimitItem:
    """Its name keeps it apart from every other limit that is as often and counts the same people or addresses."""
    item = parse(how_often)
    return type(item)(item.amount, item.multiples, namespace=name)


SIGN_IN_PER_ACCOUNT = limit("sign-in/account", "10/15minutes")
SIGN_IN_PER_ADDRESS = limit("sign-in/address", "60/15minutes")
STAFF_SIGN_IN_PER_ADDRESS = limit("staff-sign-in/address", "50/15minutes")
"""Passwords and codes together. What one account may try is counted in its row."""
STAFF_SIGN_IN_FROM_STRANGERS = limit("staff-sign-in/strangers", "300/15minutes")
"""From all addresses together where nobody of the staff was let in lately: guessers with many addresses."""
SSO_PER_ADDRESS = limit("sso/address", "50/15minutes")
"""To the provider and back again are two. Nobody is kept from their password by it."""
SIGN_UP_PER_ADDRESS = limit("sign-up/address", "20/hour")
SECRETS_PER_PERSON = limit("secrets/person", "30/15minutes")
"""Sign-ins and answers somebody sends to websites through us: nobody should stuff credentials with our help."""
RUNS_PER_PERSON = limit("runs/person", "30/15minutes")
"""Each costs the operator money."""
USERNAMES_PER_PERSON = limit("usernames/person", "60/15minutes")
"""Looks at Deck for the username in a form: each is a call of the few that all people share."""
API_PER_HOST = limit("api/host", "600/minute")
RESENDS_PER_DELIVERY = limit("resends/delivery", "10/hour")
"""Each is up to nine calls, and all of them are kept."""
API_TRIES_PER_ADDRESS = limit("api-tries/address", "60/15minutes")
"""Calls without a valid key."""
DOWNLOADS_PER_PERSON = limit("downloads/person", "60/hour")
"""Each is held in memory while it passes through."""
VISITS_PER_PERSON = limit("visits/person", "60/hour")
ACTS_PER_STAFF = limit("acts/staff", "60/15minutes")
BULK_ACTS_PER_STAFF = limit("bulk-acts/staff", "10/15minutes")
"""Acts that touch many people's things at once."""
REVEALS_PER_STAFF = limit("reveals/staff", "20/hour")
"""Whole emails shown."""
ERRORS_PER_PERSON = limit("errors/person", "30/hour")
"""Error pages with a support code of their own; the others have a reference only."""
SEARCHES_PER_STAFF = limit("searches/staff", "120/minute")

PATIENCE = 0.5
"""Seconds until Redis is given up for now: whoever counts has somebody waiting."""
TRY_REDIS_AGAIN = 5.0
SWEEP_EVERY = 10.0
"""Seconds between two looks for tries that are long ago, in this process's memory."""
ALONE_SHARE = 3
"""Processes that may have peers and cannot see them take a third each of what all of them may.

So three keep within it, and a fourth is one too many.
"""

log = logging.getLogger("gangway.limits")


class Memory(MemoryStorage):
    """What this process counts. Anybody can add to it, so whose tries are long ago is forgotten.

    The library looks through everything it knows after every try: with 20,000 people that takes 12 ms each time. And
    it forgets tries only, never whose they were.
    """

    def __init__(self) -> None:
        self._sweep_at = 0.0
        self._lock = threading.RLock()
        super().__init__()
        # One for all names: the library throws a name's lock away while others wait for it, and makes a new one.
        self.locks = defaultdict(lambda: self._lock)

    def _MemoryStorage__schedule_expiry(self) -> None:  # the library's own, by its mangled name
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_EVERY
            super()._MemoryStorage__schedule_expiry()  # type: ignore[misc]

    def _MemoryStorage__expire_events(self) -> None:
        super()._MemoryStorage__expire_events()  # type: ignore[misc]
        for name in list(self.events):
            with self._lock:
                if not self.events.get(name):
                    self.events.pop(name, None)


class Window:
    """A moving window. In Redis when there is one; in this process without it, or as long as it is away.

    Where it *may have peers*, this process then takes its share and no more.

    One that is *steady* counts here as well what it counts in Redis, and when Redis is back keeps to its share for so
    many seconds: until everybody has found it again, and Redis has seen a whole window. So processes that share the
    work evenly keep within the limit also while Redis goes and comes.
    """

    def __init__(self, redis_url: str = "", *, may_have_peers: bool = False, steady: float = 0.0) -> None:
        self._share = ALONE_SHARE if redis_url or may_have_peers else 1
        self._memory = Memory()
        self._alone = MovingWindowRateLimiter(self._memory)
        self._shared: MovingWindowRateLimiter | None = None
        self._away_until = 0.0
        self._steady = steady
        self._settled_at = 0.0
        if redis_url:
            self._shared = MovingWindowRateLimiter(_redis(redis_url))

    def hit(self, item: RateLimitItem, *who: str) -> bool:
        """Count one; False when that was one too many."""
        own, is_settling = self._own(item), time.monotonic() < self._settled_at
        shared = self._reachable()
        if shared is None or is_settling:
            mine = self._alone.hit(own, *who)
            if shared is None or not mine:
                return mine
        try:
            allowed = shared.hit(item, *who)
        except StorageError as error:
            self._lost(error)
            return is_settling or self._alone.hit(own, *who)
        if allowed and self._steady and not is_settling:  # by the limit of all: each of them counts
            self._memory.acquire_entry(own.key_for(*who), item.amount, item.get_expiry())
        return allowed

    def left(self, item: RateLimitItem, *who: str) -> int:
        return self._stats(item, *who)[1]

    def used(self, item: RateLimitItem, *who: str) -> float:
        """0 to 1: of what all processes may, or of what this one may by itself."""
        _, left, most = self._stats(item, *who)
        return 1 - left / most

    def wait(self, item: RateLimitItem, *who: str) -> float:
        """Seconds until there is room for one more."""
        return max(0.05, self._stats(item, *who)[0] - time.time())

    def _stats(self, item: RateLimitItem, *who: str) -> tuple[float, int, int]:
        """When there is room for one more, how many are left now, and of how many."""
        if time.monotonic() >= self._settled_at and (shared := self._reachable()):
            try:
                return *shared.get_window_stats(item, *who), item.amount
            except StorageError as error:
                self._lost(error)
        own = self._own(item)
        return *self._alone.get_window_stats(own, *who), own.amount

    def _own(self, item: RateLimitItem) -> RateLimitItem:
        return type(item)(max(1, item.amount // self._share), item.multiples, namespace=item.namespace)

    def _reachable(self) -> MovingWindowRateLimiter | None:
        return self._shared if time.monotonic() >= self._away_until else None

    def _lost(self, error: StorageError) -> None:
        self._away_until = time.monotonic() + TRY_REDIS_AGAIN
        self._settled_at = self._away_until + TRY_REDIS_AGAIN + self._steady if self._steady else 0.0
        log.warning("redis is away, counting in this process: %s", type(error.storage_error).__name__)


def _redis(url: str) -> RedisStorage:
    return RedisStorage(url, wrap_exceptions=True, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)


class Limits:
    """What people may do how often."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def allows(self, limit: RateLimitItem, *who: str) -> bool:
        """Count one try by *who*; False when that was one too many."""
        return self._window.hit(limit, *who)

    def count(self, limit: RateLimitItem, *who: str) -> None:
        """Count one try by *who*; 429 with a Retry-After in seconds when that was one too many."""
        if not self.allows(limit, *who):
            logs.event("excess_rate_limit_exceeded", limit=str(limit))
            raise TooManyRequests(retry_after=max(1, round(self._window.wait(limit, *who))))
