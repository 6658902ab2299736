"""A company wishes to be told of one session elsewhere: at an address of its own, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.companies import Receiver, Server, connects, follows, founded, listens, owe_one, receiving, the_post_goes
from tests.people import Deck, Visitor
from webapp.db import db, now, writing
from webapp.models import Endpoint

Later = Callable[..., None]


@pytest.fixture
def elsewhere() -> Iterator[Receiver]:
    """Another server of the same company."""
    with receiving() as one:
        yield one


@pytest.fixture
def tidepool(app: Flask, elsewhere: Receiver) -> Server:
    origins = ["https://shop.example", elsewhere.url.removesuffix("/hooks")]
    return founded(app, origins=origins, return_urls=["https://www.tidepool.example/back?from=gangway"])


def test_a_session_is_told_of_where_it_wished_and_only_there(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, elsewhere: Receiver, secret: str
) -> None:
    follows(kim, tidepool.invites(webhook_url=elsewhere.url + "?tenant=17"))
    connects(kim, deck)
    the_post_goes(deck)
    types = [message["type"] for message in elsewhere.verified(secret)]
    assert types == ["connection.created", "run.completed", "connect.session.finished", "connection.verified"]
    assert receiver.types() == []
    urls = {delivery["url"] for delivery in tidepool.reads("/deliveries")["data"]}
    assert urls == {elsewhere.url + "?tenant=17"}


def test_the_connection_it_made_is_told_of_there_too(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, elsewhere: Receiver, secret: str
) -> None:
    follows(kim, tidepool.invites(webhook_url=elsewhere.url))
    connects(kim, deck)
    (connection,) = tidepool.reads("/connections")["data"]
    the_post_goes(deck)
    tidepool.asks("POST", f"/connections/{connection['connection_id']}/disconnect")
    the_post_goes(deck)
    assert elsewhere.types()[-1] == "connection.disconnected" and receiver.got == []


def test_an_origin_that_is_no_longer_theirs_is_told_of_nothing(
    app: Flask, tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, elsewhere: Receiver, secret: str
) -> None:
    """What was wished when it still was goes to the usual place."""
    follows(kim, tidepool.invites(webhook_url=elsewhere.url))
    with app.app_context(), writing():
        db.session.query(Endpoint).one().host.origins = ["https://shop.example"]
    connects(kim, deck)
    the_post_goes(deck)
    assert elsewhere.got == [] and "connect.session.finished" in receiver.types()


def test_another_session_is_told_of_at_the_usual_place(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, elsewhere: Receiver, secret: str
) -> None:
    tidepool.invites(webhook_url=elsewhere.url)
    follows(kim, tidepool.invites())
    connects(kim, deck)
    the_post_goes(deck)
    assert elsewhere.got == [] and "connect.session.finished" in receiver.types()


def test_what_is_not_taken_there_comes_again_and_holds_up_nothing_else(
    app: Flask,
    tidepool: Server,
    kim: Visitor,
    deck: Deck,
    receiver: Receiver,
    elsewhere: Receiver,
    secret: str,
    later: Later,
) -> None:
    follows(kim, tidepool.invites(webhook_url=elsewhere.url))
    connects(kim, deck)
    elsewhere.answers.extend([500] * 100)
    owe_one(app)
    the_post_goes(deck)
    assert receiver.types() == ["run.completed"], "what goes to the usual place did not wait"
    assert len(elsewhere.got) == 1, "one try in a turn"
    for _ in range(8):
        later(hours=4)
        for _ in range(8):
            the_post_goes(deck)
            later(seconds=6)
    with app.app_context():
        endpoint = db.session.query(Endpoint).one()
        assert endpoint.paused_at is None and endpoint.failing_since is None
    elsewhere.answers.clear()
    failed = next(d for d in tidepool.reads("/deliveries")["data"] if d["url"] == elsewhere.url)
    tidepool.asks("POST", f"/deliveries/{failed['delivery_id']}/resend")
    later(minutes=1)
    the_post_goes(deck)
    read = next(d for d in tidepool.reads("/deliveries")["data"] if d["delivery_id"] == failed["delivery_id"])
    assert read["state"] == "delivered"


def test_a_paused_endpoint_holds_back_what_was_wished_elsewhere_too(
    app: Flask, tidepool: Server, kim: Visitor, deck: Deck, elsewhere: Receiver, secret: str
) -> None:
    follows(kim, tidepool.invites(webhook_url=elsewhere.url))
    with app.app_context(), writing():
        db.session.query(Endpoint).one().paused_at = now()
    connects(kim, deck)
    the_post_goes(deck)
    assert elsewhere.got == []


def test_a_redirect_leads_nowhere(
    tidepool: Server, kim: Visitor, deck: Deck, receiver: Receiver, elsewhere: Receiver, secret: str
) -> None:
    follows(kim, tidepool.invites(webhook_url=elsewhere.url))
    elsewhere.answers.extend([302] * 10)
    connects(kim, deck)
    the_post_goes(deck)
    assert len(elsewhere.got) == 1
    tried = [d["attempts"] for d in tidepool.reads("/deliveries")["data"] if d["attempts"]]
    assert {attempt["problem"] for attempts in tried for attempt in attempts} == {"not_2xx"}


@pytest.mark.parametrize(
    "url",
    ["https://shop.example/hooks", "https://shop.example", "https://www.tidepool.example/x?a=b&c=%20d", "{receiver}/b"],
)
def test_addresses_of_its_own_are_taken(tidepool: Server, receiver: Receiver, secret: str, url: str) -> None:
    tidepool.invites(webhook_url=url.replace("{receiver}", receiver.url))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/hooks",
        "https://shop.example.evil.example/",
        "https://evil-shop.example/",
        "https://sub.shop.example/",
        "http://shop.example/",
        "https://shop.example:8443/",
        "https://shop.example:443/",
        "https://shop.example./",
        "https://SHOP.example/",
        "HTTPS://shop.example/",
        "https://kim@shop.example/",
        "https://shop.example@evil.example/",
        "https://@shop.example/",
        "https://shop.example\\@evil.example/",
        "https://evil.example\\.shop.example/",
        "https://shop.example#@evil.example/",
        "https://shop.example/#part",
        "https://shop.example/ path",
        "https://shop.example/\u00e9",
        "https://sh\u043ep.example/",
        "https://xn--shp-fmc.example/",
        "https://shop\u3002example/",
        "https://shop\uff0eexample/",
        "https:shop.example/",
        "https:///shop.example/",
        "//shop.example/",
        "/hooks",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.5/",
        "https://localhost/",
        "https://{host}@shop.example/",
        "https://shop.example/" + "a" * 2_000,
    ],
)
def test_addresses_of_others_are_refused(tidepool: Server, secret: str, url: str) -> None:
    body = {"user": {"client_user_id": "u"}, "webhook_url": url}
    answer = tidepool.asks("POST", "/connect/sessions", body)
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == "webhook_url", answer.text
    assert error["error_code"] in ("webhook_url_not_allowed", "invalid_field")


@pytest.mark.parametrize(
    "url", [7, True, [], ["https://shop.example/"], {"url": "https://shop.example/"}, "a\nb", "\x00"]
)
def test_what_is_no_address_is_refused(tidepool: Server, secret: str, url: Any) -> None:
    answer = tidepool.asks("POST", "/connect/sessions", {"user": {"client_user_id": "u"}, "webhook_url": url})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "webhook_url")


def test_without_a_webhook_there_is_no_secret_to_sign_with(tidepool: Server) -> None:
    body = {"user": {"client_user_id": "u"}, "webhook_url": "https://shop.example/hooks"}
    error = tidepool.asks("POST", "/connect/sessions", body).json()["error"]
    assert error["error_code"] == "webhook_url_not_allowed" and "secret" in error["error_message"]


def test_an_address_that_turns_private_is_not_called(app: Flask, kim: Visitor, deck: Deck, elsewhere: Receiver) -> None:
    """The name is the company's own, and leads to this machine: only a test host may do that."""
    port = elsewhere.server.server_port
    real = founded(app, name="Real Savings", origins=[f"https://localhost:{port}"], is_test=False)
    listens(app, f"https://localhost:{port}/usual", "Real Savings")
    follows(kim, real.invites(webhook_url=f"https://localhost:{port}/hooks"))
    connects(kim, deck)
    the_post_goes(deck)
    assert elsewhere.got == []
    tried = [d["attempts"] for d in real.reads("/deliveries")["data"] if d["attempts"]]
    assert {attempt["problem"] for attempts in tried for attempt in attempts} == {"address_refused"}
