"""Pages and their JSON twins: a view gathers plain data once, a template or a program shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from babel.dates import format_timedelta
from flask import Blueprint, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from ..db import now
from ..errors import KEPT_HEADERS
from ..stamps import stamp
from .gate import me, needs, no, only_staff, only_tokens, session
from .notices import notice

bp = Blueprint("support", __name__, url_prefix="/support")
api = Blueprint("support_api", __name__, url_prefix="/support/api")
bp.before_request(only_staff)
api.before_request(only_tokens)

NAV = (
    ("now", "Now"),
    ("connections", "Connections"),
    ("runs", "Runs"),
    ("sources", "Sources"),
    ("issues", "Issues"),
    ("funnel", "Funnel"),
    ("inbox", "Inbox"),
    ("deliveries", "Deliveries"),
    ("hosts", "Hosts"),
    ("team", "Team"),
    ("audit", "Audit"),
)
"""The rooms of the dashboard, in the order of the menu: endpoint and word."""
ROOM_OF = {
    "connection": "connections",
    "run": "runs",
    "source": "sources",
    "issue": "issues",
    "delivery": "deliveries",
    "host": "hosts",
}
"""In which room a page of one thing is."""


@bp.context_processor
def surroundings() -> dict[str, Any]:
    page = (request.endpoint or "").rpartition(".")[2]
    room = ROOM_OF.get(page, page)
    return {"nav": NAV, "room": room, "me": me, "session_of_staff": session, "notice_of_act": notice}


@bp.app_template_filter()
def age(moment: datetime) -> str:
    """How far away a moment is, for dense lists: 42 seconds ago, 3 days ago, in 2 hours."""
    return format_timedelta(moment - now(), add_direction=True, threshold=1, locale="en")


def page(rule: str, template: str, *, name: str = "", needs_role: str = "viewer") -> Callable[..., Any]:
    """A page at *rule*, and the same data as JSON at /support/api. The view returns a dict of plain data.

    Plain: text, numbers, moments, lists, dicts and dataclasses of them, never rows; what may not be seen is not in it.
    """

    def mark(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def html(**args: Any) -> ResponseReturnValue:
            shown = view(**args)
            if not isinstance(shown, dict):
                return shown  # type: ignore[no-any-return]
            return render_template(f"support/{template}", **shown)

        @wraps(view)
        def json(**args: Any) -> ResponseReturnValue:
            shown = view(**args)
            return jsonify(plain(shown)) if isinstance(shown, dict) else make_response(shown)

        endpoint = name or view.__name__
        bp.add_url_rule(rule, endpoint, needs(needs_role)(html))
        api.add_url_rule(rule or "/", endpoint, needs(needs_role)(json))
        return view

    return mark


def post(rule: str, *, needs_role: str, fresh: bool = False) -> Callable[..., Any]:
    """Where a form of the dashboard goes. It has no twin: programs read, people act."""

    def mark(view: Callable[..., Any]) -> Callable[..., Any]:
        bp.add_url_rule(rule, view.__name__, needs(needs_role, fresh=fresh)(view), methods=["POST"])
        return view

    return mark


@api.errorhandler(HTTPException)
def for_programs(error: HTTPException) -> ResponseReturnValue:
    said, code = no(error.code or 500, error.name.lower().replace(" ", "_"), error.description or error.name)
    return said, code, [(name, value) for name, value in error.get_headers() if name in KEPT_HEADERS]


def plain(value: Any) -> Any:
    """What JSON can say: moments as RFC 3339, dataclasses as objects. Anything else is a mistake of ours."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"a page's data holds a {type(value).__name__}")
