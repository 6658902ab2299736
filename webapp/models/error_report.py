"""An error page somebody saw: the support code on it, and where they were."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..db import Model, Moment, now
from .connect_session import ConnectSession
from .person import Person
from .refs import free_support_code


class ErrorReport(Model):
    """Kept only for people who are signed in: nobody can fill it from outside."""

    __tablename__ = "error_report"

    id: Mapped[int] = mapped_column(primary_key=True)
    support_code: Mapped[str] = mapped_column(String(7), unique=True, default=free_support_code)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    connect_session_id: Mapped[int | None] = mapped_column(
        ForeignKey("connect_session.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[int]
    """HTTP's."""
    page: Mapped[str] = mapped_column(String(80))
    """The page's name in the code, never its address."""
    request_id: Mapped[str] = mapped_column(String(200), index=True)
    at: Mapped[Moment] = mapped_column(default=now, index=True)

    person: Mapped[Person] = relationship()
    connect_session: Mapped[ConnectSession | None] = relationship()
