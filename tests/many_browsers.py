"""Somebody's many browsers, each signed in: written into the database, because the door would take them for a guesser."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import cycle

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from webapp.models import BrowserSession
from webapp.models.browser_session import hashed


def many_browsers(database: str, secret_key: str, cookie: str, count: int) -> list[str]:
    """The cookies of so many more browsers of whoever is signed in by *cookie*."""
    signed = _seal(secret_key)
    known = signed.loads(cookie)
    tokens = [secrets.token_urlsafe(32) for _ in range(count)]
    engine = create_engine(database, poolclass=NullPool)
    with Session(engine) as session, session.begin():
        mine = select(BrowserSession.person_id).filter_by(token_hash=hashed(known["_user_id"]))
        person_id = session.scalars(mine).one()
        rows = [{"token_hash": hashed(token), "person_id": person_id} for token in tokens]
        session.execute(insert(BrowserSession), rows)
    return [signed.dumps({**known, "_user_id": token}) for token in tokens]


def addresses() -> Iterator[str]:
    """Of this machine, in turn: one of them may hold only so many streams."""
    return cycle([f"127.0.0.{number}" for number in range(2, 34)])


def _seal(secret_key: str) -> URLSafeTimedSerializer:
    app = Flask("many browsers")
    app.secret_key = secret_key
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return serializer
