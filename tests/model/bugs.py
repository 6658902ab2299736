"""Mistakes to find: each takes one safeguard out of the product, and names the promise that must be seen to break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import flask
import pytest
from werkzeug.datastructures import MultiDict

from webapp import connect, inbox, worker
from webapp.current import deck
from webapp.db import db, now, writing
from webapp.deck import DeckError, Interaction, Signatures, TaskRun
from webapp.intents import MustTypeAgain, answering, attempts, signing_in
from webapp.models import Connection, ConnectSession, Event, Intent, Run, Source
from webapp.models.intent import new_key

Patch = pytest.MonkeyPatch
BUGS: dict[str, tuple[str, Callable[[Patch], None]]] = {}


def breaks(promise: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def keep(bug: Callable[[Patch], None]) -> Callable[[Patch], None]:
        BUGS[bug.__name__] = (promise, bug)
        return bug

    return keep


# --- news from Deck ----------------------------------------------------------------------------------------------


@breaks("I3|I5|I8")
def the_payload_decides(patch: Patch) -> None:
    """Whatever a webhook says is taken, in the order of arrival."""

    def act_on(event: Event, run: Run | None, connection: Connection | None) -> str:
        told = inbox._readable(event)
        if run is not None and told is not None and told.as_of is not None:
            run.status, run.as_of, run.version = told.status, told.as_of, run.version + 1
        event.handle()
        return ""

    patch.setattr(inbox, "_act_on", act_on)


@breaks("I3|I8")
def newer_timestamps_decide(patch: Patch) -> None:
    """A payload is taken if it is newer, and nobody asks Deck for what it does not hold."""

    def hint(self: Run, status: str, as_of: datetime) -> bool:
        if self.as_of is None or as_of <= self.as_of:
            return False
        return self.move_to(TaskRun("", status, "", as_of, None, (), None, ()))

    patch.setattr(Run, "hint", hint)


@breaks("I3")
def the_end_is_not_the_end(patch: Patch) -> None:
    """A late "running" reopens a run that is over."""
    act_on = inbox._act_on

    def reopening(event: Event, run: Run | None, connection: Connection | None) -> str:
        told = inbox._readable(event)
        if run is not None and run.is_over and told is not None and told.status in ("queued", "running"):
            run.status, run.version = told.status, run.version + 1
        return act_on(event, run, connection)

    patch.setattr(inbox, "_act_on", reopening)


@breaks("I2")
def repeats_count(patch: Patch) -> None:
    """Each delivery is an event of its own."""
    record = Event.record

    def every_one(**fields: Any) -> bool:
        fields |= {name: f"{fields[name]}#{new_key()[-8:]}" for name in ("deck_id", "webhook_id")}
        return record(**fields)

    patch.setattr(Event, "record", every_one)


def leaves_undone(patch: Patch, name: str) -> None:
    """A chore that does nothing. It keeps its place: put back at the end, it would come too late in later tests."""
    _, every = worker.CHORES[name]
    patch.setitem(worker.CHORES, name, (lambda chore: "", every))


@breaks("I5|I3|I9")
def webhooks_are_all_we_look_at(patch: Patch) -> None:
    """No run is asked about by age, and Deck's list of events is never read."""
    patch.setattr(Run, "next_look", lambda self: now() + timedelta(days=365))
    leaves_undone(patch, "events")


@breaks("I9")
def nobody_looks_after_our_webhook(patch: Patch) -> None:
    leaves_undone(patch, "destination")


@breaks("I1")
def any_signature_will_do(patch: Patch) -> None:
    patch.setattr(Signatures, "check", lambda self, body, headers: headers.get("webhook-id", ""))


# --- answers -----------------------------------------------------------------------------------------------------


@breaks("I8")
def any_tab_answers_the_open_question(patch: Patch) -> None:
    """The form's own question is not looked at."""

    class Careless:
        def __getattr__(self, name: str) -> Any:
            found = getattr(flask.request, name)
            if name != "form" or "prompt" not in found:
                return found
            session = ConnectSession.by_ref((flask.request.view_args or {})["ref"], connect.person_id())
            run = Run.latest_of(session) if session else None
            open_one = run.prompt.ref if run and run.prompt else ""
            return MultiDict({**found.to_dict(), "prompt": open_one})

    patch.setattr(connect, "request", Careless())


@breaks("I8")
def no_look_before_an_answer(patch: Patch) -> None:
    """What we knew when the page was made is good enough."""
    answer = answering.answer

    def blindly(run: Run, prompt: str, values: Mapping[str, str]) -> None:
        assert run.as_of is not None and run.deck_id is not None
        shown = run.prompt
        asked = Interaction.from_json({n: getattr(shown, n) for n in ("type", "message", "fields")}) if shown else None
        known = [TaskRun(run.deck_id, run.status, run.result, run.as_of, None, (), asked, ())]

        class Blind:
            def __getattr__(self, name: str) -> Any:
                return getattr(deck(), name)

            def get_run(self, id: str) -> TaskRun:
                return known.pop() if known else deck().get_run(id)

        with Patch.context() as only_here:
            only_here.setattr(answering, "deck", Blind)
            answer(run, prompt, values)

    patch.setattr(connect, "answer", blindly)


# --- writes at Deck ----------------------------------------------------------------------------------------------


@breaks("I4")
def a_new_key_for_each_attempt(patch: Patch) -> None:
    start = attempts._carry_out["run.start"]

    def with_a_new_key(intent: Intent) -> None:
        with writing(intent.owner):
            intent.key = new_key()
        start(intent)

    patch.setitem(attempts._carry_out, "run.start", with_a_new_key)


@breaks("I4")
def written_down_after_the_call(patch: Patch) -> None:
    """First the sign-in is stored at Deck, then there is a row about it."""
    hand_over = connect.hand_over_sign_in

    def call_first(session: ConnectSession, source: Source, *, form: str, **typed: Any) -> None:
        if session.connection is not None or Intent.by_form(form):
            return hand_over(session, source, form=form, **typed)
        key, source_id, person = new_key(), source.deck_id or "", session.person_id
        db.session.rollback()
        try:
            told = deck().create_credential(source_id=source_id, external_id=key, key=key, **_named(typed))
        except DeckError as error:
            raise MustTypeAgain from error
        with writing(person):
            connection = Connection(person_id=person, source_id=session.source_id, deck_id=told.id, status="unverified")
            session.connection = connection
            intent = Intent(kind="credential.store", connection=connection, form=form, key=key)
            db.session.add_all([connection, intent])
            intent.settle("done")
            session.sign_in_taken()
        return None

    patch.setattr(connect, "hand_over_sign_in", call_first)


def _named(typed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: typed[name] for name in ("username", "password", "source_fields")}


@breaks("I4")
def what_nobody_knows_is_left_there(patch: Patch) -> None:
    """A sign-in that may have arrived, and was typed again, is not looked for."""
    patch.setattr(signing_in, "_nobody_knows", lambda intent, error: intent.settle("lost"))


@breaks("I9|I5")
def nobody_takes_over(patch: Patch) -> None:
    """What a request began when it died stays as it is."""
    patch.setattr(Intent, "claim_due", lambda limit: [])


@breaks("I9|I4|I3")
def deleting_is_tried_once(patch: Patch) -> None:
    delete = attempts._carry_out["credential.delete"]

    def once(intent: Intent) -> None:
        with suppress(DeckError):
            return delete(intent)
        with writing(intent.owner):
            intent.connection.become("deleted")
            intent.settle("lost")
        return None

    patch.setitem(attempts._carry_out, "credential.delete", once)


# --- people ------------------------------------------------------------------------------------------------------


@breaks("I7")
def an_address_is_enough(patch: Patch) -> None:
    """Whoever knows the address of a visit sees it."""
    patch.setattr(
        ConnectSession, "by_ref", lambda ref, person: db.session.query(ConnectSession).filter_by(ref=ref).first()
    )


@breaks("I6")
def the_username_is_kept(patch: Patch) -> None:
    patch.setattr(signing_in, "masked", lambda username: username)


@breaks("I6")
def the_log_tells_what_was_typed(patch: Patch) -> None:
    answer = connect.answer

    def talkative(run: Run, prompt: str, values: Mapping[str, str]) -> None:
        attempts.log.warning("answering with %s", dict(values))
        answer(run, prompt, values)

    patch.setattr(connect, "answer", talkative)
