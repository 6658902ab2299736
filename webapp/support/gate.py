"""Who of the staff is asking, and whether their role allows it.

Every view of the dashboard says what it needs (`needs` in `pages.py`); nothing is open because somebody forgot.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from flask import Response, abort, current_app, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .. import logs
from ..current import config
from ..db import TRANSIENT, db, now, writing
from ..door import address, network
from ..errors import new_reference
from ..limits import API_TRIES_PER_ADDRESS
from ..models import AuditEntry, Staff, StaffSession, StaffToken
from ..models.staff import NOTICED_EVERY

View = TypeVar("View", bound=Callable[..., Any])
ANYBODY = "anybody"
"""Needed by what has to work before somebody is signed in."""
SHORTEST_REASON, LONGEST_REASON = 5, 500
TYPED = ("reason", "text")
"""Fields of what somebody may have typed for minutes."""
PROOF = ("password", "code")
CAME_BACK = "signed_in"
"""Sent with a kept form by whoever went to sign in in another tab."""


def needs(role: str, *, fresh: bool = False) -> Callable[[View], View]:
    """Marks a view with the role it is for, and whether both factors must have been given a moment ago."""

    def mark(view: View) -> View:
        view.needs, view.fresh = role, fresh  # type: ignore[attr-defined]
        return view

    return mark


# --- people ----------------------------------------------------------------------------------------------------


def cookie() -> str:
    """The name of the staff's cookie. It is never sent along from another site's link."""
    return "__Host-gangway-staff" if config().secure else "gangway-staff"


def half_session() -> StaffSession | None:
    """The session of this browser, though its second factor may still be missing."""
    if "staff_session" not in g:
        g.staff_session = StaffSession.by_token(request.cookies.get(cookie(), ""))
    found: StaffSession | None = g.staff_session
    return found


def session() -> StaffSession:
    """The session of whoever is signed in. Only behind the gate."""
    found = half_session()
    assert found is not None and found.is_whole
    return found


def me() -> Staff:
    """Whoever asks, by cookie or by token. Only behind the gate."""
    staff: Staff = g.staff_token.staff if "staff_token" in g else session().staff
    return staff


def only_staff() -> ResponseReturnValue | None:
    """Before every page: signed in with both factors, and a role that may. Fresh, where asked for: `proving.py`."""
    view: Any = current_app.view_functions[request.endpoint or ""]
    role = view.needs
    if role == ANYBODY:
        return None
    found = half_session()
    if found is None or not found.is_whole:
        if request.method != "GET":
            return signed_out()
        return redirect(url_for("support.sign_in", next=request.full_path.rstrip("?")))
    g.actor = ("staff", found.staff_id)
    notice(found)
    if not found.staff.may(role):
        return refuse(role)
    return None


def signed_out() -> ResponseReturnValue:
    """Their session ran out over a form: it waits here while they sign in in another tab, and then goes on."""
    kept = kept_form() or abort(401)
    return render_template("support/signed_out.html", kept=kept, is_early=CAME_BACK in request.form), 401


def kept_form() -> dict[str, str]:
    """The form that was sent, to be sent again; empty for those that hold little, or a password."""
    if not any(name in request.form for name in TYPED):
        return {}
    return {name: value for name, value in request.form.items() if name not in (*PROOF, CAME_BACK)}


def notice(found: StaffSession) -> None:
    """They are here. A stream that stays open is no sign of anybody."""
    if now() - found.seen_at > NOTICED_EVERY and not request.path.endswith("/live"):
        with suppress(*TRANSIENT), writing():
            db.session.get_one(StaffSession, found.id).seen_at = now()


def start_cookie(response: Response, token: str) -> Response:
    response.set_cookie(cookie(), token, httponly=True, secure=config().secure, samesite="Strict", path="/")
    return response


# --- programs --------------------------------------------------------------------------------------------------


def only_tokens() -> ResponseReturnValue | None:
    """Before every JSON twin: a staff token whose owner's role may read the page."""
    from ..current import limits

    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    found = StaffToken.by_token(token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        limits().count(API_TRIES_PER_ADDRESS, network())
        logs.event("authn_login_fail")
        return no(401, "token_invalid", "Send a staff token: Authorization: Bearer st_…")
    g.staff_token = found
    g.actor = ("staff", found.staff_id)
    view: Any = current_app.view_functions[request.endpoint or ""]
    role = view.needs
    return None if found.staff.may(role) else refuse(role)


def refuse(role: str) -> ResponseReturnValue:
    """What they want needs a larger *role*. That they tried is on record."""
    logs.event("authz_fail")
    with writing():
        record("refused", result="refused", details={"page": request.endpoint, "needs": role})
    if "staff_token" in g:
        return no(403, "role_too_small", f"This page is for {role}s.")
    return render_template("support/refused.html", role=role), 403


def no(status: int, code: str, message: str) -> tuple[Response, int]:
    """An error for programs."""
    return jsonify(error={"code": code, "message": message, "request_id": new_reference()}), status


# --- the record ------------------------------------------------------------------------------------------------


def record(act: str, object: str = "", **more: Any) -> AuditEntry:
    """Write down what somebody of the staff does, in the transaction that does it. Inside `writing()`.

    *object* is a public id. *more*: reason, result, once, details (a dict, masked), staff (before they are signed in).
    """
    staff: Staff | None = more.pop("staff", None)
    found = half_session()
    if "staff_token" in g:
        staff, more = g.staff_token.staff, {"session": g.staff_token.ref, "method": "token", **more}
    elif found is not None and found.is_whole:
        staff = staff or found.staff
        more = {"session": found.ref, "method": found.method, **more}
    who = {"staff_id": staff.id, "role": staff.role} if staff is not None else {}
    where = {"address": address(), "request_id": new_reference()}
    return AuditEntry.append(act, object=object, **who, **where, **more)
