"""What an act is done to: found by the last part of its address, named as the audit log names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..db import db
from ..models import Connection, Delivery, Endpoint, Host, Run, Source
from ..public_ids import public_id

HERE = "here"
"""The reference of this installation itself."""


@dataclass(frozen=True)
class Target:
    """A row, and what is to be known about it whatever it is."""

    kind: str
    ref: str
    row: Any
    id: str
    """Our public id."""
    words: str
    endpoint: str
    """Of the page to go back to; it takes `place`."""
    place: dict[str, str]
    owners: tuple[int, ...] = ()
    """Whose it is: what `writing` wants to know."""

    def page(self, **more: str) -> str:
        place: dict[str, Any] = {**self.place, **more}
        return url_for(f"support.{self.endpoint}", **place)


def connection(ref: str) -> Target | None:
    query = select(Connection).filter_by(ref=ref).options(joinedload(Connection.source), joinedload(Connection.person))
    found = db.session.scalar(query)
    if found is None:
        return None
    words = f"the connection to {found.source.name}"
    return Target(
        "connection", ref, found, public_id("conn", ref), words, "connection", {"ref": ref}, (found.person_id,)
    )


def run(ref: str) -> Target | None:
    query = select(Run).filter_by(ref=ref).options(joinedload(Run.source), joinedload(Run.connection))
    found = db.session.scalar(query)
    if found is None:
        return None
    words = f"a run at {found.source.name}"
    return Target("run", ref, found, public_id("run", ref), words, "run", {"ref": ref}, (found.owner,))


def delivery(ref: str) -> Target | None:
    query = select(Delivery).filter_by(ref=ref)
    ends = joinedload(Delivery.endpoint).joinedload(Endpoint.host)
    found = db.session.scalar(query.options(joinedload(Delivery.event), ends))
    if found is None:
        return None
    words = f"{found.event.type} for {found.endpoint.host.name}"
    return Target("delivery", ref, found, public_id("dlv", ref), words, "delivery", {"ref": ref})


def host(ref: str) -> Target | None:
    found = db.session.scalar(select(Host).filter_by(ref=ref))
    if found is None:
        return None
    return Target("host", ref, found, public_id("host", ref), found.name, "host", {"ref": ref})


def source(slug: str) -> Target | None:
    found = db.session.scalar(select(Source).filter_by(slug=slug.replace("\0", "\ufffd")))
    if found is None:
        return None
    return Target("source", slug, found, public_id("src", slug), found.name, "source", {"slug": slug})


def deck(ref: str) -> Target | None:
    """What Deck tells this installation."""
    return Target("deck", HERE, None, "deck", "the events Deck sends us", "inbox", {}) if ref == HERE else None


def hosts(ref: str) -> Target | None:
    """The list of hosts."""
    return Target("hosts", HERE, None, "hosts", "all hosts", "hosts", {}) if ref == HERE else None


KINDS: dict[str, Callable[[str], Target | None]] = {
    "connection": connection,
    "run": run,
    "delivery": delivery,
    "host": host,
    "source": source,
    "deck": deck,
    "hosts": hosts,
}


def find(kinds: Sequence[str], ref: str) -> Target | None:
    """The first thing of one of these *kinds* that is called so."""
    return next((target for kind in kinds if (target := KINDS[kind](ref))), None)
