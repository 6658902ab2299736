"""A write at Deck that we have decided on: the row first, then the call, then the row again."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .. import metrics
from ..budget import Lane
from ..db import Model, Moment, db, now
from .connection import Connection
from .prompt import Prompt
from .run import Run

LEASE = timedelta(seconds=30)
"""The request that made an intent has so long to finish it; then the worker looks after it."""

LONGEST_CALL, LONGEST_TYPED_CALL = timedelta(seconds=12), timedelta(seconds=22)

SIGN_IN_KINDS = ("credential.store", "credential.change")
TYPED_KINDS = (*SIGN_IN_KINDS, "run.answer")
"""Only the request they were typed in can call: it holds on for longer."""

FIRST_RETRY, LAST_RETRY = timedelta(seconds=5), timedelta(minutes=5)
GIVE_UP = timedelta(hours=23)
"""Deck forgets a key after 24 hours; a later retry could do it twice."""


def new_key() -> str:
    return f"gangway-{secrets.token_hex(16)}"


class Intent(Model):
    """Kinds: credential.store, .change, .delete and .forget; run.start, .answer and .cancel.

    States: pending → done, refused (Deck said no) or lost (nobody knows, and nobody can repeat it).
    """

    __tablename__ = "intent"
    __table_args__ = (Index(None, "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True, default=new_key)
    """Deck's idempotency key, and the credential's external_id."""
    form: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The form it came from, if it was one: a double click meets itself here."""
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10), default="pending")
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    prompt_id: Mapped[int | None] = mapped_column(ForeignKey("prompt.id", ondelete="CASCADE"), index=True)
    sealed_input: Mapped[str | None] = mapped_column(Text)
    """A run's input, sealed. Never a password, never an answer."""
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(200), default="")
    request_id: Mapped[str] = mapped_column(String(200), default="", index=True)
    """Deck's, for support."""
    created_at: Mapped[Moment] = mapped_column(default=now)
    due_at: Mapped[Moment | None] = mapped_column(default=lambda: now() + LEASE)
    settled_at: Mapped[Moment | None] = mapped_column(index=True)

    connection: Mapped[Connection] = relationship()
    run: Mapped[Run | None] = relationship()
    prompt: Mapped[Prompt | None] = relationship()

    @property
    def owner(self) -> int:
        """Whose it is: what `writing` wants to know."""
        return self.connection.person_id

    @property
    def is_ours(self) -> bool:
        """Whether whoever made or claimed it may still call: a process that slept too long may not."""
        longest = LONGEST_TYPED_CALL if self.kind in TYPED_KINDS else LONGEST_CALL
        return self.state == "pending" and self.due_at is not None and now() < self.due_at - longest

    @property
    def is_too_old(self) -> bool:
        """Whether Deck is about to forget its key: sent again, it could be done twice."""
        return now() - self.created_at > GIVE_UP

    @property
    def input_place(self) -> str:
        return f"intent.sealed_input.{self.key}"

    def settle(self, state: str, *, error: str = "", request_id: str = "") -> None:
        self.state, self.settled_at, self.due_at = state, now(), None
        metrics.intents.labels(self.kind, state).inc()
        self.error, self.request_id = error, request_id
        self.sealed_input = None

    def reopen(self, kind: str) -> None:
        """It was given up, and then Deck did take it: there is something to put right."""
        self.kind, self.state, self.settled_at, self.due_at = kind, "pending", None, now()

    def later(self, *, error: str, request_id: str = "", not_before: float = 0.0) -> None:
        """It did not work this time: again after a while, and not before Deck wants it (*not_before*, seconds)."""
        self.attempts += 1
        self.error, self.request_id = error, request_id
        wait = min(FIRST_RETRY * 2 ** min(self.attempts - 1, 10), LAST_RETRY)
        self.due_at = now() + max(wait, timedelta(seconds=not_before))

    @classmethod
    def by_form(cls, form: str) -> Intent | None:
        return db.session.scalar(select(Intent).filter_by(form=form)) if form else None

    @classmethod
    def is_signing_in(cls, connection: Connection | None) -> bool:
        """Whether a sign-in is on its way to Deck right now."""
        if connection is None or connection.id is None:
            return False
        query = select(Intent.id).filter_by(connection_id=connection.id, state="pending")
        return db.session.scalar(query.where(Intent.kind.in_(SIGN_IN_KINDS)).limit(1)) is not None

    @classmethod
    def is_cancelling(cls, run: Run) -> bool:
        """Whether Deck is being told to stop *run*."""
        query = select(Intent.id).filter_by(connection_id=run.connection_id, run_id=run.id, state="pending")
        return db.session.scalar(query.filter_by(kind="run.cancel").limit(1)) is not None

    @staticmethod
    def due() -> tuple[ColumnElement[bool], ...]:
        """What `claim_due` finds. The state comes first in the index: without it every intent would be looked at."""
        return Intent.state == "pending", Intent.due_at <= now()

    @classmethod
    def claim_due(cls, limit: int) -> list[tuple[int, Lane]]:
        """Ids of intents nobody looks after, longest overdue first; whoever claims them has the lease now."""
        query = select(Intent).where(*cls.due()).order_by(Intent.due_at)
        intents = list(db.session.scalars(query.limit(limit).with_for_update(skip_locked=True)))
        for intent in intents:
            intent.due_at = now() + LEASE
        return [(intent.id, Lane.NEWS) for intent in intents]

    @classmethod
    def put_off(cls, id: int, lane: Lane, seconds: float) -> None:
        """It could not be worked on. Inside `writing()`."""
        again = now() + timedelta(seconds=seconds)
        db.session.execute(update(Intent).where(Intent.id == id, Intent.state == "pending").values(due_at=again))
