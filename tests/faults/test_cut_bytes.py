"""The line to Deck, cut all along what we say and what it answers: one Deck object per intent."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, event, select

from tests.deck.once import CODE, Later
from tests.faults.cutter import Cut, Cutter, Side, cut_line_to
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.deck import DeckClient
from webapp.intents import MustTypeAgain, answer, disconnect, hand_over_sign_in, start_run, stop_run
from webapp.models import Connection, ConnectSession, Intent, Person, Run, Source, Task
from webapp.twin.world import World

STORE, RUN, ANSWER = "POST /v2/credentials", "POST /v2/tasks/[^/]*/run", "POST /v2/task-runs/[^/]*/interaction"
CANCEL, DELETE = "POST /v2/task-runs/[^/]*/cancel", "DELETE /v2/credentials/.*"
ENOUGH = {"request": 520, "answer": 800}
"""No call of ours is longer than so many bytes, which is looked at below."""
STEP = 1 if os.environ.get("CUT") == "every byte" else 23
"""Every byte takes a quarter of an hour: `CUT="every byte"` is for nights."""
SLICES = 4
TEN_SECONDS = timedelta(seconds=10)
KINDS = ["credential.created", "task_run.queued", "task_run.completed", "task_run.canceling", "credential.deleted"]


@pytest.fixture
def cutter(app: Flask, world: World) -> Iterator[Cutter]:
    """The real client, real sockets, and the twin behind them; commits that need not wait for the disk."""
    from webapp.twin.server import create_twin

    with app.app_context():
        engine: Engine = db.engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
            engine.dispose()
    with cut_line_to(create_twin(world)) as cutter:
        parts = app.extensions["gangway"]
        client = DeckClient(api_key=parts.config.deck_api_key, base_url=f"http://127.0.0.1:{cutter.port}/v2")
        app.extensions["gangway"] = dataclasses.replace(parts, deck=client)
        yield cutter
        client.close()


class Journey:
    """One sign-in, one run with a code, one that is stopped, and the end: by the functions the pages call."""

    def __init__(self, app: Flask, deck: Deck, world: World, cutter: Cutter, later: Later) -> None:
        self.app, self.deck, self.world, self.cutter, self.later = app, deck, world, cutter, later
        self.sizes: dict[str, int] = {}

    def counts(self, *types: str) -> list[int]:
        return [sum(e["type"] == type for e in self.world.stores["events"].values()) for type in types]

    def cut(self, call: str, side: Side, k: int, times: int) -> None:
        self.cutter.cut = Cut(call, side, k, times)

    def was_met(self, call: str) -> None:
        cut = self.cutter.cut
        assert cut is not None and cut.met
        self.sizes[call] = max(self.sizes.get(call, 0), cut.size)
        self.cutter.cut = None

    def goes(self, side: Side, k: int, times: int = 1) -> None:
        self.world.stores["task_runs"].clear()
        self.world.stores["credentials"].clear()
        before = self.counts(*KINDS)
        with self.app.app_context():
            session = self.visit()
            source, typed = session.source, 0
            assert source is not None
            self.cut(STORE, side, k, times)
            while session.signed_in_at is None:
                typed += 1
                try:
                    hand_over_sign_in(
                        session,
                        source,
                        username="4500123412341234",
                        password="maple-leaf-9",
                        source_fields={},
                        form=f"{typed}.{session.ref}",
                    )
                except MustTypeAgain:
                    assert times > 1, "one cut is nothing a person notices"
            self.was_met(STORE)
            self.cut(RUN, side, k, times)
            start_run(session, input=None, form=f"r.{session.ref}")
            self.was_met(RUN)
            self.settles(session)
            run = self.the_run(session)
            assert run.prompt is not None and run.status == "interaction_required"
            self.cut(ANSWER, side, k, times)
            try:
                answer(run, run.prompt.ref, {"code": CODE})
            except MustTypeAgain:
                assert times > 1
                self.cutter.cut, cut = None, self.cutter.cut
                self.settles(session)
                if run.prompt.state == "open":
                    answer(run, run.prompt.ref, {"code": CODE})
                self.cutter.cut = cut
            self.was_met(ANSWER)
            self.settles(session)
            assert self.the_run(session).status == "completed"

            start_run(session, input=None, form=f"s.{session.ref}")
            second = self.the_run(session)
            self.cut(CANCEL, side, k, times)
            stop_run(second)
            self.was_met(CANCEL)
            self.settles(session)
            assert self.the_run(session).status == "canceled"
            assert session.connection is not None
            self.cut(DELETE, side, k, times)
            disconnect(session.connection)
            self.was_met(DELETE)
            self.settles(session)
            assert db.session.get_one(Connection, session.connection_id).status == "deleted"
            states = db.session.scalars(
                select(Intent.state).join(Connection).where(Connection.id == session.connection_id)
            )
            assert set(states) <= ({"done"} if times == 1 else {"done", "lost"})
            db.session.rollback()
        made = [after - b for after, b in zip(self.counts(*KINDS), before, strict=True)]
        assert made[1:4] == [2, 1, 1], (side, k, dict(zip(KINDS, made, strict=True)))
        assert made[0] == made[4] == 1 if times == 1 else made[0] == made[4] <= typed
        assert {c["status"] for c in self.world.stores["credentials"].values()} == {"deleted"}

    def visit(self) -> ConnectSession:
        with writing():
            person = db.session.scalars(select(Person)).one()
            source = db.session.scalars(select(Source).filter_by(name="Maple & Main Bank")).one()
            session = ConnectSession(person_id=person.id, task=Task.first(), source=source)
            db.session.add(session)
        return session

    def settles(self, session: ConnectSession) -> None:
        """Some seconds at Deck, of which we hear nothing, and then our worker; until what was cut off is done too."""
        db.session.rollback()
        for _ in range(3):
            self.world.pass_time(self.world.clock.now + TEN_SECONDS)
            self.world.outbox.clear()
            self.later(seconds=31)
            self.deck.our_worker_works()
        db.session.rollback()

    def the_run(self, session: ConnectSession) -> Run:
        run = Run.latest_of(session)
        assert run is not None
        return run


@pytest.fixture
def journey(robin: Visitor, app: Flask, deck: Deck, world: World, cutter: Cutter, later: Later) -> Journey:
    return Journey(app, deck, world, cutter, later)


@pytest.mark.parametrize("side", ["request", "answer"])
def test_r10_cut_here_and_there_every_write_is_done_once(journey: Journey, side: Side) -> None:
    for k in (0, 1, 40, 300, 5_000):
        journey.goes(side, k)
    assert set(journey.sizes) == {STORE, RUN, ANSWER, CANCEL, DELETE}
    assert max(journey.sizes.values()) < ENOUGH[side]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("side", ["request", "answer"])
def test_r10_cut_all_along_every_write_is_done_once(journey: Journey, side: Side, part: int) -> None:
    for k in range(part * STEP, ENOUGH[side], SLICES * STEP):
        journey.goes(side, k)
    assert max(journey.sizes.values()) < ENOUGH[side]


@pytest.mark.slow
@pytest.mark.parametrize("side", ["request", "answer"])
def test_r10_cut_at_every_try_of_a_call_it_is_still_done_once(journey: Journey, side: Side) -> None:
    for k in range(0, ENOUGH[side], 37):
        journey.goes(side, k, times=3)
