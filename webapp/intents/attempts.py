"""One attempt at an intent, whoever makes it: the request that decided on it, or the worker afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..bus import WORK
from ..current import bus
from ..db import db, writing
from ..deck import DeckBusy, DeckDown, DeckError, DeckRefused
from ..models import Intent, Prompt, Run

CarryOut = Callable[[Intent], None]

_carry_out: dict[str, CarryOut] = {}
_look_up: dict[str, CarryOut] = {}

log = logging.getLogger("gangway.intents")


def carries_out(*kinds: str) -> Callable[[CarryOut], CarryOut]:
    """Marks the function that brings intents of these kinds to an end."""

    def mark(function: CarryOut) -> CarryOut:
        _carry_out.update(dict.fromkeys(kinds, function))
        return function

    return mark


def looks_up(kind: str) -> Callable[[CarryOut], CarryOut]:
    """Marks what is done instead once Deck is about to forget the key: nothing that could happen twice."""

    def mark(function: CarryOut) -> CarryOut:
        _look_up[kind] = function
        return function

    return mark


def carry_out(intent_id: int) -> None:
    """Finish an intent nobody looks after any more; what does not work now is due again later."""
    attempt(db.session.get_one(Intent, intent_id))


def attempt(intent: Intent) -> None:
    """Unless somebody else has settled it by now."""
    if intent.state != "pending":
        return
    kind, owner = intent.kind, intent.owner
    do = _look_up.get(kind, _carry_out[kind]) if intent.is_too_old else _carry_out[kind]
    try:
        do(intent)
    except DeckError as error:
        with writing(owner):
            put_off(intent, error)
        bus().ring(WORK)


def put_off(intent: Intent, error: DeckError) -> None:
    """Inside `writing()`: again later, and not before Deck wants it; never again once somebody else has settled it."""
    if intent.state != "pending":
        return
    wait = error.retry_after if isinstance(error, DeckBusy) else None
    problem = error.code or type(error).__name__
    log.warning("deck: %s %s later: %s request=%s", intent.kind, intent.id, error, error.request_id)
    intent.later(error=problem, request_id=error.request_id, not_before=wait or 0.0)


def refused(intent: Intent, error: DeckRefused) -> None:
    """Inside `writing()`: Deck said no."""
    intent.settle("refused", error=error.code, request_id=error.request_id)
    log.warning("deck: %s %s refused: %s request=%s", intent.kind, intent.id, error, error.request_id)
    if error.status == 409 and "idempotency" in f"{error.type} {error.code}":
        # Another request has used this key: that is a mistake of ours, and nothing to go on with.
        log.error("idempotency key used twice: intent=%s request=%s", intent.id, error.request_id)


def in_time(intent: Intent) -> None:
    """Raises `DeckDown` when this process has slept past its lease: somebody else may be at it by now."""
    if not intent.is_ours:
        db.session.rollback()
        raise DeckDown("we were too slow to call", code="lease_lost")


def run_of(intent: Intent) -> Run:
    assert intent.run is not None
    return intent.run


def prompt_of(intent: Intent) -> Prompt:
    assert intent.prompt is not None
    return intent.prompt
