"""The app as a process that can be killed between any two of its steps.

The product knows nothing of this. Its steps are seen from outside: a commit, a call to Deck, a ring of the bell, an
answer to a request. Each passing gets a name from what is being done and the function of ours that does it, so a new
step has a name without anybody giving it one. Told to die at a name, the process kills itself there: no handler runs.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import argon2
import httpx
import segno
import stamina
import time_machine
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from tests.crash import bugs
from tests.deck.wire import wire
from webapp import assets, connect, connections, create_app, errors, headers, live, pages, webhooks
from webapp.config import Config
from webapp.db import db
from webapp.models import person
from webapp.worker import Worker

BEFORE_THE_FORK = (assets, connect, connections, errors, headers, live, pages, webhooks)
"""`create_app` would import them: here they are already, so that a life starts in milliseconds."""

DECKS_ID = re.compile(r"\b[a-z]+_[A-Za-z0-9]{6,}")
NOT_THE_DOER = ("webapp.db", "webapp.bus", "webapp.deck", "webapp.budget", "webapp.models")
"""What every step goes through: it is done by whoever called them."""


@dataclasses.dataclass(frozen=True)
class Start:
    """How a process is started."""

    config: Config
    now: datetime
    folder: Path
    """For its log, and for what outlives it without being of any consequence."""
    bug: str = ""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step that was passed."""

    name: str
    lasting: bool
    """Whether something is different for good from here on: in our database, at Deck, or in what whoever asks now
    has seen before."""
    doer: str


@dataclasses.dataclass
class Call:
    """A request or an answer, as it goes through the pipe."""

    method: str
    url: str
    headers: list[tuple[bytes, bytes]]
    content: bytes
    status: int = 0


class Steps:
    """Counts and tells every step, and dies at one."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.doing = "start"
        self.dies_at = ""
        self._passed: Counter[str] = Counter()

    def begin(self, dies_at: str) -> None:
        self.dies_at = dies_at
        self._passed.clear()

    def passes(self, what: str, *, lasting: bool = False, doer: str | None = None) -> None:
        doer = doer_of(sys._getframe(1)) if doer is None else doer
        name = " · ".join(filter(None, [self.doing, doer, what]))
        self._passed[name] += 1
        if self._passed[name] > 1:
            name += f" #{self._passed[name]}"
        self.pipe.send(Step(name, lasting, doer))
        if name == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


def doer_of(frame: Any) -> str:
    """The function of ours that the step belongs to, such as ``intents.running._start``."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("webapp.") and not module.startswith(NOT_THE_DOER):
            return f"{module.removeprefix('webapp.')}.{frame.f_code.co_name}"
        frame = frame.f_back
    return ""


class Wire(httpx.BaseTransport):
    """To Deck, which is on the other side of the pipe and outlives us."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        what = f"{request.method} {DECKS_ID.sub('*', request.url.path.removeprefix('/v2/'))}"
        self.steps.passes(f"before Deck {what}")
        self.steps.pipe.send(Call(request.method, str(request.url), request.headers.raw, request.read()))
        answer: Call = self.steps.pipe.recv()
        self.steps.passes(f"after Deck {what}", lasting=request.method != "GET")
        return httpx.Response(answer.status, headers=answer.headers, stream=httpx.ByteStream(answer.content))


def watch_commits(steps: Steps) -> None:
    """Every transaction that changes something, just before and just after it is on disk."""
    changed: list[bool] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def _executes(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            changed.append(True)

    @event.listens_for(Engine, "rollback")
    def _rolls_back(connection: Connection) -> None:
        changed.clear()

    @event.listens_for(Engine, "commit")
    def _commits(connection: Connection) -> None:
        if changed:
            steps.passes("before the commit")

    @event.listens_for(Session, "after_commit")
    def _committed(session: Session) -> None:
        if changed:
            changed.clear()
            steps.passes("after the commit", lasting=True)


class Program:
    """The app, doing what comes through the pipe, one thing at a time."""

    def __init__(self, app: Flask, steps: Steps, clock: Any) -> None:
        self.app, self.steps, self.clock = app, steps, clock
        self.worker = Worker(app)
        self.http = httpx.WSGITransport(app=app)
        self.codes: list[str] = []
        self._draw = segno.make
        segno.make = self._draws

    def serve(self) -> None:
        while True:
            order, argument = self.steps.pipe.recv()
            if order == "end":
                break
            self.steps.pipe.send(getattr(self, order)(argument))
        with self.app.app_context():
            db.engine.dispose()

    def begin(self, dies_at: str) -> None:
        self.steps.begin(dies_at)

    def answer(self, call: Call) -> Call:
        request = httpx.Request(call.method, call.url, headers=call.headers, content=call.content)
        self.steps.doing = f"{call.method} {self._route(call)}"
        self.steps.passes("as it comes in", lasting=True, doer="")
        response = self.http.handle_request(request)
        content = response.read()
        self.steps.passes("before the answer goes out", doer="")
        return Call(call.method, call.url, response.headers.raw, content, response.status_code)

    def _route(self, call: Call) -> str:
        path = httpx.URL(call.url).path
        rule, _ = self.app.url_map.bind("localhost").match(path, call.method, return_rule=True)
        return str(rule)

    def _begins(self, what: str) -> None:
        self.steps.doing = what
        self.steps.passes("as it begins", lasting=True, doer="")

    def work(self, _: object) -> int:
        """Whatever is due, until nothing is."""
        self._begins("worker")
        for done in range(20):
            if not self.worker.read_inbox() + self.worker.do_due():
                return done
        raise AssertionError("the worker never comes to rest")

    def chores(self, _: object) -> int:
        self._begins("watchdog")
        return self.worker.do_chores()

    def watch(self, ref: str) -> None:
        """What is done every few seconds for those who watch."""
        self._begins("watch")
        with self.app.app_context():
            live.look_sooner([ref])

    def later(self, seconds: float) -> None:
        self.clock.shift(seconds)

    def code(self, _: object) -> str:
        """What a camera reads off the QR code shown last."""
        return self.codes[-1] if self.codes else ""

    def _draws(self, address: str, **how: Any) -> Any:
        self.codes.append(address)
        return self._draw(address, **how)


def hash_cheaply() -> None:
    person.HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def main(pipe: Pipe, start: Start) -> None:
    """One life of the app; ends with its pipe."""
    logging.basicConfig(filename=start.folder / "gangway.log", level=logging.INFO, force=True)
    steps = Steps(pipe)
    Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(str(start.folder))}
    hash_cheaply()
    watch_commits(steps)
    with stamina.set_testing(True, attempts=3, cap=True), time_machine.travel(start.now, tick=True) as clock:
        app = create_app(start.config)
        wire(app, Wire(steps))
        ring: Callable[[str], None] = app.extensions["gangway"].bus.ring

        def rings(topic: str) -> None:
            steps.passes(f"before the bell {topic.partition('/')[0]}")
            ring(topic)

        app.extensions["gangway"].bus.ring = rings
        bugs.plant(start.bug)
        try:
            Program(app, steps, clock).serve()
        except EOFError:
            return
