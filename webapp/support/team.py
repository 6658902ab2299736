"""The team: who is staff, with which role; inviting, disabling, a new second factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from ..db import db, writing
from ..models import Staff, StaffSession
from ..models.staff import ROLES
from ..public_ids import public_id
from . import roster
from .gate import half_session, me, record
from .pages import page, post
from .roster import NotAllowed
from .sessions import hold

MOST = 200


@dataclass(frozen=True)
class Member:
    """Somebody of the team."""

    ref: str
    email: str
    name: str
    role: str
    state: str
    """active, invited or disabled."""
    has_second_factor: bool
    seen: datetime | None
    is_me: bool


@page("/team", "team.html", needs_role="admin")
def team() -> dict[str, Any]:
    seen = func.max(StaffSession.seen_at).label("seen")
    query = select(Staff, seen).outerjoin(StaffSession, StaffSession.staff_id == Staff.id).group_by(Staff.id)
    rows = db.session.execute(query.order_by(Staff.disabled_at.is_not(None), Staff.email).limit(MOST)).all()
    this = half_session()
    return {
        "members": [member(staff, seen) for staff, seen in rows],
        "roles": ROLES,
        "is_fresh": this is not None and this.is_fresh,
    }


def member(staff: Staff, seen: datetime | None) -> Member:
    has_both = staff.password_hash is not None and staff.sealed_seed is not None
    state = "disabled" if not staff.is_active else "active" if has_both or seen is not None else "invited"
    return Member(staff.ref, staff.email, staff.name, staff.role, state, has_both, seen, staff.id == me().id)


@post("/team/invite", needs_role="admin", fresh=True)
def invite() -> ResponseReturnValue:
    given = {"email": request.form.get("email", ""), "role": request.form.get("role", "")}
    try:
        email, role = roster.email_in(given["email"]), roster.role_in(given["role"])
        with writing():
            staff, token = roster.add(email, role)
            record("staff_invite", public_id("staff", staff.ref), details={"role": role})
    except NotAllowed as problem:
        return again(problem, **given)
    except IntegrityError:  # invited by two at once
        return again(NotAllowed("Somebody with this address is on the team already."), **given)
    return link_page(email, token)


@post("/team/<ref>/role", needs_role="admin", fresh=True)
def change_role(ref: str) -> ResponseReturnValue:
    def change(staff: Staff) -> None:
        role, before = roster.role_in(request.form.get("role")), staff.role
        if role != before:
            roster.change_role(staff, role)
            record("staff_role", public_id("staff", staff.ref), details={"before": before, "after": role})

    return changed(ref, change)


@post("/team/<ref>/disable", needs_role="admin", fresh=True)
def disable(ref: str) -> ResponseReturnValue:
    def change(staff: Staff) -> None:
        if staff.is_active:
            roster.disable(staff)
            record("staff_disable", public_id("staff", staff.ref))

    return changed(ref, change)


@post("/team/<ref>/enable", needs_role="admin", fresh=True)
def enable(ref: str) -> ResponseReturnValue:
    def change(staff: Staff) -> None:
        if not staff.is_active:
            staff.disabled_at = None
            record("staff_enable", public_id("staff", staff.ref))

    return changed(ref, change)


@post("/team/<ref>/reset", needs_role="admin", fresh=True)
def reset_factors(ref: str) -> ResponseReturnValue:
    """They begin anew by a new link. Not for oneself: a link that gets lost would lock the admin out."""
    found = Staff.by_ref(ref) or abort(404)
    email, token = found.email, ""
    if found.id == me().id:
        return again(NotAllowed("You cannot do this to yourself. Ask another admin, or use the command line."))
    with writing():
        staff = hold(found.id)
        if staff.is_active:
            token = roster.begin_anew(staff)
            record("staff_reset", public_id("staff", staff.ref))
    return link_page(email, token) if token else again(NotAllowed("Enable them first."))


def changed(ref: str, change: Callable[[Staff], None]) -> ResponseReturnValue:
    """Do it to the one called *ref*, and go back to the team; or say why it must not be."""
    found = Staff.by_ref(ref) or abort(404)
    try:
        with writing():
            change(db.session.get_one(Staff, found.id))
    except NotAllowed as problem:
        return again(problem)
    return redirect(url_for("support.team"), 303)


def again(problem: NotAllowed, **given: str) -> ResponseReturnValue:
    return render_template("support/team.html", **team(), problem=str(problem), **given), 422


def link_page(email: str, token: str) -> str:
    words = f"Send this link to {email}, on a way that only they read. It works once, for 15 minutes."
    title = "A link for your colleague"
    return render_template(
        "support/once.html", title=title, words=words, secret=roster.link(token), back="support.team"
    )
