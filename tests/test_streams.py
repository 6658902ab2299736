"""Somebody may have a few streams open; newer ones take the place of older ones, and a crowd is served in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.companies import BANK, CARD, PASSWORD, founded
from tests.framed import SHOP, Frame
from tests.people import Deck, Visitor
from tests.test_live import Tab
from webapp import live, streams

ELSEWHERE = "event: elsewhere\ndata: \n\nevent: over\ndata: \n\n"


@pytest.fixture(autouse=True)
def hearts_beat_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.001)


@pytest.fixture
def opens() -> Iterator[Callable[[Visitor], Tab]]:
    """One more tab on the page a visitor is on, its first fragment read; all are closed in the end."""
    tabs: list[Tab] = []

    def one(visitor: Visitor) -> Tab:
        tabs.append(Tab(visitor))
        assert next(tabs[-1]).startswith("data: <section")
        return tabs[-1]

    yield one
    for tab in tabs:
        tab.close()


@pytest.fixture
def waiting(robin: Visitor, deck: Deck) -> Visitor:
    """Robin, asked for a code."""
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    deck.goes_on()
    robin.looks_again()
    return robin


def test_the_fifth_tab_takes_the_place_of_the_oldest(waiting: Visitor, opens: Callable[[Visitor], Tab]) -> None:
    tabs = [opens(waiting) for _ in range(streams.PER_SESSION)]
    assert [next(tab) for tab in tabs] == [": still here\n\n"] * 4
    newest = opens(waiting)
    assert list(tabs[0]) == [ELSEWHERE], "it is told why, and not to come back by itself"
    assert [next(tab) for tab in (*tabs[1:], newest)] == [": still here\n\n"] * 4


def test_a_closed_tab_leaves_its_place_to_the_next(waiting: Visitor, opens: Callable[[Visitor], Tab]) -> None:
    oldest = opens(waiting)
    for _ in range(10):
        opens(waiting).close()
    assert next(oldest) == ": still here\n\n"


def test_another_browser_of_the_same_person_counts_for_itself(
    app: Flask, waiting: Visitor, opens: Callable[[Visitor], Tab]
) -> None:
    first = opens(waiting)
    elsewhere = Visitor(app)
    elsewhere.opens("/sign-in")
    elsewhere.presses("Sign in", email="robin@sample.example", password="correct horse battery")
    elsewhere.opens(waiting.page.url.path)
    for _ in range(streams.PER_SESSION):
        opens(elsewhere)
    assert next(first) == ": still here\n\n"


def test_a_frame_on_a_companys_page_counts_like_a_browser(app: Flask, opens: Callable[[Visitor], Tab]) -> None:
    kim = Frame(app)
    kim.opens_with(founded(app, origins=[SHOP]).invites()["connect_token"])
    kim.presses("Agree and continue")
    kim.presses(BANK)
    kim.presses("Sign in", username=CARD, password=PASSWORD)
    kim.looks_again()
    tabs = [opens(kim) for _ in range(streams.PER_SESSION + 1)]
    assert list(tabs[0]) == [ELSEWHERE]
    assert next(tabs[1]) == ": still here\n\n"


@pytest.mark.parametrize("bound", ["PER_ADDRESS", "AT_ONCE"])
def test_in_a_crowd_everybody_is_told_how_things_stand_and_comes_back_later(
    waiting: Visitor, opens: Callable[[Visitor], Tab], monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(streams, bound, 2)
    staying = [opens(waiting), opens(waiting)]
    for _ in range(3):
        brief = opens(waiting)
        (end,) = brief
        assert end.startswith("event: brief\nretry: ")
        assert 10_000 <= int(end.removeprefix("event: brief\nretry: ")) < 20_000
    assert [next(tab) for tab in staying] == [": still here\n\n"] * 2, "nobody has to go for it"
    staying[0].close()
    assert next(opens(waiting)) == ": still here\n\n", "where there is room again, there is a place to stay"


def test_when_all_have_gone_nothing_is_remembered(
    app: Flask, waiting: Visitor, opens: Callable[[Visitor], Tab]
) -> None:
    tabs = [opens(waiting) for _ in range(streams.PER_SESSION + 1)]
    list(tabs[0])
    for tab in tabs:
        tab.close()
    place = app.extensions["gangway"].streams
    assert (place._of, dict(place._from), place._staying) == ({}, {}, 0)
