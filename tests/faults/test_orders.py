"""The six events of one run, in every order there is, each told twice."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Engine, event, select

from tests.deck.once import CODE, PASSWORD, looks
from tests.people import Deck, Visitor
from webapp.current import deck as deck_client
from webapp.db import db, writing
from webapp.deck import TaskRun
from webapp.models import Event, Run
from webapp.twin.world import World

ASK = {
    "type": "mfa",
    "message": "Enter the code.",
    "fields": [{"name": "code", "type": "string", "label": "Code"}],
    "expect": {"code": CODE},
}
WORDS = ["queued", "running", "interaction_required", "running", "review_required", "completed"]


@dataclasses.dataclass
class Told:
    """One event, and what Deck would have answered right after it."""

    id: str
    body: str
    truth: TaskRun


def six_events(robin: Visitor, deck: Deck, world: World) -> list[Told]:
    """A run that asks for a code and is reviewed, of which we hear nothing."""
    person = {"username": "robin", "password": PASSWORD, "asks": [ASK], "output": {"holder": "Robin"}}
    person |= {"branch": "review", "durations": {"review_window": "12s"}}
    world.sites.put({"host": "maplemain.example", "people": [person]})
    deck.losing_webhooks = True
    robin.signs_in_at("Maple & Main Bank", "robin", PASSWORD)
    story: list[Told] = []
    for _ in range(60):
        events = [e for e in deck.objects("events") if e["type"].startswith("task_run.")]
        if len(events) > len(story):
            with deck.app.app_context():
                truth = deck_client().get_run(events[-1]["_subject"])
            story.append(Told(events[-1]["id"], events[-1]["_body"], truth))
            if truth.status == "interaction_required":
                with deck.app.app_context():
                    deck_client().answer(truth.id, {"code": CODE}, key="typed")
                continue  # with that it runs again, at once
        deck._move(lambda e: e["type"].startswith("task_run."), timedelta(minutes=10))
    assert [told.truth.status for told in story] == WORDS
    return story


def copies(app: Flask, count: int) -> list[int]:
    """So many runs as ours is now, each with a name of its own at Deck; their ids."""
    with app.app_context(), writing():
        ours = db.session.scalars(select(Run)).one()
        same = {c.name: getattr(ours, c.name) for c in Run.__table__.columns if c.name not in ("id", "ref", "deck_id")}
        rows = [Run(**same, deck_id=f"trun_copy{n}") for n in range(count)]
        for row in rows:
            row.due_at = None  # events alone move it: no look by age
        ours.status, ours.due_at = "completed", None
        db.session.add_all(rows)
        db.session.flush()
        return [row.id for row in rows]


class AsFarAs:
    """Deck: for each run it has come exactly as far as the furthest event it sent."""

    def __init__(self, story: Sequence[Told], count: int) -> None:
        self.story, self.come = story, [0] * count

    def get_run(self, id: str) -> TaskRun:
        return self.story[self.come[int(id.removeprefix("trun_copy"))]].truth

    def get_credential(self, id: str) -> Any:
        return SimpleNamespace(status="verified")


def tell_all(app: Flask, deck: Deck, story: list[Told], orders: list[tuple[int, ...]]) -> None:
    copies(app, len(orders))
    there = AsFarAs(story, len(orders))
    parts = app.extensions["gangway"]
    app.extensions["gangway"] = dataclasses.replace(parts, deck=there)
    before: dict[str, tuple[datetime | None, str]] = {}
    dice = random.Random(7)
    for step in range(len(story)):
        with app.app_context(), writing():
            for n, order in enumerate(orders):
                there.come[n] = max(there.come[n], order[step])
                tell(story[order[step]], n, "")
                tell(story[order[step]], n, "")
                tell(story[dice.choice(order[: step + 1])], n, f"again{step}")
        with time_machine.travel(datetime.now(UTC), tick=False):  # however long it takes, nothing comes due by its age
            deck.our_worker_works(rounds=10 + len(orders))
        with app.app_context():
            rows = db.session.execute(select(Run.deck_id, Run.as_of, Run.status).where(Run.deck_id.like("trun_copy%")))
            for deck_id, as_of, status in rows:
                was = before.get(deck_id)
                order = orders[int(deck_id.removeprefix("trun_copy"))][: step + 1]
                assert was is None or (as_of >= was[0] and (was[1] != "completed" or status == "completed")), order
                assert status == story[max(order)].truth.status, order
                before[deck_id] = (as_of, status)
    with app.app_context():
        for run in db.session.scalars(select(Run).where(Run.deck_id.like("trun_copy%"))):
            assert (run.status, run.result, run.due_at) == ("completed", "success", None)
            assert len(run.prompts) <= 1 and all(p.state != "open" for p in run.prompts)
            assert run.stages.count("completed") == 1 and run.stages[-1] == "completed"


def tell(told: Told, n: int, again: str) -> None:
    """Once per id: a repeat is dropped by the inbox, one under another id is acted on again."""
    id = f"{told.id}-{n}{again}"
    about = f"trun_copy{n}"
    body = told.body.replace(told.truth.id, about).replace(told.id, id).encode()
    Event.record(deck_id=id, webhook_id=id, type="task_run", subject=about, body=body)


@pytest.fixture
def hasty(app: Flask) -> None:
    """Power cuts are not what this is about: a commit need not wait for the disk."""
    with app.app_context():
        engine: Engine = db.engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
            engine.dispose()


def test_r02_twenty_orders_with_duplicates(hasty: None, robin: Visitor, deck: Deck, world: World, app: Flask) -> None:
    story = six_events(robin, deck, world)
    orders = random.Random(2).sample(list(itertools.permutations(range(6))), 20)
    tell_all(app, deck, story, orders)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(6))
def test_r02_all_720_orders_with_duplicates(
    hasty: None, robin: Visitor, deck: Deck, world: World, app: Flask, first: int
) -> None:
    story = six_events(robin, deck, world)
    tell_all(app, deck, story, [order for order in itertools.permutations(range(6)) if order[0] == first])
    assert looks(robin) != ""
