"""Killed between any two steps, started again, clicked again: nothing is lost, nothing is there twice.

Somebody signs up, connects a bank, gives a code, refreshes, stops, signs in anew, disconnects and leaves, on good days
of Deck's and on bad ones. Each step of our program on the way has a name (`tests.crash.program`); a test is an act, and
dies at each of its steps in turn.
``CRASH=words`` plays only the cases with these words in their names. Two deaths in a row and PostgreSQL take a quarter
of an hour for the whole story, so they play a part of it unless ``CRASH_ACTS=all``; ``CRASH_PAIRS=all`` leaves no pair
out, and holds every one of the deaths that leave the same behind against the first, not only the last.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.crash import bugs
from tests.crash.acts import Act
from tests.crash.dying import ACTS, Theatre, apart
from tests.crash.ours import writers_and_callers
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
    "account.hash_anew",  # for passwords hashed with weaker settings: tests/security/test_sessions.py
    "closing.is_gone",  # a sign-in nobody knew of turns up: tests/test_closing.py
    "closing.is_kept_as",
    "connect.again",  # writes only where a task asks for input: tests/test_task_input.py
    "forgotten.submit",  # tests/test_forgotten.py
    "frame.enter",
    "frame.hand_off",
    "hosts.commands.add",  # for people hosts send us: tests/hosts
    "hosts.commands.key",
    "hosts.commands.webhook",
    "hosts.deliveries.deliver",
    "hosts.deliveries.take_turn",
    "hosts.events.find_abandoned",
    "hosts.followers.follow",  # one transaction each: tests/hosts/test_features.py
    "hosts.followers.tell_followers",
    "hosts.news.resend_delivery",
    "hosts.sessions.exchange_public_token",
    "hosts.sessions.expire_session",
    "invited.back",
    "inbox.act_on_or_park",  # a poisonous event: tests/test_webhooks.py
    "intents.running._find",  # the one commit that gives a start up: tests/faults/test_writes.py
    "models.browser_session._seen",  # notes every few minutes that somebody was here
    "retention.purge",  # nothing is that old here: tests/test_retention.py
    "retention.purge_some",
    "support.commands.disable_command",  # what operators type: tests/support/test_commands.py
    "support.commands.invite_command",
    "support.proving.is_proved_now",  # tests/support/test_sign_in.py, tests/support/test_act_rules.py
    "support.inbox.surroundings",  # its `deck` is a target of acts, and no call
    "support.issues.change_issue",  # there is none here: tests/support/test_issues.py
    "support.mine.end_session",  # tests/support/test_mine.py
    "support.sso.let_in_by",  # tests/support/test_sso.py
    "support.sso.refused",
    "support.team.changed",  # for admins: tests/support/test_team.py
    "support.team.invite",
    "support.team.reset_factors",
    "support.welcome.submit_welcome",  # tests/support/test_welcome.py
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
    groups = theatre.deaths(act)
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
    for first, *_ in theatre.deaths(act):
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
    found = reds(theatre_on_postgres, act, [(first.name,) for first, *_ in theatre_on_postgres.deaths(act)])
    assert not found, "\n\n".join(found)


def test_every_function_that_writes_or_calls_deck_was_killed(theatre: Theatre) -> None:
    passed = {step.doer for steps in theatre.steps.values() for step in steps}
    for act in ACTS:
        for step in theatre.steps[act.name]:
            if step.lasting and step.doer.startswith("intents."):
                passed |= {again.doer for again in theatre.dies(act, step.name)}
    known = writers_and_callers()
    assert not known - passed - ELSEWHERE, "no death at these: let the story come there"
    assert not ELSEWHERE - known, "these are gone or have another name"
    assert not ELSEWHERE & passed, "the story comes here after all"


@pytest.mark.parametrize("bug", bugs.BUGS)
def test_a_mistake_would_be_noticed(theatre: Theatre, bug: str) -> None:
    act = next(act for act in ACTS if act.name == bugs.BUGS[bug][1])
    cases = [(step.name,) for step in theatre.plays(act, bug=bug)]
    found = reds(theatre, act, cases, bug=bug)
    assert 1 <= len(found) < len(cases), "some deaths show it, and those at harmless moments do not"
    assert not any("it never came to" in red for red in found)
