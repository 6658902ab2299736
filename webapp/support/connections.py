"""The connection page: whose it is, where it stands, what happened, live."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from .. import metrics
from ..bus import person_topic, visit_topic
from ..current import bus, streams
from ..db import TRANSIENT, db, now, writing
from ..deck.reading import clean_text
from ..door import network
from ..live import sse
from ..models import Connection, ConnectSession, Host, Person, Source, StaffNote, StaffSession
from ..public_ids import public_id
from ..streams import GIVEN_WAY, OVER, brief, farewell
from .case import connection_by_ref, known_of
from .gate import me, needs, record, session
from .lists import Cell, Filter, Listing, listing
from .pages import bp, page, post
from .versions import version_of
from .words import CONNECTION_WORDS, TONES, who_of

LOOK_AGAIN = 2.0
"""Seconds: deliveries and what staff do ring no bell."""
DRAW_AGAIN = 30.0
"""Seconds after which the page is drawn even if nothing has happened: some of its words depend on the time."""
MOST_OFFERED = 200
MOST_NOTES = 20
MOST_BELLS = 20
"""So many visits are listened for; the others are seen by looking."""
LONGEST_NOTE = 2_000
SAME_NOTE = timedelta(minutes=1)
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
        return Connection.host_id.is_(None)
    id = db.session.scalar(select(Host.id).filter_by(ref=ref))
    return Connection.host_id == id if id is not None else None


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
    """Staff write for each other. An empty note is none, and a second press of the button is the first."""
    found = connection_by_ref(ref) or abort(404)
    text = clean_text(request.form.get("text"), longest=LONGEST_NOTE)
    if text:
        with writing(found.person_id):
            if not is_there_already(found, text):
                db.session.add(StaffNote(connection_id=found.id, staff_id=me().id, text=text))
                record("note", public_id("conn", found.ref))
    return redirect(url_for("support.connection", ref=ref, _anchor="notes"), 303)


def is_there_already(found: Connection, text: str) -> bool:
    """Whether the newest note says just this, by the same member of staff, since a moment ago."""
    newest = db.session.scalar(
        select(StaffNote).filter_by(connection_id=found.id).order_by(StaffNote.id.desc()).limit(1)
    )
    return newest is not None and (newest.staff_id, newest.text) == (me().id, text) and now() - newest.at < SAME_NOTE


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
    frames = metrics.counted(fragments(app, ref, topics, session().id, network(), role=me().role))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(frames, mimetype="text/event-stream", headers=headers, direct_passthrough=True)


bp.add_url_rule("/connections/<ref>/live", "watch", watch)


def fragments(
    app: Flask, ref: str, topics: list[str], staff_session_id: int, network: str, *, role: str
) -> Iterator[bytes]:
    """The page's inside, and again whenever it has changed, until the staff session ends.

    It looks every two seconds, bell or not, and draws what has changed; nothing is held while it waits.
    """
    with app.app_context():
        the_bus, the_streams = bus(), streams()
    seen, drawn_at = Look(), 0.0
    with the_bus.listen(*topics) as bell, the_streams.open(f"staff/{staff_session_id}", network, bell) as stream:
        while True:
            is_old = time.monotonic() - drawn_at > DRAW_AGAIN
            found = look(app, ref, staff_session_id, Look() if is_old else seen, role=role)
            if found is None:
                break
            is_new = found.html not in ("", seen.html)
            yield sse(found.html).encode() if is_new else b": still here\n\n"
            metrics.sse_sent(bell.rang_at if is_new else 0.0)
            if found.html and found is not seen:
                seen, drawn_at = found, time.monotonic()
            if stream.is_brief:
                yield brief()
                return
            bell.wait(LOOK_AGAIN)
            if the_bus.closing:
                yield farewell()
                return
            if stream.gives_way:
                yield GIVEN_WAY
                return
    yield OVER


@dataclass(frozen=True)
class Look:
    """The page's inside as it was drawn, and the version of what it tells."""

    version: int | None = None
    html: str = ""


def look(app: Flask, ref: str, staff_session_id: int, seen: Look, *, role: str) -> Look | None:
    """The page now: *seen* itself when nothing has happened since or the database is busy, None when nobody looks."""
    with app.test_request_context(base_url=app.extensions["gangway"].config.public_url):
        try:
            found = connection_by_ref(ref) if StaffSession.is_open_still(staff_session_id) else None
            if found is None:
                return None
            version = version_of(found)  # first: what happens while it is drawn is drawn again
            if version == seen.version:
                return seen
            return Look(version, render_template("support/_case.html", **known_of(found, role=role)))
        except TRANSIENT:
            log.warning("the database is busy: a connection page is looked at a little later")
            db.session.rollback()
            return seen
