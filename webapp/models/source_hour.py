"""How a source fared in one hour: what health pages add up, so that none of them counts a million runs."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Json, Model, Moment


class SourceHour(Model):
    """Counted again every minute by the chore `figures`, while runs of that hour may still end."""

    __tablename__ = "source_hour"

    hour: Mapped[Moment] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"), primary_key=True, index=True)
    completed: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    canceled: Mapped[int] = mapped_column(default=0)
    asked: Mapped[int] = mapped_column(default=0)
    """Runs in which the site asked for something."""
    last_good_at: Mapped[Moment | None]
    troubles: Mapped[Json] = mapped_column(default=dict)
    """How many runs failed, by `Run.trouble`."""
    times: Mapped[Json] = mapped_column(default=dict)
    """How many completed runs took the site how long, by bucket: see `webapp.support.figures`."""
