"""What happens, told while it happens: server-sent events for a developer's terminal or page.

A line says what happened and where to read more; bodies are in the journal. Each listener has a queue of its own that
holds so many lines and no more: who does not keep up is told so and let go.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING

from .clock import moment
from .errors import ControlError
from .matching import fits
from .objects import Object

if TYPE_CHECKING:
    from .world import World

KINDS = ("request", "event", "delivery", "clock")
FILTERS = ("event_type", "subject", "operation", "destination_id")
"""What lines can be chosen by. A line that has no such thing is not one of them."""
MOST_WAITING = 1000
"""Lines that wait for one listener."""
MOST_LISTENERS = 100
HEARTBEAT = 15.0
"""Real seconds between signs of life: without them nobody notices that a listener has gone."""

OF_A_REQUEST = ("seq", "request_id", "at", "method", "path", "operation", "idempotent_replay", "fault_id", "trace_id")


@dataclass(frozen=True)
class End:
    """When a stream is over although everybody is still there: after so many lines, or at a real moment."""

    lines: int | None = None
    at: datetime | None = None
    real_now: Callable[[], datetime] | None = None

    def seconds_left(self) -> float:
        return (self.at - self.real_now()).total_seconds() if self.at and self.real_now else inf


class Stream:
    """Where a world tells what happens. Whoever tells holds the world's lock; listeners wait without it."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.told = 0
        self._closed = False
        self._clock: object = None
        """The clock as it was told last."""

    def listen(self, world: World, kinds: Collection[str], wanted: Mapping[str, str], end: End) -> Listener:
        """A new listener, who hears where *world* is and then, until the *end*, the lines of *kinds* as *wanted*."""
        if len(self.listeners) >= MOST_LISTENERS:
            raise ControlError(503, "too_many_listeners", f"{MOST_LISTENERS} are listening already")
        listener = Listener(self._leave, kinds, wanted, end)
        listener.hear(sse("hello", {**clock_line(world), "seq": world.seq}), counts=False)
        self._clock = clock_state(world)
        self.listeners.append(listener)
        if self._closed:
            listener.end()
        return listener

    def close(self) -> None:
        """End every stream, as the server is about to stop."""
        self._closed = True
        for listener in list(self.listeners):
            listener.end()

    def _leave(self, listener: Listener) -> None:
        with suppress(ValueError):  # it may have left already
            self.listeners.remove(listener)

    # --- telling -------------------------------------------------------------------------------------------

    def request(self, entry: Object) -> None:
        if self.listeners:
            line = {name: entry[name] for name in OF_A_REQUEST}
            line |= {"status": entry["response"]["status"], "caused": entry["caused"], "real_ms": entry["real_ms"]}
            self._tell("request", line, {"operation": entry["operation"]})

    def event(self, event: Object) -> None:
        if self.listeners:
            type, subject = event["type"], event["_subject"]
            line = {"id": event["id"], "type": type, "subject": subject, "at": event["created_at"]}
            self._tell("event", line, {"event_type": type, "subject": subject})

    def delivery(self, delivery: Object, event: Object, attempt: Object | None = None) -> None:
        """A delivery that was attempted, held, dropped or given up."""
        if self.listeners:
            line = {name: delivery[name] for name in ("id", "event_id", "event_type")}
            line |= {"destination_id": delivery["event_destination_id"], "status": delivery["_state"]}
            line |= {"next_attempt_at": delivery["_next_at"], "attempt": attempt and outcome(attempt)}
            facts = {name: line[name] for name in ("event_type", "destination_id")}
            self._tell("delivery", line, {**facts, "subject": event["_subject"]})

    def clock(self, world: World) -> None:
        """The clock, if it is not as it was told last. Where time passes by itself, that it does is no news."""
        if self.listeners and self._clock != (state := clock_state(world)):
            self._clock = state
            self._tell("clock", clock_line(world), {})

    def _tell(self, kind: str, line: Object, facts: Mapping[str, str | None]) -> None:
        self.told += 1
        text = sse(kind, line, self.told)
        for listener in list(self.listeners):
            if listener.wants(kind, facts):
                listener.hear(text)


class Listener:
    """One who listens: the bytes of the answer, for a WSGI server to send as they come."""

    def __init__(
        self,
        leave: Callable[[Listener], None],
        kinds: Collection[str],
        wanted: Mapping[str, str],
        end: End,
    ) -> None:
        self._leave, self._kinds, self._wanted, self._end = leave, kinds, wanted, end
        self._heard = 0
        self._queue: deque[bytes] = deque()
        self._over = False
        self._news = threading.Condition()

    def wants(self, kind: str, facts: Mapping[str, str | None]) -> bool:
        return kind in self._kinds and all(fits(facts.get(name), glob) for name, glob in self._wanted.items())

    def hear(self, text: bytes, *, counts: bool = True) -> None:
        """Keep a line until it is sent; with too many of them, throw them away and leave with a word instead."""
        with self._news:
            if self._over:
                return
            self._queue.append(text)
            self._heard += counts
            if len(self._queue) > MOST_WAITING:
                reason = f"you were too slow: {MOST_WAITING} lines were waiting, and are lost"
                self._queue.clear()
                self._queue.append(sse("dropped", {"reason": reason}))
                self._over = True
            elif self._heard == self._end.lines:
                self._over = True
            self._news.notify_all()
        if self._over:
            self._leave(self)

    def end(self) -> None:
        """Send what waits, and then nothing more."""
        with self._news:
            self._over = True
            self._news.notify_all()
        self._leave(self)

    def close(self) -> None:
        """The answer has been sent, or nobody is there to read it: the server says so."""
        self.end()
        self._queue.clear()

    def __iter__(self) -> Listener:
        return self

    def __next__(self) -> bytes:
        with self._news:
            if not self._queue and not self._over:
                self._news.wait(self._nap())
            if self._queue:
                return self._queue.popleft()
            if not self._over and self._end.seconds_left() > 0:
                return b": still here\n\n"
        self._leave(self)
        raise StopIteration

    def _nap(self) -> float:
        """Real seconds until there is something to say, if nothing happens."""
        return max(0.0, min(HEARTBEAT, self._end.seconds_left()))


def sse(kind: str, line: Object, id: int | None = None) -> bytes:
    """One server-sent event; JSON has no line ends of its own."""
    number = "" if id is None else f"id: {id}\n"
    return f"{number}event: {kind}\ndata: {json.dumps(line, ensure_ascii=False)}\n\n".encode()


def outcome(attempt: Object) -> Object:
    """How an attempt went, without what was said."""
    response = attempt["response"] or {}
    words = {name: attempt[name] for name in ("n", "variant", "url", "error")}
    return {**words, "status": response.get("status"), "ms": response.get("ms")}


def clock_state(world: World) -> object:
    clock = world.clock
    return world.epoch, clock.mode, clock.rate, clock.now if clock.mode == "frozen" else None


def clock_line(world: World) -> Object:
    clock = world.clock
    return {
        "now": moment(clock.now),
        "mode": clock.mode,
        "rate": clock.rate,
        "epoch": world.epoch,
        "pending": len(clock.timers),
        "next_due_at": moment(clock.next_due) if clock.next_due else None,
    }
