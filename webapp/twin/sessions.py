"""The life of a session: the place where runs work, one after the other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .clock import moment, parse_moment
from .errors import VendorError
from .objects import Object

if TYPE_CHECKING:
    from .world import World

OVER = ("completed", "failed", "canceled")
"""The statuses in which a run has left its session."""

OPEN = ("queued", "running", "idle")
"""The statuses in which a session takes another run."""


class Sessions:
    """Moves sessions along as their runs come and go."""

    def __init__(self, world: World) -> None:
        self.world = world

    def new(self) -> Object:
        return self.world.add("sessions", {"status": "queued", "runtime_ms": 0, "task_runs": []})

    def join(self, session: Object, run: Object) -> None:
        """Note *run* on its session; the first one makes the session known."""
        self.link(session, run)
        if len(session["task_runs"]) == 1:
            self.world.events.emit("session.queued", "sessions", session)

    def link(self, session: Object, run: Object) -> None:
        names = ("id", "task_id", "agent_id", "credential_id")
        if all(link["id"] != run["id"] for link in session["task_runs"]):
            session["task_runs"].append({name: run[name] for name in names})

    def work(self, session: Object) -> None:
        """A run begins in it."""
        if session["status"] != "running":
            self.move(session, "running")

    def leave(self, session: Object) -> None:
        """A run is over: with the last one the session idles, or completes when somebody is ending it."""
        if not self.all_over(session):
            return
        if session["status"] == "completing":
            self.move(session, "completed")
        elif session["status"] in OPEN:
            if session["status"] == "queued":
                self.move(session, "running")
            if session["status"] == "running":
                self.move(session, "idle")
            wait, idle_since = self.world.clock.span("session_idle_close"), session["updated_at"]
            self.world.clock.after(wait, "runs.session_close", session_id=session["id"], idle_since=idle_since)

    def close(self, session: Object, *, idle_since: str) -> None:
        """Its idle time is up, unless a run came in meanwhile."""
        if session["status"] == "idle" and session["updated_at"] == idle_since and self.all_over(session):
            self.move(session, "completing")
            self.move(session, "completed")

    def end(self, session: Object) -> None:
        """Somebody wants it closed; it completes when nothing runs in it any more.

        Its runs are to be cancelled next. Deck does not document a second ending: 409, as for a run that is over.
        """
        if session["status"] not in OPEN:
            text = f"The session is {session['status']}."
            raise VendorError(409, "session", "session_not_available", text)
        self.world.clock.drop(session_id=session["id"])
        self.move(session, "completing")
        self.leave(session)

    def all_over(self, session: Object) -> bool:
        inside = [self.world.find("task_runs", link["id"]) for link in session["task_runs"]]
        return all(run["status"] in OVER for run in inside if run)

    def move(self, session: Object, status: str) -> None:
        """`runtime_ms` counts what was spent `running`."""
        runtime = session["runtime_ms"]
        if since := session.pop("_running_since", None):
            runtime += (self.world.clock.now - parse_moment(since)) // timedelta(milliseconds=1)
        if status == "running":
            session["_running_since"] = moment(self.world.clock.now)
        self.world.touch(session, status=status, runtime_ms=runtime)
        self.world.events.emit(f"session.{status}", "sessions", session)
