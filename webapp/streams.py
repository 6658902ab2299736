"""The open streams of this process: how many there may be, and who makes room.

A browser that has many of our pages before somebody's eyes keeps the newest moving; hidden ones hold no stream. Where
too many come from one address, or to one process, a further stream is brief: it says how things stand and comes back
a little later. Nobody is turned away by it, however many people share an address.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from .bus import Bell

PER_SESSION = 4
"""Somebody's browser, or one frame on a host's page."""
PER_ADDRESS = 1_000
"""A house full of people may share one."""
AT_ONCE = 12_000
"""Of the connections a process takes (`serving.worker_connections`), so that pages and webhooks find one."""


class Stream:
    """One of them, while it is open."""

    __slots__ = ("_bell", "gives_way", "is_brief")

    def __init__(self, bell: Bell, *, is_brief: bool) -> None:
        self._bell = bell
        self.is_brief = is_brief
        """There is no room for it to stay."""
        self.gives_way = False
        """Newer ones of the same session have taken its place."""

    def give_way(self) -> None:
        self.gives_way = True
        self._bell.ring()


class Streams:
    """Counted in this process: each process holds as many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, deque[Stream]] = {}
        """By session, the oldest first."""
        self._from: Counter[str] = Counter()
        """By address, or network of IPv6."""
        self._staying = 0

    @contextmanager
    def open(self, session: str, network: str, bell: Bell) -> Iterator[Stream]:
        """A stream of *session* that waits for *bell*. The oldest of too many is asked to give way."""
        with self._lock:
            is_brief = self._from[network] >= PER_ADDRESS or self._staying >= AT_ONCE
            stream = Stream(bell, is_brief=is_brief)
            if not is_brief:
                self._staying += 1
                self._from[network] += 1
                mine = self._of.setdefault(session, deque())
                mine.append(stream)
                if len(mine) > PER_SESSION:
                    mine.popleft().give_way()
        try:
            yield stream
        finally:
            if not is_brief:
                with self._lock:
                    self._leave(session, network, stream)

    def _leave(self, session: str, network: str, stream: Stream) -> None:
        self._staying -= 1
        self._from[network] -= 1
        if not self._from[network]:
            del self._from[network]
        mine = self._of.get(session, deque())
        if stream in mine:
            mine.remove(stream)
        if not mine:
            self._of.pop(session, None)


# --- how a stream ends -------------------------------------------------------------------------------------------


def farewell() -> bytes:
    """The process goes: come back in one to five seconds, and not all at once."""
    return _come_back("farewell", after=1_000, within=4_000)


def brief() -> bytes:
    """There was no room to stay: look again in ten to twenty seconds."""
    return _come_back("brief", after=10_000, within=10_000)


def _come_back(event: str, *, after: int, within: int) -> bytes:
    """The page's stream reads a time to wait only in a message that has a name or data."""
    return f"event: {event}\nretry: {after + secrets.randbelow(within)}\n\n".encode()


OVER = b"event: over\ndata: \n\n"
"""The page does not come back."""

GIVEN_WAY = b"event: elsewhere\ndata: \n\n" + OVER
"""Nor does this one by itself; but it says why it stands still, and catches up when somebody returns to it."""

ENDS = (("over", OVER), ("farewell", b"event: farewell\n"), ("brief", b"event: brief\n"), ("elsewhere", GIVEN_WAY))


def end_of(frame: bytes) -> str:
    """How a stream whose last frame was *frame* ended."""
    return next((name for name, begins in ENDS if frame.startswith(begins)), "over")
