"""Small drawings for figures: sparklines and heat maps as SVG, without a line of script.

All that comes in is numbers and our own words; colours are classes of support.css.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from .pages import bp

WIDTH, HEIGHT = 112, 28
CELL, GAP, ROW_WORDS, TOP = 22, 2, 68, 18
HOURS = 24
LEVELS = (0.02, 0.1, 0.25, 0.5)
"""Shares of failed runs at which the colour of an hour changes."""

STAGE_WORDS = {
    "start": "before Deck took it",
    "queue": "in Deck's queue",
    "site": "at the site",
    "question": "waiting for the person",
    "answer": "after the answer",
}
"""Where a run stood that failed: the stages of `Run.trouble`."""


def percent(share: float | None) -> str:
    """Whole percents; never 100% or 0% of what is only close to it."""
    if share is None:
        return "–"
    rounded = round(share * 100)
    if rounded in (0, 100) and share not in (0, 1):
        return "<1%" if rounded == 0 else "99%"
    return f"{rounded}%"


def duration(seconds: float | None) -> str:
    """Such as 2.4 s, 45 s or 3 min."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.0f} min"


def sparkline(values: Sequence[float | None], words: str) -> Markup:
    """A line of shares between 0 and 1, a gap where nothing is known. *words* say what it shows."""
    step = WIDTH / max(1, len(values))
    points = [
        None if value is None else ((n + 0.5) * step, 2 + (1 - value) * (HEIGHT - 4)) for n, value in enumerate(values)
    ]
    parts: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            parts.append([])
        else:
            parts[-1].append(point)
    lines = Markup("").join(
        Markup('<polyline points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in part))
        for part in parts
        if len(part) > 1
    )
    dots = Markup("").join(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="1.6"/>').format(*part[-1]) for part in parts if part
    )
    return drawing("spark", lines + dots, words)


def bars(counts: Sequence[int], words: str) -> Markup:
    """A bar for each count; the highest fills the height."""
    step, most = WIDTH / max(1, len(counts)), max(counts, default=0) or 1
    drawn = Markup("").join(
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1"/>').format(
            n * step + 1, HEIGHT - height, step - 2, height
        )
        for n, count in enumerate(counts)
        if (height := max(2, count / most * HEIGHT) if count else 0)
    )
    return drawing("bars", drawn, words)


def share(value: float) -> Markup:
    """A bar as long as a share between 0 and 1. The number stands beside it, so it says nothing by itself."""
    return Markup(
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="share__all" width="100" height="8" rx="2"/><rect width="{:.1f}" height="8" rx="2"/></svg>'
    ).format(max(0.0, min(1.0, value)) * 100)


def drawing(name: str, inside: Markup, words: str) -> Markup:
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}" focusable="false"><title>{}</title>{}</svg>'
    ).format(name, WIDTH, HEIGHT, words, words, inside)


def heat_map(begins: datetime, days: Sequence[Sequence[tuple[int, int]]], words: str) -> Markup:
    """A row for each day since *begins*, a cell for each of its hours: how many runs completed and failed."""
    inside = Markup("")
    for hour in range(0, HOURS, 3):
        inside += Markup('<text x="{}" y="12">{:02d}</text>').format(ROW_WORDS + hour * CELL + 3, hour)
    for row, hours in enumerate(days):
        day = day_words(begins, row)
        inside += Markup('<text x="0" y="{}">{}</text>').format(TOP + row * CELL + 14, day)
        for hour, (completed, failed) in enumerate(hours):
            inside += Markup(
                '<rect class="heat__{}" x="{}" y="{}" width="{}" height="{}" rx="3"><title>{}</title></rect>'
            ).format(
                heat(completed, failed),
                ROW_WORDS + hour * CELL,
                TOP + row * CELL,
                CELL - GAP,
                CELL - GAP,
                f"{day} {hour:02d}:00: {in_words(completed, failed)}",
            )
    return Markup('<svg class="heat" viewBox="0 0 {} {}" role="img" aria-label="{}" focusable="false">{}</svg>').format(
        ROW_WORDS + HOURS * CELL, TOP + len(days) * CELL, words, inside
    )


def day_words(begins: datetime, number: int) -> str:
    """Such as Sat 21 Nov."""
    return f"{begins + timedelta(days=number):%a %d %b}"


def heat(completed: int, failed: int) -> Any:
    """`none`, or 0 for all well to 4 for most of them failed."""
    if not completed + failed:
        return "none"
    return sum(failed / (completed + failed) >= level for level in LEVELS)


def in_words(completed: int, failed: int) -> str:
    if not completed + failed:
        return "no runs"
    ended = completed + failed
    return f"{ended} run{'' if ended == 1 else 's'}, {percent(failed / ended)} failed"


@bp.context_processor
def drawings() -> dict[str, Any]:
    return {
        "percent": percent,
        "duration": duration,
        "sparkline": sparkline,
        "bars": bars,
        "share": share,
        "heat_map": heat_map,
        "day_words": day_words,
        "stage_words": STAGE_WORDS,
    }
