"""The page moves by itself: each test reads the stream as a browser would, without waiting."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.people import Deck, Visitor
from webapp import live


@pytest.fixture(autouse=True)
def hearts_beat_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that has nothing to tell says so at once, so that no test waits."""
    monkeypatch.setattr(live, "HEARTBEAT", 0.001)


class Tab:
    """A stream being read, in a context of its own as every request has."""

    def __init__(self, visitor: Visitor) -> None:
        request = visitor.http.build_request("GET", f"{visitor.page.url.path}/live")
        self.context = contextvars.copy_context()
        self.response = self.context.run(lambda: visitor.http.send(request, stream=True))
        self.frames = self.response.iter_text()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        frame = self.context.run(next, self.frames, None)
        if frame is None:
            raise StopIteration
        return frame

    def close(self) -> None:
        self.context.run(self.response.close)


@pytest.fixture
def watches() -> Iterator[Callable[[Visitor], Tab]]:
    """Open the stream of the page a visitor is on; closed at the end of the test."""
    tabs: list[Tab] = []

    def open_tab(visitor: Visitor) -> Tab:
        tabs.append(Tab(visitor))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.close()


def test_the_present_state_comes_first_and_heartbeats_never_repeat_it(
    robin: Visitor, watches: Callable[[Visitor], Tab]
) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    stream = watches(robin)
    assert 'data-view="progress"' in next(stream)
    assert next(stream) == ": still here\n\n"


def test_every_change_is_pushed_and_the_end_closes_the_stream(
    robin: Visitor, deck: Deck, watches: Callable[[Visitor], Tab]
) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    stream = watches(robin)
    next(stream)
    deck.goes_on()
    assert "6-digit code" in next(stream)

    robin.looks_again()
    robin.presses("Continue", f0="246810")
    assert "Signing in" in next(stream)
    deck.goes_on()
    rest = list(stream)
    assert "Maple &amp; Main Bank is connected" in rest[-2]
    assert rest[-1] == "event: over\ndata: \n\n"


def test_signing_out_ends_the_stream(robin: Visitor, watches: Callable[[Visitor], Tab]) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    stream = watches(robin)
    next(stream)
    robin.posts("/sign-out")
    assert next(stream) == "event: over\ndata: \n\n"


def test_a_process_that_ends_lets_the_page_come_back(
    robin: Visitor, app: Flask, watches: Callable[[Visitor], Tab]
) -> None:
    robin.signs_in_at("Maple & Main Bank", "4500123412341234", "maple-leaf-9")
    stream = watches(robin)
    next(stream)
    app.extensions["gangway"].bus.close()
    (farewell,) = stream
    assert 1_000 <= int(farewell.removeprefix("event: farewell\nretry: ")) < 5_000, (
        "come back, and not all at once; it is not over"
    )


def test_the_stream_is_not_cached_or_buffered(robin: Visitor, deck: Deck) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()  # over, so that the stream ends by itself
    answer = robin.http.get(f"{robin.page.url.path}/live")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert 'data-view="outcome"' in answer.text
