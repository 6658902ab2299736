"""Whose turn it is and what to do: every case in the words an agent reads out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from webapp.db import now
from webapp.support.words import Case, ago, lasting, standing

TODAY = now()
AWHILE = TODAY - timedelta(minutes=4)
FAILED = {"run": "failed", "run_since": AWHILE}
ASKING = {"run": "interaction_required", "prompt": "open", "prompt_since": AWHILE}


def case(**known: Any) -> Case:
    given: dict[str, Any] = {"source": "Maple Bank", "status": "unverified", "since": AWHILE, "run_since": AWHILE}
    return Case(**{**given, **known})


CASES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"status": "deleted"}, "nobody", "Disconnected", "connect Maple Bank again themselves"),
    ({"status": "deleting"}, "us", "Being disconnected", "Deck has still to confirm"),
    ({"is_closing": True}, "us", "account is being deleted", "they asked for it"),
    ({"handing_over_since": AWHILE}, "us", "sign-in is on its way to Deck", "usually takes seconds"),
    ({"handing_over_since": AWHILE, "tries": 3}, "us", "on its way", "did not take it 3 times"),
    ({"run": "new"}, "us", "asking Deck to start", "usually takes seconds"),
    ({"run": "new", "tries": 2}, "us", "asking Deck to start", "did not take it twice"),
    ({"run": "queued"}, "Deck", "In line at Deck", "Nothing to do yet"),
    ({"run": "running"}, "source", "Deck is reading at Maple Bank", "Nothing to do yet"),
    ({"run": "running", "run_since": TODAY - timedelta(minutes=25)}, "source", "reading", "longer than usual"),
    ({"run": "running", "is_stopping": True}, "Deck", "Being stopped", "Wait a moment"),
    ({"run": "review_required"}, "Deck", "Deck is reviewing it", "goes on by itself"),
    ({"run": "daydreaming"}, "Deck", "Deck says “daydreaming”", "do not know this state"),
    ({**ASKING, "asks": "code"}, "person", "Waiting for a code", "look at their phone"),
    ({**ASKING, "asks": "code", "is_again": True}, "person", "did not accept the answer", "type the code"),
    ({**ASKING, "asks": "device"}, "person", "how to get a code", "where the code should go"),
    ({**ASKING, "asks": "questions"}, "person", "an answer to a question", "Do not let them tell you"),
    ({**ASKING, "asks": "accounts"}, "person", "a choice of accounts", "what may be read"),
    ({**ASKING, "asks": "selections"}, "person", "a choice", "on the page that is open"),
    ({**ASKING, "asks": "code", "prompt": "answering"}, "source", "Maple Bank is checking", "Wait"),
    ({**FAILED, "codes": frozenset({"auth_invalid"}), "rejections": 1}, "person", "refused the password once", "again"),
    (
        {**FAILED, "codes": frozenset({"auth_invalid"}), "rejections": 2},
        "person",
        "refused the password twice",
        "may lock their account",
    ),
    (
        {**FAILED, "codes": frozenset({"auth_invalid"}), "rejections": 3, "paused_until": TODAY},
        "nobody",
        "refused the sign-in 3 times, so we pause",
        "could lock their account",
    ),
    (
        {**FAILED, "codes": frozenset({"auth_invalid"}), "asks": "code"},
        "person",
        "did not accept the code",
        "password may be fine",
    ),
    ({**FAILED, "codes": frozenset({"interaction_timeout"})}, "person", "Nobody answered", "on the phone"),
    ({**FAILED, "codes": frozenset({"mfa_timeout"})}, "person", "Nobody answered", "on the phone"),
    ({**FAILED, "codes": frozenset({"blocked"})}, "nobody", "not letting us sign in", "makes it worse"),
    ({**FAILED, "codes": frozenset({"source_blocked"})}, "nobody", "Deck does not allow Maple Bank", "another source"),
    ({**FAILED, "codes": frozenset({"source_not_available"})}, "nobody", "is not working", "few minutes"),
    ({**FAILED, "codes": frozenset({"source_error"})}, "nobody", "could not finish", "Run it again once"),
    ({**FAILED, "codes": frozenset({"timeout"})}, "nobody", "stopped answering", "few minutes"),
    ({**FAILED, "codes": frozenset({"new_kind"})}, "nobody", "failed with new_kind", "engineer"),
    ({**FAILED, "codes": frozenset({"task_result_unknown"})}, "nobody", "Nobody knows", "do not run it again"),
    ({"run": "completed", "is_unknown": True}, "nobody", "Nobody knows", "look at their account"),
    ({**FAILED, "is_unknown": True}, "nobody", "Nobody knows", "look at their account"),
    ({**FAILED, "is_taken": False}, "us", "could not start it at Deck", "not the problem"),
    ({**FAILED, "codes": frozenset({"timeout"}), "last_good": AWHILE}, "nobody", "stopped", "4 minutes ago is still"),
    ({"run": "canceled"}, "person", "It was stopped", "can start again"),
    (
        {"run": "completed", "status": "verified", "last_good": TODAY - timedelta(hours=3, minutes=5)},
        "nobody",
        "Done: everything is fine, last read 3 hours ago",
        "Nothing to do",
    ),
    ({"run": "completed", "status": "invalid"}, "person", "does not accept the sign-in any more", "reconnect link"),
    ({"status": "new"}, "person", "Nothing has reached Deck", "go on where they left"),
    ({"status": "verified"}, "nobody", "nothing read yet", "can be run now"),
    ({"status": "unverified"}, "person", "nothing has been run", "Run it once"),
]


@pytest.mark.parametrize(("known", "turn", "words", "advice"), CASES)
def test_the_summary_says_whose_turn_it_is_and_what_to_do(
    known: dict[str, Any], turn: str, words: str, advice: str
) -> None:
    with time_machine.travel(TODAY, tick=False):
        told = standing(case(**known))
    assert told.turn == turn
    assert words in told.words
    assert advice in told.advice
    assert "{" not in told.words + told.advice


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=40), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=2, minutes=59), "2 hours ago"),
        (timedelta(days=30), "30 days ago"),
    ],
)
def test_how_long_ago_changes_once_a_minute_at_most(span: timedelta, words: str) -> None:
    assert ago(now() - span) == words


def test_how_long_it_took() -> None:
    told = [lasting(42), lasting(185.4), lasting(7_800), lasting(-1), lasting(None)]
    assert told == ["42 s", "3 min 5 s", "2 h 10 min", "0 s", ""]
