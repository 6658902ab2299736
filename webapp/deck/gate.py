"""Where a call may be held back before it is sent: the client asks, whoever shares Deck's limits decides."""

from __future__ import annotations

from typing import Protocol


class Gate(Protocol):
    """Asked before each call and told after it: what a process shares with others about Deck's limits."""

    def enter(self) -> None:
        """Raises `HeldBack` when this call must not be made now."""

    def may_retry(self) -> bool:
        """Whether a call that did not work may be tried once more."""

    def leave(self, *, failed: bool, busy_for: float | None = None) -> None:
        """It is over: *failed* when Deck did not answer or said 5xx; with a 429, how many seconds it asked for."""


class OpenGate:
    """Everybody may pass."""

    def enter(self) -> None: ...

    def may_retry(self) -> bool:
        return True

    def leave(self, *, failed: bool, busy_for: float | None = None) -> None: ...
