"""What staff may do to somebody's connection and its runs. Nobody types for them: they get a link."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import url_for
from sqlalchemy import select

from ..current import config
from ..db import db, now
from ..guard import caution
from ..hosts.request_fields import BadRequest
from ..hosts.session_request import SessionRequest
from ..hosts.sessions import invite
from ..intents import plan_disconnect, plan_run, plan_stop
from ..models import Connection, ConnectSession, Run, Task
from ..models.run import OVER
from ..public_ids import public_id
from .acts import Act, Asked, CannotNow, Done, Handout, many
from .endings import is_unsure, is_wrong_code, latest_run

LONGEST_DAYS = 7


def gone(connection: Connection) -> str:
    """Why nothing can be done with it any more, if so."""
    if connection.person.closing_at is not None:
        return "This person asked to be forgotten: everything of theirs is being deleted."
    if connection.status in ("deleting", "deleted"):
        return "It is disconnected: its sign-in is destroyed."
    return "" if connection.is_live else "It never came to be: Deck has no sign-in for it."


def open_run(connection: Connection) -> Run | None:
    return Run.open_at([connection]).get(connection.id)


class RunAgain(Act):
    """What the person's own "Refresh" does."""

    name, title, button = "run_again", "Run it again", "Run again"
    kinds = ("connection",)
    sure = Asked("sure", "They have looked at their account at the site, and it did not happen.", "yes")

    def why_not(self, it: Connection) -> str:
        if reason := gone(it):
            return reason
        if it.status == "invalid" and not is_wrong_code(latest_run(it)):
            return "The site refused the sign-in. The person must sign in again: send them a reconnect link."
        if open_run(it) is not None:
            return "A run is going on already."
        careful = caution(it.person_id, it.source_id)
        if careful.paused_until is not None:
            return f"It rests for {many(careful.minutes_left, 'minute')}, to protect the account at {it.source.name}."
        task = Task.first()
        if task is None:
            return "There is no task to run."
        return "The task asks for something only the person can tell." if task.asks_for_input else ""

    def questions(self, it: Connection) -> tuple[Asked, ...]:
        """What may have happened already happens twice: somebody has to have looked."""
        return (self.sure,) if is_unsure(latest_run(it)) else ()

    def plan(self, it: Connection, given: dict[str, Any]) -> list[str]:
        said = [f"One run starts at {it.source.name}, with the sign-in Deck holds."]
        latest = latest_run(it)
        if is_unsure(latest):
            said.insert(0, "Nobody knows whether the last run worked. If it did, this does the same a second time.")
        if is_wrong_code(latest):
            return [
                *said,
                f"{it.source.name} sends a new code. The person has to type it: run it while they are there.",
            ]
        return [
            *said,
            "If the site asks for a code, the person has to type it: they find the run under their connection.",
        ]

    def do(self, it: Connection, given: dict[str, Any]) -> Done:
        if is_unsure(latest_run(it)) and not given.get("sure"):
            raise CannotNow("Nobody knows whether the last run worked: read again what will happen.")
        task = Task.first()
        assert task is not None
        session = ConnectSession.about_again(it, task, "refresh")
        db.session.add(session)
        db.session.flush()
        intent = plan_run(session, input=None, form=f"refresh.{session.ref}")
        if intent is None or intent.run is None:
            raise CannotNow("A run is going on already.")
        intent.due_at = now()
        return Done("A run has been started.", {"run": public_id("run", intent.run.ref)})


class Cancel(Act):
    name, title, button = "cancel", "Cancel this run", "Cancel"
    kinds = ("run",)
    is_danger = True

    def why_not(self, it: Run) -> str:
        if it.is_over:
            return "It is over already."
        return "It is being stopped already." if it.is_stopping else ""

    def plan(self, it: Run, given: dict[str, Any]) -> list[str]:
        return [
            f"One run at {it.source.name} is stopped. What it has done at the site by then stays done.",
            "The person sees that it was stopped. The connection stays.",
        ]

    def do(self, it: Run, given: dict[str, Any]) -> Done:
        was, intent = it.status, plan_stop(it)
        if intent is not None:
            intent.due_at = now()
        return Done("The run is being stopped.", {"was": was})


class LookAgain(Act):
    name, title, button = "look_again", "Ask Deck now", "Ask Deck"
    kinds = ("connection", "run")

    def why_not(self, it: Connection | Run) -> str:
        if isinstance(it, Run) and it.is_over:
            return "It is over: nothing about it changes any more."
        return "" if it.deck_id else "Deck does not know it yet."

    def plan(self, it: Connection | Run, given: dict[str, Any]) -> list[str]:
        return ["Deck is asked how it stands, and we take what it says. Nothing is changed there."]

    def do(self, it: Connection | Run, given: dict[str, Any]) -> Done:
        connection = it.connection if isinstance(it, Run) else it
        runs = db.session.scalars(
            select(Run).where(Run.connection_id == connection.id, Run.status.not_in(OVER), Run.deck_id.is_not(None))
        )
        for run in runs:
            run.news()
        connection.due_at = now()
        return Done("Deck is being asked. What it says is here in a moment.")


class ReconnectLink(Act):
    name, title, button = "reconnect_link", "A link to sign in again", "Reconnect link"
    kinds = ("connection",)
    is_fresh = True
    asks = (
        Asked(
            "days",
            "Good for how many days",
            "number",
            hint="If a company sent them. The address for our own people stays good.",
            default=lambda: "1",
            low=1,
            high=LONGEST_DAYS,
        ),
    )

    def why_not(self, it: Connection) -> str:
        host = it.person.host
        if host is not None and host.paused_at is not None:
            return f"{host.name} is paused: its links do not open."
        return gone(it)

    def plan(self, it: Connection, given: dict[str, Any]) -> list[str]:
        if it.person.host is None:
            words = "You get an address here where they sign in again. It is no secret: it opens for nobody but them."
        else:
            words = "A new link is made. It works once, for whoever opens it first: send it to this person only."
        return [words, "Nothing happens until they open it. You never type their password or code for them."]

    def do(self, it: Connection, given: dict[str, Any]) -> Done:
        host = it.person.host
        if host is None:
            page = config().public_url + url_for("connections.confirm_reconnect", ref=it.ref)
            words = f"The address at which this person signs in again at {it.source.name}. Send it to them."
            return Done("The address at which they sign in again was shown.", {}, Handout(page, words, is_secret=False))
        wanted = SessionRequest(
            host=host,
            client_user_id=it.person.client_user_id or "",
            return_url=next(iter(host.return_urls), ""),
            state="",
            source_slugs=None,
            connection_id=public_id("conn", it.ref),
            lifetime=timedelta(days=given["days"]),
            tags={},
            wishes={},
        )
        try:
            made = invite(host, wanted, now() + wanted.lifetime)
        except BadRequest as error:
            raise CannotNow(error.message) from error
        details = {"session": public_id("cs", made.ref), "days": given["days"]}
        link = config().public_url + url_for("invited.arrive", token=made.token)
        words = f"The link with which this person signs in again at {it.source.name}. Send it to nobody else."
        said = "A link was made and shown once. Make another if it was lost."
        return Done(said, details, Handout(link, words))


class Disconnect(Act):
    name, title, button = "disconnect", "Disconnect", "Disconnect"
    kinds = ("connection",)
    role = "lead"
    is_fresh = is_danger = True

    def why_not(self, it: Connection) -> str:
        return "It is disconnected already." if it.status in ("deleting", "deleted") else ""

    def plan(self, it: Connection, given: dict[str, Any]) -> list[str]:
        said = [f"The stored sign-in at {it.source.name} is destroyed at Deck. This cannot be undone."]
        if open_run(it) is not None:
            said.append("One run is going on. It is stopped first.")
        return [*said, "To connect again the person has to sign in again. Results we have are kept as long as usual."]

    def do(self, it: Connection, given: dict[str, Any]) -> Done:
        was, run = it.status, open_run(it)
        for intent in (run and plan_stop(run), plan_disconnect(it)):
            if intent is not None:
                intent.due_at = now()
        return Done("It is being disconnected.", {"was": was})
