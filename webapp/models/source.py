"""A website people have accounts at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Json, Model, Moment, changed_one, db, now
from .refs import DeckId

TROUBLE_LASTS = timedelta(minutes=30)
DOWN_AFTER = 3
"""So many runs in a row that failed at the site itself, and we stop asking people for their passwords there."""

SITE_TROUBLE = {"source_not_available", "source_error"}


class Source(Model):
    """Declared in the catalog, mirrored at Deck."""

    __tablename__ = "source"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    url: Mapped[str] = mapped_column(String(2000))
    deck_id: Mapped[DeckId | None] = mapped_column(unique=True)
    popularity: Mapped[int] = mapped_column(default=0)
    words: Mapped[Json]
    """The catalog's words for the sign-in form: labels, hints, extra fields, aliases, forgotten-password link."""
    offered: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    """Runs in a row that failed at the site itself."""
    failed_at: Mapped[Moment | None]
    stopped_until: Mapped[Moment | None]
    """Support has stopped new sign-ins until then."""
    stop_message: Mapped[str] = mapped_column(String(300), default="", server_default="")
    """What people are told meanwhile, in support's words."""

    @property
    def is_stopped(self) -> bool:
        return self.stopped_until is not None and now() < self.stopped_until

    @property
    def host(self) -> str:
        return (urlsplit(self.url).hostname or "").removeprefix("www.")

    @property
    def username_label(self) -> str:
        return str(self.words.get("username_label") or "Username")

    @property
    def password_label(self) -> str:
        return str(self.words.get("password_label") or "Password")

    @property
    def forgot_url(self) -> str:
        return str(self.words.get("forgot_url") or "")

    @property
    def fields(self) -> list[dict[str, Any]]:
        """Extra things this site wants at sign-in: dicts of `name`, `label` and `hint`."""
        return list(self.words.get("source_fields") or [])

    @property
    def names(self) -> list[str]:
        """All the names people may look for it by."""
        return [self.name, self.host, *self.words.get("aliases", [])]

    @property
    def health(self) -> str:
        """`up`, `unsteady` or `down`, by how the latest runs fared."""
        if not self.failures or self.failed_at is None or now() - self.failed_at > TROUBLE_LASTS:
            return "up"
        return "down" if self.failures >= DOWN_AFTER else "unsteady"

    def note_run(self, codes: set[str]) -> None:
        """A run ended with these error codes: trouble at the site adds up until a run gets through.

        The database counts: runs of several people end at once, and what they hold guards them, not this row.
        """
        this = update(Source).where(Source.id == self.id)
        if codes & SITE_TROUBLE:
            changed_one(this.values(failures=Source.failures + 1, failed_at=now()), self)
        elif not codes or codes & {"auth_invalid"}:
            changed_one(this.where(Source.failures > 0).values(failures=0), self)

    @classmethod
    def by_slug(cls, slug: str) -> Source | None:
        return db.session.scalar(select(Source).filter_by(slug=slug, offered=True))

    @classmethod
    def all_offered(cls, among: list[str] | None = None) -> list[Source]:
        """The whole catalog or some slugs of it, popular first: a file somebody wrote, so it is never long."""
        query = select(Source).filter_by(offered=True).order_by(Source.popularity.desc(), Source.name)
        return list(db.session.scalars(query if among is None else query.where(Source.slug.in_(among))))
