"""How runs end and what sites ask, in the words hosts read: the frame, the API and the webhooks say the same."""

from __future__ import annotations

from .models import Invitation, Prompt, Run
from .models.run import UNANSWERED

TIMEOUTS = UNANSWERED | {"timeout"}

ERRORS = {
    "auth_invalid": ("CREDENTIALS_ERROR", "fix_credentials"),
    "interaction_timeout": ("INTERACTION_ERROR", "restart_mfa"),
    "mfa_timeout": ("INTERACTION_ERROR", "restart_mfa"),
    "blocked": ("SOURCE_ERROR", "wait"),
    "source_not_available": ("SOURCE_ERROR", "wait"),
    "source_blocked": ("SOURCE_ERROR", "choose_other_source"),
    "source_error": ("SOURCE_ERROR", "retry"),
    "task_failed": ("SOURCE_ERROR", "retry"),
    "timeout": ("SOURCE_ERROR", "retry"),
    "task_result_unknown": ("API_ERROR", "wait"),
    "too_many_sign_ins": ("RATE_LIMIT_EXCEEDED", "wait"),
    "token_expired": ("SESSION_ERROR", "none"),
}
"""Error type and suggested action, by code: Deck's, and two of ours."""

OTHERWISE = ("API_ERROR", "retry")


def exit_status(run: Run) -> str:
    """How a run that is over leaves its visit."""
    if run.status == "completed":
        return "connected"
    if run.status == "canceled" or "auth_invalid" in run.codes:
        return "requires_credentials"
    if run.result == "unknown":
        return "result_unknown"
    return "timed_out" if run.codes & TIMEOUTS else "source_unavailable"


def status_of(visit: Invitation, run: Run | None) -> str:
    """Where a host's visit stands, whose latest run is *run*."""
    session = visit.connect_session
    if run is not None and not run.is_over:
        return "in_progress"
    is_connected = run is not None and run.status == "completed"
    if is_connected or ("multi_source" in visit.features and Run.connected_in(session)):
        return "connected"
    if run is not None:
        return exit_status(run)
    if session.ended_at is not None or session.is_expired or visit.is_expired:
        return "token_expired"
    if session.consented_at is None:
        return "requires_consent"
    return "requires_source_selection" if session.source is None else "requires_credentials"


def error_code(run: Run) -> str | None:
    """Why a run that is over did not work: the first of Deck's codes that has a meaning here, or else its first."""
    if run.status in ("completed", "canceled"):
        return None
    codes = [str(error["code"]) for error in run.errors]
    otherwise = "task_result_unknown" if run.result == "unknown" else codes[0] if codes else "task_failed"
    return next((code for code in codes if code in ERRORS), otherwise)


def error_of(run: Run) -> dict[str, str] | None:
    """The same with its type; None when nothing went wrong, or it is not over."""
    code = error_code(run) if run.is_over else None
    return {"error_type": ERRORS.get(code, OTHERWISE)[0], "error_code": code} if code else None


def kind_of(prompt: Prompt) -> str:
    """What a site asks for: code, device, questions or selections."""
    has_options = any(field["options"] for field in prompt.fields)
    if prompt.type == "mfa":
        return "device" if has_options else "code"
    return "selections" if has_options else "questions"
