"""One kind of failure at one source: source, error and stage together."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..db import Model, Moment
from .refs import Ref
from .source import Source
from .staff import Staff


class Issue(Model):
    """States: open → resolved, and open again by itself when it comes back; muted stays quiet until somebody says."""

    __tablename__ = "issue"
    __table_args__ = (UniqueConstraint("source_id", "trouble"), Index(None, "state", "last_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    trouble: Mapped[str] = mapped_column(String(120))
    """As `Run.trouble`: the error's code and the stage."""
    state: Mapped[str] = mapped_column(String(10), default="open")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"), index=True)
    count: Mapped[int] = mapped_column(default=0)
    first_at: Mapped[Moment]
    last_at: Mapped[Moment]
    resolved_at: Mapped[Moment | None]
    reopened: Mapped[int] = mapped_column(default=0)
    """How often it came back."""

    source: Mapped[Source] = relationship()
    owner: Mapped[Staff | None] = relationship()
