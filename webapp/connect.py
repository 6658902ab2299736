"""The end user's flow: agree, pick a source, sign in there, answer what it asks, see how it ended."""

from __future__ import annotations

import secrets

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from . import logs
from .browsers import device
from .bus import visit_topic
from .current import bus, limits
from .db import db, writing
from .deck import DeckError, DeckRefused
from .door import person_id, signed_in_only
from .forms import Answers, SourceSignIn, TaskInput
from .guard import caution, caution_about, is_busy
from .hosts.events import note
from .hosts.followers import follow
from .intents import (
    AlreadyAnswered,
    AnotherSource,
    MustTypeAgain,
    answer,
    attempt,
    hand_over_sign_in,
    plan_disconnect,
    start_run,
    stop_run,
)
from .limits import RUNS_PER_PERSON, SECRETS_PER_PERSON, VISITS_PER_PERSON
from .models import ConnectSession, Intent, Run, Source, Task
from .view import View, found, is_asking, view_of

NOT_PASSED_ON = "We could not pass that on. Please type it once more."
ANSWERED_MEANWHILE = "That was already answered, or the question changed. This is where things stand now."
FOR_ANOTHER_SOURCE = (
    "That page was for another sign-in, so what you typed was not sent anywhere. This is where things stand now."
)
PERHAPS_PASSED_ON = "We do not know yet whether your answer arrived. This page goes on by itself."
STEPS = {"agree", "leave", "source", "other", "sign-in", "input", "answer", "stop", "again", "phone", "follow"}

bp = Blueprint("connect", __name__, url_prefix="/connect")
bp.before_request(signed_in_only)


# --- coming and going ------------------------------------------------------------------------------------------


@bp.post("/start")
def start() -> ResponseReturnValue:
    """A new visit, to any source or to the one named."""
    if current_user.visit_id is not None:
        abort(404)
    limits().count(VISITS_PER_PERSON, "visit", str(person_id()))
    with writing(person_id()):
        task = Task.first()
        if task is None:
            abort(503)
        source = Source.by_slug(request.form.get("source", ""))
        session = ConnectSession(person_id=person_id(), task=task, source=source, device=device())
        db.session.add(session)
        note(session, "OPEN")
    return to(session)


@bp.get("/<ref>")
def show(ref: str) -> ResponseReturnValue:
    session = session_or_404(ref)
    view = view_of(session)
    if view.name == "pick":
        view.more = found(request.args.get("q", ""), session)
    return view.page()


@bp.post("/<ref>/agree")
def agree(ref: str) -> ResponseReturnValue:
    session = session_or_404(ref)
    with writing(session.person_id):
        session.agree()
    return to(session)


@bp.post("/<ref>/leave")
def leave(ref: str) -> ResponseReturnValue:
    """Not now. A sign-in that never worked is not kept."""
    session = session_or_404(ref)
    with writing(session.person_id):
        session.end()
        disconnecting = forget_unproven(session)
    if disconnecting is not None:
        attempt(disconnecting)
    return to(session) if current_user.visit_id else redirect(url_for("connections.index"), 303)


@bp.post("/<ref>/source")
def pick_source(ref: str) -> ResponseReturnValue:
    session = session_or_404(ref)
    source = Source.by_slug(request.form.get("source", ""))
    if source is None or source.slug not in (session.sources or [source.slug]):
        abort(404)
    with writing(session.person_id):
        if not may_pick(session):
            abort(409)
        if not session.is_expired:  # where they are led says so
            session.pick(source)
    return to(session)


@bp.post("/<ref>/other")
def other_source(ref: str) -> ResponseReturnValue:
    """Back to the list."""
    session = session_or_404(ref)
    with writing(session.person_id):
        if not may_pick(session):
            abort(409)
        disconnecting = forget_unproven(session)
        session.pick(None if session.is_expired else only_one(session))
    if disconnecting is not None:
        attempt(disconnecting)
    return to(session)


@bp.post("/<ref>/follow")
def follow_source(ref: str) -> ResponseReturnValue:
    """Their host shall tell them when the source works again."""
    session = session_or_404(ref)
    if view_of(session).following == "offered":
        follow(session)
    return to(session)


def may_pick(session: ConnectSession) -> bool:
    """Between agreeing and leaving, but not while something is on its way to the source that was picked before.

    When a run has worked, a host's visit is over, unless it may connect several.
    """
    run = Run.latest_of(session)
    if session.consented_at is None or session.ended_at is not None:
        return False
    if session.purpose != "connect" or Intent.is_signing_in(session.connection):
        return False
    if run is None or not run.is_over:
        return run is None
    is_done = run.status == "completed" and session.person.host_id is not None
    return not is_done or view_of(session).goes_on


def only_one(session: ConnectSession) -> Source | None:
    """The source, when there is no other to pick."""
    return Source.by_slug(session.sources[0]) if session.sources and len(session.sources) == 1 else None


def forget_unproven(session: ConnectSession) -> Intent | None:
    """Somebody goes away from a sign-in that never let anybody in: Deck need not keep it. Inside `writing()`."""
    run, connection = Run.latest_of(session), session.connection
    gone_wrong = run is None or (run.is_over and run.status != "completed" and run.result != "unknown")
    if session.purpose == "connect" and connection and connection.status in ("unverified", "invalid") and gone_wrong:
        return plan_disconnect(connection)
    return None


# --- signing in ------------------------------------------------------------------------------------------------


@bp.post("/<ref>/sign-in")
def submit_sign_in(ref: str) -> ResponseReturnValue:
    """The password is in this function's hands, then in Deck's; nowhere else.

    It belongs to the source it was typed for: the form names it. Another tab may have picked another one since.
    """
    session = session_or_404(ref)
    view = view_of(session)
    if view.name in ("paused", "down"):
        return view.page(409)
    if view.name != "sign_in" or session.source is None:
        return to(session)
    source = session.source
    if request.form.get("source") != source.slug:
        return changed_meanwhile(session, FOR_ANOTHER_SOURCE)
    form = view.filled = SourceSignIn.read(request.form, source)
    if form.errors:
        return view.page(422)
    careful = caution_about(source.id, form.username)
    if careful.paused_until is not None:
        return View("paused", session, view.run, careful).page(409)
    if is_busy(session.person_id, source.id):
        view.notice = "Other sign-ins of yours are under way there. Please wait until one of them is done."
        return view.page(409)
    limits().count(SECRETS_PER_PERSON, "sign-in", str(session.person_id))
    nonce = form_nonce()
    try:
        is_taken = hand_over_sign_in(
            session, source, username=form.username, password=form.password, source_fields=form.extra, form=f"{nonce}.s"
        )
    except AnotherSource:
        return changed_meanwhile(session, FOR_ANOTHER_SOURCE)
    except DeckRefused as error:
        if not error.is_about_what_was_sent:
            raise
        form.errors.update(refused_fields(error))
        return view.page(422)
    except MustTypeAgain:
        view.notice = "We could not reach our provider. Nothing was lost but what you typed: please type it once more."
        return view.page(502)
    if is_taken and not session.task.asks_for_input:
        start_run(session, input=None, form=f"{nonce}.r")
    return to(session)


def refused_fields(error: DeckRefused) -> dict[str, str]:
    """Deck's complaint, at the field it is about and in words for people."""
    words = "This was not accepted. Check it, and try again."
    named = {path.rpartition(".")[2] for path in error.fields}
    at = {name: words for name in named if name in ("username", "password")}
    at |= {f"x_{path.rpartition('.')[2]}": words for path in error.fields if "source_fields" in path}
    return at or {"username": words}


@bp.post("/<ref>/input")
def submit_input(ref: str) -> ResponseReturnValue:
    """What the task wants to know before it runs."""
    session = session_or_404(ref)
    if view_of(session).name != "input":
        return to(session)
    form = TaskInput.read(request.form, session.task.input_schema or {})
    if form.errors:
        return View("input", session, filled=form).page(422)
    limits().count(RUNS_PER_PERSON, "run", str(session.person_id))
    start_run(session, input=form.values if session.task.asks_for_input else None, form=f"{form_nonce()}.r")
    return to(session)


# --- while it runs ---------------------------------------------------------------------------------------------


@bp.post("/<ref>/answer")
def submit_answer(ref: str) -> ResponseReturnValue:
    """An answer belongs to the prompt it was typed for: the form names it."""
    session = session_or_404(ref)
    run = Run.latest_of(session)
    if run is None or not is_asking(run) or run.prompt is None:
        return to(session)
    if request.form.get("prompt") != run.prompt.ref:
        return changed_meanwhile(session, ANSWERED_MEANWHILE)
    view = View("interaction", session, run)
    form = view.filled = Answers.read(request.form, run.prompt)
    if form.errors:
        return view.page(422)
    limits().count(SECRETS_PER_PERSON, "answer", str(session.person_id))
    try:
        answer(run, run.prompt.ref, form.plain())
    except AlreadyAnswered:
        logs.event("sequence_fail")
        return changed_meanwhile(session, ANSWERED_MEANWHILE)
    except (DeckError, MustTypeAgain) as error:
        if isinstance(error, DeckRefused) and not error.is_about_what_was_sent:
            raise
        view = view_of(session)
        view.notice = NOT_PASSED_ON if view.name == "interaction" else PERHAPS_PASSED_ON
        return view.page(502)
    return to(session)


def changed_meanwhile(session: ConnectSession, notice: str) -> ResponseReturnValue:
    view = view_of(session)
    view.notice = notice
    return view.page(409)


@bp.post("/<ref>/stop")
def stop(ref: str) -> ResponseReturnValue:
    session = session_or_404(ref)
    if run := Run.latest_of(session):
        stop_run(run)
    return to(session)


@bp.post("/<ref>/again")
def again(ref: str) -> ResponseReturnValue:
    """A new run with the sign-in Deck holds. Never after a result nobody knows: it may have happened."""
    session = session_or_404(ref)
    view = view_of(session)
    if view.name != "outcome" or view.run is None or view.run.status == "completed":
        return to(session)
    if view.run.is_unsure:
        return to(session)
    if view.run.source.is_stopped:
        return View("down", session, view.run).page(409)
    careful = caution(session.person_id, view.run.source_id)
    if careful.paused_until is not None:
        return View("paused", session, view.run, careful).page(409)
    if session.task.asks_for_input:
        with writing(session.person_id):
            session.sign_in_taken()  # it waits for its input, then for its run
        return to(session)
    limits().count(RUNS_PER_PERSON, "run", str(session.person_id))
    start_run(session, input=None, form=f"{form_nonce()}.r")
    return to(session)


@bp.get("/<ref>/<step>")
def reload(ref: str, step: str) -> ResponseReturnValue:
    """A form that came back with mistakes has the address it was posted to: reloading leads back to the visit."""
    return to(session_or_404(ref)) if step in STEPS else abort(404)


# --- the small things ------------------------------------------------------------------------------------------


def session_or_404(ref: str) -> ConnectSession:
    session = ConnectSession.by_ref(ref, person_id())
    if session is None or current_user.visit_id not in (None, session.id):
        abort(404)
    return session


def to(session: ConnectSession) -> ResponseReturnValue:
    """Back to the session's page, which shows where it stands now; whoever watches elsewhere sees it, too."""
    bus().ring(visit_topic(session.ref))
    return redirect(url_for("connect.show", ref=session.ref), 303)


def form_nonce() -> str:
    """Names one printed form; posting it twice is posting it once. (An input called `form` would confuse htmx.)"""
    return request.form.get("once", "")[:40] or secrets.token_urlsafe(16)
