"""The flow on hosts' pages: the frame's door, what it hands the host in the end, and the script hosts load.

Inside the frame there is no cookie. The page holds its session's key and sends it in a header with every request.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from .assets import FOREVER, integrity, shipped, zipped
from .browsers import device
from .connect import session_or_404
from .current import config
from .db import db, writing
from .door import FRAME_KEY, signed_in_only
from .errors import new_reference
from .headers import let_frame
from .hosts.wishes import LIGHT_GROUNDS, is_readable, style_sheet
from .models import BrowserSession, Invitation, Run
from .public_ids import public_id
from .view import view_of

VERSION = "1.2.1"
"""Of `connect.js`. A change in the file is a new version."""

ORIGIN = re.compile(r"https?://[a-z0-9._-]{1,253}(:[0-9]{1,5})?")
"""Nothing else of what calls itself an origin goes into a header of ours."""

LOOK = re.compile(r"(?P<accent>[0-9a-f]{6})?-(?P<radius>[0-9]|1[0-9]|2[0-4])?")
"""Such as ``7a3413-8``; either may be missing."""

REFUSALS = {
    "token_invalid": (404, "This cannot be opened", "Close it, and try again from the page you came from."),
    "token_already_used": (410, "This was opened already", "Close it, and start again from the page you came from."),
    "token_expired": (410, "This waited too long", "Close it, and start again from the page you came from."),
    "origin_not_allowed": (403, "This page may not show this", "The company whose page this is can allow it."),
}

bp = Blueprint("frame", __name__)


@bp.post("/frame")
def enter() -> ResponseReturnValue:
    """Posted by a host's page into its frame. Uses the token up, and answers with the first screen."""
    origin = request.headers.get("Origin", "")
    if ORIGIN.fullmatch(origin):
        let_frame(origin)
    invitation = Invitation.by_token(request.form.get("token", ""))
    refusal = why_not(invitation, origin)
    if invitation is None or refusal:
        return refused(refusal, origin)
    session = invitation.connect_session
    with writing(session.person_id):
        if not invitation.open(device()):
            return refused("token_already_used", origin)
        browser = BrowserSession.start(session.person)
        browser.visit_id, browser.frame_origin = session.id, origin
        key = browser.token
        db.session.add(browser)
    visit = {
        "origin": origin,
        "key": {FRAME_KEY: key},
        "session_id": public_id("cs", invitation.ref),
        "request_id": f"req_{new_reference()}",
    }
    return view_of(session).in_frame(**visit)


def why_not(invitation: Invitation | None, origin: str) -> str:
    """The name of what is wrong with a token on a page of *origin*; "" when nothing is."""
    if invitation is None or invitation.host.paused_at is not None:
        return "token_invalid"
    if origin not in invitation.wishes.get("origins", invitation.host.origins) or origin not in invitation.host.origins:
        return "origin_not_allowed"
    if invitation.opened_at is not None:
        return "token_already_used"
    return "token_expired" if invitation.is_expired else ""


def refused(code: str, origin: str) -> ResponseReturnValue:
    """A plain page for the person; the host's page learns the code."""
    status, title, advice = REFUSALS[code]
    message = f"{origin[:200]} is not among the host's origins." if code == "origin_not_allowed" else title
    error = {
        "error_type": "SESSION_ERROR",
        "error_code": code,
        "error_message": message,
        "display_message": title,
        "user_recoverable": code in ("token_already_used", "token_expired"),
        "suggested_action": "retry" if code in ("token_already_used", "token_expired") else "contact_support",
    }
    page = render_template("connect/refused.html", title=title, advice=advice, error=error, origin=origin)
    return page, status


@bp.post("/connect/<ref>/handoff")
def hand_off(ref: str) -> ResponseReturnValue:
    """What the frame gives the host's page when it has worked: a token only the host's server can use, once."""
    if refusal := signed_in_only():
        return refusal
    if current_user.frame_origin is None:
        abort(404)
    session = session_or_404(ref)
    invitation = Invitation.of_visit(session)
    made = Run.connected_in(session)
    if invitation is None or not made:
        return jsonify(error_code="not_connected"), 409
    with writing(session.person_id):
        token = invitation.new_public_token()
    if token is None:
        return jsonify(error_code="token_already_used"), 409
    metadata: dict[str, Any] = {
        "session_id": public_id("cs", invitation.ref),
        "connection_id_hint": public_id("conn", made[0].ref),
        "source": {"source_id": made[0].source.slug, "name": made[0].source.name},
        "accounts": [],
        "is_update": session.purpose != "connect",
        "request_id": f"req_{new_reference()}",
    }
    return jsonify(public_token=token, metadata=metadata)


@bp.get("/look/<look>.css")
def look(look: str) -> ResponseReturnValue:
    """A host's accent and corners. All of it is in the address, so it may be kept for good."""
    found = LOOK.fullmatch(look)
    accent = f"#{found['accent']}" if found and found["accent"] else ""
    if found is None or (accent and not is_readable(accent, LIGHT_GROUNDS)):
        abort(404)
    radius = int(found["radius"]) if found["radius"] else None
    response = Response(style_sheet(accent, radius), mimetype="text/css")
    response.headers["Cache-Control"] = FOREVER
    return response


# --- the script hosts load -------------------------------------------------------------------------------------


@bp.get("/connect.js")
def rolling_script() -> Response:
    """The newest version; asked for again every hour."""
    return script("public, max-age=3600")


@bp.get(f"/connect-{VERSION}.js")
def versioned_script() -> Response:
    """One that never changes, so that a host can pin it by its integrity value."""
    return script(FOREVER)


@bp.get("/connect.json")
def about_script() -> ResponseReturnValue:
    """Which version there is, and its integrity value."""
    src = config().public_url + url_for("frame.versioned_script")
    return jsonify(version=VERSION, src=src, integrity=integrity("connect.js"))


def script(kept: str) -> Response:
    """The only file of ours other origins may load. Browsers check its integrity only with the CORS header."""
    zips = request.accept_encodings.quality("gzip") > 0
    response = Response(zipped("connect.js") if zips else source(), mimetype="text/javascript")
    if zips:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = kept
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@cache
def source() -> bytes:
    return Path(shipped("static"), "connect.js").read_bytes()
