"""What sites, hosts and people say stays text on every page of the dashboard: the page keeps its shape (SEC-34..38).

The pages are read from the routes, so a new one is looked at as soon as it is there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
import time_machine
from markupsafe import escape

from tests.security.corpus import CORPUS
from tests.security.tools import NEVER_SHOWN, TELLING, shape
from tests.support.one_of_each import Desk
from tests.support.routes import lists_of
from webapp.db import now
from webapp.deck.reading import clean_text
from webapp.support.lists import DANGEROUS

BENIGN = "An ordinary sentence"
LENGTHS = (2_000, 500, 300, 200, 120, 100, 80, 60, 40)
"""Of what is kept, longest first."""
LEADING = re.compile(rf"""\b(?:{"|".join(TELLING)})\s*=\s*(?:"[^"]*\0|'[^']*\0|\0)""")


@pytest.fixture
def stopped() -> Iterator[None]:
    """Ages stay what they are, so that pages can be compared."""
    with time_machine.travel(now(), tick=False):
        yield


@pytest.mark.parametrize("texts", [CORPUS[::2], CORPUS[1::2]], ids=["one half", "the other"])
def test_every_page_keeps_its_shape_whatever_is_said(desk: Desk, texts: list[str], stopped: None) -> None:
    desk.says(BENIGN)
    benign = desk.shows()
    for page in ("/support/audit", "/support/inbox", "/support/deliveries", "/support/hosts"):
        assert len(shape(benign[page])) > 40, f"{page} shows something"
    for text in texts:
        if not clean_text(text):
            continue  # nothing is left of it
        desk.says(text)
        for page, html in desk.shows().items():
            if without(html, text) != without(benign[page], BENIGN):
                assert shape(html) == shape(benign[page]), (page, text[:60])


def without(html: str, text: str) -> str:
    """A page with the *text* taken out wherever it stands escaped and leads nowhere: no parser can see it there.

    Pages that are the same then are of one shape, which saves most of the parsing.
    """
    for longest in LENGTHS:
        form = str(escape(clean_text(text, longest=longest)))
        html = html.replace(form, "\0") if len(form) > 1 and not form.startswith("/") else html
    return html if not LEADING.search(html) else f"{text}{html}"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("<p>An ordinary sentence</p>", "<p><b>bold</b></p>"),
        ("<p title='An ordinary sentence'>", "<p title='<b>bold</b>'>"),
        ('<a href="An ordinary sentence">', '<a href="&lt;b&gt;bold&lt;/b&gt;">'),
        ("<p>An ordinary sentence</p>", "<p><p>&lt;b&gt;bold&lt;/b&gt;</p>"),
    ],
)
def test_only_what_is_escaped_and_leads_nowhere_is_taken_out(ours: str, theirs: str) -> None:
    assert without(ours, BENIGN) != without(theirs, "<b>bold</b>")
    assert without("<p>An ordinary sentence</p>", BENIGN) == without("<p>&lt;b&gt;bold&lt;/b&gt;</p>", "<b>bold</b>")


def test_no_spreadsheet_runs_what_is_said(desk: Desk) -> None:
    texts = [text for text in CORPUS if clean_text(text).startswith(DANGEROUS)]
    assert texts
    for text in (*texts, "+1", "-1", "@x", "=1"):
        desk.says(text)
        for name in lists_of(desk.app):
            answer = desk.admin.http.get(f"/support/{name}.csv")
            for row in csv.reader(io.StringIO(answer.text)):
                assert not any(cell.startswith(DANGEROUS) for cell in row), (name, row)


def test_what_somebody_looks_for_is_shown_as_text(desk: Desk) -> None:
    desk.says(BENIGN)
    for name in lists_of(desk.app):
        for text in CORPUS:
            typed = text[:1_000].encode("utf-8", "replace").decode()
            answer = desk.admin.http.get(f"/support/{name}", params={"type": typed, "who": typed, "name": typed})
            assert answer.status_code == 200, (name, text[:60])
            assert "<script>alert" not in answer.text and not NEVER_SHOWN.search(answer.text.replace("\r\n", "\n"))
