"""Stands made-up secrets in for real ones: the same one each time, and nothing leads back.

A replayed session behaves the same: a password that was right is right again, a wrong one is wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from typing import Any

SECRET = re.compile(r"^_?pass(word|phrase)$|secret$|token$|^service_account_json$|^connection_string$", re.IGNORECASE)
"""Fields whose texts are secrets. Never shown by the API, so that no state hash depends on them."""
SECRET_HEADER = re.compile(r"secret|token|password|(^|-)api-?key$", re.IGNORECASE)


class Pseudonyms:
    """One set of them. Its key is real randomness and is kept nowhere."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def body(self, value: Any, name: str = "") -> Any:
        """A copy of JSON *value*, the field *name*, with other secrets in it."""
        if isinstance(value, dict):
            return {key: self.body(one, key) for key, one in value.items()}
        if isinstance(value, list):
            if len(value) == 2 and isinstance(value[0], str):  # a snapshot writes its objects as such pairs
                return [value[0], self.body(value[1], value[0])]
            return [self.body(one, name) for one in value]
        if not isinstance(value, str) or not value:
            return value
        if name == "custom_headers":
            return self._headers_text(value)
        return self._other(value) if SECRET.search(name) else value

    def headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {name: self._other(text) if SECRET_HEADER.search(name) else text for name, text in headers.items()}

    def _headers_text(self, text: str) -> str:
        """Headers as a string of JSON, as Deck takes them: any value may be a secret."""
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return self._other(text)
        if not isinstance(given, dict):
            return text
        return json.dumps({name: self._other(one) if isinstance(one, str) else one for name, one in given.items()})

    def _other(self, secret: str) -> str:
        digest = hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)[:24]
        if secret.startswith("whsec_"):
            return "whsec_" + base64.b64encode(digest).decode()
        return f"hidden-{digest.hex()[:24]}"
