"""What is done at a source: a goal in words, and the shape of what goes in and comes out."""

from __future__ import annotations

from sqlalchemy import ScalarSelect, String, select
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Json, Model, db
from .refs import DeckId


class Task(Model):
    """Declared in the catalog, mirrored at Deck. It works at every source."""

    __tablename__ = "task"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    gets: Mapped[Json]
    """What people are told it reads, a list of short phrases."""
    will_not: Mapped[Json]
    """What people are told it never does, likewise."""
    input_schema: Mapped[Json | None]
    output_schema: Mapped[Json | None]
    deck_id: Mapped[DeckId | None] = mapped_column(unique=True)
    offered: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)
    """The first one runs when nobody says which."""

    @property
    def asks_for_input(self) -> bool:
        return bool((self.input_schema or {}).get("properties"))

    @classmethod
    def first(cls) -> Task | None:
        return db.session.scalar(select(Task).filter_by(offered=True).order_by(Task.position).limit(1))

    @classmethod
    def id_of_first(cls) -> ScalarSelect[int]:
        """For a statement that needs no more of the task than who it is, or NULL."""
        return select(cls.id).filter_by(offered=True).order_by(cls.position).limit(1).scalar_subquery()
