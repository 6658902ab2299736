"""One box: what somebody reads out, and the place it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import redirect, request, url_for
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import joinedload

from ..current import limits
from ..db import db
from ..deck.reading import one_line
from ..exits import ERRORS
from ..limits import SEARCHES_PER_STAFF
from ..models import (
    Connection,
    ConnectSession,
    Delivery,
    ErrorReport,
    Event,
    Host,
    HostEvent,
    Intent,
    Invitation,
    Issue,
    Person,
    Run,
    Source,
    Staff,
)
from ..models.refs import support_code_in
from ..outcomes import BY_CODE
from ..pages import RUN_WORDS as PEOPLES_RUN_WORDS
from ..pages import STATUS_WORDS
from ..public_ids import public_id
from ..search import find_sources, plain
from .gate import me
from .pages import bp, page
from .words import CONNECTION_WORDS, RUN_WORDS, who_of

LONGEST = 300
MOST = 20
PUBLIC_ID = re.compile(r"(conn|run|visit|cs|dlv|host|staff|issue|evt)_([A-Za-z0-9_-]{16})")
BARE_REF = re.compile(r"[A-Za-z0-9_-]{16}")
PERSON_ID = re.compile(r"person_([0-9]{1,9})")
REQUEST_ID = re.compile(r"req_([A-Za-z0-9_-]{1,200})")
ERROR_CODES = {*BY_CODE, *ERRORS}
STATES = {
    "connections": {status: (said, STATUS_WORDS.get(status, said)) for status, said in CONNECTION_WORDS.items()},
    "runs": {status: (said, PEOPLES_RUN_WORDS.get(status, said)) for status, said in RUN_WORDS.items()},
}
"""By list and status: how we say it, and how people read it."""


@dataclass(frozen=True)
class Hit:
    """One place a query may mean. `is_exact`: it names this and nothing else."""

    kind: str
    title: str
    text: str
    href: str
    is_exact: bool = True


@dataclass(frozen=True)
class Group:
    kind: str
    hits: list[Hit]


@page("/search", "search.html", name="search")
def search() -> Any:
    """Counted for each of the staff: it could be used to try codes."""
    query = one_line(request.args.get("q"), longest=LONGEST)
    if not query:
        return known("", [])
    limits().count(SEARCHES_PER_STAFF, "search", me().ref)
    hits = list(dict.fromkeys(hit for look in LOOKS for hit in look(query)))
    exact = {hit.href for hit in hits if hit.is_exact}
    if len(exact) == 1 and request.blueprint == bp.name:
        return redirect(exact.pop(), 303)
    return known(query, hits)


def known(query: str, hits: list[Hit]) -> dict[str, Any]:
    kinds = list(dict.fromkeys(hit.kind for hit in hits))
    request_id = REQUEST_ID.fullmatch(query)
    return {
        "q": query,
        "groups": [Group(kind, [hit for hit in hits if hit.kind == kind][:MOST]) for kind in kinds],
        "count": len(hits),
        "request_id": request_id[1] if request_id and not hits else "",
        "states": {where: [said for said, _ in words.values()] for where, words in STATES.items()},
    }


# --- what it may be --------------------------------------------------------------------------------------------


def support_codes(query: str) -> Iterator[Hit]:
    """A visit's, or an error page's: both are read out in the same way.

    The latest visit is told on its connection's page, an earlier one on its own.
    """
    code = support_code_in(query)
    if code is None:
        return
    visit = db.session.scalar(with_connection(select(ConnectSession).filter_by(support_code=code)))
    if visit is not None:
        is_latest = visit.connection is None or ConnectSession.about(visit.connection)[:1] == [visit]
        where = place_of(visit) if is_latest else url_for("support.visit", ref=visit.ref)
        yield Hit("Visits", code, f"{visit.purpose} visit", where)
    yield from error_pages(ErrorReport.support_code == code)


def references(query: str) -> Iterator[Hit]:
    """What an error page without a code shows, and what our log calls a request; programs read it after `req_`."""
    bare = query.removeprefix("req_")
    yield from error_pages(ErrorReport.request_id.in_({query, bare, f"req_{bare}"}))


def error_pages(which: ColumnElement[bool]) -> Iterator[Hit]:
    seen = select(ErrorReport).where(which).limit(MOST)
    seen = seen.options(joinedload(ErrorReport.connect_session).joinedload(ConnectSession.connection))
    for report in db.session.scalars(seen):
        person = url_for("support.person", id=report.person_id)
        where = place_of(report.connect_session) if report.connect_session else person
        yield Hit("Error pages", report.support_code, f"{report.status} at {report.page}", f"{where}#error-{report.id}")


def our_ids(query: str) -> Iterator[Hit]:
    """With or without what says which kind they are."""
    found, bare = PUBLIC_ID.fullmatch(query), BARE_REF.fullmatch(query)
    if found:
        yield from BY_KIND[found[1]](found[2])
    if bare:
        for look in BY_KIND.values():
            yield from look(query)
    if person := PERSON_ID.fullmatch(query):
        yield from people(Person.id == int(person[1]))


def emails(query: str) -> Iterator[Hit]:
    if "@" in query:
        known = Person.by_email(query)
        yield from people(Person.id == known.id) if known else ()


def hosts_names_for_people(query: str) -> Iterator[Hit]:
    if len(query) <= 200:
        yield from people(Person.client_user_id == query)


def deck_ids(query: str) -> Iterator[Hit]:
    """Deck's names for runs, sign-ins, events and requests, and the keys of our writes there."""
    if " " in query:
        return
    for run in db.session.scalars(select(Run).filter_by(deck_id=query)):
        yield run_hit(run.ref, f"Deck's {query}")
    for ref in db.session.scalars(select(Connection.ref).filter_by(deck_id=query)):
        yield connection_hit(ref, f"Deck's {query}")
    writes = select(Intent).where(or_(Intent.request_id == query, Intent.key == query)).limit(MOST)
    for intent in db.session.scalars(writes.options(joinedload(Intent.connection))):
        where = url_for("support.connection", ref=intent.connection.ref, _anchor=f"write-{intent.id}")
        yield Hit("Writes at Deck", intent.kind, intent.state, where)
    named = or_(Event.deck_id == query, Event.webhook_id == query)
    events = db.session.execute(select(Event.id, Event.type, Event.subject).where(named)).all()
    for id, type, subject in events:
        yield Hit("Deck's events", type or "unreadable", subject, place_of_event(id, subject))


def sources(query: str) -> Iterator[Hit]:
    slug, offered = query.lower().removeprefix("src_"), Source.all_offered()
    named = [source for source in offered if source.slug == slug]
    for source in dict.fromkeys([*named, *find_sources(query, offered)[:MOST]]):
        is_exact = slug == source.slug or plain(query) == plain(source.name)
        yield Hit("Sources", source.name, source.host, url_for("support.source", slug=source.slug), is_exact)


def states(query: str) -> Iterator[Hit]:
    """A status word of ours or Deck's, how we say it, or how people read it."""
    word = query.lower()
    for where, words in STATES.items():
        for status, (said, read) in words.items():
            if word in (status, status.replace("_", " "), said.lower(), read.lower()):
                href = url_for(f"support.{where}", status=status)
                yield Hit("Lists", f"{where.capitalize()}: {said.lower()}", status, href)


def error_codes(query: str) -> Iterator[Hit]:
    code, _, stage = query.lower().partition("/")
    if code in ERROR_CODES:
        trouble = f"{code}/{stage}" if stage else code
        yield Hit("Lists", f"Runs that failed with {trouble}", "", url_for("support.runs", trouble=trouble))


# --- finding by our references -----------------------------------------------------------------------------------


def connections_called(ref: str) -> Iterator[Hit]:
    for found in db.session.scalars(select(Connection.ref).filter_by(ref=ref)):
        yield connection_hit(found)


def runs_called(ref: str) -> Iterator[Hit]:
    for found in db.session.scalars(select(Run.ref).filter_by(ref=ref)):
        yield run_hit(found)


def visits_called(ref: str) -> Iterator[Hit]:
    for visit in db.session.scalars(select(ConnectSession).filter_by(ref=ref)):
        yield visit_hit(visit)


def sessions_called(ref: str) -> Iterator[Hit]:
    """By the name that hosts have for a visit."""
    invited = select(ConnectSession).join(Invitation, Invitation.connect_session_id == ConnectSession.id)
    for visit in db.session.scalars(invited.where(Invitation.ref == ref)):
        yield visit_hit(visit)


def deliveries_called(ref: str) -> Iterator[Hit]:
    for state in db.session.scalars(select(Delivery.state).filter_by(ref=ref)):
        yield Hit("Deliveries", public_id("dlv", ref), state, url_for("support.delivery", ref=ref))


def host_events_called(ref: str) -> Iterator[Hit]:
    query = select(Delivery.ref, HostEvent.type).join(HostEvent, Delivery.event_id == HostEvent.id)
    for delivery, type in db.session.execute(query.where(HostEvent.ref == ref)):
        yield Hit("Deliveries", public_id("dlv", delivery), type, url_for("support.delivery", ref=delivery))


def hosts_called(ref: str) -> Iterator[Hit]:
    for name in db.session.scalars(select(Host.name).filter_by(ref=ref)):
        yield Hit("Hosts", name, public_id("host", ref), url_for("support.host", ref=ref))


def staff_called(ref: str) -> Iterator[Hit]:
    for staff in db.session.scalars(select(Staff).filter_by(ref=ref)):
        yield Hit("Team", staff.called, staff.role, url_for("support.team"))


def issues_called(ref: str) -> Iterator[Hit]:
    for trouble in db.session.scalars(select(Issue.trouble).filter_by(ref=ref)):
        yield Hit("Issues", trouble, public_id("issue", ref), url_for("support.issue", ref=ref))


BY_KIND: dict[str, Callable[[str], Iterator[Hit]]] = {
    "conn": connections_called,
    "run": runs_called,
    "visit": visits_called,
    "cs": sessions_called,
    "dlv": deliveries_called,
    "evt": host_events_called,
    "host": hosts_called,
    "staff": staff_called,
    "issue": issues_called,
}
LOOKS = (support_codes, references, our_ids, emails, hosts_names_for_people, deck_ids, sources, states, error_codes)


# --- places ----------------------------------------------------------------------------------------------------


def with_connection(query: Any) -> Any:
    return query.options(joinedload(ConnectSession.connection))


def place_of(visit: ConnectSession) -> str:
    """Where most of it is to be seen: its connection, before there is one the visit itself."""
    if visit.connection is not None:
        return url_for("support.connection", ref=visit.connection.ref)
    return url_for("support.visit", ref=visit.ref)


def place_of_event(id: int, subject: str) -> str:
    """What it is about, as far as we know that; otherwise the inbox."""
    of_run = select(Connection.ref).join(Run, Run.connection_id == Connection.id).where(Run.deck_id == subject)
    ref = db.session.scalar(of_run) or db.session.scalar(select(Connection.ref).filter_by(deck_id=subject))
    if subject and ref:
        return url_for("support.connection", ref=ref, _anchor=f"event-{id}")
    return url_for("support.inbox", subject=subject or None)


def people(which: Any) -> Iterator[Hit]:
    query = select(Person).where(which).options(joinedload(Person.host)).order_by(Person.id.desc()).limit(MOST)
    for person in db.session.scalars(query):
        who, host = who_of(person)
        yield Hit("People", who, host, url_for("support.person", id=person.id))


def connection_hit(ref: str, text: str = "") -> Hit:
    return Hit("Connections", public_id("conn", ref), text, url_for("support.connection", ref=ref))


def run_hit(ref: str, text: str = "") -> Hit:
    return Hit("Runs", public_id("run", ref), text, url_for("support.run", ref=ref))


def visit_hit(visit: ConnectSession) -> Hit:
    return Hit("Visits", visit.support_code, public_id("visit", visit.ref), url_for("support.visit", ref=visit.ref))
