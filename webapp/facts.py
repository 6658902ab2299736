"""What a host's page may learn of a screen: names, stages and codes. Never what somebody typed or a site said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .models import Prompt, Run
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

TIMEOUTS = {"timeout", "interaction_timeout", "mfa_timeout"}

KINDS = {
    "auth_invalid": ("CREDENTIALS_ERROR", "fix_credentials"),
    "interaction_timeout": ("INTERACTION_ERROR", "restart_mfa"),
    "mfa_timeout": ("INTERACTION_ERROR", "restart_mfa"),
    "blocked": ("SOURCE_ERROR", "wait"),
    "source_not_available": ("SOURCE_ERROR", "wait"),
    "source_blocked": ("SOURCE_ERROR", "choose_other_source"),
    "source_error": ("SOURCE_ERROR", "retry"),
    "timeout": ("SOURCE_ERROR", "retry"),
    "task_result_unknown": ("API_ERROR", "wait"),
    "too_many_sign_ins": ("RATE_LIMIT_EXCEEDED", "wait"),
    "token_expired": ("SESSION_ERROR", "none"),
}
"""Error type and suggested action, by code."""


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
        "mfa_type": asking(prompt) if prompt else None,
        "attempt": prompt.ordinal if prompt else None,
        "asked": len(run.prompts) if run else 0,
        "answered": sum(p.state in ("answering", "answered") for p in run.prompts) if run else 0,
        "error": error(view),
    }


def screen(view: View, prompt: Prompt | None) -> str:
    """The screen's name in events, which hosts rely on."""
    if prompt is not None:
        return "SELECT_ACCOUNT" if prompt.type == "account_selection" else "MFA"
    if view.name == "outcome":
        return "CONNECTED" if view.run and view.run.status == "completed" else "ERROR"
    return SCREENS[view.name]


def asking(prompt: Prompt) -> str:
    has_options = any(field["options"] for field in prompt.fields)
    if prompt.type == "mfa":
        return "device" if has_options else "code"
    return "selections" if has_options else "questions"


def standing(view: View, prompt: Prompt | None) -> str:
    """The exit status if somebody went away now; "connected" when nothing is left to do."""
    if prompt is not None:
        if prompt.type == "account_selection":
            return "requires_account_selection"
        return BY_ASKING.get(asking(prompt), "requires_selections")
    return after(view.run) if view.name == "outcome" and view.run else STANDING[view.name]


def after(run: Run) -> str:
    if run.status == "completed":
        return "connected"
    if run.status == "canceled":
        return "requires_credentials"
    if run.result == "unknown":
        return "result_unknown"
    return "timed_out" if run.codes & TIMEOUTS else "source_unavailable"


def error(view: View) -> dict[str, Any] | None:
    """What is wrong, when something is."""
    code = error_code(view)
    if code is None:
        return None
    kind, action = KINDS.get(code, ("API_ERROR", "retry"))
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
    if view.name != "outcome" or view.run is None or view.run.status in ("completed", "canceled"):
        return None
    codes = sorted(code for code in view.run.codes if code in KINDS)
    return codes[0] if codes else "task_result_unknown" if view.run.result == "unknown" else "task_failed"
