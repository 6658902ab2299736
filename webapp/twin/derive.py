"""Everything the twin makes up, derived from one seed string, so that the same script gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Container
from itertools import count

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DEFAULT_SEED = "deck-twin"


class Derive:
    """Ids, numbers and secrets keyed by purpose: adding an unrelated object never shifts another's."""

    def __init__(self, seed: str = DEFAULT_SEED) -> None:
        self.seed = seed
        self.ordinals: Counter[str] = Counter()

    def digest(self, *purpose: object) -> bytes:
        return hmac.digest(self.seed.encode(), "|".join(map(str, purpose)).encode(), hashlib.sha256)

    def base62(self, *purpose: object, length: int = 16) -> str:
        """Base62 text without modulo bias: bytes of 248 and above are skipped."""
        text, round_ = "", 0
        while len(text) < length:
            text += "".join(BASE62[b % 62] for b in self.digest(*purpose, round_) if b < 248)
            round_ += 1
        return text[:length]

    def next_id(self, prefix: str, *, length: int = 16) -> str:
        """The next id of its kind, such as ``trun_2rpo3wwVf2T9J5lU``."""
        ordinal = self.ordinals[prefix]
        self.ordinals[prefix] += 1
        return f"{prefix}_{self.base62('id', prefix, ordinal, length=length)}"

    def keyed_id(self, prefix: str, *key: object) -> str:
        """An id that depends on *key* and how often that key was used, not on what else happened."""
        counter = "|".join([prefix, *map(str, key)])
        nth = self.ordinals[counter]
        self.ordinals[counter] += 1
        return f"{prefix}_{self.base62('id', prefix, *key, nth)}"

    def unused_id(self, prefix: str, *key: object, taken: Container[str]) -> str:
        """As `keyed_id`, where nothing is ever taken away from *taken*: what is there counts, so no counter is kept."""
        for nth in count():
            id = f"{prefix}_{self.base62('id', prefix, *key, nth)}"
            if id not in taken:
                return id
        raise AssertionError("numbers do not end")

    def number(self, *purpose: object) -> int:
        """A 64-bit number for made-up values and rolls."""
        return int.from_bytes(self.digest(*purpose)[:8], "big")


def signing_secret(admin_key: str, url: str) -> str:
    """A ``whsec_`` secret that stays the same for a pinned admin key and URL, so CI can know it beforehand."""
    digest = hmac.digest(admin_key.encode(), f"whsec|{url}".encode(), hashlib.sha256)
    return "whsec_" + base64.b64encode(digest[:24]).decode()
