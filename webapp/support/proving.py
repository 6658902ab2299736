"""Both factors once more, before what is sensitive. A form that says why is kept, and goes on once they are given."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .. import logs
from ..db import now, writing
from ..public_ids import public_id
from . import tries
from .door import checked_password, count_try, safe_path, spend_code, what_is_wrong
from .gate import CAME_BACK, PROOF, kept_form, needs, record, session
from .pages import bp
from .sessions import hold


@bp.before_request
def only_fresh() -> ResponseReturnValue | None:
    """Views that are marked `fresh`, after the gate has let somebody in."""
    view: Any = current_app.view_functions[request.endpoint or ""]
    return ask_again() if view.fresh else None


@bp.get("/prove")
@needs("viewer")
def prove() -> ResponseReturnValue:
    """Somebody was about to do what asks for both factors. They come back to where they were."""
    return prove_page(safe_path(request.args.get("next", "")) or came_from())


@bp.post("/prove")
@needs("viewer")
def submit_prove() -> ResponseReturnValue:
    wanted = safe_path(request.form.get("next", ""))
    if not is_proved_now():
        return prove_page(wanted, refused=True), 401
    return redirect(wanted or url_for("support.now"), 303)


def ask_again() -> ResponseReturnValue | None:
    """None when both factors were given a moment ago, or come with this form; otherwise the page that asks for them.

    A form that says why is on that page and is sent again with them, or once its sender comes back from single sign-on.
    """
    if session().is_fresh:
        return None
    kept = {} if request.method == "GET" else kept_form()
    if not kept:
        back = request.full_path.rstrip("?") if request.method == "GET" else ""
        return redirect(url_for("support.prove", next=back), 303)
    is_tried = any(name in request.form for name in PROOF)
    if is_tried and is_proved_now():
        return None
    is_early = CAME_BACK in request.form and session().method == "sso"
    return prove_page("", kept=kept, refused=is_tried or is_early), 401


def is_proved_now() -> bool:
    """Whether the form proves who this is; from now on the session is fresh. On record either way."""
    count_try()
    mine = session()
    kept, anew = checked_password(mine.staff)
    with writing():
        staff = hold(mine.staff_id)
        why = what_is_wrong(staff, kept)
        if why:
            tries.refuse(staff, "prove", why)
        is_proved = not why and bool(spend_code(staff, "prove"))
        if is_proved:
            tries.forgive(staff)
            staff.password_hash = anew
            mine.proved_at = now()
            record("prove", public_id("staff", staff.ref))
    if not is_proved:
        logs.event("authn_login_fail")
    return is_proved


def came_from() -> str:
    return safe_path(urlsplit(request.referrer or "").path)


def prove_page(wanted: str, **more: Any) -> str:
    return render_template("support/prove.html", next=wanted, is_sso=session().method == "sso", **more)
