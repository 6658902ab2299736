"""HTTP with a total deadline. httpx's own timeouts are per operation: a server that drips bytes never hits one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import cache
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))
"""The `time.monotonic()` at which the call being made must be over."""

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0


def bounded_transport(address_of: Callable[[str], str] = str, *, connections: int = 20) -> httpx.HTTPTransport:
    """A transport that obeys `deadline` at every read and write, follows no proxy variables and retries nothing.

    *address_of* may say which address to connect to for a host's name, or raise an `httpcore.ConnectError`.
    """
    limits = httpx.Limits(max_connections=connections)
    transport = httpx.HTTPTransport(verify=_certificates(), trust_env=False, limits=limits)
    transport._pool._network_backend = _Backend(address_of)
    return transport


@cache
def _certificates() -> SSLContext:
    """Whom we trust: read once, it takes a moment."""
    return httpx.create_ssl_context(trust_env=False)


def left_of_call(timeout: float | None) -> float:
    left = deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the call took too long")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.SyncBackend):
    def __init__(self, address_of: Callable[[str], str]) -> None:
        self._address_of = address_of

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = self._address_of(host)
        return _Stream(super().connect_tcp(address, port, left_of_call(timeout), local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, left_of_call(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, left_of_call(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            left = left_of_call(timeout)
        except httpcore.ReadTimeout:
            self.close()  # httpcore closes a connection that failed, but this one is not one yet
            raise
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
