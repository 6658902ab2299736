"""A run's time, stage by stage: how much of it was the person's, how much the source's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..models import Run
from ..models.run import OVER
from .words import RUN_WORDS, lasting

TURNS = {
    "new": "us",
    "queued": "Deck",
    "running": "source",
    "interaction_required": "person",
    "review_required": "Deck",
    "cancelling": "Deck",
}
"""Who has to do something in which status."""
WIDTH = 1_000
"""Of the bar, in units of its drawing."""


@dataclass(frozen=True)
class Stage:
    """A stretch of a run. `seconds` is null while it lasts; `left` and `width` are its place in the bar."""

    words: str
    turn: str
    began: datetime
    seconds: float | None
    lasted: str
    left: int = 0
    width: int = 0


@dataclass(frozen=True)
class Clock:
    """Whose time a run took so far, and whose turn it is now, since when."""

    person: str
    source: str
    others: str
    turn: str = ""
    since: datetime | None = None


def stages_of(run: Run) -> list[Stage]:
    """In order. Needs its moves and prompts. Only stretches that are over have a length, so nothing here ticks."""
    points = [(run.created_at, RUN_WORDS["new"], TURNS["new"])]
    for move in run.moves:
        if move.became not in OVER:
            words = RUN_WORDS.get(move.became, move.became)
            points.append((move.noticed_at, words, TURNS.get(move.became, "Deck")))
    for prompt in run.prompts:
        points.append((prompt.asked_at, "Waiting for another answer" if prompt.is_again else "Waiting", "person"))
        if prompt.answered_at is not None:
            points.append((prompt.answered_at, "Checking the answer", "source"))
    points.sort(key=lambda point: point[0])
    return _drawn(_without_repeats(points), run.ended_at)


def clock_of(stages: list[Stage]) -> Clock:
    spent = {"person": 0.0, "source": 0.0, "others": 0.0}
    for stage in stages:
        spent[stage.turn if stage.turn in spent else "others"] += stage.seconds or 0.0
    last = stages[-1]
    now = (last.turn, last.began) if last.seconds is None else ("", None)
    return Clock(lasting(spent["person"]), lasting(spent["source"]), lasting(spent["others"]), *now)


def _without_repeats(points: list[tuple[datetime, str, str]]) -> list[tuple[datetime, str, str]]:
    """A status and the question it is about come together: one stretch."""
    kept = points[:1]
    for point in points[1:]:
        if point[2] == "person" and kept[-1][2] == "person":
            continue
        kept.append(point)
    return kept


def _drawn(points: list[tuple[datetime, str, str]], ended_at: datetime | None) -> list[Stage]:
    ends = [began for began, _, _ in points[1:]] + [ended_at]
    lengths = [
        max(0.0, (end - began).total_seconds()) if end else None
        for (began, _, _), end in zip(points, ends, strict=True)
    ]
    total = sum(length or 0.0 for length in lengths) or 1.0
    stages, left = [], 0.0
    for (began, words, turn), length in zip(points, lengths, strict=True):
        share = (length or 0.0) / total * WIDTH
        stages.append(Stage(words, turn, began, length, lasting(length), round(left), round(share)))
        left += share
    return stages
