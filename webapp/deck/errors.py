"""What can go wrong between us and Deck.

    DeckError
    ├── DeckDown          no answer, or a 5xx: it may or may not have happened; the same key may be sent again
    ├── DeckBusy          429: it did not happen; later it may
    │   └── HeldBack      we did not even send it
    ├── DeckRefused       any other 4xx: it did not happen and will not
    │   └── NotFound      404
    └── DeckUnreadable    an answer that makes no sense

Branch on `type` and `code`, never on the message (docs.deck.co/ai).
"""

from __future__ import annotations

import re
from typing import Any

from .reading import Unreadable, one_line, parse_object

SECONDS = re.compile(r"[0-9]{1,6}")


class DeckError(Exception):
    """Any failure of a call to Deck. Its text never holds what was sent."""

    def __init__(
        self,
        what: str,
        *,
        status: int = 0,
        type: str = "",
        code: str = "",
        request_id: str = "",
        fields: dict[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self.status, self.type, self.code, self.request_id = status, type, code, request_id
        self.fields = fields or {}
        """Deck's complaint by dotted path, such as ``{"input.price": "must be a number"}``."""


class DeckDown(DeckError):
    """No answer, or Deck's own failure. Ambiguous: repeat with the same key."""


class DeckBusy(DeckError):
    """429. `retry_after` is in seconds, None when Deck does not say."""

    retry_after: float | None = None


class HeldBack(DeckBusy):
    """Not sent: our own allowance is used up, or Deck is left alone for a moment."""


class DeckRefused(DeckError):
    """Deck understood and said no."""

    @property
    def is_about_what_was_sent(self) -> bool:
        """Whether other words may be accepted; otherwise our key, our source or our request is at fault."""
        says_what = self.status in (400, 422) and self.type in ("", "request", "auth")
        return says_what or self.code == "auth_invalid"


class NotFound(DeckRefused):
    """404, with or without a body."""


class DeckUnreadable(DeckError):
    """The answer is not what Deck's documentation promises."""


def from_answer(status: int, body: bytes, *, retry_after: str | None, doing: str) -> DeckError:
    """The error an unsuccessful answer stands for.

    Deck has three forms (docs.deck.co/api/errors): the envelope, whose `errors` is a list; the RFC 9110 form,
    whose `errors` maps paths to texts; and nothing at all for an unknown route.
    """
    try:
        parsed = parse_object(body)
    except Unreadable:
        parsed = {}
    errors, first, fields = parsed.get("errors"), {}, {}
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = errors[0]
        if first.get("field"):
            fields[one_line(first["field"])] = one_line(first.get("message"))
    elif isinstance(errors, dict):
        fields = {one_line(path): _first(texts) for path, texts in errors.items()}
    details: dict[str, Any] = {
        "status": status,
        "type": one_line(first.get("type")),
        "code": one_line(first.get("code")),
        "request_id": one_line(parsed.get("request_id") or parsed.get("traceId")),
        "fields": fields,
    }
    what = f"Deck answered {status} {details['code']} to {doing}".replace("  ", " ")
    if status == 429:
        busy = DeckBusy(what, **details)
        busy.retry_after = float(retry_after) if retry_after and SECONDS.fullmatch(retry_after) else None
        return busy
    if status >= 500 or status == 408:
        return DeckDown(what, **details)
    if status == 404:
        return NotFound(what, **details)
    if 400 <= status < 500:
        return DeckRefused(what, **details)
    return DeckUnreadable(what, **details)


def _first(texts: object) -> str:
    return one_line(texts[0] if isinstance(texts, list) and texts else texts)
