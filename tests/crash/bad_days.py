"""Deck has a bad day, in acts: it refuses, it fails, or nobody hears for a day what became of a write.

So people come to what is done when an answer stays away: looking it up, putting it off, giving it up before Deck
forgets its key. Deck is well again by the end of the act; where we died in it, by the time somebody comes back.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.crash import stories
from tests.crash.acts import Act, Goal
from tests.crash.town import Town
from tests.deck.once import CARD, PASSWORD

TRIES = 3
"""The Deck client makes as many before it gives up for now."""
HALF_A_MINUTE, FIVE_MINUTES, A_DAY = 31.0, 301.0, 23 * 3600 + 600.0
"""Seconds. A write is tried again after five minutes at the latest, and not with the same key after a day."""


def breaks(town: Town, call: str, *, times: int | None = TRIES, skip: int = 0, when: str = "before") -> None:
    """Deck fails at these calls, or with *when* "after" does what it was told and fails to say so."""
    resource, operation = call.split(".")
    where = {"resource": resource, "operation": operation}
    town.world.faults.arm(where | {"status": 503, "count": times, "skip": skip, "when": when})


def passes(town: Town, seconds: float) -> None:
    town.later(seconds)
    town.deck_lets_pass(seconds)


def once_deck_is_well(reach: Callable[[Town], None], after: float) -> Callable[[Town], None]:
    """*after* so many seconds what had to wait for Deck is done."""

    def reach_it(town: Town) -> None:
        town.world.faults.clear()
        passes(town, after)
        reach(town)

    return reach_it


def a_day_passes(town: Town) -> None:
    passes(town, A_DAY)
    town.world.faults.clear()
    passes(town, FIVE_MINUTES)


# --- the acts ------------------------------------------------------------------------------------------------------


def signs_in_unheard(town: Town) -> None:
    """The password arrived, and not even a look at the list could tell."""
    breaks(town, "credentials.create", when="after")
    breaks(town, "credentials.list")
    town.person.presses("Sign in", username=CARD, password=PASSWORD)
    passes(town, HALF_A_MINUTE)


def answers_in_vain(town: Town) -> None:
    """Refused, then unheard: the same code is typed a third time."""
    town.world.faults.arm({"operation": "interaction", "code": "idempotency_error", "count": 1})
    stories.answers(town)
    breaks(town, "task_runs.interaction")
    breaks(town, "task_runs.get", skip=1)
    stories.answers(town)
    passes(town, HALF_A_MINUTE)


def refreshes_while_deck_is_down(town: Town) -> None:
    breaks(town, "task_runs.create")
    breaks(town, "task_runs.get")
    stories.refreshes(town)
    passes(town, HALF_A_MINUTE)
    passes(town, HALF_A_MINUTE)


def refreshes_unheard(town: Town) -> None:
    breaks(town, "task_runs.create", times=None, when="after")
    stories.refreshes(town)
    a_day_passes(town)


def stops_unheard(town: Town) -> None:
    breaks(town, "task_runs.cancel", times=None)
    stories.stops(town)
    a_day_passes(town)


def disconnects_unheard(town: Town) -> None:
    breaks(town, "credentials.delete", times=None)
    stories.disconnects(town)
    a_day_passes(town)


def be_stopped(town: Town) -> None:
    stories.be_in(town)
    stories.be_stopped(town)


def be_back(town: Town) -> None:
    """A day later, wherever the run has come to by itself."""
    stories.be_in(town)
    stories.to_the_bank(town)


def be_rid_of_it(town: Town) -> None:
    stories.be_in(town)
    stories.be_rid_of_it(town)


CONNECTED = Goal(once_deck_is_well(stories.be_connected, HALF_A_MINUTE), runs=1, live=1)
STOPPED = Goal(once_deck_is_well(be_stopped, HALF_A_MINUTE), runs=2, live=1)
REFRESHED = Goal(once_deck_is_well(be_back, FIVE_MINUTES), runs=2, live=1)
RID = Goal(once_deck_is_well(be_rid_of_it, FIVE_MINUTES), runs=3, live=0)

OURS = ("intents.", "worker.")
"""Pages, webhooks and looks on the way are the same as on good days."""

ACTS = [
    Act("signs in unheard", signs_in_unheard, CONNECTED, instead_of="signs in at the bank", dies_in=OURS),
    Act("answers in vain", answers_in_vain, CONNECTED, instead_of="answers", dies_in=OURS),
    Act("refreshes while Deck is down", refreshes_while_deck_is_down, STOPPED, instead_of="refreshes", dies_in=OURS),
    Act("refreshes, and a day passes", refreshes_unheard, REFRESHED, instead_of="refreshes", dies_in=OURS),
    Act("stops, and a day passes", stops_unheard, REFRESHED, instead_of="stops", dies_in=OURS),
    Act("disconnects, and a day passes", disconnects_unheard, RID, instead_of="disconnects", dies_in=OURS),
]
