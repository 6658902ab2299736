"""Server-sent events: the same fragment that drew the first paint, again whenever it has changed."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from . import metrics
from .account import person_id, signed_in_only
from .bus import VISIT, WORK, Bell, person_topic, visit_topic
from .current import bus
from .db import db, writing
from .models import BrowserSession, ConnectSession, Run
from .view import view_of

WATCH_EVERY = 4.0
"""Seconds between two looks at what people are watching."""

HEARTBEAT = 15.0
"""Seconds between signs of life. A heartbeat never sends a fragment: it would wipe a half-typed code."""

LINE_ENDS = re.compile("\r\n|\r|\n")

log = logging.getLogger("gangway.live")

bp = Blueprint("live", __name__)
bp.before_request(signed_in_only)


@bp.get("/connect/<ref>/live")
def watch(ref: str) -> ResponseReturnValue:
    """The stream of one connect session, for whoever it belongs to; to its end with the version that is shown already.

    That is how a computer follows what happens on the phone.
    """
    if ConnectSession.by_ref(ref, person_id()) is None:
        abort(404)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    frames = metrics.counted(fragments(app, ref, person_id(), current_user.id, request.args.get("after", type=int)))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(frames, mimetype="text/event-stream", headers=headers, direct_passthrough=True)


def fragments(app: Flask, ref: str, owner: int, browser_session_id: int, after: int | None = None) -> Iterator[bytes]:
    """The view now, and again whenever it has changed, until the session needs no watching or its owner leaves.

    *after* is a version: only newer ones are sent, and also those that would not change by themselves.

    `over` tells the page not to come back. A process that ends just stops: the page opens the stream again.
    Thousands of these wait at a time, so none of them holds a request, a context or a connection while it waits.
    """
    with app.app_context():
        the_bus = bus()
    seen = after
    with the_bus.listen(visit_topic(ref), person_topic(owner)) as bell:
        while True:
            with app.app_context():
                version = version_for(ref, owner, browser_session_id)
            if version is None:
                break
            html, is_live = draw(app, ref, owner, follows=after is not None) if version != seen else ("", True)
            seen = version
            yield sse(html).encode() if html else b": still here\n\n"
            metrics.sse_sent(bell.rang_at if html else 0.0)
            if not is_live:
                break
            bell.wait(min(HEARTBEAT, the_bus.patience))
            if the_bus.closing:
                yield farewell()
                return
    yield sse("", event="over").encode()


def keep_watch(app: Flask) -> None:
    """Until the bus closes: what people watch in this process is asked about often, whatever webhooks tell.

    One UPDATE for all of them. The budget at Deck is the limit: sweeps have their share and no more.
    """
    with app.app_context():
        the_bus = bus()
    pause = Bell()
    while not the_bus.closing:
        pause.wait(WATCH_EVERY)
        refs = the_bus.topics(VISIT)
        for some in (refs[i : i + 500] for i in range(0, len(refs), 500)):
            with app.app_context():
                look_sooner(some)


def look_sooner(refs: list[str]) -> None:
    try:
        if Run.is_stale_for(refs):
            with writing():
                Run.look_sooner(refs)
            bus().ring(WORK)
    except OperationalError:
        log.warning("the database is busy: what people watch is looked at a little later")
        db.session.rollback()


def version_for(ref: str, owner: int, browser_session_id: int) -> int | None:
    """How often the session has changed; None once it is not theirs or they have signed out.

    Thousands of streams ask this every 15 seconds, so it is one look-up by two unique keys.
    """
    query = (
        select(ConnectSession.version, BrowserSession)
        .join(BrowserSession, BrowserSession.person_id == ConnectSession.person_id)
        .where(ConnectSession.ref == ref, ConnectSession.person_id == owner)
        .where(BrowserSession.id == browser_session_id)
    )
    found = db.session.execute(query).first()
    return found[0] if found and found[1].is_open else None


def draw(app: Flask, ref: str, owner: int, *, follows: bool) -> tuple[str, bool]:
    """The session's fragment, and whether it may change by itself; with *follows*, or by somebody elsewhere."""
    with app.test_request_context(base_url=app.extensions["gangway"].config.public_url):
        session = ConnectSession.by_ref(ref, owner)
        assert session is not None
        view = view_of(session)
        return view.render(), view.is_live or (follows and not view.is_last)


def farewell() -> bytes:
    """We are going: come back in one to five seconds, and not all at once."""
    return f"retry: {1_000 + secrets.randbelow(4_000)}\n\n".encode()


def sse(data: str, *, event: str = "") -> str:
    """One frame. *data* holds text from outside websites, so each of its lines becomes a data line of its own."""
    lines = [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in LINE_ENDS.split(data)]
    return "\n".join(lines) + "\n\n"
