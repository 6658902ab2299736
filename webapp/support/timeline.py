"""Everything that happened to a connection or a run, from every side, in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, url_for
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from ..db import db
from ..models import (
    AuditEntry,
    Connection,
    ConnectSession,
    Delivery,
    ErrorReport,
    Event,
    HostEvent,
    Intent,
    Move,
    Prompt,
    Run,
    Staff,
    StaffNote,
    VisitEvent,
)
from ..public_ids import public_id
from ..stamps import moment_in
from .words import ASKED, PROBLEM, RUN_WORDS, TONES, WAIT, asks, lasting, times

MOST = 200

STEPS = {
    "OPEN": "Opened the flow",
    "SELECT_SOURCE": "Chose the source",
    "SUBMIT_CREDENTIALS": "Typed their sign-in",
    "ERROR": "Was told that it did not work",
    "HANDOFF": "Was told that it worked",
    "BACKGROUND": "Went back to the company's page while it goes on",
    "ISSUE_FOLLOWED": "Asked to hear when the source works again",
    "EXIT": "Left the flow",
}
"""Steps of visits. The others are told by what caused them: moves and questions."""
UNSURE = "Was told that nobody knows whether it worked"
WRITES = {
    "credential.store": "Handed the sign-in to Deck",
    "credential.change": "Handed the new sign-in to Deck",
    "credential.delete": "Asked Deck to delete the sign-in",
    "credential.forget": "Asked Deck to forget a sign-in",
    "run.start": "Asked Deck to start a run",
    "run.answer": "Passed the answer on to Deck",
    "run.cancel": "Asked Deck to stop the run",
}
STATES = {"pending": "not done yet", "refused": "Deck refused", "lost": "nobody knows whether it arrived"}
"""Of our writes; one that is done says nothing."""
PARKED = {
    "unknown": "it came before we knew what it is about",
    "unreadable": "it could not be read",
    "poison": "it could not be acted on",
}
CAUSES = ("step", "answered", "write", "event", "move", "asked", "told", "error", "act", "note")
"""What comes first of things that happened in the same moment, by the beginnings of their ids."""
MOVERS = {"running": "source", "interaction_required": "source", "completed": "source"}


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `who` is person, us, Deck, source, host or staff."""

    id: str
    at: datetime
    who: str
    words: str
    detail: str = ""
    codes: tuple[str, ...] = ()
    tone: str = ""
    href: str = ""


@dataclass(frozen=True)
class Timeline:
    """Newest first; `older` is the key of the next page."""

    entries: list[Entry]
    older: str = ""


@dataclass(frozen=True)
class Reach:
    """What a timeline is about: rows that strands look for, by their indexed columns."""

    person_id: int
    host_id: int | None
    writes: ColumnElement[bool]
    told_as: tuple[str, str]
    """How a host's events name it: a key of their data, and the public id."""
    runs: dict[int, str]
    """Their references by id."""
    visits: list[int]
    subjects: list[str]
    """What Deck's events call it."""
    objects: list[str]
    """What the audit log calls it."""
    connection_id: int | None = None


Strand = Callable[[Reach, datetime | None], Iterator[Entry]]
Key = tuple[datetime, int, int]
"""Where an entry stands among all: when, what kind, which."""


def of_connection(connection: Connection, before: str = "") -> Timeline:
    key = key_in(before)
    until = key[0] if key else None
    mine = select(Run.id, Run.ref, Run.deck_id, Run.connect_session_id).where(Run.connection_id == connection.id)
    runs = db.session.execute(newest(mine, Run.created_at, until)).all()
    about = or_(
        ConnectSession.connection_id == connection.id, ConnectSession.id.in_({run.connect_session_id for run in runs})
    )
    visits = newest(select(ConnectSession.id).where(about), ConnectSession.created_at, until)
    named = public_id("conn", connection.ref)
    reach = Reach(
        person_id=connection.person_id,
        host_id=connection.person.host_id,
        writes=Intent.connection_id == connection.id,
        told_as=("connection_id", named),
        runs={run.id: run.ref for run in runs},
        visits=list(db.session.scalars(visits)),
        subjects=[name for name in (connection.deck_id, *(run.deck_id for run in runs)) if name],
        objects=[named, *(public_id("run", run.ref) for run in runs)],
        connection_id=connection.id,
    )
    return woven(reach, key)


def of_run(run: Run, before: str = "") -> Timeline:
    named = public_id("run", run.ref)
    reach = Reach(
        person_id=run.connection.person_id,
        host_id=run.connection.person.host_id,
        writes=Intent.run_id == run.id,
        told_as=("run_id", named),
        runs={run.id: run.ref},
        visits=[],
        subjects=[run.deck_id] if run.deck_id else [],
        objects=[named],
    )
    return woven(reach, key_in(before))


def woven(reach: Reach, key: Key | None) -> Timeline:
    """The newest entries of all strands together."""
    until = key[0] if key else None
    entries = [entry for strand in STRANDS for entry in strand(reach, until)]
    entries = sorted((e for e in entries if key is None or order(e) < key), key=order, reverse=True)
    if len(entries) <= MOST:
        return Timeline(entries)
    last = entries[MOST - 1]
    return Timeline(entries[:MOST], f"{last.at.isoformat()}~{last.id}")


def order(entry: Entry) -> Key:
    kind, _, number = entry.id.partition("-")
    return entry.at, CAUSES.index(kind), int(number)


def key_in(text: str) -> Key | None:
    """The key in an address; None for the first page, 400 for what we never gave out."""
    if not text:
        return None
    moment, _, id = text.partition("~")
    kind, _, number = id.partition("-")
    at, is_number = moment_in(moment), number.isascii() and number.isdecimal() and len(number) <= 10
    return (at, CAUSES.index(kind), int(number)) if at is not None and kind in CAUSES and is_number else abort(400)


def newest(query: Any, moment: InstrumentedAttribute[datetime], until: datetime | None) -> Any:
    """One more than a page holds, so that the page knows whether there are older ones."""
    if until is not None:
        query = query.where(moment <= until)
    return query.order_by(moment.desc()).limit(MOST + 1)


# --- strands ---------------------------------------------------------------------------------------------------


def steps(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    query = select(VisitEvent).where(VisitEvent.connect_session_id.in_(reach.visits), VisitEvent.name.in_(STEPS))
    for step in db.session.scalars(newest(query, VisitEvent.at, until)):
        more = step.details.get("error_code") or step.details.get("exit_status") or ""
        words, tone = STEPS[step.name], PROBLEM if step.name == "ERROR" else ""
        if more == "task_result_unknown":
            words, tone = UNSURE, WAIT
        yield Entry(f"step-{step.id}", step.at, "person", words, codes=tuple(filter(None, [more])), tone=tone)


def moves(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    query = select(Move).where(Move.run_id.in_(reach.runs))
    for move in db.session.scalars(newest(query, Move.noticed_at, until)):
        yield Entry(
            f"move-{move.id}",
            move.noticed_at,
            MOVERS.get(move.became, "Deck"),
            f"Run: {RUN_WORDS.get(move.became, move.became).lower()}",
            tone=TONES.get(move.became, ""),
            href=url_for("support.run", ref=reach.runs[move.run_id]),
        )


def questions(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    """That something was asked, of which kind and under which labels: never the site's message, never an answer."""
    query = select(Prompt).where(Prompt.run_id.in_(reach.runs))
    for prompt in db.session.scalars(newest(query, Prompt.asked_at, until)):
        thing, labels = ASKED[asks(prompt)][0], ", ".join(str(field["label"])[:60] for field in prompt.fields[:5])
        again = " again: the answer was not accepted" if prompt.is_again else ""
        gone = " (went away without an answer)" if prompt.state == "closed" else ""
        words = f"Asked for {thing}{again}{gone}"
        yield Entry(f"asked-{prompt.id}", prompt.asked_at, "source", words, labels, tone=WAIT)
        if prompt.answered_at is not None and (until is None or prompt.answered_at <= until):
            took = lasting((prompt.answered_at - prompt.asked_at).total_seconds())
            yield Entry(f"answered-{prompt.id}", prompt.answered_at, "person", "Answered", f"after {took}")


def writes(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    query = select(Intent).where(reach.writes)
    for intent in db.session.scalars(newest(query, Intent.created_at, until)):
        tries = f"tried {times(intent.attempts + 1)}" if intent.attempts else ""
        detail = ", ".join(filter(None, [STATES.get(intent.state, ""), tries, intent.error]))
        codes = tuple(filter(None, [intent.request_id, intent.key]))
        tone = {"refused": PROBLEM, "lost": PROBLEM, "pending": WAIT}.get(intent.state, "")
        words = WRITES.get(intent.kind, intent.kind)
        yield Entry(f"write-{intent.id}", intent.created_at, "us", words, detail, codes, tone)


def events(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    columns = Event.id, Event.deck_id, Event.type, Event.parked, Event.received_at
    query = select(*columns).where(Event.subject.in_(reach.subjects))
    for event in db.session.execute(newest(query, Event.received_at, until)):
        detail = f"parked: {PARKED.get(event.parked, event.parked)}" if event.parked else ""
        tone = PROBLEM if event.parked not in ("", "unknown") else ""
        id, words = f"event-{event.id}", f"Told us {event.type}"
        yield Entry(id, event.received_at, "Deck", words, detail, (event.deck_id,), tone)


def deliveries(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    if reach.host_id is None:
        return
    key, name = reach.told_as
    query = select(HostEvent, Delivery).outerjoin(Delivery, Delivery.event_id == HostEvent.id)
    query = query.where(HostEvent.person_id == reach.person_id, HostEvent.data[key].as_string() == name)
    for event, delivery in db.session.execute(newest(query, HostEvent.created_at, until)):
        id, words = f"told-{event.id}", f"Is told {event.type}"
        if delivery is None:
            yield Entry(id, event.created_at, "host", words, "kept for them: they have no endpoint")
            continue
        tries = "at the first try" if delivery.tries == 1 else f"after {delivery.tries} tries"
        detail = f"{delivery.state} {tries}" if delivery.tries else delivery.state
        tone = {"failed": PROBLEM, "pending": WAIT}.get(delivery.state, "")
        codes, href = (public_id("dlv", delivery.ref),), url_for("support.delivery", ref=delivery.ref)
        yield Entry(id, event.created_at, "host", words, detail, codes, tone, href)


def errors(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    """Error pages in these visits, and the person's that belong to no visit."""
    outside = and_(ErrorReport.person_id == reach.person_id, ErrorReport.connect_session_id.is_(None))
    seen = ErrorReport.connect_session_id.in_(reach.visits)
    query = select(ErrorReport).where(or_(seen, outside) if reach.connection_id is not None else seen)
    for report in db.session.scalars(newest(query, ErrorReport.at, until)):
        words, codes = f"Saw an error page ({report.status})", (report.support_code, report.request_id)
        yield Entry(f"error-{report.id}", report.at, "person", words, report.page, codes, PROBLEM)


def acts(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    query = select(AuditEntry, Staff).outerjoin(Staff, AuditEntry.staff_id == Staff.id)
    query = query.where(AuditEntry.object.in_(reach.objects), AuditEntry.act != "note")
    for entry, staff in db.session.execute(newest(query, AuditEntry.at, until)):
        words = f"{staff.called if staff else 'The command line'}: {entry.act.replace('_', ' ')}"
        result = "" if entry.result == "done" else f" ({entry.result})"
        yield Entry(f"act-{entry.id}", entry.at, "staff", words, f"{entry.reason}{result}", (entry.ref,))


def notes(reach: Reach, until: datetime | None) -> Iterator[Entry]:
    if reach.connection_id is None:
        return
    query = select(StaffNote).where(StaffNote.connection_id == reach.connection_id)
    for note in db.session.scalars(newest(query.options(joinedload(StaffNote.staff)), StaffNote.at, until)):
        yield Entry(f"note-{note.id}", note.at, "staff", f"{note.staff.called}: note", note.text)


STRANDS: tuple[Strand, ...] = (steps, moves, questions, writes, events, deliveries, errors, acts, notes)
