"""A forgotten password: a link from the operator, for one person, once.

Gangway sends no email, so it cannot know that whoever asks is the owner of an address. The operator finds out in
their own way, and makes the link with `gangway person password-link`. Support staff cannot: it opens an account.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import update

from . import logs
from .account import let_in
from .bus import person_topic
from .current import bus, config, limits
from .db import changed_one, db, now, writing
from .door import network
from .forms import Secret, reveal
from .limits import SIGN_IN_PER_ADDRESS
from .models import BrowserSession, Person
from .models.browser_session import hashed
from .models.person import hash_password
from .passwords import problem_with

LASTS = timedelta(days=1)

bp = Blueprint("forgotten", __name__, url_prefix="/new-password")


def link_for(person: Person) -> str:
    """Where *person* chooses a new password. Worth nothing after a day, or once the password is another."""
    return f"{config().public_url}/new-password/{_seal().dumps([person.id, _trace(person)])}"


def person_of(token: str) -> Person | None:
    try:
        id, trace = _seal().loads(token, max_age=int(LASTS.total_seconds()))
    except BadData:
        return None
    person = db.session.get(Person, id)
    if person is None or person.closing_at is not None:
        return None
    return person if secrets.compare_digest(_trace(person), trace) else None


def _seal() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(config().secret_key, salt="a forgotten password")


def _trace(person: Person) -> str:
    """Of the password that was forgotten: with another one, the link is over."""
    return hashed(person.password_hash or "")[:20]


@bp.get("/<token>")
def choose(token: str) -> ResponseReturnValue:
    """Looking does not use the link up: mail programs look at links before people do."""
    return page(token, person_of(token))


@bp.post("/<token>")
def submit(token: str) -> ResponseReturnValue:
    """Everybody who was signed in to the account is out, whoever they were."""
    limits().count(SIGN_IN_PER_ADDRESS, network())
    person, password = person_of(token), Secret(request.form.get("password", ""))
    if person is None or person.email is None:
        return page(token, None)
    if problem := problem_with(reveal(password), person.email):
        return page(token, person, problem)
    old = person.password_hash
    db.session.rollback()  # hold no connection while a core is at it
    new = hash_password(reveal(password))
    unchanged = update(Person).filter_by(id=person.id, password_hash=old, closing_at=None)
    with writing(person.id):
        if not changed_one(unchanged.values(password_hash=new), person):
            return page(token, None)
        signed_in = (BrowserSession.person_id == person.id, BrowserSession.ended_at.is_(None))
        db.session.execute(update(BrowserSession).where(*signed_in).values(ended_at=now()))
    bus().ring(person_topic(person.id))
    logs.event("authn_password_change")
    return let_in(person)


def page(token: str, person: Person | None, error: str = "") -> ResponseReturnValue:
    """The form; for a link that is worth nothing, what to do instead."""
    shown = render_template("account/new_password.html", token=token, email=person and person.email, error=error)
    return shown, 422 if error else 200 if person else 410
