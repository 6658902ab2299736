"""Who is at the door: everybody's session, and where it lets them go."""

from __future__ import annotations

import ipaddress

from flask import Flask, abort, g, redirect, request, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user
from itsdangerous import URLSafeTimedSerializer

from . import logs
from .bus import person_topic
from .current import bus
from .db import db, now, writing
from .models import BrowserSession, ConnectSession

VISIT_ROOMS = {"connect", "live", "invited", "frame", "phone"}
"""Where somebody may be who came for one visit."""
FRAME_KEY = "Gangway-Session"
"""The header in which a frame on a host's page says whose visit it shows."""


class Doorkeeper(LoginManager):  # type: ignore[misc]
    """Flask-Login without its remember-me cookie: we never give one out, and a forged one makes it raise.

    A request with a frame's key is signed in by that alone: a cookie that came along is not looked at.
    """

    def _load_user(self) -> None:
        if FRAME_KEY in request.headers:
            self._update_request_context_with_user(BrowserSession.by_frame_key(request.headers[FRAME_KEY]))
        else:
            super()._load_user()

    def _load_user_from_remember_cookie(self, cookie: str) -> None:
        return None


class Cookies(SecureCookieSessionInterface):
    """Flask makes its signer anew for every request, also for programs that have no cookie; ours never changes."""

    def __init__(self, app: Flask) -> None:
        self._signer = super().get_signing_serializer(app)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        return self._signer


login_manager = Doorkeeper()
login_manager.user_loader(BrowserSession.by_token)


def signed_in_only() -> ResponseReturnValue | None:
    """Everybody else goes to the sign-in page, and comes back to where they wanted to be."""
    if current_user.is_authenticated:
        g.actor = ("person", person_id())  # for the log: whatever is committed later, this is known
        return None if current_user.visit_id is None or request.blueprint in VISIT_ROOMS else keep_to_the_visit()
    if request.method != "GET" or FRAME_KEY in request.headers:
        logs.event("authz_fail")
        abort(401)
    return redirect(url_for("account.sign_in", next=request.path))


def keep_to_the_visit() -> ResponseReturnValue:
    """Somebody a host sent us is here for one visit; the rest of the house is not theirs."""
    visit = db.session.get_one(ConnectSession, current_user.visit_id)
    return redirect(url_for("connect.show", ref=visit.ref), 303)


def person_id() -> int:
    return int(current_user.person_id)


def end_session() -> None:
    """Whoever is signed in here is not any more."""
    if not current_user.is_authenticated:
        return
    person = person_id()
    with writing(person):
        db.session.get_one(BrowserSession, current_user.id).ended_at = now()
    bus().ring(person_topic(person))


def address() -> str:
    """Where they come from, exactly: for what is written down."""
    return request.remote_addr or ""


def network() -> str:
    """Whose address that is: for limits. Somebody with IPv6 has a whole /64, and must not be as many people."""
    exact = address()
    try:
        ip = ipaddress.ip_address(exact.partition("%")[0])
    except ValueError:
        return exact
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
