"""What a story is made of: acts, and where people want to be after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.town import Town


@dataclass(frozen=True)
class Goal:
    """Where a person wants to be, and what there must be at Deck then."""

    reach: Callable[[Town], None]
    runs: int
    live: int
    forgotten: bool = False
    """They wanted nothing of themselves to be left here."""


@dataclass(frozen=True)
class Act:
    name: str
    play: Callable[[Town], object]
    goal: Goal
    instead_of: str = ""
    """The act before which the story could also have taken this way."""
    dies_in: tuple[str, ...] = ("",)
    """Parts of the names of the steps it dies at, where others are died at in other acts."""
