"""My own page: browsers I am signed in at, tokens for programs, new recovery codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from ..db import db, now, writing
from ..deck.reading import clean_text
from ..models import StaffSession, StaffToken
from ..models.person import STAFFS_TURNS, hash_password
from ..models.staff import AT_MOST, IDLE
from ..passwords import problem_with
from ..public_ids import public_id
from . import factors
from .gate import half_session, me, record, session, start_cookie
from .pages import page, post
from .sessions import end_all, hold, let_in

MOST_BROWSERS = 50
MOST_TOKENS = 20
LONGEST_NAME = 60


@dataclass(frozen=True)
class Browser:
    """Where I am signed in."""

    ref: str
    browser: str
    address: str
    since: datetime
    seen: datetime
    is_this: bool


@dataclass(frozen=True)
class Token:
    """What a program of mine reads with."""

    ref: str
    name: str
    ending: str
    since: datetime


@page("/mine", "mine.html")
def mine() -> dict[str, Any]:
    this = half_session()
    return {
        "browsers": [
            Browser(s.ref, s.browser, s.address, s.created_at, s.seen_at, this is not None and s.id == this.id)
            for s in open_sessions()
        ],
        "tokens": [Token(t.ref, t.name, t.ending, t.created_at) for t in valid_tokens()],
        "recovery_left": len(me().recovery),
        "is_fresh": this is not None and this.is_fresh,
    }


def open_sessions() -> list[StaffSession]:
    query = select(StaffSession).filter_by(staff_id=me().id, is_whole=True, ended_at=None)
    query = query.where(StaffSession.seen_at > now() - IDLE, StaffSession.created_at > now() - AT_MOST)
    return list(db.session.scalars(query.order_by(StaffSession.seen_at.desc()).limit(MOST_BROWSERS)))


def valid_tokens() -> list[StaffToken]:
    query = select(StaffToken).filter_by(staff_id=me().id, revoked_at=None).order_by(StaffToken.id.desc())
    return list(db.session.scalars(query.limit(MOST_TOKENS)))


# --- browsers --------------------------------------------------------------------------------------------------


@post("/mine/sessions/<ref>/end", needs_role="viewer")
def end_session(ref: str) -> ResponseReturnValue:
    who = me().id
    with writing():
        found = db.session.scalar(select(StaffSession).filter_by(ref=ref, staff_id=who, ended_at=None))
        if found is None:
            abort(404)
        found.ended_at = now()
        record("session_end", mine_id(), details={"session": found.ref})
    return back()


@post("/mine/sessions/end-others", needs_role="viewer")
def end_other_sessions() -> ResponseReturnValue:
    this = session().id
    with writing():
        count = end_all(me(), but=this)
        record("session_end", mine_id(), details={"others": count})
    return back()


# --- what signs me in ------------------------------------------------------------------------------------------


@post("/mine/recovery", needs_role="viewer", fresh=True)
def new_recovery() -> ResponseReturnValue:
    who = me().id
    with writing():
        codes = factors.new_recovery_codes(hold(who))
        record("recovery_new", mine_id())
    return shown_once("Your recovery codes", codes=codes)


@post("/mine/password", needs_role="viewer", fresh=True)
def change_password() -> ResponseReturnValue:
    """Every session ends; this browser gets a new one."""
    who, method, proved_at = me().id, session().method, session().proved_at
    given = request.form.get("password", "")
    if problem := problem_with(given, me().email):
        return again(password=problem)
    db.session.rollback()  # hold no connection while a core is at it
    anew = hash_password(given, STAFFS_TURNS)
    with writing():
        staff = hold(who)
        staff.password_hash = anew
        record("password_change", mine_id())
        end_all(staff)
        token = let_in(staff, method, proved_at)
    return start_cookie(back(), token)


# --- programs --------------------------------------------------------------------------------------------------


@post("/mine/tokens", needs_role="viewer", fresh=True)
def new_token() -> ResponseReturnValue:
    name = clean_text(request.form.get("name"), longest=200).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        return again(name=f"Say in a few words what it is for, at most {LONGEST_NAME} characters.")
    who, token = me().id, ""
    with writing():
        staff = hold(who)
        if len(valid_tokens()) < MOST_TOKENS:
            token = StaffToken.issue(staff, name)
            record("token_issue", mine_id(), details={"name": name, "ending": token[-4:]})
    if not token:
        return again(name=f"You have {MOST_TOKENS} tokens. Revoke one first.")
    words = "Give it to your program. Nobody can show it again, so if it gets lost, revoke it and make another one."
    return shown_once("Your new token", words=words, secret=token)


@post("/mine/tokens/<ref>/revoke", needs_role="viewer")
def revoke_token(ref: str) -> ResponseReturnValue:
    who = me().id
    with writing():
        found = db.session.scalar(select(StaffToken).filter_by(ref=ref, staff_id=who, revoked_at=None))
        if found is None:
            abort(404)
        found.revoked_at = now()
        record("token_revoke", mine_id(), details={"name": found.name, "ending": found.ending})
    return back()


# --- answers ---------------------------------------------------------------------------------------------------


def mine_id() -> str:
    return public_id("staff", me().ref)


def back() -> Response:
    return make_response(redirect(url_for("support.mine"), 303))


def again(**errors: str) -> ResponseReturnValue:
    return render_template("support/mine.html", **mine(), errors=errors), 422


def shown_once(title: str, **what: Any) -> str:
    return render_template("support/once.html", title=title, back="support.mine", **what)
