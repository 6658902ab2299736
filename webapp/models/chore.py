"""What has to be done again and again: one row each, so that many processes do it once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import String, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Json, Model, Moment, db, now

LEASE = timedelta(minutes=2)


class Chore(Model):
    """Names: see `webapp.worker`."""

    __tablename__ = "chore"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    due_at: Mapped[Moment] = mapped_column(default=now)
    lease_until: Mapped[Moment | None]
    done_at: Mapped[Moment | None]
    """When it last went well."""
    problem: Mapped[str] = mapped_column(String(200), default="")
    """What an operator should know, in words; empty when all is well."""
    state: Mapped[Json] = mapped_column(default=dict)
    """What the next time has to know. With `goes_on` in it there is more to do at once."""

    @classmethod
    def waiting(cls) -> set[str]:
        """Those that are not due yet, or that somebody is at."""
        moment = now()
        query = select(Chore.name).where(or_(Chore.due_at > moment, Chore.lease_until > moment))
        return set(db.session.scalars(query))

    @classmethod
    def claim(cls, name: str) -> Chore | None:
        """The chore if it is due and nobody is at it, its first time included. Inside `writing()`."""
        cls.named(name)
        query = select(Chore).where(Chore.name == name, Chore.due_at <= now())
        query = query.where(or_(Chore.lease_until.is_(None), Chore.lease_until <= now()))
        chore: Chore | None = db.session.scalar(query.with_for_update(skip_locked=True))
        if chore is not None:
            chore.lease_until = now() + LEASE
        return chore

    @classmethod
    def named(cls, name: str) -> Chore:
        """Its row, which is made when it is missing. Inside `writing()`."""
        chore = db.session.get(Chore, name)
        if chore is None:
            chore = Chore(name=name, state={})
            db.session.add(chore)
            db.session.flush()
        return chore

    @classmethod
    def soon(cls, name: str) -> None:
        """Do it now; one that was never done is due in any case. Inside `writing()`."""
        db.session.execute(update(Chore).where(Chore.name == name).values(due_at=now()))

    def done(self, *, again_in: timedelta, problem: str = "", failed: bool = False) -> None:
        """Inside `writing()`."""
        wait = timedelta(0) if self.state.get("goes_on") and not failed else again_in
        self.lease_until, self.due_at, self.problem = None, now() + wait, problem
        if not failed:
            self.done_at = now()
