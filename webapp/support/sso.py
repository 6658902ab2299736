"""Single sign-on by OpenID Connect, where an operator has set it up."""

from __future__ import annotations

import hmac
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, abort, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadData, URLSafeTimedSerializer

from .. import logs
from ..current import config, limits
from ..db import db, now, writing
from ..door import network
from ..limits import SSO_PER_ADDRESS
from ..models import Staff
from ..models.connection import masked
from .door import safe_path
from .gate import ANYBODY, needs, record, start_cookie
from .pages import bp
from .sessions import hold, let_in

if TYPE_CHECKING:
    from .openid import Provider

MINUTES = 10
"""To sign in at the provider."""
AT_MOST_HOURS = 8
"""How old a sign-in at the provider may be, as far as it tells."""
NEAR = timedelta(minutes=1)
"""So much the provider's clock may differ from ours."""

log = logging.getLogger("gangway.sso")


@bp.get("/sso")
@needs(ANYBODY)
def sso() -> ResponseReturnValue:
    """To the provider. With `again` it asks for a new sign-in, as `prove` does."""
    there = provider()
    only_pages()
    limits().count(SSO_PER_ADDRESS, "sso", network())
    wanted = safe_path(request.args.get("next", ""))
    age: dict[str, Any] = {"max_age": AT_MOST_HOURS * 3600}
    if request.args.get("again"):
        age = {"max_age": 0, "prompt": "login"}
    db.session.rollback()  # hold no connection while the provider thinks
    try:
        asked = there.asks(**age)
    except Exception as error:  # whatever a provider may answer, nobody gets in by it
        return refused("provider", error)
    kept = {"max_age": age["max_age"], **{name: asked[name] for name in ("state", "nonce", "code_verifier")}}
    response = make_response(redirect(asked["url"]))
    # Lax, unlike the staff's cookie: the provider's page leads back to us.
    how: dict[str, Any] = {"httponly": True, "secure": config().secure, "samesite": "Lax"}
    response.set_cookie(cookie(), sealed().dumps({**kept, "next": wanted}), max_age=MINUTES * 60, **how)
    return response


@bp.get("/sso/callback")
@needs(ANYBODY)
def sso_callback() -> ResponseReturnValue:
    """From the provider, with a code for us to ask with. Each question is good for one answer.

    Whoever was not asked by us is not even written down: anybody can make a link that leads here.
    """
    there = provider()
    only_pages()
    try:
        kept, asked_at = sealed().loads(request.cookies.get(cookie(), ""), max_age=MINUTES * 60, return_timestamp=True)
    except BadData:
        return refused_page()
    limits().count(SSO_PER_ADDRESS, "sso", network())
    is_answer = hmac.compare_digest(kept["state"].encode(), request.args.get("state", "").encode())
    if not is_answer or "code" not in request.args:
        return refused("state")
    db.session.rollback()  # as above
    try:
        told = there.claims(request.args["code"], nonce=kept["nonce"], code_verifier=kept["code_verifier"])
    except Exception as error:  # as above
        return refused("provider", error)
    email = told.get("email")
    if not isinstance(email, str) or told.get("email_verified") is not True:
        return refused("unverified")
    proved_at = moment(told.get("auth_time"))
    if proved_at is not None and proved_at < asked_at - timedelta(seconds=kept["max_age"]) - NEAR:
        return refused("auth_time")
    return let_in_by(email, proved_at, kept["next"])


def only_pages() -> None:
    """Only where a page is opened: no picture or frame in somebody else's page leads anywhere, or counts."""
    sent = request.headers
    is_page = (sent.get("Sec-Fetch-Mode"), sent.get("Sec-Fetch-Dest")) == ("navigate", "document")
    if sent.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not is_page:
        abort(403)


def let_in_by(email: str, proved_at: datetime | None, wanted: str) -> ResponseReturnValue:
    """Somebody of the team. Nobody becomes staff because the provider knows them."""
    found, token = known_by(email), ""
    with writing():
        staff = hold(found.id) if found else None
        if staff is not None and staff.is_active:
            token = let_in(staff, "sso", proved_at)
    if not token:
        return refused("unknown" if found is None else "disabled", email=masked(email))
    logs.event("authn_login_success")
    response = make_response(
        render_template("support/sso_done.html", refresh=f"0;url={wanted or url_for('support.now')}")
    )
    return forget(start_cookie(response, token))


def known_by(email: str) -> Staff | None:
    """Whose mailbox the provider speaks of: folding case makes one address of two mailboxes, such as of ss and ß."""
    found = Staff.by_email(email)
    return found if found is not None and (email.isascii() or email == found.email) else None


def moment(seconds: object) -> datetime | None:
    """When they last proved who they are, if the provider says so and it is not in the future."""
    if not isinstance(seconds, int | float) or not 0 < seconds < 2**33:
        return None
    return min(datetime.fromtimestamp(seconds, UTC), now())


def refused(why: str, error: Exception | None = None, **details: str) -> ResponseReturnValue:
    if error is not None:
        log.warning("single sign-on: %s", type(error).__name__)
    logs.event("authn_login_fail")
    with writing():
        record("sign_in", result="refused", method="sso", details={"why": why, **details})
    return forget(refused_page())


def refused_page() -> Response:
    return make_response(render_template("support/sso_refused.html"), 403)


def provider() -> Provider:
    """One for the process, because it keeps what it has learnt; 404 where there is none."""
    from .openid import Provider

    if not config().oidc_issuer:
        abort(404)
    known = current_app.extensions.setdefault("gangway.sso", Provider(config()))
    return known  # type: ignore[no-any-return]


# --- what is kept meanwhile ------------------------------------------------------------------------------------


def cookie() -> str:
    return "__Host-gangway-sso" if config().secure else "gangway-sso"


def sealed() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(config().secret_key, salt="support.sso")


def forget(response: Response) -> Response:
    response.delete_cookie(cookie(), secure=config().secure, httponly=True, samesite="Lax")
    return response
