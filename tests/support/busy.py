"""What support's figures are about: runs that ended, and visits, as many and as old as a story needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select

from webapp.db import db, now, writing
from webapp.models import (
    Chore,
    Connection,
    ConnectSession,
    Host,
    Issue,
    Person,
    Run,
    Source,
    SourceHour,
    Task,
    VisitEvent,
)
from webapp.retention import PURGE
from webapp.support.figures import FIGURES
from webapp.worker import Worker


class Town:
    """Rows written directly; what is told of them is what the pages make of them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        with app.app_context():
            self.slugs = list(db.session.scalars(select(Source.slug).order_by(Source.id)))
            self.names = list(db.session.scalars(select(Source.name).order_by(Source.id)))
            self.task = db.session.scalars(select(Task.id).limit(1)).one()

    def person(self, email: str, host: str = "") -> int:
        with self.app.app_context(), writing():
            found = Person.by_email(email) or Person(email=email, password_hash="-")
            if host and found.host is None:
                known = db.session.scalar(select(Host).filter_by(name=host))
                found.host = known or Host(name=host)
            db.session.add(found)
            db.session.flush()
            return found.id

    def visit(
        self,
        *steps: str,
        minutes_ago: float = 60,
        device: str = "",
        source: int | None = 0,
        email: str = "robin@sample.example",
        host: str = "",
        purpose: str = "connect",
    ) -> int:
        """A visit in which these things happened, all when it began."""
        person, began = self.person(email, host), now() - timedelta(minutes=minutes_ago)
        with self.app.app_context(), writing():
            visit = ConnectSession(person_id=person, task_id=self.task, device=device, created_at=began)
            visit.source_id, visit.purpose = None if source is None else self.source(source).id, purpose
            db.session.add(visit)
            db.session.flush()
            for seq, name in enumerate(steps, 1):
                db.session.add(VisitEvent(connect_session_id=visit.id, seq=seq, name=name, details={}, at=began))
            return visit.id

    def run(
        self,
        status: str = "completed",
        *,
        source: int = 0,
        minutes_ago: float = 0,
        seconds: float = 10,
        waited: int = 0,
        trouble: str = "",
        email: str = "robin@sample.example",
        ended_at: datetime | None = None,
    ) -> str:
        """One that ended then; *seconds* is the source's own time. Its reference."""
        visit, person = self.visit(email=email, source=source), self.person(email)
        ended = ended_at or now() - timedelta(minutes=minutes_ago)
        with self.app.app_context(), writing():
            at = self.source(source)
            connection = Connection(person_id=person, source_id=at.id, status="verified")
            db.session.add(connection)
            db.session.flush()
            run = Run(connect_session_id=visit, connection_id=connection.id, source_id=at.id, task_id=self.task)
            run.status, run.trouble, run.waited, run.questions = status, trouble, waited, 1 if waited else 0
            if status in ("completed", "failed", "canceled"):
                run.ended_at = ended
            run.created_at = ended - timedelta(seconds=seconds + waited)
            db.session.add(run)
            db.session.flush()
            return run.ref

    def source(self, number: int) -> Source:
        return db.session.scalars(select(Source).filter_by(slug=self.slugs[number])).one()

    def add(self, *rows: Any) -> None:
        with self.app.app_context(), writing():
            db.session.add_all(rows)

    def counts(self) -> None:
        """A minute passes, and the worker counts."""
        with self.app.app_context(), writing():
            Chore.soon(FIGURES)
        Worker(self.app)._chore(FIGURES)

    def purges(self) -> None:
        """An hour passes, and the worker lets go of what is past its time."""
        Worker(self.app)._chore(PURGE)

    def one(self, model: Any) -> Any:
        with self.app.app_context():
            return db.session.scalars(select(model)).one()

    def hours(self) -> list[SourceHour]:
        with self.app.app_context():
            return list(db.session.scalars(select(SourceHour).order_by(SourceHour.hour, SourceHour.source_id)))

    def issue(self, trouble: str) -> Issue:
        with self.app.app_context():
            return db.session.scalars(select(Issue).filter_by(trouble=trouble)).one()
