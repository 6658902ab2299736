"""Every list as CSV: what a spreadsheet would run is text, and it is what the page shows."""

from __future__ import annotations

import contextvars
import csv
import io
from collections.abc import Iterator

import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.routes import lists_of
from webapp.db import db, now, writing
from webapp.models import Event, Staff
from webapp.support.lists import DANGEROUS, LISTINGS

EVIL = "=cmd|' /C calc'!A0"


def read(visitor: Visitor, path: str) -> list[list[str]]:
    answer = visitor.opens(path)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    return list(csv.reader(io.StringIO(answer.text)))


class Reader:
    """A file being read line by line, in a context of its own as every request has."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        request = visitor.http.build_request("GET", path)
        self.context = contextvars.copy_context()
        self.answer = self.context.run(lambda: visitor.http.send(request, stream=True))
        self.lines = self.answer.iter_text()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.run(self.answer.close)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if (line := self.context.run(next, self.lines, None)) is None:
            raise StopIteration
        return line


def events(app: Flask, count: int, type: str) -> None:
    with app.app_context(), writing():
        for n in range(count):
            Event.record(deck_id=f"{type}{n}", webhook_id=f"{type}w{n}", type=type, subject="", body=b"{}")


@pytest.mark.parametrize("text", [EVIL, "+1+1", "-2+3", "@SUM(A1)", '=HYPERLINK("https://evil.example")'])
def test_nothing_in_it_is_a_formula(app: Flask, agent: Visitor, text: str) -> None:
    events(app, 1, text)
    (_, row) = read(agent, "/support/inbox.csv")
    assert row[1] == f"'{text}" and not any(cell.startswith(DANGEROUS) for cell in row)


def test_it_is_narrowed_as_the_page_and_goes_beyond_one_page(app: Flask, agent: Visitor) -> None:
    events(app, 230, "one.kind")
    events(app, 3, "another")
    assert len(read(agent, "/support/inbox.csv")) == 1 + 233
    assert len(read(agent, "/support/inbox.csv?type=another")) == 1 + 3
    assert len(read(agent, "/support/inbox.csv?type=nothing")) == 1


def test_every_list_has_one_with_its_columns(app: Flask, lead: Visitor) -> None:
    assert lists_of(app)
    for name in lists_of(app):
        head = read(lead, f"/support/{name}.csv")[0]
        assert head == list(LISTINGS[name].columns)


def test_the_largest_list_ends_and_says_so(app: Flask, agent: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.support.lists.MOST_IN_CSV", 100)
    events(app, 300, "x")
    rows = read(agent, "/support/inbox.csv")
    assert len(rows) < 210 and rows[-1][0].startswith("Only the newest 100 rows")
    with app.app_context():
        assert db.session.query(Event).count() == 300


@pytest.fixture
def slowly(agent: Visitor, app: Flask) -> Iterator[Reader]:
    """The agent takes away two events a time, and has read the first lines."""
    events(app, 9, "x")
    with Reader(agent, "/support/inbox.csv") as reader:
        yield reader


def test_a_slow_reader_holds_no_connection(slowly: Reader, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.support.lists.IN_A_BATCH", 2)
    assert [next(slowly) for _ in range(2)]
    with app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert len(list(slowly)) == 8, "and in the end they have all of it"


def test_a_file_ends_with_the_session(slowly: Reader, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.support.lists.IN_A_BATCH", 2)
    assert [next(slowly) for _ in range(2)]
    with app.app_context(), writing():
        db.session.query(Staff).one().disabled_at = now()
    assert len(list(slowly)) == 1, "the other half of what was read, and nothing more"
