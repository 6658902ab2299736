"""What people type for a website is nowhere afterwards: not in the database, a log, a page, a header or a file.

Whole journeys with marked secrets, and everything that can go wrong in the middle of them.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.databases import kept_in, kept_in_redis
from tests.people import Visitor
from tests.security.conftest import House
from tests.security.disguises import disguises

SITE = "maplemain.example"
SOURCE = "Maple & Main Bank"
USERNAME = "CANARY-8f14e45fceea@canary.example"
PASSWORD = 'CANARY-c9f0f895 "fb98ab91"\\/59f51fd\u00e9297e236d'
CODE = "73194628501937462850"
ANSWER = "CANARY-45c48cce2e2d7fbdea1afc51c7c6ad26"
WRONG = "CANARY-d3d9446802a44259755d38e6d163e820"
SECRETS = {"password": PASSWORD, "code": CODE, "answer": ANSWER, "wrong": WRONG}

ASKS = [
    {
        "type": "mfa",
        "message": "Enter the code.",
        "fields": [{"name": "code", "type": "string", "label": "Code"}],
        "expect": {"code": CODE},
    },
    {
        "type": "security_question",
        "message": "Your first pet?",
        "fields": [{"name": "pet", "type": "string", "label": "Answer"}],
        "expect": {"pet": ANSWER},
    },
]


@dataclass
class Story:
    """One house, one person, a recorder of all that leaves the app, and the places to search."""

    house: House
    robin: Visitor
    log: io_like
    folder: Path
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def hears(self, response: httpx.Response) -> None:
        response.read()
        headers = repr(list(response.headers.multi_items())).encode()
        self.sent.append((str(response.request.url), str(response.request.url).encode() + headers + response.content))

    def places(self) -> Iterator[tuple[str, bytes]]:
        yield from self.sent
        yield "the log", self.log().encode("utf-8", "replace")
        yield from kept_in(self.house.database)
        yield from kept_in_redis(self.house.app.extensions["gangway"].config.redis_url)
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield path.name, path.read_bytes()

    def found(self) -> list[str]:
        places = list(self.places())
        names = {name for name, _ in places}
        on_disk = {"database", "database-wal", "database-shm"}
        assert {"the log"} | (on_disk if self.house.database.startswith("sqlite") else {"run"}) <= names
        everything, hits = b"\n".join(content for _, content in places), []
        if not any(w in everything for s in (*SECRETS.values(), USERNAME) for _, w in disguises(s)):
            return []
        for where, content in places:
            for what, secret in SECRETS.items():
                hits += [f"{what} as {how} in {where}" for how, written in disguises(secret) if written in content]
            shown = content.replace(f'value="{USERNAME}"'.encode(), b"") if where.startswith("http") else content
            hits += [f"username as {how} in {where}" for how, written in disguises(USERNAME) if written in shown]
        return hits

    # --- what happens ---------------------------------------------------------------------------------------

    def signs_in(self, password: str = PASSWORD) -> None:
        self.robin.presses("Sign in", username=USERNAME, password=password)

    def goes_on(self) -> str:
        self.house.deck.goes_on()
        return self.robin.looks_again()


io_like = Callable[[], str]


@pytest.fixture
def story(build: Callable[..., House], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Story:
    caplog.set_level(logging.INFO, logger="sqlalchemy.engine")  # every statement with its parameters
    house = build()
    for name in ("", "httpx", "httpcore", "gangway", "webapp"):
        caplog.set_level(logging.DEBUG, logger=name)
    person = {"username": USERNAME, "password": PASSWORD, "asks": ASKS, "output": {"holder": "Robin"}}
    house.world.sites.put({"host": SITE, "people": [person]})
    robin = Visitor(house.app)
    story = Story(house, robin, lambda: caplog.text + "".join(map(written, caplog.records)), tmp_path)
    robin.http.event_hooks["response"] = [story.hears]
    robin.signs_up("robin@sample.example")
    robin.picks(SOURCE)
    return story


def written(record: logging.LogRecord) -> str:
    return f"{record.__dict__!r}\n"


def happy(story: Story) -> None:
    story.signs_in()
    assert story.goes_on() == "interaction"
    story.robin.presses("Continue", f0=CODE)
    assert story.goes_on() == "interaction"
    story.robin.presses("Send answer", f0=ANSWER)
    assert story.goes_on() == "outcome"
    assert "is connected" in story.robin.sees()
    assert story.house.deck.objects("credentials")[0]["_password"] == PASSWORD


def wrong_password(story: Story) -> None:
    story.signs_in(WRONG)
    assert story.goes_on() == "sign_in"
    assert f'value="{USERNAME}"' in story.robin.page.text.replace("&#64;", "@"), "read back from Deck"
    happy(story)


def wrong_answers(story: Story) -> None:
    story.signs_in()
    story.goes_on()
    for typed in (WRONG, CODE):
        story.robin.presses("Continue", f0=typed)
        assert story.goes_on() == "interaction"
    for _ in range(3):
        story.robin.presses("Send answer", f0=WRONG)
        story.goes_on()
    assert story.robin.view() == "outcome"


def form_mistakes(story: Story) -> None:
    path = story.robin.page.url.path + "/sign-in"
    assert story.robin.posts(path, {"username": USERNAME, "password": PASSWORD}).status_code == 409
    here = {"source": story.robin.field("source").get("value", "")}
    for data in (
        {"username": "", "password": PASSWORD},
        {"username": USERNAME, "password": PASSWORD + "\x00"},
        {"username": USERNAME, "password": PASSWORD * 100},
        {"username": "a" * 1_025, "password": PASSWORD},
        {"password": PASSWORD},
    ):
        assert story.robin.posts(path, here | data).status_code == 422
    assert story.robin.posts(path, {"username": USERNAME, "password": PASSWORD * 500}).status_code == 413
    story.robin.posts(path.replace("sign-in", "answer"), {"prompt": "x", "f0": ANSWER})
    story.robin.posts(path.replace("sign-in", "nothing"), {"password": PASSWORD})
    story.robin.posts(path, {"password": PASSWORD}, **{"Sec-Fetch-Site": "cross-site"})


def faulty(
    when: str, fault: Callable[[httpx.Request, Callable[..., httpx.Response]], httpx.Response]
) -> Callable[[Story], None]:
    """The happy way, with a fault at every write whose address is like *when*; then once more without."""

    def tale(story: Story) -> None:
        hit = []

        def around(request: httpx.Request, send: Callable[..., httpx.Response]) -> httpx.Response:
            if request.method in ("POST", "PATCH") and re.search(when, request.url.path):
                hit.append(request.content)
                return fault(request, send)
            return send(request)

        if when == CHANGE:
            story.signs_in(WRONG)
            assert story.goes_on() == "sign_in"
        story.house.wire.around = around
        story.signs_in()
        story.house.deck.our_worker_works()
        if story.goes_on() == "interaction":
            story.robin.presses("Continue", f0=CODE)
            story.house.deck.our_worker_works()
            if story.goes_on() == "interaction":
                story.robin.presses("Send answer" if "Answer" in story.robin.sees() else "Continue", f0=ANSWER)
        assert hit, "the fault was met"
        story.house.wire.around = None
        story.goes_on()

    return tale


def lost(request: httpx.Request, send: Callable[..., httpx.Response]) -> httpx.Response:
    send(request)
    raise httpx.ReadError(f"cut after {request.content!r}")


def never_sent(request: httpx.Request, send: Any) -> httpx.Response:
    raise httpx.ConnectError(f"refused {request.content!r}")


def deck_500(request: httpx.Request, send: Any) -> httpx.Response:
    return httpx.Response(500, stream=httpx.ByteStream(request.content))


def deck_echoes_a_refusal(request: httpx.Request, send: Any) -> httpx.Response:
    said = request.content.decode()
    error = {"type": "request", "code": "invalid", "message": said, "field": "auth_credentials.password"}
    return httpx.Response(400, stream=httpx.ByteStream(json.dumps({"errors": [error]}).encode()))


def not_json(request: httpx.Request, send: Any) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(b"<html>" + request.content))


def breaks(request: httpx.Request, send: Any) -> httpx.Response:
    raise RuntimeError("in the middle of it")


def deck_is_busy(request: httpx.Request, send: Any) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": "60"}, stream=httpx.ByteStream(request.content))


FAULTS = (lost, never_sent, deck_500, deck_is_busy, deck_echoes_a_refusal, not_json, breaks)
CHANGE = "/credentials/.+$"
WHEN = {"storing": "/credentials$", "changing": CHANGE, "running": "/run$", "answering": "/interaction$"}
TALES: dict[str, Callable[[Story], None]] = {
    tale.__name__: tale for tale in (happy, wrong_password, wrong_answers, form_mistakes)
} | {f"{f.__name__} while {doing}": faulty(when, f) for f in FAULTS for doing, when in WHEN.items()}


@pytest.mark.parametrize("tale", TALES.values(), ids=TALES.keys())
def test_no_secret_is_anywhere_afterwards(story: Story, tale: Callable[[Story], None]) -> None:
    tale(story)
    assert story.found() == []


def test_this_search_finds_what_is_hidden(story: Story) -> None:
    """A secret dropped into a file, a log record and a page, in each disguise, is found in all three."""
    assert story.found() == []
    for how, disguised in disguises(PASSWORD):
        (story.folder / "core").write_bytes(b"xx" + disguised + b"yy")
        story.sent = [("http://page", b"xx" + disguised + b"yy")]
        assert {f"password as {how} in core", f"password as {how} in http://page"} <= set(story.found())
    (story.folder / "core").unlink()
    story.sent = []
    for name in ("gangway", "httpx", "sqlalchemy.engine", "anything"):
        logging.getLogger(name).info("told %s", PASSWORD)
        assert "password as raw in the log" in story.found(), name
