"""The connection page: whose it is, where it stands, what happened, live."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask, Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import joinedload

from .. import metrics
from ..bus import person_topic, visit_topic
from ..current import bus
from ..db import db, writing
from ..deck.reading import clean_text
from ..live import farewell, sse
from ..models import Connection, ConnectSession, Host, Person, Source, StaffNote, StaffSession
from ..public_ids import public_id
from .case import connection_by_ref, known_of
from .gate import me, needs, record, session
from .lists import Cell, Filter, Listing, listing
from .pages import bp, page, post
from .words import CONNECTION_WORDS, TONES, who_of

LOOK_AGAIN = 2.0
"""Seconds: deliveries and what staff do ring no bell."""
MOST_OFFERED = 200
MOST_NOTES = 20
MOST_BELLS = 20
"""So many visits are listened for; the others are seen by looking."""
LONGEST_NOTE = 2_000
OUR_OWN = "own"

log = logging.getLogger("gangway.support")


# --- the list --------------------------------------------------------------------------------------------------


def rows() -> Any:
    with_person = joinedload(Connection.person).joinedload(Person.host)
    return select(Connection).options(with_person, joinedload(Connection.source))


def row(found: Connection) -> Sequence[Cell]:
    who, host = who_of(found.person)
    return [
        Cell(who or "nobody", href=url_for("support.connection", ref=found.ref)),
        Cell(host or "our own"),
        Cell(found.source.name),
        Cell(CONNECTION_WORDS.get(found.status, found.status), "status", tone=TONES.get(found.status, "")),
        Cell(found.status_since, "time"),
        Cell(public_id("conn", found.ref), "code"),
    ]


def at_source(slug: str) -> ColumnElement[bool] | None:
    id = db.session.scalar(select(Source.id).filter_by(slug=slug))
    return Connection.source_id == id if id is not None else None


def from_host(ref: str) -> ColumnElement[bool] | None:
    if ref == OUR_OWN:
        return Connection.person.has(Person.host_id.is_(None))
    id = db.session.scalar(select(Host.id).filter_by(ref=ref))
    return Connection.person.has(Person.host_id == id) if id is not None else None


def source_options() -> list[tuple[str, str]]:
    found = db.session.execute(select(Source.slug, Source.name).order_by(Source.name).limit(MOST_OFFERED))
    return [(slug, name) for slug, name in found]


def host_options() -> list[tuple[str, str]]:
    found = db.session.execute(select(Host.ref, Host.name).order_by(Host.name).limit(MOST_OFFERED))
    return [(OUR_OWN, "Our own people"), *((ref, name) for ref, name in found)]


listing(
    Listing(
        name="connections",
        title="Connections",
        columns=("Who", "From", "Source", "State", "Since", "Id"),
        query=rows,
        key=Connection.id,
        row=row,
        filters=(
            Filter(
                "status",
                "State",
                lambda value: Connection.status == value,
                options=lambda: list(CONNECTION_WORDS.items()),
            ),
            Filter("source", "Source", at_source, options=source_options),
            Filter("host", "From", from_host, options=host_options),
        ),
        empty="As soon as somebody signs in at a source, their connection is here.",
    )
)


# --- one connection --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Note:
    text: str
    by: str
    at: datetime


@page("/connections/<ref>", "connection.html")
def connection(ref: str) -> dict[str, Any]:
    found = connection_by_ref(ref) or abort(404)
    known = known_of(found, role=me().role, before=request.args.get("before", ""))
    return {**known, "notes": notes_about(found), "is_newest": "before" not in request.args}


def notes_about(found: Connection) -> list[Note]:
    query = select(StaffNote).filter_by(connection_id=found.id).options(joinedload(StaffNote.staff))
    newest = db.session.scalars(query.order_by(StaffNote.id.desc()).limit(MOST_NOTES))
    return [Note(note.text, note.staff.called, note.at) for note in newest]


@post("/connections/<ref>/notes", needs_role="agent")
def add_note(ref: str) -> ResponseReturnValue:
    """Staff write for each other. An empty note is none."""
    found = connection_by_ref(ref) or abort(404)
    text = clean_text(request.form.get("text"), longest=LONGEST_NOTE)
    if text:
        with writing():
            db.session.add(StaffNote(connection_id=found.id, staff_id=me().id, text=text))
            record("note", public_id("conn", found.ref))
    return redirect(url_for("support.connection", ref=ref, _anchor="notes"), 303)


# --- live ------------------------------------------------------------------------------------------------------


@needs("viewer")
def watch(ref: str) -> ResponseReturnValue:
    """The stream of one connection page, for whoever of the staff has it open."""
    found = connection_by_ref(ref) or abort(404)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    visits = db.session.scalars(
        select(ConnectSession.ref)
        .filter_by(connection_id=found.id)
        .order_by(ConnectSession.id.desc())
        .limit(MOST_BELLS)
    )
    topics = [person_topic(found.person_id), *(visit_topic(visit) for visit in visits)]
    frames = metrics.counted(fragments(app, ref, topics, session().id, role=me().role))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(frames, mimetype="text/event-stream", headers=headers, direct_passthrough=True)


bp.add_url_rule("/connections/<ref>/live", "watch", watch)


def fragments(app: Flask, ref: str, topics: list[str], staff_session_id: int, *, role: str) -> Iterator[bytes]:
    """The page's inside, and again whenever it has changed, until the staff session ends.

    It looks every two seconds, bell or not; nothing is held while it waits.
    """
    with app.app_context():
        the_bus = bus()
    seen = ""
    with the_bus.listen(*topics) as bell:
        while True:
            html = look(app, ref, staff_session_id, role=role)
            if html is None:
                break
            yield sse(html).encode() if html != seen and html else b": still here\n\n"
            metrics.sse_sent(bell.rang_at if html != seen else 0.0)
            seen = html or seen
            bell.wait(LOOK_AGAIN)
            if the_bus.closing:
                yield farewell()
                return
    yield sse("", event="over").encode()


def look(app: Flask, ref: str, staff_session_id: int, *, role: str) -> str | None:
    """The page's inside now; "" while the database is busy, None when there is nobody to show it to."""
    with app.test_request_context(base_url=app.extensions["gangway"].config.public_url):
        try:
            found = connection_by_ref(ref) if StaffSession.is_open_still(staff_session_id) else None
            return render_template("support/_case.html", **known_of(found, role=role)) if found else None
        except OperationalError:
            log.warning("the database is busy: a connection page is looked at a little later")
            db.session.rollback()
            return ""
