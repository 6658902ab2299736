"""What staff may do for somebody: say first what will happen, ask why, do it once, write it down.

An act is a class with no state: what it says and does is decided by rows. The acts themselves are in `acts_*.py`,
their pages in `acting.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from limits import RateLimitItem

from ..deck.reading import clean_text
from ..limits import ACTS_PER_STAFF
from .gate import me
from .targets import Target

YES = "yes"


class CannotNow(Exception):
    """It cannot be done as things stand. The text says why, for whoever asked."""


class Mistyped(Exception):
    """A field is wrong: `name` says which, the text why."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name


@dataclass(frozen=True)
class Asked:
    """One thing an act wants to know. `kind`: text, number (whole, low to high), moment (in UTC) or yes (a box)."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    default: Callable[[], str] = str
    low: int = 0
    high: int = 300
    """Of a text: how long it may be."""
    is_needed: bool = True
    comes_first: bool = False
    """What will happen depends on it, so it is asked before anything is said."""

    def read(self, typed: str) -> Any:
        """What it means; `Mistyped` when it means nothing."""
        text = clean_text(typed, longest=2_000)
        if self.kind == "yes":
            if self.is_needed and text != YES:
                raise Mistyped(self.name, "Tick this first, or leave it.")
            return text == YES
        if self.kind == "number":
            if not (text.isascii() and text.isdecimal() and len(text) < 6 and self.low <= int(text) <= self.high):
                raise Mistyped(self.name, f"Give a whole number from {self.low} to {self.high}.")
            return int(text)
        if self.kind == "moment":
            return self._moment(text)
        if len(text) > self.high or (self.is_needed and not text):
            raise Mistyped(self.name, f"Write something, at most {self.high} characters.")
        return text

    def _moment(self, text: str) -> datetime:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise Mistyped(self.name, "Give a day and a time, such as 2026-11-21T09:30.") from None


@dataclass(frozen=True)
class Handout:
    """What whoever acted has to copy and pass on. `words` say what it is and for whom."""

    value: str
    words: str
    is_secret: bool = True
    """Nobody can read it again."""


@dataclass(frozen=True)
class Done:
    """What came of it, in words, and what the next page hands out."""

    said: str
    details: dict[str, Any] = field(default_factory=dict)
    handout: Handout | None = None


class Act(ABC):
    """One thing staff may do. A subclass is registered by being defined."""

    name: ClassVar[str]
    title: ClassVar[str]
    button: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    """What it is done to: see `targets`."""
    role: ClassVar[str] = "agent"
    is_fresh: ClassVar[bool] = False
    """Whether both factors must have been given a moment ago."""
    is_danger: ClassVar[bool] = False
    limit: ClassVar[RateLimitItem] = ACTS_PER_STAFF
    asks: ClassVar[tuple[Asked, ...]] = ()
    """What it always wants to know."""

    def __init_subclass__(cls) -> None:
        ACTS[cls.name] = cls()

    def why_not(self, it: Any) -> str:
        """Why it cannot be done to *it* now; "" when it can."""
        return ""

    def questions(self, it: Any) -> tuple[Asked, ...]:
        """What it wants to know of *it*."""
        return self.asks

    @abstractmethod
    def plan(self, it: Any, given: dict[str, Any]) -> list[str]:
        """What it will do and to how many, a sentence each. `CannotNow` when *given* leaves nothing to do."""

    @abstractmethod
    def do(self, it: Any, given: dict[str, Any]) -> Done:
        """Do it. Inside `writing()`, together with its entry in the audit log, so rows only: the worker does the rest.

        `CannotNow` or `Mistyped` and nothing has happened.
        """


ACTS: dict[str, Act] = {}
"""By name."""


@dataclass(frozen=True)
class Offer:
    """An act as a link on the page of what it can be done to."""

    name: str
    button: str
    ref: str
    is_danger: bool


def offers(target: Target) -> list[Offer]:
    """The acts that whoever asks may do to *target* now."""
    able = [act for act in ACTS.values() if target.kind in act.kinds and me().may(act.role)]
    return [Offer(act.name, act.button, target.ref, act.is_danger) for act in able if not act.why_not(target.row)]


def many(count: int, one: str, more: str = "") -> str:
    """A number with its noun: "1 run", "2 runs"."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
