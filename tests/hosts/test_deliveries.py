"""What a company is told comes signed, again and again for a day, and never to where it must not go."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from standardwebhooks import Webhook, WebhookVerificationError

import webapp.hosts.deliveries
from tests.companies import (
    Receiver,
    Server,
    founded,
    listens,
    owe_one,
    receiving,
    run_command,
    the_delivery,
    the_post_goes,
)
from tests.people import Deck
from tests.processes import PATIENCE
from webapp.db import db, writing
from webapp.hosts.deliveries import CALLERS, may_call
from webapp.models import Attempt, Delivery, Endpoint
from webapp.models.delivery import WAITS
from webapp.public_ids import public_id

Later = Callable[..., None]


# --- again, and again --------------------------------------------------------------------------------------------


def test_what_is_not_taken_comes_again_for_a_day(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    owe_one(app)
    receiver.answers.extend([500] * 20)
    the_post_goes(deck)
    for wait in WAITS:
        later(seconds=wait.total_seconds() - 1)
        the_post_goes(deck)
        later(seconds=2)
        before = len(receiver.got)
        the_post_goes(deck)
        assert len(receiver.got) == before + 1, wait
    assert len(receiver.got) == len(WAITS) + 1
    assert the_delivery(tidepool)["state"] == "failed"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    later(days=2)
    the_post_goes(deck)
    assert len(receiver.got) == len(WAITS) + 1


def test_an_endpoint_that_fails_for_a_day_is_paused_until_somebody_says_it_works(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    receiver.answers.extend([500, 500])
    owe_one(app)
    the_post_goes(deck)
    later(hours=25)
    the_post_goes(deck)
    assert tidepool.reads("/deliveries")["endpoint"]["paused_at"]
    owe_one(app)
    later(hours=1)
    the_post_goes(deck)
    assert len(receiver.got) == 2
    assert "paused" in run_command(app, "webhook", "Tidepool Savings")
    refused = tidepool.asks("POST", f"/deliveries/{the_delivery(tidepool)['delivery_id']}/resend")
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (409, "endpoint_paused")

    assert "working" in run_command(app, "webhook", "Tidepool Savings", "--resume")
    the_post_goes(deck)
    assert {d["state"] for d in tidepool.reads("/deliveries")["data"]} == {"delivered"}


def test_one_delivery_is_sent_again_when_the_company_wants_it(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str
) -> None:
    owe_one(app)
    the_post_goes(deck)
    delivery = the_delivery(tidepool)
    assert delivery["state"] == "delivered" and delivery["attempts"][0]["status"] == 204
    assert tidepool.asks("POST", f"/deliveries/{delivery['delivery_id']}/resend").status_code == 202
    the_post_goes(deck)
    assert len(receiver.got) == 2 and receiver.told[0] == receiver.told[1]
    stranger = founded(app, "Somebody Else")
    assert stranger.asks("POST", f"/deliveries/{delivery['delivery_id']}/resend").status_code == 404


def test_a_delivery_that_is_sent_again_and_again_stays_small(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    owe_one(app)
    owe_one(app)
    the_post_goes(deck)
    first, second = (delivery["delivery_id"] for delivery in tidepool.reads("/deliveries")["data"])
    answers = [tidepool.asks("POST", f"/deliveries/{first}/resend").status_code for _ in range(11)]
    assert answers == [202] * 10 + [429]
    assert tidepool.asks("POST", f"/deliveries/{second}/resend").status_code == 202, "each is counted by itself"
    later(hours=1)
    with app.app_context(), writing():
        ids = {public_id("dlv", one.ref): one.id for one in db.session.scalars(select(Delivery))}
        many = [Attempt(delivery_id=ids[first], status=500, problem="not_2xx", milliseconds=n) for n in range(30)]
        db.session.add_all(many)
    shown = {delivery["delivery_id"]: delivery["attempts"] for delivery in tidepool.reads("/deliveries")["data"]}
    assert [attempt["milliseconds"] for attempt in shown[first]] == list(range(10, 30)), "the newest twenty, in order"
    assert len(shown[second]) == 1
    again = tidepool.asks("POST", f"/deliveries/{first}/resend")
    assert (again.status_code, again.json()["attempts"]) == (202, shown[first])


def drip(handler: BaseHTTPRequestHandler, receiver: Receiver) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not receiver.closing.wait(0.01):
        try:
            handler.wfile.write(b"X-Drop: 1\r\n")
        except OSError:
            return


def flood(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
    try:
        for _ in range(1_000):
            handler.wfile.write(b"x" * 100_000)
    except OSError:
        return


@pytest.mark.parametrize(
    ("answer", "state", "status", "problem"),
    [
        (302, "pending", 302, "not_2xx"),
        (404, "pending", 404, "not_2xx"),
        ("drip", "pending", None, "timeout"),
        ("silence", "pending", None, "timeout"),
        ("flood", "delivered", 200, None),
        ("nonsense", "pending", None, "unreadable"),
    ],
)
def test_answers_of_all_kinds(
    app: Flask,
    tidepool: Server,
    deck: Deck,
    receiver: Receiver,
    secret: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    state: str,
    status: int | None,
    problem: str | None,
) -> None:
    monkeypatch.setattr(webapp.hosts.deliveries, "CALL_SECONDS", 0.3)
    ways: dict[str, Callable[[BaseHTTPRequestHandler], object]] = {
        "drip": lambda handler: drip(handler, receiver),
        "silence": lambda handler: receiver.closing.wait(5),
        "flood": flood,
        "nonsense": lambda handler: handler.wfile.write(b"\x00\x01 what is this\r\n\r\n"),
    }
    receiver.answers.append(ways.get(answer, answer))  # type: ignore[arg-type]
    owe_one(app)
    the_post_goes(deck)
    delivery = the_delivery(tidepool)
    attempt = delivery["attempts"][0]
    assert (delivery["state"], attempt["status"], attempt["problem"]) == (state, status, problem)
    assert attempt["milliseconds"] < 2_000
    assert len(receiver.got) == 1


def test_a_slow_company_holds_up_no_other(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str
) -> None:
    founded(app, "Quick Company")
    with receiving() as quick:
        listens(app, quick.url, "Quick Company")
        receiver.answers.append(lambda handler: receiver.closing.wait(5))
        for _ in range(5):
            owe_one(app)
            owe_one(app, "Quick Company")
        with ThreadPoolExecutor(CALLERS) as callers:
            assert deck.worker.courier.deliver(callers.submit) == 2
            for _ in range(5):
                assert quick.came.acquire(timeout=4)
            assert (
                deck.worker.courier.deliver(callers.submit) == 0
            )  # the slow one is not called a second time meanwhile
            assert len(receiver.got) == 1
            receiver.closing.set()


def test_the_worker_delivers_by_itself(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str
) -> None:
    worker = threading.Thread(target=deck.worker.run_forever, daemon=True)
    worker.start()
    owe_one(app)
    owe_one(app)
    assert receiver.came.acquire(timeout=PATIENCE) and receiver.came.acquire(timeout=PATIENCE)
    app.extensions["gangway"].bus.close()
    worker.join(PATIENCE)
    assert not worker.is_alive() and len(receiver.verified(secret)) == 2


def test_a_process_that_died_after_calling_calls_again(
    app: Flask,
    tidepool: Server,
    deck: Deck,
    receiver: Receiver,
    secret: str,
    later: Later,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class PowerCut(BaseException):
        pass

    def cut(*args: object, **more: object) -> None:
        raise PowerCut

    owe_one(app)
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(Delivery, "tried", cut)
        deck.worker.courier.deliver()
    the_post_goes(deck)
    assert len(receiver.got) == 1  # whoever had it may still be at it
    later(seconds=31)
    the_post_goes(deck)
    assert len(receiver.got) == 2 and receiver.told[0] == receiver.told[1]


# --- secrets -----------------------------------------------------------------------------------------------------


def test_the_secret_is_told_once_and_kept_sealed(app: Flask, tidepool: Server, receiver: Receiver, deck: Deck) -> None:
    said = run_command(app, "webhook", "Tidepool Savings", "--url", receiver.url)
    secret = said.split()[-1]
    assert secret.startswith("whsec_")
    assert secret not in run_command(app, "webhook", "Tidepool Savings")
    with app.app_context():
        kept = str(db.session.execute(text("SELECT * FROM endpoint")).all())
    assert secret not in kept and secret.removeprefix("whsec_") not in kept
    owe_one(app)
    the_post_goes(deck)
    assert receiver.verified(secret)


def test_both_secrets_sign_for_a_day_after_a_rotation(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str, later: Later
) -> None:
    new = run_command(app, "webhook", "Tidepool Savings", "--rotate-secret").split()[-1]
    assert new != secret
    owe_one(app)
    the_post_goes(deck)
    assert receiver.verified(secret) and receiver.verified(new)
    later(hours=25)
    receiver.got.clear()
    owe_one(app)
    the_post_goes(deck)
    assert receiver.verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(secret)


def test_a_changed_message_does_not_verify(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, secret: str
) -> None:
    owe_one(app)
    the_post_goes(deck)
    headers, body = receiver.got[0]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"completed", b"failed"), headers)


@pytest.mark.parametrize(
    "url",
    ["", "http://shop.example/hooks", "ftp://shop.example", "https://", "https://user:pw@shop.example/", "https://a b/",
     "https://shop.example/#x", "https://shop.example:99999/", "https://[::1", "//shop.example", "https://sh\u00f6p.example/"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(app: Flask, url: str) -> None:
    founded(app, "Live Company", is_test=False)
    assert "no https address" in run_command(app, "webhook", "Live Company", "--url", url)


# --- where we go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16",
     "0.0.0.0", "224.0.0.1", "255.255.255.255", "127.0.0.1", "127.8.8.8", "192.0.2.1", "198.18.0.1", "240.0.0.1",
     "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
     "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::",
     "2002:a00:1::", "2001:db8::1", "fec0::1", "feff::1", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1::808:808", "::10.0.0.1",
     "::8.8.8.8", "::169.254.169.254", "192.0.0.192", "::ffff:192.0.0.192", "64:ff9b::c000:c0", "fd20:ce::254", "5f00::1",
     "4000::1"],
)  # fmt: skip
def test_no_webhook_goes_inside(address: str) -> None:
    assert not may_call(address, loopback=False, private=False)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]
)
def test_webhooks_go_outside(address: str) -> None:
    assert may_call(address, loopback=False, private=False)


def test_an_operator_may_allow_private_addresses_but_never_a_clouds_own() -> None:
    for address in ("10.0.0.1", "192.168.1.1", "fd12::1", "127.0.0.1", "::1"):
        assert may_call(address, loopback=True, private=True)
    for address in ("169.254.169.254", "168.63.129.16", "fe80::1", "224.0.0.1", "0.0.0.0"):
        assert not may_call(address, loopback=True, private=True)
    for address in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192"):
        assert not may_call(address, loopback=True, private=True), "another cloud's"
    for address in ("::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "64:ff9b::6464:64c8", "::ffff:192.0.0.192"):
        assert not may_call(address, loopback=True, private=True), "the same, in disguise"
    assert not may_call("10.0.0.1", loopback=True, private=False)  # what a test host may


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """What the world's name servers say, one answer after the other; the names that were asked for."""
    asked, real, left = [], socket.getaddrinfo, list(answers)

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:
        if not host.endswith(".example"):
            return real(host, *args, **more)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in left.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_with_one_inner_address_is_refused(app: Flask, deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, ["1.1.1.1", "10.0.0.1"])
    live = founded(app, "Live Company", is_test=False)
    listens(app, "https://shop.example/hooks", "Live Company")
    owe_one(app, "Live Company")
    the_post_goes(deck)
    assert the_delivery(live)["attempts"][0]["problem"] == "address_refused"


def test_a_name_is_looked_up_once_and_called_where_it_was_checked(
    app: Flask, tidepool: Server, deck: Deck, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    listens(app, receiver.url.replace("127.0.0.1", "rebinding.example"))
    owe_one(app)
    the_post_goes(deck)
    assert asked == ["rebinding.example"]
    assert receiver.got[0][0]["host"].startswith("rebinding.example:")


def test_a_live_company_cannot_point_us_at_ourselves(
    app: Flask, deck: Deck, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = founded(app, "Live Company", is_test=False)
    listens(app, receiver.url, "Live Company")  # as if nobody had checked
    owe_one(app, "Live Company")
    the_post_goes(deck)
    assert receiver.got == [] and the_delivery(live)["attempts"][0]["problem"] == "address_refused"

    parts = app.extensions["gangway"]
    config = dataclasses.replace(parts.config, host_webhooks_to_private=True)
    app.extensions["gangway"] = dataclasses.replace(parts, config=config)
    with app.app_context(), writing():
        db.session.scalars(select(Endpoint)).one().resume()
    the_post_goes(deck)
    assert len(receiver.got) == 1


def test_an_address_where_nobody_is(app: Flask, tidepool: Server, deck: Deck) -> None:
    with receiving() as gone:
        pass
    listens(app, gone.url)
    owe_one(app)
    the_post_goes(deck)
    assert the_delivery(tidepool)["attempts"][0]["problem"] == "unreachable"
