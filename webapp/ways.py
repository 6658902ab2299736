"""The one or two things somebody can do next when a screen asks for nothing: buttons, and where each leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import url_for

from .outcomes import LATER, OTHER

if TYPE_CHECKING:
    from .view import View

BEGIN_AGAIN = ("start", "Start again")
MINE = ("done", "My connections")
WAYS = {"paused": (OTHER, LATER), "down": (OTHER, LATER), "left": (BEGIN_AGAIN, MINE), "expired": (BEGIN_AGAIN, MINE)}
"""By screen. An outcome says its own."""


@dataclass(frozen=True)
class Way:
    """A button. `how` is link, post (to another page), swap (the next screen takes this one's place) or leave."""

    words: str
    href: str
    how: str


def ways_on(view: View) -> Iterator[Way]:
    """The first is the likely one. Some make no sense here: for people of a host, or after this run."""
    actions = (view.outcome.primary, view.outcome.secondary) if view.name == "outcome" else WAYS[view.name]
    for action in actions:
        if action and (way := _way(view, *action)):
            yield way


def _way(view: View, what: str, words: str) -> Way | None:
    session, has_host = view.session, view.session.person.host_id is not None
    is_connected = view.run is not None and view.run.status == "completed"
    if what == "done" and has_host:
        return Way(f"Back to {view.asker}", url_for("invited.back", ref=session.ref), "leave")
    if what == "done":
        kept = session.connection if session.connection and session.connection.is_live else None
        return Way(words, url_for("connections.show", ref=kept.ref) if kept else url_for("connections.index"), "link")
    if what == "again":
        return Way(words, url_for("connect.again", ref=session.ref), "swap")
    if what == "other" and session.purpose != "connect":
        return None
    if what == "other" and is_connected and view.goes_on:
        return Way(words, url_for("connect.other_source", ref=session.ref), "post")
    if what == "start" or is_connected:
        return None if has_host else Way(words, url_for("connect.start"), "post")
    if has_host and len(session.sources or []) == 1:
        return None
    return Way(words, url_for("connect.other_source", ref=session.ref), "swap")
