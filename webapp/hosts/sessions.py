"""Connect sessions in the API for hosts: one visit of one of their users, from the first call to how it went."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any

from flask import g, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..current import config
from ..db import add_row, db, now, writing
from ..exits import status_of
from ..models import Host, Invitation, Person, Run, Task
from ..models.browser_session import hashed
from ..models.invitation import Link
from ..public_ids import public_id, ref_in
from ..stamps import stamp
from .connections import run_view
from .door import bp, idempotency_key, no_such, told
from .request_fields import BadRequest, read_json, text
from .session_request import SessionRequest

MOST_RIVALS = 3
"""How often a call that meets another one in the middle of the same is tried."""


WHO_FOR_WHAT = select(Person.id_sent_by_host(), Task.id_of_first())
"""One statement for what every session needs, written once: the user, if we know them, and the task."""


@bp.post("/connect/sessions")
def create_session() -> ResponseReturnValue:
    """A visit for one of the host's users. The same Idempotency-Key with the same request gives the same session.

    The link is told once: a repeated request gets a new one, and the old one is worth nothing.
    """
    body = read_json()
    wanted = SessionRequest.read(body, g.host)
    form = idempotency_key(g.host)
    asked = hashed(json.dumps(body, sort_keys=True))
    ends = now() + wanted.lifetime
    for rivals in range(MOST_RIVALS):
        try:
            with writing():
                link, ends = met_again(form, asked) or (invite(g.host, wanted, ends, form, asked, g.host_key_id), ends)
            break
        except IntegrityError:  # somebody made the same person, or the same request, in this very moment
            if rivals == MOST_RIVALS - 1:
                raise
    made = {
        "session_id": public_id("cs", link.ref),
        "connect_token": link.token,
        "expires_at": stamp(ends),
        "hosted_url": config().public_url + url_for("invited.arrive", token=link.token),
    }
    return told(made, 201)


def met_again(form: str | None, asked: str) -> tuple[Link, datetime] | None:
    """Inside `writing()`: a new link to what the same request made before, if it did."""
    known = db.session.scalar(select(Invitation).filter_by(form=form)) if form else None
    if known is None:
        return None
    if not secrets.compare_digest(known.request_digest, asked):
        raise BadRequest("idempotency_error", "This Idempotency-Key came with another request.", status=409)
    return known.renew(g.host_key_id), known.expires_at


def invite(
    host: Host,
    wanted: SessionRequest,
    ends: datetime,
    form: str | None = None,
    asked: str = "",
    key_id: int | None = None,
) -> Link:
    """Inside `writing()`: the visit, and the host's side of it until *ends*. *key_id* is the key it was asked with."""
    user = {"host_id": host.id, "client_user_id": wanted.client_user_id}
    person_id, task_id = db.session.connection().execute(WHO_FOR_WHAT, user).one()
    if task_id is None:
        raise BadRequest("no_task", "This installation offers nothing to connect for yet.", status=503)
    person_id = person_id or add_row(Person, user)
    connection, source = wanted.connection_of(person_id), wanted.only_source()
    session = {
        "person_id": person_id,
        "task_id": task_id,
        "source_id": connection.source_id if connection else source and source.id,
        "connection_id": connection and connection.id,
        "purpose": "reconnect" if connection else "connect",
        "sources": wanted.source_slugs,
    }
    return Invitation.issue(
        host,
        session,
        host_key_id=key_id,
        form=form,
        request_digest=asked,
        expires_at=ends,
        return_url=wanted.return_url,
        state=wanted.state,
        tags=wanted.tags,
        wishes=wanted.wishes,
    )


@bp.get("/connect/sessions/<id>")
def read_session(id: str) -> ResponseReturnValue:
    return told(session_view(invitation_or_404(id)))


@bp.post("/connect/sessions/<id>/expire")
def expire_session(id: str) -> ResponseReturnValue:
    """Revoke it now, opened or not."""
    invitation = invitation_or_404(id)
    with writing(invitation.connect_session.person_id):
        invitation.expire()
    return told(session_view(invitation))


@bp.post("/connect/public_token/exchange")
def exchange_public_token() -> ResponseReturnValue:
    """What the host's page was handed, for the connection it stands for. Once."""
    invitation = Invitation.by_public_token(text(read_json(), "public_token"), g.host)
    made = Run.connected_in(invitation.connect_session) if invitation else []
    if invitation is None or not made:
        raise BadRequest("token_invalid", "There is no such public token.", param="public_token")
    with writing():
        if not invitation.exchange():
            if invitation.exchanged_at is not None:
                raise BadRequest("token_already_used", "This public token was exchanged already.", status=409)
            raise BadRequest("token_expired", "A public token lives for 30 minutes.", status=410)
    ids = [public_id("conn", connection.ref) for connection in made]
    return told({"connection_id": ids[0], "connection_ids": ids, "session_id": public_id("cs", invitation.ref)})


def session_view(invitation: Invitation) -> dict[str, Any]:
    session = invitation.connect_session
    run = Run.latest_of(session) if session.connection_id else None
    ids = [public_id("conn", connection.ref) for connection in Run.connected_in(session)]
    return {
        "session_id": public_id("cs", invitation.ref),
        "status": status_of(invitation, run),
        "client_user_id": session.person.client_user_id,
        "source": session.source and {"source_id": session.source.slug, "name": session.source.name},
        "connection_id": ids[-1] if ids else None,
        "connection_ids": ids,
        "run": run and run_view(run),
        "support_code": session.support_code,
        "tags": invitation.tags,
        "created_at": stamp(invitation.created_at),
        "expires_at": stamp(invitation.expires_at),
        "opened_at": stamp(invitation.opened_at),
    }


def invitation_or_404(id: str) -> Invitation:
    found = Invitation.by_ref(ref_in("cs", id), g.host)
    if found is None:
        raise no_such("session")
    return found
