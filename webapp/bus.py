"""A doorbell per topic. It carries nothing and may lose a ring: the database is the truth."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

WORK = "work"
"""Rung when the worker has something to do."""

INBOX = "inbox"
"""Rung when an event has come."""

VISIT = "visit/"

CHANNEL = "gangway/rings"
PEER_SILENCE = 2.0
"""Seconds after which to look for oneself while other processes cannot be heard."""
COME_BACK = 1.0
MOST_TO_TELL = 1_000
"""Topics kept for other processes while Redis is away. What is more than that is `EVERYTHING`."""
EVERYTHING = "*"

log = logging.getLogger("gangway.bus")


def visit_topic(ref: str) -> str:
    """A connect session's."""
    return f"{VISIT}{ref}"


def person_topic(person_id: int) -> str:
    return f"person/{person_id}"


class Bell:
    """Wakes one listener. Rings coalesce, so there is no queue to overflow.

    A lock that is held until it rings: the smallest thing that can be waited for with a time limit.
    """

    __slots__ = ("_silent", "rang_at")

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()
        self.rang_at = 0.0
        """`time.monotonic()` of the latest ring, 0 after a wait in vain."""

    def ring(self) -> None:
        with suppress(RuntimeError):  # it has rung already
            self.rang_at = time.monotonic()
            self._silent.release()

    def wait(self, seconds: float) -> bool:
        """Whether it rang within *seconds*; silent again afterwards."""
        rang = self._silent.acquire(timeout=seconds)
        if not rang:
            self.rang_at = 0.0
        return rang


class Bus:
    """The bells of this process."""

    patience = float("inf")
    """Seconds a listener may wait without looking for itself: in one process no ring is lost."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, set[Bell]] = defaultdict(set)
        self._lock = threading.Lock()
        self.closing = False
        """Set when the process is about to end: every listener should say goodbye."""

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Bell]:
        """A bell that rings with any of *topics*."""
        bell = Bell()
        with self._lock:
            for topic in topics:
                self._bells[topic].add(bell)
        try:
            yield bell
        finally:
            with self._lock:
                for topic in topics:
                    self._bells[topic].discard(bell)
                    if not self._bells[topic]:
                        del self._bells[topic]

    def topics(self, prefix: str) -> list[str]:
        """What somebody listens for in this process, without the *prefix*."""
        with self._lock:
            return [topic.removeprefix(prefix) for topic in self._bells if topic.startswith(prefix)]

    def ring(self, topic: str) -> None:
        with self._lock:
            bells = list(self._bells.get(topic, ()))
        for bell in bells:
            bell.ring()

    def ring_all(self) -> None:
        with self._lock:
            bells = [bell for listeners in self._bells.values() for bell in listeners]
        for bell in bells:
            bell.ring()

    def close(self) -> None:
        """Wake every listener for good."""
        self.closing = True
        self.ring_all()


class ApartBus(Bus):
    """Several processes and nothing between them: each looks for itself, often."""

    patience = PEER_SILENCE


class RedisBus(Bus):
    """Rings in every process, through one Redis channel.

    Two threads of its own talk to Redis, so nobody who rings or listens ever waits for it. While it is away
    listeners look for themselves; when it comes back everybody looks once, for rings that were missed.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._hears = False
        self._to_tell: set[str] = set()
        self._something_to_tell = Bell()
        self._started = False
        self._is_away = False

    @property
    def patience(self) -> float:  # type: ignore[override]
        return float("inf") if self._hears else PEER_SILENCE

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Bell]:
        self._start()
        with super().listen(*topics) as bell:
            yield bell

    def ring(self, topic: str) -> None:
        super().ring(topic)
        self._start()
        with self._lock:
            self._to_tell.add(topic)
            if len(self._to_tell) > MOST_TO_TELL:
                self._to_tell = {EVERYTHING}
        self._something_to_tell.ring()

    def close(self) -> None:
        super().close()
        self._something_to_tell.ring()

    # --- the two threads -----------------------------------------------------------------------------------

    def _start(self) -> None:
        """On first use: a server forks after the app is made, and threads do not survive that."""
        with self._lock:
            if self._started:
                return
            self._started = True
        for name, work in (("bell-out", self._tell), ("bell-in", self._hear)):
            threading.Thread(target=self._keep_at_it, args=(work,), name=name, daemon=True).start()

    def _keep_at_it(self, work: Any) -> None:
        from redis import Redis, RedisError

        pause = Bell()
        while not self.closing:
            try:
                with Redis.from_url(self._url, socket_timeout=1.0) as redis:
                    work(redis)
            except (RedisError, OSError) as error:
                if not self._is_away:  # said once, not every second
                    log.warning("redis is away: %s", type(error).__name__)
                self._is_away = True
                pause.wait(COME_BACK)

    def _tell(self, redis: Any) -> None:
        while not self.closing:
            if not self._to_tell:
                self._something_to_tell.wait(60)
            with self._lock:
                topics, self._to_tell = self._to_tell, set()
            try:
                for topic in list(topics):
                    redis.publish(CHANNEL, topic)
                    topics.discard(topic)
            finally:
                with self._lock:
                    self._to_tell |= topics  # what could not be told is told when Redis is back

    def _hear(self, redis: Any) -> None:
        with redis.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(CHANNEL)
            heard, asked = time.monotonic(), -PEER_SILENCE
            try:
                while not self.closing:
                    if time.monotonic() - asked > PEER_SILENCE / 2:
                        channel.ping()
                        asked = time.monotonic()
                    message = channel.get_message(timeout=0.5)
                    if message is None:
                        if time.monotonic() - heard > PEER_SILENCE:
                            raise TimeoutError("connected, but silent")
                        continue
                    heard = time.monotonic()
                    if message["type"] != "pong":
                        self._ring_here(message["data"].decode("utf-8", "replace"))
                    elif not self._hears:  # only now is it certain that it listens to us
                        self._hears, self._is_away = True, False
                        self.ring_all()
            finally:
                if self._hears:
                    self._hears = False
                    self.ring_all()  # whoever waits began to when no ring was lost: now they look for themselves

    def _ring_here(self, topic: str) -> None:
        if topic == EVERYTHING:
            self.ring_all()
        else:
            super().ring(topic)


def bus_for(redis_url: str, *, may_have_peers: bool) -> Bus:
    """What carries rings: nothing is needed where one process does everything."""
    if redis_url:
        return RedisBus(redis_url)
    return ApartBus() if may_have_peers else Bus()
