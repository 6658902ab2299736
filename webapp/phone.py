"""From a computer to a phone in the middle of a visit: a QR code with a link that works once and leads to that visit.

The link is a browser session that waits for its browser: taking it changes its token, so nobody can take it again.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import segno
from flask import Blueprint, abort, redirect, render_template, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import login_user
from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from .bus import visit_topic
from .connect import session_or_404
from .current import bus, config, limits
from .db import changed_one, db, now, writing
from .door import end_session, person_id, signed_in_only
from .hosts.events import note
from .limits import VISITS_PER_PERSON
from .models import BrowserSession, ConnectSession, Invitation
from .models.browser_session import hashed
from .view import View, view_of

GOOD_FOR = timedelta(minutes=10)
MARK = "ph_"
"""What every such link begins with: no other token of a browser session is one."""

bp = Blueprint("phone", __name__)


@bp.post("/connect/<ref>/phone")
def offer(ref: str) -> ResponseReturnValue:
    """A QR code in place of the present screen, which comes back by itself once the phone has it."""
    if refusal := signed_in_only():
        return refusal
    session = session_or_404(ref)
    now_shown = view_of(session)
    if not now_shown.may_move:
        return redirect(url_for("connect.show", ref=ref), 303)
    limits().count(VISITS_PER_PERSON, "phone", str(person_id()))
    link = MARK + secrets.token_urlsafe(32)
    with writing(session.person_id):
        waiting = BrowserSession.start(session.person)
        waiting.visit_id, waiting.token_hash = session.id, hashed(link)
        db.session.add(waiting)
    address = config().public_url + url_for("phone.arrive", link=link)
    return View("phone", session, now_shown.run, more=drawn(address)).page()


def drawn(address: str) -> dict[str, Any]:
    """A QR code as an SVG path, with the white border that cameras need, and how wide that is."""
    code = segno.make(address, micro=False)
    rows = enumerate(code.matrix_iter(border=4))
    squares = [f"M{x} {y}h1v1h-1z" for y, row in rows for x, is_dark in enumerate(row) if is_dark]
    return {"squares": "".join(squares), "width": code.symbol_size(border=4)[0]}


@bp.get("/phone/<link>")
def arrive(link: str) -> ResponseReturnValue:
    """Looking does not use the link up."""
    waiting = usable(link)
    invitation = Invitation.of_visit(db.session.get_one(ConnectSession, waiting.visit_id))
    return render_template("invited/phone.html", invitation=invitation, link=link)


@bp.post("/phone/<link>")
def enter(link: str) -> ResponseReturnValue:
    """The visit goes on here; whoever shows the code sees the same, live."""
    waiting = usable(link)
    session = db.session.get_one(ConnectSession, waiting.visit_id)
    key = secrets.token_urlsafe(32)
    with writing(session.person_id):
        free = update(BrowserSession).filter_by(id=waiting.id, token_hash=hashed(link))
        if not changed_one(free.values(token_hash=hashed(key), seen_at=now()), waiting):
            abort(410)
        session.device = "phone"
        session.touch()
        note(session, "HANDOFF_DEVICE")
    bus().ring(visit_topic(session.ref))
    end_session()
    waiting.token = key
    login_user(waiting)
    cookie["phone"] = session.ref
    return redirect(url_for("connect.show", ref=session.ref), 303)


def usable(link: str) -> BrowserSession:
    """What waits for this link; 410 when it ran out or was taken."""
    query = select(BrowserSession).filter_by(token_hash=hashed(link)).options(joinedload(BrowserSession.person))
    waiting: BrowserSession | None = db.session.scalar(query) if link.startswith(MARK) else None
    if waiting is None or waiting.ended_at is not None or now() - waiting.created_at > GOOD_FOR:
        abort(410)
    return waiting
