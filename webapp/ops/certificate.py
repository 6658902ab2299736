"""How long the certificate lasts that visitors are shown at PUBLIC_URL, whoever renews it."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime

import httpx
from cryptography.x509 import load_der_x509_certificate

KEPT = 3_600.0
"""Seconds until it is looked at again; whoever renews it does so weeks before its end."""
WITHIN = 2.0


class Certificate:
    """Of one https address; for any other there is nothing to tell."""

    def __init__(self, public_url: str) -> None:
        self._url = httpx.URL(public_url)
        self._look_at = float("-inf")
        self._ends_at: datetime | None = None

    def days_left(self) -> float | None:
        """Less than nothing once it has run out; None where there is none, or nobody answers there."""
        if self._url.scheme != "https":
            return None
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + KEPT
            self._ends_at = ends_at(self._url.host, self._url.port or 443)
        return None if self._ends_at is None else (self._ends_at - datetime.now(UTC)).total_seconds() / 86_400


def ends_at(host: str, port: int) -> datetime | None:
    """Whether it is good is for browsers to say: one that has run out is read all the same."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), WITHIN) as connection,
            context.wrap_socket(connection, server_hostname=host) as encrypted,
        ):
            shown = encrypted.getpeercert(binary_form=True)
    except OSError:
        return None
    return load_der_x509_certificate(shown).not_valid_after_utc if shown else None
