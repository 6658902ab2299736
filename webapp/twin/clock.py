"""The twin's virtual clock and its timers. It never looks at the real time: whoever drives it does."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

T0 = datetime(2025, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=1)

DURATIONS = {
    "run_queue": "1s",
    "session_start": "1s",
    "auth": "2s",
    "answer_check": "1s",
    "run_settle": "10s",
    "cancel_settle": "1s",
    "session_idle_close": "10m",
    "interaction_window": "120s",
    "review_window": "24h",
    "run_timeout": "30m",
    "idempotency_ttl": "24h",
    "link_ttl": "15m",
    "delivery_delay": "0s",
    "delivery_timeout": "5s",
    "secret_rollover": "24h",
}
"""How long things take, by name. Deck publishes the 30 minutes, both 24 hours and the session's 10 idle minutes;
the others are ours. `delivery_timeout` is real time, as a receiver takes it."""

DELIVERY_RETRY = ["30s", "60s", "120s"]
"""Waits before the three retries. Deck publishes their number, not their length."""

LONGEST = timedelta(days=36_500)
"""More than this is a mistake, and would run off the calendar."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(value: object) -> timedelta:
    """``"250ms"``, ``"5s"``, ``"2m"``, ``"1h"``, ``"1d"`` or a number of seconds; ValueError otherwise."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if match:
        seconds = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        raise ValueError(f"{value!r} is not a duration such as 250ms, 5s, 2m, 1h or 1d")
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise ValueError(f"{value!r} is not between 0s and {LONGEST.days}d")
    return timedelta(seconds=seconds)


def moment(value: datetime) -> str:
    """ISO-8601 UTC with milliseconds and Z, as all the twin's times are written."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def parse_moment(value: str) -> datetime:
    """Reads what `moment` writes, and any ISO-8601 time with a zone; ValueError otherwise."""
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    try:
        return parsed.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{value!r} is off the calendar") from error


@dataclass(order=True)
class Timer:
    """Something that will happen: plain data, so that worlds can be copied."""

    due_at: datetime
    seq: int
    name: str = field(compare=False)
    args: dict[str, Any] = field(compare=False)


def ids_in(args: dict[str, Any]) -> list[str]:
    """The ids a timer can be dropped by."""
    return [value for name, value in args.items() if name.endswith("_id")]


class Clock:
    """Virtual time: frozen until advanced, or following real time at *rate*."""

    def __init__(self, t0: datetime = T0) -> None:
        self.t0 = self.now = t0
        self.mode: Literal["frozen", "realtime"] = "frozen"
        self.rate = 1.0
        self.durations = dict(DURATIONS)
        self.delivery_retry = list(DELIVERY_RETRY)
        self._timers: dict[int, Timer] = {}
        self._queue: list[tuple[datetime, int]] = []
        """Which timer comes when. A dropped one keeps its place here until it comes to the front."""
        self._about: dict[str, list[int]] = {}
        """The timers that carry each id."""
        self._seq = 0

    def tick(self) -> datetime:
        """One millisecond on: every change gets a time of its own, so created_at orders events."""
        self.now += TICK
        return self.now

    def span(self, name: str) -> timedelta:
        return duration(self.durations[name])

    def after(self, wait: timedelta, name: str, **args: Any) -> Timer:
        self._seq += 1
        timer = Timer(self.now + wait, self._seq, name, args)
        self._timers[timer.seq] = timer
        heapq.heappush(self._queue, (timer.due_at, timer.seq))
        for id in ids_in(args):
            self._about.setdefault(id, []).append(timer.seq)
        return timer

    def due(self, until: datetime) -> Timer | None:
        """Take the next timer due by *until* off the list and move time to it; None when there is none.

        What is due by now is always due: ticks may have carried the time past *until*.
        """
        if self.next_due is None or self.next_due > max(until, self.now):
            return None
        timer = self._forget(self._queue[0][1])
        self.now = max(self.now, timer.due_at)
        return timer

    def drop(self, *, but: str = "", **args: Any) -> None:
        """Forget the timers that carry all of *args*, an id among them, except those called *but*."""
        for seq in list(self._about.get(ids_in(args)[0], ())):
            timer = self._timers[seq]
            if timer.name != but and args.items() <= timer.args.items():
                self._forget(seq)

    def _forget(self, seq: int) -> Timer:
        timer = self._timers.pop(seq)
        for id in ids_in(timer.args):
            self._about[id].remove(seq)
            if not self._about[id]:
                del self._about[id]
        while self._queue and self._queue[0][1] not in self._timers:
            heapq.heappop(self._queue)
        if len(self._queue) > 2 * len(self._timers) + 100:  # most places are those of dropped ones
            self._queue = sorted((timer.due_at, timer.seq) for timer in self._timers.values())
        return timer

    @property
    def timers(self) -> list[Timer]:
        return sorted(self._timers.values())

    @property
    def next_due(self) -> datetime | None:
        return self._queue[0][0] if self._queue else None
