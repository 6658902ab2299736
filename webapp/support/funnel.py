"""How far visits come, screen by screen."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from flask import request
from sqlalchemy import ColumnElement, select

from ..db import db, now
from ..models import ConnectSession, Host, Person, Source
from .health import sources_by_use
from .pages import page
from .visits import DAY, MOST, Steps, counted_from, steps_by, total

PERIODS = {"1": "24 hours", "7": "7 days", "30": "30 days"}
DEVICES = {"phone": "Phone", "computer": "Computer"}
WORDS = {
    "opened": "Opened",
    "picked": "Picked a source",
    "submitted": "Submitted credentials",
    "asked": "Asked for a code or question",
    "answered": "Answered it",
    "handed_over": "Handed over",
    "left": "Left by themselves",
    "abandoned": "Abandoned",
}
MOST_HOSTS = 200


@dataclass(frozen=True)
class Group:
    """Some of the visits: those of one source, host or device."""

    name: str
    value: str
    """What the filter of this kind is set to for them; "" when none can say it."""
    steps: Steps
    sign_in: float | None
    conversion: float | None


@page("/funnel", "funnel.html", name="funnel")
def show() -> dict[str, Any]:
    days = choice("days", PERIODS, "7")
    by = choice("by", ("source", "host", "device"), "source")
    hosts = {host.ref: host for host in db.session.scalars(select(Host).order_by(Host.name).limit(MOST_HOSTS))}
    sources = {source.slug: source for source in sources_by_use()}
    source, host = choice("source", sources), choice("host", {**hosts, "none": None})
    device = choice("device", DEVICES)
    narrowed: list[ColumnElement[bool]] = []
    if source:
        narrowed.append(ConnectSession.source_id == sources[source].id)
    if host:
        narrowed.append(Person.host_id == hosts[host].id if host in hosts else Person.host_id.is_(None))
    if device:
        narrowed.append(ConnectSession.device == device)
    until = now()
    since = until - int(days) * DAY
    groups = steps_by(by, since, until, *narrowed)
    named = names(by, list(hosts.values()), list(sources.values()))
    return {
        "days": days,
        "by": by,
        "source": source,
        "host": host,
        "device": device,
        "periods": PERIODS,
        "sources": [(slug, it.name) for slug, it in sources.items()],
        "hosts": [(ref, it.name) for ref, it in hosts.items()],
        "devices": DEVICES,
        "words": WORDS,
        "steps": [(WORDS[field.name], getattr(total(groups), field.name)) for field in fields(Steps)],
        "groups": [group(*named.get(key, ("Others", "")), it) for key, it in largest(groups)],
        "opened": total(groups).opened,
        "cut_at": counted_from(since, until, *narrowed),
        "most": MOST,
    }


def choice(name: str, among: Any, otherwise: str = "") -> str:
    """What the address asks for, if that is one of *among*."""
    asked = request.args.get(name, "")
    return asked if asked in among else otherwise


def names(by: str, hosts: list[Host], sources: list[Source]) -> dict[Any, tuple[str, str]]:
    """What the groups are called, and what the filter calls them."""
    if by == "source":
        return {None: ("No source picked", ""), **{source.id: (source.name, source.slug) for source in sources}}
    if by == "host":
        return {None: ("No host: people with an account here", "none"), **{it.id: (it.name, it.ref) for it in hosts}}
    return {"": ("Not known", ""), **{value: (words, value) for value, words in DEVICES.items()}}


def largest(groups: dict[Any, Steps]) -> list[tuple[Any, Steps]]:
    return sorted(groups.items(), key=lambda it: it[1].opened, reverse=True)[:200]


def group(name: str, value: str, steps: Steps) -> Group:
    return Group(name, value, steps, steps.sign_in_rate, steps.conversion)
