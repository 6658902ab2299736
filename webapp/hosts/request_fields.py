"""Fields of a host's request, and the one way to refuse them."""

from __future__ import annotations

from typing import Any

from flask import request

from ..deck.reading import Unreadable, clean_text, parse_object


class BadRequest(Exception):
    """A named mistake: `code` for programs, `message` for developers, `param` for the field it is about."""

    def __init__(self, code: str, message: str, *, param: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.param, self.status = code, message, param, status


def read_json() -> dict[str, Any]:
    """The body as a JSON object; none at all is an empty one."""
    try:
        return parse_object(request.get_data() or b"{}")
    except Unreadable as error:
        raise BadRequest("invalid_json", f"The body must be a JSON object: {error}.") from error


def text(body: dict[str, Any], name: str, *, longest: int = 200, within: str = "") -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest or clean_text(value, longest=longest) != value:
        raise BadRequest("invalid_field", f"Plain text of at most {longest} characters, please.", param=within + name)
    return value


def a_dict(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadRequest("invalid_field", "This must be an object.", param=name)
    return value or {}


def no_others(given: dict[str, Any], known: tuple[str, ...], param: str) -> None:
    for name in given.keys() - set(known):
        raise BadRequest("unknown_field", f"Known here: {', '.join(known)}.", param=f"{param}.{name[:80]}")
