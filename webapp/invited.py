"""The door for people a host sends us: a link that works once, then the same flow as for everybody, and back again."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Blueprint, abort, redirect, render_template, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user

from .browsers import device
from .connect import session_or_404
from .db import db, writing
from .door import end_session, signed_in_only
from .exits import status_of
from .hosts.events import note
from .models import BrowserSession, Invitation, Run
from .public_ids import public_id

bp = Blueprint("invited", __name__)


@bp.get("/go/<token>")
def arrive(token: str) -> ResponseReturnValue:
    """Looking does not use the link up: mail programs look at links before people do.

    Who has opened it in this browser goes on where they were.
    """
    invitation = Invitation.by_token(token)
    if invitation and current_user.is_authenticated and current_user.visit_id == invitation.connect_session_id:
        return redirect(url_for("connect.show", ref=invitation.connect_session.ref), 303)
    return render_template("invited/arrive.html", invitation=usable(token), token=token)


@bp.post("/go/<token>")
def enter(token: str) -> ResponseReturnValue:
    """Use the link up. Whoever was signed in here is not any more: this visit is somebody a host vouches for."""
    invitation = usable(token)
    session = invitation.connect_session
    with writing(session.person_id):
        if not invitation.open(device()):
            abort(410)
        browser = BrowserSession.start(session.person)
        browser.visit_id = session.id
        key = browser.token
        db.session.add(browser)
    end_session()
    browser.token = key
    login_user(browser)
    return redirect(url_for("connect.show", ref=session.ref), 303)


@bp.post("/connect/<ref>/back")
def back(ref: str) -> ResponseReturnValue:
    """To where the host wants people back, with what it needs to ask us how it went. No secret is in the address.

    A run that goes on needs nobody: the visit ends with it. Nor does a phone end what the computer still shows.
    """
    if refusal := signed_in_only():
        return refusal
    session = session_or_404(ref)
    invitation = Invitation.of_visit(session)
    if invitation is None:
        abort(404)
    run = Run.latest_of(session) if session.connection_id else None
    status, is_phone = status_of(invitation, run), cookie.get("phone") == ref
    if status == "in_progress" and "background" in invitation.features:
        with writing(session.person_id):
            note(session, "BACKGROUND", run=run)
    if status != "in_progress" and not (is_phone and status == "connected"):
        with writing(session.person_id):
            if session.ended_at is None:
                session.end()
    if not invitation.return_url or is_phone:
        goes_on = status == "in_progress"
        return render_template("invited/closed.html", host=invitation.host, goes_on=goes_on, is_phone=is_phone)
    answer = {"session_id": public_id("cs", invitation.ref), "status": status}
    if invitation.state:
        answer["state"] = invitation.state
    parts = urlsplit(invitation.return_url)
    query = "&".join(filter(None, [parts.query, urlencode(answer)]))
    back = urlunsplit(parts._replace(query=query))
    return render_template("invited/back.html", host=invitation.host, refresh=f"0;url={back}", back_href=back)


def usable(token: str) -> Invitation:
    """What the link is for; 410 once it was used, has run out or was revoked, 404 when it never was one."""
    invitation = Invitation.by_token(token)
    if invitation is None:
        abort(404)
    if invitation.opened_at is not None or invitation.is_expired or invitation.host.paused_at is not None:
        abort(410)
    return invitation
