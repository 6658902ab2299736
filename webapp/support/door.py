"""Signing in: password, then second factor; signing out. Proving it again: `proving.py`; a first link: `welcome.py`."""

from __future__ import annotations

import hmac
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .. import logs
from ..current import config, limits
from ..db import db, now, writing
from ..deck.reading import clean_text
from ..door import address, network
from ..limits import STAFF_SIGN_IN_FROM_STRANGERS, STAFF_SIGN_IN_PER_ADDRESS
from ..models import Staff, StaffSession
from ..models.connection import masked
from ..models.person import STAFFS_TURNS, hash_password, is_outdated, is_password
from ..passwords import LONGEST
from ..public_ids import public_id
from . import factors, tries
from .gate import ANYBODY, cookie, half_session, needs, record, start_cookie
from .pages import bp
from .sessions import end_this, hold, let_in, start


@bp.get("/sign-in")
@needs(ANYBODY)
def sign_in() -> ResponseReturnValue:
    wanted = safe_path(request.args.get("next", ""))
    found = half_session()
    if found is not None and found.is_whole:
        return redirect(wanted or url_for("support.now"), 303)
    return sign_in_page(wanted)


@bp.post("/sign-in")
@needs(ANYBODY)
def submit_sign_in() -> ResponseReturnValue:
    """The same answer, in the same time, for nobody we know, a wrong password, and one who must wait."""
    email = clean_text(request.form.get("email"), longest=254)
    wanted = safe_path(request.form.get("next", ""))
    count_try()
    staff = Staff.by_email(email)
    kept, anew = checked_password(staff)
    token = ""
    with writing():
        staff = hold(staff.id) if staff else None
        why = what_is_wrong(staff, kept)
        if staff is None or why:
            tries.refuse(staff, "sign_in", why, **({} if staff else {"email": masked(email)}))
        else:
            staff.password_hash = anew
            _, token = start(staff)
    if not token:
        logs.event("authn_login_fail")
        return sign_in_page(wanted, email=email, refused=True), 401
    return start_cookie(leads_to("support.second_factor", wanted), token)


@bp.get("/second-factor")
@needs(ANYBODY)
def second_factor() -> ResponseReturnValue:
    found, wanted = half_session(), safe_path(request.args.get("next", ""))
    if found is None or found.is_whole:
        return leads_to("support.sign_in", wanted)
    return render_template("support/second_factor.html", next=wanted)


@bp.post("/second-factor")
@needs(ANYBODY)
def submit_second_factor() -> ResponseReturnValue:
    found, wanted = half_session(), safe_path(request.form.get("next", ""))
    if found is None or found.is_whole:
        return leads_to("support.sign_in", wanted)
    count_try()
    token = ""
    with writing():
        staff, half = hold(found.staff_id), db.session.get_one(StaffSession, found.id)
        is_over = not half.is_open
        if not is_over and (how := spend_code(staff, "sign_in")):
            tries.forgive(staff)
            token = let_in(staff, how, now())
    if is_over:
        return leads_to("support.sign_in", wanted)
    if not token:
        logs.event("authn_login_fail")
        return render_template("support/second_factor.html", next=wanted, refused=True), 401
    logs.event("authn_login_success")
    return start_cookie(make_response(redirect(wanted or url_for("support.now"), 303)), token)


@bp.get("/signed-in")
@needs("viewer")
def signed_in() -> ResponseReturnValue:
    """Where a tab ends that was only opened to sign in."""
    return render_template("support/signed_in.html")


@bp.post("/sign-out")
@needs(ANYBODY)
def sign_out() -> ResponseReturnValue:
    """Ends the session on the server: a copied cookie opens nothing any more, and open streams end."""
    with writing():
        if (found := half_session()) is not None:
            end_this()
            record("sign_out", public_id("staff", found.staff.ref), staff=found.staff)
    response = redirect(url_for("support.sign_in"), 303)
    response.delete_cookie(cookie(), secure=config().secure, httponly=True, samesite="Strict")
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


# --- what both have in common ----------------------------------------------------------------------------------


def count_try() -> None:
    """By address, and all strangers together. Those cannot keep out whoever comes from where staff have come in."""
    limits().count(STAFF_SIGN_IN_PER_ADDRESS, "staff", network())
    if not StaffSession.was_let_in_at(address()):
        limits().count(STAFF_SIGN_IN_FROM_STRANGERS, "staff")


def checked_password(staff: Staff | None) -> tuple[str, str]:
    """The hash that the form's password fits, or "", and the one to keep from now on. Hashes once, whoever it is."""
    given = request.form.get("password", "")
    if len(given.encode()) > LONGEST:
        given = ""
    kept = staff.password_hash if staff else None
    db.session.rollback()  # hold no connection while a core is at it
    if not is_password(kept, given, STAFFS_TURNS) or kept is None:
        return "", ""
    return kept, hash_password(given, STAFFS_TURNS) if is_outdated(kept) else kept


def what_is_wrong(staff: Staff | None, kept: str) -> str:
    """Why this password does not let them in, in one word for the record. *kept* is the hash that it fits."""
    if staff is None:
        return "unknown"
    if not staff.is_active:
        return "disabled"
    if staff.password_hash is None:
        return "invited"
    if tries.must_wait(staff):
        return "waiting"
    return "" if kept and hmac.compare_digest(kept, staff.password_hash) else "password"


def spend_code(staff: Staff, act: str) -> str:
    """How the form's code proves them; "" if it does not, which is counted. Inside `writing()`."""
    how = "" if tries.must_wait(staff) else factors.spend(staff, request.form.get("code", ""))
    if how == "recovery":
        object, left = public_id("staff", staff.ref), len(staff.recovery)
        record("recovery_use", object, staff=staff, method=how, details={"left": left})
    if not how:
        tries.refuse(staff, act, "waiting" if tries.must_wait(staff) else "code")
    return how


def safe_path(path: str) -> str:
    """*path* if it leads to a page of the dashboard, "" otherwise."""
    is_ours = path == "/support" or path.startswith(("/support/", "/support?"))
    is_plain = path.isascii() and path.isprintable() and not any(odd in path for odd in ("//", "\\", ".."))
    return path if is_ours and is_plain else ""


def leads_to(endpoint: str, wanted: str) -> Response:
    return make_response(redirect(url_for(endpoint, next=wanted or None), 303))


def sign_in_page(wanted: str, **more: Any) -> str:
    return render_template("support/sign_in.html", next=wanted, has_sso=bool(config().oidc_issuer), **more)
