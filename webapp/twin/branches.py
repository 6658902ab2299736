"""The ways things can go: the arms of a task run and of a credential."""

from __future__ import annotations

from typing import Any

from .errors import ControlError
from .objects import Object

ARMS: dict[str, Object] = {
    "completed": {"status": "completed", "result": "success", "errors": []},
    "failed": {
        "status": "failed",
        "result": "failure",
        "errors": [("task", "task_failed", "The task failed.")],
    },
    "blocked": {
        "status": "failed",
        "result": "failure",
        "errors": [("task", "blocked", "Site blocked automated access.")],
    },
    "timeout": {
        "status": "failed",
        "result": "failure",
        "errors": [("task", "timeout", "")],
        "after": "run_timeout",
    },
    "unknown": {
        "status": "failed",
        "result": "unknown",
        "errors": [("task", "task_result_unknown", "The outcome could not be determined.")],
    },
    "auth_invalid": {
        "status": "failed",
        "result": "failure",
        "errors": [("auth", "auth_invalid", "The source did not accept the credentials.")],
        "also": ["credential.invalid"],
    },
    "source_blocked": {
        "status": "failed",
        "result": "failure",
        "errors": [("source", "source_blocked", "The source is not allowed.")],
    },
    "source_down": {
        "status": "failed",
        "result": "failure",
        "errors": [("source", "source_not_available", "The source is not available.")],
    },
    "interaction": {"pauses_at": "interaction_required", "then": "completed"},
    "review": {"pauses_at": "review_required", "then": "completed"},
}
"""The arms of a task run. What is under `errors` is type, code and message."""

DEFAULTS = {"task_run": "completed", "credential": "verified"}
"""The arm each takes when neither a pin nor a site has it otherwise."""

BRANCHES: dict[str, dict[str, Object]] = {"task_run": ARMS, "credential": {"verified": {}, "invalid": {}}}
"""The arms by kind. A credential takes one whenever a run signs in with it."""

ALLOWED_RESULTS = {"task_run.completed": ("success", "unknown"), "task_run.failed": ("failure", "unknown")}
"""What `result` can be pinned to, by the event that ends the run."""


def check_branch(value: Any, kind: str = "task_run") -> None:
    """422 unless *value* is an arm, or for runs `{"arm": …, "then": …}` whose `then` is an arm that settles."""
    if kind != "task_run":
        _known(value, list(BRANCHES[kind]))
        return
    choice = value if isinstance(value, dict) else {"arm": value}
    if unknown := set(choice) - {"arm", "then"}:
        raise ControlError(422, "unknown_field", f"no field {sorted(unknown)[0]!r}", hint="arm and then")
    _known(choice.get("arm"), list(ARMS))
    _known(choice.get("then", "completed"), [name for name, arm in ARMS.items() if "status" in arm])


def error_elements(arm: str) -> list[Object]:
    """Deck's error elements for a run that ends by *arm*."""
    return [{"type": t, "code": c, "message": m} for t, c, m in ARMS[arm]["errors"]]


def _known(arm: object, known: list[str]) -> None:
    if arm not in known:
        raise ControlError(422, "unknown_arm", f"no arm {arm!r}", hint=f"known: {', '.join(known)}", arms=known)
