"""How far a run is, in words: what happens now, and the stages on the way.

The stages come from what Deck said, never from a clock. Only that something takes long comes from the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .db import now
from .models import ConnectSession, Run
from .models.run import VANISHED_AFTER

WAITING = "This page goes on by itself."
MAY_ASK = f"{WAITING} You may be asked for a code."

LONG, VERY_LONG = timedelta(seconds=30), timedelta(minutes=2)
"""After this time without anything new we say so, and then once more."""


@dataclass(frozen=True)
class Stage:
    """One of the steps everybody goes through. Later ones are neither done nor now."""

    words: str
    is_done: bool
    is_now: bool


@dataclass(frozen=True)
class LongWait:
    """It takes longer than usual: since when, and when we give up. `is_very` the second time we say so."""

    since: datetime
    until: datetime
    is_very: bool


@dataclass(frozen=True)
class Progress:
    """What the screen says while nobody has to do anything."""

    title: str
    lead: str
    stages: list[Stage]
    long_wait: LongWait | None
    changes_at: datetime | None
    """When it will say something else although nothing happens; None if never."""


def progress_of(session: ConnectSession, run: Run | None, asker: str) -> Progress:
    """*run* is None while the sign-in is on its way to Deck."""
    source = session.source.name if session.source else ""
    is_in = run is not None and has_got_in(session, run)
    title, lead = now_and_lead(run, source, asker, is_in=is_in)
    stages = stages_of(run, source, is_in=is_in)
    if run is None or run.is_stopping or run.status not in ("queued", "running"):
        return Progress(title, lead, stages, None, None)
    since = quiet_since(run)
    waited = now() - since
    long_wait = LongWait(since, run.created_at + VANISHED_AFTER, waited >= VERY_LONG) if waited >= LONG else None
    changes_at = next((since + span for span in (LONG, VERY_LONG) if waited < span), None)
    return Progress(title, lead, stages, long_wait, changes_at)


def quiet_since(run: Run) -> datetime:
    """Since when it is the site's turn."""
    answered = run.prompts[-1].answered_at if run.prompts else None
    return answered or run.created_at


def has_got_in(session: ConnectSession, run: Run) -> bool:
    """Whether the site has let Deck in during this run."""
    connection = session.connection
    if run.status in ("new", "queued", "interaction_required") or connection is None:
        return False
    is_verified = connection.status == "verified" and connection.status_since > run.created_at
    return is_verified or run.status == "review_required"


def now_and_lead(run: Run | None, source: str, asker: str, *, is_in: bool) -> tuple[str, str]:
    """What happens right now, and what to expect."""
    expect = WAITING if run is not None and run.prompts else MAY_ASK
    if run is None:
        return f"Connecting to {source}", MAY_ASK
    if run.is_stopping or run.status == "cancelling":
        return "Stopping", f"{source} is being told. Nothing more will happen after that."
    if run.status == "new":
        return "You are in line", f"We are busy for a moment. {WAITING}"
    if run.status == "queued":
        return f"Connecting to {source}", expect
    if run.status == "review_required":
        return f"A person at {asker} is checking this", f"You need not wait here. {WAITING}"
    if is_in:
        return "Reading your accounts", expect
    return "Checking your answer" if run.prompts else f"Signing in to {source}", expect


def stages_of(run: Run | None, source: str, *, is_in: bool) -> list[Stage]:
    words = [f"Connecting to {source}", "Signing in"]
    if run is not None and run.prompts:
        words.append(f"{source} asked for {'a code' if run.prompts[0].type == 'mfa' else 'an answer'}")
    words.append("Reading your accounts")
    last = len(words) - 1
    has_begun = run is not None and run.status not in ("new", "queued")
    reached = 0 if not has_begun else last if is_in else last - 1
    return [Stage(text, number < reached, number == reached) for number, text in enumerate(words)]
