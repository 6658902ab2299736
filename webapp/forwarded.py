"""Behind reverse proxies: whose address a request comes from, and whether it came by https."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class BehindProxies(ProxyFix):
    """Reads `X-Forwarded-For` itself: to Werkzeug a quote begins a text, and a lone one makes an empty list.

    Whoever sent one would have the proxy's own address, as everybody else who does.
    """

    def __init__(self, app: WSGIApplication, hops: int) -> None:
        super().__init__(app, x_for=0, x_proto=hops)
        self._hops = hops

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = client_of(environ.get("HTTP_X_FORWARDED_FOR", ""), self._hops)
        return super().__call__(environ, start_response)


def client_of(forwarded: str, hops: int) -> str:
    """The address the first of our proxies saw: each has added one at the end. "", which is nobody's, for junk."""
    entries = forwarded.split(",")
    return address_in(entries[-hops]) if hops <= len(entries) else ""


def address_in(entry: str) -> str:
    """An address, with or without the port that some proxies add; "" for anything else."""
    bare = entry.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return ""
