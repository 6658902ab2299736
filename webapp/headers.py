"""What every response carries, and who may post to us."""

from __future__ import annotations

import secrets

from flask import Flask, Response, abort, g, request

from . import logs
from .current import config

PROGRAMS = {"webhooks", "hosts"}
"""Blueprints for programs: they look at a signature or a secret key, never at a cookie."""
FROM_HOSTS = {"frame.enter"}
"""Posted by hosts' pages: it takes a one-time token and looks at its Origin itself, never at a cookie."""
SAFE = {"GET", "HEAD", "OPTIONS"}

FIXED = {
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), clipboard-read=()",
    "Referrer-Policy": "same-origin",  # no-referrer would turn the Origin of our own posts into null
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
IN_A_FRAME = {
    "Cross-Origin-Resource-Policy": "cross-origin",  # a parent that is itself isolated asks for it
    "X-Frame-Options": "",  # it knows no origins; frame-ancestors does
}
HSTS = "max-age=63072000; includeSubDomains; preload"


def init_app(app: Flask) -> None:
    app.before_request(refuse_cross_site)
    app.after_request(harden)
    app.jinja_env.globals["csp_nonce"] = nonce


def nonce() -> str:
    """This response's own nonce: what is not marked with it does not run."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(18)
    return str(g.nonce)


def content_security_policy() -> str:
    framed_by = g.get("framed_by", "'none'")
    return (
        f"default-src 'none'; script-src 'nonce-{nonce()}' 'strict-dynamic'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; "
        f"frame-ancestors {framed_by}"
    )


def let_frame(origin: str) -> None:
    """Pages of *origin*, and no others, may show this response in a frame. It is a whole origin: see `frame.ORIGIN`."""
    g.framed_by = origin


def harden(response: Response) -> Response:
    """What the response does not say itself. Looked up once, for werkzeug searches its list for every name."""
    wanted = FIXED | (IN_A_FRAME if "framed_by" in g else {})
    wanted |= {"Content-Security-Policy": content_security_policy(), "Cache-Control": "no-store"}
    if config().secure:
        wanted["Strict-Transport-Security"] = HSTS
    said = {name.lower() for name, _ in response.headers}
    response.headers.extend([(name, value) for name, value in wanted.items() if value and name.lower() not in said])
    return response


def refuse_cross_site() -> None:
    """Only our own pages may post. Browsers say where a request comes from; a request that says nothing is refused.

    Webhooks are signed and carry no cookie, so they are exempt.
    """
    if request.method in SAFE or request.blueprint in PROGRAMS or request.routing_exception is not None:
        return
    if request.endpoint in FROM_HOSTS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    ours = request.headers.get("Origin") == config().origin if site is None else site == "same-origin"
    if not ours:
        logs.event("malicious_csrf")
        abort(403)
