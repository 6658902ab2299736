"""A person's account with us: sign up, sign in, sign out, leave for good."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from . import logs
from .closing import close_account
from .current import limits
from .db import changed_one, db, writing
from .deck.reading import clean_text
from .door import end_session, network, person_id, signed_in_only
from .forms import SignUp, reveal
from .limits import SIGN_IN_PER_ACCOUNT, SIGN_IN_PER_ADDRESS, SIGN_UP_PER_ADDRESS
from .models import BrowserSession, Connection, Person
from .models.person import hash_password, is_outdated, same_email

BEING_DELETED = (
    "The account with this address is being deleted. When that is done, usually within minutes, "
    "you can create a new one."
)

bp = Blueprint("account", __name__)


# --- in and out ------------------------------------------------------------------------------------------------


@bp.get("/")
def home() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for("connections.index"))
    return render_template("account/home.html")


@bp.get("/sign-up")
def sign_up() -> ResponseReturnValue:
    return render_template("account/sign_up.html", form=SignUp())


@bp.post("/sign-up")
def submit_sign_up() -> ResponseReturnValue:
    form = SignUp.read(request.form)
    if form.errors:
        return render_template("account/sign_up.html", form=form), 422
    limits().count(SIGN_UP_PER_ADDRESS, network())
    person = Person.sign_up(form.email, reveal(form.password))
    try:
        with writing():
            db.session.add(person)
    except IntegrityError:
        there = Person.by_email(form.email)
        is_closing = there is not None and there.closing_at is not None
        form.errors["email"] = (
            BEING_DELETED if is_closing else "There is an account with this address. Sign in instead."
        )
        return render_template("account/sign_up.html", form=form), 422
    return let_in(person)


@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    return render_template("account/sign_in.html", email="", next=request.args.get("next", ""))


@bp.post("/sign-in")
def submit_sign_in() -> ResponseReturnValue:
    """The same answer, in the same time, for a wrong password and for nobody we know."""
    email, password = clean_text(request.form.get("email"), longest=254), request.form.get("password", "")
    limits().count(SIGN_IN_PER_ADDRESS, network())
    limits().count(SIGN_IN_PER_ACCOUNT, same_email(email))
    person = Person.with_password(email, password) if len(password) <= 1_024 else None
    if person is None:
        logs.event("authn_login_fail")
        wanted = request.form.get("next", "")
        return render_template("account/sign_in.html", email=email, next=wanted, refused=True), 401
    hash_anew(person, password)
    return let_in(person)


def hash_anew(person: Person, password: str) -> None:
    """With today's settings, if *password* was hashed with weaker ones: only now does anybody know it."""
    id, kept = person.id, person.password_hash
    db.session.rollback()  # hold no connection while a core is at it
    if kept is None or not is_outdated(kept):
        return
    unchanged = update(Person).filter_by(id=id, password_hash=kept)
    anew = unchanged.values(password_hash=hash_password(password))
    with writing(id):
        changed_one(anew, person)


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Ends the session on the server: a copied cookie opens nothing any more, and open streams end."""
    end_session()
    logout_user()
    response = redirect(url_for("account.home"), 303)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def let_in(person: Person) -> ResponseReturnValue:
    """A new session with a new id; one that came with the request is never adopted, and is over."""
    with writing(person.id):
        session = BrowserSession.start(person)
        token = session.token
        is_closing = person.closing_at is not None
        if not is_closing:
            db.session.add(session)
    if is_closing:
        return render_template("account/sign_in.html", email="", next="", notice=BEING_DELETED), 403
    end_session()
    session.token = token
    login_user(session)
    logs.event("authn_login_success")
    return redirect(safe_path(request.form.get("next", "")) or url_for("connections.index"), 303)


# --- leaving for good ------------------------------------------------------------------------------------------


@bp.get("/account/delete")
def confirm_delete() -> ResponseReturnValue:
    return signed_in_only() or delete_page()


@bp.post("/account/delete")
def submit_delete() -> ResponseReturnValue:
    """Whoever finds an open browser must not be able to do this, so it asks for the password."""
    if answer := signed_in_only():
        return answer
    person, password = current_user.person, request.form.get("password", "")
    limits().count(SIGN_IN_PER_ACCOUNT, person.email)
    if len(password) > 1_024 or Person.with_password(person.email, password) is None:
        return delete_page(error="This is not your password here. Please try again."), 422
    close_account(person.id)
    logout_user()
    response = redirect(url_for("account.goodbye"), 303)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@bp.get("/account/deleted")
def goodbye() -> ResponseReturnValue:
    return render_template("account/goodbye.html")


def delete_page(error: str = "") -> str:
    return render_template("account/delete.html", connections=Connection.of(person_id()), error=error)


def safe_path(path: str) -> str:
    """*path* if it leads to a page of ours, "" otherwise."""
    is_ours = path.startswith(("/connect/", "/connections")) and not path.startswith("//")
    return path if is_ours and path.isascii() and path.isprintable() and "\\" not in path else ""
