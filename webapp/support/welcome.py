"""The link that begins it all: a name, a password, a second factor, and recovery codes. It works once."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from .. import logs
from ..db import db, writing
from ..deck.reading import clean_text
from ..forms import Secret, reveal
from ..models import Staff
from ..models.person import STAFFS_TURNS, hash_password
from ..passwords import problem_with
from ..public_ids import public_id
from . import factors
from .door import count_try
from .gate import ANYBODY, needs, record
from .pages import bp
from .sessions import end_this, hold

LONGEST_NAME = 80


@dataclass
class Welcome:
    """What somebody new types."""

    name: str = ""
    password: Secret = field(default=Secret(""), repr=False)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: MultiDict[str, str], email: str) -> Welcome:
        got = cls(clean_text(form.get("name"), longest=200).strip(), Secret(form.get("password", "")))
        if not 1 <= len(got.name) <= LONGEST_NAME:
            got.errors["name"] = f"Enter your name, at most {LONGEST_NAME} characters."
        if problem := problem_with(reveal(got.password), email):
            got.errors["password"] = problem
        return got


@bp.get("/welcome/<token>")
@needs(ANYBODY)
def welcome(token: str) -> ResponseReturnValue:
    """Looking at it changes nothing: whoever previews links must not use it up."""
    return welcome_page(token, invited(token), Welcome())


@bp.post("/welcome/<token>")
@needs(ANYBODY)
def submit_welcome(token: str) -> ResponseReturnValue:
    count_try()
    staff = invited(token)
    form = Welcome.read(request.form, staff.email)
    if form.errors:
        return welcome_page(token, staff, form), 422
    db.session.rollback()  # hold no connection while a core is at it
    password_hash = hash_password(reveal(form.password), STAFFS_TURNS)
    codes: list[str] = []
    with writing():
        found = Staff.by_invitation(token)
        staff = hold(found.id) if found else abort(410)
        if Staff.by_invitation(token) is None:  # used by another tab while we waited for the row
            abort(410)
        if factors.spend_step(staff, factors.bare(request.form.get("code", ""))):
            staff.name, staff.password_hash = form.name, password_hash
            staff.invite_hash, staff.invite_until = None, None
            codes = factors.new_recovery_codes(staff)
            end_this()
            record("welcome", public_id("staff", staff.ref), staff=staff)
    if not codes:
        logs.event("authn_login_fail")
        form.errors["code"] = "That code did not work. Wait for the next one, then type it with your password again."
        return welcome_page(token, staff, form), 422
    return render_template("support/recovery_codes.html", codes=codes, is_new=True)


def invited(token: str) -> Staff:
    """Whom the link is for; 410 when it has been used or has run out."""
    return Staff.by_invitation(token) or abort(410)


def welcome_page(token: str, staff: Staff, form: Welcome) -> str:
    return render_template(
        "support/welcome.html",
        token=token,
        form=form,
        email=staff.email,
        role=staff.role,
        seed=factors.seed(staff),
        picture=factors.picture(staff),
    )
