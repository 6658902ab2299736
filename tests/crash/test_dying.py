"""Killed between any two steps, started again, clicked again: nothing is lost, nothing is there twice.

Somebody signs up, connects a bank, gives a code, refreshes, stops, signs in anew, disconnects and leaves. Each step of
our program on the way has a name (`tests.crash.program`); a test is an act, and dies at each of its steps in turn.
``CRASH=words`` plays only the cases with these words in their names. Two deaths in a row and PostgreSQL take a quarter
of an hour for the whole story, so they play a part of it unless ``CRASH_ACTS=all``; ``CRASH_PAIRS=all`` leaves no pair
out, and holds every one of the deaths that leave the same behind against the first, not only the last.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.crash import bugs
from tests.crash.dying import Theatre, alike, apart
from tests.crash.ours import writers_and_callers
from tests.crash.stories import ACTS, Act
from tests.crash.town import Died

pytestmark = pytest.mark.slow

AN_ACT = pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
WORDS = os.environ.get("CRASH", "")
TWICE = {"starts", "disconnects"}
ON_POSTGRES = {"signs in at the bank", "answers"}


def some(names: set[str]) -> pytest.MarkDecorator:
    chosen = [act for act in ACTS if act.name in names or os.environ.get("CRASH_ACTS") == "all"]
    return pytest.mark.parametrize("act", chosen, ids=lambda act: act.name)


ALL_PAIRS = os.environ.get("CRASH_PAIRS", "") == "all"

ELSEWHERE = {
    "closing.is_gone",  # a sign-in nobody knew of turns up: tests/test_closing.py
    "closing.is_kept_as",
    "connect.again",  # writes only where a task asks for input: tests/test_task_input.py
    "deliveries.deliver",  # for people hosts send us: tests/test_host*.py, tests/test_frame.py
    "deliveries.take_turn",
    "frame.enter",
    "frame.hand_off",
    "host_commands.add",
    "host_commands.key",
    "host_commands.webhook",
    "host_events.find_abandoned",
    "host_news.resend_delivery",
    "hosts.create_session",
    "hosts.exchange_public_token",
    "hosts.expire_session",
    "invited.back",
    "invited.enter",
    "inbox.act_on_or_park",  # a poisonous event: tests/test_webhooks.py
    "intents.answering._ask_again",  # Deck refuses or fails: tests/test_intents*.py, down to worker._put_off
    "intents.attempts.attempt",
    "intents.disconnecting._delete_again",
    "intents.running._find",
    "intents.running._stopped_long_ago",
    "intents.signing_in._forget",
    "intents.signing_in._look_up",
    "models.browser_session._seen",  # notes every few minutes that somebody was here
    "retention.purge_some",  # nothing is that old here: tests/test_retention.py
    "errors.report",  # an error page: tests/support/test_error_codes.py
    "phone.enter",  # tests/test_phone.py
    "phone.offer",
    "worker._put_off",
}
"""What this story does not come to, and who does."""


def reds(theatre: Theatre, act: Act, cases: Iterable[tuple[str, ...]], *, bug: str = "") -> list[str]:
    """What went wrong, case by case."""
    found = []
    for names in cases:
        if WORDS in " ".join((act.name, *names)):
            try:
                theatre.dies(act, *names, bug=bug)
            except (AssertionError, Died) as error:
                found.append("\n    ".join([act.name, *(f"died at: {name}" for name in names), f"{error}"]))
    return found


@AN_ACT
def test_killed_at_any_step(theatre: Theatre, act: Act) -> None:
    """The whole case for every death that leaves something else behind; of the others, that they do not."""
    groups = alike(theatre.steps[act.name])
    found = reds(theatre, act, [(first.name,) for first, *_ in groups])
    assert not found, "\n\n".join(found)
    for first, *others in groups:
        for other in others if ALL_PAIRS else others[-1:]:
            assert theatre.leaves(act, other.name) == theatre.leaves(act, first.name), other.name


@some(TWICE)
def test_killed_again_while_it_recovers(theatre: Theatre, act: Act) -> None:
    """Every pair of deaths that leaves something else behind, and takes a way no earlier recovery of the act took."""
    seen: set[tuple[str, ...]] = set()
    found: list[str] = []
    for first in apart(theatre.steps[act.name]):
        recovery = theatre.dies(act, first.name)
        names = [step.name for step in recovery]
        for second in apart(recovery):
            way = tuple(names[: names.index(second.name) + 1])
            if ALL_PAIRS or way not in seen:
                seen.add(way)
                found += reds(theatre, act, [(first.name, second.name)])
    assert not found, "\n\n".join(found)


@pytest.mark.postgres
@some(ON_POSTGRES)
def test_killed_at_any_step_on_postgres(theatre_on_postgres: Theatre, act: Act) -> None:
    """Every death that leaves something else behind."""
    found = reds(theatre_on_postgres, act, [(step.name,) for step in apart(theatre_on_postgres.steps[act.name])])
    assert not found, "\n\n".join(found)


def test_every_function_that_writes_or_calls_deck_was_killed(theatre: Theatre) -> None:
    """But for the dashboard's, which this story does not come to: nobody has died in them yet."""
    passed = {step.doer for steps in theatre.steps.values() for step in steps}
    for act in ACTS:
        for step in theatre.steps[act.name]:
            if step.lasting and step.doer.startswith("intents."):
                passed |= {again.doer for again in theatre.dies(act, step.name)}
    spared = {name for name in writers_and_callers() - passed - ELSEWHERE if not name.startswith("support.")}
    assert not spared, "no death at these: let the story come there"
    assert not ELSEWHERE & passed, "the story comes here after all"


@pytest.mark.parametrize("bug", bugs.BUGS)
def test_a_mistake_would_be_noticed(theatre: Theatre, bug: str) -> None:
    act = next(act for act in ACTS if act.name == bugs.BUGS[bug][1])
    cases = [(step.name,) for step in theatre.plays(act, bug=bug)]
    found = reds(theatre, act, cases, bug=bug)
    assert 1 <= len(found) < len(cases), "some deaths show it, and those at harmless moments do not"
    assert not any("it never came to" in red for red in found)
