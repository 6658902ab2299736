"""What hosts ask for, checked field by field: an unknown field is a mistake we tell, not one we overlook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..db import db
from ..deck.reading import clean_text
from ..models import Connection, Host, Source
from ..models.invitation import LONGEST_LINK, START_WITHIN
from ..public_ids import ref_in
from .request_fields import BadRequest, a_dict, no_others, text
from .wishes import read_wishes

EMAIL_LIKE = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
MOST_TAGS = 20
LONGEST_TAG = 40
MOST_SOURCES = 500
FIELDS = (
    *("user", "user_label", "return_url", "state", "source_id", "allowed_source_ids", "connection_id"),
    *("hosted", "tags", "allowed_origins", "language", "appearance", "text", "features", "webhook_url"),
)


@dataclass(frozen=True)
class SessionRequest:
    """The body of `POST /v1/connect/sessions`."""

    host: Host
    client_user_id: str
    return_url: str
    state: str
    source_slugs: list[str] | None
    connection_id: str
    lifetime: timedelta
    tags: dict[str, str]
    wishes: dict[str, Any]

    @classmethod
    def read(cls, body: dict[str, Any], host: Host) -> SessionRequest:
        """`BadRequest` for the first mistake."""
        for name in body.keys() - set(FIELDS):
            raise BadRequest("unknown_field", f"There is no field {name!r}. Known: {', '.join(FIELDS)}.", param=name)
        hosted = a_dict(body, "hosted")
        return cls(
            host=host,
            client_user_id=user_id(a_dict(body, "user")),
            return_url=return_url(body, host),
            state=text(body, "state", longest=500),
            source_slugs=source_slugs(body, host),
            connection_id=text(body, "connection_id"),
            lifetime=lifetime(hosted),
            tags=tags(a_dict(body, "tags")),
            wishes=read_wishes(body, host),
        )

    def only_source(self) -> Source | None:
        """The source, when there is nothing to pick."""
        return Source.by_slug(self.source_slugs[0]) if self.source_slugs and len(self.source_slugs) == 1 else None

    def connection_of(self, person_id: int) -> Connection | None:
        """The connection to repair, in update mode."""
        if not self.connection_id:
            return None
        query = select(Connection).filter_by(ref=ref_in("conn", self.connection_id), person_id=person_id)
        found = db.session.scalar(query.options(joinedload(Connection.source)))
        if found is None or not found.is_live:
            raise BadRequest("not_found", "This user has no such connection.", param="connection_id", status=404)
        return found


def user_id(user: dict[str, Any]) -> str:
    no_others(user, ("client_user_id",), "user")
    id = text(user, "client_user_id", within="user.")
    if not id:
        raise BadRequest("missing_field", "Say who the user is, in your own words.", param="user.client_user_id")
    if EMAIL_LIKE.fullmatch(id):
        raise BadRequest("invalid_field", "Use an id that says nothing about a person.", param="user.client_user_id")
    return id


def return_url(body: dict[str, Any], host: Host) -> str:
    url = text(body, "return_url", longest=2_000)
    if url and url not in host.return_urls:
        raise BadRequest("return_url_not_allowed", f"{url} is not registered, letter for letter.", param="return_url")
    return url


def source_slugs(body: dict[str, Any], host: Host) -> list[str] | None:
    """What may be picked: what was asked for, else what the host may offer; null for everything."""
    given = body.get("allowed_source_ids")
    if body.get("source_id") is not None:
        if given is not None:
            raise BadRequest("invalid_field", "Give source_id or allowed_source_ids, not both.", param="source_id")
        given = [body["source_id"]]
    if given is None:
        return list(host.sources) if host.sources else None
    name = "source_id" if "source_id" in body else "allowed_source_ids"
    if not isinstance(given, list) or not given or not all(isinstance(slug, str) for slug in given):
        raise BadRequest("invalid_field", "Give a list of source ids.", param=name)
    readable = [slug for slug in given[:MOST_SOURCES] if clean_text(slug, longest=64) == slug]
    offered = set(db.session.scalars(select(Source.slug).where(Source.slug.in_(readable), Source.offered)))
    for slug in given:
        if slug not in offered or (host.sources and slug not in host.sources):
            raise BadRequest("source_not_supported", f"There is no source {slug[:80]!r} for you.", param=name)
    return list(dict.fromkeys(given))


def lifetime(hosted: dict[str, Any]) -> timedelta:
    no_others(hosted, ("lifetime_seconds",), "hosted")
    seconds = hosted.get("lifetime_seconds", START_WITHIN.total_seconds())
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 60 <= seconds <= LONGEST_LINK.total_seconds()
    ):
        raise BadRequest("invalid_field", "A link lives from a minute to 21 days.", param="hosted.lifetime_seconds")
    return timedelta(seconds=seconds)


def tags(given: dict[str, Any]) -> dict[str, str]:
    if len(given) > MOST_TAGS:
        raise BadRequest("invalid_field", f"At most {MOST_TAGS} tags.", param="tags")
    for name in given:
        if not name or clean_text(name, longest=LONGEST_TAG) != name:
            message = f"A tag's name is plain text of at most {LONGEST_TAG} characters."
            raise BadRequest("invalid_field", message, param="tags")
    return {name: text(given, name, longest=200, within="tags.") for name in given}
