"""Secrets at rest: AES-256-GCM, bound to the place they belong to."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class Unsealable(Exception):
    """Not sealed by us, sealed for another place, damaged, or its key is gone."""


class Vault:
    """Seals values. The first key seals, every key opens, so keys can be rotated."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        self.current = keys[0][0]
        self._keys = {id: AESGCM(key) for id, key in keys}

    def seal(self, value: Any, *, place: str) -> str:
        """JSON *value* as ``v1.<key id>.<base64>``. *place* (table, column and row) must be named again to open it."""
        nonce = os.urandom(NONCE)
        sealed = self._keys[self.current].encrypt(nonce, json.dumps(value).encode(), place.encode())
        return f"{self.prefix(self.current)}{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    @staticmethod
    def prefix(key_id: str) -> str:
        """How every value begins that this key has sealed."""
        return f"v1.{key_id}."

    def open(self, sealed: str, *, place: str) -> Any:
        """What `seal` was given; `Unsealable` for anything else."""
        try:
            version, id, encoded = sealed.split(".")
            raw = base64.urlsafe_b64decode(encoded.encode())
            if version != "v1":
                raise Unsealable
            return json.loads(self._keys[id].decrypt(raw[:NONCE], raw[NONCE:], place.encode()))
        except (ValueError, KeyError, binascii.Error, InvalidTag) as error:
            raise Unsealable from error
