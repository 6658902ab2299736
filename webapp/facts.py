"""What a host's page may learn of a screen: names, stages and codes. Never what somebody typed or a site said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exits import ERRORS, OTHERWISE, exit_status, kind_of
from .exits import error_code as run_error
from .models import Prompt
from .public_ids import public_id

if TYPE_CHECKING:
    from .view import View

SCREENS = {
    "consent": "CONSENT",
    "pick": "SELECT_SOURCE",
    "sign_in": "CREDENTIAL",
    "input": "CREDENTIAL",
    "handing_over": "LOADING",
    "progress": "LOADING",
    "paused": "SOURCE_STATUS",
    "down": "SOURCE_STATUS",
    "expired": "ERROR",
    "left": "EXIT_CONFIRM",
}

STANDING = {
    "consent": "requires_consent",
    "pick": "requires_source_selection",
    "sign_in": "requires_credentials",
    "input": "requires_credentials",
    "handing_over": "in_progress",
    "progress": "in_progress",
    "paused": "source_unavailable",
    "down": "source_unavailable",
    "expired": "token_expired",
    "left": "requires_consent",
}
"""What somebody who goes away now has not done."""

BY_ASKING = {"code": "requires_code", "device": "choose_device", "questions": "requires_questions"}


def facts_of(view: View) -> dict[str, Any]:
    """For `frame.js`, which makes events of what has changed."""
    session, run = view.session, view.run
    prompt = run.prompt if run and view.name == "interaction" else None
    return {
        "step": view.name,
        "view_name": screen(view, prompt),
        "status": standing(view, prompt),
        "is_update_mode": session.purpose != "connect",
        "source_id": session.source.slug if session.source else None,
        "source_name": session.source.name if session.source else None,
        "run_id": public_id("run", run.ref) if run else None,
        "run_state": run.status if run else None,
        "device": session.device,
        "mfa_type": kind_of(prompt) if prompt else None,
        "attempt": prompt.ordinal if prompt else None,
        "asked": len(run.prompts) if run else 0,
        "answered": sum(p.state in ("answering", "answered") for p in run.prompts) if run else 0,
        "error": error(view),
        "followed": view.following == "done",
    }


def screen(view: View, prompt: Prompt | None) -> str:
    """The screen's name in events, which hosts rely on."""
    if prompt is not None:
        return "SELECT_ACCOUNT" if prompt.type == "account_selection" else "MFA"
    if view.name == "outcome":
        return "CONNECTED" if view.run and view.run.status == "completed" else "ERROR"
    return SCREENS[view.name]


def standing(view: View, prompt: Prompt | None) -> str:
    """The exit status if somebody went away now; "connected" when nothing is left to do."""
    if prompt is not None:
        if prompt.type == "account_selection":
            return "requires_account_selection"
        return BY_ASKING.get(kind_of(prompt), "requires_selections")
    return exit_status(view.run) if view.name == "outcome" and view.run else STANDING[view.name]


def error(view: View) -> dict[str, Any] | None:
    """What is wrong, when something is."""
    code = error_code(view)
    if code is None:
        return None
    kind, action = ERRORS.get(code, OTHERWISE)
    found = {
        "error_type": kind,
        "error_code": code,
        "error_message": f"The flow stopped at {code}.",
        "display_message": view.title,
        "user_recoverable": action in ("retry", "fix_credentials", "restart_mfa", "choose_other_source"),
        "suggested_action": action,
        "support_code": view.session.support_code,
    }
    if view.name == "paused" and view.caution:
        found["retry_after_seconds"] = view.caution.minutes_left * 60
    return found


def error_code(view: View) -> str | None:
    if view.name == "paused":
        return "blocked" if view.caution and view.caution.reason == "blocked" else "too_many_sign_ins"
    if view.name == "down":
        return "source_not_available"
    if view.name == "expired":
        return "token_expired"
    if view.name == "sign_in":
        return "auth_invalid" if view.run else None
    return run_error(view.run) if view.name == "outcome" and view.run else None
