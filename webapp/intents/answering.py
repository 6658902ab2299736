"""Answering what a site asks. The values are arguments and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from .. import metrics
from ..current import deck
from ..db import db, writing
from ..deck import DeckError, DeckRefused, holding_what_was_typed
from ..hosts.events import note_answer
from ..models import Intent, Run
from ..refresh import announce, take
from .attempts import carries_out, in_time, prompt_of, put_off, refused, run_of
from .signing_in import MustTypeAgain


class AlreadyAnswered(Exception):
    """Another tab was quicker, or the site asks something else by now."""


@holding_what_was_typed()
def answer(run: Run, prompt_ref: str, values: Mapping[str, str]) -> None:
    """Send an answer to the question it was typed for.

    Raises `AlreadyAnswered` when that question is not open any more, `DeckRefused` when Deck does not take
    the answer, `MustTypeAgain` when nobody can tell whether it arrived, `DeckError` when Deck could not even
    be asked.
    """
    deck_id, owner, seen = run.deck_id or "", run.owner, run.version
    db.session.rollback()
    told = deck().get_run(deck_id)  # once more, just before: the site may ask something else by now
    with writing(owner):
        take(run, told, seen)
        prompt = run.prompt
        is_asked = told.status == run.status == "interaction_required"
        is_this = prompt is not None and prompt.ref == prompt_ref and prompt.asks(told.interaction)
        if prompt is not None and is_asked and is_this and prompt.claim():
            intent = Intent(kind="run.answer", connection=run.connection, run=run, prompt=prompt)
            db.session.add(intent)
            run.touch()
            metrics.answered(prompt.asked_at)
            note_answer(run, prompt)
        else:
            intent = None
    if prompt is None or intent is None:
        announce(run)
        raise AlreadyAnswered
    key, seen = intent.key, run.version
    try:
        in_time(intent)
        db.session.rollback()
        told = deck().answer(deck_id, values, key=key)
    except DeckRefused as error:
        _ask_again(intent, error)
        raise
    except DeckError as error:
        try:
            _find(intent)
        except DeckError:
            with writing(owner):
                put_off(intent, error)
        if prompt.state == "answered":
            return
        raise MustTypeAgain from error
    else:
        with writing(owner):
            if intent.state == "pending":
                prompt.state = "answered"
                intent.settle("done")
            take(run, told, seen)
    finally:
        announce(run)


def _ask_again(intent: Intent, error: DeckRefused) -> None:
    with writing(intent.owner):
        refused(intent, error)
        run, prompt = run_of(intent), prompt_of(intent)
        prompt.state = "open"
        run.news()
        run.touch()


@carries_out("run.answer")
def _find(intent: Intent) -> None:
    """An answer nobody confirmed: if the run still waits at the same question, it did not arrive."""
    run, prompt, owner = run_of(intent), prompt_of(intent), intent.owner
    deck_id, seen = run.deck_id or "", run.version
    db.session.rollback()
    told = deck().get_run(deck_id)
    with writing(owner):
        take(run, told, seen)
        if intent.state != "pending":
            return
        still_asked = run.status == "interaction_required" and run.prompt is prompt
        if still_asked:
            prompt.state = "open"
            run.touch()
        elif prompt.state == "answering":
            prompt.state = "answered"
        intent.settle("lost" if still_asked else "done")
    announce(run)
