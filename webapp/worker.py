"""Everything that is due: the inbox, runs, writes to finish, what hosts are told, chores. All of it is rows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from . import logs
from .budget import Lane, calling_as
from .bus import INBOX, WORK, Bell
from .closing import CLOSING, close_accounts
from .current import bus
from .db import db, writing
from .deck import DeckBusy, DeckError
from .hosts.deliveries import CALLERS, Courier
from .hosts.events import find_abandoned
from .hosts.followers import FOLLOWERS, tell_followers
from .inbox import read_inbox
from .intents import carry_out
from .models import Chore, Connection, Intent, Run
from .refresh import refresh_connection, refresh_run
from .retention import PURGE, purge
from .support.figures import FIGURES, count_runs
from .watchdog import catch_up, look_after_destination

AT_ONCE = 4
BATCH = 2 * AT_ONCE
"""What is claimed at a time: whatever begins last still begins within its lease when Deck is slow."""
LONGEST_NAP = 1.0
TRY_AGAIN = 10.0
"""Seconds until something that Deck could not tell is asked again."""

log = logging.getLogger("gangway.worker")

Kind = type[Intent] | type[Run] | type[Connection]
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


CHORES: dict[str, tuple[Callable[[Chore], str], timedelta]] = {
    "destination": (look_after_destination, timedelta(minutes=1)),
    "events": (catch_up, timedelta(minutes=5)),
    CLOSING: (close_accounts, timedelta(minutes=1)),
    PURGE: (purge, timedelta(hours=1)),
    "abandoned": (find_abandoned, timedelta(minutes=1)),
    FIGURES: (count_runs, timedelta(minutes=1)),
    FOLLOWERS: (tell_followers, timedelta(minutes=1)),
}
"""By name: what to do, which returns a problem in words or nothing, and how often."""


class Worker:
    """Works through what is due, several things at once, until told to stop."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.courier = Courier(app)

    def run_forever(self) -> None:
        """Until the bus closes. Woken by the bell, and every second in case a ring was lost.

        The inbox has a thread of its own, and so have chores and what hosts are told: none of them waits until Deck
        has answered about runs, or runs until a host has answered.
        """
        with self.app.app_context():
            the_bus = bus()
        pools = [ThreadPoolExecutor(AT_ONCE, "worker"), ThreadPoolExecutor(CALLERS, "courier")]
        with pools[0] as pool, pools[1] as callers:
            loops: list[tuple[str, Callable[[], int]]] = [
                (INBOX, self.read_inbox),
                (WORK, lambda: self.do_due(pool.map)),
                (WORK, self.do_chores),
                (WORK, lambda: self.courier.deliver(callers.submit)),
            ]
            threads = [threading.Thread(target=self._loop, args=(the_bus, *loop), daemon=True) for loop in loops]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _loop(self, the_bus: Any, topic: str, step: Callable[[], int]) -> None:
        bell: Bell
        with the_bus.listen(topic) as bell:
            while not the_bus.closing:
                if not step():
                    bell.wait(LONGEST_NAP)

    def step(self, map_: Mapper = map) -> int:
        """Do everything that is due now; how many things that were."""
        return self.read_inbox() + self.do_due(map_) + self.do_chores() + self.courier.deliver()

    # --- the inbox -----------------------------------------------------------------------------------------

    def read_inbox(self) -> int:
        with self.app.app_context():
            try:
                return read_inbox()
            except Exception:
                log.exception("the inbox could not be read")
                return 0

    # --- what is due ---------------------------------------------------------------------------------------

    def do_due(self, map_: Mapper = map) -> int:
        return (
            self._each(map_, Intent, carry_out)
            + self._each(map_, Run, refresh_run)
            + self._each(map_, Connection, refresh_connection)
        )

    def _each(self, map_: Mapper, kind: Kind, do: Callable[[int], None]) -> int:
        def one(claimed: tuple[int, Lane]) -> None:
            id, lane = claimed
            with self.app.app_context(), calling_as(lane):
                try:
                    with logs.job(kind.__tablename__, id):
                        do(id)
                except DeckError as error:
                    log.warning("deck: %s request=%s", error, error.request_id)
                    self._put_off(kind, id, lane, wait_of(error))
                except Exception:
                    log.exception("%s %s could not be worked on", kind.__tablename__, id)
                    self._put_off(kind, id, lane, TRY_AGAIN)

        with self.app.app_context():
            try:
                if db.session.scalar(select(kind.id).where(*kind.due()).limit(1)) is None:
                    return 0  # the usual case, and no reason to take the write lock
                with writing():
                    claimed = kind.claim_due(BATCH)
            except SQLAlchemyError:
                log.exception("what is due could not be read")
                return 0
        list(map_(one, claimed))
        return len(claimed)

    def _put_off(self, kind: Kind, id: int, lane: Lane, seconds: float) -> None:
        try:
            with writing():
                kind.put_off(id, lane, seconds)
        except SQLAlchemyError:  # its lease runs out by itself
            log.exception("%s %s could not be put off", kind.__tablename__, id)

    # --- chores --------------------------------------------------------------------------------------------

    def do_chores(self) -> int:
        done, due = 0, self._due_chores()
        for name in CHORES:
            if name in due:
                done += self._chore(name)
                due = self._due_chores()  # one may have made another one due
        return done

    def _due_chores(self) -> set[str]:
        """One look for all of them: it is taken every second. What was never done has no row yet, and is due.

        Nothing is once we end: each may take a while.
        """
        with self.app.app_context():
            if bus().closing:
                return set()
            try:
                waiting = Chore.waiting()
            except SQLAlchemyError:
                log.exception("chores could not be read")
                return set()
        return CHORES.keys() - waiting

    def _chore(self, name: str) -> int:
        do, every = CHORES[name]
        with self.app.app_context(), calling_as(Lane.SWEEPS):
            try:
                with writing():
                    chore = Chore.claim(name)
                if chore is None:
                    return 0
                self._do_chore(chore, do, every)
            except SQLAlchemyError:
                log.exception("chore %s could not be done", name)
                return 0
        return 1

    def _do_chore(self, chore: Chore, do: Callable[[Chore], str], every: timedelta) -> None:
        name, failed = chore.name, False
        try:
            with logs.job("chore", name):
                problem = do(chore)
        except DeckError as error:
            problem, failed = f"Deck could not be asked: {error}", True
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("chore %s failed", name)
            problem, failed = "It failed; the log tells why.", True
        if problem:
            log.warning("chore %s: %s", name, problem)
        with writing():
            chore.done(again_in=every, problem=problem, failed=failed)


def wait_of(error: DeckError) -> float:
    """Seconds until it is worth asking again."""
    if isinstance(error, DeckBusy) and error.retry_after is not None:
        return max(1.0, error.retry_after)
    return TRY_AGAIN
