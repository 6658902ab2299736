"""Giving a sign-in to Deck's vault, and finding out what became of it when nobody answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress

from ..bus import WORK, visit_topic
from ..current import bus, deck
from ..db import db, writing
from ..deck import Credential, DeckError, DeckRefused, NotFound, holding_what_was_typed
from ..guard import username_digest
from ..hosts.events import note
from ..models import Connection, ConnectSession, Intent, Source
from ..models.connection import masked
from .attempts import attempt, carries_out, in_time, put_off, refused
from .disconnecting import plan_disconnect

log = logging.getLogger("gangway.intents")


class MustTypeAgain(Exception):
    """What was typed may or may not have arrived, and we keep no copy of it."""


class AnotherSource(Exception):
    """The visit is at another source by now than the one this was typed for. Deck was told nothing."""


@holding_what_was_typed()
def hand_over_sign_in(
    session: ConnectSession,
    source: Source,
    *,
    username: str,
    password: str,
    source_fields: Mapping[str, str],
    form: str,
) -> bool:
    """Give a sign-in at *source* to Deck's vault. The password is an argument and nothing else.

    Whether the visit may go on with it: not while another tab's is on its way, nor once its connection is over.
    Raises `AnotherSource` when it is not for the source the visit is at, `DeckRefused` when Deck does not take it,
    `MustTypeAgain` when nobody can tell whether it did.
    """
    owner = session.person_id
    with writing(owner):
        if session.source_id != source.id:
            raise AnotherSource
        connection, first = session.connection, Intent.by_form(form)
        if first is not None:
            return first.state == "done"  # a double click
        if Intent.is_signing_in(connection) or (connection is not None and connection.is_over):
            return False
        session.touch()
        if connection is None:
            host_id = session.person.host_id
            connection = Connection(person_id=session.person_id, host_id=host_id, source_id=source.id)
            session.connection = connection
        kind = "credential.change" if connection.deck_id else "credential.store"
        intent = Intent(kind=kind, connection=connection, form=form)
        db.session.add_all([connection, intent])
        note(session, "SUBMIT_CREDENTIALS")
    key, deck_id, source_id = intent.key, connection.deck_id, connection.source.deck_id or ""
    sign_in = {"username": username, "password": password, "source_fields": source_fields}
    try:
        in_time(intent)
        db.session.rollback()  # hold no transaction while Deck thinks
        if deck_id:
            told = deck().update_credential(deck_id, key=key, **sign_in)  # type: ignore[arg-type]
        else:
            told = deck().create_credential(source_id=source_id, external_id=key, key=key, **sign_in)  # type: ignore[arg-type]
    except DeckRefused as error:
        with writing(owner):
            refused(intent, error)
            session.touch()
        raise
    except DeckError as error:
        found = None if deck_id else _look_up(source_id, key)
        if found is None:
            with writing(owner):
                _nobody_knows(intent, error)
                session.touch()
            raise MustTypeAgain from error
        told = found
    with writing(owner):
        is_late = intent.state != "pending"  # this process slept, and another one gave the sign-in up
        if is_late and kind == "credential.store" and connection.deck_id != told.id:
            intent.reopen("credential.forget")
        else:
            is_late = False
            connection.deck_id = told.id
            connection.become("unverified")
            connection.username_hint = masked(username)
            connection.username_digest = username_digest(connection.source_id, username)
            intent.settle("done")
        went_on = session.connection_id != connection.id  # another tab has picked another source meanwhile
        if not is_late and not went_on:
            session.sign_in_taken()
        unwanted = not is_late and (went_on or is_left(session))
        disconnecting = plan_disconnect(connection) if unwanted else None
    if is_late:
        bus().ring(WORK)
        raise MustTypeAgain
    if disconnecting is not None:
        attempt(disconnecting)
    return not went_on


def _nobody_knows(intent: Intent, error: DeckError) -> None:
    """Inside `writing()`. This process may have slept, and another one settled it: as lost, or because it found it."""
    if intent.kind == "credential.change":
        log.warning("deck: %s %s: %s request=%s", intent.kind, intent.id, error, error.request_id)
        intent.settle("lost", error=error.code or type(error).__name__, request_id=error.request_id)
    elif intent.state == "pending":  # it may turn up yet, and nobody would know of it
        intent.kind = "credential.forget"
        put_off(intent, error)
    elif intent.state == "lost":
        intent.reopen("credential.forget")


def _look_up(source_id: str, key: str) -> Credential | None:
    try:
        return deck().find_credential(source_id=source_id, external_id=key)
    except DeckError:
        return None


@carries_out("credential.store", "credential.change")
def _find(intent: Intent) -> None:
    """A sign-in whose request died: it is at Deck, or it has to be typed again."""
    owner, found = intent.owner, None
    if intent.kind == "credential.store":
        source_id, key = intent.connection.source.deck_id or "", intent.key
        db.session.rollback()
        found = deck().find_credential(source_id=source_id, external_id=key)
    with writing(owner):
        if intent.state != "pending":
            return
        watched = ConnectSession.about(intent.connection)
        for session in watched:
            session.touch() if found is None else session.sign_in_taken()
        if found is None:
            intent.settle("lost", error="died")
        else:
            intent.connection.deck_id = found.id
            intent.connection.become(found.status)
            intent.connection.username_hint = masked(found.username)
            intent.connection.username_digest = username_digest(intent.connection.source_id, found.username)
            intent.settle("done")
        unwanted = any(is_left(session) for session in watched)
        disconnecting = plan_disconnect(intent.connection) if unwanted else None
    for session in watched:
        bus().ring(visit_topic(session.ref))
    if disconnecting is not None:
        attempt(disconnecting)


def is_left(session: ConnectSession) -> bool:
    """Whether somebody said "not now" while their sign-in was on its way: then it is not kept."""
    return session.ended_at is not None and session.purpose == "connect"


@carries_out("credential.forget")
def _forget(intent: Intent) -> None:
    """A sign-in that was typed again because nobody could tell whether it arrived. If it did, it is not kept."""
    owner, source_id, key = intent.owner, intent.connection.source.deck_id or "", intent.key
    db.session.rollback()
    found = deck().find_credential(source_id=source_id, external_id=key)
    if found is not None:
        with suppress(NotFound):
            deck().delete_credential(found.id, key=f"{key}-forget")
    with writing(owner):
        intent.settle("lost", error="" if found is None else "forgotten")
