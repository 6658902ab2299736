"""How a secret looks when somebody has written it down in another way."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.parse
from collections.abc import Iterator


def disguises(secret: str) -> Iterator[tuple[str, bytes]]:
    """Every way a secret may be written down."""
    raw = secret.encode()
    yield "raw", raw
    yield "quoted", urllib.parse.quote(secret).encode()
    yield "quoted plus", urllib.parse.quote_plus(secret, safe="").encode()
    yield "json", json.dumps(secret)[1:-1].encode()
    yield "json, slashes escaped", json.dumps(secret)[1:-1].replace("/", "\\/").encode()
    yield "repr", repr(secret)[1:-1].encode()
    yield "html", secret.replace("&", "&amp;").replace('"', "&#34;").encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\x00" * shift + raw)
        yield f"base64 +{shift}", encoded[4 if shift else 0 : len(encoded) - 4]
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "utf-16", secret.encode("utf-16-le")
    yield "reversed", secret[::-1].encode()
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, raw).digest()
        yield name, digest
        yield f"{name} hex", digest.hex().encode()
        yield f"{name} base64", base64.b64encode(digest).rstrip(b"=")
