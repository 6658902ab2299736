"""Delivers what we owe hosts: signed as Standard Webhooks wants it, to public addresses only, for a day if need be.

An endpoint is called by one caller at a time and every call is short, so a slow host holds up nobody but itself.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpcore
import httpx
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook

from ..current import bus, config, vault
from ..db import db, now, writing
from ..deck.wire import bounded_transport, deadline, left_of_call
from ..models import Delivery, Endpoint, HostEvent
from ..models.delivery import LEASE, REST
from ..public_ids import public_id
from ..stamps import stamp

CALL_SECONDS = 5.0
TURN_SECONDS = 15.0
"""A turn and one more call are shorter than the lease."""
LONGEST_ANSWER = 16_000
CALLERS = 16
"""So many endpoints are called at once."""

PROBLEMS = ("timeout", "unreachable", "address_refused", "not_2xx", "bad_url", "unreadable")
"""Why an attempt was not taken, as hosts read it."""

CLOUDS = "168.63.129.16 169.254.169.254 100.100.100.200 192.0.0.192 fd00:ec2::254 fd20:ce::254"
METADATA = {ipaddress.ip_address(address) for address in CLOUDS.split()}
"""Addresses at which clouds tell machines their secrets. Some look public, and others merely private."""

log = logging.getLogger("gangway.deliveries")
_look_ups = ThreadPoolExecutor(4 * CALLERS, thread_name_prefix="look-up")
"""Looking up a name knows no deadline, so somebody else waits for it; there are more of them than calls."""


class AddressRefused(httpcore.ConnectError):
    """The name leads to where we do not go."""


@dataclass(frozen=True)
class Answer:
    status: int | None
    problem: str
    milliseconds: int


class Courier:
    """Calls the endpoints that have something coming."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._out: set[int] = set()

    def deliver(self, start: Callable[[Callable[[], None]], object] = lambda turn: turn()) -> int:
        """Begin a turn at every endpoint that is due, as many as there are callers free; how many began.

        *start* runs a turn, here and now or in a thread.
        """
        with self.app.app_context():
            try:
                free = CALLERS - len(self._out)
                if free <= 0 or not Endpoint.is_any_due():
                    return 0
                with writing():
                    claimed = Endpoint.claim_due(free)
            except SQLAlchemyError:
                log.exception("what is owed could not be read")
                return 0
        for id in claimed:
            self._out.add(id)
            start(partial(self._turn, id))
        return len(claimed)

    def _turn(self, endpoint_id: int) -> None:
        try:
            with self.app.app_context():
                take_turn(endpoint_id)
        except Exception:  # its lease runs out by itself
            log.exception("endpoint %s could not be called", endpoint_id)
        finally:
            self._out.discard(endpoint_id)


def take_turn(endpoint_id: int) -> None:
    """Deliver what is due there, oldest first, until nothing is, one is not taken, the turn is over or we end.

    A wished address that does not take one is left alone for the rest of the turn; the others have theirs.
    """
    end, failing = time.monotonic() + TURN_SECONDS, set[str]()
    with caller(db.session.get_one(Endpoint, endpoint_id)) as http:
        while time.monotonic() < end and not bus().closing and (delivery := Delivery.next_due(endpoint_id, failing)):
            request = signed(http, delivery)
            db.session.rollback()  # hold no transaction while they think
            answer = call(http, request)
            with writing():
                delivery.tried(status=answer.status, problem=answer.problem, milliseconds=answer.milliseconds)
            if answer.problem:
                note_failure(delivery, answer)
                if not delivery.url:
                    return
                failing.add(delivery.url)
    with writing():
        db.session.get_one(Endpoint, endpoint_id).lease_until = now() + REST if failing else now()


def note_failure(delivery: Delivery, answer: Answer) -> None:
    host = delivery.endpoint.host.name
    log.info("webhook not taken: host=%s problem=%s status=%s", host, answer.problem, answer.status)
    if delivery.endpoint.paused_at is not None:
        log.warning("the webhooks of %s are paused: they failed for a day. See `gangway host webhook`.", host)


# --- one call --------------------------------------------------------------------------------------------------


def event_view(event: HostEvent) -> dict[str, Any]:
    """What is sent, and what the list of events shows."""
    return {
        "id": public_id("evt", event.ref),
        "type": event.type,
        "created_at": stamp(event.created_at),
        "data": event.data,
    }


def signed(http: httpx.Client, delivery: Delivery) -> httpx.Request:
    """`httpx.Request` with the signature of every secret that is valid now."""
    message = event_view(delivery.event)
    body, when = json.dumps(message, separators=(",", ":")), now()
    secrets = delivery.endpoint.secrets(vault())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Gangway-Webhooks/1",
        "webhook-id": message["id"],
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message["id"], when, body) for secret in secrets),
    }
    return http.build_request("POST", delivery.url or delivery.endpoint.url, content=body.encode(), headers=headers)


def call(http: httpx.Client, request: httpx.Request) -> Answer:
    """Never raises what a host can cause."""
    began = time.monotonic()
    over = deadline.set(began + CALL_SECONDS)
    status: int | None = None
    problem = ""
    try:
        response = http.send(request, stream=True)
        try:
            status = response.status_code
            problem = "" if response.is_success else "not_2xx"
            take_in(response)
        finally:
            response.close()
    except httpx.TimeoutException:
        problem = "timeout"
    except httpx.ConnectError as error:
        problem = "address_refused" if isinstance(error.__cause__, AddressRefused) else "unreachable"
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        problem = "bad_url"
    except httpx.NetworkError:
        problem = "unreachable"
    except (httpx.HTTPError, httpcore.ProtocolError):
        problem = "unreadable"
    finally:
        deadline.reset(over)
    return Answer(status, problem, int((time.monotonic() - began) * 1000))


def take_in(response: httpx.Response) -> None:
    """A small answer is read, so that the connection can be used again; a large one is not worth it."""
    read = 0
    for chunk in response.iter_raw():
        read += len(chunk)
        if read > LONGEST_ANSWER:
            return


# --- where we go -----------------------------------------------------------------------------------------------


@contextmanager
def caller(endpoint: Endpoint) -> Iterator[httpx.Client]:
    """A client that goes to public addresses only, as settings and the host allow; it follows nobody elsewhere."""
    private = config().host_webhooks_to_private
    address_of = partial(checked_address, loopback=private or endpoint.host.is_test, private=private)
    with httpx.Client(
        transport=bounded_transport(address_of), trust_env=False, follow_redirects=False, timeout=CALL_SECONDS
    ) as http:
        yield http


def checked_address(host: str, *, loopback: bool, private: bool) -> str:
    """Look *host* up once: the address to connect to. `AddressRefused` if any it has is one we do not go to."""
    try:
        asking = _look_ups.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
        found = asking.result(left_of_call(CALL_SECONDS))
    except TooLate as error:
        raise httpcore.ConnectTimeout("the name took too long to look up") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("there is no such name") from error
    addresses = [str(info[4][0]) for info in found]
    for address in addresses:
        if not may_call(address, loopback=loopback, private=private):
            raise AddressRefused("not a public address")
    return addresses[0]


def may_call(address: str, *, loopback: bool, private: bool) -> bool:
    """Whether webhooks may go there. An IPv4 address dressed as IPv6 counts as what it is."""
    ip = bare(ipaddress.ip_address(address.partition("%")[0]))
    if ip in METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    if ip.is_loopback:
        return loopback
    return is_public(ip) or (private and (ip.version == 4 or ip in LOCAL))


def is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Python holds much for global that is old or strange, such as `fec0::/10` and an IPv4 address after `::`."""
    return ip.is_global and (ip.version == 4 or ip in UNICAST)


UNICAST, LOCAL = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("fc00::/7")
"""All of IPv6 where anybody is: in the world, and inside."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def bare(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address inside an IPv6 one, if there is one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    inside = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if inside is None and ip in NAT64:
        inside = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return inside or ip


assert LEASE.total_seconds() > TURN_SECONDS + 2 * CALL_SECONDS
