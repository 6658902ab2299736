"""The pages of acts: what will happen first, then a reason, then done once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import abort, g, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError

from ..bus import WORK
from ..current import bus, limits
from ..db import writing
from ..deck.reading import clean_text
from ..models import AuditEntry
from . import acts_on_connections, acts_on_deck, acts_on_hosts, acts_on_sources
from .acts import ACTS, Act, Asked, CannotNow, Done, Mistyped
from .gate import LONGEST_REASON, SHORTEST_REASON, me, record, refuse
from .pages import page, post
from .proving import ask_again
from .targets import Target, find

ROOMS = (acts_on_connections, acts_on_deck, acts_on_hosts, acts_on_sources)
"""Importing them registers their acts."""


@dataclass(frozen=True)
class Shown:
    """A field as its page shows it."""

    name: str
    label: str
    kind: str
    hint: str
    value: str
    error: str
    low: int
    high: int
    is_needed: bool


@dataclass
class Form:
    """What somebody typed into an act's form, what it means, and what is wrong with it."""

    act: Act
    asks: tuple[Asked, ...]
    typed: Mapping[str, str]
    given: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    @classmethod
    def begun(cls, act: Act, it: Any, typed: Mapping[str, str]) -> Form:
        """Only what has to be known before anything can be said."""
        asks = act.questions(it)
        form = cls(act, asks, {asked.name: typed.get(asked.name) or asked.default() for asked in asks})
        form._read(asked for asked in asks if asked.comes_first)
        return form

    @classmethod
    def filled(cls, act: Act, it: Any, typed: Mapping[str, str]) -> Form:
        form = cls(act, act.questions(it), typed)
        form._read(form.asks)
        form.reason = clean_text(typed.get("reason"), longest=LONGEST_REASON + 1)
        if not SHORTEST_REASON <= len(form.reason) <= LONGEST_REASON:
            form.errors["reason"] = f"Say why, in {SHORTEST_REASON} to {LONGEST_REASON} characters."
        return form

    def _read(self, some: Any) -> None:
        for asked in some:
            try:
                self.given[asked.name] = asked.read(self.typed.get(asked.name, ""))
            except Mistyped as error:
                self.errors[error.name] = str(error)

    def shown(self, *, first: bool) -> list[Shown]:
        return [self._shown(asked) for asked in self.asks if asked.comes_first == first]

    def _shown(self, asked: Asked) -> Shown:
        value, error = clean_text(self.typed.get(asked.name), longest=2_000), self.errors.get(asked.name, "")
        limits = (asked.low, asked.high, asked.is_needed)
        return Shown(asked.name, asked.label, asked.kind, asked.hint, value, error, *limits)


@page("/act/<act>/<ref>", "act.html", name="act", needs_role="agent")
def show_act(act: str, ref: str) -> dict[str, Any]:
    found, target = allowed(act, ref)
    return drawn(target, Form.begun(found, target.row, request.args))


@post("/act/<act>/<ref>", needs_role="agent")
def submit_act(act: str, ref: str) -> ResponseReturnValue:
    """Once: a double click, a reload and a second tab meet the entry in the audit log that the first one wrote."""
    found, target = allowed(act, ref)
    once = token_of(found, target)
    if entry := AuditEntry.was_done(once):
        return back(target, entry)
    form = Form.filled(found, target.row, request.form)
    if form.errors:
        return form_again(target, form, 422)
    limits().count(found.limit, "act", str(me().id))
    try:
        done, entry = carry_out(found, target, form, once)
    except (CannotNow, Mistyped, IntegrityError) as error:
        if entry := AuditEntry.was_done(once):
            return back(target, entry)
        if isinstance(error, CannotNow):
            return form_again(target, form, 409, problem=str(error))
        if isinstance(error, Mistyped):
            form.errors[error.name] = str(error)
            return form_again(target, form, 422)
        raise
    bus().ring(WORK)
    if done.handout is not None:
        shown = {"handout": done.handout, "title": found.title, "back": where(target)}
        return render_template("support/act_shown.html", **shown)
    return back(target, entry)


def carry_out(act: Act, target: Target, form: Form, once: str) -> tuple[Done, AuditEntry]:
    """The act and its entry in the audit log, in one transaction and on rows read in it."""
    with writing(*target.owners):
        again = find(act.kinds, target.ref) or abort(404)
        if reason := act.why_not(again.row):
            raise CannotNow(reason)
        done = act.do(again.row, form.given)
        details = {**done.details, "said": done.said}
        entry = record(act.name, target.id, reason=form.reason, once=once, details=details)
    return done, entry


def allowed(name: str, ref: str) -> tuple[Act, Target]:
    """The act and what it is done to; the role is looked at first, so that nobody learns what there is."""
    act = ACTS.get(name) or abort(404)
    if not me().may(act.role):
        abort(make_response(refuse(act.role)))
    if act.is_fresh and "staff_token" not in g and (page := ask_again()) is not None:
        abort(make_response(page))
    return act, find(act.kinds, ref) or abort(404)


def drawn(target: Target, form: Form, problem: str = "") -> dict[str, Any]:
    act = form.act
    problem, said = problem or act.why_not(target.row), []
    if not problem and not any(asked.comes_first and asked.name in form.errors for asked in form.asks):
        try:
            said = act.plan(target.row, form.given)
        except CannotNow as error:
            problem = str(error)
        except Mistyped as error:
            form.errors[error.name] = str(error)
    return {
        "title": act.title,
        "button": act.button,
        "is_danger": act.is_danger,
        "act": act.name,
        "ref": target.ref,
        "object": target.id if target.row is not None else "",
        "what": target.words,
        "back": where(target),
        "said": said,
        "problem": problem,
        "first": form.shown(first=True),
        "fields": form.shown(first=False),
        "reason": {"value": form.reason, "error": form.errors.get("reason", "")},
        "shortest": SHORTEST_REASON,
        "longest": LONGEST_REASON,
        "once": secrets.token_urlsafe(16),
    }


def form_again(target: Target, form: Form, status: int, *, problem: str = "") -> ResponseReturnValue:
    return render_template("support/act.html", **drawn(target, form, problem)), status


def token_of(act: Act, target: Target) -> str:
    """Names this one form of this one person; 400 for a form that is none of ours."""
    typed = request.form.get("once", "")
    if not typed:
        abort(400)
    what = f"{me().id} {act.name} {target.id} {typed[:40]}"
    return hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()


def back(target: Target, entry: AuditEntry) -> ResponseReturnValue:
    """To the page of what it was done to, which says what happened."""
    return redirect(target.page(did=entry.ref), 303)


def where(target: Target) -> dict[str, Any]:
    return {"endpoint": f"support.{target.endpoint}", "place": target.place}
