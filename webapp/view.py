"""What a connect session shows: its screen, decided by rows alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from .budget import Lane, calling_as
from .current import config, deck, limits
from .db import db
from .deck import DeckError
from .deck.reading import clean_text
from .facts import facts_of
from .forms import SourceSignIn, TaskInput
from .guard import Caution, caution
from .hosts.wishes import style_sheet
from .limits import USERNAMES_PER_PERSON
from .models import Connection, ConnectSession, Follow, Intent, Invitation, Run, Source
from .models.source import SITE_TROUBLE
from .outcomes import Outcome, outcome_of
from .progress import Progress, progress_of
from .search import find_sources
from .ways import Way, ways_on

TITLES = {
    "consent": "Connect {s}",
    "pick": "Choose a source",
    "sign_in": "Sign in to {s}",
    "input": "One more thing",
    "handing_over": "Connecting to {s}",
    "progress": "Connecting to {s}",
    "interaction": "{s} asks you something",
    "paused": "{s}: a pause",
    "down": "{s} is not working",
    "stopped": "{s} is paused",
    "expired": "This page waited too long",
    "left": "Nothing was connected",
    "phone": "Continue on your phone",
}

WAY_OUT = "under My connections"
"""Where people of our own disconnect."""

MOVABLE = {"consent", "pick", "sign_in", "input", "progress", "interaction"}
"""Screens on which somebody may want to take the phone."""
LAST = {"outcome", "expired", "left"}


@dataclass
class View:
    """One screen of a connect session, and what its template needs."""

    name: str
    session: ConnectSession
    run: Run | None = None
    caution: Caution | None = None
    filled: Any = None
    """The form as it was typed, when it comes back with mistakes."""
    notice: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return self.session.version

    @property
    def is_live(self) -> bool:
        """Whether it may change by itself."""
        return self.name in ("handing_over", "progress", "interaction")

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes unless somebody begins again."""
        return self.name in LAST

    @property
    def may_move(self) -> bool:
        """Whether the visit may go on on a phone: a host's, that is on a computer so far."""
        return self.name in MOVABLE and self.session.person.host_id is not None and self.session.device != "phone"

    @property
    def title(self) -> str:
        """For the browser's tab."""
        if self.name == "outcome":
            return self.outcome.title
        if self.name == "left" and self.connected:
            return "You are done"
        source = self.session.source
        is_stopped = self.name == "down" and source is not None and source.is_stopped
        return TITLES["stopped" if is_stopped else self.name].format(s=source.name if source else "an account")

    @property
    def asker(self) -> str:
        """Who wants to read the account: the operator, or the company that sent this person."""
        host = self.session.person.host
        return host.name if host else config().operator_name

    @cached_property
    def wishes(self) -> dict[str, Any]:
        """What the host wished for this visit; nothing for people of our own."""
        invitation = Invitation.of_visit(self.session) if self.session.person.host_id else None
        return dict(invitation.wishes) if invitation else {}

    @property
    def words(self) -> dict[str, str]:
        """The host's own, beside ours."""
        return dict(self.wishes.get("words", {}))

    @property
    def features(self) -> list[str]:
        """What the host wished this visit could do."""
        return list(self.wishes.get("features", []))

    @property
    def goes_meanwhile(self) -> bool:
        """Whether they are shown the way back to what they were doing while it goes on."""
        return "background" in self.features

    @property
    def goes_on(self) -> bool:
        """Whether another account may be connected after this one."""
        return "multi_source" in self.features

    @cached_property
    def following(self) -> str:
        """`offered` or `done`: whether they may wait, or wait, for news of a source that does not work; "" for none."""
        fails_there = self.name == "outcome" and self.run is not None and self.run.codes & SITE_TROUBLE
        if "notify_when_back" not in self.features or not (self.name == "down" or fails_there):
            return ""
        return "done" if Follow.of_visit(self.session) else "offered"

    @cached_property
    def connected(self) -> list[Connection]:
        """What this visit has brought so far."""
        return Run.connected_in(self.session) if self.goes_on else []

    @property
    def look(self) -> str:
        """The name of the wished style sheet; "" for our own look."""
        accent, radius = self.wishes.get("accent", ""), self.wishes.get("radius", "")
        return f"{accent[1:]}-{radius}" if accent or radius != "" else ""

    @property
    def style_sheet(self) -> str:
        """What is in it, for its integrity value."""
        return style_sheet(self.wishes.get("accent", ""), self.wishes.get("radius"))

    @property
    def outcome(self) -> Outcome:
        assert self.run is not None
        return outcome_of(self.run, self.asker, self.way_out)

    @property
    def ways(self) -> list[Way]:
        """What can be done next."""
        return list(ways_on(self))

    @property
    def progress(self) -> Progress:
        return progress_of(self.session, self.run, self.asker)

    @property
    def changes_at(self) -> datetime | None:
        """When it will look different although nothing happens. Never while somebody may be typing."""
        return self.progress.changes_at if self.name == "progress" else None

    @property
    def way_out(self) -> str:
        """Where people disconnect. Those a host sent have no page with us."""
        return f"by asking {self.asker}" if self.session.person.host_id else WAY_OUT

    @cached_property
    def facts(self) -> dict[str, Any] | None:
        """What the page of the host that sent this person may learn of the screen; None for people of our own."""
        if self.session.person.host_id is None:
            return None
        return facts_of(view_of(self.session) if self.name == "phone" else self)

    @cached_property
    def is_unsure(self) -> bool:
        """Whether the latest run of the connection that is repaired here may have worked after all."""
        connection = self.session.connection if self.session.purpose == "reconnect" else None
        return connection is not None and any(run.is_unsure for run in Run.history(connection, 1))

    @cached_property
    def sign_in(self) -> SourceSignIn:
        """The sign-in form: as it was typed, or with the username that Deck remembers and we do not keep."""
        return self.filled or SourceSignIn(username=remembered_username(self.session))

    def render(self) -> str:
        """The fragment: first paint and every push."""
        return render_template("connect/_view.html", **self._context())

    def page(self, status: int = 200) -> ResponseReturnValue:
        return render_template("connect/session.html", **self._context()), status

    def in_frame(self, **more: Any) -> str:
        """The same as a page for a frame."""
        return render_template("connect/frame.html", **self._context(), **more)

    def _context(self) -> dict[str, Any]:
        nonce, asker = secrets.token_urlsafe(16), self.asker
        shown = {"view": self, "session": self.session, "run": self.run, "operator": asker}
        return {**shown, "form_nonce": nonce, "client": asker, **self.more}


def view_of(session: ConnectSession) -> View:
    """Where a session stands. Everything is decided by rows, so a reload or a second tab sees the same."""
    run = Run.latest_of(session) if session.connection_id else None
    if session.ended_at is not None:
        return View("left", session)
    if Intent.is_signing_in(session.connection):
        return View("handing_over", session)
    if session.purpose != "connect" and session.connection is not None and session.connection.is_over:
        return View("left", session)
    if run is not None and not run.is_over:
        return View("interaction" if is_asking(run) else "progress", session, run)
    if run is not None and not has_typed_since(session, run):
        if "auth_invalid" not in run.codes or run.prompts:
            return View("outcome", session, run)
        return View("expired", session) if session.is_expired else sign_in_view(session, run)
    if session.is_expired:
        return View("expired", session)
    if session.consented_at is None:
        return View("consent", session)
    if session.source is None:
        return View("pick", session, more=found("", session))
    if session.signed_in_at is None:
        return sign_in_view(session)
    return input_view(session)


def is_asking(run: Run) -> bool:
    is_open = run.prompt is not None and run.prompt.state == "open"
    return run.status == "interaction_required" and is_open and not run.is_stopping


def has_typed_since(session: ConnectSession, run: Run) -> bool:
    """Whether a new sign-in was taken after *run*, and waits for its own run."""
    return session.signed_in_at is not None and run.ended_at is not None and session.signed_in_at > run.ended_at


def sign_in_view(session: ConnectSession, run: Run | None = None) -> View:
    """The sign-in form, or why there is none now."""
    assert session.source is not None
    if session.source.is_stopped:
        return View("down", session, run)
    careful = caution(session.person_id, session.source.id)
    if careful.paused_until is not None:
        return View("paused", session, run, careful)
    if session.source.health == "down" and run is None:
        return View("down", session)
    return View("sign_in", session, run, careful)


def input_view(session: ConnectSession) -> View:
    """What the task wants to know; a wished language is filled in where it asks for one."""
    view = View("input", session)
    wished = {"language": view.wishes["language"]} if "language" in view.wishes else {}
    view.filled = TaskInput.blank(session.task.input_schema or {}, **wished)
    return view


def remembered_username(session: ConnectSession) -> str:
    """What Deck was given. Whoever opens a host's link sees it only after having typed it in this visit.

    It may wait, and it is asked for so often only: drawing a page must not use up what sign-ins need.
    """
    connection = session.connection
    if connection is None or connection.deck_id is None:
        return ""
    if session.person.host_id is not None and session.signed_in_at is None:
        return ""
    if not limits().allows(USERNAMES_PER_PERSON, str(session.person_id)):
        return ""
    deck_id = connection.deck_id
    db.session.rollback()  # hold no connection while Deck thinks
    try:
        with calling_as(Lane.NEWS):
            return deck().get_credential(deck_id).username
    except DeckError:
        return ""


def found(query: str, session: ConnectSession) -> dict[str, Any]:
    query = clean_text(query, longest=100)
    return {"query": query, "sources": find_sources(query, Source.all_offered(session.sources))}
