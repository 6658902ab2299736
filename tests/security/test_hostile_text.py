"""Text from outside websites stays text: whatever it says, the page keeps its shape and the stream its frames."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.companies import Server, founded
from tests.conftest import Stage
from tests.people import Visitor
from tests.security.conftest import House, built, close, cookie_of
from tests.security.corpus import CORPUS
from tests.security.tools import NEVER_SHOWN, Shape, ask, shape, sse_events
from webapp.db import db, writing
from webapp.deck.reading import clean_text
from webapp.models import Run, Source
from webapp.refresh import refresh_run

MARK, BENIGN = "@mark@", "An ordinary sentence"

NAMES = [f"{n}: {text[:24]!a}" for n, text in enumerate(CORPUS)]

NEVER_SENT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

ASKED = {
    "type": MARK,
    "message": MARK,
    "fields": [
        {"name": MARK, "type": "text" + MARK, "label": MARK},
        {
            "name": f"b{MARK}",
            "type": "text",
            "label": MARK,
            "options": [{"value": f"v{MARK}", "label": MARK}, {"value": "plain", "label": MARK}],
        },
    ],
}
FOUND = {
    "holder": {MARK: MARK, "other": {MARK: [MARK, 1, None]}},
    "account": [MARK, MARK],
    "currency": MARK,
    "due_date": MARK,
    "balance": 1.5,
    "amount_due": MARK,
    "activity": [{"date": MARK, "description": MARK, "amount": MARK}, MARK],
    MARK: MARK,
}


@dataclass
class Bank:
    """A run at a site that says MARK wherever a site may say something, and what MARK is on its way to us."""

    house: House
    robin: Visitor
    session: str
    run_id: int
    benign: dict[str, Shape | list[Shape]] = field(default_factory=dict)
    visit: str = ""

    def says(self, text: str) -> None:
        self.house.wire.instead = {MARK: text}

    def tells_again(self, **run: object) -> None:
        """Our row goes back to before, and takes what Deck says by the usual way."""
        (at_deck,) = self.house.deck.objects("task_runs")
        self.house.world.touch(at_deck, **run)
        with self.house.app.app_context():
            with writing():
                row = db.session.get_one(Run, self.run_id)
                row.status, row.as_of, row.files = "running", None, []
            refresh_run(self.run_id)
            db.session.remove()

    def reconnecting(self, connection: str) -> str:
        """The visit in which Robin signs in again: the same one for all texts."""
        if not self.visit:
            self.robin.posts(f"/connections/{connection}/reconnect")
            self.visit = self.robin.page.url.path
        return self.visit

    def page(self, path: str) -> str:
        reply = ask(self.house.app, "GET", path, cookie=cookie_of(self.robin))
        assert reply.status == 200, (path, reply.status)
        return reply.text


@pytest.fixture(scope="module")
def bank(stage: Stage) -> Iterator[Bank]:
    house = built(stage)
    house.app.extensions["gangway"].limits.allows = lambda *who: True  # of one person, who is here for every text
    person = {"username": MARK, "password": "p", "asks": [ASKED], "output": FOUND}
    person["files"] = [{"file_name": MARK, "content": "x"}]
    house.world.sites.put({"host": "maplemain.example", "people": [person]})
    house.world.pins.add({"path": "output", "value": FOUND, "validate": "off"})
    robin = house.visitor("robin@sample.example")
    robin.signs_in_at("Maple & Main Bank", MARK, "p")
    house.deck.goes_on()
    assert robin.looks_again() == "interaction"
    with house.app.app_context():
        run = db.session.scalars(db.select(Run)).one()
        bank = Bank(house, robin, robin.page.url.path, run.id)
        db.session.remove()
    yield bank
    close(house)


def assert_clean(text: str) -> None:
    found = NEVER_SHOWN.search(text.replace("\r\n", "\n"))
    assert not found, repr(found and found[0])


def same_shapes(bank: Bank, name: str, text: str, draw: Callable[[], str]) -> str:
    """Draw the page benignly once and then with *text* in it: the same elements, attributes and addresses."""
    if name not in bank.benign:
        bank.says(BENIGN)
        bank.benign[name] = shape(draw())
    bank.says(text)
    html = draw()
    assert_clean(html)
    if clean_text(text):  # nothing left of it: then there is nothing to show
        assert shape(html) == bank.benign[name]
    return html


@pytest.mark.parametrize("text", CORPUS, ids=NAMES)
def test_a_question_keeps_its_shape_on_the_page_and_in_the_stream(bank: Bank, text: str) -> None:
    # An option whose value no form could bring back is left out; all others are there.
    named = "without the option" if NEVER_SENT.search(text) else "with all options"
    only_plain = {**ASKED["fields"][1], "options": ["plain"]}
    benign = {**ASKED, "fields": [ASKED["fields"][0], only_plain]} if NEVER_SENT.search(text) else ASKED

    def page() -> str:
        asked = {**ASKED, "type": "other"} if text == "mfa" else ASKED  # which is a type we know, with its own hints
        said = bank.house.wire.instead[MARK]
        bank.tells_again(status="interaction_required", interaction=benign if said == BENIGN else asked)
        return re.sub(r'"(f\d-|answer-)[\w-]{16}', r'"\1', bank.page(bank.session))

    def pushed() -> str:
        stream = ask(bank.house.app, "GET", f"{bank.session}/live", cookie=cookie_of(bank.robin)).text
        ((kind, data),) = sse_events(stream)
        assert kind == "message"
        assert_clean(stream)
        return data

    same_shapes(bank, f"page {named}", text, page)
    if f"pushed {named}" not in bank.benign:
        bank.says(BENIGN)
        page()
        bank.benign[f"pushed {named}"] = shape(pushed())
        bank.says(text)
        page()
    fragment = same_shapes(bank, f"pushed {named}", text, pushed)
    assert 'name="f0"' in fragment and 'name="f1"' in fragment


@pytest.mark.parametrize("text", CORPUS, ids=NAMES)
def test_results_files_and_usernames_keep_their_shape(bank: Bank, text: str) -> None:
    summary = {"id": "stor_x", "object": "storage", "file_name": MARK, "file_type": MARK, "file_size": 1}
    bank.says(text)
    with bank.house.app.app_context():
        connection = db.session.get_one(Run, bank.run_id).connection.ref
        db.session.remove()

    def results() -> str:
        bank.tells_again(status="completed", result="success", output=FOUND, storage=[summary], interaction=None)
        return bank.page(f"/connections/{connection}")

    def outcome() -> str:
        return bank.page(bank.session)

    def failure() -> str:
        errors = [{"type": MARK, "code": MARK, "message": MARK}]
        bank.tells_again(status="failed", result="failure", errors=errors, output=None, storage=[], interaction=None)
        return bank.page(bank.session)

    def sign_in() -> str:
        return bank.page(bank.reconnecting(connection))

    for name, draw in (("results", results), ("outcome", outcome), ("failure", failure), ("sign in", sign_in)):
        same_shapes(bank, name, text, draw)


@pytest.mark.parametrize(
    "text", ["../../x", "a\r\nSet-Cookie: x=1", '"x.html"', "a" * 300, "\u202egpj.exe", "\ud800", ""]
)
def test_a_files_name_is_only_a_name(bank: Bank, text: str) -> None:
    (item,) = [bank.house.world.find("storage", i) for i in bank.house.world.stores["storage"]] or [None]
    if item is None:
        item = bank.house.world.add("storage", {"file_name": MARK, "file_type": "x", "file_size": 1, "_content": "x"})
    summary = {k: item[k] for k in ("id", "object", "file_name", "file_type", "file_size")}
    bank.says(text)
    bank.tells_again(status="completed", result="success", output=FOUND, storage=[summary], interaction=None)
    with bank.house.app.app_context():
        run = db.session.get_one(Run, bank.run_id)
        path = f"/connections/{run.connection.ref}/files/{run.ref}/0"
        db.session.remove()
    reply = ask(bank.house.app, "GET", path, cookie=cookie_of(bank.robin))
    disposition = reply.headers["Content-Disposition"]
    assert reply.status == 200 and disposition.startswith("attachment; filename")
    assert "Set-Cookie: x" not in str(reply.headers) and not re.search(r"[/\\\r\n]|%2F|%E2%80%AE", disposition)
    assert len(disposition) < 300


@pytest.fixture(scope="module")
def tidepool(bank: Bank) -> Server:
    return founded(bank.house.app)


@pytest.mark.parametrize("text", CORPUS, ids=NAMES)
def test_what_a_company_calls_its_user_is_refused_or_stays_text(bank: Bank, tidepool: Server, text: str) -> None:
    """Some companies pass on what their user typed."""

    def asks(label: str) -> httpx.Response:
        body = json.dumps({"user": {"client_user_id": "user-7"}, "user_label": label})
        return tidepool.http.post("/connect/sessions", content=body.encode())

    def told(label: str) -> list[Shape]:
        kim = Visitor(bank.house.app)
        kim.opens(asks(label).json()["hosted_url"].removeprefix("http://localhost"))
        pages = [kim.page.text]
        kim.presses("Continue")
        assert kim.view() == "consent" and f"For the account {label} at Tidepool Savings" in kim.sees()
        pages.append(kim.page.text)
        for page in pages:
            assert_clean(page)
        return [without_refs(shape(page)) for page in pages]

    if len(text) > 40 or not text.strip("\u200b ") or NEVER_SENT.search(text):
        error = asks(text[:1_000]).json()["error"]
        assert (error["error_code"], error["param"]) == ("invalid_field", "user_label")
        return
    if "told" not in bank.benign:
        bank.benign["told"] = told(BENIGN)
    assert told(text) == bank.benign["told"]


def short_texts() -> list[Any]:
    """PostgreSQL keeps no NUL, so no catalog there can hold one."""
    return [pytest.param(t, marks=pytest.mark.sqlite if "\0" in t else ()) for t in CORPUS if len(t) < 200]


@pytest.mark.parametrize("text", short_texts(), ids=lambda t: ascii(t)[:24])
def test_not_even_the_catalogs_words_change_a_page(bank: Bank, text: str) -> None:
    def named(words: str) -> list[Shape]:
        with bank.house.app.app_context():
            with writing():
                source = db.session.scalars(db.select(Source).filter_by(slug="northlight-power")).one()
                source.name = words.encode("utf-8", "replace").decode() or "x"
                source.words = dict.fromkeys(("username_label", "password_label", "username_hint"), source.name)
            db.session.remove()
        bank.robin.posts("/connect/start", {"source": "northlight-power"})
        shapes = [shape(bank.robin.page.text)]
        bank.robin.posts(bank.robin.page.url.path + "/agree")
        assert bank.robin.view() == "sign_in"
        return [without_refs(s) for s in (*shapes, shape(bank.robin.page.text))]

    if "named" not in bank.benign:
        bank.benign["named"] = named(BENIGN)
    assert named(text) == bank.benign["named"]


def without_refs(found: Shape) -> Shape:
    """Without the refs in its addresses."""
    ref = re.compile(r"/(connect/[\w-]{16}|go/[\w-]+)")
    return [(d, tag, tuple(ref.sub("/…", a) for a in names)) for d, tag, names in found]
