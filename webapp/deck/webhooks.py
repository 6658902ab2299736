"""Whether a webhook really comes from Deck: Standard Webhooks, over the raw bytes, old and new secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from typing import Literal, Protocol

from standardwebhooks import Webhook

MAX_SIGNATURES = 16
TOLERANCE = 300
"""Seconds a message may be off, either way (the library's)."""
ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
TIMESTAMP = re.compile(r"[0-9]{1,12}")
SIGNATURES = re.compile(r"v[0-9]{1,2}a?,[A-Za-z0-9+/]{4,120}={0,2}( v[0-9]{1,2}a?,[A-Za-z0-9+/]{4,120}={0,2})*")

Reason = Literal["bad_signature", "clock", "malformed"]


class Headers(Protocol):
    """Request headers, looked up without regard to case."""

    def get(self, key: str, default: str, /) -> str: ...


class BadSignature(Exception):
    """Not signed by Deck, too old, too new, or not readable at all. Which of them is our operator's business only.

    *reason* is `malformed`, `bad_signature` (none of our secrets made it) or `clock` (one did, but at another
    time: a clock is wrong, or somebody plays a recording). *looks_real*: it had all three headers.
    """

    def __init__(self, reason: Reason, *, looks_real: bool = True) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.looks_real = looks_real


class Signatures:
    """Checks signatures against every secret that is valid now: a rotated one lives on for 24 hours."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._webhooks = [Webhook(secret) for secret in secrets]
        self._keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]

    def check(self, body: bytes, headers: Headers) -> str:
        """The `webhook-id` of an authentic message no more than five minutes off; `BadSignature` otherwise.

        The library is strict about the MAC but not about its headers' syntax, and junk makes it raise all
        sorts of errors; so we check the syntax first and take whatever it raises for a no. It knows text only:
        a body that is none is checked by its bytes.
        """
        id, stamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
        well_formed = ID.fullmatch(id) and TIMESTAMP.fullmatch(stamp) and SIGNATURES.fullmatch(signatures)
        if not well_formed or signatures.count(" ") >= MAX_SIGNATURES or not body.startswith(b"{"):
            raise BadSignature("malformed", looks_real=bool(id and stamp and signatures))
        wanted = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signatures}
        for webhook in self._webhooks:
            try:
                webhook.verify(body, wanted, json_parse=False)
            except Exception:  # noqa: S112 — see the docstring: all of them mean no
                continue
            return id
        if not self._made(signatures, f"{id}.{stamp}.".encode() + body):
            raise BadSignature("bad_signature")
        if abs(time.time() - int(stamp)) > TOLERANCE:
            raise BadSignature("clock")
        if is_text(body):
            raise BadSignature("bad_signature")  # the library had its reasons
        return id

    def _made(self, signatures: str, signed: bytes) -> bool:
        """Whether one of our secrets made one of *signatures*."""
        macs = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in self._keys]
        given = [entry.removeprefix("v1,").encode() for entry in signatures.split(" ") if entry.startswith("v1,")]
        return any(hmac.compare_digest(mac, one) for mac in macs for one in given)


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
