"""One asking of an interaction. Deck's interactions have no identity, so we give each asking one."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, String, UniqueConstraint, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..db import Json, Model, Moment, changed_one, now
from ..deck import Interaction
from .refs import Ref

if TYPE_CHECKING:
    from .run import Run


class Prompt(Model):
    """Its state: open → answering → answered, or closed when the question went away."""

    __tablename__ = "prompt"
    __table_args__ = (UniqueConstraint("run_id", "ordinal"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    ordinal: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64))
    type: Mapped[str] = mapped_column(String(200))
    message: Mapped[str] = mapped_column(String(2000))
    fields: Mapped[Json]
    state: Mapped[str] = mapped_column(String(10), default="open")
    is_again: Mapped[bool] = mapped_column(default=False)
    """Asked again right after an answer: that answer was not accepted."""
    as_of: Mapped[Moment]
    """Deck's time of the asking."""
    asked_at: Mapped[Moment] = mapped_column(default=now)
    """Ours, for people."""
    answered_at: Mapped[Moment | None]

    run: Mapped[Run] = relationship(back_populates="prompts")

    @classmethod
    def ask(cls, run: Run, interaction: Interaction, before: Prompt | None) -> Prompt:
        """The next asking of *run*; *before* is the one that came last."""
        was_answered = before is not None and before.state in ("answering", "answered")
        return cls(
            run=run,
            ordinal=before.ordinal + 1 if before else 1,
            fingerprint=fingerprint(interaction),
            type=interaction.type,
            message=interaction.message,
            fields=[
                {
                    "name": field.name,
                    "type": field.type,
                    "label": field.label,
                    "options": [{"value": option.value, "label": option.label} for option in field.options],
                }
                for field in interaction.fields
            ],
            is_again=was_answered and before is not None and before.fingerprint == fingerprint(interaction),
        )

    def claim(self) -> bool:
        """Become the one who answers it: of two tabs, one wins."""
        return changed_one(
            update(Prompt)
            .where(Prompt.id == self.id, Prompt.state == "open")
            .values(state="answering", answered_at=now()),
            self,
        )

    def asks(self, told: Interaction | None) -> bool:
        """Whether this is the asking Deck tells about, as far as anybody can see."""
        return told is not None and self.fingerprint == fingerprint(told) and self.message == told.message

    @property
    def asks_by_message(self) -> bool:
        """Whether the message is the question itself, and stands where the field's label would."""
        return self.type == "security_question" and len(self.fields) == 1 and bool(self.message)

    @property
    def inputs(self) -> list[tuple[str, dict[str, Any]]]:
        """Its fields under our own input names, f0 to fn: a site's field names never become markup."""
        return [(f"f{i}", field) for i, field in enumerate(self.fields)]


def fingerprint(interaction: Interaction) -> str:
    """The shape of a question: its type and its fields' names. A re-prompt may change the message."""
    shape = [interaction.type, [field.name for field in interaction.fields]]
    return hashlib.sha256(json.dumps(shape).encode("utf-8", "replace")).hexdigest()
