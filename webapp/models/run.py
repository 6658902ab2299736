"""One task run: what Deck last said of it, and every move it made."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, and_, false, or_, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from .. import metrics
from ..budget import Lane
from ..db import Json, Model, Moment, changed_one, db, now
from ..deck import Interaction, TaskRun
from ..vault import Unsealable
from .connect_session import ConnectSession
from .connection import Connection
from .news import host_events
from .prompt import Prompt
from .refs import DeckId, Ref
from .source import Source
from .task import Task

log = logging.getLogger("gangway.runs")

OVER = ("completed", "failed", "canceled")
FIRST_LOOK, LAST_LOOK = timedelta(seconds=10), timedelta(minutes=4)
WATCHED_LOOK = timedelta(seconds=8)
LEASE = timedelta(seconds=30)
MOST_CONNECTED = 100
FAR_AHEAD = timedelta(days=1)
"""What Deck dates so far ahead of our clock is dated wrongly."""
VANISHED_AFTER = timedelta(minutes=30)
"""No run lasts longer at Deck (docs.deck.co/concepts/task-runs)."""
UNANSWERED = frozenset({"interaction_timeout", "mfa_timeout"})
"""Codes by which Deck says that nobody answered in time."""
UNREADABLE_AFTER = timedelta(hours=2)
"""What Deck says of a run may be garbled for a while; one that nobody can read for so long is given up."""


class Run(Model):
    """Status words are Deck's; `new` is ours and means that Deck has not taken it yet."""

    __tablename__ = "run"
    __table_args__ = (
        Index(None, "connection_id", "id"),
        Index(None, "connect_session_id", "id"),
        Index(None, "is_told", "due_at"),
        Index(None, "ended_at"),
        Index(None, "status", "id"),
        Index(None, "source_id", "ended_at"),
        Index(None, "trouble", "ended_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    connect_session_id: Mapped[int] = mapped_column(ForeignKey("connect_session.id", ondelete="CASCADE"))
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    deck_id: Mapped[DeckId | None] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(String(40), default="new")
    result: Mapped[str] = mapped_column(String(20), default="")
    errors: Mapped[Json] = mapped_column(default=list)
    """Deck's `{type, code}` pairs; never its messages, which come from outside."""
    files: Mapped[Json] = mapped_column(default=list)
    sealed_output: Mapped[str | None] = mapped_column(Text)
    as_of: Mapped[Moment | None]
    """Deck's time for what we know; compared with Deck's time only, never with ours."""
    version: Mapped[int] = mapped_column(default=0)
    """Counts every change: of two writers that saw the same one, one wins."""
    due_at: Mapped[Moment | None] = mapped_column(default=None)
    """When to ask Deck again; null once it is over."""
    is_told: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Due because Deck told us there is news, which comes before what is due by age."""
    lease_until: Mapped[Moment | None]
    """Somebody is asking Deck about it until then: one look at a time."""
    looked_at: Mapped[Moment | None]
    """When Deck last confirmed what we know."""
    is_stopping: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Moment] = mapped_column(default=now)
    ended_at: Mapped[Moment | None]
    questions: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often the site asked, known when it is over."""
    waited: Mapped[int] = mapped_column(default=0, server_default="0")
    """Seconds it waited for the person, known when it is over; the rest of its time was the site's."""
    trouble: Mapped[str] = mapped_column(String(120), default="", server_default="")
    """Why and where it failed: the error's code and the stage, such as ``auth_invalid/site``."""

    connect_session: Mapped[ConnectSession] = relationship()
    connection: Mapped[Connection] = relationship()
    source: Mapped[Source] = relationship()
    task: Mapped[Task] = relationship()
    moves: Mapped[list[Move]] = relationship(back_populates="run", order_by="Move.id")
    prompts: Mapped[list[Prompt]] = relationship(back_populates="run", order_by="Prompt.ordinal")

    # --- questions -----------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def is_unsure(self) -> bool:
        """Whether it ended and nobody knows what it did: once more may be twice."""
        return self.status in ("completed", "failed") and (
            self.result == "unknown" or "task_result_unknown" in self.codes
        )

    @property
    def owner(self) -> int:
        """Whose it is: what `writing` wants to know."""
        return self.connection.person_id

    @property
    def codes(self) -> set[str]:
        return {error["code"] for error in self.errors}

    @property
    def prompt(self) -> Prompt | None:
        """The latest asking."""
        return self.prompts[-1] if self.prompts else None

    @property
    def stages(self) -> list[str]:
        """The statuses it went through, in order."""
        return [move.became for move in self.moves]

    @property
    def output_place(self) -> str:
        return f"run.sealed_output.{self.ref}"

    # --- finding -------------------------------------------------------------------------------------------

    @classmethod
    def known_as(cls, deck_ids: Collection[str]) -> list[Run]:
        """The runs Deck calls so, with what they belong to."""
        query = select(Run).where(Run.deck_id.in_(deck_ids))
        return list(db.session.scalars(query.options(joinedload(Run.connection), joinedload(Run.connect_session))))

    @classmethod
    def latest_of(cls, session: ConnectSession) -> Run | None:
        """The session's newest run with the connection it is about now."""
        query = select(Run).filter_by(connect_session_id=session.id, connection_id=session.connection_id)
        query = query.order_by(Run.id.desc()).limit(1)
        return db.session.scalar(query.options(joinedload(Run.source), joinedload(Run.task)))

    @classmethod
    def connected_in(cls, session: ConnectSession) -> list[Connection]:
        """What the session has connected, oldest first: at most one, unless its host wished for several."""
        done = select(Run.connection_id).where(Run.connect_session_id == session.id, Run.status == "completed")
        query = select(Connection).where(Connection.id.in_(done)).order_by(Connection.id).limit(MOST_CONNECTED)
        return list(db.session.scalars(query.options(joinedload(Connection.source))))

    @classmethod
    def history(cls, connection: Connection, limit: int = 20, *, before: int | None = None) -> list[Run]:
        """The newest runs, or those older than the one with the id *before*."""
        query = select(Run).filter_by(connection_id=connection.id).order_by(Run.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Run.id < before)
        return list(db.session.scalars(query.options(joinedload(Run.task), joinedload(Run.connect_session))))

    @classmethod
    def open_at(cls, connections: Sequence[Connection]) -> dict[int, Run]:
        """The runs that are not over, by connection."""
        query = select(Run).where(Run.connection_id.in_([c.id for c in connections]), Run.status.not_in(OVER))
        query = query.options(joinedload(Run.connect_session)).order_by(Run.id)
        return {run.connection_id: run for run in db.session.scalars(query)}

    @classmethod
    def of_connection(cls, connection: Connection, ref: str) -> Run | None:
        return db.session.scalar(select(Run).filter_by(ref=ref, connection_id=connection.id))

    @classmethod
    def latest_result(cls, connection: Connection) -> Run | None:
        """The newest run that brought something."""
        query = select(Run).filter_by(connection_id=connection.id, status="completed").order_by(Run.id.desc())
        return db.session.scalar(query.options(joinedload(Run.task)).limit(1))

    @staticmethod
    def due(*is_told: bool) -> tuple[ColumnElement[bool], ...]:
        """What `claim_due` finds; all of it, or only what is due for one reason.

        The reason comes first in the index: without it every run there ever was would be looked at.
        """
        free = or_(Run.lease_until.is_(None), Run.lease_until <= now())
        return Run.is_told.in_(is_told or (True, False)), Run.due_at <= now(), Run.deck_id.is_not(None), free

    @classmethod
    def claim_due(cls, limit: int) -> list[tuple[int, Lane]]:
        """Ids of runs to ask Deck about: first those with news, then the longest overdue. Inside `writing()`.

        Each is due again when its lease ends, in case whoever asks dies. News that come in while somebody asks make
        it due at once, and nothing that is done afterwards takes that back (`looked`).
        """
        runs: list[Run] = []
        for is_told in (True, False):
            query = select(Run).where(*cls.due(is_told)).order_by(Run.due_at).limit(limit - len(runs))
            runs += db.session.scalars(query.with_for_update(skip_locked=True))
        lanes = [(run.id, Lane.NEWS if run.is_told else Lane.SWEEPS) for run in runs]
        for run in runs:
            run.due_at = run.lease_until = now() + LEASE
        return lanes

    @classmethod
    def put_off(cls, id: int, lane: Lane, seconds: float) -> None:
        """It could not be asked about now. News that came in meanwhile leave it due. Inside `writing()`."""
        values = {"due_at": now() + timedelta(seconds=seconds), "is_told": lane is Lane.NEWS}
        mine = update(Run).where(Run.id == id, Run.status.not_in(OVER))
        db.session.execute(mine.where(Run.due_at == Run.lease_until).values(values))
        db.session.execute(mine.values(lease_until=None))

    @classmethod
    def look_sooner(cls, session_refs: Sequence[str]) -> int:
        """Somebody watches these visits: their runs are due unless Deck was asked just now. Inside `writing()`."""
        query = update(Run).where(cls._stale(session_refs)).values(due_at=now())
        done = db.session.execute(query.execution_options(synchronize_session=False))
        return int(getattr(done, "rowcount", 0))

    @classmethod
    def is_stale_for(cls, session_refs: Sequence[str]) -> bool:
        """Whether `look_sooner` would find something."""
        return db.session.scalar(select(Run.id).where(cls._stale(session_refs)).limit(1)) is not None

    @staticmethod
    def _stale(session_refs: Sequence[str]) -> ColumnElement[bool]:
        watched = select(ConnectSession.id).where(ConnectSession.ref.in_(session_refs))
        long_ago = or_(Run.looked_at.is_(None), Run.looked_at < now() - WATCHED_LOOK)
        return and_(Run.connect_session_id.in_(watched), Run.due_at > now(), Run.deck_id.is_not(None), long_ago)

    # --- moving (all inside `writing()`) ---------------------------------------------------------------------

    def adopt(self, deck_id: str) -> None:
        """Deck has taken it: from now on it has a name there. News may have overtaken the answer, so look soon."""
        self.deck_id = deck_id
        self.news()
        db.session.flush()

    def move_to(self, told: TaskRun, *, seen: int | None = None) -> bool:
        """Take what Deck said; False when we know better. The WHERE clause settles a race between two reports.

        *seen* is the version Deck was asked about, None for what Deck told by itself.
        """
        if self._is_as(told) or not self._is_news(told, seen):
            return False
        was, version = self.status, self.version
        moved = changed_one(
            update(Run)
            .where(Run.id == self.id, Run.version == version, Run.status.not_in(OVER))
            .values(status=told.status, as_of=told.as_of, version=version + 1),
            self,
        )
        if not moved:
            return False
        self.connect_session.touch()
        if was != told.status:
            db.session.add(Move(run=self, was=was, became=told.status, at=told.as_of))
            host_events().note(self.connect_session, "STATUS_CHANGED", run=self, status=told.status)
        self._follow_prompt(told.interaction if told.status == "interaction_required" else None, told.as_of)
        self.due_at = None if self.is_over else self.due_at or self.next_look()
        if self.is_over:
            self.ended_at = now()
            self.result = told.result
            self.errors = [{"type": error.type, "code": error.code} for error in told.errors]
            self.files = [{"id": f.id, "name": f.name, "type": f.type, "size": f.size} for f in told.storage]
            self._sum_up(was)
            self.source.note_run(self.codes)
            metrics.run_over(self.status, unanswered=bool(self.codes & UNANSWERED))
            host_events().run_ended(self)
        return True

    def _is_as(self, told: TaskRun) -> bool:
        """Whether Deck says what we know. Two questions may have the same date: Deck may tell time in seconds."""
        asked = told.interaction if told.status == "interaction_required" else None
        same_question = asked is None or (self.prompt is not None and self.prompt.asks(asked))
        return self.status == told.status and self.as_of == told.as_of and same_question

    def _is_news(self, told: TaskRun, seen: int | None) -> bool:
        """Whether a report counts: nothing does after the end, nor what is dated before what we know.

        What has the same date counts unless something changed here while Deck was asked. So does an end whatever its
        date, or a date that was wrong once would keep a run open for ever.
        """
        if self.is_over:
            return False
        is_later = self.as_of is None or self.as_of < told.as_of
        return is_later or (seen == self.version and (self.as_of == told.as_of or told.status in OVER))

    def hint(self, status: str, as_of: datetime) -> bool:
        """Take `queued` or `running` from an event's payload, if that is news. Everything else needs a look."""
        if status not in ("queued", "running") or self.as_of is None or as_of > now() + FAR_AHEAD:
            return False
        return self.move_to(TaskRun("", status, "", as_of, None, (), None, ()))

    def fail_here(self, type: str, code: str, *, result: str = "failure") -> None:
        """Over without Deck having said so: never taken, or lost there. *result* is Deck's word for what it did."""
        was = self.status
        self.status, self.result, self.ended_at, self.due_at = "failed", result, now(), None
        self.errors = [{"type": type, "code": code}]
        self._sum_up(was)
        self.lease_until = None
        self.version += 1
        self.connect_session.touch()
        db.session.add(Move(run=self, was=was, became="failed", at=now()))
        metrics.run_over(self.status, unanswered=bool(self.codes & UNANSWERED))
        host_events().note(self.connect_session, "STATUS_CHANGED", run=self, status="failed")
        host_events().run_ended(self)

    def news(self) -> None:
        """There is something to ask Deck about, now."""
        self.due_at, self.is_told = now(), True

    def looked(self) -> None:
        """Deck was asked. Unless news came in meanwhile, that is all for now."""
        if self.due_at == self.lease_until:
            self.due_at, self.is_told = self.next_look(), False
        self.lease_until, self.looked_at = None, now()

    def vanish(self, *, after: timedelta = VANISHED_AFTER) -> None:
        """Deck tells nothing of it any more. Soon after it was taken that may pass; *after* so long it is the end."""
        self.looked()
        if not self.is_over and now() - self.created_at > after:
            self.fail_here("task", "task_result_unknown", result="unknown")

    def touch(self) -> None:
        """Something a person can see changed beside the status."""
        self.version += 1
        self.connect_session.touch()

    def next_look(self) -> datetime:
        """The older it is, the rarer we ask: every 10 seconds at first, every 4 minutes in the end."""
        return now() + min(max((now() - self.created_at) / 6, FIRST_LOOK), LAST_LOOK)

    def _sum_up(self, was: str) -> None:
        """It is over: what statistics want to know of it."""
        assert self.ended_at is not None
        self.questions = len(self.prompts)
        self.waited = round(sum(((p.answered_at or self.ended_at) - p.asked_at).total_seconds() for p in self.prompts))
        if self.status == "failed":
            code = self.errors[0]["code"] if self.errors else "unknown"
            self.trouble = f"{code[:100]}/{stage_of(was, asked=bool(self.prompts))}"

    def _follow_prompt(self, interaction: Interaction | None, as_of: datetime) -> None:
        last = self.prompt
        if interaction is None:
            if last and last.state in ("open", "answering"):
                last.state = "closed" if last.state == "open" else "answered"
            return
        if last and last.state == "open":
            last.state = "closed"
        asked = Prompt.ask(self, interaction, last)
        asked.as_of = as_of
        if last and last.state == "answering":
            last.state = "answered"
        db.session.add(asked)
        host_events().note_prompt(self, asked)


class Move(Model):
    """One status change of a run."""

    __tablename__ = "move"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    was: Mapped[str] = mapped_column(String(40))
    became: Mapped[str] = mapped_column(String(40))
    at: Mapped[Moment]
    """Deck's time."""
    noticed_at: Mapped[Moment] = mapped_column(default=now)

    run: Mapped[Run] = relationship(back_populates="moves")


def stage_of(was: str, *, asked: bool) -> str:
    """Where a run stood that failed: start, queue, site, question or answer."""
    if was == "interaction_required":
        return "question"
    return "answer" if asked else {"new": "start", "queued": "queue"}.get(was, "site")


def output_of(run: Run, vault: Any) -> Any:
    """What the run brought, unsealed; None when there is nothing, or nothing that can be opened any more."""
    try:
        return vault.open(run.sealed_output, place=run.output_place) if run.sealed_output else None
    except Unsealable as error:
        log.error("the result of run %s cannot be opened: %s", run.id, error)
        return None
