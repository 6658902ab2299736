"""Server-sent events: the same fragment that drew the first paint, again whenever it has changed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select

from . import metrics
from .bus import VISIT, WORK, Bell, person_topic, visit_topic
from .connect import session_or_404
from .current import bus, streams
from .db import TRANSIENT, db, now, writing
from .door import network, person_id, signed_in_only
from .models import BrowserSession, ConnectSession, Run
from .streams import GIVEN_WAY, OVER, brief, farewell
from .view import view_of

WATCH_EVERY = 4.0
"""Seconds between two looks at what people are watching."""

HEARTBEAT = 15.0
"""Seconds between signs of life. One sends a fragment only where nobody can type: it would wipe a half-typed code."""

LINE_ENDS = re.compile("\r\n|\r|\n")

log = logging.getLogger("gangway.live")

bp = Blueprint("live", __name__)
bp.before_request(signed_in_only)


@bp.get("/connect/<ref>/live")
def watch(ref: str) -> ResponseReturnValue:
    """The stream of one connect session, for whoever it belongs to; to its end with the version that is shown already.

    That is how a computer follows what happens on the phone.
    """
    session_or_404(ref)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    after = request.args.get("after", type=int)
    frames = metrics.counted(fragments(app, ref, person_id(), current_user.id, network(), after))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(frames, mimetype="text/event-stream", headers=headers, direct_passthrough=True)


def fragments(
    app: Flask, ref: str, owner: int, browser_session_id: int, network: str, after: int | None = None
) -> Iterator[bytes]:
    """The view now, and again whenever it has changed, until the session needs no watching or its owner leaves.

    *after* is a version: only newer ones are sent, and also those that would not change by themselves.

    `over` tells the page not to come back; see `webapp.streams` for the other ends.
    Thousands of these wait at a time, so none of them holds a request, a context or a connection while it waits.
    """
    with app.app_context():
        the_bus, the_streams = bus(), streams()
    seen, changes_at = after, None
    with (
        the_bus.listen(visit_topic(ref), person_topic(owner)) as bell,
        the_streams.open(f"browser/{browser_session_id}", network, bell) as stream,
    ):
        while True:
            with app.app_context():
                version = version_for(ref, owner, browser_session_id)
            if version is None:
                break
            html, is_live = "", True
            if version != seen or (changes_at is not None and now() >= changes_at):
                html, is_live, changes_at = draw(app, ref, owner, follows=after is not None)
            seen = version
            yield sse(html).encode() if html else b": still here\n\n"
            metrics.sse_sent(bell.rang_at if html else 0.0)
            if not is_live:
                break
            if stream.is_brief:
                yield brief()
                return
            bell.wait(min(HEARTBEAT, the_bus.patience))
            if the_bus.closing:
                yield farewell()
                return
            if stream.gives_way:
                yield GIVEN_WAY
                return
    yield OVER


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
            try:
                with app.app_context():
                    look_sooner(some)
            except Exception:  # or nobody would be looked after from then on
                log.exception("what people watch could not be looked at")


def look_sooner(refs: list[str]) -> None:
    try:
        if Run.is_stale_for(refs):
            with writing():
                Run.look_sooner(refs)
            bus().ring(WORK)
    except TRANSIENT:
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


def draw(app: Flask, ref: str, owner: int, *, follows: bool) -> tuple[str, bool, datetime | None]:
    """The session's fragment, whether it may change by itself or with *follows* by somebody elsewhere, and when."""
    with app.test_request_context(base_url=app.extensions["gangway"].config.public_url):
        session = ConnectSession.by_ref(ref, owner)
        assert session is not None
        view = view_of(session)
        return view.render(), view.is_live or (follows and not view.is_last), view.changes_at


def sse(data: str, *, event: str = "") -> str:
    """One frame. *data* holds text from outside websites, so each of its lines becomes a data line of its own."""
    lines = [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in LINE_ENDS.split(data)]
    return "\n".join(lines) + "\n\n"
